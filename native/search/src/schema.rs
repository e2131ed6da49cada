//! The fields of the index and how a document fills them.

use crate::SearchError;
use crate::score::Scored;
use crate::text;
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, IndexRecordOption, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
};

/// Longest payload of a document. Payloads are read back for every hit, and a hit's length is one byte.
pub const MAX_PAYLOAD_BYTES: usize = 64;

/// Longest key. Tantivy silently leaves out terms beyond 64 KiB, and such a document could not be deleted.
pub const MAX_KEY_BYTES: usize = 1_024;

/// How many characters at the start of a name are indexed one by one for short prefixes.
pub(crate) const MAX_EDGE_CHARS: usize = 8;
/// The same for a name as it is written.
pub(crate) const MAX_SPELLED_EDGE_CHARS: usize = 5;
/// The same for each word of a name.
pub(crate) const MAX_WORD_EDGE_CHARS: usize = 3;

/// The name of the fast field that holds how popular a package is, in eighths of its binary logarithm.
pub(crate) const POPULARITY: &str = "popularity";
pub(crate) const POPULARITY_STEPS: f32 = 8.0;
/// The name of the fast field that holds how long a name is.
pub(crate) const NAME_CHARS: &str = "name_chars";
const MAX_POPULARITY: f64 = 1e12;
const DAY_MS: f64 = 86_400_000.0;

/// What is known of one package.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Unique, 1 to [`MAX_KEY_BYTES`]; a later document with the same key replaces this one.
    pub key: String,
    /// At most [`MAX_PAYLOAD_BYTES`], returned with each hit as it is; by convention a record id.
    pub payload: Vec<u8>,
    /// Who may see it: `public` or `private`. Compared byte for byte.
    pub audience: String,
    /// What is searched, filtered and ranked by.
    pub scored: Scored,
}

/// The handles of all fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Unique key, as given.
    pub key: Field,
    /// The only stored field.
    pub payload: Field,
    pub audience: Field,
    /// What filters compare.
    pub label: Field,
    /// Name run together, with its scope and without it.
    pub name: Field,
    /// Words of the name.
    pub tok: Field,
    /// How the name begins, one term for each length: a short prefix becomes one term look-up where it
    /// would otherwise expand to thousands of names.
    pub edge: Field,
    /// How the words of the name begin.
    pub word_edge: Field,
    /// Words of name, description and keywords.
    pub words: Field,
    /// The same, written backwards: what begins with errors is found from its end.
    pub name_back: Field,
    /// Name as it is written, in lower case.
    pub spelled: Field,
    /// How that begins.
    pub spelled_edge: Field,
    name_chars: Field,
    /// Days since 1970.
    pub published: Field,
    popularity: Field,
}

impl Fields {
    /// The schema and the handles into it.
    pub fn build() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let fields = Self {
            key: schema.add_text_field("key", STRING),
            payload: schema.add_bytes_field("payload", STORED),
            audience: schema.add_text_field("audience", STRING),
            label: schema.add_text_field("label", STRING),
            name: schema.add_text_field("name", STRING),
            tok: add_terms_field(&mut schema, "tok", IndexRecordOption::WithFreqs),
            edge: add_terms_field(&mut schema, "edge", IndexRecordOption::Basic),
            word_edge: add_terms_field(&mut schema, "word_edge", IndexRecordOption::Basic),
            words: add_terms_field(&mut schema, "words", IndexRecordOption::WithFreqs),
            name_back: schema.add_text_field("name_back", STRING),
            spelled: schema.add_text_field("spelled", STRING),
            spelled_edge: schema.add_text_field("spelled_edge", STRING),
            name_chars: schema.add_u64_field(NAME_CHARS, FAST),
            published: schema.add_u64_field("published", FAST),
            popularity: schema.add_u64_field(POPULARITY, FAST),
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
        let Scored { name, labels, popularity, published, .. } = &document.scored;
        let base = text::joined(text::base(name));
        let full = text::joined(name);
        let name_terms = text::terms([name]);
        let all_terms = [name_terms.clone(), text::terms(document.scored.prose())].concat();
        let mut filled = TantivyDocument::default();
        filled.add_text(self.key, &document.key);
        filled.add_bytes(self.payload, &document.payload);
        filled.add_text(self.audience, &document.audience);
        for label in labels {
            filled.add_text(self.label, label.to_lowercase());
        }
        filled.add_text(self.edge, edges([&base, &full], MAX_EDGE_CHARS).join(" "));
        filled.add_text(self.word_edge, edges(&name_terms, MAX_WORD_EDGE_CHARS).join(" "));
        let scoped = (base != full).then_some(base);
        for each in scoped.into_iter().chain([full]) {
            filled.add_text(self.name, &each);
            filled.add_text(self.name_back, text::backwards(&each));
        }
        filled.add_text(self.tok, name_terms.join(" "));
        filled.add_text(self.words, all_terms.join(" "));
        let spelled = name.to_lowercase();
        for edge in edges([&spelled], MAX_SPELLED_EDGE_CHARS) {
            filled.add_text(self.spelled_edge, edge);
        }
        filled.add_text(self.spelled, &spelled);
        filled.add_u64(self.name_chars, name.chars().count() as u64);
        filled.add_u64(self.published, day_of(*published));
        filled.add_u64(self.popularity, (doublings(*popularity) * POPULARITY_STEPS) as u64);
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

/// How texts begin: their first 1 to `most` characters, each once.
fn edges<'a>(texts: impl IntoIterator<Item = &'a String>, most: usize) -> Vec<&'a str> {
    let mut edges = Vec::new();
    for text in texts {
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
        edges.extend(ends.take(most).map(|end| &text[..end]));
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// Days since 1970, by which filters go; 0 when the time is unknown. A document may give any time for its own.
pub(crate) fn day_of(published: f64) -> u64 {
    // The cast saturates, and takes what is no number for 0.
    (published / DAY_MS) as u64
}

/// How often something is fetched as what ranking goes by; what a document says of itself has a bound.
pub(crate) fn doublings(popularity: f64) -> f32 {
    // Not a number is not above 0 either.
    let bounded = if popularity > 0.0 { popularity.min(MAX_POPULARITY) } else { 0.0 };
    (1.0 + bounded).log2() as f32
}
