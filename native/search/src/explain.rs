//! Why a document ranks where it does, and where in its texts the query is.

use crate::plan::Plan;
use crate::score::{Match, Scored, Verdict};
use crate::text;
use crate::typo::is_near;
use std::ops::Range;

/// What a document is worth for a query, taken apart. `score` is the sum of `matched` and `popularity`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What kind of match it is.
    pub found: Match,
    /// Words of the query that it has, as they were typed.
    pub words: Vec<String>,
    /// Those that it has a letter off.
    pub near: Vec<String>,
    /// What the match is worth.
    pub matched: f32,
    /// What being fetched often adds to that.
    pub popularity: f32,
    /// What it ranks by.
    pub score: f32,
    /// Where the query is in the name: from and to, in UTF-16 units as JavaScript counts, in order and apart.
    pub name: Vec<Range<usize>>,
    /// Where it is in the description.
    pub description: Vec<Range<usize>>,
}

/// Says what a verdict means.
pub(crate) fn explain(plan: &Plan, candidate: &Scored, verdict: &Verdict) -> Explanation {
    let chosen = |mask: u32| {
        let words = plan.words.iter().enumerate().filter(move |(i, _)| mask & 1 << i != 0);
        words.map(|(_, word)| word)
    };
    let typed = |mask| chosen(mask).map(|word| word.text.clone()).collect();
    let terms =
        |mask| chosen(mask).flat_map(|word| word.forms.iter().flatten()).map(String::as_str).collect();
    let last = plan.words.last().filter(|_| verdict.words >> (plan.words.len() - 1) & 1 == 1);
    let begun = last.into_iter().flat_map(|word| &word.forms).filter_map(|form| form.last());
    let mut marker = Marker {
        exact: terms(verdict.words),
        near: terms(verdict.near),
        begun: begun.map(String::as_str).collect(),
    };
    let mut name = marker.mark(&candidate.name);
    name.extend(named(plan, &candidate.name, verdict.found));
    marker.begun.clear();
    Explanation {
        found: verdict.found,
        words: typed(verdict.words),
        near: typed(verdict.near),
        matched: verdict.matched,
        popularity: verdict.popularity,
        score: verdict.score(),
        name: in_utf16(&candidate.name, name),
        description: in_utf16(&candidate.description, marker.mark(&candidate.description)),
    }
}

/// What of a name is, or begins with, the whole query.
fn named(plan: &Plan, name: &str, found: Match) -> Option<Range<usize>> {
    let base = text::base(name);
    let begun = [base, name].into_iter().find(|part| text::joined(part).starts_with(&plan.whole));
    let part = begun.unwrap_or(base);
    let start = offset(name, part);
    match found {
        Match::ExactName | Match::NameBegins => {
            let mut joined = 0;
            let end = part.char_indices().find_map(|(at, c)| {
                joined += text::joined(c.encode_utf8(&mut [0; 4])).len();
                (joined >= plan.whole.len()).then(|| at + c.len_utf8())
            });
            Some(start..start + end.unwrap_or(part.len()))
        }
        Match::NearName => Some(start..start + part.len()),
        _ => None,
    }
}

/// Terms to be marked in a text.
struct Marker<'a> {
    exact: Vec<&'a str>,
    near: Vec<&'a str>,
    /// Those that are marked where something begins with them.
    begun: Vec<&'a str>,
}

impl Marker<'_> {
    fn mark(&self, text: &str) -> Vec<Range<usize>> {
        let mut marked = Vec::new();
        text::each_place(text, |piece, place| {
            if self.exact.contains(&piece) || self.near.iter().any(|near| is_near(near, piece)) {
                marked.push(place);
            } else if let Some(begun) = self.begun.iter().find(|begun| piece.starts_with(**begun)) {
                // Folding may have changed how long it is.
                let as_it_stands = text[place.clone()].is_ascii() && piece.len() == place.len();
                let end = if as_it_stands { place.start + begun.len() } else { place.end };
                marked.push(place.start..end);
            }
        });
        marked
    }
}

fn offset(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

/// Joins ranges that touch, and counts as JavaScript does.
fn in_utf16(text: &str, mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let (mut at, mut units) = (0, 0);
    let mut convert = |to: usize| {
        units += text[at..to].encode_utf16().count();
        at = to;
        units
    };
    joined.into_iter().map(|range| convert(range.start)..convert(range.end)).collect()
}
