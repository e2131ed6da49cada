//! Who has something waiting: addresses, the peers at each, and what each asked for.
//!
//! An address or a peer is there while it waits, is served, has taken from its bucket what has not come back yet, or
//! may ask again: a stream does so at once, and goes on where its peer's turn has ended.

use crate::bucket::Bucket;
use crate::lane::{Lane, Place};
use crate::limits::{Limits, Rate, SECOND_NS};
use crate::scheduler::Ticket;
use crate::turns::{Turn, Turns};
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub const CLASSES: usize = 4;
/// How long a peer is remembered after its last bytes, for its turn.
const LINGER_NS: u64 = SECOND_NS;

/// What addresses and peers have alike.
#[derive(Debug, Default)]
pub struct Node {
    pub bucket: Bucket,
    /// Bytes granted and not yet reported done.
    pub service: u64,
    /// Requests that wait.
    pub waiting: usize,
    /// Out of all turns until its timer is due or, without one, until something of it is done.
    parked: bool,
    timer: Option<u64>,
    turns: [Turn; CLASSES],
}

#[derive(Debug)]
struct Address {
    node: Node,
    place: Place,
    /// Whether the limits hold for it.
    metered: bool,
    peers: HashMap<Arc<[u8]>, usize>,
    turns: [Turns; CLASSES],
}

#[derive(Debug)]
struct Peer {
    node: Node,
    key: Arc<[u8]>,
    address: usize,
    queues: [BTreeMap<Ticket, u32>; CLASSES],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    Address(usize),
    Peer(usize),
}

/// The request that is next in its class.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub class: usize,
    pub address: usize,
    pub peer: usize,
    pub ticket: Ticket,
    pub bytes: u32,
    pub metered: bool,
}

#[derive(Debug, Default)]
pub struct Table {
    addresses: Slab<Address>,
    peers: Slab<Peer>,
    places: HashMap<Place, usize>,
    /// By class, addresses the limits do not hold for, and those they do hold for.
    classes: [[Turns; 2]; CLASSES],
    timers: BTreeSet<(u64, Member)>,
}

impl Table {
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// How many peers are known.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// The peer of a lane, which is known from now on.
    pub fn peer(&mut self, lane: &Lane, limits: &Limits) -> usize {
        let place = Place::of(lane);
        let address = *self.places.entry(place).or_insert_with(|| {
            let metered = is_metered(place, limits);
            let (peers, turns, node) = Default::default();
            self.addresses.insert(Address { node, place, metered, peers, turns })
        });
        *self.addresses[address].peers.entry(lane.peer.clone()).or_insert_with(|| {
            let (node, queues) = Default::default();
            self.peers.insert(Peer { node, key: lane.peer.clone(), address, queues })
        })
    }

    /// Whether a lane would be known without making room for it, and how many requests wait at its address and of
    /// its peer.
    pub fn known(&self, lane: &Lane) -> (bool, usize, usize) {
        let Some(&address) = self.places.get(&Place::of(lane)) else { return (false, 0, 0) };
        let Address { node, peers, .. } = &self.addresses[address];
        let peer = peers.get(&lane.peer).map(|&peer| self.peers[peer].node.waiting);
        (peer.is_some(), node.waiting, peer.unwrap_or(0))
    }

    pub fn node(&self, member: Member) -> &Node {
        match member {
            Member::Address(address) => &self.addresses[address].node,
            Member::Peer(peer) => &self.peers[peer].node,
        }
    }

    pub fn node_mut(&mut self, member: Member) -> &mut Node {
        match member {
            Member::Address(address) => &mut self.addresses[address].node,
            Member::Peer(peer) => &mut self.peers[peer].node,
        }
    }

    /// A peer and its address.
    pub fn both(&self, peer: usize) -> [Member; 2] {
        [Member::Peer(peer), Member::Address(self.peers[peer].address)]
    }

    /// The rate a member is held to by its own bucket.
    pub fn rate_of(&self, member: Member, limits: &Limits) -> Option<Rate> {
        let (address, holds) = match member {
            Member::Address(address) => (address, false),
            Member::Peer(peer) => (self.peers[peer].address, true),
        };
        let Address { metered, place, .. } = self.addresses[address];
        limits.per_peer.filter(|_| metered && place.is_local() == holds)
    }

    pub fn push(&mut self, peer: usize, class: usize, ticket: Ticket, bytes: u32) {
        self.peers[peer].queues[class].insert(ticket, bytes);
        for member in self.both(peer) {
            self.node_mut(member).waiting += 1;
        }
        self.enter(peer, class);
    }

    /// Takes a request out, whether it goes or is given up.
    pub fn pull(&mut self, peer: usize, class: usize, ticket: Ticket) {
        self.peers[peer].queues[class].remove(&ticket);
        for member in self.both(peer) {
            self.node_mut(member).waiting -= 1;
        }
        if self.peers[peer].queues[class].is_empty() {
            self.exit(peer, class);
        }
    }

    /// What is next in a class, first among those the limits hold for.
    pub fn head(&self, class: usize, free_only: bool) -> Option<Head> {
        let [free, held] = &self.classes[class];
        let address = if free_only { None } else { held.first() }.or_else(|| free.first())?;
        let Address { turns, metered, .. } = &self.addresses[address];
        let peer = turns[class].first()?;
        let (&ticket, &bytes) = self.peers[peer].queues[class].first_key_value()?;
        Some(Head { class, address, peer, ticket, bytes, metered: *metered })
    }

    /// Whether a class has something that could go.
    pub fn has(&self, class: usize, free_only: bool) -> bool {
        let [free, held] = &self.classes[class];
        !free.is_empty() || !(free_only || held.is_empty())
    }

    /// Counts the turn of what is next.
    pub fn serve(&mut self, head: &Head) {
        let Head { class, address, peer, bytes, metered, .. } = *head;
        let (lane, place) = (&mut self.peers[peer].node, &mut self.addresses[address]);
        place.turns[class].serve(&mut lane.turns[class], peer, bytes.into());
        let class_turns = &mut self.classes[class][usize::from(metered)];
        class_turns.serve(&mut place.node.turns[class], address, bytes.into());
    }

    /// Takes a member out of all turns; with a time, only until then.
    pub fn park(&mut self, member: Member, until: Option<u64>) {
        self.node_mut(member).parked = true;
        self.set_timer(member, until);
        for class in 0..CLASSES {
            match member {
                Member::Address(address) => self.leave(address, class),
                Member::Peer(peer) => self.exit(peer, class),
            }
        }
    }

    /// Puts a member that waits for nothing but its own bytes back into its turns.
    pub fn relieve(&mut self, member: Member) {
        let node = self.node(member);
        if node.parked && node.timer.is_none() {
            self.unpark(member);
        }
    }

    /// The time of the first timer.
    pub fn timer(&self) -> Option<u64> {
        self.timers.first().map(|&(at, _)| at)
    }

    /// Members whose time has come.
    pub fn ring(&mut self, now: u64) {
        while let Some(&(at, member)) = self.timers.first()
            && at <= now
        {
            self.set_timer(member, None);
            self.unpark(member);
            let Node { bucket, service, waiting, .. } = self.node(member);
            if *service == 0 && *waiting == 0 {
                match bucket.full_at() {
                    full_at if full_at > now => self.set_timer(member, Some(full_at)),
                    _ => self.forget(member),
                }
            }
        }
    }

    /// Lets a peer that has nothing waiting and nothing in service be forgotten in time.
    pub fn rest(&mut self, peer: usize, now: u64) {
        let Node { service, waiting, parked, .. } = &mut self.peers[peer].node;
        if *service == 0 && *waiting == 0 {
            *parked = false;
            self.set_timer(Member::Peer(peer), Some(now.saturating_add(LINGER_NS)));
        }
    }

    fn forget(&mut self, member: Member) {
        match member {
            Member::Peer(peer) => {
                let Peer { address, key, .. } = self.peers.remove(peer);
                let Address { node, peers, .. } = &mut self.addresses[address];
                peers.remove(&key);
                if peers.is_empty() {
                    let full_at = node.bucket.full_at();
                    self.set_timer(Member::Address(address), Some(full_at));
                }
            }
            Member::Address(address) if self.addresses[address].peers.is_empty() => {
                let place = self.addresses.remove(address).place;
                self.places.remove(&place);
            }
            Member::Address(_) => {}
        }
    }

    /// Goes over to other limits: everybody queues anew, with what is left in the buckets.
    pub fn change(&mut self, now: u64, from: &Limits, to: &Limits) {
        let addresses: Vec<_> = self.addresses.iter().map(|(key, _)| Member::Address(key)).collect();
        let peers: Vec<_> = self.peers.iter().map(|(key, _)| Member::Peer(key)).collect();
        let members: Vec<_> = peers.into_iter().chain(addresses).collect();
        let before: Vec<_> = members.iter().map(|&member| self.rate_of(member, from)).collect();
        for &member in &members {
            self.park(member, None);
            self.node_mut(member).turns = Default::default();
        }
        self.classes = Default::default();
        for (_, address) in &mut self.addresses {
            address.metered = is_metered(address.place, to);
            address.turns = Default::default();
        }
        for (&member, before) in members.iter().zip(before) {
            let after = self.rate_of(member, to);
            self.node_mut(member).bucket.change(now, before, after);
            self.unpark(member);
            // Who rests is looked at anew; for everybody else that changes nothing.
            self.set_timer(member, Some(now.saturating_add(LINGER_NS)));
        }
    }

    fn unpark(&mut self, member: Member) {
        self.node_mut(member).parked = false;
        for class in 0..CLASSES {
            match member {
                Member::Address(address) => self.join(address, class),
                Member::Peer(peer) => self.enter(peer, class),
            }
        }
    }

    fn set_timer(&mut self, member: Member, at: Option<u64>) {
        if let Some(old) = self.node_mut(member).timer.take() {
            self.timers.remove(&(old, member));
        }
        self.node_mut(member).timer = at;
        self.timers.extend(at.map(|at| (at, member)));
    }

    /// Lets a peer take its turn, if it has something that may.
    fn enter(&mut self, peer: usize, class: usize) {
        let Peer { node, address, queues, .. } = &mut self.peers[peer];
        if node.parked || queues[class].is_empty() {
            return;
        }
        let address = *address;
        self.addresses[address].turns[class].join(&mut node.turns[class], peer);
        self.join(address, class);
    }

    fn exit(&mut self, peer: usize, class: usize) {
        let Peer { node, address, .. } = &mut self.peers[peer];
        let address = *address;
        let turns = &mut self.addresses[address].turns[class];
        turns.leave(&mut node.turns[class], peer);
        if turns.is_empty() {
            self.leave(address, class);
        }
    }

    fn join(&mut self, address: usize, class: usize) {
        let Address { node, metered, turns, .. } = &mut self.addresses[address];
        if !node.parked && !turns[class].is_empty() {
            self.classes[class][usize::from(*metered)].join(&mut node.turns[class], address);
        }
    }

    fn leave(&mut self, address: usize, class: usize) {
        let Address { node, metered, .. } = &mut self.addresses[address];
        self.classes[class][usize::from(*metered)].leave(&mut node.turns[class], address);
    }
}

fn is_metered(place: Place, limits: &Limits) -> bool {
    (limits.total.is_some() || limits.per_peer.is_some()) && (limits.limit_local || !place.is_local())
}
