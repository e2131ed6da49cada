//! The scheduler of one direction.
//!
//! **Order.** Of the four priorities the highest that has something goes first, but each of the others is owed one byte
//! for every [`FLOOR`] that pass it by, so that none starves. Inside a priority addresses take turns, at an address its
//! peers, and each peer's requests go in the order they came: streams and peer ids, of which anybody can have any
//! number, gain nothing.
//!
//! **Rate.** A token bucket in all, and one for each peer ([`Limits::per_peer`] says for whom exactly). Half of the
//! bucket in all is kept for what is critical, which may use no more than that half itself: it so finds the same burst
//! under load as on an idle node.
//!
//! **Service.** With no limits the order counts as well, because only [`SERVICE_BYTES`] are out at once. A connection
//! that takes no bytes holds at most [`PEER_SERVICE_BYTES`] of them, and after [`STUCK_NS`] it only holds up itself.

use crate::bucket::Bucket;
use crate::lane::{Lane, PEER_BYTES_MAX, Priority};
use crate::limits::{Limits, REQUEST_BYTES_MAX, Rate};
use crate::recent::Recent;
use crate::table::{CLASSES, Head, Member, Table};
use std::collections::{BTreeMap, HashMap};
use thiserror::Error;

/// Bytes out at once: enough to keep a disk and a connection busy, and so few that order still means something.
pub const SERVICE_BYTES: u64 = 8 * 1024 * 1024;
/// Of these for one address.
pub const ADDRESS_SERVICE_BYTES: u64 = 4 * 1024 * 1024;
/// Of these for one peer.
pub const PEER_SERVICE_BYTES: u64 = 1024 * 1024;
/// What is out for longer than this is stuck in its connection, and counts for its own peer and address alone.
pub const STUCK_NS: u64 = 100_000_000;

/// Requests waiting at once; each is a few hundred bytes.
pub const WAITING_MAX: usize = 8192;
/// Of these from one address.
pub const WAITING_PER_ADDRESS_MAX: usize = 2048;
/// Of these of one peer.
pub const WAITING_PER_PEER_MAX: usize = 1024;
/// Peers remembered at once, those included that rest.
const PEERS_MAX: usize = 16_384;

/// A priority that waits gets at least one byte in so many and one: 2.4 %.
const FLOOR: u64 = 40;

/// A request's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Why a request is not even put in the queue.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FlowError {
    /// Too many wait already.
    #[error("too many requests wait for bandwidth")]
    Busy,
    /// More than [`REQUEST_BYTES_MAX`] bytes, or none.
    #[error("{0} bytes were asked for at once, expected 1 to {REQUEST_BYTES_MAX}")]
    Bytes(u32),
    /// A peer key beyond [`PEER_BYTES_MAX`].
    #[error("a peer key has {0} bytes, at most {PEER_BYTES_MAX} are expected")]
    PeerKey(usize),
}

impl FlowError {
    /// The stable code callers may match on: `PEER_BUSY` or `LIMIT_EXCEEDED`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Busy => "PEER_BUSY",
            Self::Bytes(_) | Self::PeerKey(_) => "LIMIT_EXCEEDED",
        }
    }
}

/// What goes on in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes granted in the last second.
    pub bytes_per_second: u64,
    /// Bytes waiting, by priority.
    pub queued: [u64; CLASSES],
    /// Requests waiting.
    pub waiting: usize,
    /// Bytes granted and not yet reported done.
    pub in_service: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    peer: usize,
    class: usize,
    bytes: u32,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting,
    /// With its number among those that count for [`SERVICE_BYTES`], unless it is stuck.
    Going(Option<u64>),
}

/// Why the next request must not go yet.
enum Hindrance {
    /// Enough is out.
    Service,
    /// The bucket in all has too little until then.
    Total(u64),
    /// A member has enough out, or too little in its bucket until then.
    Own(Member, Option<u64>),
}

/// Decides for one direction who goes next. See the module for the rules.
#[derive(Debug, Default)]
pub struct Scheduler {
    limits: Limits,
    now: u64,
    table: Table,
    tickets: HashMap<Ticket, Entry>,
    issued: u64,
    total: Bucket,
    critical: Bucket,
    /// By class, bytes that passed it by.
    owed: [u64; CLASSES],
    /// Grants that count for `service`, oldest first: when, and which.
    going: BTreeMap<u64, (u64, Ticket)>,
    granted: u64,
    service: u64,
    /// When the last poll would have granted more.
    wake: Option<u64>,
    recent: Recent,
    traffic: Traffic,
}

impl Scheduler {
    /// A scheduler whose buckets are full.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Puts a request in the queue. It waits until [`Scheduler::poll`] names its ticket, or it is finished.
    ///
    /// # Errors
    /// See [`FlowError`]; nothing has changed then.
    pub fn request(&mut self, now: u64, lane: &Lane, bytes: u32) -> Result<Ticket, FlowError> {
        self.advance(now);
        if !(1..=REQUEST_BYTES_MAX).contains(&bytes) {
            return Err(FlowError::Bytes(bytes));
        }
        if lane.peer.len() > PEER_BYTES_MAX {
            return Err(FlowError::PeerKey(lane.peer.len()));
        }
        let (known, at_address, of_peer) = self.table.known(lane);
        if self.traffic.waiting >= WAITING_MAX
            || at_address >= WAITING_PER_ADDRESS_MAX
            || of_peer >= WAITING_PER_PEER_MAX
            || !known && self.table.peers() >= PEERS_MAX
        {
            return Err(FlowError::Busy);
        }
        let peer = self.table.peer(lane, &self.limits);
        let class = lane.priority as usize;
        let ticket = Ticket(self.issued);
        self.issued += 1;
        self.tickets.insert(ticket, Entry { peer, class, bytes, stage: Stage::Waiting });
        self.table.push(peer, class, ticket, bytes);
        self.traffic.waiting += 1;
        self.traffic.queued[class] += u64::from(bytes);
        Ok(ticket)
    }

    /// The next request that may go now. Call it until there is none, after every other call and whenever
    /// [`Scheduler::next_wakeup`] says so.
    pub fn poll(&mut self, now: u64) -> Option<Ticket> {
        self.advance(now);
        self.wake = None;
        // Set once the bucket in all is short: only what the limits do not hold for may still go.
        let mut free_only = false;
        while let Some((head, owed)) = self.next(free_only) {
            match self.hindrance(&head, owed) {
                None => {
                    self.grant(&head, free_only);
                    return Some(head.ticket);
                }
                Some(Hindrance::Service) => {
                    let oldest = self.going.first_key_value().map(|(_, &(at, _))| at + STUCK_NS);
                    self.wake = self.wake.into_iter().chain(oldest).min();
                    return None;
                }
                Some(Hindrance::Total(at)) => {
                    self.wake = Some(at);
                    free_only = true;
                }
                Some(Hindrance::Own(member, until)) => self.table.park(member, until),
            }
        }
        None
    }

    /// When [`Scheduler::poll`] may have something to grant without any call before; valid after it has returned
    /// `None`, until the next call.
    pub fn next_wakeup(&self) -> Option<u64> {
        self.wake.into_iter().chain(self.table.timer()).min()
    }

    /// The caller is through with a request: its bytes are out, or it has given up, granted or not. Anything but a
    /// ticket of a request that is not finished is ignored.
    pub fn finish(&mut self, now: u64, ticket: Ticket) {
        self.advance(now);
        let Some(Entry { peer, class, bytes, stage }) = self.tickets.remove(&ticket) else { return };
        match stage {
            Stage::Waiting => {
                self.table.pull(peer, class, ticket);
                self.traffic.waiting -= 1;
                self.traffic.queued[class] -= u64::from(bytes);
            }
            Stage::Going(number) => {
                self.traffic.in_service -= u64::from(bytes);
                if number.is_some_and(|number| self.going.remove(&number).is_some()) {
                    self.service -= u64::from(bytes);
                }
                for member in self.table.both(peer) {
                    self.table.node_mut(member).service -= u64::from(bytes);
                    self.table.relieve(member);
                }
            }
        }
        self.table.rest(peer, self.now);
    }

    /// Puts other limits in force at once. Nobody gains a burst by it.
    pub fn set_limits(&mut self, now: u64, limits: Limits) {
        self.advance(now);
        let before = std::mem::replace(&mut self.limits, limits);
        for bucket in [&mut self.total, &mut self.critical] {
            bucket.change(self.now, before.total, limits.total);
        }
        self.table.change(self.now, &before, &limits);
    }

    /// What goes on.
    pub fn traffic(&mut self, now: u64) -> Traffic {
        self.advance(now);
        Traffic { bytes_per_second: self.recent.bytes(self.now), ..self.traffic }
    }

    /// Whether nothing at all is remembered.
    pub fn is_idle(&self) -> bool {
        self.table.is_empty() && self.tickets.is_empty() && self.going.is_empty()
    }

    /// Lets time pass; time that goes back stands still.
    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.table.ring(self.now);
        while let Some(oldest) = self.going.first_entry()
            && oldest.get().0.saturating_add(STUCK_NS) <= self.now
        {
            let (_, ticket) = oldest.remove();
            let entry = self.tickets.get_mut(&ticket).expect("what is out has an entry");
            entry.stage = Stage::Going(None);
            self.service -= u64::from(entry.bytes);
        }
    }

    /// Who is next by priority, and whether it is owed its turn rather than first.
    fn next(&self, free_only: bool) -> Option<(Head, bool)> {
        let mut heads = (0..CLASSES).filter_map(|class| self.table.head(class, free_only));
        let first = heads.next()?;
        let owed = heads.find(|head| self.owed[head.class] >= FLOOR * u64::from(head.bytes));
        Some((owed.unwrap_or(first), owed.is_some()))
    }

    fn hindrance(&self, head: &Head, owed: bool) -> Option<Hindrance> {
        let Head { peer, address, metered, .. } = *head;
        let bytes = u64::from(head.bytes);
        if self.service + bytes > SERVICE_BYTES {
            return Some(Hindrance::Service);
        }
        let shares =
            [(Member::Peer(peer), PEER_SERVICE_BYTES), (Member::Address(address), ADDRESS_SERVICE_BYTES)];
        for (member, share) in shares {
            if self.table.node(member).service + bytes > share {
                return Some(Hindrance::Own(member, None));
            }
            let Some(rate) = self.table.rate_of(member, &self.limits) else { continue };
            let ready = self.table.node(member).bucket.ready_at(self.now, rate, bytes, 0);
            if ready > self.now {
                return Some(Hindrance::Own(member, Some(ready)));
            }
        }
        let rate = self.limits.total.filter(|_| metered)?;
        let ready = self.total_ready_at(rate, head, owed);
        (ready > self.now).then_some(Hindrance::Total(ready))
    }

    fn total_ready_at(&self, rate: Rate, head: &Head, owed: bool) -> u64 {
        let (bytes, half) = (u64::from(head.bytes), rate.burst() / 2);
        let critical = head.class == Priority::Critical as usize;
        let reserve = if critical || owed { 0 } else { half };
        let ready = self.total.ready_at(self.now, rate, bytes, reserve);
        if critical { ready.max(self.critical.ready_at(self.now, rate, bytes, half)) } else { ready }
    }

    fn grant(&mut self, head: &Head, free_only: bool) {
        let Head { class, peer, ticket, metered, .. } = *head;
        let bytes = u64::from(head.bytes);
        self.table.serve(head);
        self.table.pull(peer, class, ticket);
        for member in self.table.both(peer) {
            let rate = self.table.rate_of(member, &self.limits);
            let node = self.table.node_mut(member);
            node.service += bytes;
            if let Some(rate) = rate {
                node.bucket.take(self.now, rate, bytes);
            }
        }
        if let Some(rate) = self.limits.total.filter(|_| metered) {
            self.total.take(self.now, rate, bytes);
            if class == Priority::Critical as usize {
                self.critical.take(self.now, rate, bytes);
            }
        }
        for other in (0..CLASSES).filter(|&other| other != class && self.table.has(other, free_only)) {
            self.owed[other] = (self.owed[other] + bytes).min(2 * FLOOR * u64::from(REQUEST_BYTES_MAX));
        }
        self.owed[class] = self.owed[class].saturating_sub(FLOOR * bytes);
        self.tickets.insert(
            ticket,
            Entry { peer, class, bytes: head.bytes, stage: Stage::Going(Some(self.granted)) },
        );
        self.going.insert(self.granted, (self.now, ticket));
        self.granted += 1;
        self.service += bytes;
        self.recent.add(self.now, bytes);
        self.traffic.waiting -= 1;
        self.traffic.queued[class] -= bytes;
        self.traffic.in_service += bytes;
    }
}
