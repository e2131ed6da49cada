//! What a query asks of documents beside their words: `type:npm`, `after:2026-01`.

use crate::SearchError;
use crate::schema::{Fields, day_of};
use crate::score::Scored;
use std::ops::{Bound, Range};
use tantivy::Term;
use tantivy::query::{Query, RangeQuery, TermQuery};
use tantivy::schema::IndexRecordOption;

/// What may stand before the colon of a filter that compares labels.
const LABELS: [&str; 6] = ["type", "tag", "license", "publisher", "keyword", "category"];

/// Filters by the day of publication: on or after a date, and before one.
const AFTER: &str = "after";
const BEFORE: &str = "before";

const ALL_DAYS: Range<u64> = 0..u64::MAX;

/// All must hold.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    /// As they were typed.
    pub typed: Vec<String>,
    /// In lower case.
    pub labels: Vec<String>,
    /// Days since 1970 on which it may have been published.
    days: Range<u64>,
}

/// A word with a colon that no filter has before it is text: `std::vec`, `node:fs`.
pub(crate) fn is_filter(word: &str) -> bool {
    let is_known = |field: &str| LABELS.contains(&field) || [AFTER, BEFORE].contains(&field);
    word.split_once(':').is_some_and(|(field, value)| is_known(field) && !value.is_empty())
}

impl Filters {
    /// # Errors
    /// `SEARCH_QUERY` when something that should be a date is none.
    pub fn of(words: &[&str]) -> Result<Self, SearchError> {
        let typed = words.iter().map(|&word| word.to_owned()).collect();
        let mut filters = Self { typed, labels: Vec::new(), days: ALL_DAYS };
        for word in words {
            match word.split_once(':') {
                Some((AFTER, date)) => filters.days.start = filters.days.start.max(first_day(date)?),
                Some((BEFORE, date)) => filters.days.end = filters.days.end.min(first_day(date)?),
                _ => filters.labels.push(word.to_lowercase()),
            }
        }
        Ok(filters)
    }

    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.days == ALL_DAYS
    }

    /// The same for filters that let the same pass.
    pub fn normal(&self) -> String {
        let mut labels = self.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        format!("{} {:?}", labels.join(" "), self.days)
    }

    pub fn queries(&self, fields: Fields) -> impl Iterator<Item = Box<dyn Query>> {
        let labels = self.labels.iter().map(move |label| -> Box<dyn Query> {
            let term = Term::from_field_text(fields.label, label);
            Box::new(TermQuery::new(term, IndexRecordOption::Basic))
        });
        let day = move |day| Term::from_field_u64(fields.published, day);
        let published = (self.days != ALL_DAYS).then(|| -> Box<dyn Query> {
            let Range { start, end } = self.days;
            Box::new(RangeQuery::new(Bound::Included(day(start)), Bound::Excluded(day(end))))
        });
        labels.chain(published)
    }

    /// The same rule for what does not come out of the index.
    pub fn pass(&self, scored: &Scored) -> bool {
        let is_among = |filter: &String| scored.labels.iter().any(|label| label.to_lowercase() == *filter);
        self.days.contains(&day_of(scored.published)) && self.labels.iter().all(is_among)
    }
}

/// Days from 1970 to the first of what is named: a day, a month or a year.
fn first_day(date: &str) -> Result<u64, SearchError> {
    let wrong = || SearchError::Query(format!("\"{date}\" is no date such as 2026, 2026-03 or 2026-03-31"));
    let mut parts = date.split('-');
    let mut next = |digits: usize, allowed: Range<u64>| match parts.next() {
        None => Ok(allowed.start),
        Some(part) if part.len() == digits => {
            part.parse().ok().filter(|number| allowed.contains(number)).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    };
    let (year, month, day) = (next(4, 1970..10_000)?, next(2, 1..13)?, next(2, 1..32)?);
    if parts.next().is_some() {
        return Err(wrong());
    }
    // Howard Hinnant, "chrono-compatible low-level date algorithms": years that begin in March end with the leap day.
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Ok(year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_days_from_1970() {
        for (date, day) in [
            ("1970", 0),
            ("1970-01-02", 1),
            ("1972-02-29", 789),
            ("1972-03", 790),
            ("2000-03-01", 11_017),
            ("2026-11-28", 20_785),
        ] {
            assert_eq!(first_day(date).expect("a date"), day, "{date}");
        }
        for wrong in
            ["", "26", "2026-13", "2026-1", "2026-01-32", "2026-01-01-01", "1969", "+026", "2026-", "x"]
        {
            assert!(first_day(wrong).is_err(), "{wrong}");
        }
    }
}
