//! Logs against the published vectors of RFC 6962 implementations and against the RFC's own recursion.

use std::ops::Range;

use octroi_merkle::log::{
    Blake3List, Frontier, LogHash, Sha256Log, consistency_path, inclusion_path, leaf_hashes, root,
};
use octroi_merkle::{ConsistencyProof, InclusionProof, LogFrontier, MerkleError, blake3_root};
use octroi_primitives::hash::{Hash, hash};
use proptest::prelude::*;

/// The eight entries on which implementations of RFC 6962 are compared.
const ENTRIES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The root of the first 0, 1, … 8 of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// (entry, size, path): inclusion.
const INCLUSION: [(u64, usize, &[&str]); 4] = [
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// (old, new, path): consistency.
const CONSISTENCY: [(u64, usize, &[&str]); 3] = [
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("a vector is hexadecimal"))
        .collect()
}

fn hash_of(text: &str) -> Hash {
    Hash::from_bytes(bytes(text).try_into().expect("a vector has 32 bytes"))
}

fn vector_leaves(size: usize) -> Vec<Hash> {
    ENTRIES[..size].iter().map(|entry| Sha256Log::leaf(&bytes(entry))).collect()
}

#[test]
fn roots_and_frontiers_are_those_of_rfc_6962() {
    let mut frontier = LogFrontier::new();
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(root::<Sha256Log>(&vector_leaves(size)), hash_of(expected), "size {size}");
        assert_eq!((frontier.len(), frontier.root()), (size as u64, hash_of(expected)));
        if let Some(entry) = ENTRIES.get(size) {
            frontier.push(&bytes(entry));
        }
    }
}

#[test]
fn paths_are_those_of_rfc_6962() {
    for (index, size, path) in INCLUSION {
        let proof = InclusionProof::new::<Sha256Log>(&vector_leaves(size), index).expect("inside");
        assert_eq!(proof.path(), path.iter().map(|hash| hash_of(hash)).collect::<Vec<_>>(), "entry {index} of {size}");
        let entry = bytes(ENTRIES[index as usize]);
        assert_eq!(proof.verify::<Sha256Log>(&entry, index, size as u64, &hash_of(ROOTS[size])), Ok(()));
    }
    for (old, new, path) in CONSISTENCY {
        let proof = ConsistencyProof::new::<Sha256Log>(&vector_leaves(new), old).expect("growing");
        assert_eq!(proof.path(), path.iter().map(|hash| hash_of(hash)).collect::<Vec<_>>(), "{old} to {new}");
        let (old_root, new_root) = (hash_of(ROOTS[old as usize]), hash_of(ROOTS[new]));
        assert_eq!(proof.verify::<Sha256Log>(old, &old_root, new as u64, &new_root), Ok(()));
    }
}

/// RFC 6962, 2.1.1, word for word: PATH(m, D[n]).
fn rfc_path(m: u64, tree: Range<u64>) -> Vec<Range<u64>> {
    let n = tree.end - tree.start;
    if n == 1 {
        return Vec::new();
    }
    let k = largest_power_below(n);
    let (left, right) = (tree.start..tree.start + k, tree.start + k..tree.end);
    if m < k { [rfc_path(m, left), vec![right]].concat() } else { [rfc_path(m - k, right), vec![left]].concat() }
}

/// RFC 6962, 2.1.2, word for word: SUBPROOF(m, D[n], b).
fn rfc_subproof(m: u64, tree: Range<u64>, b: bool) -> Vec<Range<u64>> {
    let n = tree.end - tree.start;
    if m == n {
        return if b { Vec::new() } else { vec![tree] };
    }
    let k = largest_power_below(n);
    let (left, right) = (tree.start..tree.start + k, tree.start + k..tree.end);
    if m <= k {
        [rfc_subproof(m, left, b), vec![right]].concat()
    } else {
        [rfc_subproof(m - k, right, false), vec![left]].concat()
    }
}

fn largest_power_below(n: u64) -> u64 {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

#[test]
fn path_ranges_are_those_of_the_rfc_for_every_size_to_seventy() {
    for size in 1..=70 {
        for index in 0..size {
            assert_eq!(inclusion_path(index, size), Ok(rfc_path(index, 0..size)), "entry {index} of {size}");
            let old = index + 1;
            assert_eq!(consistency_path(old, size), Ok(rfc_subproof(old, 0..size, true)), "{old} to {size}");
        }
    }
}

#[test]
fn paths_of_the_largest_log_are_short_and_do_not_overflow() {
    let path = inclusion_path(u64::MAX - 1, u64::MAX).expect("inside");
    assert_eq!(path.len(), 63);
    assert!(consistency_path(u64::MAX - 1, u64::MAX).expect("growing").len() <= 65);
    let proof = InclusionProof::from_path(vec![Hash::ZERO; 63]).expect("short");
    assert_eq!(proof.verify::<Sha256Log>(b"", u64::MAX - 1, u64::MAX, &Hash::ZERO), Err(MerkleError::RootMismatch));
    let proof = ConsistencyProof::from_path(vec![Hash::ZERO; 63]).expect("short");
    assert!(proof.verify::<Sha256Log>(u64::MAX - 1, &Hash::ZERO, u64::MAX, &Hash::ZERO).is_err());
    let long = InclusionProof::from_path(vec![Hash::ZERO; 66]);
    assert_eq!(long, Err(MerkleError::PathTooLong { found: 66, limit: 65 }));
}

fn entries(size: u64) -> Vec<Hash> {
    (0..size).map(|i| hash("entry", &[&i.to_be_bytes()])).collect()
}

fn every_proof_holds_and_none_other<H: LogHash>() {
    let entries = entries(40);
    let leaves = leaf_hashes::<H>(&entries);
    let roots: Vec<Hash> = (0..=leaves.len()).map(|size| root::<H>(&leaves[..size])).collect();
    for size in 0..=leaves.len() {
        for index in 0..size {
            let proof = InclusionProof::new::<H>(&leaves[..size], index as u64).expect("inside");
            let check = |entry: usize, index: usize, size: usize, root: usize| {
                proof.verify::<H>(entries[entry].as_bytes(), index as u64, size as u64, &roots[root])
            };
            assert_eq!(check(index, index, size, size), Ok(()));
            let next = (index + 1) % size;
            assert!(next == index || check(next, index, size, size).is_err(), "another entry");
            assert!(next == index || check(index, next, size, size).is_err(), "another position");
            assert!(check(index, index, size, size - 1).is_err(), "another root");
            assert!(check(index, size, size, size).is_err(), "outside");
        }
        for old in 0..=size {
            let proof = ConsistencyProof::new::<H>(&leaves[..size], old as u64).expect("growing");
            let check = |old: usize, old_root: &Hash, new: usize, new_root: &Hash| {
                proof.verify::<H>(old as u64, old_root, new as u64, new_root)
            };
            assert_eq!(check(old, &roots[old], size, &roots[size]), Ok(()), "{old} to {size}");
            let wrong = hash("wrong", &[]);
            assert!(check(old, &wrong, size, &roots[size]).is_err(), "{old} to {size}: another old root");
            // Of nothing, every log is a continuation: only then is the new root free.
            assert_eq!(
                check(old, &roots[old], size, &wrong).is_ok(),
                old == 0 && size > 0,
                "{old} to {size}: another new root"
            );
        }
        let descending = ConsistencyProof::new::<H>(&leaves[..size], size as u64 + 1);
        assert_eq!(descending, Err(MerkleError::SizesDescend { old: size as u64 + 1, new: size as u64 }));
        let outside = InclusionProof::new::<H>(&leaves[..size], size as u64);
        assert_eq!(outside, Err(MerkleError::IndexOutside { index: size as u64, size: size as u64 }));
    }
}

#[test]
fn every_proof_over_sha_256_holds_and_none_other() {
    every_proof_holds_and_none_other::<Sha256Log>();
}

#[test]
fn every_proof_over_blake3_holds_and_none_other() {
    every_proof_holds_and_none_other::<Blake3List>();
}

/// The path with one byte changed, one hash missing, twice, or added, everywhere.
fn tampered(path: &[Hash], flip: u8) -> Vec<Vec<Hash>> {
    let mut forged = Vec::new();
    for place in 0..path.len() {
        for at in 0..32 {
            let mut bytes = *path[place].as_bytes();
            bytes[at] ^= flip;
            let mut changed = path.to_vec();
            changed[place] = Hash::from_bytes(bytes);
            forged.push(changed);
        }
        let mut shorter = path.to_vec();
        let twice = shorter.remove(place);
        forged.push(shorter);
        let mut longer = path.to_vec();
        longer.insert(place, twice);
        forged.push(longer);
    }
    forged.push([path, &[Hash::ZERO]].concat());
    forged.push([&[Hash::ZERO], path].concat());
    forged
}

/// Why a forged path is refused: the sizes alone say how long it must be.
fn reason(found: usize, expected: usize, size: u64) -> MerkleError {
    if found == expected { MerkleError::RootMismatch } else { MerkleError::PathLength { found, size } }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_proof_with_anything_changed_fails(size in 1..300_u64, part in 0..300_u64, flip in 1..=255_u8) {
        let entries = entries(size);
        let leaves = leaf_hashes::<Sha256Log>(&entries);
        let new_root = root::<Sha256Log>(&leaves);
        let index = part % size;
        let inclusion = InclusionProof::new::<Sha256Log>(&leaves, index).expect("inside");
        let entry = entries[index as usize].as_bytes();
        for path in tampered(inclusion.path(), flip) {
            let error = reason(path.len(), inclusion.path().len(), size);
            let forged = InclusionProof::from_path(path).expect("short");
            prop_assert_eq!(forged.verify::<Sha256Log>(entry, index, size, &new_root), Err(error));
        }
        let old = index + 1;
        let old_root = root::<Sha256Log>(&leaves[..old as usize]);
        let consistency = ConsistencyProof::new::<Sha256Log>(&leaves, old).expect("growing");
        for path in tampered(consistency.path(), flip) {
            let error = reason(path.len(), consistency.path().len(), size);
            let forged = ConsistencyProof::from_path(path).expect("short");
            prop_assert_eq!(forged.verify::<Sha256Log>(old, &old_root, size, &new_root), Err(error));
        }
    }

    #[test]
    fn a_frontier_survives_its_bytes_at_any_size(size in 0..600_u64, more in 0..40_u64) {
        let entries = entries(size + more);
        let (before, after) = entries.split_at(size as usize);
        let mut frontier = LogFrontier::new();
        before.iter().for_each(|entry| frontier.push(entry.as_bytes()));
        prop_assert_eq!(frontier.root(), root::<Sha256Log>(&leaf_hashes::<Sha256Log>(before)));
        let mut restored = LogFrontier::from_bytes(&frontier.to_bytes()).expect("its own bytes");
        prop_assert_eq!(&restored, &frontier);
        after.iter().for_each(|entry| restored.push(entry.as_bytes()));
        prop_assert_eq!(restored.root(), root::<Sha256Log>(&leaf_hashes::<Sha256Log>(&entries)));
    }

    #[test]
    fn the_frontier_over_blake3_has_the_root_of_the_list(size in 0..300_u64) {
        let entries = entries(size);
        let mut frontier = Frontier::<Blake3List>::new();
        entries.iter().for_each(|entry| frontier.push(entry.as_bytes()));
        prop_assert_eq!(frontier.root(), blake3_root(&entries));
    }
}

#[test]
fn a_frontier_of_the_wrong_length_is_refused() {
    let refused = |bytes: &[u8], expected| {
        let error = MerkleError::Length { what: "log frontier", expected, found: bytes.len() };
        assert_eq!(LogFrontier::from_bytes(bytes), Err(error));
    };
    refused(&[0; 7], 8);
    refused(&[0; 9], 8);
    refused(&[0; 40], 8);
    let three = [&3_u64.to_be_bytes()[..], &[1; 64]].concat();
    assert!(LogFrontier::from_bytes(&three).is_ok());
    refused(&three[..71], 72);
    refused(&[&three[..], &[1]].concat(), 72);
    let parts = LogFrontier::from_parts(3, vec![Hash::ZERO]);
    assert_eq!(parts, Err(MerkleError::PathLength { found: 1, size: 3 }));
}
