//! Turning names, descriptions and queries into terms.
//!
//! Documents and queries must pass through the very same steps, or a word typed as it was written
//! would not be found; so this module is the only one that looks at characters.

use unicode_normalization::UnicodeNormalization;

/// Rises whenever this module gives other terms for the same text: an index made by another version
/// must be rebuilt.
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
    pub forms: Vec<Vec<String>>,
}

impl Word {
    /// All terms of all forms.
    pub fn into_terms(self) -> impl Iterator<Item = String> {
        self.forms.into_iter().flatten()
    }
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let text = without_accents(text);
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.flat_map(by_script).map(|(script, run)| word(script, run)).collect()
}

/// The first terms of some texts, all forms of their words.
pub(crate) fn terms<'a>(texts: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = String> {
    let all = texts.into_iter().flat_map(|text| words(text)).flat_map(Word::into_terms);
    all.filter(|term| term.chars().count() <= MAX_TERM_CHARS).take(MAX_TERMS)
}

/// The letters and digits of a name, lower-cased and run together: `React-Query` gives `reactquery`.
pub(crate) fn joined(name: &str) -> String {
    lower(&without_accents(name)).chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The last part of a name that has a scope or a path: `query` for `@tanstack/query`.
pub(crate) fn base(name: &str) -> &str {
    name.rsplit('/').find(|part| !part.is_empty()).unwrap_or(name)
}

/// Decomposes, drops the accents, and composes again what is left.
///
/// Only the block of general accents is dropped. Marks of other scripts carry meaning there: without
/// its voicing mark が is か, and without vowel signs Hindi loses its vowels.
fn without_accents(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc().collect()
}

/// Lower case, and plain letters for those Latin ones that have no decomposition.
fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
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
    out
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
fn by_script(run: &str) -> Vec<(Script, &str)> {
    let mut parts: Vec<(Script, &str)> = Vec::new();
    let mut start = 0;
    for (at, c) in run.char_indices() {
        let next = at + c.len_utf8();
        match parts.last_mut() {
            Some((last, part)) if *last == script(c) => *part = &run[start..next],
            _ => {
                start = at;
                parts.push((script(c), &run[at..next]));
            }
        }
    }
    parts
}

fn word(script: Script, run: &str) -> Word {
    if script == Script::Unspaced {
        return Word { forms: vec![neighbours(&lower(run))] };
    }
    let humps: Vec<String> = humps(run).into_iter().map(lower).collect();
    let mut forms = vec![vec![lower(run)]];
    if humps.len() > 1 {
        forms.push(humps);
    }
    Word { forms }
}

/// Every pair of neighbouring characters, or the one character there is.
fn neighbours(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    match chars.len() {
        1 => vec![run.to_owned()],
        _ => chars.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

/// The humps of camelCase: a capital after a small letter or digit starts one, and so does the last
/// capital before a small letter, so that `HTTPServer` gives `HTTP` and `Server`.
fn humps(run: &str) -> Vec<&str> {
    let chars: Vec<(usize, char)> = run.char_indices().collect();
    let mut cuts = vec![0];
    for i in 1..chars.len() {
        let (at, current) = chars[i];
        let before = chars[i - 1].1;
        let small_follows = chars.get(i + 1).is_some_and(|(_, c)| c.is_lowercase());
        let after_small = before.is_lowercase() || before.is_numeric();
        if current.is_uppercase() && (after_small || (before.is_uppercase() && small_follows)) {
            cuts.push(at);
        }
    }
    cuts.push(run.len());
    cuts.windows(2).map(|cut| &run[cut[0]..cut[1]]).collect()
}

/// Letters wrong, missing, too many, or swapped with their neighbours (optimal string alignment).
///
/// Beyond `max` only that it is more counts.
pub(crate) fn typo_distance(a: &str, b: &str, max: usize) -> usize {
    // Most are ASCII, and most of those differ too much in length to be looked at.
    if a.is_ascii() && b.is_ascii() {
        return alignment(a.as_bytes(), b.as_bytes(), max);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    alignment(&a, &b, max)
}

fn alignment<T: PartialEq>(a: &[T], b: &[T], max: usize) -> usize {
    if a.len().abs_diff(b.len()) > max {
        return max + 1;
    }
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let changed = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = changed.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        if row.iter().all(|&distance| distance > max) {
            return max + 1;
        }
        before = std::mem::replace(&mut previous, row);
    }
    previous[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> Vec<String> {
        words(text).into_iter().flat_map(Word::into_terms).collect()
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
    fn counts_typing_errors() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("react", "react", 0),
            ("react", "reacts", 1),
            ("react", "eact", 1),
            ("react", "reakt", 1),
            ("react", "raect", 1),
            ("abcd", "badc", 2),
            ("ca", "abc", 3),
            ("webpack", "wepbakc", 2),
            ("kitten", "sitting", 3),
        ] {
            for max in 0..=5 {
                for counted in [typo_distance(a, b, max), typo_distance(b, a, max)] {
                    assert_eq!(counted.min(max + 1), distance.min(max + 1), "{a} {b} up to {max}");
                }
            }
        }
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
