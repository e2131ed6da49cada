//! The search index.

use crate::failure::{Coded, Failure, guarded};
use crate::runtime::blocking;
use crate::search_shapes::{Explanation, Scored, SearchDocument, SearchDocumentTerms, SearchQueryTerms};
use napi::Env;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Result};
use napi_derive::napi;
use std::path::PathBuf;
use std::sync::Arc;

/// A full-text index in a directory of its own.
#[napi]
pub struct SearchIndex {
    index: Arc<catalog_search::SearchIndex>,
}

#[napi]
impl SearchIndex {
    /// Opens the index in a directory, or creates it there.
    ///
    /// A directory that is damaged or was written by another version is emptied first; `committedSequence()`
    /// is 0 then. Files that are not the index's stay. The directory is owned until `close()`.
    ///
    /// @param dir - a directory that holds nothing else; created when missing
    /// @throws Error `SEARCH_LOCKED` when somebody else owns the directory, `SEARCH_INDEX` when it cannot be used
    #[napi(catch_unwind, ts_args_type = "dir: string", ts_return_type = "Promise<SearchIndex>")]
    pub fn open(env: &Env, dir: String) -> Result<PromiseRaw<'_, Coded<SearchIndex>>> {
        blocking(env, move || {
            let index = catalog_search::SearchIndex::open(&PathBuf::from(dir))?;
            Ok(SearchIndex { index: Arc::new(index) })
        })
    }

    /// Applies one batch as one commit; searches see it when the promise resolves.
    ///
    /// @param upserts - added after the deletes; the last document of a key stays
    /// @param deletes - keys
    /// @param sequence - kept with the commit; a safe integer ≥ 0
    /// @throws Error `SEARCH_INDEX` when a document is malformed, the disk fails or the index is closed
    #[napi(
        catch_unwind,
        ts_args_type = "upserts: Array<SearchDocument>, deletes: Array<string>, sequence: number",
        ts_return_type = "Promise<void>"
    )]
    pub fn apply<'env>(
        &self,
        env: &'env Env,
        upserts: Vec<SearchDocument>,
        deletes: Vec<String>,
        sequence: f64,
    ) -> Result<PromiseRaw<'env, Coded<()>>> {
        let index = self.index.clone();
        let upserts: Vec<_> = upserts.into_iter().map(catalog_search::Document::from).collect();
        blocking(env, move || Ok(index.apply(&upserts, &deletes, checked_sequence(sequence)?)?))
    }

    /// The best documents for a query.
    ///
    /// @param query - at most 8 words of 64 characters, 256 characters in all; a word like `type:npm` or
    ///   `after:2026-03` is a filter
    /// @param audience - only documents with this audience; undefined for all
    /// @param limit - most hits, 1…100
    /// @returns u32le count, then for each hit, best first: u8 payload length ‖ payload ‖ f32le score
    /// @throws Error `SEARCH_QUERY` beyond these limits, `SEARCH_INDEX` when reading fails
    #[napi(
        catch_unwind,
        ts_args_type = "query: string, audience: string | undefined, limit: number",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn search<'env>(
        &self,
        env: &'env Env,
        query: String,
        audience: Option<String>,
        limit: u32,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let index = self.index.clone();
        blocking(env, move || Ok(index.search(&query, audience.as_deref(), limit as usize)?.into()))
    }

    /// What each candidate is worth for a query, wherever it comes from; 0 for those that have nothing of it.
    ///
    /// @param query - as for `search`
    /// @returns f32le for each candidate, in their order
    /// @throws Error `SEARCH_QUERY` beyond the limits, `SEARCH_INDEX` when reading fails
    #[napi(
        catch_unwind,
        ts_args_type = "query: string, candidates: Array<Scored>",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn score<'env>(
        &self,
        env: &'env Env,
        query: String,
        candidates: Vec<Scored>,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let index = self.index.clone();
        let candidates: Vec<_> = candidates.into_iter().map(catalog_search::Scored::from).collect();
        blocking(env, move || {
            let scores = index.score(&query, &candidates)?;
            Ok(scores.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into())
        })
    }

    /// How the index reads a query.
    ///
    /// @param query - as for `search`
    /// @throws Error `SEARCH_QUERY` beyond the limits
    #[napi(catch_unwind, ts_return_type = "SearchQueryTerms")]
    pub fn query_terms(&self, query: String) -> Coded<SearchQueryTerms> {
        guarded(|| {
            let catalog_search::QueryTerms { normal, terms, beginnings, filters } =
                self.index.query_terms(&query)?;
            Ok(SearchQueryTerms { normal, terms, beginnings, filters })
        })
    }

    /// How the index reads documents, in their order.
    #[napi(
        catch_unwind,
        ts_args_type = "documents: Array<Scored>",
        ts_return_type = "Promise<Array<SearchDocumentTerms>>"
    )]
    pub fn document_terms<'env>(
        &self,
        env: &'env Env,
        documents: Vec<Scored>,
    ) -> Result<PromiseRaw<'env, Coded<Vec<SearchDocumentTerms>>>> {
        let documents: Vec<_> = documents.into_iter().map(catalog_search::Scored::from).collect();
        blocking(env, move || {
            let read = documents.iter().map(catalog_search::DocumentTerms::of);
            let told = read.map(|catalog_search::DocumentTerms { terms, names, labels }| {
                SearchDocumentTerms { terms, names, labels }
            });
            Ok(told.collect())
        })
    }

    /// The most popular documents that have a label.
    ///
    /// @param label - `field:value`
    /// @param audience - only documents with this audience; undefined for all
    /// @param limit - most hits, 1…100
    /// @returns as `search`; each score is the popularity's part of one
    /// @throws Error `SEARCH_INDEX` when reading fails
    #[napi(
        catch_unwind,
        ts_args_type = "label: string, audience: string | undefined, limit: number",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn labelled<'env>(
        &self,
        env: &'env Env,
        label: String,
        audience: Option<String>,
        limit: u32,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let index = self.index.clone();
        blocking(env, move || Ok(index.labelled(&label, audience.as_deref(), limit as usize)?.into()))
    }

    /// For each candidate the most popular document with a name at most one typing error away, if it is a
    /// thousand times as popular.
    ///
    /// @param candidates - name and popularity count
    /// @param audience - only documents with this audience; undefined for all
    /// @returns as `search`, one hit for each candidate, without payload where there is none
    /// @throws Error `SEARCH_INDEX` when reading fails
    #[napi(
        catch_unwind,
        ts_args_type = "candidates: Array<Scored>, audience: string | undefined",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn outshone<'env>(
        &self,
        env: &'env Env,
        candidates: Vec<Scored>,
        audience: Option<String>,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let index = self.index.clone();
        let candidates: Vec<_> = candidates.into_iter().map(catalog_search::Scored::from).collect();
        blocking(env, move || Ok(index.outshone(&candidates, audience.as_deref())?.into()))
    }

    /// Why each candidate is worth what it is: `score`, taken apart.
    ///
    /// @param query - as for `search`
    /// @returns one for each candidate, in their order
    /// @throws Error as `score`
    #[napi(
        catch_unwind,
        ts_args_type = "query: string, candidates: Array<Scored>",
        ts_return_type = "Promise<Array<Explanation>>"
    )]
    pub fn explain<'env>(
        &self,
        env: &'env Env,
        query: String,
        candidates: Vec<Scored>,
    ) -> Result<PromiseRaw<'env, Coded<Vec<Explanation>>>> {
        let index = self.index.clone();
        let candidates: Vec<_> = candidates.into_iter().map(catalog_search::Scored::from).collect();
        blocking(env, move || {
            Ok(index.explain(&query, &candidates)?.into_iter().map(Explanation::from).collect())
        })
    }

    /// What was probably meant by a query that finds nothing.
    ///
    /// @param query - as for `search`
    /// @param audience - as for `search`: no word comes from what others see
    /// @returns a query that finds something, or null
    /// @throws Error as `search`
    #[napi(
        catch_unwind,
        ts_args_type = "query: string, audience: string | undefined",
        ts_return_type = "Promise<string | null>"
    )]
    pub fn suggest<'env>(
        &self,
        env: &'env Env,
        query: String,
        audience: Option<String>,
    ) -> Result<PromiseRaw<'env, Coded<Option<String>>>> {
        let index = self.index.clone();
        blocking(env, move || Ok(index.suggest(&query, audience.as_deref())?))
    }

    /// Documents whose name begins so, letter for letter but for case: the most popular first, then the shortest.
    ///
    /// @param beginning - at most 256 characters; empty for all names
    /// @param filters - words of a query that are all filters, such as `type:npm`
    /// @param audience - as for `search`
    /// @param limit - most hits, 1…100
    /// @returns as of `search`, with how popular each is for a score: only their order means something
    /// @throws Error as `search`
    #[napi(
        catch_unwind,
        ts_args_type = "beginning: string, filters: string, audience: string | undefined, limit: number",
        ts_return_type = "Promise<Buffer>"
    )]
    pub fn complete<'env>(
        &self,
        env: &'env Env,
        beginning: String,
        filters: String,
        audience: Option<String>,
        limit: u32,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let index = self.index.clone();
        blocking(env, move || {
            Ok(index.complete(&beginning, &filters, audience.as_deref(), limit as usize)?.into())
        })
    }

    /// Merges all into one segment when there are several: every look-up is made in each. Searches go on
    /// meanwhile, changes wait.
    ///
    /// @throws Error `SEARCH_INDEX` when the disk fails or the index is closed
    #[napi(catch_unwind, ts_args_type = "", ts_return_type = "Promise<void>")]
    pub fn compact<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Coded<()>>> {
        let index = self.index.clone();
        blocking(env, move || Ok(index.compact()?))
    }

    /// How many documents a search can find.
    #[napi(catch_unwind)]
    pub fn count(&self) -> f64 {
        self.index.count() as f64
    }

    /// Whether something has shown that a file is not what was written: closed and opened anew, the index is empty
    /// and sound.
    #[napi(catch_unwind)]
    pub fn is_damaged(&self) -> bool {
        self.index.is_damaged()
    }

    /// The sequence of the last commit; 0 when there is none.
    #[napi(catch_unwind)]
    pub fn committed_sequence(&self) -> f64 {
        self.index.committed_sequence() as f64
    }

    /// Waits for merges under way, then gives the directory free. Searches keep answering from the last
    /// commit; changes are refused. Closing twice is allowed.
    ///
    /// @throws Error `SEARCH_INDEX` when a merge failed; the directory is free all the same
    #[napi(catch_unwind, ts_args_type = "", ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Coded<()>>> {
        let index = self.index.clone();
        blocking(env, move || Ok(index.close()?))
    }
}

/// The largest integer a JavaScript number holds exactly.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

fn checked_sequence(sequence: f64) -> std::result::Result<u64, Failure> {
    if (0.0..=MAX_SAFE_INTEGER).contains(&sequence) && sequence.fract() == 0.0 {
        return Ok(sequence as u64);
    }
    let message = format!("the sequence is {sequence}, expected a safe integer of at least 0");
    Err(Failure { code: "SEARCH_INDEX", message })
}
