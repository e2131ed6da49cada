//! Sketches of sets of 64-bit ids: the difference of two of them gives back the ids that only one set has.
//!
//! A sketch is a rateless invertible Bloom look-up table (Yang, Gilad and Alizadeh, SIGCOMM 2024). An id stands in
//! symbol 0 and in ever sparser ones after it, so any prefix of a sketch is a sketch too, and about 1.4 symbols per
//! id of the difference suffice. A symbol that holds one id only tells which; taking it out of its other symbols
//! leaves more of that kind.
//!
//! A difference that comes from elsewhere may be anything. Nothing in it sets how much time or memory a call takes,
//! and only one that comes out empty counts as read; whether its ids are ids of anything is for the caller to find out.

use crate::CoreError;
use std::collections::VecDeque;

/// Length of one symbol: u64le XOR of ids ‖ u64le XOR of their checks ‖ u8 count, modulo 256.
pub const SYMBOL_BYTES: usize = 17;

type Symbol = [u8; SYMBOL_BYTES];

/// Where in a symbol its count stands.
const COUNT: usize = 16;

/// The counts of a symbol with a single id: one of the first set, or one of the second.
const ADDED: u8 = 1;
const REMOVED: u8 = 1_u8.wrapping_neg();

/// Ids put in side by side, so that the square root and the division of one pass while those of others wait.
const LANES: usize = 8;

/// What draws the gaps between the symbols of an id: the multiplier of a generator modulo 2⁶⁴.
const GAP_MULTIPLIER: u64 = 0xda94_2042_e4dd_58b5;
/// √2⁶⁴, above the root of any number drawn.
const ROOT_OF_RANGE: f64 = 4_294_967_296.0;

/// Adds ids to a sketch of a set, or takes them out.
///
/// `sketch` is `symbols` × 17 bytes; `sign` is 1 to add and −1 to take out. Takes about 2 ln(`symbols`) steps per id.
/// Returns the number of ids.
///
/// # Errors
/// `CORE_LENGTH` when `sketch` has another length, `CORE_RANGE` for another sign or no symbol. Nothing is written then.
pub fn sketch_update(sketch: &mut [u8], symbols: u32, ids: &[u64], sign: i32) -> Result<usize, CoreError> {
    let symbols = checked(sketch, "sketch", symbols)?;
    let count = match sign {
        1 => ADDED,
        -1 => REMOVED,
        _ => return Err(CoreError::Bounds { what: "sign", value: sign.into(), allowed: "1 and -1" }),
    };
    let (groups, rest) = ids.as_chunks::<LANES>();
    for group in groups {
        put(symbols, group, count);
    }
    for &id in rest {
        put(symbols, &[id], count);
    }
    Ok(ids.len())
}

/// The ids in a difference of two sketches, symbol by symbol: XOR, XOR, minus.
///
/// `diff` is `symbols` × 17 bytes and is used up. `out_ids` receives the ids and `out_signs` 1 for each that the first
/// set has and −1 for each that the second has; room for `symbols` of them is always enough. Peels breadth first:
/// the symbols that hold one id, ascending, then those that become so, in the order in which they do. Returns how many
/// ids there are, or `None` when the symbols, or the room, do not suffice to tell all of them; what is in the outputs
/// has no meaning then. Takes out at most `symbols` ids and keeps 5 bytes of its own per symbol, whatever `diff` is.
/// A forged one may yield an id twice, or ids of no record.
///
/// # Errors
/// `CORE_LENGTH` when `diff` has another length or the outputs differ in theirs, `CORE_RANGE` for no symbol. Nothing
/// is written then.
pub fn sketch_decode(
    diff: &mut [u8],
    symbols: u32,
    out_ids: &mut [u64],
    out_signs: &mut [i8],
) -> Result<Option<usize>, CoreError> {
    let symbols = checked(diff, "diff", symbols)?;
    let (actual, expected) = (out_signs.len() as u64, out_ids.len() as u64);
    if actual != expected {
        return Err(CoreError::Length { what: "outSigns", actual, expected });
    }
    let room = out_ids.len().min(symbols.len());
    let mut slots = out_ids[..room].iter_mut().zip(out_signs);
    let mut taken = 0;
    let mut queue = Queue::of_pure(symbols);
    while let Some(place) = queue.pop() {
        let symbol = &symbols[place];
        if !is_pure(symbol) {
            continue;
        }
        let (id, count) = (sum(symbol), symbol[COUNT]);
        let Some((out_id, out_sign)) = slots.next() else { return Ok(None) };
        (*out_id, *out_sign) = (id, count as i8);
        taken += 1;
        let check = mix(id);
        let mut walk = Walk::of(check);
        while let Some(symbol) = symbols.get_mut(walk.place as usize) {
            toggle(symbol, id, check, count.wrapping_neg());
            if is_pure(symbol) {
                queue.push(walk.place);
            }
            walk.advance();
        }
    }
    let empty = symbols.iter().all(|symbol| *symbol == [0; SYMBOL_BYTES]);
    Ok(empty.then_some(taken))
}

/// The symbols in `sketch`, which must be as many as the caller says and not none.
fn checked<'a>(
    sketch: &'a mut [u8],
    what: &'static str,
    symbols: u32,
) -> Result<&'a mut [Symbol], CoreError> {
    let (actual, expected) = (sketch.len() as u64, u64::from(symbols) * SYMBOL_BYTES as u64);
    if actual != expected {
        return Err(CoreError::Length { what, actual, expected });
    }
    if symbols == 0 {
        return Err(CoreError::Bounds { what: "symbols", value: 0, allowed: "1 to 4294967295" });
    }
    Ok(sketch.as_chunks_mut().0)
}

/// Adds `ids`, or takes them out, side by side.
fn put<const N: usize>(symbols: &mut [Symbol], ids: &[u64; N], count: u8) {
    let checks = ids.map(mix);
    let mut walks = checks.map(Walk::of);
    let mut walking = true;
    while walking {
        walking = false;
        for lane in 0..N {
            if let Some(symbol) = symbols.get_mut(walks[lane].place as usize) {
                toggle(symbol, ids[lane], checks[lane], count);
                walking = true;
            }
        }
        walks.iter_mut().for_each(Walk::advance);
    }
}

/// The symbols that an id stands in, one after the other.
struct Walk {
    /// The symbol. `u32::MAX`, which no sketch reaches, stands for all beyond.
    place: u32,
    drawn: u64,
}

impl Walk {
    fn of(check: u64) -> Self {
        Self { place: 0, drawn: check }
    }

    /// On to the next symbol. Every conversion saturates and every operation is one of IEEE 754's, so that all
    /// machines go the same way.
    #[inline]
    fn advance(&mut self) {
        self.drawn = self.drawn.wrapping_mul(GAP_MULTIPLIER);
        let gap = (f64::from(self.place) + 1.5) * (ROOT_OF_RANGE / (self.drawn as f64 + 1.0).sqrt() - 1.0);
        // Rounded up by hand: not every x86-64 processor has an instruction for that.
        let floor = gap as u32;
        let ceil = floor.saturating_add(u32::from(f64::from(floor) < gap));
        self.place = self.place.saturating_add(ceil.max(1));
    }
}

/// The symbols that looked pure and wait to be peeled, each at most once.
struct Queue {
    places: VecDeque<u32>,
    waiting: Vec<bool>,
}

impl Queue {
    /// The pure ones of `symbols`, in their order.
    fn of_pure(symbols: &[Symbol]) -> Self {
        let waiting: Vec<bool> = symbols.iter().map(is_pure).collect();
        let mut places = VecDeque::with_capacity(symbols.len());
        places.extend((0..symbols.len() as u32).filter(|&place| waiting[place as usize]));
        Self { places, waiting }
    }

    fn push(&mut self, place: u32) {
        if !std::mem::replace(&mut self.waiting[place as usize], true) {
            self.places.push_back(place);
        }
    }

    fn pop(&mut self) -> Option<usize> {
        let place = self.places.pop_front()? as usize;
        self.waiting[place] = false;
        Some(place)
    }
}

/// Whether a symbol seems to hold one id only.
#[inline]
fn is_pure(symbol: &Symbol) -> bool {
    matches!(symbol[COUNT], ADDED | REMOVED) && checks(symbol) == mix(sum(symbol))
}

#[inline]
fn sum(symbol: &Symbol) -> u64 {
    u64::from_le_bytes(symbol[..8].try_into().expect("8 bytes"))
}

#[inline]
fn checks(symbol: &Symbol) -> u64 {
    u64::from_le_bytes(symbol[8..16].try_into().expect("8 bytes"))
}

#[inline]
fn toggle(symbol: &mut Symbol, id: u64, check: u64, count: u8) {
    let (sum, checks) = (sum(symbol) ^ id, checks(symbol) ^ check);
    symbol[..8].copy_from_slice(&sum.to_le_bytes());
    symbol[8..16].copy_from_slice(&checks.to_le_bytes());
    symbol[COUNT] = symbol[COUNT].wrapping_add(count);
}

/// The check of an id: the finalizer of MurmurHash3, a bijection, over the id with some of its bits flipped.
#[inline]
fn mix(id: u64) -> u64 {
    let z = id ^ 0xa076_1d64_78bd_642f;
    let z = (z ^ (z >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let z = (z ^ (z >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    z ^ (z >> 33)
}
