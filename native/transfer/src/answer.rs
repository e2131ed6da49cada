//! One request answered: the cheap refusals first, then the owner's decision, then bytes from disk to QUIC.

use crate::endpoint::{Shared, locked};
use crate::error::{Code, TransferError};
use crate::owner::{Asked, Grant, Lease, Outcome};
use crate::section::{Reader, Section};
use crate::serve::Visitor;
use crate::wire::{self, CHUNK_BYTES, ID_BYTES, REQUEST_BYTES, Request};
use catalog_flow::{Direction, Lane};
use quinn::{RecvStream, SendStream, StoppedError, VarInt, WriteError};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What is under way when all has been handed over must be acknowledged at this rate at least.
const DRAIN_BYTES_PER_SECOND: u64 = 32 * 1024;
/// Priorities of QUIC streams rise with urgency, those of grants fall.
const PRIORITY_LEAST: i32 = 3;

pub(crate) async fn answer(
    shared: &Arc<Shared>,
    visitor: &Visitor,
    mut send: SendStream,
    mut receive: RecvStream,
) {
    let limit = shared.limits().request_timeout;
    let request = match timeout(limit, read_request(&mut receive)).await {
        Ok(Some(request)) => request,
        // Too slow, or malformed: it is not what this protocol says.
        _ => return refuse(send, Code::PeerProtocol).await,
    };
    let asked = Asked { peer: visitor.peer, address: visitor.address, request };
    let mut lease = match decide(shared, asked).await {
        Ok(lease) => lease,
        Err(code) => return refuse(send, code).await,
    };
    let sections = match open_sections(&request, &lease.grant).await {
        Ok(sections) => sections,
        Err(error) => {
            refuse(send, error.code).await;
            return lease.end(Outcome::Failed(error));
        }
    };
    let _ = send.set_priority(PRIORITY_LEAST - lease.grant.priority as i32);
    // Resolves when the peer wants no more, when it is gone, or when it has all.
    let mut stopped = pin!(send.stopped());
    let sending = reply(shared, visitor, &mut send, &mut lease, sections);
    let sent = tokio::select! {
        biased;
        sent = sending => sent,
        stop = &mut stopped => Err(stopped_by(stop)),
    };
    let ended = match sent {
        Ok(()) => delivered(shared, &lease, stopped).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => lease.end(Outcome::Complete),
        Err(error) => {
            // Nothing to reset when the peer has stopped it or is gone.
            let _ = send.reset(VarInt::from_u32(wire::status_of(error.code).into()));
            lease.end(Outcome::Failed(error));
        }
    }
}

/// A whole request and the end behind it.
async fn read_request(receive: &mut RecvStream) -> Option<Request> {
    let mut bytes = [0; REQUEST_BYTES];
    receive.read_exact(&mut bytes).await.ok()?;
    let more = receive.read(&mut [0]).await.ok()?;
    if more.is_some() { None } else { Request::decode(&bytes) }
}

async fn refuse(mut send: SendStream, code: Code) {
    // Who has gone needs no refusal. What is written is delivered after this handle is dropped.
    if send.write_all(&[wire::status_of(code)]).await.is_ok() {
        let _ = send.finish();
    }
}

/// The decision, which costs the owner something, only for who may ask now and was not refused just before.
async fn decide(shared: &Arc<Shared>, asked: Asked) -> Result<Lease, Code> {
    if !locked(&shared.door).request(asked.address, Instant::now()) {
        return Err(Code::PeerBusy);
    }
    let subject = (asked.peer, asked.request.root, asked.request.release);
    if let Some(code) = locked(&shared.refusals).get(&subject, Instant::now()) {
        return Err(code);
    }
    let permit = shared.requests.clone().try_acquire_owned().map_err(|_| Code::PeerBusy)?;
    let (answer, answered) = oneshot::channel();
    let inner = shared.clone();
    // It goes on when the peer does not wait: what it grants has to be given back.
    shared.runtime.spawn(async move {
        let decision = inner.owner.authorise(asked).await;
        let _ = answer.send(decision.map(|grant| Lease::new(inner.owner.clone(), grant, permit)));
    });
    let answered = tokio::select! {
        answered = timeout(shared.limits().request_timeout, answered) => answered,
        () = shared.closing.cancelled() => return Err(Code::PeerBusy),
    };
    match answered {
        Ok(Ok(Ok(lease))) => Ok(lease),
        Ok(Ok(Err(code))) => {
            if matches!(code, Code::NotFound | Code::Refused) {
                locked(&shared.refusals).put(subject, code, Instant::now());
            }
            Err(code)
        }
        Ok(Err(_)) => Err(Code::Internal),
        Err(_) => Err(Code::PeerBusy),
    }
}

/// What the reply will consist of, with its files open.
async fn open_sections(request: &Request, grant: &Grant) -> Result<Vec<Section>, TransferError> {
    let not_here = || TransferError::new(Code::NotFound, "The range is not here.");
    let (ids, bytes) = request.contents(grant.size).ok_or_else(not_here)?;
    if request.data && !holds(grant, request) {
        return Err(not_here());
    }
    let mut sections = Vec::new();
    if ids > 0 {
        let outline = grant.outline.as_ref();
        let outline = outline.ok_or_else(|| TransferError::new(Code::Internal, "No outline was granted."))?;
        sections.push(Section::open(outline, u64::from(request.first) * ID_BYTES as u64, ids).await?);
    }
    if bytes > 0 {
        sections
            .push(Section::open(&grant.data, u64::from(request.first) * CHUNK_BYTES as u64, bytes).await?);
    }
    Ok(sections)
}

/// Whether every chunk of the range may be sent.
fn holds(grant: &Grant, request: &Request) -> bool {
    let Some(held) = &grant.held else { return true };
    let has = |chunk: u32| held.get(chunk as usize / 8).is_some_and(|bits| bits & (1 << (chunk % 8)) != 0);
    (request.first..request.first + request.count).all(has)
}

/// The head and the sections, each piece when its turn has come.
async fn reply(
    shared: &Shared,
    visitor: &Visitor,
    send: &mut SendStream,
    lease: &mut Lease,
    sections: Vec<Section>,
) -> Result<(), TransferError> {
    let stall = shared.limits().send_stall;
    let lane = Lane::new(visitor.address, visitor.peer.to_string().as_bytes(), lease.grant.priority);
    within(stall, send.write_all(&wire::encode_head(lease.grant.size))).await?;
    for section in sections {
        let mut reader = Reader::new(section, &visitor.share);
        while let Some(mut bytes) = reader.next().await? {
            while !bytes.is_empty() {
                let most = shared.gate.piece_bytes(Direction::Up, &lane) as usize;
                let piece = bytes.split_to(most.min(bytes.len()));
                let length = piece.len();
                let permit = shared.gate.acquire(Direction::Up, &lane, length as u32).await;
                let permit = permit.map_err(|error| TransferError::new(Code::PeerBusy, error.to_string()))?;
                within(stall, send.write_chunk(piece)).await?;
                drop(permit);
                lease.count(length as u64);
                visitor.sent.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }
    send.finish().map_err(|_| gone("the reply has ended"))
}

/// Waits for the peer's word that all of it has arrived.
async fn delivered(
    shared: &Shared,
    lease: &Lease,
    stopped: Pin<&mut impl Future<Output = Result<Option<VarInt>, StoppedError>>>,
) -> Result<(), TransferError> {
    let under_way = lease.sent.min(shared.limits().send_bytes_per_connection as u64);
    let drain = shared.limits().send_stall + Duration::from_secs(under_way / DRAIN_BYTES_PER_SECOND);
    match timeout(drain, stopped).await {
        Ok(Ok(None)) => Ok(()),
        Ok(stop) => Err(stopped_by(stop)),
        Err(_) => Err(stalled()),
    }
}

async fn within<T>(
    limit: Duration,
    writing: impl Future<Output = Result<T, WriteError>>,
) -> Result<T, TransferError> {
    timeout(limit, writing).await.map_err(|_| stalled())?.map_err(gone)
}

fn stalled() -> TransferError {
    TransferError::new(Code::PeerTimeout, "The peer takes nothing any more.")
}

fn stopped_by(stop: Result<Option<VarInt>, StoppedError>) -> TransferError {
    match stop {
        Ok(Some(_)) => TransferError::new(Code::Aborted, "The peer wants no more."),
        Ok(None) => gone("it ended too early"),
        Err(error) => gone(error),
    }
}

fn gone(why: impl std::fmt::Display) -> TransferError {
    TransferError::new(Code::PeerUnreachable, format!("The peer went away: {why}."))
}
