//! What queries and documents have in common: which answers a changed document may change, and which documents a label
//! brings together.

use crate::plan::{self, Plan};
use crate::rank::popular_first;
use crate::score::Scored;
use crate::text::{self, Word};
use crate::{SearchError, SearchIndex};
use tantivy::Term;
use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

/// A query as the index reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryTerms {
    /// The same for queries that find the same.
    pub normal: String,
    /// Terms, one of which a document has that the query finds as it is written.
    pub terms: Vec<String>,
    /// What a name, or a word of one, may begin with instead.
    pub beginnings: Vec<String>,
    /// Labels that a document must have, all of them.
    pub filters: Vec<String>,
}

/// A document as the index reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentTerms {
    /// Of all its texts, each once.
    pub terms: Vec<String>,
    /// Its name run together, with and without its scope, and the words of it, each once.
    pub names: Vec<String>,
    /// In lower case.
    pub labels: Vec<String>,
}

impl DocumentTerms {
    /// The terms that what is scored is found by.
    pub fn of(scored: &Scored) -> Self {
        let mut names = text::terms([&scored.name]);
        let terms = once_each([names.clone(), text::terms(scored.prose())].concat());
        names.extend([text::joined(text::base(&scored.name)), text::joined(&scored.name)]);
        let labels = scored.labels.iter().map(|label| label.to_lowercase()).collect();
        Self { terms, names: once_each(names), labels }
    }
}

impl SearchIndex {
    /// How the index reads a query.
    ///
    /// # Errors
    /// `SEARCH_QUERY` beyond the limits.
    pub fn query_terms(&self, query: &str) -> Result<QueryTerms, SearchError> {
        let Plan { filters, whole, words, is_phrase, .. } = Plan::new(self.fields(), query, None)?;
        let forms = |word: &Word| word.forms.iter().map(|form| form.join(" ")).collect::<Vec<_>>().join("|");
        let read: Vec<String> = words.iter().map(forms).collect();
        // No part has a line feed: all of them are letters and digits, or come from between white space.
        let normal = format!("{}\n{is_phrase}\n{whole}\n{}", filters.normal(), read.join(","));
        let last = words.last().into_iter().flat_map(|word| &word.forms);
        let mut beginnings: Vec<String> = last.filter_map(|form| form.last().cloned()).collect();
        beginnings.extend((!whole.is_empty()).then_some(whole));
        let terms = once_each(words.into_iter().flat_map(|word| word.forms).flatten().collect());
        Ok(QueryTerms {
            normal,
            terms,
            beginnings: once_each(beginnings),
            filters: once_each(filters.labels),
        })
    }

    /// The most popular documents that have a label, packed as [`search`](Self::search) packs them.
    ///
    /// # Errors
    /// `SEARCH_QUERY` for a limit beyond its bound, `SEARCH_INDEX` when reading fails.
    pub fn labelled(
        &self,
        label: &str,
        audience: Option<&str>,
        limit: usize,
    ) -> Result<Vec<u8>, SearchError> {
        plan::check_limit(limit)?;
        let fields = self.fields();
        let label = (Occur::Must, having(fields.label, &label.to_lowercase()));
        let audience = audience.map(|audience| (Occur::Must, having(fields.audience, audience)));
        let query = BooleanQuery::new(std::iter::once(label).chain(audience).collect());
        let searcher = self.searcher();
        let found = searcher.search(&query, &popular_first(limit))?;
        self.pack(&searcher, &found)
    }
}

fn having(field: Field, text: &str) -> Box<dyn Query> {
    let term = TermQuery::new(Term::from_field_text(field, text), IndexRecordOption::Basic);
    Box::new(ConstScoreQuery::new(Box::new(term), 0.0))
}

fn once_each(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> QueryTerms {
        let dir = tempfile::tempdir().expect("a folder");
        let index = SearchIndex::open(dir.path()).expect("an index");
        index.query_terms(query).expect("a valid query")
    }

    #[test]
    fn queries_that_find_the_same_are_the_same() {
        for (one, other) in [
            ("React", " react "),
            ("tag:cli type:npm http", "http  type:NPM tag:cli tag:cli"),
            ("http client", "HTTP Client"),
            ("a client", "A client"),
        ] {
            assert_eq!(read(one), read(other), "{one}");
        }
        for (one, other) in
            [("http client", "client http"), ("reactQuery", "reactquery"), ("tag:cli", "cli"), ("a b", "ab")]
        {
            assert_ne!(read(one).normal, read(other).normal, "{one}");
        }
    }

    #[test]
    fn a_query_has_terms_and_what_its_end_may_go_on_as() {
        let QueryTerms { terms, beginnings, filters, .. } = read("fast httpServ tag:Web");
        assert_eq!(terms, ["fast", "http", "httpserv", "serv"]);
        assert_eq!(beginnings, ["fasthttpserv", "httpserv", "serv"]);
        assert_eq!(filters, ["tag:web"]);
        assert_eq!(
            read("type:npm"),
            QueryTerms {
                normal: read("type:npm").normal,
                filters: vec!["type:npm".into()],
                ..QueryTerms::default()
            }
        );
    }

    #[test]
    fn a_document_has_the_terms_it_is_found_by() {
        let scored = Scored {
            name: "@acme/fastHttp".into(),
            description: "HTTP for all".into(),
            keywords: vec!["web".into()],
            labels: vec!["license:MIT".into()],
            popularity: 0.0,
            published: 0.0,
        };
        let DocumentTerms { terms, names, labels } = DocumentTerms::of(&scored);
        assert_eq!(terms, ["acme", "all", "fast", "fasthttp", "for", "http", "web"]);
        assert_eq!(names, ["acme", "acmefasthttp", "fast", "fasthttp", "http"]);
        assert_eq!(labels, ["license:mit"]);
    }
}
