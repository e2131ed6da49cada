//! Who may come in: counts of handshakes, connections and requests by address. It decides at once and keeps no time of
//! its own, and a flood leaves nothing behind but one entry an address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses remembered beyond those with something under way, so that a rate holds across connections.
const QUIET_ADDRESSES_MAX: usize = 4096;

/// The bounds that the door holds; [`Limits`](crate::Limits) says what they are for.
#[derive(Clone, Debug)]
pub struct DoorLimits {
    /// Connections over all addresses.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// Handshakes of unproven addresses, over all.
    pub handshakes_unproven: usize,
    /// Handshakes of proven addresses, over all.
    pub handshakes: usize,
    /// Handshakes of one proven address.
    pub handshakes_per_address: usize,
    /// Requests of one address in a second.
    pub requests_per_second: u32,
}

/// What becomes of somebody who knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knock {
    /// The handshake may begin; [`Door::handshake_ended`] has to follow.
    Enter,
    /// Only once it has proven that its address is its own.
    Prove,
    /// Not now.
    Refuse,
}

#[derive(Default)]
struct Address {
    handshakes: usize,
    connections: usize,
    /// Requests that may come right now, as of `filled`.
    allowance: f64,
    filled: Option<Instant>,
}

/// The counts.
pub struct Door {
    limits: DoorLimits,
    addresses: HashMap<IpAddr, Address>,
    unproven: usize,
    proven: usize,
    connections: usize,
}

impl Door {
    /// With nobody inside.
    pub fn new(limits: DoorLimits) -> Self {
        Self { limits, addresses: HashMap::new(), unproven: 0, proven: 0, connections: 0 }
    }

    /// Somebody wants to begin a handshake.
    ///
    /// An address that is not proven counts for nothing but the total: it may be forged to shut its owner out.
    pub fn knock(&mut self, from: IpAddr, proven: bool) -> Knock {
        if !proven {
            if self.unproven >= self.limits.handshakes_unproven || self.full_for(from) {
                return Knock::Prove;
            }
            self.unproven += 1;
            return Knock::Enter;
        }
        let under_way = self.addresses.get(&share_of(from)).map_or(0, |address| address.handshakes);
        if self.full_for(from)
            || under_way >= self.limits.handshakes_per_address
            || self.proven >= self.limits.handshakes
        {
            return Knock::Refuse;
        }
        self.entry(from).handshakes += 1;
        self.proven += 1;
        Knock::Enter
    }

    /// A handshake that was let in has ended, one way or the other.
    pub fn handshake_ended(&mut self, from: IpAddr, proven: bool) {
        if !proven {
            self.unproven = self.unproven.saturating_sub(1);
            return;
        }
        self.proven = self.proven.saturating_sub(1);
        if let Some(address) = self.addresses.get_mut(&share_of(from)) {
            address.handshakes = address.handshakes.saturating_sub(1);
        }
    }

    /// Somebody who has shown who it is wants to stay; [`Door::left`] has to follow if it may.
    pub fn enter(&mut self, from: IpAddr) -> bool {
        if self.full_for(from) || self.connections >= self.limits.connections {
            return false;
        }
        self.connections += 1;
        self.entry(from).connections += 1;
        true
    }

    /// Whether there is no room for one more, whoever it is.
    pub fn is_full(&self) -> bool {
        self.connections >= self.limits.connections
    }

    /// A connection has gone.
    pub fn left(&mut self, from: IpAddr) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(address) = self.addresses.get_mut(&share_of(from)) {
            address.connections = address.connections.saturating_sub(1);
        }
    }

    /// Whether the address may make one more request now.
    pub fn request(&mut self, from: IpAddr, now: Instant) -> bool {
        let rate = f64::from(self.limits.requests_per_second);
        let address = self.entry(from);
        let burst = 2.0 * rate;
        address.allowance = match address.filled {
            Some(then) => burst.min(address.allowance + rate * now.saturating_duration_since(then).as_secs_f64()),
            None => burst,
        };
        address.filled = Some(now);
        let allowed = address.allowance >= 1.0;
        if allowed {
            address.allowance -= 1.0;
        }
        allowed
    }

    fn full_for(&self, from: IpAddr) -> bool {
        let inside = self.addresses.get(&share_of(from)).map_or(0, |address| address.connections);
        inside >= self.limits.connections_per_address
    }

    fn entry(&mut self, from: IpAddr) -> &mut Address {
        let known = self.limits.connections + self.limits.handshakes + QUIET_ADDRESSES_MAX;
        if self.addresses.len() >= known {
            self.forget();
        }
        self.addresses.entry(share_of(from)).or_default()
    }

    /// Forgets the quiet half of the quiet addresses; who has something under way stays.
    fn forget(&mut self) {
        let quiet = |address: &Address| address.handshakes == 0 && address.connections == 0;
        let mut times: Vec<_> =
            self.addresses.values().filter(|address| quiet(address)).map(|address| address.filled).collect();
        times.sort_unstable();
        let Some(&middle) = times.get(times.len() / 2) else { return };
        self.addresses.retain(|_, address| !quiet(address) || address.filled > middle);
    }
}

/// The address that limits hold for: an IPv6 subscriber has a /64 to itself.
fn share_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

/// Refusals that are not to be asked for again: who asked for what, for a short time.
pub struct Refusals<K, V> {
    lifetime: Duration,
    capacity: usize,
    known: HashMap<K, (V, Instant)>,
    /// In the order they were made, which is the order they end in.
    order: std::collections::VecDeque<(K, Instant)>,
}

impl<K: std::hash::Hash + Eq + Clone, V: Copy> Refusals<K, V> {
    /// With none.
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { lifetime, capacity, known: HashMap::new(), order: std::collections::VecDeque::new() }
    }

    /// What was answered to this a short time ago.
    pub fn get(&self, key: &K, now: Instant) -> Option<V> {
        let (value, made) = self.known.get(key)?;
        (now.saturating_duration_since(*made) < self.lifetime).then_some(*value)
    }

    /// Remembers an answer; the oldest go to make room.
    pub fn put(&mut self, key: K, value: V, now: Instant) {
        while let Some((oldest, made)) = self.order.front() {
            let over = now.saturating_duration_since(*made) >= self.lifetime;
            if !over && self.order.len() < self.capacity {
                break;
            }
            // It may have been made anew since; then a later place in the order stands for it.
            if self.known.get(oldest).is_some_and(|(_, latest)| latest == made) {
                self.known.remove(oldest);
            }
            self.order.pop_front();
        }
        self.order.push_back((key.clone(), now));
        self.known.insert(key, (value, now));
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}
