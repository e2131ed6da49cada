//! The bulk plane. Bytes go between QUIC and files without coming here: what crosses is requests, decisions and counts.

mod owner;
mod values;

use crate::failure::{Coded, Failure, guarded};
use crate::flow::TransferGate;
use crate::runtime::{blocking, moving, packets};
use catalog_flow::Gate;
use catalog_transfer::{CancellationToken, CertificateKey, Endpoint, Job, PeerId, Segment};
use napi::Env;
use napi::bindgen_prelude::{Buffer, PromiseRaw, Result, Uint8ArraySlice};
use napi_derive::napi;
use owner::{Authorise, JsOwner, Sent};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use values::{
    BulkConnection, BulkEnd, BulkOptions, BulkProgress, BulkProvider, BulkTarget, BulkTerms, BulkWanted,
    BulkWhole, peer_key, provider_of, terms_of, wanted_of,
};

/// A fresh key for the certificate of one endpoint. It never leaves the native side.
#[napi]
pub struct BulkKey {
    statement: Vec<u8>,
    key: Mutex<Option<CertificateKey>>,
}

#[napi]
impl BulkKey {
    /// @throws Error `INTERNAL` when the system gives no randomness
    #[napi(catch_unwind, ts_return_type = "BulkKey")]
    pub fn generate() -> Coded<BulkKey> {
        guarded(|| {
            let key = CertificateKey::generate()?;
            Ok(BulkKey { statement: key.statement(), key: Mutex::new(Some(key)) })
        })
    }

    /// What the node's Ed25519 key has to sign.
    #[napi(catch_unwind)]
    pub fn statement(&self) -> Buffer {
        self.statement.clone().into()
    }
}

/// Ends fetches.
#[napi]
#[derive(Default)]
pub struct BulkCancel {
    token: CancellationToken,
}

#[napi]
impl BulkCancel {
    #[napi(constructor, catch_unwind)]
    #[allow(missing_docs)] // A constructor; the class says what it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends, by `ABORTED`, every fetch it was given to.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.token.cancel();
    }
}

/// A QUIC endpoint that sends blobs to peers and fetches them from peers.
#[napi]
pub struct BulkEndpoint {
    endpoint: Arc<Endpoint>,
}

#[napi]
impl BulkEndpoint {
    /// Listens, and answers from now on. Neither the endpoint nor its callbacks keep the process alive.
    ///
    /// @param key - used up by this call
    /// @param node - the node's Ed25519 public key, 32 bytes
    /// @param signature - of the node's key over `key.statement()`
    /// @param gate - before it, all bytes wait for their turn; nothing limits them without one
    /// @param authorise - decides about each request; what it grants stays granted until `sent` tells of its end
    /// @param sent - how far each grant is now and then, and its end exactly once; must not throw
    /// @throws Error `LISTEN_FAILED`, `ADDRESS_INVALID`, `USAGE`
    #[napi(
        catch_unwind,
        ts_args_type = "key: BulkKey, node: Uint8Array, signature: Uint8Array, options: BulkOptions, \
                        gate: TransferGate | undefined, authorise: (asked: BulkAsked) => Promise<BulkDecision>, \
                        sent: (sent: BulkSent) => void",
        ts_return_type = "Promise<BulkEndpoint>"
    )]
    #[allow(clippy::too_many_arguments)] // Who it is, how it behaves, and whom it asks.
    pub fn open<'env>(
        env: &'env Env,
        key: &BulkKey,
        node: Uint8ArraySlice,
        signature: Uint8ArraySlice,
        options: BulkOptions,
        gate: Option<&TransferGate>,
        authorise: Authorise,
        sent: Sent,
    ) -> Result<PromiseRaw<'env, Coded<BulkEndpoint>>> {
        let key = key.key.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (node, signature) = (peer_key(&node), signature.to_vec());
        let gate = gate.map(|gate| gate.gate.clone());
        blocking(env, move || {
            let used = || Failure { code: "USAGE", message: "This key has been used.".into() };
            let identity = key.ok_or_else(used)?.certify(PeerId::new(node?), &signature)?;
            let unlimited = || Gate::new(Default::default(), Default::default(), packets());
            let owner = Arc::new(JsOwner::new(authorise, sent));
            let endpoint =
                Endpoint::open(options.with(identity, gate.unwrap_or_else(unlimited))?, owner, packets())?;
            Ok(BulkEndpoint { endpoint: Arc::new(endpoint) })
        })
    }

    /// The UDP port it listens on.
    #[napi(catch_unwind)]
    pub fn port(&self) -> u16 {
        self.endpoint.address().port()
    }

    /// Bytes of the socket's buffers, to receive and to send, as the system reports them.
    #[napi(catch_unwind)]
    pub fn socket_buffers(&self) -> Vec<f64> {
        let (receive, send) = self.endpoint.socket_buffers();
        vec![receive as f64, send as f64]
    }

    /// All connections.
    #[napi(catch_unwind)]
    pub fn connections(&self) -> Vec<BulkConnection> {
        self.endpoint.connections().into_iter().map(BulkConnection::from).collect()
    }

    /// Forgets what was refused a moment ago, so that a permission that was given counts at once.
    #[napi(catch_unwind)]
    pub fn forget_refusals(&self) {
        self.endpoint.forget_refusals();
    }

    /// Ids of the chunks [first, first + count), 32 bytes each, unchecked.
    ///
    /// @throws Error what the peer refuses with, `PEER_UNREACHABLE`, `PEER_TIMEOUT`, `PEER_PROTOCOL`, `ABORTED`,
    ///   `CLOSED`, `ADDRESS_INVALID`, `USAGE`
    #[napi(
        catch_unwind,
        ts_args_type = "provider: BulkProvider, wanted: BulkWanted, first: number, count: number, \
                        terms: BulkTerms, cancel: BulkCancel",
        ts_return_type = "Promise<Buffer>"
    )]
    #[allow(clippy::too_many_arguments)] // What, from whom, and on what terms.
    pub fn fetch_outline<'env>(
        &self,
        env: &'env Env,
        provider: BulkProvider,
        wanted: BulkWanted,
        first: u32,
        count: u32,
        terms: BulkTerms,
        cancel: &BulkCancel,
    ) -> Result<PromiseRaw<'env, Coded<Buffer>>> {
        let (endpoint, wanted, terms) =
            (self.endpoint.clone(), wanted_of(&wanted), terms_of(&terms, &cancel.token));
        moving(env, async move {
            let provider = provider_of(&provider)?;
            let ids = endpoint.fetch_outline(provider, wanted?, (first, count), terms?).await?;
            Ok(ids.into())
        })
    }

    /// A blob of at most 1 MiB, with its outline, both checked against the root.
    ///
    /// @returns with a failure as `fetchOutline` throws, or `BLOB_CORRUPT`
    /// @throws Error `ADDRESS_INVALID`, `USAGE`
    #[napi(
        catch_unwind,
        ts_args_type = "provider: BulkProvider, wanted: BulkWanted, terms: BulkTerms, cancel: BulkCancel",
        ts_return_type = "Promise<BulkWhole>"
    )]
    pub fn fetch_blob<'env>(
        &self,
        env: &'env Env,
        provider: BulkProvider,
        wanted: BulkWanted,
        terms: BulkTerms,
        cancel: &BulkCancel,
    ) -> Result<PromiseRaw<'env, Coded<BulkWhole>>> {
        let (endpoint, wanted, terms) =
            (self.endpoint.clone(), wanted_of(&wanted), terms_of(&terms, &cancel.token));
        moving(
            env,
            async move { Ok(endpoint.fetch_blob(provider_of(&provider)?, wanted?, terms?).await.into()) },
        )
    }

    /// Begins to fetch the chunks [first, first + count) to their place in a file.
    ///
    /// @param outline - their ids, checked against the root; copied
    /// @throws Error `ADDRESS_INVALID`, `USAGE`
    #[napi(
        catch_unwind,
        ts_args_type = "provider: BulkProvider, wanted: BulkWanted, first: number, count: number, \
                        outline: Uint8Array, target: BulkTarget, terms: BulkTerms, cancel: BulkCancel",
        ts_return_type = "BulkSegment"
    )]
    #[allow(clippy::too_many_arguments)] // What, from whom, whereto, and on what terms.
    pub fn fetch_segment(
        &self,
        provider: BulkProvider,
        wanted: BulkWanted,
        first: u32,
        count: u32,
        outline: Uint8ArraySlice,
        target: BulkTarget,
        terms: BulkTerms,
        cancel: &BulkCancel,
    ) -> Coded<BulkSegment> {
        guarded(|| {
            let job = Job {
                wanted: wanted_of(&wanted)?,
                first,
                count,
                outline: outline.to_vec(),
                path: PathBuf::from(target.path),
                offset: values::whole("offset", target.offset)?,
            };
            let terms = terms_of(&terms, &cancel.token)?;
            let segment = self.endpoint.fetch_segment(provider_of(&provider)?, job, terms);
            let progress = segment.progress();
            Ok(BulkSegment { progress, segment: Mutex::new(Some(segment)) })
        })
    }

    /// Ends all that is under way and gives the port free.
    #[napi(catch_unwind, ts_args_type = "", ts_return_type = "Promise<void>")]
    pub fn close<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Coded<()>>> {
        let endpoint = self.endpoint.clone();
        moving(env, async move {
            endpoint.close().await;
            Ok(())
        })
    }
}

impl Drop for BulkEndpoint {
    fn drop(&mut self) {
        self.endpoint.hang_up();
    }
}

/// A segment on its way.
#[napi]
pub struct BulkSegment {
    progress: Arc<catalog_transfer::Progress>,
    segment: Mutex<Option<Segment>>,
}

#[napi]
impl BulkSegment {
    /// What is verified and written so far.
    #[napi(catch_unwind)]
    pub fn progress(&self) -> BulkProgress {
        BulkProgress { chunks: self.progress.chunks(), bytes: self.progress.bytes() as f64 }
    }

    /// Waits for the end, once. Nothing is written to the file after it.
    ///
    /// @throws Error `USAGE` when it was called before
    #[napi(catch_unwind, ts_args_type = "", ts_return_type = "Promise<BulkEnd>")]
    pub fn end<'env>(&self, env: &'env Env) -> Result<PromiseRaw<'env, Coded<BulkEnd>>> {
        let segment = self.segment.lock().unwrap_or_else(PoisonError::into_inner).take();
        moving(env, async move {
            let used =
                || Failure { code: "USAGE", message: "Somebody waits for this segment already.".into() };
            Ok(segment.ok_or_else(used)?.end().await.into())
        })
    }
}
