//! Who gets how much when there is not enough.

mod support;

use catalog_flow::{Lane, Limits, Priority};
use proptest::prelude::*;
use support::{MILLISECOND, SECOND, Source, World, jain, lane, limits};

const NORMAL: Priority = Priority::Normal;

/// Shares of all sources after they have been at it for a while.
fn shares(world: &mut World) -> Vec<u64> {
    world.run(2 * SECOND);
    let from = world.now;
    world.run(20 * SECOND);
    (0..world.sources.len()).map(|source| world.bytes_of(source, from)).collect()
}

/// Pieces take a time that adds up to a machine which moves 100 MB a second.
fn busy(source: Source) -> Source {
    Source { service: Some(80 * MILLISECOND), streams: 4, piece: 256 * 1024, ..source }
}

#[test]
fn eight_equal_peers_get_equal_shares() {
    for limits in [limits(10_000_000, 0), limits(4_000_000, 1_000_000)] {
        let mut world = World::new(limits);
        for peer in 1..=8 {
            world.add(Source::of(lane(peer, peer, NORMAL)));
        }
        let shares = shares(&mut world);
        assert!(jain(&shares) >= 0.999, "{shares:?}");
    }
}

#[test]
fn eight_equal_peers_get_equal_shares_without_limits() {
    let mut world = World::new(Limits::default());
    for peer in 1..=12 {
        world.add(busy(Source::of(lane(peer, peer, NORMAL))));
    }
    let shares = shares(&mut world);
    assert!(jain(&shares) >= 0.99, "{shares:?}");
}

#[test]
fn sixty_four_streams_of_one_peer_are_one_share() {
    let mut world = World::new(limits(10_000_000, 0));
    world.add(Source { streams: 64, ..Source::of(lane(1, 1, NORMAL)) });
    for peer in 2..=4 {
        world.add(Source::of(lane(peer, peer, NORMAL)));
    }
    let shares = shares(&mut world);
    assert!(jain(&shares) >= 0.999, "{shares:?}");
}

#[test]
fn sixty_four_peers_at_one_address_are_one_share() {
    let mut world = World::new(limits(10_000_000, 0));
    for peer in 1..=64 {
        world.add(Source::of(lane(1, peer, NORMAL)));
    }
    for peer in 2..=4 {
        world.add(Source::of(lane(peer, peer, NORMAL)));
    }
    let shares = shares(&mut world);
    let (crowd, honest) = shares.split_at(64);
    let by_address = [&[crowd.iter().sum()], honest].concat();
    assert!(jain(&by_address) >= 0.999, "{by_address:?}");
    assert!(jain(crowd) >= 0.99, "{crowd:?}");
}

#[test]
fn one_ipv6_network_is_one_share() {
    let mut world = World::new(limits(10_000_000, 0));
    let at =
        |address: &str, peer| Source::of(Lane::new(address.parse().expect("an address"), &[peer], NORMAL));
    for peer in 1..=64 {
        world.add(at(&format!("2001:db8::{peer:x}"), peer));
    }
    world.add(at("2001:db8:0:1::1", 65));
    world.add(at("192.0.2.1", 66));
    world.add(at("::ffff:192.0.2.1", 67));
    let shares = shares(&mut world);
    let by_address = [shares[..64].iter().sum(), shares[64], shares[65] + shares[66]];
    assert!(jain(&by_address) >= 0.999, "{by_address:?}");
}

#[test]
fn large_pieces_get_no_more_than_small_ones() {
    let mut world = World::new(limits(10_000_000, 0));
    for (peer, piece) in [(1, 256 * 1024), (2, 16 * 1024), (3, 1000)] {
        world.add(Source { piece, ..Source::of(lane(peer, peer, NORMAL)) });
    }
    let shares = shares(&mut world);
    assert!(jain(&shares) >= 0.999, "{shares:?}");
}

#[test]
fn the_local_network_is_not_limited_but_takes_turns() {
    let local = |host, peer| Source::of(Lane::new([192, 168, 1, host].into(), &[peer], NORMAL));
    let mut world = World::new(limits(1_000_000, 500_000));
    world.add(Source::of(lane(1, 1, NORMAL)));
    world.add(busy(local(1, 2)));
    world.add(busy(local(2, 3)));
    let shares = shares(&mut world);
    assert!((9_000_000..11_000_000).contains(&shares[0]), "{shares:?}");
    assert!(shares[1] > 200_000_000 && jain(&shares[1..]) >= 0.999, "{shares:?}");
}

#[test]
fn the_local_network_is_limited_on_demand_each_peer_for_itself() {
    let mut world = World::new(Limits { limit_local: true, ..limits(10_000_000, 1_000_000) });
    for peer in 1..=4 {
        world.add(Source::of(Lane::new([127, 0, 0, 1].into(), &[peer], NORMAL)));
    }
    for share in shares(&mut world) {
        assert!((19_000_000..=26_000_000).contains(&share), "{share}");
    }
}

#[test]
fn peers_at_one_public_address_share_the_limit_of_one_peer() {
    let mut world = World::new(limits(10_000_000, 1_000_000));
    for peer in 1..=64 {
        world.add(Source::of(lane(1, peer, NORMAL)));
    }
    let sum: u64 = shares(&mut world).iter().sum();
    assert!((19_000_000..=20_000_000 + 5_000_000).contains(&sum), "{sum}");
}

#[test]
fn peers_that_take_no_bytes_hold_up_nobody() {
    let mut world = World::new(Limits::default());
    for peer in 1..=64 {
        let stuck =
            Source { service: None, streams: 64, piece: 256 * 1024, ..Source::of(lane(peer, peer, NORMAL)) };
        world.add(stuck);
    }
    let honest = world.add(Source { service: Some(MILLISECOND), ..Source::of(lane(100, 100, NORMAL)) });
    world.run(SECOND);
    // All of the stuck ones together can hold the service twice over, for a tenth of a second each time.
    let from = world.now;
    world.run(3 * SECOND);
    assert!(world.bytes_of(honest, from) > 150_000_000, "{}", world.bytes_of(honest, from));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    /// Whatever they ask for and however often, addresses that always have something waiting get the same.
    #[test]
    fn busy_addresses_get_the_same(
        kinds in prop::collection::vec((1_u32..=262_144, 1_u32..8, 1_u8..6), 2..10),
    ) {
        let mut world = World::new(limits(10_000_000, 0));
        let mut first = Vec::new();
        for (address, &(piece, streams, peers)) in (1..).zip(&kinds) {
            first.push(world.sources.len());
            for peer in 0..peers {
                world.add(Source { piece: piece.max(4096), streams, ..Source::of(lane(address, peer, NORMAL)) });
            }
        }
        first.push(world.sources.len());
        let shares = shares(&mut world);
        let by_address: Vec<u64> = first.windows(2).map(|of| shares[of[0]..of[1]].iter().sum()).collect();
        prop_assert!(jain(&by_address) >= 0.99, "{by_address:?}");
    }
}
