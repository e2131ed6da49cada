//! Sketches against a plain reading of their definition: one symbol and one id at a time.

use catalog_core::{CoreError, SYMBOL_BYTES, sketch_decode, sketch_update};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// What a decoded sketch says: ids, each with 1 or −1.
type Difference = Vec<(u64, i8)>;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Symbol {
    sum: u64,
    check: u64,
    count: u8,
}

impl Symbol {
    fn add(&mut self, id: u64, sign: i8) {
        self.sum ^= id;
        self.check ^= mix(id);
        self.count = self.count.wrapping_add(sign as u8);
    }

    fn is_pure(self) -> bool {
        (self.count == 1 || self.count == 255) && self.check == mix(self.sum)
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn splitmix64(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

fn mix(id: u64) -> u64 {
    let mut z = id ^ 0xa076_1d64_78bd_642f;
    for factor in [0xff51_afd7_ed55_8ccd, 0xc4ce_b9fe_1a85_ec53] {
        z = (z ^ (z >> 33)).wrapping_mul(factor);
    }
    z ^ (z >> 33)
}

/// The symbols below `symbols` that an id stands in.
fn places(id: u64, symbols: usize) -> Vec<usize> {
    let (mut places, mut place, mut p) = (Vec::new(), 0_u64, mix(id));
    while place < symbols as u64 {
        places.push(place as usize);
        p = p.wrapping_mul(0xda94_2042_e4dd_58b5);
        let gap = ((place as f64 + 1.5) * (2_f64.powi(32) / (p as f64 + 1.0).sqrt() - 1.0)).ceil();
        place = place.saturating_add((gap as u64).max(1));
    }
    places
}

fn from_bytes(sketch: &[u8]) -> Vec<Symbol> {
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    sketch
        .chunks(SYMBOL_BYTES)
        .map(|symbol| Symbol { sum: word(&symbol[..8]), check: word(&symbol[8..16]), count: symbol[16] })
        .collect()
}

fn to_bytes(symbols: &[Symbol]) -> Vec<u8> {
    let bytes = |symbol: &Symbol| {
        [&symbol.sum.to_le_bytes()[..], &symbol.check.to_le_bytes(), &[symbol.count]].concat()
    };
    symbols.iter().flat_map(bytes).collect()
}

fn reference_sketch(difference: &[(u64, i8)], symbols: usize) -> Vec<u8> {
    let mut sketch = vec![Symbol::default(); symbols];
    for &(id, sign) in difference {
        places(id, symbols).into_iter().for_each(|place| sketch[place].add(id, sign));
    }
    to_bytes(&sketch)
}

fn reference_decode(diff: &[u8]) -> Option<Difference> {
    let mut symbols = from_bytes(diff);
    let mut queue: VecDeque<usize> = (0..symbols.len()).filter(|&place| symbols[place].is_pure()).collect();
    let mut found = Vec::new();
    while let Some(place) = queue.pop_front() {
        let Symbol { sum: id, count, .. } = symbols[place];
        if !symbols[place].is_pure() {
            continue;
        }
        if found.len() == symbols.len() {
            return None;
        }
        let sign = if count == 1 { 1 } else { -1 };
        found.push((id, sign));
        for place in places(id, symbols.len()) {
            symbols[place].add(id, -sign);
            if symbols[place].is_pure() && !queue.contains(&place) {
                queue.push_back(place);
            }
        }
    }
    symbols.iter().all(|symbol| *symbol == Symbol::default()).then_some(found)
}

fn update(sketch: &mut [u8], ids: &[u64], sign: i32) {
    let symbols = (sketch.len() / SYMBOL_BYTES) as u32;
    assert_eq!(sketch_update(sketch, symbols, ids, sign), Ok(ids.len()));
}

fn sketch_of(added: &[u64], removed: &[u64], symbols: usize) -> Vec<u8> {
    let mut sketch = vec![0; symbols * SYMBOL_BYTES];
    update(&mut sketch, added, 1);
    update(&mut sketch, removed, -1);
    sketch
}

fn decode_into(diff: &[u8], room: usize) -> Option<Difference> {
    let symbols = (diff.len() / SYMBOL_BYTES) as u32;
    let (mut ids, mut signs) = (vec![0; room], vec![0; room]);
    let count = sketch_decode(&mut diff.to_vec(), symbols, &mut ids, &mut signs).expect("valid arguments")?;
    Some(ids.into_iter().zip(signs).take(count).collect())
}

fn decode(diff: &[u8]) -> Option<Difference> {
    decode_into(diff, diff.len() / SYMBOL_BYTES)
}

fn ids(seed: u64, count: usize) -> Vec<u64> {
    splitmix64(seed).take(count).collect()
}

fn sorted(mut difference: Difference) -> Difference {
    difference.sort_unstable();
    difference
}

/// `ids`, the first `added` of them as those of the first set.
fn signed(ids: &[u64], added: usize) -> Difference {
    ids.iter().enumerate().map(|(index, &id)| (id, if index < added { 1 } else { -1 })).collect()
}

#[test]
fn puts_ids_into_the_symbols_of_the_definition() {
    for seed in 0..40 {
        println!("seed {seed}");
        let mut random = splitmix64(!seed);
        let mut below = |end: usize| random.next().expect("endless") as usize % end;
        let (count, symbols) = (below(40), 1 + below(3_000));
        let (ids, added) = (ids(seed, count), below(count + 1));
        let expected = reference_sketch(&signed(&ids, added), symbols);
        assert!(
            sketch_of(&ids[..added], &ids[added..], symbols) == expected,
            "{count} ids, {symbols} symbols"
        );
    }
}

#[test]
fn holds_ids_at_the_edges_of_the_mapping() {
    // The first has check 0, which draws nothing but 0 and so jumps beyond every symbol.
    for id in [0xa076_1d64_78bd_642f, 0, 1, u64::MAX] {
        assert!(sketch_of(&[id], &[], 5_000) == reference_sketch(&[(id, 1)], 5_000), "id {id}");
        assert_eq!(decode(&sketch_of(&[id], &[], 1)), Some(vec![(id, 1)]));
    }
}

#[test]
fn is_empty_again_when_what_was_added_is_removed() {
    let ids = ids(1, 1_003);
    let mut sketch = sketch_of(&ids, &[], 700);
    assert!(sketch.iter().any(|&byte| byte != 0));
    let (some, others) = ids.split_at(500);
    update(&mut sketch, others, -1);
    update(&mut sketch, some, -1);
    assert!(sketch.iter().all(|&byte| byte == 0));
}

#[test]
fn begins_with_every_shorter_sketch() {
    let ids = ids(2, 300);
    let long = sketch_of(&ids, &[], 2_000);
    for symbols in [1, 2, 16, 333, 1_999] {
        let short = sketch_of(&ids, &[], symbols);
        assert!(short == long[..short.len()], "{symbols} symbols");
    }
}

#[test]
fn decodes_differences_from_few_more_symbols_than_ids() {
    for (count, seeds) in [(0, 1), (1, 20), (2, 20), (10, 20), (100, 10), (1_000, 3)] {
        for seed in 0..seeds {
            println!("{count} ids, seed {seed}");
            let ids = ids(seed, count);
            let expected = signed(&ids, count / 3);
            let enough = count * 22 / 10 + 20;
            let whole = sketch_of(&ids[..count / 3], &ids[count / 3..], enough);
            assert_eq!(decode(&whole).map(sorted), Some(sorted(expected)));
            // Symbols tell no more ids than they are.
            for symbols in [count / 2, count.saturating_sub(1)] {
                if symbols > 0 {
                    assert_eq!(decode(&whole[..symbols * SYMBOL_BYTES]), None, "{symbols} symbols");
                }
            }
        }
    }
}

#[test]
fn finds_the_difference_of_two_large_sets() {
    let (common, left, right) = (ids(31, 20_000), ids(32, 30), ids(33, 20));
    let ours = sketch_of(&[&common[..], &left].concat(), &[], 130);
    let theirs = sketch_of(&[&right[..], &common].concat(), &[], 130);
    let symbols = from_bytes(&ours).into_iter().zip(from_bytes(&theirs)).map(|(our, their)| Symbol {
        sum: our.sum ^ their.sum,
        check: our.check ^ their.check,
        count: our.count.wrapping_sub(their.count),
    });
    let diff = to_bytes(&symbols.collect::<Vec<_>>());
    let expected = signed(&[left, right].concat(), 30);
    assert_eq!(decode(&diff).map(sorted), Some(sorted(expected)));
}

#[test]
fn lists_ids_in_the_order_of_the_definition() {
    for seed in 0..30 {
        println!("seed {seed}");
        let count = seed as usize * 7;
        let ids = ids(seed, count);
        let diff = sketch_of(&ids[..count / 2], &ids[count / 2..], count * 3 / 2 + 10);
        assert_eq!(decode(&diff), reference_decode(&diff));
    }
}

#[test]
fn needs_room_for_every_id() {
    let ids = ids(4, 50);
    let diff = sketch_of(&ids, &[], 130);
    assert_eq!(decode_into(&diff, 50).map(|found| found.len()), Some(50));
    assert_eq!(decode_into(&diff, 49), None);
    assert_eq!(decode_into(&diff, 0), None);
    assert_eq!(decode_into(&vec![0; 130 * SYMBOL_BYTES], 0), Some(vec![]));
}

#[test]
fn ends_on_symbols_that_no_set_makes() {
    let symbols = 2_000;
    // One id in symbol 0 alone: taken out there it is missing elsewhere, put back there it is found again.
    let mut swinging = vec![Symbol::default(); symbols];
    swinging[0].add(42, 1);
    // An id of its own in every symbol, whether or not it belongs there.
    let mut crowded = vec![Symbol::default(); symbols];
    crowded.iter_mut().enumerate().for_each(|(place, symbol)| symbol.add(place as u64, 1));
    // One id in all of them, with signs that alternate.
    let mut repeated = vec![Symbol::default(); symbols];
    repeated.iter_mut().enumerate().for_each(|(place, symbol)| symbol.add(7, (place % 2 * 2) as i8 - 1));
    let noise = splitmix64(5).map(|word| word as u8).take(symbols * SYMBOL_BYTES).collect();
    let ones = vec![0xff; symbols * SYMBOL_BYTES];
    for diff in [to_bytes(&swinging), to_bytes(&crowded), to_bytes(&repeated), noise, ones] {
        assert_eq!(decode(&diff), None);
        assert_eq!(reference_decode(&diff), None);
    }
}

#[test]
fn gives_the_frozen_sketches_in_the_frozen_order() {
    // 100 and 1,000 ids, SplitMix64 from seed 1; the later ones are those of the second set.
    let frozen = [
        (
            (100, 60, 200),
            "1c3e021c0ddd2e401a929dd763abd289e7314800ae0e111ce60ce432258f0343",
            (0x64c7_0b0b_0c5b_4a8f, 1),
            "1e41358fdc84528ed64a308f506e0fdd081225e88770773fdeb649a7dd2f76d1",
        ),
        (
            (1_000, 500, 1_600),
            "169b352dfcbc696d69c2c30f2527a7bab050459da10f638412d7ff0f3499ecfa",
            (0x8f49_dd31_1a9b_c30d, -1),
            "d50a5acd39ed9f23d04caa49301b1de17bd0cee8996ebd366f5413659f357bf1",
        ),
    ];
    let hex =
        |bytes: &[u8]| -> String { Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect() };
    for ((count, added, symbols), sketch, first, difference) in frozen {
        let ids = ids(1, count);
        let diff = sketch_of(&ids[..added], &ids[added..], symbols);
        assert_eq!(hex(&diff), sketch);
        let found = decode(&diff).expect("enough symbols");
        assert_eq!(found[0], first);
        let bytes: Vec<u8> = found
            .iter()
            .flat_map(|(id, sign)| [&id.to_le_bytes()[..], &sign.to_le_bytes()].concat())
            .collect();
        assert_eq!(hex(&bytes), difference);
    }
}

#[test]
fn refuses_what_does_not_fit_and_leaves_everything_alone() {
    let mut sketch = [7; 2 * SYMBOL_BYTES];
    let length = CoreError::Length { what: "sketch", actual: 34, expected: 51 };
    assert_eq!(sketch_update(&mut sketch, 3, &[1], 1), Err(length));
    assert_eq!(sketch_update(&mut sketch[1..], 2, &[1], 1).expect_err("33 bytes").code(), "CORE_LENGTH");
    assert_eq!(sketch_update(&mut sketch, u32::MAX, &[1], 1).expect_err("short").code(), "CORE_LENGTH");
    for sign in [0, 2, -2, i32::MIN] {
        let bounds = CoreError::Bounds { what: "sign", value: sign.into(), allowed: "1 and -1" };
        assert_eq!(sketch_update(&mut sketch, 2, &[1], sign), Err(bounds));
    }
    let none = CoreError::Bounds { what: "symbols", value: 0, allowed: "1 to 4294967295" };
    assert_eq!(sketch_update(&mut [], 0, &[1], 1), Err(none.clone()));

    let (mut ids, mut signs) = ([7; 2], [7; 2]);
    let length = CoreError::Length { what: "diff", actual: 34, expected: 17 };
    assert_eq!(sketch_decode(&mut sketch, 1, &mut ids, &mut signs), Err(length));
    let length = CoreError::Length { what: "outSigns", actual: 1, expected: 2 };
    assert_eq!(sketch_decode(&mut sketch, 2, &mut ids, &mut signs[..1]), Err(length));
    assert_eq!(sketch_decode(&mut [], 0, &mut ids, &mut signs), Err(none.clone()));
    assert_eq!(none.code(), "CORE_RANGE");
    assert_eq!((sketch, ids, signs), ([7; 2 * SYMBOL_BYTES], [7; 2], [7; 2]));
}

/// Symbols of every kind a sender could forge: noise, pure ones, and those of true sets.
fn forged() -> impl Strategy<Value = Vec<u8>> {
    let pure = |(id, minus): (u64, bool)| {
        let mut symbol = Symbol::default();
        symbol.add(id % 8, if minus { -1 } else { 1 });
        symbol
    };
    let noise = |(sum, check, count): (u64, u64, u8)| Symbol { sum, check, count };
    let symbol = prop_oneof![
        3 => Just(Symbol::default()),
        3 => any::<(u64, bool)>().prop_map(pure),
        1 => any::<(u64, u64, u8)>().prop_map(noise),
    ];
    let symbols = prop::collection::vec(symbol, 1..120).prop_map(|symbols| to_bytes(&symbols));
    (symbols, prop::collection::vec(any::<u64>(), 0..20)).prop_map(|(mut sketch, ids)| {
        update(&mut sketch, &ids, 1);
        sketch
    })
}

proptest! {
    #[test]
    fn reads_any_symbols_as_the_definition_does(diff in forged()) {
        prop_assert_eq!(decode(&diff), reference_decode(&diff));
    }

    #[test]
    fn reads_any_difference_whole_or_asks_for_more(
        ids in prop::collection::hash_set(any::<u64>(), 0..60),
        added in 0..60_usize,
    ) {
        let ids: Vec<u64> = ids.into_iter().collect();
        let (left, right) = ids.split_at(added.min(ids.len()));
        let found = (3..14).find_map(|log2| decode(&sketch_of(left, right, 1 << log2)));
        prop_assert_eq!(found.map(sorted), Some(sorted(signed(&ids, left.len()))));
    }
}
