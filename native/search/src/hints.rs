//! What an index tells beside what it finds: why, what was meant, and how names go on.

use crate::explain::{Explanation, explain};
use crate::plan::{self, Plan};
use crate::rank::completions;
use crate::score::{self, Scored};
use crate::suggest::suggest;
use crate::{SearchError, SearchIndex};

impl SearchIndex {
    /// Why each candidate is worth what it is; scores are those of [`score`](Self::score) for the same candidates.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn explain(&self, query: &str, candidates: &[Scored]) -> Result<Vec<Explanation>, SearchError> {
        self.watch(|| {
            let plan = Plan::new(self.fields(), query, None)?;
            let verdicts = score::verdicts(&self.searcher(), self.fields(), &plan, candidates)?;
            let explained = candidates.iter().zip(&verdicts);
            Ok(explained.map(|(candidate, verdict)| explain(&plan, candidate, verdict)).collect())
        })
    }

    /// What was probably meant by a query that finds nothing: one that does, made of words that documents with that
    /// audience have.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn suggest(&self, query: &str, audience: Option<&str>) -> Result<Option<String>, SearchError> {
        self.watch(|| {
            let plan = Plan::new(self.fields(), query, audience)?;
            Ok(suggest(&self.searcher(), &plan)?)
        })
    }

    /// Documents whose name begins so, letter for letter but for case: the most popular first, and of those the
    /// shortest name. Packed as by [`search`](Self::search), with how popular each is for a score.
    ///
    /// `filters` are words of a query that must all be filters.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn complete(
        &self,
        beginning: &str,
        filters: &str,
        audience: Option<&str>,
        limit: usize,
    ) -> Result<Vec<u8>, SearchError> {
        self.watch(|| {
            plan::check_limit(limit)?;
            plan::check_length(beginning)?;
            let plan = Plan::new(self.fields(), filters, audience)?;
            let searcher = self.searcher();
            let found = completions(&searcher, &plan, beginning, limit)?;
            self.pack(&searcher, &found)
        })
    }
}
