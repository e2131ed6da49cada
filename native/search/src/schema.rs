//! The fields of the index and how a document fills them.

use crate::SearchError;
use crate::text::{self, MAX_TERM_CHARS};
use tantivy::TantivyDocument;
use tantivy::schema::{
    Field, IndexRecordOption, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};

/// Longest payload of a document. Payloads are read back for every hit, and a hit's length is one byte.
pub const MAX_PAYLOAD_BYTES: usize = 64;

/// Longest key. Tantivy silently leaves out terms beyond 64 KiB, and such a document could not be deleted.
pub const MAX_KEY_BYTES: usize = 1_024;

/// How many characters at the start of a name are indexed one by one for short prefixes.
pub(crate) const MAX_EDGE_CHARS: usize = 4;

/// Terms taken from one text, so that a hostile record cannot fill the index.
const MAX_TERMS: usize = 1_024;

/// What is known of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Unique, 1 to [`MAX_KEY_BYTES`]; a later document with the same key replaces this one.
    pub key: String,
    /// At most [`MAX_PAYLOAD_BYTES`], returned with each hit as it is; by convention a record id.
    pub payload: Vec<u8>,
    /// Who may see it: `public` or `private`. Compared byte for byte.
    pub audience: String,
    /// Package type, for example `npm`.
    pub kind: String,
    /// Full name, with its scope.
    pub name: String,
    /// Free text; only its first 1,024 terms count.
    pub description: String,
    /// Searched like the description, and counted with it.
    pub keywords: Vec<String>,
}

/// The handles of all fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Unique key, as given.
    pub key: Field,
    /// The only stored field.
    pub payload: Field,
    pub audience: Field,
    pub kind: Field,
    /// Name run together, without its scope.
    pub base: Field,
    /// Name run together, with its scope.
    pub full: Field,
    /// Words of the name.
    pub tok: Field,
    /// The first one to four characters of base and full: a short prefix becomes one term look-up
    /// where it would otherwise expand to thousands of names.
    pub edge: Field,
    /// Words of description and keywords.
    pub desc: Field,
}

impl Fields {
    /// The schema and the handles into it.
    pub fn build() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let fields = Self {
            key: schema.add_text_field("key", STRING),
            payload: schema.add_bytes_field("payload", STORED),
            audience: schema.add_text_field("audience", STRING),
            kind: schema.add_text_field("kind", STRING),
            base: schema.add_text_field("base", STRING),
            full: schema.add_text_field("full", STRING),
            tok: add_terms_field(&mut schema, "tok", IndexRecordOption::WithFreqs),
            edge: add_terms_field(&mut schema, "edge", IndexRecordOption::Basic),
            desc: add_terms_field(&mut schema, "desc", IndexRecordOption::WithFreqs),
        };
        (schema.build(), fields)
    }

    /// Fills all fields.
    ///
    /// # Errors
    /// `SEARCH_INDEX` when the key is empty, or key or payload are too long.
    pub fn fill(&self, document: &Document) -> Result<TantivyDocument, SearchError> {
        let (key_bytes, payload_bytes) = (document.key.len(), document.payload.len());
        if key_bytes == 0 || key_bytes > MAX_KEY_BYTES {
            let message = format!("a key is {key_bytes} bytes long, allowed are 1 to {MAX_KEY_BYTES}");
            return Err(SearchError::Index(message));
        }
        if payload_bytes > MAX_PAYLOAD_BYTES {
            let message = format!("a payload is {payload_bytes} bytes long, allowed are {MAX_PAYLOAD_BYTES}");
            return Err(SearchError::Index(format!("{}: {message}", document.key)));
        }
        let base = text::joined(text::base(&document.name));
        let full = text::joined(&document.name);
        let description = std::iter::once(&document.description).chain(&document.keywords);
        let mut filled = TantivyDocument::default();
        filled.add_text(self.key, &document.key);
        filled.add_bytes(self.payload, &document.payload);
        filled.add_text(self.audience, &document.audience);
        filled.add_text(self.kind, &document.kind);
        filled.add_text(self.edge, edges(&base, &full).join(" "));
        filled.add_text(self.base, base);
        filled.add_text(self.full, full);
        filled.add_text(self.tok, terms([&document.name]));
        filled.add_text(self.desc, terms(description));
        Ok(filled)
    }
}

/// A field whose text is terms already, parted by spaces.
fn add_terms_field(schema: &mut SchemaBuilder, name: &str, record: IndexRecordOption) -> Field {
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("whitespace")
        .set_index_option(record)
        .set_fieldnorms(record.has_freq());
    schema.add_text_field(name, TextOptions::default().set_indexing_options(indexing))
}

fn terms<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let all = texts.into_iter().flat_map(|text| text::words(text)).flat_map(text::Word::into_terms);
    let kept: Vec<String> =
        all.filter(|term| term.chars().count() <= MAX_TERM_CHARS).take(MAX_TERMS).collect();
    kept.join(" ")
}

fn edges(base: &str, full: &str) -> Vec<String> {
    let mut edges = Vec::with_capacity(2 * MAX_EDGE_CHARS);
    for name in [base, full] {
        let mut edge = String::new();
        for c in name.chars().take(MAX_EDGE_CHARS) {
            edge.push(c);
            edges.push(edge.clone());
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}
