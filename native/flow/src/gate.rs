//! The gate before the schedulers: whoever moves bytes waits here for its turn.
//!
//! Every change is followed by handing out what may go, on the thread that made it. One task only waits for time.

use crate::lane::Lane;
use crate::limits::{Limits, SECOND_NS};
use crate::scheduler::{FlowError, Scheduler, Ticket, Traffic};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Which way bytes go, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Sending.
    Up,
    /// Receiving.
    Down,
}

/// What goes on at a gate, and under which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Sending.
    pub up: (Limits, Traffic),
    /// Receiving.
    pub down: (Limits, Traffic),
}

/// Cheap to clone; all clones are one gate. Its task ends with the last of them and of the permits.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By direction.
    sides: [Mutex<Side>; 2],
    began: Instant,
    /// Rung when the time to wake up has changed.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Side {
    scheduler: Scheduler,
    turns: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A place in the queue; as a future it becomes the permit. Dropping it gives the place up.
#[derive(Debug)]
pub struct Pending {
    permit: Option<Permit>,
    turn: oneshot::Receiver<()>,
}

/// Bytes in service until it is dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    direction: Direction,
    ticket: Ticket,
}

impl Gate {
    /// A gate with full buckets, whose task runs on `runtime`, which must have timers.
    pub fn new(up: Limits, down: Limits, runtime: &Handle) -> Self {
        let _entered = runtime.enter();
        let side = |limits| Mutex::new(Side { scheduler: Scheduler::new(limits), turns: HashMap::new() });
        let changed = Arc::new(Notify::new());
        let sides = [side(up), side(down)];
        let shared = Arc::new(Shared { sides, began: Instant::now(), changed: changed.clone() });
        runtime.spawn(keep_time(Arc::downgrade(&shared), changed));
        Self(shared)
    }

    /// Waits for its turn to move `bytes`.
    ///
    /// # Errors
    /// See [`FlowError`]; at once, never after waiting.
    pub async fn acquire(&self, direction: Direction, lane: &Lane, bytes: u32) -> Result<Permit, FlowError> {
        Ok(self.request(direction, lane, bytes)?.await)
    }

    /// Takes a place in the queue without waiting.
    ///
    /// # Errors
    /// See [`FlowError`].
    pub fn request(&self, direction: Direction, lane: &Lane, bytes: u32) -> Result<Pending, FlowError> {
        let (sender, turn) = oneshot::channel();
        let ticket = self.0.change(direction, |side, now| {
            let ticket = side.scheduler.request(now, lane, bytes)?;
            side.turns.insert(ticket, sender);
            Ok(ticket)
        })?;
        Ok(Pending { permit: Some(Permit { shared: self.0.clone(), direction, ticket }), turn })
    }

    /// Puts other limits in force at once.
    pub fn set_limits(&self, direction: Direction, limits: Limits) {
        self.0.change(direction, |side, now| side.scheduler.set_limits(now, limits));
    }

    /// A good length for the pieces of a lane, under the limits in force.
    pub fn piece_bytes(&self, direction: Direction, lane: &Lane) -> u32 {
        self.0.side(direction).scheduler.limits().piece_bytes(lane.local)
    }

    /// What goes on.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.0.now();
        let state = |direction| {
            let scheduler = &mut self.0.side(direction).scheduler;
            (scheduler.limits(), scheduler.traffic(now))
        };
        Snapshot { up: state(Direction::Up), down: state(Direction::Down) }
    }
}

impl Pending {
    /// Whether its turn has come; it then is a permit without waiting.
    pub fn is_granted(&self) -> bool {
        !self.turn.is_empty()
    }

    /// The permit, which may be dropped elsewhere before its turn, and what resolves when that comes: to an error
    /// after it has been dropped.
    pub fn split(mut self) -> (Permit, oneshot::Receiver<()>) {
        let (_, never) = oneshot::channel();
        let permit = self.permit.take().expect("a place in the queue has its permit until it has become one");
        (permit, std::mem::replace(&mut self.turn, never))
    }
}

impl Future for Pending {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        // Its sender lives until the ticket is finished, and this holds the permit that finishes it.
        match Pin::new(&mut self.turn).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => Poll::Ready(self.permit.take().expect("a future is not polled after its end")),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.change(self.direction, |side, now| {
            side.turns.remove(&self.ticket);
            side.scheduler.finish(now, self.ticket);
        });
    }
}

impl Shared {
    /// Nanoseconds since the gate was made.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn side(&self, direction: Direction) -> MutexGuard<'_, Side> {
        // Nothing in here panics halfway through a change that others would have to see whole.
        self.sides[direction as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and hands out what may go after it.
    fn change<T>(&self, direction: Direction, work: impl FnOnce(&mut Side, u64) -> T) -> T {
        let now = self.now();
        let mut side = self.side(direction);
        let before = side.scheduler.next_wakeup();
        let result = work(&mut side, now);
        side.hand_out(now);
        let after = side.scheduler.next_wakeup();
        drop(side);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.changed.notify_one();
        }
        result
    }

    /// The first moment at which time alone lets something go.
    fn next_wakeup(&self) -> Option<Instant> {
        let sides = [Direction::Up, Direction::Down];
        let first =
            sides.iter().filter_map(|&direction| self.side(direction).scheduler.next_wakeup()).min()?;
        Some(self.began + Duration::new(first / SECOND_NS, (first % SECOND_NS) as u32))
    }
}

impl Side {
    fn hand_out(&mut self, now: u64) {
        while let Some(ticket) = self.scheduler.poll(now) {
            // Whoever does not wait any more has dropped its permit, or is about to.
            let _ = self.turns.remove(&ticket).map(|turn| turn.send(()));
        }
    }
}

/// Hands out what time alone lets go.
async fn keep_time(shared: Weak<Shared>, changed: Arc<Notify>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        for direction in [Direction::Up, Direction::Down] {
            strong.change(direction, |_, _| ());
        }
        let wakeup = strong.next_wakeup();
        drop(strong);
        match wakeup {
            // Whichever comes first, the round begins anew.
            Some(at) => drop(timeout_at(at, changed.notified()).await),
            None => changed.notified().await,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}
