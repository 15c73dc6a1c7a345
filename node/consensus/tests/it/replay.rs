//! Replay of the log: recorded signatures are used again, and a log that cannot have been ours stops the node.

use crate::network::{NETWORK, block, secret, set_of_size};
use octroi_chain::{Canonical as _, Proposal, ValidatorSet, Vote, VoteKind};
use octroi_consensus::{
    Consensus, ConsensusError, Effect, Guard, LogEntry, Message, SignState, Timeout, TimeoutKind, Timeouts, Validity,
};
use octroi_primitives::{BlockId, Height, PublicKey, Round};

/// The member whose turn it is, and another.
fn fixture() -> (ValidatorSet, usize, usize) {
    let set = set_of_size(4);
    let due = set.due(Height(1)).consensus_key;
    let position = |key: PublicKey| (0..4).find(|i| secret(*i).public() == key).expect("a member");
    let proposer = position(due);
    (set, proposer, (proposer + 1) % 4)
}

fn fresh(i: usize, set: &ValidatorSet) -> Consensus {
    let guard = Guard::new(secret(i), SignState::new(NETWORK, secret(i).public())).expect("its own state");
    Consensus::new(guard, Timeouts::default(), Height(0), set.clone())
}

/// What is sent, the proposal before the vote.
fn own_messages(effects: &[Effect]) -> Vec<Message> {
    let message = |e: &Effect| match e {
        Effect::Publish(m) => Some(m.clone()),
        _ => None,
    };
    let mut sent: Vec<_> = effects.iter().filter_map(message).collect();
    sent.sort_by_key(|m| matches!(m, Message::Vote(_)));
    sent
}

fn entries(effects: &[Effect]) -> Vec<LogEntry> {
    let entry = |e: &Effect| match e {
        Effect::LogAppend { entry, .. } => Some(LogEntry::decode(entry).expect("our own encoding")),
        _ => None,
    };
    effects.iter().filter_map(entry).collect()
}

#[test]
fn a_proposer_that_restarts_sends_what_it_signed_and_logs_nothing_twice() {
    let (set, proposer, _) = fixture();
    let mut first = fresh(proposer, &set);
    let effects = first.start_height(Height(1), set.clone(), &[]).expect("a new log");
    assert!(effects.iter().any(|e| matches!(e, Effect::GetValue { round: Round(0), .. })));
    let block = block(None, &set, Round(0), b"valid");
    let effects = first.propose(Height(1), Round(0), block.id()).expect("no fault");
    let sent = own_messages(&effects);
    assert!(matches!(sent[..], [Message::Proposal(_), Message::Vote(_)]), "{sent:?}");
    let log = entries(&effects);

    let mut second = fresh(proposer, &set);
    let effects = second.start_height(Height(1), set, &log).expect("the log is ours");
    assert_eq!(own_messages(&effects), sent);
    assert!(effects.contains(&Effect::Restream { height: Height(1), block: block.id() }));
    assert_eq!(entries(&effects), []);
    // The sign state had not been written before the crash: it is before anything is sent.
    let barrier = effects.iter().position(|e| matches!(e, Effect::Barrier)).expect("a barrier");
    let write = effects.iter().position(|e| matches!(e, Effect::WriteSignState(_))).expect("a write");
    let publish = effects.iter().position(|e| matches!(e, Effect::Publish(_))).expect("a message");
    assert!(write < barrier && barrier < publish);
    assert!(!effects.iter().any(|e| matches!(e, Effect::GetValue { .. })), "the proposal stands in the log");
    assert_eq!(second.sign_state().last(), first.sign_state().last());
}

#[test]
fn a_log_that_ends_before_the_own_vote_leads_to_it() {
    let (set, proposer, other) = fixture();
    let block = block(None, &set, Round(0), b"valid").id();
    let key = secret(proposer);
    let proposal =
        Proposal { height: Height(1), round: Round(0), block, lock: None, proposer: key.public() }.sign(&NETWORK, &key);
    let value = LogEntry::Value {
        height: Height(1),
        round: Round(0),
        block,
        proposer: key.public(),
        validity: Validity::Valid,
    };
    let log = [LogEntry::Proposal(proposal), value];
    let effects = fresh(other, &set).start_height(Height(1), set.clone(), &log).expect("a fine log");
    let sent = own_messages(&effects);
    let [Message::Vote(vote)] = &sent[..] else { panic!("{sent:?}") };
    assert_eq!((vote.vote.kind, vote.vote.block), (VoteKind::Prevote, Some(block)));
    assert_eq!(entries(&effects), [LogEntry::Vote(*vote)]);
}

#[test]
fn a_log_with_another_own_vote_than_it_leads_to_stops_the_node() {
    let (set, proposer, other) = fixture();
    let block = block(None, &set, Round(0), b"valid").id();
    let (theirs, ours) = (secret(proposer), secret(other));
    let proposal = Proposal { height: Height(1), round: Round(0), block, lock: None, proposer: theirs.public() };
    let vote = Vote {
        kind: VoteKind::Prevote,
        height: Height(1),
        round: Round(0),
        block: Some(BlockId::from_bytes([3; 32])),
        validator: ours.public(),
    };
    let log = [
        LogEntry::Proposal(proposal.sign(&NETWORK, &theirs)),
        LogEntry::Value {
            height: Height(1),
            round: Round(0),
            block,
            proposer: theirs.public(),
            validity: Validity::Valid,
        },
        LogEntry::Vote(vote.sign(&NETWORK, &ours)),
    ];
    let result = fresh(other, &set).start_height(Height(1), set.clone(), &log);
    assert!(matches!(result, Err(ConsensusError::ReplayDivergence(_))), "{result:?}");
}

#[test]
fn a_message_in_our_name_that_we_did_not_sign_stops_the_node() {
    let (set, _, other) = fixture();
    let vote = Vote {
        kind: VoteKind::Prevote,
        height: Height(1),
        round: Round(0),
        block: None,
        validator: secret(other).public(),
    };
    let log = [LogEntry::Vote(vote.sign(&NETWORK, &secret((other + 1) % 4)))];
    let result = fresh(other, &set).start_height(Height(1), set.clone(), &log);
    assert_eq!(result, Err(ConsensusError::ForeignOwnMessage(Height(1))));
}

#[test]
fn a_log_of_another_height_is_refused() {
    let (set, _, other) = fixture();
    let timeout = Timeout { height: Height(2), round: Round(0), kind: TimeoutKind::Propose };
    let result = fresh(other, &set).start_height(Height(1), set.clone(), &[LogEntry::Timeout(timeout)]);
    assert!(matches!(result, Err(ConsensusError::LogEntry(_))), "{result:?}");
}

#[test]
fn heights_start_upwards_only() {
    let (set, _, other) = fixture();
    let mut c = fresh(other, &set);
    c.start_height(Height(3), set.clone(), &[]).expect("above what is committed");
    for asked in [Height(3), Height(2), Height(0)] {
        let result = c.start_height(asked, set.clone(), &[]);
        assert_eq!(result, Err(ConsensusError::Start { asked, committed: Height(2) }));
    }
}

#[test]
fn log_entries_decode_to_what_was_encoded_and_nothing_else_decodes() {
    let key = secret(0);
    let vote =
        Vote { kind: VoteKind::Precommit, height: Height(9), round: Round(3), block: None, validator: key.public() };
    let block = BlockId::from_bytes([5; 32]);
    let proposal = Proposal { height: Height(9), round: Round(3), block, lock: Some(Round(2)), proposer: key.public() };
    let polka = octroi_chain::PolkaCertificate::of_prevotes(Height(9), Round(2), block, []);
    let value =
        |validity| LogEntry::Value { height: Height(9), round: Round(3), block, proposer: key.public(), validity };
    let mut all = vec![
        LogEntry::Vote(vote.sign(&NETWORK, &key)),
        LogEntry::Proposal(proposal.sign(&NETWORK, &key)),
        value(Validity::Valid),
        value(Validity::Invalid),
        LogEntry::Polka(polka),
    ];
    for kind in [TimeoutKind::Propose, TimeoutKind::Prevote, TimeoutKind::Precommit] {
        all.push(LogEntry::Timeout(Timeout { height: Height(9), round: Round(3), kind }));
    }
    for entry in all {
        let bytes = entry.encode();
        assert_eq!(LogEntry::decode(&bytes).as_ref(), Ok(&entry));
        assert_eq!(entry.height(), Height(9));
        for cut in 0..bytes.len() {
            assert!(LogEntry::decode(&bytes[..cut]).is_err(), "{entry:?} cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(LogEntry::decode(&longer).is_err());
        let mut newer = bytes;
        newer[0] += 1;
        assert!(LogEntry::decode(&newer).is_err());
    }
}

#[test]
fn messages_survive_the_wire_and_nothing_else_is_read() {
    let key = secret(0);
    let vote =
        Vote { kind: VoteKind::Prevote, height: Height(9), round: Round(3), block: None, validator: key.public() };
    let message = Message::Vote(vote.sign(&NETWORK, &key));
    let bytes = message.encode();
    assert_eq!(Message::decode(&bytes), Ok(message));
    for i in 0..bytes.len() {
        let mut longer = bytes.clone();
        longer.insert(i, 0);
        assert!(Message::decode(&longer).is_err(), "a byte at {i}");
    }
    assert!(Message::decode(&[]).is_err());
}
