//! Whose turn it is (consensus page, How it is driven).

use crate::fixture::{member, secret, set_of};
use octroi_chain::{ChainError, ValidatorSet};
use octroi_primitives::{Height, PublicKey, Round};

fn turn(set: &ValidatorSet, height: u64, round: u32) -> usize {
    let key = set.select(Height(height), Round(round)).consensus_key;
    set.position(&key).expect("a member")
}

#[test]
fn without_missed_turns_everybody_proposes_in_turn() {
    let set = set_of(5);
    for height in 0..20 {
        for round in 0..20 {
            assert_eq!(turn(&set, height, round), (height as usize + round as usize) % 5);
        }
    }
    // Both are multiples of 5, and their sum is no u64.
    assert_eq!(turn(&set, u64::MAX, u32::MAX), 0);
}

#[test]
fn quorums_are_more_than_two_thirds_and_a_third() {
    let table = [
        (1, 1, 1, 0),
        (2, 2, 1, 0),
        (3, 3, 2, 0),
        (4, 3, 2, 1),
        (5, 4, 2, 1),
        (6, 5, 3, 1),
        (7, 5, 3, 2),
        (10, 7, 4, 3),
    ];
    for (n, quorum, honest, faulty) in table {
        let set = set_of(n);
        assert_eq!((set.quorum(), set.honest(), set.faulty()), (quorum, honest, faulty), "{n} validators");
    }
}

#[test]
fn a_missed_turn_leaves_out_of_round_zero_for_n_heights() {
    let set = set_of(4);
    let key = |i: usize| set.members()[i].consensus_key;
    // Height 9 was the turn of 1.
    let set = set.with_missed([(key(1), Height(9))]);
    for height in 10..=13 {
        let expected = if height % 4 == 1 { 2 } else { height as usize % 4 };
        assert_eq!(turn(&set, height, 0), expected, "height {height}");
        // Later rounds leave nobody out.
        for round in 1..9 {
            assert_eq!(turn(&set, height, round), (height as usize + round as usize) % 4);
        }
    }
    // n heights later it has its turn again: 14 − 9 > 4, and 17 is the next.
    assert_eq!(turn(&set, 17, 0), 1);
    assert_eq!(set.missed_at(&key(1)), Some(Height(9)));
    assert_eq!(set.missed_at(&key(2)), None);
}

#[test]
fn at_most_a_third_is_left_out_the_latest_first() {
    let set = set_of(7);
    let key = |i: usize| set.members()[i].consensus_key;
    // f = 2: of three recent ones the oldest keeps its turn.
    let set = set.with_missed([(key(3), Height(15)), (key(1), Height(17)), (key(2), Height(16))]);
    assert_eq!(turn(&set, 22, 0), 3, "22 is the turn of 1; 1 and 2 are left out, 3 is not");
    assert_eq!(turn(&set, 23, 0), 3, "23 is the turn of 2; 16 is still within 7 heights");
    assert_eq!(turn(&set, 30, 0), 2, "30 is the turn of 2 again");
}

#[test]
fn selection_is_what_the_rule_says_word_for_word() {
    // An independent, naive reading of the rule, over many sets and heights.
    let mut seed = 1u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for _ in 0..3_000 {
        let n = 1 + random() % 10;
        let height = 1 + random() % 60;
        let set = set_of(n as u8);
        let mut missed: Vec<(usize, u64)> = vec![];
        for i in 0..n {
            let at = random() % height;
            if random() % 2 == 0 && missed.iter().all(|(_, m)| *m != at) {
                missed.push((i as usize, at));
            }
        }
        let keys = missed.iter().map(|(i, at)| (set.members()[*i].consensus_key, Height(*at)));
        let set = set.with_missed(keys.collect::<Vec<_>>());
        let mut recent: Vec<_> = missed.iter().filter(|(_, at)| height - at <= n).collect();
        recent.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
        let out: Vec<usize> = recent.iter().take((n as usize - 1) / 3).map(|(i, _)| *i).collect();
        let expected = (0..n).map(|k| ((height + k) % n) as usize).find(|i| !out.contains(i)).expect("one is left");
        assert_eq!(turn(&set, height, 0), expected, "{n} validators, height {height}, missed {missed:?}");
        assert_eq!(set.due(Height(height)), set.select(Height(height), Round(0)));
        for round in 1..5 {
            assert_eq!(turn(&set, height, round as u32), ((height + round) % n) as usize);
        }
    }
}

#[test]
fn a_turn_is_missed_by_whose_it_was_skips_included() {
    let set = set_of(4);
    let key = |i: usize| set.members()[i].consensus_key;
    assert_eq!(set.missed_turn(Height(9), &key(1)), None);
    assert_eq!(set.missed_turn(Height(9), &key(2)), Some(key(1)));
    // 1 is left out at 13, so the turn is 2's and 2 misses it.
    let set = set.with_missed([(key(1), Height(9))]);
    assert_eq!(set.missed_turn(Height(13), &key(2)), None);
    assert_eq!(set.missed_turn(Height(13), &key(3)), Some(key(2)));
}

#[test]
fn missed_turns_change_neither_hash_nor_members_and_strangers_are_ignored() {
    let set = set_of(4);
    let key = |i: usize| set.members()[i].consensus_key;
    let stranger = secret(99).public();
    let missed = set.with_missed([(key(1), Height(9)), (key(1), Height(5)), (stranger, Height(9))]);
    assert_eq!(missed.hash(), set.hash());
    assert_eq!(missed.members(), set.members());
    assert_eq!(missed.missed_at(&key(1)), Some(Height(9)));
    assert_eq!(missed.missed_at(&stranger), None);
    assert_eq!(missed.with_missed([]), set);
}

#[test]
fn a_set_is_the_same_whoever_lists_it_and_lists_nobody_twice() {
    let keys: Vec<PublicKey> = (0..6).map(|i| secret(i).public()).collect();
    let forwards = ValidatorSet::new(keys.iter().map(|k| member(*k)).collect()).expect("a set");
    let backwards = ValidatorSet::new(keys.iter().rev().map(|k| member(*k)).collect()).expect("a set");
    assert_eq!(forwards, backwards);
    assert_ne!(forwards.hash(), set_of(5).hash());
    let twice = ValidatorSet::new(vec![member(keys[0]), member(keys[1]), member(keys[0])]);
    assert_eq!(twice, Err(ChainError::SetDuplicate(keys[0])));
    assert_eq!(ValidatorSet::new(vec![]), Err(ChainError::SetSize(0)));
}
