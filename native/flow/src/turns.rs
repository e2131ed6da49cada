//! Fair turns among any number of members: start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996).
//!
//! Deficit round robin gives the same shares to members that always have something waiting. But a stream asks for its
//! next piece when the last one is out, so its member is empty in between, and would forfeit the rest of its quantum
//! each time: who opens many streams would get many times more. Here a member that asks again in time goes on where it
//! stopped.

use std::collections::BTreeSet;

/// Where one member stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Bytes of service at which its next one begins.
    start: u64,
    /// Whether it waits for one.
    waits: bool,
}

/// Members in the order in which they are served. 2⁶⁴ bytes never go through one of these, so nothing wraps.
#[derive(Debug, Default)]
pub struct Turns {
    waiting: BTreeSet<(u64, usize)>,
    /// The start of the service under way.
    now: u64,
    /// The latest end of any service.
    latest: u64,
}

impl Turns {
    /// Who is next.
    pub fn first(&self) -> Option<usize> {
        self.waiting.first().map(|&(_, member)| member)
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A member has something waiting. Time that it had nothing counts for nothing.
    pub fn join(&mut self, turn: &mut Turn, member: usize) {
        if turn.waits {
            return;
        }
        turn.start = turn.start.max(self.now);
        turn.waits = true;
        self.waiting.insert((turn.start, member));
    }

    /// A member has nothing waiting that could go.
    pub fn leave(&mut self, turn: &mut Turn, member: usize) {
        if !turn.waits {
            return;
        }
        turn.waits = false;
        self.waiting.remove(&(turn.start, member));
        if self.waiting.is_empty() {
            self.now = self.latest;
        }
    }

    /// A member that waits is served so many bytes, and goes on waiting.
    pub fn serve(&mut self, turn: &mut Turn, member: usize, bytes: u64) {
        self.waiting.remove(&(turn.start, member));
        self.now = turn.start;
        turn.start += bytes;
        self.latest = self.latest.max(turn.start);
        self.waiting.insert((turn.start, member));
    }
}
