//! The state tree against a naive model: a `BTreeMap`, and the root computed from scratch as the format says.

use std::collections::BTreeMap;

use octroi_merkle::tree::{MAX_DEPTH, STATE_LEAF_KEY, STATE_NODE_KEY};
use octroi_merkle::{Leaf, MerkleError, Proof, Tree};
use octroi_primitives::hash::{Hash, hash};
use proptest::prelude::*;

type Model = BTreeMap<[u8; 32], [u8; 32]>;
type Changes = BTreeMap<[u8; 32], Option<[u8; 32]>>;

/// The definition of the state root, written again from the format: no pages, no sharing, no code of the crate.
fn naive_root(pairs: &[([u8; 32], [u8; 32])], depth: usize) -> [u8; 32] {
    match pairs {
        [] => [0; 32],
        [(key, value)] => *blake3::keyed_hash(&STATE_LEAF_KEY, &[*key, *value].concat()).as_bytes(),
        _ => {
            let clear = |key: &[u8; 32]| key[depth / 8] & (0x80 >> (depth % 8)) == 0;
            let (left, right): (Vec<_>, Vec<_>) = pairs.iter().partition(|(key, _)| clear(key));
            let both = [naive_root(&left, depth + 1), naive_root(&right, depth + 1)].concat();
            *blake3::keyed_hash(&STATE_NODE_KEY, &both).as_bytes()
        }
    }
}

fn model_root(model: &Model) -> Hash {
    let pairs: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
    Hash::from_bytes(naive_root(&pairs, 0))
}

fn apply(model: &mut Model, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => drop(model.insert(*key, *value)),
            None => drop(model.remove(key)),
        }
    }
}

fn update(tree: &Tree, changes: &Changes) -> Tree {
    let changes: Vec<_> =
        changes.iter().map(|(key, value)| (Hash::from_bytes(*key), value.map(Hash::from_bytes))).collect();
    tree.update(&changes)
}

fn build(model: &Model) -> Tree {
    let leaf =
        |(key, value): (&[u8; 32], &[u8; 32])| Leaf { key: Hash::from_bytes(*key), value: Hash::from_bytes(*value) };
    let leaves: Vec<Leaf> = model.iter().map(leaf).collect();
    Tree::from_sorted(&leaves).expect("a BTreeMap ascends")
}

/// Keys that often collide and often share long prefixes, down to the last bit, beside keys from everywhere.
fn key() -> impl Strategy<Value = [u8; 32]> {
    let crowded = (0..6_u8, 0..=255_u8).prop_map(|(block, bit)| {
        let mut key = [block; 32];
        key[usize::from(bit) / 8] ^= 0x80 >> (bit % 8);
        key
    });
    let dense = (0..64_u8).prop_map(|first| {
        let mut key = [0x5a; 32];
        key[0] = first << 2;
        key
    });
    prop_oneof![2 => crowded, 2 => dense, 1 => any::<[u8; 32]>()]
}

fn changes(most: usize) -> impl Strategy<Value = Changes> {
    prop::collection::btree_map(key(), prop::option::weighted(0.6, prop::array::uniform32(0..4_u8)), 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_version_has_the_root_and_values_of_the_model(history in prop::collection::vec(changes(40), 1..12), asked in key()) {
        let (mut tree, mut model) = (Tree::new(), Model::new());
        let mut versions = vec![(tree.clone(), model.clone())];
        for changes in &history {
            apply(&mut model, changes);
            tree = update(&tree, changes);
            versions.push((tree.clone(), model.clone()));
        }
        // Read after the last update: an update that reached into an older version would show.
        for (tree, model) in &versions {
            prop_assert_eq!(tree.root(), model_root(model));
            prop_assert_eq!(tree.is_empty(), model.is_empty());
            for key in history.iter().flat_map(Changes::keys).chain([&asked]) {
                let key = Hash::from_bytes(*key);
                prop_assert_eq!(tree.get(&key), model.get(key.as_bytes()).copied().map(Hash::from_bytes));
            }
        }
    }

    #[test]
    fn the_root_does_not_depend_on_history(pairs in changes(60), cuts in prop::collection::vec(any::<u16>(), 60), detour in changes(30)) {
        let mut model = Model::new();
        apply(&mut model, &pairs);
        let at_once = build(&model);

        // One key at a time, in an order of its own.
        let mut order: Vec<_> = model.iter().zip(&cuts).collect();
        order.sort_by_key(|(_, cut)| **cut);
        let mut one_by_one = Tree::new();
        for ((key, value), _) in order {
            one_by_one = update(&one_by_one, &Changes::from([(*key, Some(*value))]));
        }
        prop_assert_eq!(one_by_one.root(), at_once.root());

        // There and back: what was set is removed, what was changed or removed is set again.
        let there = update(&at_once, &detour);
        let back: Changes = detour.keys().map(|key| (*key, model.get(key).copied())).collect();
        prop_assert_eq!(update(&there, &back).root(), at_once.root());
    }

    #[test]
    fn a_removed_key_was_never_there(pairs in changes(40), extra in prop::collection::btree_set(key(), 1..10)) {
        let mut model = Model::new();
        apply(&mut model, &pairs);
        model.retain(|key, _| !extra.contains(key));
        let tree = build(&model);
        let added = update(&tree, &extra.iter().map(|key| (*key, Some([7; 32]))).collect());
        prop_assert_ne!(added.root(), tree.root());
        let removed = update(&added, &extra.iter().map(|key| (*key, None)).collect());
        prop_assert_eq!(removed.root(), tree.root());
        // All the rest too, down to the empty tree.
        let emptied = update(&removed, &model.keys().map(|key| (*key, None)).collect());
        prop_assert_eq!(emptied.root(), Hash::ZERO);
        prop_assert!(emptied.is_empty());
    }

    #[test]
    fn proofs_show_what_the_tree_holds_and_nothing_else(pairs in changes(40), asked in key()) {
        let mut model = Model::new();
        apply(&mut model, &pairs);
        let tree = build(&model);
        let root = tree.root();
        for key in model.keys().chain([&asked]) {
            let proof = tree.prove(&Hash::from_bytes(*key));
            let value = model.get(key).map(|value| Hash::from_bytes(*value));
            let key = Hash::from_bytes(*key);
            prop_assert_eq!(proof.claims_presence(), value.is_some());
            prop_assert_eq!(proof.verify(&root, &key, value.as_ref()), Ok(()));
            prop_assert_eq!(Proof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
            let other_value = Hash::from_bytes([9; 32]);
            prop_assert!(proof.verify(&root, &key, Some(&other_value)).is_err());
            if value.is_some() {
                prop_assert!(proof.verify(&root, &key, None).is_err());
            }
            prop_assert!(proof.verify(&Hash::from_bytes([1; 32]), &key, value.as_ref()).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_read_only_one_way(mut bytes in prop::collection::vec(any::<u8>(), 0..400), sensible in any::<bool>()) {
        if sensible && bytes.len() > 3 {
            bytes[0] %= 4;
            bytes[1] = 0;
            bytes[2] = u8::try_from(bytes.len() / 32).expect("short");
        }
        if let Ok(proof) = Proof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
        }
    }
}

proptest! {
    // Each case checks some thousand forgeries.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_proof_with_any_byte_changed_fails(pairs in changes(24), asked in key(), flip in 1..=255_u8) {
        let mut model = Model::new();
        apply(&mut model, &pairs);
        let tree = build(&model);
        for key in model.keys().take(2).chain([&asked]) {
            let value = model.get(key).map(|value| Hash::from_bytes(*value));
            let key = Hash::from_bytes(*key);
            assert_tampering_fails(&tree.prove(&key).to_bytes(), flip, &tree.root(), &key, value.as_ref());
        }
    }
}

fn assert_tampering_fails(bytes: &[u8], flip: u8, root: &Hash, key: &Hash, value: Option<&Hash>) {
    let accepts = |bytes: &[u8]| Proof::from_bytes(bytes).and_then(|proof| proof.verify(root, key, value)).is_ok();
    assert!(accepts(bytes));
    for place in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[place] ^= flip;
        assert!(!accepts(&changed), "byte {place} of {} flipped with {flip:#04x}", bytes.len());
        assert!(!accepts(&bytes[..place]), "cut to {place} bytes");
    }
    assert!(!accepts(&[bytes, &[0]].concat()));
    assert!(!accepts(&[bytes, &[0; 32]].concat()));
}

fn bits(places: &[usize]) -> Hash {
    let mut key = [0; 32];
    for place in places {
        key[place / 8] |= 0x80 >> (place % 8);
    }
    Hash::from_bytes(key)
}

fn tree_of(keys: &[Hash]) -> Tree {
    let mut leaves: Vec<Leaf> =
        keys.iter().map(|key| Leaf { key: *key, value: hash("value", &[key.as_bytes()]) }).collect();
    leaves.sort();
    Tree::from_sorted(&leaves).expect("distinct keys")
}

#[test]
fn keys_that_differ_in_the_last_bit_have_the_longest_path() {
    let (zero, last) = (bits(&[]), bits(&[255]));
    let tree = tree_of(&[zero, last]);
    let proof = tree.prove(&last);
    assert_eq!(proof.to_bytes().len(), 3 + 32 * MAX_DEPTH);
    assert_eq!(proof.verify(&tree.root(), &last, tree.get(&last).as_ref()), Ok(()));
    assert_tampering_fails(&proof.to_bytes(), 0x01, &tree.root(), &last, tree.get(&last).as_ref());
    // Removing one lifts the other from the bottom to the top.
    assert_eq!(tree.update(&[(last, None)]).root(), tree_of(&[zero]).root());
}

#[test]
fn absence_beside_a_leaf_with_a_common_prefix_is_shown_by_that_leaf() {
    // The keys share 100 bits; the third forks off at bit 3 and leaves the first alone from depth 4 on.
    let (held, absent, forked) = (bits(&[]), bits(&[100]), bits(&[3]));
    let tree = tree_of(&[held, forked]);
    let proof = tree.prove(&absent);
    let bytes = proof.to_bytes();
    assert_eq!(bytes[0], 2, "it ends in the leaf of another key");
    assert_eq!(bytes.len(), 3 + 4 * 32 + 64);
    assert_eq!(&bytes[3 + 4 * 32..3 + 5 * 32], held.as_bytes());
    assert_eq!(proof.verify(&tree.root(), &absent, None), Ok(()));
    // The same path does not show that a key elsewhere, or the held key itself, is absent.
    let elsewhere = MerkleError::OtherLeafElsewhere { depth: 4 };
    assert_eq!(proof.verify(&tree.root(), &bits(&[0]), None), Err(elsewhere));
    assert_eq!(proof.verify(&tree.root(), &forked, None), Err(elsewhere));
    assert_eq!(proof.verify(&tree.root(), &held, None), Err(elsewhere));
}

#[test]
fn absence_in_an_empty_subtree_is_shown_by_nothing_being_there() {
    let tree = tree_of(&[bits(&[1]), bits(&[1, 2])]);
    // Both keys begin with 01: the subtrees 1 and 00 are empty.
    for (absent, siblings) in [(bits(&[0]), 1), (bits(&[5]), 2)] {
        let proof = tree.prove(&absent);
        assert_eq!((proof.to_bytes()[0], proof.to_bytes().len()), (1, 3 + 32 * siblings));
        assert_eq!(proof.verify(&tree.root(), &absent, None), Ok(()));
        let present = proof.verify(&tree.root(), &absent, Some(&Hash::ZERO));
        assert_eq!(present, Err(MerkleError::WrongEnding { claim: "present", found: "an empty subtree" }));
    }
}

#[test]
fn the_empty_tree_proves_every_absence_and_has_the_zero_root() {
    let proof = Tree::new().prove(&bits(&[7]));
    assert_eq!(Tree::new().root(), Hash::ZERO);
    assert_eq!(proof.to_bytes(), [1, 0, 0]);
    assert_eq!(proof.verify(&Hash::ZERO, &bits(&[7]), None), Ok(()));
}

#[test]
fn the_root_of_one_pair_is_its_leaf_hash() {
    let (key, value) = (bits(&[1]), bits(&[2]));
    let tree = Tree::new().update(&[(key, Some(value))]);
    let leaf = blake3::keyed_hash(&STATE_LEAF_KEY, &[*key.as_bytes(), *value.as_bytes()].concat());
    assert_eq!(tree.root().as_bytes(), leaf.as_bytes());
    assert_eq!(tree.prove(&key).to_bytes(), [0, 0, 0]);
}

#[test]
fn leaves_out_of_order_or_twice_are_refused_with_their_position() {
    let leaf = |place: usize| Leaf { key: bits(&[place]), value: Hash::ZERO };
    assert_eq!(Tree::from_sorted(&[leaf(9), leaf(7), leaf(8)]).err(), Some(MerkleError::NotAscending { position: 2 }));
    assert_eq!(Tree::from_sorted(&[leaf(9), leaf(9)]).err(), Some(MerkleError::NotAscending { position: 1 }));
}

#[test]
#[should_panic(expected = "ascend strictly")]
fn changes_out_of_order_never_reach_a_root() {
    let _ = Tree::new().update(&[(bits(&[1]), None), (bits(&[2]), None)]);
}

#[test]
fn a_path_longer_than_a_key_is_refused_before_it_is_read() {
    let bytes = [&[1, 1, 1][..], &[0; 257 * 32]].concat();
    assert_eq!(Proof::from_bytes(&bytes), Err(MerkleError::PathTooLong { found: 257, limit: 256 }));
    assert_eq!(Proof::from_bytes(&[3, 0, 0]), Err(MerkleError::UnknownEnding { found: 3 }));
    let cut = MerkleError::Length { what: "state proof", expected: 3 + 32 + 64, found: 3 + 64 };
    assert_eq!(Proof::from_bytes(&[&[2, 0, 1][..], &[0; 64]].concat()), Err(cut));
}

#[test]
fn a_large_tree_agrees_with_the_definition_after_large_batches() {
    let id = |i: u64| *hash("key", &[&i.to_be_bytes()]).as_bytes();
    let mut model: Model = (0..20_000).map(|i| (id(i), id(i + 1))).collect();
    let mut tree = build(&model);
    assert_eq!(tree.root(), model_root(&model));
    for round in 0..5_u64 {
        let changes: Changes = (0..3_000)
            .map(|i| (id(round * 977 + i * 5), (i % 3 != 0).then(|| id(i + round))))
            .chain((0..500).map(|i| (id(1_000_000 + round * 400 + i), Some(id(i)))))
            .collect();
        apply(&mut model, &changes);
        tree = update(&tree, &changes);
        assert_eq!(tree.root(), model_root(&model), "round {round}");
    }
    let survivors: Changes = model.keys().skip(3).map(|key| (*key, None)).collect();
    apply(&mut model, &survivors);
    assert_eq!(update(&tree, &survivors).root(), model_root(&model));
}
