//! Running the stages of a plan, and merging what they find.

use crate::SearchError;
use crate::plan::{ANY_WORD_BONUS, FIRST_STAGE_BONUS, Plan};
use std::collections::HashMap;
use tantivy::collector::{Count, TopDocs};
use tantivy::query::Query;
use tantivy::{DocAddress, Searcher};

/// Candidates that a stage which repairs typing errors looks at.
const REPAIR_LIMIT: usize = 40;

/// With fewer hits than this, words are also tried with typing errors.
const FEW_HITS: usize = 3;

/// Hits of several stages; a document found by more than one keeps its best score.
struct Hits<'a> {
    searcher: &'a Searcher,
    best: HashMap<DocAddress, f32>,
}

impl Hits<'_> {
    /// Returns how many documents the stage found.
    fn add(&mut self, query: &dyn Query, limit: usize, bonus: f32) -> tantivy::Result<usize> {
        let found = self.searcher.search(query, &TopDocs::with_limit(limit).order_by_score())?;
        for &(score, address) in &found {
            let best = self.best.entry(address).or_insert(f32::MIN);
            *best = best.max(score + bonus);
        }
        Ok(found.len())
    }
}

/// Runs the stages of a plan until there is enough to show.
pub(crate) fn ranked(
    searcher: &Searcher,
    plan: &Plan,
    limit: usize,
) -> Result<Vec<(f32, DocAddress)>, SearchError> {
    let mut hits = Hits { searcher, best: HashMap::new() };
    hits.add(&*plan.names_and_all_words(), limit, FIRST_STAGE_BONUS)?;
    // Who typed a name in full did not mistype it.
    if searcher.search(&*plan.exact(), &Count)? == 0 {
        let mut corrected = 0;
        if let Some(query) = plan.one_error_in_name() {
            corrected = hits.add(&*query, REPAIR_LIMIT, FIRST_STAGE_BONUS)?;
        }
        if corrected == 0
            && hits.best.len() < limit
            && let Some(query) = plan.two_errors_in_name()
        {
            corrected = hits.add(&*query, REPAIR_LIMIT, FIRST_STAGE_BONUS)?;
        }
        if corrected == 0 && hits.best.len() < FEW_HITS.min(limit) {
            hits.add(&*plan.all_words_with_errors(), REPAIR_LIMIT, 0.0)?;
        }
    }
    if hits.best.len() < limit && plan.has_several_words() {
        // The best of these are those found already, so that many more are asked for.
        let wanted = limit + hits.best.len();
        hits.add(&*plan.any_word(), wanted, ANY_WORD_BONUS)?;
    }
    let mut ranked: Vec<(f32, DocAddress)> = hits.best.into_iter().map(|(at, score)| (score, at)).collect();
    // The map has no order of its own; equal scores take that of the index.
    ranked.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    ranked.truncate(limit);
    Ok(ranked)
}
