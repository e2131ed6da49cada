//! The one judge of what a document is worth for a query, whoever offered it.
//!
//! Candidates of this index and of other nodes are scored alike, from their texts, which their publishers signed, and
//! from how rare words are here. What another node says of a score or an order counts for nothing.

use crate::plan::{
    DESC_BOOST, DESC_FUZZY_SCORE, EXACT_SCORE, FIRST_STAGE_BONUS, FUZZY_1_SCORE, FUZZY_2_SCORE,
    MIN_FUZZY_1_CHARS, MIN_FUZZY_2_CHARS, MIN_FUZZY_WORD_CHARS, POPULARITY_WEIGHT, PREFIX_SCORE, Plan,
    TOK_BOOST, TOK_FUZZY_SCORE, TOK_PREFIX_SCORE,
};
use crate::schema::{Fields, doublings};
use crate::text::{self, Word};
use std::collections::HashMap;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// What is scored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Full name, with its scope.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Scored like the description.
    pub keywords: Vec<String>,
    /// What filters compare, `field:value` each.
    pub labels: Vec<String>,
    /// How often it is fetched; 0 when unknown.
    pub popularity: f64,
}

/// Above what any document with only some of the words may reach, so that it comes last.
const SOME_MATCH: f32 = 40.0;
/// A name that only lacks the scope typed nowhere comes just after the one that has none.
const SCOPED_DISCOUNT: f32 = 2.0;
/// Of the points for a beginning, what a name gets however much longer it is.
const PREFIX_FLOOR: f32 = 0.5;
/// Beside a name that is the query, one that is a letter off is hardly what was meant, and beside one that begins with
/// it less likely.
const TYPO_BESIDE_EXACT: f32 = 0.1;
const TYPO_BESIDE_BEGUN: f32 = 0.6;

// BM25, with its usual constants.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// Scores all candidates of one query; 0 is for those that have nothing of it.
pub(crate) fn scores(
    searcher: &Searcher,
    fields: Fields,
    plan: &Plan,
    candidates: &[Candidate],
) -> tantivy::Result<Vec<f32>> {
    let texts: Vec<Text> = candidates.iter().map(Text::of).collect();
    let judge = Judge {
        plan,
        names: Rarity::of(searcher, fields.tok, plan)?,
        words: Rarity::of(searcher, fields.words, plan)?,
        typo_factor: typo_factor(&texts, &plan.whole),
    };
    let score = |(text, candidate): (&Text, &Candidate)| match passes(plan, candidate) {
        true if plan.is_empty() => 1.0 + POPULARITY_WEIGHT * doublings(candidate.popularity),
        true => judge.score(text, candidate.popularity),
        false => 0.0,
    };
    Ok(texts.iter().zip(candidates).map(score).collect())
}

/// Whether the filters let it pass, and there is anything to go by.
fn passes(plan: &Plan, candidate: &Candidate) -> bool {
    let labels: Vec<String> = candidate.labels.iter().map(|label| label.to_lowercase()).collect();
    plan.filters.iter().all(|filter| labels.contains(filter)) && !(plan.is_empty() && plan.filters.is_empty())
}

/// A candidate taken apart.
struct Text {
    full: String,
    base: String,
    name: HashMap<String, f32>,
    name_terms: f32,
    desc: HashMap<String, f32>,
    desc_terms: f32,
}

impl Text {
    fn of(candidate: &Candidate) -> Self {
        let (name, name_terms) = counted([&candidate.name]);
        let (desc, desc_terms) = counted(std::iter::once(&candidate.description).chain(&candidate.keywords));
        let full = text::joined(&candidate.name);
        let base = text::joined(text::base(&candidate.name));
        Self { full, base, name, name_terms, desc, desc_terms }
    }
}

fn typo_factor(texts: &[Text], whole: &str) -> f32 {
    let mut names = texts.iter().flat_map(|text| [&text.full, &text.base]);
    if names.clone().any(|name| name == whole) {
        return TYPO_BESIDE_EXACT;
    }
    if names.any(|name| name.starts_with(whole)) { TYPO_BESIDE_BEGUN } else { 1.0 }
}

fn counted<'a>(texts: impl IntoIterator<Item = &'a String>) -> (HashMap<String, f32>, f32) {
    let mut counts = HashMap::new();
    let mut total = 0.0;
    for term in text::terms(texts) {
        *counts.entry(term).or_insert(0.0) += 1.0;
        total += 1.0;
    }
    (counts, total)
}

/// How much a term of one field says.
struct Rarity {
    idf: HashMap<String, f32>,
    average_terms: f32,
}

impl Rarity {
    fn of(searcher: &Searcher, field: Field, plan: &Plan) -> tantivy::Result<Self> {
        let documents = searcher.num_docs().max(1) as f32;
        let mut idf = HashMap::new();
        for term in plan.words.iter().flat_map(|word| word.forms.iter().flatten()) {
            let having =
                searcher.doc_freq(&Term::from_field_text(field, term))?.min(searcher.num_docs()) as f32;
            idf.insert(term.clone(), (1.0 + (documents - having + 0.5) / (having + 0.5)).ln());
        }
        let mut tokens = 0;
        for segment in searcher.segment_readers() {
            tokens += segment.inverted_index(field)?.total_num_tokens();
        }
        Ok(Self { idf, average_terms: (tokens as f32 / documents).max(1.0) })
    }

    fn weigh(&self, term: &str, count: f32, terms: f32) -> f32 {
        let idf = self.idf.get(term).copied().unwrap_or_default();
        idf * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * terms / self.average_terms))
    }
}

struct Judge<'a> {
    plan: &'a Plan,
    names: Rarity,
    words: Rarity,
    /// How likely a name is a letter off, beside those that need no error.
    typo_factor: f32,
}

/// What one word of a query is worth in a text, and how it was found.
#[derive(Clone, Copy, PartialEq)]
enum Found {
    As(f32),
    Mistyped(f32),
    Not,
}

impl Judge<'_> {
    fn score(&self, text: &Text, popularity: f64) -> f32 {
        let name = self.name(text);
        let (sum, rating) = self.words(text);
        let typo = if name > EXACT_SCORE - 2.0 * SCOPED_DISCOUNT { 0.0 } else { self.mistyped_name(text) };
        let matched = [
            (name > 0.0 || rating == Rating::All)
                .then(|| name + FIRST_STAGE_BONUS + if rating == Rating::All { sum } else { 0.0 }),
            (typo > 0.0).then_some(typo),
            (rating == Rating::AllMistyped).then_some(sum),
        ];
        let best = matched.into_iter().flatten().reduce(f32::max);
        let prior = POPULARITY_WEIGHT * doublings(popularity);
        match (best, rating) {
            (Some(best), _) => SOME_MATCH + best + prior,
            (None, Rating::Some) => (sum + prior).min(SOME_MATCH),
            (None, _) => 0.0,
        }
    }

    fn name(&self, text: &Text) -> f32 {
        let whole = &self.plan.whole;
        if text.full == *whole {
            return EXACT_SCORE;
        }
        if text.base == *whole {
            return EXACT_SCORE - SCOPED_DISCOUNT;
        }
        let begun = [&text.base, &text.full].into_iter().find(|name| name.starts_with(whole.as_str()));
        begun.map_or(0.0, |name| {
            PREFIX_SCORE * (PREFIX_FLOOR + (1.0 - PREFIX_FLOOR) * whole.len() as f32 / name.len() as f32)
        })
    }

    fn mistyped_name(&self, text: &Text) -> f32 {
        let whole = &self.plan.whole;
        let most = match whole.chars().count() {
            chars if chars < MIN_FUZZY_1_CHARS => return 0.0,
            chars if chars < MIN_FUZZY_2_CHARS => 1,
            _ => 2,
        };
        let distance =
            text::typo_distance(whole, &text.base, most).min(text::typo_distance(whole, &text.full, most));
        let score = match distance {
            0 | 1 => FUZZY_1_SCORE,
            2 if most == 2 => FUZZY_2_SCORE,
            _ => return 0.0,
        };
        (score + FIRST_STAGE_BONUS) * self.typo_factor
    }

    fn words(&self, text: &Text) -> (f32, Rating) {
        let last = self.plan.words.len() - 1;
        let found = self.plan.words.iter().enumerate().map(|(i, word)| self.word(word, text, i == last));
        let mut sum = 0.0;
        let mut counts = [0, 0];
        for each in found {
            match each {
                Found::As(score) => (sum, counts[0]) = (sum + score, counts[0] + 1),
                Found::Mistyped(score) => (sum, counts[1]) = (sum + score, counts[1] + 1),
                Found::Not => {}
            }
        }
        let rating = match counts {
            [all, 0] if all == last + 1 => Rating::All,
            [some, mistyped] if some + mistyped == last + 1 => Rating::AllMistyped,
            [0, 0] => Rating::None,
            _ => Rating::Some,
        };
        (sum, rating)
    }

    /// The best of its forms, of which all terms must be there.
    fn word(&self, word: &Word, text: &Text, is_last: bool) -> Found {
        let mut best = Found::Not;
        for form in &word.forms {
            let last = form.len() - 1;
            let mut whole = Found::As(0.0);
            for (i, term) in form.iter().enumerate() {
                whole = match (whole, self.term(term, text, is_last && i == last)) {
                    (_, Found::Not) | (Found::Not, _) => Found::Not,
                    (Found::As(sum), Found::As(score)) => Found::As(sum + score),
                    (Found::As(sum) | Found::Mistyped(sum), Found::As(score) | Found::Mistyped(score)) => {
                        Found::Mistyped(sum + score)
                    }
                };
            }
            best = match (best, whole) {
                (Found::As(a), Found::As(b)) => Found::As(a.max(b)),
                (Found::Mistyped(a), Found::Mistyped(b)) => Found::Mistyped(a.max(b)),
                (Found::As(_), _) | (Found::Mistyped(_), Found::Not) => best,
                _ => whole,
            };
        }
        best
    }

    fn term(&self, term: &str, text: &Text, may_continue: bool) -> Found {
        let in_name =
            text.name.get(term).map(|&count| TOK_BOOST * self.names.weigh(term, count, text.name_terms));
        let in_desc =
            text.desc.get(term).map(|&count| DESC_BOOST * self.words.weigh(term, count, text.desc_terms));
        if let Some(best) = in_name.into_iter().chain(in_desc).reduce(f32::max) {
            return Found::As(best + 0.1 * in_name.unwrap_or(0.0).min(in_desc.unwrap_or(0.0)));
        }
        if may_continue && text.name.keys().any(|known| known.starts_with(term)) {
            return Found::As(TOK_PREFIX_SCORE);
        }
        if term.chars().count() < MIN_FUZZY_WORD_CHARS {
            return Found::Not;
        }
        let near = |known: &String| text::typo_distance(term, known, 1) <= 1;
        if text.name.keys().any(near) {
            return Found::Mistyped(TOK_FUZZY_SCORE);
        }
        if text.desc.keys().any(near) {
            return Found::Mistyped(DESC_FUZZY_SCORE);
        }
        Found::Not
    }
}

/// How much of a query a text has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rating {
    None,
    Some,
    AllMistyped,
    All,
}
