//! Requests come, go and are given up, and nothing of them stays.

mod support;

use catalog_flow::{
    FlowError, Lane, Limits, PEER_SERVICE_BYTES, Priority, REQUEST_BYTES_MAX, Scheduler, Ticket, WAITING_MAX,
    WAITING_PER_ADDRESS_MAX, WAITING_PER_PEER_MAX,
};
use proptest::prelude::*;
use support::{SECOND, lane, limits};

fn drained(scheduler: &mut Scheduler, from: u64) -> bool {
    // Buckets are full again after five seconds, and peers forgotten one second after their last bytes.
    let mut now = from;
    for _ in 0..30 {
        now += SECOND;
        assert_eq!(scheduler.poll(now), None);
    }
    scheduler.is_idle()
}

#[test]
fn what_is_given_up_leaves_its_place_to_others() {
    let mut scheduler = Scheduler::new(limits(0, 10_000));
    let lane = lane(1, 1, Priority::Normal);
    let full = scheduler.request(0, &lane, REQUEST_BYTES_MAX).expect("room");
    assert_eq!(scheduler.poll(0), Some(full));
    let given_up = scheduler.request(0, &lane, REQUEST_BYTES_MAX).expect("room");
    let next = scheduler.request(0, &lane, 1000).expect("room");
    assert_eq!(scheduler.poll(SECOND), None);
    scheduler.finish(SECOND, given_up);
    // The first left a debt, and a thousand bytes wait only until that is paid.
    let mut now = SECOND;
    while scheduler.poll(now) != Some(next) {
        now = scheduler.next_wakeup().expect("it waits for time alone");
    }
    scheduler.finish(now, full);
    scheduler.finish(now, next);
    scheduler.finish(now, next);
    assert!(drained(&mut scheduler, now));
}

#[test]
fn bounds_hold_for_a_peer_an_address_and_all() {
    let mut scheduler = Scheduler::new(limits(1, 1));
    let mut ask = |address, peer: u16| {
        let lane = Lane::new([192, 0, 2, address].into(), &peer.to_be_bytes(), Priority::Low);
        scheduler.request(0, &lane, 1)
    };
    for _ in 0..WAITING_PER_PEER_MAX {
        ask(1, 1).expect("room for the peer");
    }
    assert_eq!(ask(1, 1), Err(FlowError::Busy));
    for peer in 0..WAITING_PER_ADDRESS_MAX - WAITING_PER_PEER_MAX {
        ask(1, 2 + peer as u16).expect("room at the address");
    }
    assert_eq!(ask(1, 9999), Err(FlowError::Busy));
    for address in 0..WAITING_MAX - WAITING_PER_ADDRESS_MAX {
        ask(2 + (address % 200) as u8, 1).expect("room in all");
    }
    assert_eq!(ask(250, 1), Err(FlowError::Busy));
    assert_eq!(FlowError::Busy.code(), "PEER_BUSY");
}

#[test]
fn sizes_are_checked() {
    let mut scheduler = Scheduler::new(Limits::default());
    let mine = lane(1, 1, Priority::Low);
    for bytes in [0, REQUEST_BYTES_MAX + 1, u32::MAX] {
        assert_eq!(scheduler.request(0, &mine, bytes), Err(FlowError::Bytes(bytes)));
    }
    let long = Lane::new([192, 0, 2, 1].into(), &[0; 65], Priority::Low);
    assert_eq!(scheduler.request(0, &long, 1), Err(FlowError::PeerKey(65)));
    assert_eq!(FlowError::PeerKey(65).code(), "LIMIT_EXCEEDED");
    assert!(scheduler.is_idle());
}

#[test]
fn a_peer_has_a_share_of_the_service_and_gets_it_back() {
    let mut scheduler = Scheduler::new(Limits::default());
    let lane = lane(1, 1, Priority::Normal);
    let pieces = PEER_SERVICE_BYTES / u64::from(REQUEST_BYTES_MAX);
    for _ in 0..=pieces {
        scheduler.request(0, &lane, REQUEST_BYTES_MAX).expect("room");
    }
    let out: Vec<_> = std::iter::from_fn(|| scheduler.poll(0)).collect();
    assert_eq!(out.len() as u64, pieces);
    assert_eq!(scheduler.poll(10 * SECOND), None);
    assert_eq!(scheduler.traffic(10 * SECOND).in_service, PEER_SERVICE_BYTES);
    scheduler.finish(10 * SECOND, out[0]);
    let last = scheduler.poll(10 * SECOND).expect("a share has come free");
    out[1..].iter().chain([&last]).for_each(|&ticket| scheduler.finish(10 * SECOND, ticket));
    assert!(drained(&mut scheduler, 10 * SECOND));
}

#[test]
fn traffic_tells_what_waits_and_what_went() {
    let mut scheduler = Scheduler::new(limits(0, 20_000));
    for (peer, priority) in (1..).zip(Priority::ALL) {
        for _ in 0..=peer {
            scheduler.request(0, &lane(1, peer, priority), 100_000).expect("room");
        }
    }
    let first = scheduler.poll(0).expect("a full bucket");
    assert_eq!(scheduler.poll(0), None);
    let traffic = scheduler.traffic(SECOND / 2);
    assert_eq!(traffic.queued, [100_000, 300_000, 400_000, 500_000]);
    assert_eq!((traffic.waiting, traffic.in_service, traffic.bytes_per_second), (13, 100_000, 100_000));
    scheduler.finish(SECOND, first);
    assert_eq!(scheduler.traffic(SECOND).in_service, 0);
    assert_eq!(scheduler.traffic(2 * SECOND).bytes_per_second, 0);
}

#[derive(Clone, Debug)]
enum Step {
    Ask { address: u8, peer: u8, class: usize, bytes: u32 },
    Finish(usize),
    Limit(u64, u64, bool),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ask = (0_u8..4, 0_u8..4, 0_usize..4, 1..=REQUEST_BYTES_MAX)
        .prop_map(|(address, peer, class, bytes)| Step::Ask { address, peer, class, bytes });
    let limit = (0_u64..3_000_000, 0_u64..1_000_000, any::<bool>());
    let step = prop_oneof![
        6 => ask,
        4 => any::<prop::sample::Index>().prop_map(|index| Step::Finish(index.index(1000))),
        1 => limit.prop_map(|(total, per_peer, local)| Step::Limit(total, per_peer, local)),
        3 => (0..SECOND / 5).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..400)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    /// Any course of events: each request is granted at most once, sums are right, wake-ups are ahead and kept, and
    /// in the end nothing is left.
    #[test]
    fn nothing_is_lost_and_nothing_stays(steps in steps()) {
        let mut scheduler = Scheduler::new(limits(1_000_000, 500_000));
        let (mut waiting, mut out): (Vec<(Ticket, u32)>, Vec<(Ticket, u32)>) = Default::default();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Ask { address, peer, class, bytes } => {
                    let place = if address == 0 { [127, 0, 0, 1] } else { [192, 0, 2, address] };
                    let lane = Lane::new(place.into(), &[peer], Priority::ALL[class]);
                    waiting.push((scheduler.request(now, &lane, bytes).expect("room"), bytes));
                }
                Step::Finish(index) => {
                    let from = if index % 2 == 0 && !waiting.is_empty() { &mut waiting } else { &mut out };
                    if !from.is_empty() {
                        let (ticket, _) = from.swap_remove(index % from.len());
                        scheduler.finish(now, ticket);
                    }
                }
                Step::Limit(total, per_peer, local) => {
                    scheduler.set_limits(now, Limits { limit_local: local, ..limits(total, per_peer) });
                }
                Step::Pass(time) => now += time,
            }
            while let Some(ticket) = scheduler.poll(now) {
                let at = waiting.iter().position(|&(each, _)| each == ticket);
                prop_assert!(at.is_some(), "{ticket:?} was granted and does not wait");
                out.extend(at.map(|at| waiting.remove(at)));
            }
            prop_assert!(scheduler.next_wakeup().is_none_or(|at| at > now));
            let (traffic, sum) = (scheduler.traffic(now), |list: &[(Ticket, u32)]| -> u64 {
                list.iter().map(|&(_, bytes)| u64::from(bytes)).sum()
            });
            prop_assert_eq!(traffic.in_service, sum(&out));
            prop_assert_eq!(traffic.queued.iter().sum::<u64>(), sum(&waiting));
            prop_assert_eq!(traffic.waiting, waiting.len());
        }
        while !(waiting.is_empty() && out.is_empty()) {
            out.drain(..).for_each(|(ticket, _)| scheduler.finish(now, ticket));
            while let Some(ticket) = scheduler.poll(now) {
                let at = waiting.iter().position(|&(each, _)| each == ticket).expect("a ticket that waits");
                out.push(waiting.remove(at));
            }
            if out.is_empty() && !waiting.is_empty() {
                now = scheduler.next_wakeup().expect("nothing waits for ever");
            }
        }
        for _ in 0..4 {
            now += 1_000_000 * SECOND;
            prop_assert_eq!(scheduler.poll(now), None);
        }
        prop_assert!(scheduler.is_idle());
    }
}
