//! What was probably meant by a query that finds nothing.

use crate::near::near_automaton;
use crate::plan::Plan;
use crate::typo::typo_distance;
use std::collections::BTreeSet;
use tantivy::schema::Field;
use tantivy::{Result, Searcher};

/// Errors that are taken for meant: more than a search forgives.
const ERRORS: u8 = 2;
/// Below this length, two errors leave nothing of a word.
const MIN_TWO_ERRORS_CHARS: usize = 6;
const MIN_ONE_ERROR_CHARS: usize = 3;
/// Of the terms near a word, those that are looked at.
const MOST_LOOKED_AT: usize = 1_000;

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
        if plan.count(searcher, plan.word_field(), &word.text)? > 0 {
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

/// The nearest term that some visible document has; of several, the one that most such documents have.
fn mended(searcher: &Searcher, plan: &Plan, field: Field, word: &str) -> Result<Option<String>> {
    let errors = match word.chars().count() {
        chars if chars < MIN_ONE_ERROR_CHARS => return Ok(None),
        chars if chars < MIN_TWO_ERRORS_CHARS || !word.is_ascii() => 1,
        _ => ERRORS,
    };
    let automaton = near_automaton(field, word, errors)?;
    let mut near: BTreeSet<(usize, String)> = BTreeSet::new();
    for segment in searcher.segment_readers() {
        let inverted = segment.inverted_index(field)?;
        let mut terms = inverted.terms().search(&automaton).into_stream()?;
        while terms.advance() {
            // Terms are text; one that is not is damaged.
            let Ok(term) = std::str::from_utf8(terms.key()) else { continue };
            near.insert((typo_distance(word, term, usize::from(errors)), term.to_owned()));
        }
    }
    // How many documents have a term is only counted among the visible: others must not show in what is suggested.
    let mut best: Option<(usize, usize, String)> = None;
    for (distance, term) in near.into_iter().take(MOST_LOOKED_AT) {
        if best.as_ref().is_some_and(|&(nearest, ..)| nearest < distance) {
            break;
        }
        let count = plan.count(searcher, field, &term)?;
        if count > best.as_ref().map_or(0, |&(_, most, _)| most) {
            best = Some((distance, count, term));
        }
    }
    Ok(best.map(|(_, _, term)| term))
}
