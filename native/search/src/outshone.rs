//! Names that look like a far more popular one: who mistypes that one gets something else.

use crate::near::near;
use crate::rank::popular_first;
use crate::schema::{Fields, POPULARITY, POPULARITY_STEPS, doublings};
use crate::score::Scored;
use crate::text;
use crate::{SearchError, SearchIndex};
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Searcher, Term};

/// How many times as popular the other one is.
const FAR: f64 = 1_000.0;

/// In a name below this length a letter is not mistyped: it makes another name.
const MIN_CHARS: usize = 4;

impl SearchIndex {
    /// For each, the most popular document with a name at most one typing error away, if it is a thousand times
    /// as popular; packed as by [`search`](Self::search), a payload of no bytes where there is none.
    ///
    /// # Errors
    /// `SEARCH_INDEX` when reading fails.
    pub fn outshone(&self, scored: &[Scored], audience: Option<&str>) -> Result<Vec<u8>, SearchError> {
        let (searcher, fields) = (self.searcher(), self.fields());
        let most = most_popular(&searcher)?;
        let mut packed = (scored.len() as u32).to_le_bytes().to_vec();
        for each in scored {
            let found = match f64::from(doublings(each.popularity)) + FAR.log2() <= most {
                true => outshining(&searcher, fields, each, audience)?,
                false => None,
            };
            match found {
                // Without its count.
                Some(hit) => packed.extend_from_slice(&self.pack(&searcher, &[hit])?[4..]),
                None => packed.extend_from_slice(&[0; 5]),
            }
        }
        Ok(packed)
    }
}

fn outshining(
    searcher: &Searcher,
    fields: Fields,
    scored: &Scored,
    audience: Option<&str>,
) -> tantivy::Result<Option<(f32, DocAddress)>> {
    let name = text::joined(&scored.name);
    if name.chars().count() < MIN_CHARS {
        return Ok(None);
    }
    let alike = ConstScoreQuery::new(near(fields.name, fields.name_back, &name, 1), 0.0);
    let audience = audience.map(|audience| -> (Occur, Box<dyn Query>) {
        let term = TermQuery::new(Term::from_field_text(fields.audience, audience), IndexRecordOption::Basic);
        (Occur::Must, Box::new(ConstScoreQuery::new(Box::new(term), 0.0)))
    });
    let query =
        BooleanQuery::new(std::iter::once((Occur::Must, Box::new(alike) as _)).chain(audience).collect());
    for (score, address) in searcher.search(&query, &popular_first(1))? {
        let segment = searcher.segment_reader(address.segment_ord);
        let steps = segment.fast_fields().u64(POPULARITY)?.first_or_default_col(0).get_val(address.doc_id);
        if steps as f64 / f64::from(POPULARITY_STEPS) >= f64::from(doublings(scored.popularity)) + FAR.log2()
        {
            return Ok(Some((score, address)));
        }
    }
    Ok(None)
}

/// Of all documents, in doublings: below it nothing can be outshone, and nothing is looked for.
fn most_popular(searcher: &Searcher) -> tantivy::Result<f64> {
    let mut most = 0;
    for segment in searcher.segment_readers() {
        most = most.max(segment.fast_fields().u64(POPULARITY)?.max_value());
    }
    Ok(most as f64 / f64::from(POPULARITY_STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;

    fn document(name: &str, popularity: f64) -> Document {
        let scored = Scored { name: name.into(), popularity, ..Scored::default() };
        let key = name.to_owned();
        Document { payload: key.clone().into_bytes(), key, audience: "public".into(), scored }
    }

    #[test]
    fn finds_the_name_that_is_meant() {
        let dir = tempfile::tempdir().expect("a folder");
        let index = SearchIndex::open(dir.path()).expect("an index");
        let popular = [("lodash", 50_000.0), ("react-dom", 9_000.0), ("vue", 90_000.0), ("chalk", 500.0)];
        let documents: Vec<_> = popular.map(|(name, popularity)| document(name, popularity)).into();
        index.apply(&documents, &[], 1).expect("applied");
        for (name, popularity, like) in [
            ("lodahs", 0.0, "lodash"),
            ("l0dash", 40.0, "lodash"),
            ("lo-dash", 0.0, "lodash"),
            ("reactdom", 0.0, "react-dom"),
            ("lodash", 50_000.0, ""),
            ("lodashs", 60.0, ""),
            ("loadashs", 0.0, ""),
            ("vua", 0.0, ""),
            ("chalc", 0.0, ""),
        ] {
            let scored = Scored { name: name.into(), popularity, ..Scored::default() };
            let packed = index.outshone(&[scored], Some("public")).expect("looked for");
            let length = usize::from(packed[4]);
            assert_eq!(std::str::from_utf8(&packed[5..5 + length]), Ok(like), "{name}");
            assert_eq!(packed.len(), 4 + 1 + length + 4);
        }
        let scored = [Scored { name: "lodahs".into(), ..Scored::default() }];
        let unseen = index.outshone(&scored, Some("private")).expect("looked for");
        assert_eq!(unseen[4], 0, "what the asker may not see outshines nothing");
    }
}
