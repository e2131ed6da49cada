//! The gate under tokio's virtual time.

mod support;

use catalog_flow::{Direction, FlowError, Gate, Lane, Limits, Priority, REQUEST_BYTES_MAX};
use std::future::Future;
use std::time::Duration;
use support::{lane, limits};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, timeout};

const PIECE: u32 = 100_000;
const MB: u64 = 1_000_000;

fn virtually<T>(work: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(work)
}

fn gate(up: Limits) -> Gate {
    Gate::new(up, Limits::default(), &Handle::current())
}

/// Moves so many pieces, and returns how long it took.
async fn go(gate: Gate, direction: Direction, lane: Lane, pieces: u32) -> Duration {
    let began = Instant::now();
    for _ in 0..pieces {
        drop(gate.acquire(direction, &lane, PIECE).await.expect("a place"));
    }
    began.elapsed()
}

fn close(actual: Duration, expected: Duration) -> bool {
    actual >= expected && actual <= expected + Duration::from_millis(20)
}

#[test]
fn waiting_takes_as_long_as_the_rate_says() {
    virtually(async {
        let gate = gate(limits(0, MB));
        let took = go(gate, Direction::Up, lane(1, 1, Priority::Normal), 150).await;
        assert!(close(took, Duration::from_secs(10)), "{took:?}");
    });
}

#[test]
fn directions_do_not_know_each_other() {
    virtually(async {
        let gate = gate(limits(1000, 1000));
        let took = go(gate, Direction::Down, lane(1, 1, Priority::Normal), 1000).await;
        assert_eq!(took, Duration::ZERO);
    });
}

#[test]
fn many_at_once_share() {
    virtually(async {
        let gate = gate(limits(MB, 0));
        // What one takes of the burst, the others get back in shares.
        go(gate.clone(), Direction::Up, lane(5, 5, Priority::Normal), 25).await;
        let one =
            |peer| tokio::spawn(go(gate.clone(), Direction::Up, lane(peer, peer, Priority::Normal), 50));
        let all: Vec<_> = (1..=4).map(one).collect();
        for each in all {
            let took = each.await.expect("it does not panic");
            assert!(took >= Duration::from_millis(19_500) && took <= Duration::from_secs(20), "{took:?}");
        }
    });
}

#[test]
fn a_future_that_is_dropped_gives_its_place_up() {
    virtually(async {
        let gate = gate(limits(0, 1000));
        let lane = lane(1, 1, Priority::Normal);
        let first = gate.acquire(Direction::Up, &lane, PIECE).await.expect("a place");
        let second = timeout(Duration::from_secs(1), gate.acquire(Direction::Up, &lane, PIECE)).await;
        assert!(second.is_err());
        let (_, traffic) = gate.snapshot().up;
        assert_eq!((traffic.waiting, traffic.in_service, traffic.queued), (0, PIECE.into(), [0; 4]));
        drop(first);
        assert_eq!(gate.snapshot().up.1.in_service, 0);
    });
}

#[test]
fn limits_change_for_who_waits_already() {
    virtually(async {
        let gate = gate(limits(0, 10));
        let waits = tokio::spawn(go(gate.clone(), Direction::Up, lane(1, 1, Priority::Normal), 2));
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!waits.is_finished());
        gate.set_limits(Direction::Up, Limits::default());
        let took = waits.await.expect("it does not panic");
        assert!(close(took, Duration::from_secs(5)), "{took:?}");
        assert_eq!(gate.snapshot().up.0, Limits::default());
    });
}

#[test]
fn a_place_is_taken_without_waiting_and_may_be_given_up_elsewhere() {
    virtually(async {
        let gate = gate(limits(0, 1000));
        let lane = lane(1, 1, Priority::High);
        let first = gate.request(Direction::Up, &lane, PIECE).expect("a place");
        assert!(first.is_granted());
        let second = gate.request(Direction::Up, &lane, PIECE).expect("a place");
        assert!(!second.is_granted());
        let (permit, turn) = second.split();
        let waits = tokio::spawn(turn);
        drop(permit);
        assert!(waits.await.expect("it does not panic").is_err());
        drop(first.await);
        let too_much = gate.request(Direction::Up, &lane, REQUEST_BYTES_MAX + 1);
        assert_eq!(too_much.err(), Some(FlowError::Bytes(REQUEST_BYTES_MAX + 1)));
    });
}

#[test]
fn its_task_ends_with_the_gate() {
    virtually(async {
        let gate = gate(limits(0, 1000));
        let permit = gate.acquire(Direction::Up, &lane(1, 1, Priority::Low), 1).await.expect("a place");
        let metrics = Handle::current().metrics();
        drop(gate);
        tokio::task::yield_now().await;
        assert_eq!(metrics.num_alive_tasks(), 1);
        drop(permit);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(metrics.num_alive_tasks(), 0);
    });
}
