//! Peers, named by their Ed25519 key as libp2p names them.

use crate::error::{Code, TransferError};
use std::fmt;
use std::str::FromStr;

/// Length of an Ed25519 public key.
pub(crate) const KEY_BYTES: usize = 32;
/// The longest text that can be a peer id; what is longer is not looked at.
const TEXT_BYTES_MAX: usize = 64;

/// A public key as libp2p writes it, before its bytes: protobuf fields `Type` = Ed25519 and `Data` of 32 bytes.
pub(crate) const KEY_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
/// A multihash by the code `identity`, of such a key.
const MULTIHASH_PREFIX: [u8; 2] = [0x00, (KEY_PREFIX.len() + KEY_BYTES) as u8];

/// A peer. Its text is its libp2p peer id: `12D3Koo…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerId {
    key: [u8; KEY_BYTES],
}

impl PeerId {
    /// The peer with this Ed25519 public key.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// Its Ed25519 public key.
    pub fn key(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let multihash = [&MULTIHASH_PREFIX[..], &KEY_PREFIX, &self.key].concat();
        formatter.write_str(&bs58::encode(multihash).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for PeerId {
    type Err = TransferError;

    fn from_str(text: &str) -> Result<Self, TransferError> {
        let invalid = || TransferError::new(Code::AddressInvalid, "This is not the peer id of an Ed25519 key.");
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid());
        }
        let multihash = bs58::decode(text).into_vec().map_err(|_| invalid())?;
        let key = multihash.strip_prefix(&MULTIHASH_PREFIX).and_then(|rest| rest.strip_prefix(&KEY_PREFIX));
        Ok(Self::new(key.and_then(|key| key.try_into().ok()).ok_or_else(invalid)?))
    }
}
