//! Whose bytes they are, and how urgent.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Longest peer key; a binary peer id has 38 bytes, the longest written one 62.
pub const PEER_BYTES_MAX: usize = 64;

/// How urgent bytes are. The sender decides, never the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Own devices.
    Critical,
    /// Friends.
    High,
    /// Everybody.
    Normal,
    /// What can wait, such as mirroring.
    Low,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];
}

/// Whose bytes they are, and how urgent.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Where the connection ends.
    pub address: IpAddr,
    /// Whose it is; at most [`PEER_BYTES_MAX`] bytes.
    pub peer: Arc<[u8]>,
    /// How urgent.
    pub priority: Priority,
    /// Whether the address is of this machine or the local network.
    pub local: bool,
}

impl Lane {
    /// A lane that is local if [`is_local`] says so of its address.
    pub fn new(address: IpAddr, peer: &[u8], priority: Priority) -> Self {
        Self { address, peer: peer.into(), priority, local: is_local(address) }
    }
}

/// Whether an address is of this machine or the local network: loopback, link-local, or private.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 host can fill at will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    prefix: IpAddr,
    local: bool,
}

impl Place {
    pub fn of(lane: &Lane) -> Self {
        let prefix = match lane.address.to_canonical() {
            IpAddr::V4(v4) => v4.into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        };
        Self { prefix, local: lane.local }
    }

    pub fn is_local(self) -> bool {
        self.local
    }
}
