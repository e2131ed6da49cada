//! From a line of text to the clauses Tantivy runs, and the scores that rank them.
//!
//! The index is asked in stages, the cheap ones first; most queries end after the first. Tantivy gives
//! prefix and fuzzy matches the score 1.0 whatever they match, so each kind of match has a constant
//! score of its own, and only words are ranked by how rare they are (BM25).

use crate::SearchError;
use crate::filter::{Filters, is_filter};
use crate::near::{near, near_in};
use crate::schema::{Fields, MAX_EDGE_CHARS, MAX_SPELLED_EDGE_CHARS, MAX_WORD_EDGE_CHARS};
use crate::text::{self, MAX_TERM_CHARS, Word};
use tantivy::collector::Count;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, FuzzyTermQuery, Occur, Query,
    TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

/// Most words in a query, parted by white space.
pub const MAX_QUERY_WORDS: usize = 8;
/// Longest word in a query, in characters.
pub const MAX_WORD_CHARS: usize = MAX_TERM_CHARS;
/// Longest query, in characters.
pub const MAX_QUERY_CHARS: usize = 256;
/// Most hits one search returns.
pub const MAX_LIMIT: usize = 100;

/// Words that are looked for: eight typed ones can still be cut into many more (`a.b.c…`), each a look-up.
pub(crate) const MAX_PLAN_WORDS: usize = 16;

// Weights, tuned on known-item queries over some 227,000 npm packages.
pub(crate) const EXACT_SCORE: f32 = 60.0;
pub(crate) const PREFIX_SCORE: f32 = 10.0;
pub(crate) const FUZZY_1_SCORE: f32 = 14.0;
pub(crate) const FUZZY_2_SCORE: f32 = 8.0;
pub(crate) const TOK_BOOST: f32 = 1.5;
pub(crate) const DESC_BOOST: f32 = 1.0;
pub(crate) const TOK_PREFIX_SCORE: f32 = 2.0;
pub(crate) const TOK_FUZZY_SCORE: f32 = 1.5;
pub(crate) const DESC_FUZZY_SCORE: f32 = 0.8;
/// For each doubling of how often a package is fetched.
pub(crate) const POPULARITY_WEIGHT: f32 = 0.5;
/// What a second matching field adds. It also puts a package whose full name was typed before one
/// that has the same name within a scope.
const TIE_BREAKER: f32 = 0.1;

/// Added to what the stages find: names and all words first, any word last.
pub(crate) const FIRST_STAGE_BONUS: f32 = 8.0;
pub(crate) const ANY_WORD_BONUS: f32 = -40.0;

/// Below these lengths nearly every name is one typing error away from some other.
pub(crate) const MIN_FUZZY_1_CHARS: usize = 4;
pub(crate) const MIN_FUZZY_2_CHARS: usize = 8;
pub(crate) const MIN_FUZZY_WORD_CHARS: usize = 5;

/// English words too common to require; kept when the query has no others.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "for", "from", "has", "in", "is", "it", "its",
    "not", "of", "on", "or", "that", "the", "this", "to", "use", "used", "using", "was", "with", "you",
    "your",
];

/// A query within the limits, taken apart.
#[derive(Debug)]
pub(crate) struct Plan {
    fields: Fields,
    audience: Option<String>,
    pub filters: Filters,
    /// The whole query run together, as names are.
    pub whole: String,
    pub words: Vec<Word>,
    /// Whether more than one word was typed.
    pub is_phrase: bool,
}

impl Plan {
    /// # Errors
    /// `SEARCH_QUERY` when a limit is broken.
    pub fn new(fields: Fields, query: &str, audience: Option<&str>) -> Result<Self, SearchError> {
        check_length(query)?;
        let typed: Vec<&str> = query.split_whitespace().collect();
        refuse_beyond("the query", typed.len(), MAX_QUERY_WORDS, "words")?;
        let (filters, rest): (Vec<&str>, Vec<&str>) = typed.iter().partition(|word| is_filter(word));
        // A filter may be longer, as a publisher's id is.
        for word in &rest {
            refuse_beyond("a word of the query", word.chars().count(), MAX_WORD_CHARS, "characters")?;
        }
        let query = rest.join(" ");
        let mut words = text::words(&query);
        if words.iter().any(|word| !is_stop_word(word)) {
            words.retain(|word| !is_stop_word(word));
        }
        // Of the same word twice the last one counts, as it may still be being typed.
        let mut at = 0;
        let later = words.clone();
        words.retain(|word| {
            at += 1;
            !later[at..].contains(word)
        });
        words.truncate(MAX_PLAN_WORDS);
        let audience = audience.map(str::to_owned);
        let filters = Filters::of(&filters)?;
        Ok(Self { fields, audience, filters, whole: text::joined(&query), words, is_phrase: rest.len() > 1 })
    }

    /// Whether nothing in the query can match anything.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() || self.words.is_empty()
    }

    /// Everything that the filters let pass, or `None` when there are none.
    pub fn filtered(&self) -> Option<Box<dyn Query>> {
        (!self.filters.is_empty()).then(|| all_of(self.conditions().collect()))
    }

    pub fn has_several_words(&self) -> bool {
        self.words.len() > 1
    }

    /// Packages whose name is the query, with or without its scope.
    pub fn exact(&self) -> Box<dyn Query> {
        self.visible(term(self.fields.name, &self.whole))
    }

    /// Names that are or start with the query, and documents that have all its words.
    pub fn names_and_all_words(&self) -> Box<dyn Query> {
        let begun = match self.whole.chars().count() <= MAX_EDGE_CHARS {
            true => term(self.fields.edge, &self.whole),
            false => prefix(self.fields.name, &self.whole),
        };
        let exact = constant(term(self.fields.name, &self.whole), EXACT_SCORE);
        let names = best_of(vec![exact, constant(begun, PREFIX_SCORE)]);
        let last = self.words.len() - 1;
        let all = self.words.iter().enumerate().map(|(i, word)| self.word(word, i == last));
        self.visible(any_of(vec![names, all_of(all.collect())]))
    }

    /// Names one typing error away, or `None` when the query is too short or long to tell.
    pub fn one_error_in_name(&self) -> Option<Box<dyn Query>> {
        self.fuzzy_names(1, MIN_FUZZY_1_CHARS, FUZZY_1_SCORE)
    }

    /// Names two typing errors away, for one long word.
    pub fn two_errors_in_name(&self) -> Option<Box<dyn Query>> {
        // In scripts of thousands of letters, two of them may be anything: the automaton alone takes megabytes.
        let may_have_two = !self.is_phrase && self.whole.is_ascii();
        may_have_two.then(|| self.fuzzy_names(2, MIN_FUZZY_2_CHARS, FUZZY_2_SCORE)).flatten()
    }

    /// Documents that have all words, those that `is_rare` finds rare with at most one typing error: what
    /// many have written is no error.
    pub fn all_words_with_errors(&self, is_rare: impl Fn(&Term) -> bool) -> Box<dyn Query> {
        self.visible(all_of(self.words.iter().map(|word| self.word_with_errors(word, &is_rare)).collect()))
    }

    /// Documents that have any of the rarest words, as many as together occur in `most` documents.
    pub fn any_word(&self, most: u64, count: impl Fn(&Term) -> u64) -> Option<Box<dyn Query>> {
        let terms = self.words.iter().flat_map(|word| word.forms.iter().flatten());
        let terms = terms.map(|text| Term::from_field_text(self.fields.words, text));
        let mut counted: Vec<(u64, Term)> =
            terms.map(|term| (count(&term), term)).filter(|&(count, _)| count > 0).collect();
        counted.sort_unstable();
        counted.dedup();
        let mut total = 0;
        let kept = counted.into_iter().enumerate().take_while(|&(i, (count, _))| {
            total += count;
            i == 0 || total <= most
        });
        let clauses: Vec<Box<dyn Query>> = kept.map(|(_, (_, term))| exactly(term)).collect();
        (!clauses.is_empty()).then(|| self.visible(any_of(clauses)))
    }

    pub fn name_field(&self) -> Field {
        self.fields.name
    }

    pub fn word_field(&self) -> Field {
        self.fields.words
    }

    /// How many visible documents have a term.
    pub fn count(&self, searcher: &Searcher, field: Field, text: &str) -> tantivy::Result<usize> {
        searcher.search(&*self.visible(term(field, text)), &Count)
    }

    /// Whether some visible document has all of these words.
    pub fn finds_all(&self, searcher: &Searcher, words: &[String]) -> tantivy::Result<bool> {
        let all = words.iter().map(|word| term(self.fields.words, word)).collect();
        Ok(searcher.search(&*self.visible(all_of(all)), &Count)? > 0)
    }

    /// Its filters with other words.
    pub fn with_words(&self, words: &str) -> String {
        self.filters.typed.iter().map(String::as_str).chain([words]).collect::<Vec<_>>().join(" ")
    }

    /// Names that begin as this does, letter for letter.
    pub fn spelled_from(&self, beginning: &str) -> Box<dyn Query> {
        let beginning = beginning.to_lowercase();
        self.visible(match beginning.chars().count() {
            0 => Box::new(AllQuery),
            chars if chars <= MAX_SPELLED_EDGE_CHARS => term(self.fields.spelled_edge, &beginning),
            _ => prefix(self.fields.spelled, &beginning),
        })
    }

    /// Restricts a query to the audience and to what the filters let pass, without touching its scores.
    fn visible(&self, query: Box<dyn Query>) -> Box<dyn Query> {
        all_of(std::iter::once(query).chain(self.conditions()).collect())
    }

    fn conditions(&self) -> impl Iterator<Item = Box<dyn Query>> {
        let audience = self.audience.iter().map(|audience| term(self.fields.audience, audience));
        audience.chain(self.filters.queries(self.fields)).map(|query| constant(query, 0.0))
    }

    fn fuzzy_names(&self, errors: u8, min_chars: usize, score: f32) -> Option<Box<dyn Query>> {
        // The automaton grows with the length, and nobody mistypes a name of more than one word's limit.
        let fits = (min_chars..=MAX_WORD_CHARS).contains(&self.whole.chars().count());
        fits.then(|| {
            self.visible(constant(near(self.fields.name, self.fields.name_back, &self.whole, errors), score))
        })
    }

    /// A document has a word when its name or its description has all terms of one form.
    fn word(&self, word: &Word, is_last: bool) -> Box<dyn Query> {
        let forms = word.forms.iter().map(|form| {
            let last = form.len() - 1;
            all_of(form.iter().enumerate().map(|(i, t)| self.term(t, is_last && i == last)).collect())
        });
        best_of(forms.collect())
    }

    /// The last term of the last word may still be being typed. Short ones would match half the index
    /// unless other words narrow it.
    fn term(&self, text: &str, may_continue: bool) -> Box<dyn Query> {
        let mut clauses = self.in_words(text);
        let chars = text.chars().count();
        if may_continue && chars <= MAX_WORD_EDGE_CHARS && (self.has_several_words() || chars > 2) {
            clauses.push(constant(term(self.fields.word_edge, text), TOK_PREFIX_SCORE));
        } else if may_continue && chars > MAX_WORD_EDGE_CHARS {
            clauses.push(constant(prefix(self.fields.tok, text), TOK_PREFIX_SCORE));
        }
        best_of(clauses)
    }

    fn word_with_errors(&self, word: &Word, is_rare: &impl Fn(&Term) -> bool) -> Box<dyn Query> {
        let term = |text: &String| {
            let mut clauses = self.in_words(text);
            if text.chars().count() >= MIN_FUZZY_WORD_CHARS
                && is_rare(&Term::from_field_text(self.fields.words, text))
            {
                clauses.push(constant(near_in(self.fields.words, text), DESC_FUZZY_SCORE));
            }
            best_of(clauses)
        };
        best_of(word.forms.iter().map(|form| all_of(form.iter().map(term).collect())).collect())
    }

    fn in_words(&self, text: &str) -> Vec<Box<dyn Query>> {
        vec![
            Box::new(BoostQuery::new(term(self.fields.tok, text), TOK_BOOST)),
            Box::new(BoostQuery::new(term(self.fields.words, text), DESC_BOOST)),
        ]
    }
}

/// # Errors
/// `SEARCH_QUERY` when `limit` is not 1 to [`MAX_LIMIT`].
pub(crate) fn check_limit(limit: usize) -> Result<(), SearchError> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(SearchError::Query(format!("the limit is {limit}, allowed are 1 to {MAX_LIMIT}")))
}

/// # Errors
/// `SEARCH_QUERY` when a query, or the beginning of a name, is longer than [`MAX_QUERY_CHARS`].
pub(crate) fn check_length(query: &str) -> Result<(), SearchError> {
    refuse_beyond("the query", query.chars().count(), MAX_QUERY_CHARS, "characters")
}

fn refuse_beyond(what: &str, actual: usize, max: usize, unit: &str) -> Result<(), SearchError> {
    if actual <= max {
        return Ok(());
    }
    Err(SearchError::Query(format!("{what} has {actual} {unit}, allowed are {max}")))
}

fn is_stop_word(word: &Word) -> bool {
    matches!(word.forms.as_slice(), [form] if form.iter().all(|term| STOP_WORDS.contains(&term.as_str())))
}

fn term(field: Field, text: &str) -> Box<dyn Query> {
    exactly(Term::from_field_text(field, text))
}

fn exactly(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
}

fn prefix(field: Field, text: &str) -> Box<dyn Query> {
    Box::new(FuzzyTermQuery::new_prefix(Term::from_field_text(field, text), 0, true))
}

fn constant(query: Box<dyn Query>, score: f32) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, score))
}

fn best_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(DisjunctionMaxQuery::with_tie_breaker(queries, TIE_BREAKER)),
    }
}

fn all_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Must, query)).collect())),
    }
}

fn any_of(queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect()))
}
