//! What goes into the search index and comes out of it, as JavaScript has it.

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

/// What of a package is searched, filtered and ranked by, whoever offers it.
#[napi(object, object_to_js = false)]
pub struct Scored {
    /// Full name, with its scope.
    pub name: String,
    /// Free text; only its first 1,024 terms count.
    pub description: String,
    /// Searched like the description, and counted with it.
    pub keywords: Vec<String>,
    /// What filters compare, `field:value` each: `type:npm`, `license:mit`.
    pub labels: Vec<String>,
    /// How often it is fetched; 0 when unknown.
    pub popularity: f64,
    /// When, in milliseconds since 1970; 0 when unknown.
    pub published: f64,
}

/// One package as one audience may see it.
#[napi(object, object_to_js = false)]
pub struct SearchDocument {
    /// Unique, 1 to 1,024 bytes; a later document with the same key replaces this one.
    pub key: String,
    /// At most 64 bytes, returned with each hit as it is.
    pub payload: Uint8Array,
    /// Who may see it: `public` or `private`.
    pub audience: String,
    /// What it is found by.
    pub scored: Scored,
}

impl From<Scored> for catalog_search::Scored {
    fn from(scored: Scored) -> Self {
        let Scored { name, description, keywords, labels, popularity, published } = scored;
        Self { name, description, keywords, labels, popularity, published }
    }
}

impl From<SearchDocument> for catalog_search::Document {
    /// Copies the payload, which belongs to JavaScript.
    fn from(document: SearchDocument) -> Self {
        let SearchDocument { key, payload, audience, scored } = document;
        Self { key, payload: payload.to_vec(), audience, scored: scored.into() }
    }
}

/// A query as the index reads it.
#[napi(object, object_from_js = false)]
pub struct SearchQueryTerms {
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
#[napi(object, object_from_js = false)]
pub struct SearchDocumentTerms {
    /// Of all its texts, each once.
    pub terms: Vec<String>,
    /// Its name run together, with and without its scope, and the words of it.
    pub names: Vec<String>,
    /// In lower case.
    pub labels: Vec<String>,
}

/// Why a candidate is worth what it is.
#[napi(object, object_from_js = false)]
pub struct Explanation {
    /// What kind of match it is: `exact-name`, `name-begins`, `all-words`, `near-name`, `near-words`, `any-word`,
    /// `filters` or `nothing`.
    pub found: &'static str,
    /// Words of the query that it has, as they were typed.
    pub words: Vec<String>,
    /// Those that it has a letter off.
    pub near: Vec<String>,
    /// What the match is worth.
    pub matched: f64,
    /// What being fetched often adds to that.
    pub popularity: f64,
    /// The sum, as `score` gives it.
    pub score: f64,
    /// Where the query is in the name: from and to of each place, in UTF-16 units.
    pub name: Vec<(u32, u32)>,
    /// Where it is in the description.
    pub description: Vec<(u32, u32)>,
}

impl From<catalog_search::Explanation> for Explanation {
    fn from(explanation: catalog_search::Explanation) -> Self {
        let catalog_search::Explanation { found, words, near, matched, popularity, score, name, description } =
            explanation;
        let places = |ranges: Vec<std::ops::Range<usize>>| {
            ranges.into_iter().map(|range| (range.start as u32, range.end as u32)).collect()
        };
        let [matched, popularity, score] = [matched, popularity, score].map(f64::from);
        let (name, description) = (places(name), places(description));
        Self { found: found.name(), words, near, matched, popularity, score, name, description }
    }
}
