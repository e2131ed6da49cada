//! Proofs that a chunk is part of a blob: honest ones hold, all others do not.

#[path = "support/tree.rs"]
mod tree;

use catalog_core::{CoreError, max_chunk_bytes, merkle_verify};
use proptest::prelude::*;
use tree::{Chunk, Hash, Node, chunks};

const TOTAL_MAX: u64 = (1 << 53) - 1;

/// What is said of a chunk.
#[derive(Clone, Debug, PartialEq)]
struct Claim {
    root: Hash,
    profile: u8,
    total: u64,
    count: u32,
    index: u32,
    id: Hash,
    length: u32,
    proof: Vec<u8>,
}

impl Claim {
    fn honest(chunks: &[Chunk], profile: u8, index: usize) -> Self {
        Self {
            root: tree::root(chunks, profile),
            profile,
            total: tree::top(chunks).0,
            count: chunks.len() as u32,
            index: index as u32,
            id: chunks[index].0,
            length: chunks[index].1,
            proof: steps(&proof(chunks, index)),
        }
    }

    fn check(&self) -> Result<bool, CoreError> {
        let Self { root, profile, total, count, index, id, length, proof } = self;
        merkle_verify(root, *profile, *total, *count, *index, id, *length, proof)
    }
}

/// PATH of §2.1.3.1.
fn proof(chunks: &[Chunk], index: usize) -> Vec<Node> {
    if chunks.len() == 1 {
        return Vec::new();
    }
    let split = tree::split(chunks.len());
    let (left, right) = chunks.split_at(split);
    let (mut path, sibling) = if index < split {
        (proof(left, index), tree::top(right))
    } else {
        (proof(right, index - split), tree::top(left))
    };
    path.push(sibling);
    path
}

fn steps(proof: &[Node]) -> Vec<u8> {
    proof.iter().flat_map(Node::bytes).collect()
}

#[test]
fn holds_for_every_chunk_of_every_small_blob_and_for_no_other_place() {
    for count in 1..=70 {
        let chunks = chunks(count);
        let first = Claim::honest(&chunks, 0, 0);
        for (index, &(id, length)) in (0..count).zip(&chunks) {
            let proof = steps(&proof(&chunks, index as usize));
            let claim = Claim { index, id, length, proof, ..first };
            assert_eq!(claim.check(), Ok(true), "chunk {index} of {count}");
            for other in (0..=count).filter(|&other| other != index) {
                let moved = Claim { index: other, ..claim.clone() };
                assert_eq!(moved.check(), Ok(false), "chunk {index} of {count} as {other}");
            }
        }
    }
}

#[test]
fn holds_for_chunks_of_large_blobs() {
    for count in [1_000, 1_024, 1_025, 4_097] {
        let chunks = chunks(count);
        for index in [0, 1, count / 2, count - 2, count - 1] {
            let claim = Claim::honest(&chunks, 2, index as usize);
            assert_eq!(claim.check(), Ok(true), "chunk {index} of {count}");
        }
    }
}

/// Every claim that differs from this one in a single place.
fn tampered(claim: &Claim) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut add = |change: &dyn Fn(&mut Claim)| {
        let mut changed = claim.clone();
        change(&mut changed);
        claims.push(changed);
    };
    for bit in 0..256 {
        add(&|claim| claim.root[bit / 8] ^= 1 << (bit % 8));
        add(&|claim| claim.id[bit / 8] ^= 1 << (bit % 8));
    }
    for bit in 0..8 * claim.proof.len() {
        add(&|claim| claim.proof[bit / 8] ^= 1 << (bit % 8));
    }
    for bit in 0..32 {
        add(&|claim| claim.count ^= 1 << bit);
        add(&|claim| claim.index ^= 1 << bit);
        add(&|claim| claim.length ^= 1 << bit);
    }
    for bit in 0..53 {
        add(&|claim| claim.total ^= 1 << bit);
    }
    for bit in 0..8 {
        add(&|claim| claim.profile ^= 1 << bit);
    }
    for step in 0..claim.proof.len() / 40 {
        add(&|claim| drop(claim.proof.drain(40 * step..40 * step + 40)));
        add(&|claim| claim.proof.extend_from_within(40 * step..40 * step + 40));
    }
    for bytes in [1, 39, 40, 80] {
        add(&|claim| claim.proof.extend(vec![0; bytes]));
    }
    if !claim.proof.is_empty() {
        add(&|claim| claim.proof.truncate(claim.proof.len() - 1));
    }
    claims
}

#[test]
fn breaks_with_every_bit_and_every_step() {
    for (count, index) in [(1, 0), (2, 1), (3, 2), (5, 4), (7, 3), (21, 20), (64, 40)] {
        let claim = Claim::honest(&chunks(count), 1, index);
        for changed in tampered(&claim) {
            assert_eq!(changed.check(), Ok(false), "{changed:?} instead of {claim:?}");
        }
    }
}

/// A claim for the first of two chunks whose root is made to fit, whatever the numbers.
fn forged(profile: u8, length: u32, sibling: u64, total: u64) -> Claim {
    let step = Node(sibling, [5; 32]);
    let top = tree::parent(tree::leaf(&([4; 32], length)), step);
    let root = tree::root_over(Node(total, top.1), 2, profile);
    Claim { root, profile, total, count: 2, index: 0, id: [4; 32], length, proof: steps(&[step]) }
}

#[test]
fn sees_through_roots_made_to_deceive() {
    assert_eq!(forged(0, 100, 50, 150).check(), Ok(true), "numbers that agree");
    assert_eq!(forged(0, 100, 50, 151).check(), Ok(false), "a total that is not the sum");
    assert_eq!(forged(0, 100, 50u64.wrapping_neg(), 50).check(), Ok(false), "a sum that wraps round");
    assert_eq!(forged(0, 100, TOTAL_MAX, 99).check(), Ok(false), "more than the total");
    assert_eq!(forged(0, 0, 50, 50).check(), Ok(false), "an empty chunk");
    assert_eq!(forged(1, 65_537, 50, 65_587).check(), Ok(false), "a chunk too long");
    assert_eq!(forged(2, 65_537, 50, 65_587).check(), Ok(true), "but not for every profile");
    assert_eq!(forged(2, 262_145, 50, 262_195).check(), Ok(false));
    let empty = Claim { root: tree::root(&[], 0), count: 0, total: 0, ..forged(0, 1, 0, 1) };
    assert_eq!(empty.check(), Ok(false), "a chunk of nothing");
}

#[test]
fn counts_to_the_end_of_32_bits() {
    let leaf = tree::leaf(&([4; 32], 1));
    // The last of 2³² − 1 leaves is alone on the lowest level; all its siblings stand to the left.
    let siblings: Vec<Node> = (0..31u8).map(|level| Node(2 << level, [level; 32])).collect();
    holds_for_the_last_leaf(u32::MAX, leaf, &siblings);
    // That of 2³¹ + 1 has a single sibling, which holds all the others.
    holds_for_the_last_leaf((1 << 31) + 1, leaf, &[Node(1 << 31, [7; 32])]);
}

fn holds_for_the_last_leaf(count: u32, leaf: Node, proof: &[Node]) {
    let top = proof.iter().fold(leaf, |reached, &step| tree::parent(step, reached));
    let root = tree::root_over(top, count, 0);
    let claim = Claim {
        root,
        profile: 0,
        total: top.0,
        count,
        index: count - 1,
        id: [4; 32],
        length: 1,
        proof: steps(proof),
    };
    assert_eq!(claim.check(), Ok(true));
    assert_eq!(Claim { index: count - 2, ..claim.clone() }.check(), Ok(false));
    assert_eq!(Claim { proof: steps(&proof[1..]), ..claim }.check(), Ok(false));
}

#[test]
fn refuses_wrong_shapes_and_totals() {
    let length = |what, actual| Err(CoreError::Length { what, actual, expected: 32 });
    assert_eq!(merkle_verify(&[0; 31], 0, 1, 1, 0, &[0; 32], 1, &[]), length("root", 31));
    assert_eq!(merkle_verify(&[0; 32], 0, 1, 1, 0, &[0; 33], 1, &[]), length("id", 33));
    assert_eq!(merkle_verify(&[0; 32], 0, TOTAL_MAX, 1, 0, &[0; 32], 1, &[]), Ok(false));
    for total in [TOTAL_MAX + 1, u64::MAX] {
        let error = merkle_verify(&[0; 32], 0, total, 1, 0, &[0; 32], 1, &[]).expect_err("too large");
        assert_eq!(error.code(), "CORE_RANGE", "{error}");
    }
}

fn claims() -> impl Strategy<Value = Claim> {
    let ends = prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()];
    let totals = prop_oneof![0..=TOTAL_MAX, any::<u64>()];
    let proofs = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        proptest::collection::vec(any::<[u8; 40]>(), 0..40).prop_map(|steps| steps.concat()),
    ];
    let numbers = (any::<u8>(), totals, ends.clone(), ends.clone(), ends);
    (any::<Hash>(), any::<Hash>(), numbers, proofs).prop_map(|(root, id, numbers, proof)| {
        let (profile, total, count, index, length) = numbers;
        Claim { root, profile, total, count, index, id, length, proof }
    })
}

/// Replaces some parts of a claim by those of another.
fn mixed(honest: &Claim, other: &Claim, parts: u8) -> Claim {
    let mut claim = honest.clone();
    let taken = |part: u8| parts >> part & 1 == 1;
    if taken(0) {
        claim.root = other.root
    }
    if taken(1) {
        claim.profile = other.profile
    }
    if taken(2) {
        claim.total = other.total
    }
    if taken(3) {
        claim.count = other.count
    }
    if taken(4) {
        claim.index = other.index
    }
    if taken(5) {
        claim.id = other.id
    }
    if taken(6) {
        claim.length = other.length
    }
    if taken(7) {
        claim.proof = other.proof.clone()
    }
    claim
}

proptest! {
    #[test]
    fn never_holds_for_what_was_made_up(claim in claims()) {
        let told = claim.check();
        prop_assert!(if claim.total > TOTAL_MAX { told.is_err() } else { told == Ok(false) }, "{told:?}");
    }

    #[test]
    fn never_holds_for_a_wrong_chunk(
        lengths in proptest::collection::vec(1..=65_536u32, 1..50),
        profile in any::<u8>(),
        places in any::<[prop::sample::Index; 2]>(),
        made_up in claims(),
        parts in any::<u8>(),
    ) {
        let scale = max_chunk_bytes(profile) / 65_536;
        let chunks: Vec<Chunk> = lengths
            .iter()
            .enumerate()
            .map(|(i, length)| (tree::hash(&[&i.to_be_bytes()]), length * scale))
            .collect();
        let [here, there] = places.map(|place| place.index(chunks.len()));
        let honest = Claim::honest(&chunks, profile, here);
        prop_assert_eq!(honest.check(), Ok(true));
        for other in [&made_up, &Claim::honest(&chunks, profile, there)] {
            let claim = mixed(&honest, other, parts);
            let told = claim.check();
            let expected = claim == honest || claim == *other && other != &made_up;
            prop_assert_eq!(told.unwrap_or(false), expected, "{:?}", claim);
        }
    }
}
