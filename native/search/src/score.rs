//! The one judge of what a document is worth for a query, whoever offered it.
//!
//! Candidates of this index and of other nodes are scored alike, from their texts, which their publishers signed, and
//! from how rare words are here. What another node says of a score or an order counts for nothing.

use crate::plan::{
    DESC_BOOST, DESC_FUZZY_SCORE, EXACT_SCORE, FIRST_STAGE_BONUS, FUZZY_1_SCORE, FUZZY_2_SCORE,
    MAX_PLAN_WORDS, MIN_FUZZY_1_CHARS, MIN_FUZZY_2_CHARS, MIN_FUZZY_WORD_CHARS, POPULARITY_WEIGHT,
    PREFIX_SCORE, Plan, TOK_BOOST, TOK_FUZZY_SCORE, TOK_PREFIX_SCORE,
};
use crate::schema::{Fields, doublings};
use crate::text::{self, Word};
use crate::typo::{is_near, typo_distance};
use std::collections::HashMap;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// What of a package is searched, filtered and ranked by, whoever offers it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scored {
    /// Full name, with its scope.
    pub name: String,
    /// Free text; only its first 1,024 terms count.
    pub description: String,
    /// Searched like the description, and counted with it.
    pub keywords: Vec<String>,
    /// What filters compare, `field:value` each: `type:npm`, `license:mit`. Compared without regard to case.
    pub labels: Vec<String>,
    /// How often it is fetched; 0 when unknown.
    pub popularity: f64,
    /// When, in milliseconds since 1970; 0 when unknown.
    pub published: f64,
}

impl Scored {
    /// The running text.
    pub(crate) fn prose(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.description).chain(&self.keywords)
    }
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

/// What of a query a document has, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// Nothing, or a filter excludes it.
    Nothing,
    /// Some of the words.
    AnyWord,
    /// All words, of which some are a letter off.
    NearWords,
    /// A name that is a letter or two off.
    NearName,
    /// All words.
    AllWords,
    /// A name that begins with it.
    NameBegins,
    /// The name, with or without its scope.
    ExactName,
    /// What the filters let pass, where there is nothing else.
    Filters,
}

impl Match {
    /// The stable name callers may go by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::AnyWord => "any-word",
            Self::NearWords => "near-words",
            Self::NearName => "near-name",
            Self::AllWords => "all-words",
            Self::NameBegins => "name-begins",
            Self::ExactName => "exact-name",
            Self::Filters => "filters",
        }
    }
}

/// What a document is worth for a query, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub found: Match,
    /// Words of the query that it has: a bit for each.
    pub words: u32,
    /// Those that it has a letter off.
    pub near: u32,
    /// What the match is worth.
    pub matched: f32,
    /// What being fetched often adds to that.
    pub popularity: f32,
}

const _: () = assert!(MAX_PLAN_WORDS <= u32::BITS as usize);

impl Verdict {
    const NOTHING: Self = Self { found: Match::Nothing, words: 0, near: 0, matched: 0.0, popularity: 0.0 };

    pub fn score(&self) -> f32 {
        self.matched + self.popularity
    }
}

/// Judges all candidates of one query.
pub(crate) fn verdicts(
    searcher: &Searcher,
    fields: Fields,
    plan: &Plan,
    candidates: &[Scored],
) -> tantivy::Result<Vec<Verdict>> {
    let texts: Vec<Text> = candidates.iter().map(Text::of).collect();
    let judge = Judge {
        plan,
        names: Rarity::of(searcher, fields.tok, plan)?,
        words: Rarity::of(searcher, fields.words, plan)?,
        typo_factor: typo_factor(&texts, &plan.whole),
    };
    let verdict = |(text, candidate): (&Text, &Scored)| {
        let popularity = POPULARITY_WEIGHT * doublings(candidate.popularity);
        match plan.is_empty() {
            _ if !plan.filters.pass(candidate) => Verdict::NOTHING,
            true if plan.filters.is_empty() => Verdict::NOTHING,
            true => Verdict { found: Match::Filters, matched: 1.0, popularity, ..Verdict::NOTHING },
            false => judge.verdict(text, popularity),
        }
    };
    Ok(texts.iter().zip(candidates).map(verdict).collect())
}

/// A candidate taken apart.
struct Text {
    full: String,
    base: String,
    name: Bag,
    prose: Bag,
}

impl Text {
    fn of(candidate: &Scored) -> Self {
        let full = text::joined(&candidate.name);
        let base = text::joined(text::base(&candidate.name));
        Self { full, base, name: Bag::of([&candidate.name]), prose: Bag::of(candidate.prose()) }
    }
}

/// Terms, end to end: few enough for looking through to be quicker than hashing.
#[derive(Default)]
struct Bag {
    text: String,
    ends: Vec<usize>,
}

impl Bag {
    fn of<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        let mut bag = Self::default();
        text::each_term(texts, |term| {
            bag.text.push_str(term);
            bag.ends.push(bag.text.len());
        });
        bag
    }

    fn terms(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.text[start..end])
    }

    fn count(&self, term: &str) -> usize {
        self.terms().filter(|&each| each == term).count()
    }
}

fn typo_factor(texts: &[Text], whole: &str) -> f32 {
    let mut names = texts.iter().flat_map(|text| [&text.full, &text.base]);
    if names.clone().any(|name| name == whole) {
        return TYPO_BESIDE_EXACT;
    }
    if names.any(|name| name.starts_with(whole)) { TYPO_BESIDE_BEGUN } else { 1.0 }
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

    /// `None` when the term is not there.
    fn weigh(&self, term: &str, bag: &Bag) -> Option<f32> {
        let (count, terms) = (bag.count(term) as f32, bag.ends.len() as f32);
        let idf = self.idf.get(term).copied().unwrap_or_default();
        let weight = idf * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * terms / self.average_terms));
        (count > 0.0).then_some(weight)
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
    fn verdict(&self, text: &Text, popularity: f32) -> Verdict {
        let (in_name, name) = self.name(text);
        let (sum, words, near) = self.words(text);
        let all = u32::MAX >> (u32::BITS as usize - self.plan.words.len());
        let has_all = words == all;
        let typo = if in_name == Match::ExactName { 0.0 } else { self.mistyped_name(text) };
        let named = name + FIRST_STAGE_BONUS + if has_all { sum } else { 0.0 };
        let matched = [
            (in_name > Match::Nothing || has_all).then_some((in_name.max(Match::AllWords), named)),
            (typo > 0.0).then_some((Match::NearName, typo)),
            (!has_all && words | near == all).then_some((Match::NearWords, sum)),
        ];
        let best =
            matched.into_iter().flatten().reduce(|best, next| if next.1 > best.1 { next } else { best });
        match best {
            Some((found, best)) => Verdict { found, words, near, matched: SOME_MATCH + best, popularity },
            None if words | near != 0 => {
                let matched = sum.min(SOME_MATCH);
                let popularity = popularity.min(SOME_MATCH - matched);
                Verdict { found: Match::AnyWord, words, near, matched, popularity }
            }
            None => Verdict::NOTHING,
        }
    }

    fn name(&self, text: &Text) -> (Match, f32) {
        let whole = &self.plan.whole;
        if text.full == *whole {
            return (Match::ExactName, EXACT_SCORE);
        }
        if text.base == *whole {
            return (Match::ExactName, EXACT_SCORE - SCOPED_DISCOUNT);
        }
        let begun = [&text.base, &text.full].into_iter().find(|name| name.starts_with(whole.as_str()));
        begun.map_or((Match::Nothing, 0.0), |name| {
            let share = whole.len() as f32 / name.len() as f32;
            (Match::NameBegins, PREFIX_SCORE * (PREFIX_FLOOR + (1.0 - PREFIX_FLOOR) * share))
        })
    }

    fn mistyped_name(&self, text: &Text) -> f32 {
        let whole = &self.plan.whole;
        let most = match whole.chars().count() {
            chars if chars < MIN_FUZZY_1_CHARS => return 0.0,
            chars if chars < MIN_FUZZY_2_CHARS => 1,
            _ => 2,
        };
        let distance = typo_distance(whole, &text.base, most).min(typo_distance(whole, &text.full, most));
        let score = match distance {
            0 | 1 => FUZZY_1_SCORE,
            2 if most == 2 => FUZZY_2_SCORE,
            _ => return 0.0,
        };
        (score + FIRST_STAGE_BONUS) * self.typo_factor
    }

    /// What its words are worth together; which of them it has, and which a letter off.
    fn words(&self, text: &Text) -> (f32, u32, u32) {
        let last = self.plan.words.len() - 1;
        let (mut sum, mut words, mut near) = (0.0, 0, 0);
        for (i, word) in self.plan.words.iter().enumerate() {
            match self.word(word, text, i == last) {
                Found::As(score) => (sum, words) = (sum + score, words | 1 << i),
                Found::Mistyped(score) => (sum, near) = (sum + score, near | 1 << i),
                Found::Not => {}
            }
        }
        (sum, words, near)
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
        let in_name = self.names.weigh(term, &text.name).map(|weight| TOK_BOOST * weight);
        let in_prose = self.words.weigh(term, &text.prose).map(|weight| DESC_BOOST * weight);
        if let Some(best) = in_name.into_iter().chain(in_prose).reduce(f32::max) {
            return Found::As(best + 0.1 * in_name.unwrap_or(0.0).min(in_prose.unwrap_or(0.0)));
        }
        if may_continue && text.name.terms().any(|known| known.starts_with(term)) {
            return Found::As(TOK_PREFIX_SCORE);
        }
        if term.chars().count() < MIN_FUZZY_WORD_CHARS {
            return Found::Not;
        }
        let near = |known: &str| is_near(term, known);
        if text.name.terms().any(near) {
            return Found::Mistyped(TOK_FUZZY_SCORE);
        }
        if text.prose.terms().any(near) {
            return Found::Mistyped(DESC_FUZZY_SCORE);
        }
        Found::Not
    }
}
