//! No rate is ever exceeded, none is left unused, and no change lets a burst through.

mod support;

use catalog_flow::{BURST_BYTES, Lane, Limits, Priority, REQUEST_BYTES_MAX, Rate};
use proptest::prelude::*;
use support::{Grant, SECOND, Source, World, burst, lane, limits, rate};

const MB: u64 = 1_000_000;

/// What may go at once under a rate, if the pieces are no larger.
fn burst_of(rate: u64) -> u64 {
    (5 * rate).min(BURST_BYTES).max(rate / 100)
}

fn of(grants: &[Grant], wanted: impl Fn(usize) -> bool) -> Vec<Grant> {
    grants.iter().copied().filter(|grant| wanted(grant.source)).collect()
}

#[test]
fn a_peer_gets_its_burst_and_then_its_rate() {
    let mut world = World::new(limits(0, MB));
    world.add(Source { piece: 10_000, ..Source::of(lane(1, 1, Priority::Normal)) });
    world.run(0);
    assert_eq!(world.bytes_of(0, 0), 5 * MB);
    world.run(10 * SECOND);
    assert_eq!(world.bytes_of(0, 0), 15 * MB);
}

#[test]
fn half_of_the_burst_in_all_is_kept_for_what_is_critical() {
    let mut world = World::new(limits(10 * MB, 0));
    let normal =
        world.add(Source { piece: 10_000, left: 5 * MB / 2, ..Source::of(lane(1, 1, Priority::Normal)) });
    world.run(0);
    assert_eq!(world.bytes_of(normal, 0), 5 * MB / 2);
    let critical = world.add(Source { piece: 10_000, ..Source::of(lane(2, 2, Priority::Critical)) });
    world.run(0);
    assert_eq!(world.bytes_of(critical, 0), 5 * MB / 2);
}

#[test]
fn a_piece_larger_than_the_burst_goes_and_is_paid_for_after() {
    let mut world = World::new(limits(0, 10_000));
    world.add(Source { piece: REQUEST_BYTES_MAX, ..Source::of(lane(1, 1, Priority::Normal)) });
    world.run(10_000 * SECOND);
    let sum = world.bytes_of(0, 0);
    assert!((100_000_000 - 262_144..=100_000_000 + 262_144).contains(&sum), "{sum}");
}

#[test]
fn one_bucket_does_not_wait_for_another() {
    // Eight capped at 1 MB/s would leave a ninth of the rate unused if they stood before the others.
    let mut world = World::new(limits(10 * MB, MB));
    for peer in 1..=12 {
        world.add(Source::of(lane(peer, peer, Priority::Normal)));
    }
    world.run(60 * SECOND);
    let sum: u64 = (0..12).map(|source| world.bytes_of(source, 0)).sum();
    assert!(sum >= 600 * MB, "{sum}");
}

#[test]
fn time_that_goes_back_stands_still() {
    let mut world = World::new(limits(0, MB));
    world.add(Source { piece: 10_000, ..Source::of(lane(1, 1, Priority::Normal)) });
    world.now = 100 * SECOND;
    world.run(0);
    assert_eq!(world.bytes_of(0, 0), 5 * MB);
    assert_eq!(world.scheduler.poll(0), None);
    assert_eq!(world.scheduler.poll(99 * SECOND), None);
    assert!(world.scheduler.next_wakeup().expect("it waits for its rate") > 100 * SECOND);
    assert_eq!(world.scheduler.traffic(0).bytes_per_second, 5 * MB);
}

#[test]
fn a_higher_limit_counts_at_once_and_a_lower_one_too() {
    let mut world = World::new(limits(0, 10_000));
    world.add(Source { piece: REQUEST_BYTES_MAX, streams: 2, ..Source::of(lane(1, 1, Priority::Normal)) });
    world.run(SECOND);
    world.scheduler.set_limits(world.now, limits(0, 10 * MB));
    let (from, before) = (world.now, world.bytes_of(0, 0));
    world.run(10 * SECOND);
    let fast = world.bytes_of(0, 0) - before;
    assert!((99 * MB..=101 * MB).contains(&fast), "{fast}");
    assert!(
        burst(&of(&world.grants, |_| true), 10 * MB) <= u64::from(REQUEST_BYTES_MAX) + 100_000,
        "from {from}"
    );
    world.scheduler.set_limits(world.now, limits(0, MB));
    let before = world.bytes_of(0, 0);
    world.run(10 * SECOND);
    let slow = world.bytes_of(0, 0) - before;
    assert!((9 * MB..=10 * MB + 262_144).contains(&slow), "{slow}");
}

#[test]
fn the_first_limit_begins_with_nothing_saved_up() {
    let mut world = World::new(Limits::default());
    for peer in 1..=4 {
        world.add(Source { service: Some(SECOND / 1000), ..Source::of(lane(peer, peer, Priority::Normal)) });
    }
    world.run(SECOND);
    world.scheduler.set_limits(world.now, limits(2 * MB, MB));
    let from = world.now;
    world.run(10 * SECOND);
    let sum: u64 = (0..4).map(|source| world.bytes_of(source, from)).sum();
    assert!(sum <= 20 * MB, "{sum}");
    assert!(sum >= 14 * MB, "{sum}");
}

#[test]
fn pieces_suit_the_limits() {
    assert_eq!(Limits::default().piece_bytes(false), REQUEST_BYTES_MAX);
    assert_eq!(limits(10 * MB, MB).piece_bytes(false), 245_760);
    assert_eq!(limits(10 * MB, MB).piece_bytes(true), REQUEST_BYTES_MAX);
    assert_eq!(limits(100_000, MB).piece_bytes(false), 16_384);
    assert_eq!(Limits { limit_local: true, ..limits(300_000, 0) }.piece_bytes(true), 65_536);
}

#[test]
fn a_rate_is_at_least_a_byte_and_at_most_a_terabyte_a_second() {
    assert_eq!(Rate::per_second(0), None);
    assert_eq!(Rate::per_second(u64::MAX), None);
    assert_eq!(Rate::per_second(1_000_000_000_000).map(Rate::bytes), Some(1_000_000_000_000));
    for extreme in [1, 1_000_000_000_000] {
        let mut world =
            World::new(Limits { total: rate(extreme), per_peer: rate(extreme), limit_local: true });
        world.now = u64::MAX / 2;
        world.add(Source { piece: REQUEST_BYTES_MAX, ..Source::of(lane(1, 1, Priority::Low)) });
        world.run(SECOND / 1000);
        assert!(!world.grants.is_empty());
    }
}

#[derive(Clone, Debug)]
struct Asker {
    address: u8,
    peer: u8,
    local: bool,
    priority: Priority,
    piece: u32,
    streams: u32,
    service: u64,
}

fn askers() -> impl Strategy<Value = Vec<Asker>> {
    let one = (0_u8..6, 0_u8..4, any::<bool>(), 0_usize..4, 1_u32..=REQUEST_BYTES_MAX, 1_u32..6, 1_u64..300)
        .prop_map(|(address, peer, local, class, piece, streams, service)| {
            let priority = Priority::ALL[class];
            Asker {
                address,
                peer,
                local,
                priority,
                piece: piece.max(2048),
                streams,
                service: service * SECOND / 1000,
            }
        });
    prop::collection::vec(one, 1..12)
}

impl Asker {
    fn source(&self) -> Source {
        let Asker { address, peer, local, priority, piece, streams, service } = *self;
        let place = if local { [10, 0, 0, address] } else { [192, 0, 2, address] };
        let lane = Lane::new(place.into(), &[peer], priority);
        Source { lane, piece, streams, left: u64::MAX, service: Some(service) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// In every window: burst + rate × time in all, for each public address, and for each peer.
    #[test]
    fn no_rate_is_exceeded(
        askers in askers(),
        total in 50_000_u64..50_000_000,
        per_peer in 20_000_u64..20_000_000,
        limit_local in any::<bool>(),
    ) {
        let mut world = World::new(Limits { limit_local, ..limits(total, per_peer) });
        askers.iter().for_each(|asker| { world.add(asker.source()); });
        world.run(20 * SECOND);
        let held = |source: usize| limit_local || !askers[source].local;
        // A large piece may leave a debt: in all, one of each of what goes by another rule.
        let piece = u64::from(REQUEST_BYTES_MAX);
        let in_all = burst(&of(&world.grants, held), total);
        prop_assert!(in_all <= burst_of(total) + 3 * piece, "{in_all} in all");
        for asker in askers.iter().filter(|asker| limit_local || !asker.local) {
            let same = |source: usize| {
                let other = &askers[source];
                let address = (other.address, other.local) == (asker.address, asker.local);
                address && (!asker.local || other.peer == asker.peer)
            };
            let own = burst(&of(&world.grants, same), per_peer);
            prop_assert!(own <= burst_of(per_peer).max(piece), "{own} of {asker:?}");
        }
    }

    /// As much goes as the limits let through, whenever somebody has something to send all the time.
    #[test]
    fn no_rate_is_left_unused(addresses in 1_u8..20, total in MB..20 * MB, streams in 1_u32..4) {
        let mut world = World::new(limits(total, MB));
        for address in 1..=addresses {
            world.add(Source { streams, ..Source::of(lane(address, address, Priority::Normal)) });
        }
        world.run(30 * SECOND);
        let sum: u64 = (0..usize::from(addresses)).map(|source| world.bytes_of(source, 0)).sum();
        let rate = total.min(u64::from(addresses) * MB);
        prop_assert!(sum + 262_144 >= 30 * rate, "{sum} of {}", 30 * rate);
    }

    /// However limits change, what goes afterwards stays within what was saved up before and the new rate.
    #[test]
    fn changes_let_no_burst_through(
        askers in askers(),
        rates in prop::collection::vec((0_u64..5_000_000, 0_u64..2_000_000), 1..12),
    ) {
        let mut world = World::new(limits(MB, MB));
        askers.iter().for_each(|asker| { world.add(Source { lane: asker.source().lane, ..asker.source() }); });
        world.run(5 * SECOND);
        for (total, per_peer) in rates {
            let before = world.grants.len();
            world.scheduler.set_limits(world.now, limits(total, per_peer));
            world.run(SECOND / 10);
            let held = of(&world.grants[before..], |source| !askers[source].local);
            let sum: u64 = held.iter().map(|grant| grant.bytes).sum();
            if total > 0 {
                prop_assert!(sum <= burst_of(total) + total / 10 + 3 * u64::from(REQUEST_BYTES_MAX), "{sum} of {total}");
            }
        }
    }
}
