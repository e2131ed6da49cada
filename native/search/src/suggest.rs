//! What was probably meant by a query that finds nothing.

use crate::near::near_automaton;
use crate::plan::Plan;
use crate::typo::typo_distance;
use tantivy::schema::Field;
use tantivy::{Result, Searcher};

/// Errors that are taken for meant: more than a search forgives.
const ERRORS: u8 = 2;
/// Below this length, two errors leave nothing of a word.
const MIN_TWO_ERRORS_CHARS: usize = 6;
const MIN_ONE_ERROR_CHARS: usize = 3;
/// Of the terms near a word, those that are looked at.
const MOST_LOOKED_AT: usize = 16;

/// The query with its words mended, if that finds something; only from documents that the plan lets see.
pub(crate) fn suggest(searcher: &Searcher, plan: &Plan) -> Result<Option<String>> {
    if plan.is_empty() {
        return Ok(None);
    }
    if !plan.is_phrase
        && let Some(name) = mended(searcher, plan, plan.name_field(), &plan.whole)?
    {
        return Ok(Some(plan.with_words(&name)));
    }
    let mut words = Vec::new();
    for word in &plan.words {
        if plan.sees(searcher, plan.word_field(), &word.text)? {
            words.push(word.text.clone());
            continue;
        }
        match mended(searcher, plan, plan.word_field(), &word.text)? {
            Some(mended) => words.push(mended),
            None => return Ok(None),
        }
    }
    let finds_something = plan.finds_all(searcher, &words)?;
    Ok(finds_something.then(|| plan.with_words(&words.join(" "))))
}

/// The nearest term that some visible document has; of several, the one that most documents have.
fn mended(searcher: &Searcher, plan: &Plan, field: Field, word: &str) -> Result<Option<String>> {
    let errors = match word.chars().count() {
        chars if chars < MIN_ONE_ERROR_CHARS => return Ok(None),
        chars if chars < MIN_TWO_ERRORS_CHARS => 1,
        _ => ERRORS,
    };
    let automaton = near_automaton(field, word, errors)?;
    let mut near: Vec<(usize, std::cmp::Reverse<u32>, String)> = Vec::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut terms = inverted.terms().search(&automaton).into_stream()?;
        while terms.advance() {
            // Terms are text; one that is not is damaged.
            let Ok(term) = std::str::from_utf8(terms.key()) else { continue };
            let distance = typo_distance(word, term, usize::from(errors));
            near.push((distance, std::cmp::Reverse(terms.value().doc_freq), term.to_owned()));
        }
    }
    near.sort_unstable();
    near.dedup_by(|a, b| a.2 == b.2);
    for (_, _, term) in near.into_iter().take(MOST_LOOKED_AT) {
        if plan.sees(searcher, field, &term)? {
            return Ok(Some(term));
        }
    }
    Ok(None)
}
