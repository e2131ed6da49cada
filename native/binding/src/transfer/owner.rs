//! The owner of an endpoint, which is JavaScript: asked through thread-safe functions that keep no process alive.

use super::values::whole;
use crate::failure::Failure;
use crate::flow::priority_of;
use catalog_transfer::{Asked, Code, Decision, Grant, Outcome, Owner, Source, TransferError};
use napi::bindgen_prelude::{Buffer, FromNapiValue, Promise, Result, TypeName, ValidateNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Status, ValueType, sys};
use napi_derive::napi;
use std::path::PathBuf;

/// A request, and whose it is.
#[napi(object, object_from_js = false)]
pub struct BulkAsked {
    /// Peer id of who asks; authenticated.
    pub peer: String,
    /// The IP address it asks from.
    pub address: String,
    /// The blob, 32 bytes.
    pub root: Buffer,
    /// Record id of the release, 32 bytes.
    pub release: Buffer,
    /// Whether ids of chunks are wanted.
    pub outline: bool,
    /// Whether bytes are.
    pub data: bool,
    /// The first chunk.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Where bytes lie: in a file from an offset on, or in memory.
#[napi(object, object_to_js = false)]
pub struct BulkPlace {
    /// A file; opened once a request.
    pub path: Option<String>,
    /// Of the first byte in it.
    pub offset: Option<f64>,
    /// All of the bytes, instead of a file; copied.
    #[napi(ts_type = "Uint8Array")]
    pub bytes: Option<Copied>,
}

/// A refusal, or leave to send.
#[napi(object, object_to_js = false)]
pub struct BulkDecision {
    /// Why not: `NOT_FOUND`, `REFUSED`, `PEER_BUSY`, `LIMIT_EXCEEDED`; all others reach the peer as `INTERNAL`.
    pub refused: Option<String>,
    /// Comes back in `sent`.
    pub id: Option<f64>,
    /// The blob's bytes.
    pub data: Option<BulkPlace>,
    /// How many there are.
    pub size: Option<f64>,
    /// The ids of all its chunks; needed when they are asked for.
    pub outline: Option<BulkPlace>,
    /// Of a blob that is not here whole, the chunks that may be sent: one bit each, least significant first.
    #[napi(ts_type = "Uint8Array")]
    pub held: Option<Copied>,
    /// Against what else is sent from here.
    #[napi(ts_type = "'critical' | 'high' | 'normal' | 'low'")]
    pub priority: Option<String>,
}

/// How far a reply is.
#[napi(object, object_from_js = false)]
pub struct BulkSent {
    /// Of the grant.
    pub id: f64,
    /// Bytes of contents handed over to QUIC; all of them, and acknowledged, when it is complete.
    pub sent: f64,
    /// Whether it has ended.
    pub ended: bool,
    /// Why it is not complete: one of the error table.
    pub code: Option<String>,
    /// The same as a sentence.
    pub message: Option<String>,
}

/// Bytes of JavaScript, copied on its own thread: their memory may go with their worker at any time.
pub struct Copied(Vec<u8>);

impl TypeName for Copied {
    fn type_name() -> &'static str {
        "Uint8Array"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Copied {}

impl FromNapiValue for Copied {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: passed on to the caller; the bytes are copied before JavaScript goes on.
        let bytes = unsafe { <&[u8]>::from_napi_value(env, value)? };
        Ok(Self(bytes.to_vec()))
    }
}

/// Arguments: what is passed, what comes back, and that a JavaScript error is caught and nobody is kept alive.
pub type Authorise = ThreadsafeFunction<BulkAsked, Promise<BulkDecision>, BulkAsked, Status, false, true>;
/// The same for what needs no answer.
pub type Sent = ThreadsafeFunction<BulkSent, (), BulkSent, Status, false, true>;

pub struct JsOwner {
    authorise: Authorise,
    sent: Sent,
}

impl JsOwner {
    pub fn new(authorise: Authorise, sent: Sent) -> Self {
        Self { authorise, sent }
    }
}

impl Owner for JsOwner {
    fn authorise(&self, asked: Asked) -> Decision<'_> {
        let Asked { peer, address, request } = asked;
        let asked = BulkAsked {
            peer: peer.to_string(),
            address: address.to_string(),
            root: request.root.to_vec().into(),
            release: request.release.to_vec().into(),
            outline: request.outline,
            data: request.data,
            first: request.first,
            count: request.count,
        };
        Box::pin(async move {
            // It throws, it rejects, or its thread is ending: nothing was granted. The endpoint has the deadline.
            let decision = async { self.authorise.call_async_catch(asked).await?.await };
            let decision = decision.await.map_err(|_| Code::Internal)?;
            match &decision.refused {
                Some(code) => Err(refusal(code)),
                None => {
                    let id = decision.id.and_then(|id| whole("id", id).ok());
                    grant_of(decision).map_err(|failure| {
                        // What it meant to grant is to be given back.
                        let error = TransferError::new(Code::Internal, failure.message);
                        id.inspect(|&id| self.ended(id, 0, Outcome::Failed(error)));
                        Code::Internal
                    })
                }
            }
        })
    }

    fn sent(&self, id: u64, sent: u64) {
        let sent = BulkSent { id: id as f64, sent: sent as f64, ended: false, code: None, message: None };
        self.sent.call(sent, ThreadsafeFunctionCallMode::NonBlocking);
    }

    fn ended(&self, id: u64, sent: u64, outcome: Outcome) {
        let (code, message) = match outcome {
            Outcome::Complete => (None, None),
            Outcome::Failed(TransferError { code, message }) => (Some(code.name().into()), Some(message)),
        };
        let end = BulkSent { id: id as f64, sent: sent as f64, ended: true, code, message };
        // A thread that is ending has nothing left to give back.
        self.sent.call(end, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

fn refusal(code: &str) -> Code {
    let known = [Code::NotFound, Code::Refused, Code::PeerBusy, Code::LimitExceeded];
    known.into_iter().find(|known| known.name() == code).unwrap_or(Code::Internal)
}

fn grant_of(decision: BulkDecision) -> std::result::Result<Grant, Failure> {
    let missing =
        || Failure { code: "USAGE", message: "A grant has an id, data, a size and a priority.".into() };
    let BulkDecision { id, data, size, outline, held, priority, .. } = decision;
    Ok(Grant {
        id: whole("id", id.ok_or_else(missing)?)?,
        data: source_of(data.ok_or_else(missing)?)?,
        size: whole("size", size.ok_or_else(missing)?)?,
        outline: outline.map(source_of).transpose()?,
        held: held.map(|Copied(bits)| bits),
        priority: priority_of(&priority.ok_or_else(missing)?)?,
    })
}

fn source_of(place: BulkPlace) -> std::result::Result<Source, Failure> {
    match place {
        BulkPlace { bytes: Some(Copied(bytes)), .. } => Ok(Source::Memory(bytes.into())),
        BulkPlace { path: Some(path), offset: Some(offset), .. } => {
            Ok(Source::File { path: PathBuf::from(path), offset: whole("offset", offset)? })
        }
        _ => Err(Failure { code: "USAGE", message: "Bytes lie in a file or in memory.".into() }),
    }
}
