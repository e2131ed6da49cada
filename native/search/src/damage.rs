//! Noticing that a file of an open index is not what was written.
//!
//! Checksums are read when an index is opened. What happens to its files afterwards shows in errors, and in panics of
//! code that trusts them.

use crate::SearchError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct Damage(AtomicBool);

impl Damage {
    pub fn is_noticed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Does something with the index; a panic is taken for damage.
    pub fn watch<T>(&self, work: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
        // An index that panicked is opened anew: nothing of it outlives this but what a lock guards.
        let done = catch_unwind(AssertUnwindSafe(work));
        let done = done.unwrap_or_else(|panic| Err(SearchError::Damaged(words_of(&*panic))));
        if matches!(done, Err(SearchError::Damaged(_))) {
            self.0.store(true, Ordering::Release);
        }
        done
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a message").to_owned()
}
