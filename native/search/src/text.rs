//! Turning names, descriptions and queries into terms.
//!
//! Documents and queries must pass through the very same steps, or a word typed as it was written
//! would not be found; so this module is the only one that looks at characters.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use unicode_normalization::UnicodeNormalization;

/// Rises whenever this module gives other terms for the same text, or documents are kept in another way: an index
/// made by another version must be rebuilt.
pub(crate) const TEXT_VERSION: u32 = 3;

/// Terms beyond this length are not indexed in running text: no query word can be as long.
pub(crate) const MAX_TERM_CHARS: usize = 64;

/// Terms taken from the texts of one document, so that a hostile record cannot fill the index.
const MAX_TERMS: usize = 1_024;

/// One run of letters and digits, with the ways it may be written.
///
/// `reactQuery` gives `[[reactquery], [react, query]]`: a document has the word when it has all terms
/// of one of the forms. A run of Chinese, Japanese or Korean has one form, its pairs of neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it was typed, in lower case.
    pub text: String,
    pub forms: Vec<Vec<String>>,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let text = without_accents(text);
    let mut words = Vec::new();
    for run in runs(&text) {
        each_part(run, |script, part| {
            let mut forms: Vec<Vec<String>> = Vec::new();
            each_piece(script, part, |form, piece| {
                forms.resize_with(forms.len().max(form + 1), Vec::new);
                forms[form].push(lowered(piece));
            });
            words.push(Word { text: lowered(part), forms });
        });
    }
    words
}

/// The first terms of some texts, all forms of their words.
pub(crate) fn each_term<'a>(texts: impl IntoIterator<Item = &'a String>, mut take: impl FnMut(&str)) {
    let mut left = MAX_TERMS;
    let mut term = String::new();
    for text in texts {
        let text = without_accents(text);
        for run in runs(&text) {
            each_part(run, |script, part| {
                each_piece(script, part, |_, piece| {
                    term.clear();
                    lower_into(piece, &mut term);
                    if left > 0 && has_at_most(&term, MAX_TERM_CHARS) {
                        left -= 1;
                        take(&term);
                    }
                });
            });
            if left == 0 {
                return;
            }
        }
    }
}

/// The same, kept.
pub(crate) fn terms<'a>(texts: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut terms = Vec::new();
    each_term(texts, |term| terms.push(term.to_owned()));
    terms
}

/// The terms of a text, and where each stands in it. What folding has changed is only known to be somewhere in its run.
pub(crate) fn each_place(text: &str, mut take: impl FnMut(&str, Range<usize>)) {
    let mut term = String::new();
    let is_mark = |c: &char| ACCENTS.contains(c);
    let mut rest = 0;
    for run in text.split(|c: char| !c.is_alphanumeric() && !is_mark(&c)) {
        let start = rest;
        rest = start + run.len() + text[start + run.len()..].chars().next().map_or(0, char::len_utf8);
        let plain = without_accents(run);
        for piece in runs(&plain) {
            each_part(piece, |script, part| {
                each_piece(script, part, |_, piece| {
                    let at = piece.as_ptr() as usize - plain.as_ptr() as usize;
                    let place = if plain == run { at..at + piece.len() } else { 0..run.len() };
                    term.clear();
                    lower_into(piece, &mut term);
                    take(&term, start + place.start..start + place.end);
                });
            });
        }
    }
}

/// The letters and digits of a name, lower-cased and run together: `React-Query` gives `reactquery`.
pub(crate) fn joined(name: &str) -> String {
    let mut joined = lowered(&without_accents(name));
    joined.retain(|c| c.is_alphanumeric());
    joined
}

pub(crate) fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}

/// The last part of a name that has a scope or a path: `query` for `@tanstack/query`.
pub(crate) fn base(name: &str) -> &str {
    name.rsplit('/').find(|part| !part.is_empty()).unwrap_or(name)
}

/// The block of general accents.
const ACCENTS: RangeInclusive<char> = '\u{300}'..='\u{36f}';

/// Decomposes, drops the accents, and composes again what is left.
///
/// Only general accents are dropped. Marks of other scripts carry meaning there: without
/// its voicing mark が is か, and without vowel signs Hindi loses its vowels.
fn without_accents(text: &str) -> Cow<'_, str> {
    match text.is_ascii() {
        true => text.into(),
        false => text.nfkd().filter(|c| !ACCENTS.contains(c)).nfc().collect(),
    }
}

fn lowered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    lower_into(text, &mut out);
    out
}

/// Lower case, and plain letters for those Latin ones that have no decomposition.
fn lower_into(text: &str, out: &mut String) {
    if text.is_ascii() {
        out.extend(text.bytes().map(|byte| char::from(byte.to_ascii_lowercase())));
        return;
    }
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            // 'İ' lower-cases to an i and this dot.
            '\u{307}' => {}
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ħ' => out.push('h'),
            'ŧ' => out.push('t'),
            'ı' => out.push('i'),
            other => out.push(other),
        }
    }
}

/// Without counting all of a long one.
fn has_at_most(text: &str, chars: usize) -> bool {
    text.len() <= chars || text.chars().nth(chars).is_none()
}

/// What stands between separators.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    /// Written with spaces between words.
    Spaced,
    /// Chinese, Japanese or Korean, where a run of characters is rarely one word.
    Unspaced,
}

fn script(c: char) -> Script {
    match c {
        '\u{1100}'..='\u{11ff}' // Hangul letters
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}' // Hiragana, Katakana
        | '\u{3130}'..='\u{318f}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' // Han, extension A
        | '\u{4e00}'..='\u{9fff}' // Han
        | '\u{ac00}'..='\u{d7af}' // Hangul syllables
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' // Han, later extensions
        => Script::Unspaced,
        _ => Script::Spaced,
    }
}

/// Cuts a run where the script changes: `日本react` is two words.
fn each_part<'a>(run: &'a str, mut take: impl FnMut(Script, &'a str)) {
    let mut rest = run;
    while let Some(first) = rest.chars().next().map(script) {
        let end = if rest.is_ascii() { None } else { rest.find(|c| script(c) != first) };
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        take(first, part);
        rest = after;
    }
}

/// The terms of one word before they are lower-cased, each with the form of the word that it belongs to.
fn each_piece<'a>(script: Script, part: &'a str, mut take: impl FnMut(usize, &'a str)) {
    if script == Script::Unspaced {
        return each_pair(part, |pair| take(0, pair));
    }
    take(0, part);
    let mut start = 0;
    each_hump(part, |end| {
        if start > 0 || end < part.len() {
            take(1, &part[start..end]);
        }
        start = end;
    });
}

/// Every pair of neighbouring characters, or the one character there is.
fn each_pair<'a>(part: &'a str, mut take: impl FnMut(&'a str)) {
    let mut before = None;
    for (at, c) in part.char_indices() {
        if let Some(start) = before {
            take(&part[start..at + c.len_utf8()]);
        }
        before = Some(at);
    }
    if before == Some(0) {
        take(part);
    }
}

/// Where the humps of camelCase end: a capital after a small letter or digit starts one, and so does the last
/// capital before a small letter, so that `HTTPServer` gives `HTTP` and `Server`.
fn each_hump(part: &str, mut take_end: impl FnMut(usize)) {
    let mut before: Option<char> = None;
    let mut chars = part.char_indices().peekable();
    while let Some((at, current)) = chars.next() {
        if let Some(before) = before
            && current.is_uppercase()
        {
            let small_follows = chars.peek().is_some_and(|(_, c)| c.is_lowercase());
            let after_small = before.is_lowercase() || before.is_numeric();
            if after_small || (before.is_uppercase() && small_follows) {
                take_end(at);
            }
        }
        before = Some(current);
    }
    take_end(part.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By way of the words, and at once: both must agree.
    fn terms(text: &str) -> Vec<String> {
        let terms: Vec<String> = words(text).into_iter().flat_map(|word| word.forms).flatten().collect();
        assert_eq!(super::terms([&text.to_owned()]), terms);
        terms
    }

    #[test]
    fn splits_at_punctuation_and_at_humps_and_keeps_the_whole() {
        assert_eq!(terms("react-query"), ["react", "query"]);
        assert_eq!(terms("reactQuery v2"), ["reactquery", "react", "query", "v2"]);
        assert_eq!(terms("HTTPServer"), ["httpserver", "http", "server"]);
        assert_eq!(terms("md5Sum"), ["md5sum", "md5", "sum"]);
        assert_eq!(terms(" -- _ "), [""; 0]);
    }

    #[test]
    fn folds_accents_but_keeps_other_marks() {
        assert_eq!(terms("Café NAÏVE"), ["cafe", "naive"]);
        assert_eq!(terms("Straße Łódź Søren"), ["strasse", "lodz", "soren"]);
        assert_eq!(terms("İstanbul"), ["istanbul"]);
        assert_eq!(terms("ﬁle ２"), ["file", "2"]);
        assert_eq!(terms("が"), ["が"]);
    }

    #[test]
    fn cuts_unspaced_scripts_into_pairs() {
        assert_eq!(terms("日本語"), ["日本", "本語"]);
        assert_eq!(terms("한국어 字"), ["한국", "국어", "字"]);
        assert_eq!(terms("日本react語"), ["日本", "react", "語"]);
    }

    #[test]
    fn joins_names_and_finds_their_base() {
        assert_eq!(joined("@TanStack/React-Query"), "tanstackreactquery");
        assert_eq!(base("@tanstack/react-query"), "react-query");
        assert_eq!(base("library/nginx/"), "nginx");
        assert_eq!(base("left-pad"), "left-pad");
        assert_eq!(base("/"), "/");
    }
}
