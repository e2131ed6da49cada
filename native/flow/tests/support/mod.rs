//! A world of lanes under virtual time.

#![allow(dead_code, reason = "each test file uses its own part")]

use catalog_flow::{Lane, Limits, Priority, Rate, Scheduler, Ticket};
use std::collections::{BTreeSet, HashMap};

pub const SECOND: u64 = 1_000_000_000;
pub const MILLISECOND: u64 = 1_000_000;

/// Bytes a second.
pub fn rate(bytes: u64) -> Option<Rate> {
    Some(Rate::per_second(bytes).expect("a rate"))
}

/// Limits in all and of one peer; 0 for none.
pub fn limits(total: u64, per_peer: u64) -> Limits {
    Limits { total: Rate::per_second(total), per_peer: Rate::per_second(per_peer), limit_local: false }
}

/// A lane of a public address.
pub fn lane(address: u8, peer: u8, priority: Priority) -> Lane {
    Lane::new([192, 0, 2, address].into(), &[peer], priority)
}

/// Somebody who has bytes to move.
#[derive(Clone)]
pub struct Source {
    pub lane: Lane,
    /// Bytes of one request.
    pub piece: u32,
    /// Requests at once.
    pub streams: u32,
    /// Bytes left.
    pub left: u64,
    /// Time from a grant to its end; `None` when it never ends.
    pub service: Option<u64>,
}

impl Source {
    /// Endless, one stream, pieces of 64 KiB that are out at once.
    pub fn of(lane: Lane) -> Self {
        Self { lane, piece: 64 * 1024, streams: 1, left: u64::MAX, service: Some(0) }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Grant {
    pub at: u64,
    pub source: usize,
    pub bytes: u64,
}

pub struct World {
    pub scheduler: Scheduler,
    pub now: u64,
    pub sources: Vec<Source>,
    pub grants: Vec<Grant>,
    waiting: HashMap<Ticket, (usize, u32)>,
    /// What is out: until when, which, whose.
    out: BTreeSet<(u64, Ticket, usize)>,
}

impl World {
    pub fn new(limits: Limits) -> Self {
        let (sources, grants, waiting, out) = Default::default();
        Self { scheduler: Scheduler::new(limits), now: 0, sources, grants, waiting, out }
    }

    /// Lets a source begin.
    pub fn add(&mut self, source: Source) -> usize {
        let (index, streams) = (self.sources.len(), source.streams);
        self.sources.push(source);
        for _ in 0..streams {
            self.ask(index);
        }
        index
    }

    /// Lets so much time pass.
    pub fn run(&mut self, time: u64) {
        let end = self.now + time;
        loop {
            self.hand_out();
            let wake = self.scheduler.next_wakeup();
            let next = wake.into_iter().chain(self.out.first().map(|&(at, ..)| at)).min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            while let Some(&(at, ticket, source)) = self.out.first()
                && at <= self.now
            {
                self.out.pop_first();
                self.scheduler.finish(self.now, ticket);
                self.ask(source);
            }
        }
        self.now = end;
    }

    /// Bytes a source got from a moment on.
    pub fn bytes_of(&self, source: usize, from: u64) -> u64 {
        self.grants
            .iter()
            .filter(|grant| grant.source == source && grant.at >= from)
            .map(|grant| grant.bytes)
            .sum()
    }

    /// When a source got its last bytes.
    pub fn ended(&self, source: usize) -> u64 {
        assert_eq!(self.sources[source].left, 0, "source {source} has not ended");
        self.grants
            .iter()
            .filter(|grant| grant.source == source)
            .map(|grant| grant.at)
            .max()
            .expect("it began")
    }

    fn ask(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let bytes = u64::from(source.piece).min(source.left) as u32;
        if bytes > 0 {
            source.left -= u64::from(bytes);
            let ticket = self.scheduler.request(self.now, &source.lane, bytes).expect("room in the queue");
            self.waiting.insert(ticket, (index, bytes));
        }
    }

    fn hand_out(&mut self) {
        while let Some(ticket) = self.scheduler.poll(self.now) {
            let (source, bytes) = self.waiting.remove(&ticket).expect("a ticket that waits");
            self.grants.push(Grant { at: self.now, source, bytes: bytes.into() });
            if let Some(service) = self.sources[source].service {
                self.out.insert((self.now + service, ticket, source));
            }
        }
    }
}

/// The most bytes that went in any window, less what the rate lets through in it: the burst there was.
pub fn burst(grants: &[Grant], rate: u64) -> u64 {
    // The largest rise of (bytes so far − rate × time), each window beginning just before a grant; in parts of a byte,
    // or each window's two ends would be rounded apart.
    let (mut sum, mut lowest, mut rise) = (0_i128, i128::MAX, 0_i128);
    for grant in grants {
        let allowed = i128::from(rate) * i128::from(grant.at);
        lowest = lowest.min(sum - allowed);
        sum += i128::from(grant.bytes) * i128::from(SECOND);
        rise = rise.max(sum - allowed - lowest);
    }
    (rise / i128::from(SECOND)) as u64
}

/// Jain's index: 1 when all are equal, 1/n when one has everything.
pub fn jain(shares: &[u64]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}
