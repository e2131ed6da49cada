//! What can go wrong in the index.

use tantivy::TantivyError;
use tantivy::directory::error::{LockError, OpenReadError};
use thiserror::Error;

/// A failed call.
#[derive(Clone, Debug, Error)]
pub enum SearchError {
    /// The query breaks a limit; the text says which.
    #[error("{0}")]
    Query(String),
    /// Another process, or another [`SearchIndex`](crate::SearchIndex) of this one, owns the directory.
    #[error("the search index is in use by another process")]
    Locked,
    /// A file of the index is not what was written: it has to be opened anew, which empties and so mends it.
    #[error("the search index is damaged: {0}")]
    Damaged(String),
    /// The directory cannot be used, a document is malformed, or Tantivy failed; the text is the cause.
    #[error("{0}")]
    Index(String),
}

impl SearchError {
    /// The stable code callers may match on: `SEARCH_QUERY`, `SEARCH_LOCKED` or `SEARCH_INDEX`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Query(_) => "SEARCH_QUERY",
            Self::Locked => "SEARCH_LOCKED",
            Self::Damaged(_) | Self::Index(_) => "SEARCH_INDEX",
        }
    }
}

impl From<TantivyError> for SearchError {
    fn from(error: TantivyError) -> Self {
        match error {
            TantivyError::LockFailure(LockError::LockBusy, _) => Self::Locked,
            other if means_damage(&other) => Self::Damaged(other.to_string()),
            other => Self::Index(other.to_string()),
        }
    }
}

impl From<LockError> for SearchError {
    fn from(error: LockError) -> Self {
        TantivyError::LockFailure(error, None).into()
    }
}

/// Errors that rebuilding cures. Others (no rights, too many open files) would only come back.
pub(crate) fn means_damage(error: &TantivyError) -> bool {
    match error {
        TantivyError::DataCorruption(_)
        | TantivyError::SchemaError(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::InternalError(_)
        | TantivyError::DeserializeError(_) => true,
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => is_bad_content(io_error),
        TantivyError::OpenReadError(_) => true,
        TantivyError::IoError(cause) => is_bad_content(cause),
        _ => false,
    }
}

fn is_bad_content(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    matches!(cause.kind(), InvalidData | NotFound | UnexpectedEof)
}
