//! The guard: what is never signed, and what survives torn writes.

use crate::network::{NETWORK, block, secret, set_of_size};
use octroi_consensus::{
    Consensus, Effect, Guard, Message, SIGN_STATE_BYTES, SLOT_BYTES, SLOT_OFFSETS, SignState, SignStateError, Signing,
    Step, Timeouts,
};
use octroi_primitives::{Height, NetworkId, Round};

fn guard() -> Guard {
    Guard::new(secret(0), SignState::new(NETWORK, secret(0).public())).expect("its own state")
}

fn is_new(signing: Signing) -> bool {
    matches!(signing, Signing::New(_))
}

#[test]
fn only_what_lies_above_the_last_thing_signed_is_signed() {
    let at = |h, r, step| (Height(h), Round(r), step);
    let mut g = guard();
    for (h, r, step) in [at(5, 1, Step::Proposal), at(5, 1, Step::Prevote), at(5, 1, Step::Precommit)] {
        assert!(is_new(g.sign(h, r, step, b"a".to_vec())));
    }
    for (h, r, step) in
        [at(4, 9, Step::Precommit), at(5, 0, Step::Precommit), at(5, 1, Step::Proposal), at(5, 1, Step::Prevote)]
    {
        assert_eq!(g.sign(h, r, step, b"a".to_vec()), Signing::Refused, "{h} {r} {step:?}");
    }
    assert_eq!(g.sign(Height(5), Round(1), Step::Precommit, b"b".to_vec()), Signing::Refused);
    assert!(is_new(g.sign(Height(5), Round(2), Step::Prevote, b"b".to_vec())));
    assert!(is_new(g.sign(Height(6), Round(0), Step::Prevote, b"b".to_vec())));
}

#[test]
fn the_same_bytes_get_the_same_signature_again() {
    let mut g = guard();
    let Signing::New(first) = g.sign(Height(5), Round(1), Step::Prevote, b"a".to_vec()) else { panic!("refused") };
    assert_eq!(g.sign(Height(5), Round(1), Step::Prevote, b"a".to_vec()), Signing::Again(first));
}

#[test]
fn slots_are_written_in_turns_and_a_torn_write_leaves_the_other() {
    let mut g = guard();
    let mut file = g.state().file();
    assert_eq!(file.len(), SIGN_STATE_BYTES);
    let mut offsets = vec![];
    for round in 0..4 {
        g.sign(Height(1), Round(round), Step::Prevote, vec![round as u8]);
        let write = g.take_write().expect("something was signed");
        assert_eq!(g.take_write(), None);
        offsets.push(write.offset);
        for torn in 0..=SLOT_BYTES {
            let mut half = file.clone();
            half[write.offset..write.offset + torn].copy_from_slice(&write.bytes[..torn]);
            let read = SignState::read(&half, &NETWORK, &g.public()).expect("one slot is whole");
            let last = read.last().map(|l| l.round);
            let expected = [round.checked_sub(1).map(Round), Some(Round(round))];
            assert!(expected.contains(&last), "torn at {torn}: {last:?}");
        }
        file[write.offset..write.offset + SLOT_BYTES].copy_from_slice(&write.bytes);
        assert_eq!(SignState::read(&file, &NETWORK, &g.public()).expect("whole").last(), g.state().last());
    }
    assert_eq!(offsets, [SLOT_OFFSETS[1], SLOT_OFFSETS[0], SLOT_OFFSETS[1], SLOT_OFFSETS[0]]);
}

#[test]
fn a_written_out_state_goes_on_without_losing_its_newest_slot() {
    for signed in 1..4u32 {
        let mut g = guard();
        for round in 0..signed {
            g.sign(Height(1), Round(round), Step::Prevote, vec![1]);
            g.take_write().expect("something was signed");
        }
        let mut file = g.state().file();
        let state = SignState::read(&file, &NETWORK, &g.public()).expect("whole");
        let mut next = Guard::new(secret(0), state).expect("its own state");
        next.sign(Height(2), Round(0), Step::Prevote, vec![2]);
        let write = next.take_write().expect("something was signed");
        // A torn write of the new slot must leave the newest old one.
        file[write.offset] ^= 1;
        let read = SignState::read(&file, &NETWORK, &g.public()).expect("one slot is whole");
        assert_eq!(read.last(), g.state().last());
        file[write.offset..write.offset + SLOT_BYTES].copy_from_slice(&write.bytes);
        let read = SignState::read(&file, &NETWORK, &g.public()).expect("whole");
        assert_eq!(read.last(), next.state().last());
    }
}

#[test]
fn any_flipped_bit_of_a_slot_voids_it() {
    let mut g = guard();
    g.sign(Height(3), Round(2), Step::Precommit, vec![1; 90]);
    let mut file = g.state().file();
    // The other slot is void from here on, so a damaged one is an error.
    file[SLOT_OFFSETS[1]] ^= 1;
    for bit in 0..SLOT_BYTES * 8 {
        let mut damaged = file.clone();
        damaged[SLOT_OFFSETS[0] + bit / 8] ^= 1 << (bit % 8);
        let read = SignState::read(&damaged, &NETWORK, &g.public());
        assert_eq!(read, Err(SignStateError::Damaged), "bit {bit}");
    }
}

#[test]
fn a_sign_state_serves_one_key_and_one_network() {
    let file = guard().state().file();
    let other = NetworkId::from_bytes([8; 32]);
    let read = |network, key| SignState::read(&file, network, &key);
    assert_eq!(read(&NETWORK, secret(1).public()), Err(SignStateError::OtherKey(secret(0).public())));
    assert_eq!(read(&other, secret(0).public()), Err(SignStateError::OtherNetwork(NETWORK)));
    assert_eq!(SignState::read(&file[1..], &NETWORK, &secret(0).public()), Err(SignStateError::Length(8191)));
    let state = SignState::new(NETWORK, secret(0).public());
    assert!(matches!(Guard::new(secret(1), state), Err(SignStateError::OtherKey(_))));
}

#[test]
fn an_import_takes_the_maximum() {
    let signed = |h, r| {
        let mut g = guard();
        g.sign(Height(h), Round(r), Step::Prevote, vec![]);
        g.state().clone()
    };
    let position = |s: &SignState| s.last().map(|l| (l.height, l.round));
    for (a, b) in [((5, 0), (4, 9)), ((4, 9), (5, 0))] {
        let most = signed(a.0, a.1).maximum(signed(b.0, b.1));
        assert_eq!(position(&most), Some((Height(5), Round(0))));
    }
    let fresh = SignState::new(NETWORK, secret(0).public());
    assert_eq!(position(&fresh.maximum(signed(1, 0))), Some((Height(1), Round(0))));
}

#[test]
fn a_store_more_than_one_height_below_what_was_signed_is_refused() {
    let mut g = guard();
    g.sign(Height(10), Round(0), Step::Prevote, vec![]);
    assert_eq!(g.state().fits_store(Height(9)), Ok(()));
    assert_eq!(g.state().fits_store(Height(10)), Ok(()));
    let behind = SignStateError::StoreBehind { store: Height(8), signed: Height(10) };
    assert_eq!(g.state().fits_store(Height(8)), Err(behind));
}

#[test]
fn a_validator_whose_log_was_lost_stays_silent_where_it_signed() {
    // It proposed and voted in round 0 of height 1, then lost its log but not its sign state.
    let set = set_of_size(1);
    let mut g = guard();
    g.sign(Height(1), Round(0), Step::Precommit, b"something else".to_vec());
    let state = g.state().clone();
    let guard = Guard::new(secret(0), state).expect("its own state");
    let mut consensus = Consensus::new(guard, Timeouts::default(), Height(0), set.clone());
    consensus.start_height(Height(1), set.clone(), &[]).expect("a fresh log");
    let block = block(None, &set, Round(0), b"valid");
    let effects = consensus.propose(Height(1), Round(0), block.id()).expect("no fault");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Publish(_))), "{effects:?}");
    assert!(!effects.iter().any(|e| matches!(e, Effect::WriteSignState(_))), "{effects:?}");
    assert!(consensus.refused() > 0);
    // The rebroadcast timer sends nothing either.
    let timers: Vec<_> = effects
        .iter()
        .filter_map(|e| match e {
            Effect::StartTimer { timeout, .. } => Some(*timeout),
            _ => None,
        })
        .collect();
    for timeout in timers {
        let effects = consensus.timeout(timeout).expect("no fault");
        let own_vote = |e: &Effect| matches!(e, Effect::Publish(Message::Vote(v)) if v.vote.round == Round(0));
        assert!(!effects.iter().any(own_vote), "{effects:?}");
    }
}
