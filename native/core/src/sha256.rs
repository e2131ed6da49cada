//! SHA-256 over many ranges of one buffer, with the fastest kernel the processor has.
//!
//! One stream leaves the SHA unit waiting on its own results; two interleaved streams fill the gaps, and sixteen side
//! by side in wide vectors are faster still. A whole-file hash is one stream and gains nothing here.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod message;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod update;

use crate::CoreError;
use crate::error::check_length;
use message::Stream;
use std::iter;
use std::sync::OnceLock;

pub use update::{SHA256_STATE_BYTES, sha256_update};

/// Length of a SHA-256 digest.
pub const DIGEST_BYTES: usize = 32;

/// The fewest streams that are faster through AVX-512 than two at a time through the SHA extension: so on Zen 4. It
/// takes fewer where vectors are faster, and little is lost by going on to this number there.
#[cfg(target_arch = "x86_64")]
const WIDE_LEAST_OVER_PAIR: usize = 14;
/// The same where there is no SHA extension.
#[cfg(target_arch = "x86_64")]
const WIDE_LEAST_OVER_PORTABLE: usize = 2;

/// Length of the block the compression function takes.
pub(crate) const BLOCK_BYTES: usize = 64;

pub(crate) type Block = [u8; BLOCK_BYTES];
pub(crate) type Digest = [u8; DIGEST_BYTES];
/// The eight chaining words a…h of FIPS 180-4.
type State = [u32; 8];

/// FIPS 180-4 §5.3.3: the first 32 bits of the fractional parts of the square roots of 2…19.
const INITIAL_STATE: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// FIPS 180-4 §4.2.2: the same of the cube roots of the first 64 primes.
#[rustfmt::skip]
const ROUND_CONSTANTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// The chaining values of `N` streams, word by word as wide vectors want them: word w of stream i is `.0[w][i]`.
#[repr(align(64))]
struct States<const N: usize>([[u32; N]; 8]);

impl<const N: usize> States<N> {
    fn fresh() -> Self {
        Self(INITIAL_STATE.map(|word| [word; N]))
    }

    fn get(&self, stream: usize) -> State {
        self.0.map(|words| words[stream])
    }

    fn set(&mut self, stream: usize, state: State) {
        for (words, word) in self.0.iter_mut().zip(state) {
            words[stream] = word;
        }
    }

    fn digest(&self, stream: usize) -> Digest {
        let mut digest = [0; DIGEST_BYTES];
        for (bytes, words) in digest.as_chunks_mut::<4>().0.iter_mut().zip(&self.0) {
            *bytes = words[stream].to_be_bytes();
        }
        digest
    }
}

/// The compression function over whole blocks, for `N` independent streams at once.
trait Kernel<const N: usize>: Copy {
    /// Absorbs `blocks[i]` into stream i; all `N` block slices have the same length, which is not 0.
    fn compress(self, states: &mut States<N>, blocks: [&[Block]; N]);
}

/// A way to compute SHA-256. All give the same digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Plain integer arithmetic, on every architecture.
    Portable,
    /// The x86 SHA extension, one stream.
    ShaNi,
    /// The x86 SHA extension, two interleaved streams.
    ShaNiPair,
    /// AVX-512, sixteen streams side by side; what is too few for that as above.
    Avx512,
}

impl Variant {
    /// Every variant there is, slowest first, whether or not this processor has it.
    pub const ALL: [Self; 4] = [Self::Portable, Self::ShaNi, Self::ShaNiPair, Self::Avx512];

    /// How [`features`](crate::features) calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "sha256:portable",
            Self::ShaNi => "sha256:sha-ni",
            Self::ShaNiPair => "sha256:sha-ni-x2",
            Self::Avx512 => "sha256:avx512-x16",
        }
    }
}

/// SHA-256 with a variant this processor is known to have.
#[derive(Clone, Copy)]
pub struct Sha256(Backend);

#[derive(Clone, Copy)]
enum Backend {
    Portable,
    #[cfg(target_arch = "x86_64")]
    ShaNi(sha_ni::ShaNi),
    #[cfg(target_arch = "x86_64")]
    ShaNiPair(sha_ni::ShaNi),
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512, Option<sha_ni::ShaNi>),
}

impl Sha256 {
    /// The fastest variant of this process; chosen once.
    pub fn best() -> Self {
        static BEST: OnceLock<Sha256> = OnceLock::new();
        *BEST.get_or_init(|| {
            let best = Variant::ALL.into_iter().rev().find_map(Self::with);
            best.unwrap_or(Self(Backend::Portable))
        })
    }

    /// The given variant, or `None` when this process may not use it. For tests and measurements.
    #[cfg(target_arch = "x86_64")]
    pub fn with(variant: Variant) -> Option<Self> {
        use {avx512::Avx512, sha_ni::ShaNi};
        match variant {
            Variant::Portable => Some(Backend::Portable),
            Variant::ShaNi => ShaNi::detect().map(Backend::ShaNi),
            Variant::ShaNiPair => ShaNi::detect().map(Backend::ShaNiPair),
            Variant::Avx512 => Avx512::detect().map(|wide| Backend::Avx512(wide, ShaNi::detect())),
        }
        .map(Self)
    }

    /// The given variant, or `None` when this process may not use it. For tests and measurements.
    #[cfg(not(target_arch = "x86_64"))]
    pub fn with(variant: Variant) -> Option<Self> {
        (variant == Variant::Portable).then_some(Self(Backend::Portable))
    }

    /// Which variant this is.
    pub fn variant(self) -> Variant {
        match self.0 {
            Backend::Portable => Variant::Portable,
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi(_) => Variant::ShaNi,
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNiPair(_) => Variant::ShaNiPair,
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(..) => Variant::Avx512,
        }
    }

    /// The digest of one message.
    pub fn digest(self, message: &[u8]) -> [u8; DIGEST_BYTES] {
        let mut digest = [0; DIGEST_BYTES];
        message::finish_each(self, iter::once(Stream::new(message, &mut digest)));
        digest
    }

    /// [`sha256_many`] with this variant.
    ///
    /// # Errors
    /// As [`sha256_many`].
    pub fn many(self, buf: &[u8], ranges: &[u32], out: &mut [u8]) -> Result<usize, CoreError> {
        let (ranges, digests) = checked(buf, ranges, out)?;
        let streams = ranges.iter().zip(digests).map(|(&[offset, length], out)| {
            let (start, bytes) = (offset as usize, length as usize);
            Stream::new(&buf[start..start + bytes], out)
        });
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(wide, None) => {
                message::finish_each(self, lanes::absorb(wide, streams, WIDE_LEAST_OVER_PORTABLE));
            }
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512(wide, Some(pair)) if fills_lanes(ranges) => {
                let few = lanes::absorb(wide, streams, WIDE_LEAST_OVER_PAIR);
                message::finish_each(self, lanes::absorb::<_, 2>(pair, few, 2));
            }
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNiPair(pair) | Backend::Avx512(_, Some(pair)) => {
                message::finish_each(self, lanes::absorb::<_, 2>(pair, streams, 2));
            }
            _ => message::finish_each(self, streams),
        }
        Ok(ranges.len())
    }

    /// SHA-256 of messages that are padded already, `B` blocks each, into as many digests.
    pub(crate) fn digest_padded<'a, const B: usize>(
        self,
        mut messages: &[[Block; B]],
        mut out: impl Iterator<Item = &'a mut Digest>,
    ) {
        #[cfg(target_arch = "x86_64")]
        if let Backend::Avx512(wide, narrow) = self.0 {
            let least = if narrow.is_some() { WIDE_LEAST_OVER_PAIR } else { WIDE_LEAST_OVER_PORTABLE };
            while messages.len() >= least {
                let (now, later) = messages.split_at(messages.len().min(avx512::LANES));
                message::digest_padded(wide, now, out.by_ref());
                messages = later;
            }
        }
        #[cfg(target_arch = "x86_64")]
        if let Backend::ShaNiPair(kernel) | Backend::Avx512(_, Some(kernel)) = self.0 {
            while let Some((now, later)) = messages.split_at_checked(2) {
                message::digest_padded::<_, 2, B>(kernel, now, out.by_ref());
                messages = later;
            }
        }
        while let Some((now, later)) = messages.split_at_checked(1) {
            message::digest_padded::<_, 1, B>(self, now, out.by_ref());
            messages = later;
        }
    }
}

/// One stream has no use for wide vectors.
impl Kernel<1> for Sha256 {
    fn compress(self, states: &mut States<1>, blocks: [&[Block]; 1]) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Backend::ShaNi(kernel) | Backend::ShaNiPair(kernel) | Backend::Avx512(_, Some(kernel)) => {
                kernel.compress(states, blocks);
            }
            _ => portable::Portable.compress(states, blocks),
        }
    }
}

/// Whether sixteen lanes are worth entering: not for a few ranges, nor when one is so long, more than a third of all,
/// that at last it would run alone where two at a time could have shared the work.
#[cfg(target_arch = "x86_64")]
fn fills_lanes(ranges: &[[u32; 2]]) -> bool {
    let lengths = ranges.iter().map(|&[_, length]| u64::from(length));
    let (longest, total) = (lengths.clone().max().unwrap_or(0), lengths.sum::<u64>());
    ranges.len() >= WIDE_LEAST_OVER_PAIR && longest <= total / 3
}

/// SHA-256 of each of n ranges of `buf`.
///
/// `ranges` is 2n numbers, offset and length in bytes alternating; ranges may overlap, repeat and be
/// empty. `out` is n × 32 bytes and receives the digests in the order of the ranges. Returns n.
///
/// # Errors
/// `CORE_LENGTH` when `ranges` is odd or `out` does not fit it, `CORE_RANGE` when a range leaves `buf`.
/// Nothing is written then.
///
/// See FIPS 180-4 §6.2.
pub fn sha256_many(buf: &[u8], ranges: &[u32], out: &mut [u8]) -> Result<usize, CoreError> {
    Sha256::best().many(buf, ranges, out)
}

type Checked<'a> = (&'a [[u32; 2]], &'a mut [Digest]);

/// Refuses wrong shapes before any hashing, so that a failed call leaves `out` as it was.
fn checked<'a>(buf: &[u8], ranges: &'a [u32], out: &'a mut [u8]) -> Result<Checked<'a>, CoreError> {
    let (pairs, odd) = ranges.as_chunks::<2>();
    if !odd.is_empty() {
        let actual = ranges.len() as u64;
        return Err(CoreError::Length { what: "ranges", actual, expected: actual + 1 });
    }
    check_length("out", out.len(), pairs.len() * DIGEST_BYTES)?;
    let buffer_bytes = buf.len() as u64;
    for (index, &[offset, length]) in pairs.iter().enumerate() {
        let (offset, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
        if end > buffer_bytes {
            return Err(CoreError::Range { index, offset, end, buffer_bytes });
        }
    }
    Ok((pairs, out.as_chunks_mut::<DIGEST_BYTES>().0))
}
