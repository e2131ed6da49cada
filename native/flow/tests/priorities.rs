//! What is urgent goes first, and what is not goes all the same.

mod support;

use catalog_flow::{Limits, Priority};
use support::{MILLISECOND, SECOND, Source, World, lane, limits};

const MB: u64 = 1_000_000;

/// Saturates every priority but the critical one with four peers each.
fn saturate(world: &mut World) {
    for (class, priority) in [Priority::High, Priority::Normal, Priority::Low].into_iter().enumerate() {
        for peer in 0..4 {
            world.add(Source { streams: 4, ..Source::of(lane(10 * class as u8 + peer, peer, priority)) });
        }
    }
}

#[test]
fn a_critical_transfer_hardly_notices_the_others() {
    for total in [MB, 10 * MB, 100 * MB] {
        for size in [100_000, MB, 5 * MB, 20 * MB, 100 * MB] {
            let critical =
                Source { left: size, streams: 4, ..Source::of(lane(200, 200, Priority::Critical)) };
            let mut idle = World::new(limits(total, 0));
            idle.add(critical.clone());
            idle.run(200 * SECOND);
            let mut loaded = World::new(limits(total, 0));
            saturate(&mut loaded);
            loaded.run(20 * SECOND);
            let from = loaded.now;
            let source = loaded.add(critical);
            loaded.run(200 * SECOND);
            let (alone, among) = (idle.ended(0), loaded.ended(source) - from);
            // A piece that has gone cannot be called back.
            let piece = 256 * 1024 * SECOND / total;
            assert!(
                among <= alone + alone / 5 + piece,
                "{size} at {total}: {alone} ns alone, {among} ns among others"
            );
        }
    }
}

#[test]
fn a_critical_transfer_of_one_stream_hardly_notices_the_others() {
    let critical = Source { left: 50 * MB, ..Source::of(lane(200, 200, Priority::Critical)) };
    let mut idle = World::new(limits(10 * MB, 0));
    idle.add(critical.clone());
    idle.run(20 * SECOND);
    let mut loaded = World::new(limits(10 * MB, 0));
    saturate(&mut loaded);
    loaded.run(20 * SECOND);
    let from = loaded.now;
    let source = loaded.add(critical);
    loaded.run(20 * SECOND);
    assert!((loaded.ended(source) - from) as f64 <= 1.2 * idle.ended(0) as f64);
}

#[test]
fn every_priority_keeps_two_per_cent() {
    for total in [MB, 10 * MB, 0] {
        let mut world = World::new(limits(total, 0));
        let mut sources = Vec::new();
        for (address, priority) in (1..).zip(Priority::ALL) {
            // Without a limit the machine is the bottleneck: what is out takes its time.
            let service = if total == 0 { 400 * MILLISECOND / 10 } else { 0 };
            for peer in 0..8 {
                let lane = lane(10 * address + peer, peer, priority);
                let source =
                    Source { streams: 8, piece: 256 * 1024, service: Some(service), ..Source::of(lane) };
                sources.push((priority, world.add(source)));
            }
        }
        world.run(10 * SECOND);
        let from = world.now;
        world.run(200 * SECOND);
        let of = |wanted| -> u64 {
            let of_it = sources.iter().filter(|(priority, _)| *priority == wanted);
            of_it.map(|&(_, source)| world.bytes_of(source, from)).sum()
        };
        let shares = Priority::ALL.map(of);
        let sum: u64 = shares.iter().sum();
        for share in shares {
            assert!(share * 50 >= sum, "{shares:?} of {total}");
        }
        assert!(shares[0] * 100 >= sum * 92, "{shares:?} of {total}");
    }
}

#[test]
fn what_is_lower_gets_everything_when_nothing_is_higher() {
    let mut world = World::new(limits(10 * MB, 0));
    let low = world.add(Source::of(lane(1, 1, Priority::Low)));
    world.run(10 * SECOND);
    assert!(world.bytes_of(low, 0) >= 99 * MB, "{}", world.bytes_of(low, 0));
}

#[test]
fn one_peers_own_limit_keeps_the_order_too() {
    let mut world = World::new(limits(0, MB));
    let critical = world.add(Source { streams: 2, ..Source::of(lane(1, 1, Priority::Critical)) });
    let low = world.add(Source { streams: 2, ..Source::of(lane(1, 1, Priority::Low)) });
    world.run(100 * SECOND);
    let (critical, low) = (world.bytes_of(critical, 0), world.bytes_of(low, 0));
    assert!(low * 50 >= critical + low && critical > 20 * low, "{critical} {low}");
}

#[test]
fn a_local_flood_of_high_priority_does_not_turn_the_order_of_others_around() {
    let mut world = World::new(limits(MB, 0));
    let local = catalog_flow::Lane::new([10, 0, 0, 1].into(), &[9], Priority::High);
    world.add(Source { service: Some(10 * MILLISECOND), streams: 4, ..Source::of(local) });
    let high = world.add(Source { streams: 2, ..Source::of(lane(1, 1, Priority::High)) });
    let low = world.add(Source { streams: 2, ..Source::of(lane(2, 2, Priority::Low)) });
    world.run(20 * SECOND);
    let from = world.now;
    world.run(60 * SECOND);
    let (high, low) = (world.bytes_of(high, from), world.bytes_of(low, from));
    assert!(high > 10 * low && low * 50 >= high + low, "{high} {low}");
}

#[test]
fn no_limits_at_all_still_let_the_urgent_first() {
    let mut world = World::new(Limits::default());
    for peer in 1..=16 {
        let lane = lane(peer, peer, Priority::Low);
        world.add(Source {
            streams: 8,
            piece: 256 * 1024,
            service: Some(20 * MILLISECOND),
            ..Source::of(lane)
        });
    }
    world.run(SECOND);
    let from = world.now;
    let urgent = Source {
        left: 10 * MB,
        piece: 256 * 1024,
        service: Some(0),
        ..Source::of(lane(50, 50, Priority::Critical))
    };
    let urgent = world.add(urgent);
    world.run(10 * SECOND);
    // Each piece waits for a place in service at most, of which one comes free every 0.6 ms.
    assert!(world.ended(urgent) - from < SECOND, "{}", world.ended(urgent) - from);
}
