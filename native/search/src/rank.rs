//! Running the stages of a plan, and merging what they find.

use crate::SearchError;
use crate::plan::{ANY_WORD_BONUS, FIRST_STAGE_BONUS, POPULARITY_WEIGHT, Plan};
use crate::schema::{NAME_CHARS, POPULARITY, POPULARITY_STEPS};
use std::cmp::Reverse;
use std::collections::HashMap;
use tantivy::collector::{Collector, Count, TopDocs};
use tantivy::query::Query;
use tantivy::{DocAddress, DocId, Score, Searcher, SegmentReader, Term};

/// Candidates that a stage which repairs typing errors looks at.
const REPAIR_LIMIT: usize = 40;

/// For names one error away where others fit without any: popularity decides between them.
const TYPO_BESIDE_OTHERS_BONUS: f32 = 5.0;

/// With fewer hits than this, words are also tried with typing errors.
const FEW_HITS: usize = 3;

/// With fewer hits than this, documents that have only some of the words are looked for.
const ENOUGH_HITS: usize = 20;

/// A word of fewer documents than this may be a typing error.
const RARE: u64 = 5;

/// Documents looked at for having some word of the query.
const MAX_SOME_WORD: u64 = 5_000;

/// Hits of several stages; a document found by more than one keeps its best score.
struct Hits<'a> {
    searcher: &'a Searcher,
    best: HashMap<DocAddress, f32>,
}

impl Hits<'_> {
    /// Returns how many documents the stage found.
    fn add(&mut self, query: &dyn Query, limit: usize, bonus: f32) -> tantivy::Result<usize> {
        let found = self.searcher.search(query, &popular_first(limit))?;
        for &(score, address) in &found {
            let best = self.best.entry(address).or_insert(f32::MIN);
            *best = best.max(score + bonus);
        }
        Ok(found.len())
    }
}

/// The best by score and popularity together.
pub(crate) fn popular_first(limit: usize) -> impl Collector<Fruit = Vec<(Score, DocAddress)>> {
    TopDocs::with_limit(limit).tweak_score(|segment: &SegmentReader| {
        let popularity =
            segment.fast_fields().u64(POPULARITY).expect("the schema has it").first_or_default_col(0);
        move |doc: DocId, score: Score| {
            score + POPULARITY_WEIGHT / POPULARITY_STEPS * popularity.get_val(doc) as f32
        }
    })
}

/// Names that begin in some way: the most popular, and of those the shortest; each with how popular it is.
pub(crate) fn completions(
    searcher: &Searcher,
    plan: &Plan,
    beginning: &str,
    limit: usize,
) -> tantivy::Result<Vec<(f32, DocAddress)>> {
    let popular_and_short = TopDocs::with_limit(limit).tweak_score(|segment: &SegmentReader| {
        let column =
            |name| segment.fast_fields().u64(name).expect("the schema has it").first_or_default_col(0);
        let (popularity, chars) = (column(POPULARITY), column(NAME_CHARS));
        move |doc: DocId, _: Score| (popularity.get_val(doc), Reverse(chars.get_val(doc)))
    });
    let found = searcher.search(&*plan.spelled_from(beginning), &popular_and_short)?;
    Ok(found.into_iter().map(|((popularity, _), address)| (popularity as f32, address)).collect())
}

/// Runs the stages of a plan until there is enough to show.
pub(crate) fn ranked(
    searcher: &Searcher,
    plan: &Plan,
    limit: usize,
) -> Result<Vec<(f32, DocAddress)>, SearchError> {
    if plan.is_empty() {
        let Some(query) = plan.filtered() else { return Ok(Vec::new()) };
        return Ok(searcher.search(&*query, &popular_first(limit))?);
    }
    let mut hits = Hits { searcher, best: HashMap::new() };
    hits.add(&*plan.names_and_all_words(), limit, FIRST_STAGE_BONUS)?;
    // A word whose documents cannot be counted is not looked for; reading them would fail as well.
    let count = |term: &Term| searcher.doc_freq(term).unwrap_or_default();
    // Who typed a name in full did not mistype it.
    if searcher.search(&*plan.exact(), &Count)? == 0 {
        let mut corrected = 0;
        if let Some(query) = plan.one_error_in_name() {
            let bonus = if hits.best.is_empty() { FIRST_STAGE_BONUS } else { TYPO_BESIDE_OTHERS_BONUS };
            corrected = hits.add(&*query, REPAIR_LIMIT, bonus)?;
        }
        if corrected == 0
            && hits.best.is_empty()
            && let Some(query) = plan.two_errors_in_name()
        {
            corrected = hits.add(&*query, REPAIR_LIMIT, FIRST_STAGE_BONUS)?;
        }
        if corrected == 0 && hits.best.len() < FEW_HITS.min(limit) {
            let is_rare = |term: &Term| count(term) < RARE;
            hits.add(&*plan.all_words_with_errors(is_rare), REPAIR_LIMIT, 0.0)?;
        }
    }
    if hits.best.len() < limit.min(ENOUGH_HITS)
        && plan.has_several_words()
        && let Some(query) = plan.any_word(MAX_SOME_WORD, count)
    {
        // The best of these are those found already, so that many more are asked for.
        let wanted = limit + hits.best.len();
        hits.add(&*query, wanted, ANY_WORD_BONUS)?;
    }
    let mut ranked: Vec<(f32, DocAddress)> = hits.best.into_iter().map(|(at, score)| (score, at)).collect();
    // The map has no order of its own; equal scores take that of the index.
    ranked.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    ranked.truncate(limit);
    Ok(ranked)
}
