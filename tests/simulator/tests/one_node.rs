//! One replica, driven by hand: what it refuses, when it waits, whom it believes.

use octroi_chain::{Canonical, CommitCertificate, Proposal, SignedVote, Vote, VoteKind};
use octroi_consensus::Message;
use octroi_ledger::{ExecutedBlock, Proposed, SignedTransaction, State, propose};
use octroi_primitives::{BlockId, BlockTime, Height, Round, SecretKey, TransactionId};
use octroi_replica::{
    Action, Body, CertifiedBody, ClientToken, Commit, Config, Door, Input, Now, Offence, Origin, Output, Peer, Refused,
    Replica, ReplicaError, Timer, perform, recover,
    wire::{BlocksRequest, BodyRequest, Tip},
};
use octroi_simulator::{
    Random,
    surroundings::{Fuse, ModelDisk, ModelStore},
    world::{Clients, START, consensus_key, genesis, network_key},
};
use std::sync::Arc;

struct Bench {
    validators: usize,
    genesis: State,
    clients: Clients,
    store: ModelStore,
    disk: ModelDisk,
    replica: Replica,
    door: Door,
    wall: u64,
}

impl Bench {
    /// Node `me` of so many validators; one beyond them is an observer. It knows all others and has begun.
    fn new(validators: usize, me: usize, config: Config) -> Self {
        let file = genesis(validators);
        let state = file.state().expect("a genesis");
        let fuse = Fuse::new(Random::new(1));
        let key = (me < validators).then(|| consensus_key(me));
        let public = key.as_ref().map(SecretKey::public);
        let mut store = ModelStore::new(fuse.clone());
        let disk = ModelDisk::new(fuse, Random::new(2), state.network(), public);
        let recovered = recover(&mut store, &disk, &state, key).expect("a fresh node");
        let mut bench = Bench {
            validators,
            clients: Clients::new(&file),
            store,
            disk,
            replica: Replica::new(config, recovered),
            door: Door::new(state.network(), 1 << 20),
            genesis: state,
            wall: START + 1_000,
        };
        for other in (0..validators).filter(|other| *other != me) {
            bench.step(Input::PeerUp(peer(other)));
        }
        bench.step(Input::Start);
        bench
    }

    fn try_step(&mut self, input: Input) -> Result<Vec<Action>, ReplicaError> {
        let outputs = self.replica.step(input, Now { wall: self.wall })?;
        let mut actions = Vec::new();
        perform(outputs, &mut self.store, &mut self.disk, |action| actions.push(action)).expect("no fault");
        Ok(actions)
    }

    fn step(&mut self, input: Input) -> Vec<Action> {
        self.try_step(input).expect("the node goes on")
    }

    fn submit(&mut self, signed: &[SignedTransaction]) -> Vec<Action> {
        let bytes: Vec<Vec<u8>> = signed.iter().map(SignedTransaction::encode).collect();
        let transactions = self.door.open(&bytes).into_iter().map(|t| t.expect("signed well")).collect();
        self.step(Input::Transactions { origin: Origin::Client(ClientToken(1)), transactions })
    }

    /// A block of whose turn it is, on the genesis, `ahead` milliseconds ahead of the node's clock.
    fn block(&mut self, round: Round, ahead: i64) -> (ExecutedBlock, usize) {
        let proposer = self.genesis.validators().select(Height(1), round).consensus_key;
        let who = (0..self.validators).find(|i| consensus_key(*i).public() == proposer).expect("a validator");
        let signed = self.clients.promise_of(0).encode();
        let transaction = self.door.open(&[signed]).remove(0).expect("signed well");
        let time = BlockTime(self.wall.saturating_add_signed(ahead));
        let transactions = vec![transaction];
        let proposed = Proposed { round, time, proposer, transactions, last_commit: None };
        (propose(&self.genesis, proposed).expect("valid"), who)
    }

    fn proposal(&self, who: usize, block: BlockId) -> Message {
        let key = consensus_key(who);
        let proposal = Proposal { height: Height(1), round: Round(0), block, lock: None, proposer: key.public() };
        Message::Proposal(proposal.sign(&self.genesis.network(), &key))
    }

    fn vote(&self, who: usize, kind: VoteKind, height: u64, block: Option<BlockId>) -> SignedVote {
        let key = consensus_key(who);
        let vote = Vote { kind, height: Height(height), round: Round(0), block, validator: key.public() };
        vote.sign(&self.genesis.network(), &key)
    }

    fn body(&mut self, executed: &ExecutedBlock) -> Body {
        Body::open(&executed.block().encode(), &mut self.door).expect("a body")
    }
}

fn peer(i: usize) -> Peer {
    Peer(network_key(i))
}

fn replies(actions: &[Action]) -> Vec<Result<(), Refused>> {
    actions
        .iter()
        .flat_map(|action| match action {
            Action::Reply { results, .. } => results.clone(),
            _ => vec![],
        })
        .collect()
}

fn commits(actions: &[Action]) -> Vec<Arc<Commit>> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Committed(commit) => Some(commit.clone()),
            _ => None,
        })
        .collect()
}

fn prevotes(actions: &[Action]) -> Vec<Option<BlockId>> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Broadcast(Message::Vote(signed)) if signed.vote.kind == VoteKind::Prevote => {
                Some(signed.vote.block)
            }
            _ => None,
        })
        .collect()
}

fn offences(actions: &[Action]) -> Vec<(Peer, Offence)> {
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Penalise { peer, offence } => Some((*peer, offence.clone())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_block_keeps_the_order_of_arrival_and_takes_organisations_in_turn() {
    let mut bench = Bench::new(1, 0, Config::default());
    let signed: Vec<_> = [0, 0, 0, 1, 2, 1].into_iter().map(|sender| bench.clients.promise_of(sender)).collect();
    let actions = bench.submit(&signed);
    assert_eq!(replies(&actions), vec![Ok(()); 6]);
    let commits = commits(&actions);
    let [commit] = commits.as_slice() else { panic!("{} commits", commits.len()) };
    let committed: Vec<TransactionId> = commit.executed.transactions().iter().map(|t| t.id()).collect();
    let of = |organisation: usize| -> Vec<TransactionId> {
        let senders = [0, 0, 0, 1, 2, 1];
        let mine = |i: &usize| senders[*i] == organisation;
        (0..6).filter(mine).map(|i| signed[i].id()).collect()
    };
    for organisation in 0..3 {
        let expected = of(organisation);
        let found: Vec<_> = committed.iter().copied().filter(|id| expected.contains(id)).collect();
        assert_eq!(found, expected, "order of arrival of organisation {organisation}");
    }
    let first_three: Vec<_> = committed[..3].to_vec();
    for organisation in 0..3 {
        assert!(first_three.contains(&of(organisation)[0]), "organisation {organisation} had no turn");
    }
}

#[test]
fn a_mempool_refuses_with_its_reason() {
    let mut bench =
        Bench::new(4, 4, Config { mempool_transactions: 3, organisation_transactions: 2, ..Config::default() });
    let (a, b, c) = (bench.clients.promise_of(0), bench.clients.promise_of(0), bench.clients.promise_of(0));
    let (d, e) = (bench.clients.promise_of(1), bench.clients.promise_of(2));
    let actions = bench.submit(&[a.clone(), b]);
    assert_eq!(replies(&actions), vec![Ok(()), Ok(())]);
    let late = bench.clients.promise(0, START - 100_000, 50_000);
    let early = bench.clients.promise(0, START, 90 * 60_000);
    for (signed, reason) in [(a, "PENDING"), (c, "ORGANISATION_FULL")] {
        let actions = bench.submit(&[signed]);
        assert_eq!(replies(&actions)[0].as_ref().unwrap_err().reason(), reason);
    }
    let mut bench = Bench::new(4, 4, Config { mempool_transactions: 1, ..Config::default() });
    let actions = bench.submit(&[late, early, d, e]);
    let reasons: Vec<_> = replies(&actions).iter().map(|r| r.as_ref().err().map(Refused::reason)).collect();
    assert_eq!(reasons, [Some("EXPIRED"), Some("TOO_EARLY"), None, Some("MEMPOOL_FULL")]);
}

#[test]
fn what_is_committed_is_a_duplicate_for_ever() {
    let mut bench = Bench::new(1, 0, Config::default());
    let signed = bench.clients.promise_of(0);
    assert_eq!(commits(&bench.submit(std::slice::from_ref(&signed))).len(), 1);
    let again = bench.submit(&[signed]);
    assert_eq!(replies(&again)[0].as_ref().unwrap_err().reason(), "DUPLICATE");
    assert!(commits(&again).is_empty());
}

#[test]
fn the_door_checks_a_transaction_once_and_refuses_another_signature() {
    let mut bench = Bench::new(1, 0, Config::default());
    let good = bench.clients.promise_of(0).encode();
    for _ in 0..5 {
        assert!(bench.door.open(std::slice::from_ref(&good)).remove(0).is_ok());
    }
    assert_eq!(bench.door.signatures_checked(), 1);
    let mut bad = good.clone();
    *bad.last_mut().expect("not empty") ^= 1;
    assert!(bench.door.open(&[bad]).remove(0).is_err());
    assert!(bench.door.open(&[good[..20].to_vec()]).remove(0).is_err());
}

#[test]
fn a_timely_block_is_prevoted_whichever_of_body_and_proposal_comes_first() {
    for body_first in [true, false] {
        let mut bench = Bench::new(4, 0, Config::default());
        let (executed, who) = bench.block(Round(0), 0);
        if who == 0 {
            bench = Bench::new(4, 1, Config::default());
        }
        let body = bench.body(&executed);
        let proposal = Input::Message { peer: peer(who), message: bench.proposal(who, executed.id()) };
        let body = Input::Body { peer: peer(who), body };
        let (first, second) = if body_first { (body, proposal) } else { (proposal, body) };
        assert_eq!(prevotes(&bench.step(first)), []);
        assert_eq!(prevotes(&bench.step(second)), [Some(executed.id())]);
    }
}

#[test]
fn a_block_from_ahead_of_our_clock_waits_until_it_is_timely_or_has_a_polka() {
    for polka in [true, false] {
        let mut bench = Bench::new(4, 0, Config::default());
        let (executed, who) = bench.block(Round(0), 5_000);
        if who == 0 {
            bench = Bench::new(4, 1, Config::default());
        }
        let body = bench.body(&executed);
        bench.step(Input::Body { peer: peer(who), body });
        let message = bench.proposal(who, executed.id());
        let actions = bench.step(Input::Message { peer: peer(who), message });
        assert_eq!(prevotes(&actions), []);
        let timely = actions.iter().find_map(|action| match action {
            Action::SetTimer { timer: Timer::Timely(block), after } => Some((*block, after.as_millis())),
            _ => None,
        });
        assert_eq!(timely, Some((executed.id(), 3_000)));
        let mut voted = Vec::new();
        if polka {
            let me = if who == 0 { 1 } else { 0 };
            for other in (0..4).filter(|other| *other != me) {
                let vote = bench.vote(other, VoteKind::Prevote, 1, Some(executed.id()));
                voted.extend(prevotes(&bench.step(Input::Message { peer: peer(other), message: Message::Vote(vote) })));
            }
        } else {
            bench.wall += 3_000;
            voted = prevotes(&bench.step(Input::Timer(Timer::Timely(executed.id()))));
        }
        assert_eq!(voted, [Some(executed.id())]);
    }
}

#[test]
fn a_block_from_too_long_ago_gets_nil() {
    let mut bench = Bench::new(4, 0, Config::default());
    bench.wall += 20_000;
    let (executed, who) = bench.block(Round(0), -10_001);
    if who == 0 {
        bench = Bench::new(4, 1, Config::default());
        bench.wall += 20_000;
    }
    let body = bench.body(&executed);
    bench.step(Input::Body { peer: peer(who), body });
    let message = bench.proposal(who, executed.id());
    let actions = bench.step(Input::Message { peer: peer(who), message });
    assert_eq!(prevotes(&actions), []);
    let propose =
        octroi_consensus::Timeout { height: Height(1), round: Round(0), kind: octroi_consensus::TimeoutKind::Propose };
    assert_eq!(prevotes(&bench.step(Input::Timer(Timer::Consensus(propose)))), [None]);
}

#[test]
fn a_missing_body_is_asked_for_of_the_proposer_first() {
    let mut bench = Bench::new(4, 0, Config::default());
    let (executed, who) = bench.block(Round(0), 0);
    if who == 0 {
        bench = Bench::new(4, 1, Config::default());
    }
    let message = bench.proposal(who, executed.id());
    bench.step(Input::Message { peer: peer(who), message });
    let asked: Vec<(Peer, BodyRequest)> = (0..3)
        .flat_map(|_| bench.step(Input::Timer(Timer::Body(executed.id()))))
        .filter_map(|action| match action {
            Action::RequestBody { peer, request } => Some((peer, request)),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0], (peer(who), BodyRequest { height: Height(1), block: executed.id() }));
    let mut peers: Vec<Peer> = asked.iter().map(|(peer, _)| *peer).collect();
    peers.sort_unstable();
    peers.dedup();
    assert_eq!(peers.len(), 3);
}

#[test]
fn a_body_with_other_transactions_than_its_header_names_is_nobodys() {
    let mut bench = Bench::new(4, 0, Config::default());
    let (executed, _) = bench.block(Round(0), 0);
    let (other, _) = bench.block(Round(0), 0);
    let forged =
        octroi_chain::Block::new(executed.block().header().clone(), other.block().transactions().to_vec(), None)
            .expect("well formed");
    assert_eq!(forged.id(), executed.id());
    assert!(Body::open(&forged.encode(), &mut bench.door).is_err());
    assert!(Body::decode(&forged.encode()).is_err());
}

#[test]
fn an_idle_validator_begins_when_more_than_a_third_did_and_not_before() {
    let mut bench = Bench::new(4, 0, Config::default());
    let message = |bench: &Bench, who: usize| Message::Vote(bench.vote(who, VoteKind::Prevote, 1, None));
    let first = message(&bench, 1);
    bench.step(Input::Message { peer: peer(1), message: first.clone() });
    bench.step(Input::Message { peer: peer(1), message: first });
    assert_eq!(bench.replica.under_way(), None);
    let second = message(&bench, 2);
    bench.step(Input::Message { peer: peer(2), message: second });
    assert_eq!(bench.replica.under_way(), Some((Height(1), Round(0))));
}

#[test]
fn a_message_that_does_not_verify_is_penalised_and_has_no_effect() {
    let mut bench = Bench::new(4, 0, Config::default());
    for who in [1, 2, 3] {
        let mut vote = bench.vote(who, VoteKind::Prevote, 1, None);
        vote.signature.0[5] ^= 1;
        let actions = bench.step(Input::Message { peer: peer(who), message: Message::Vote(vote) });
        assert!(matches!(offences(&actions).as_slice(), [(from, Offence::Message(_))] if *from == peer(who)));
    }
    assert_eq!(bench.replica.under_way(), None);
}

#[test]
fn a_message_in_our_name_that_we_did_not_sign_stops_the_node() {
    let mut bench = Bench::new(4, 0, Config::default());
    let vote = bench.vote(0, VoteKind::Prevote, 1, None);
    let result = bench.try_step(Input::Message { peer: peer(1), message: Message::Vote(vote) });
    assert!(matches!(result, Err(ReplicaError::KeyInUse(Height(1)))));
    // What it signed itself, handed back by a peer, is no news.
    let mut bench = Bench::new(4, 0, Config::default());
    let (executed, who) = bench.block(Round(0), 0);
    if who != 0 {
        let body = bench.body(&executed);
        bench.step(Input::Body { peer: peer(who), body });
        let message = bench.proposal(who, executed.id());
        let actions = bench.step(Input::Message { peer: peer(who), message });
        let own = actions.into_iter().find_map(|action| match action {
            Action::Broadcast(message) => Some(message),
            _ => None,
        });
        bench.step(Input::Message { peer: peer(1), message: own.expect("it prevoted") });
    }
}

/// Blocks of a chain of one validator, as its own node made them.
fn chain(of: usize) -> Vec<(Vec<u8>, CommitCertificate)> {
    let mut bench = Bench::new(1, 0, Config::default());
    let mut blocks = Vec::new();
    for _ in 0..of {
        bench.wall += 1_000;
        let signed = bench.clients.promise_of(0);
        let commits = commits(&bench.submit(&[signed]));
        let [commit] = commits.as_slice() else { panic!("{} commits", commits.len()) };
        blocks.push((commit.body.to_vec(), commit.certificate.clone()));
    }
    blocks
}

fn request(actions: &[Action]) -> Option<(Peer, u64, BlocksRequest)> {
    actions.iter().find_map(|action| match action {
        Action::RequestBlocks { peer, number, request } => Some((*peer, *number, *request)),
        _ => None,
    })
}

#[test]
fn an_observer_takes_what_a_certificate_covers_and_turns_away_from_a_liar() {
    let blocks = chain(5);
    let mut bench = Bench::new(1, 1, Config::default());
    let liar = Peer(consensus_key(9).public());
    bench.step(Input::PeerUp(liar));
    let tip = Tip { height: Height(5), block: BlockId::from_bytes([1; 32]) };
    let (asked, number, wanted) = request(&bench.step(Input::Tip { peer: liar, tip })).expect("it asks");
    assert_eq!((asked, wanted), (liar, BlocksRequest { from: Height(1), count: 5 }));

    let give = |bench: &mut Bench, forge: fn(&mut CommitCertificate)| -> Vec<CertifiedBody> {
        let mut blocks = blocks.clone();
        forge(&mut blocks[2].1);
        let door = &mut bench.door;
        blocks
            .iter()
            .map(|(block, certificate)| CertifiedBody {
                body: Body::open(block, door).expect("a body"),
                certificate: certificate.clone(),
            })
            .collect()
    };
    let lies = give(&mut bench, |certificate| certificate.signatures[0].signature.0[7] ^= 1);
    bench.step(Input::Blocks { peer: liar, number, request: wanted, blocks: lies });
    let actions = bench.step(Input::Timer(Timer::Apply));
    // What was covered counts all the same.
    assert_eq!(commits(&actions).len(), 2);
    assert!(matches!(offences(&actions).as_slice(), [(from, Offence::Blocks(_))] if *from == liar));
    assert_eq!(request(&bench.step(Input::Tip { peer: liar, tip })), None);

    let (asked, number, wanted) = request(&bench.step(Input::Tip { peer: peer(0), tip })).expect("it asks another");
    assert_eq!((asked, wanted), (peer(0), BlocksRequest { from: Height(3), count: 3 }));
    let truth = give(&mut bench, |_| {})[2..].to_vec();
    bench.step(Input::Blocks { peer: peer(0), number, request: wanted, blocks: truth });
    assert_eq!(commits(&bench.step(Input::Timer(Timer::Apply))).len(), 3);
    assert_eq!(bench.replica.state().head().height, Height(5));
}

#[test]
fn blocks_of_other_heights_than_asked_for_are_an_offence() {
    let blocks = chain(3);
    let mut bench = Bench::new(1, 1, Config::default());
    let tip = Tip { height: Height(3), block: BlockId::from_bytes([1; 32]) };
    let (_, number, wanted) = request(&bench.step(Input::Tip { peer: peer(0), tip })).expect("it asks");
    let (block, certificate) = &blocks[1];
    let body = Body::open(block, &mut bench.door).expect("a body");
    let wrong = vec![CertifiedBody { body, certificate: certificate.clone() }];
    let actions = bench.step(Input::Blocks { peer: peer(0), number, request: wanted, blocks: wrong });
    assert!(matches!(offences(&actions).as_slice(), [(_, Offence::Blocks(_))]));
    assert_eq!(bench.replica.state().head().height, Height(0));
}

#[test]
fn our_votes_leave_behind_the_barrier_that_covers_them() {
    let mut bench = Bench::new(4, 0, Config::default());
    let (executed, who) = bench.block(Round(0), 0);
    if who == 0 {
        bench = Bench::new(4, 1, Config::default());
    }
    let body = bench.body(&executed);
    bench.step(Input::Body { peer: peer(who), body });
    let message = bench.proposal(who, executed.id());
    let outputs =
        bench.replica.step(Input::Message { peer: peer(who), message }, Now { wall: bench.wall }).expect("goes on");
    let at = |what: fn(&Output) -> bool| outputs.iter().position(what).expect("it is there");
    let body = at(|o| matches!(o, Output::PutBody { .. }));
    let sign_state = at(|o| matches!(o, Output::SignState(_)));
    let vote = at(|o| matches!(o, Output::Act(Action::Broadcast(Message::Vote(_)))));
    let barrier = outputs[..vote].iter().rposition(|o| matches!(o, Output::Barrier)).expect("a barrier before it");
    assert!(body < barrier && sign_state < barrier && barrier < vote);
    assert!(!outputs[barrier..vote].iter().any(|o| matches!(o, Output::Append { .. } | Output::SignState(_))));
}

#[test]
fn an_equivocating_proposer_leaves_evidence() {
    let mut bench = Bench::new(4, 0, Config::default());
    let (one, who) = bench.block(Round(0), 0);
    let (two, _) = bench.block(Round(0), 1);
    let me = usize::from(who == 0);
    if me == 1 {
        bench = Bench::new(4, 1, Config::default());
    }
    for executed in [&one, &two] {
        let body = bench.body(executed);
        let message = bench.proposal(who, executed.id());
        bench.step(Input::Body { peer: peer(who), body });
        bench.step(Input::Message { peer: peer(who), message });
    }
    let mut found = Vec::new();
    for kind in [VoteKind::Prevote, VoteKind::Precommit] {
        for other in (0..4).filter(|other| *other != me) {
            let vote = bench.vote(other, kind, 1, Some(one.id()));
            found.extend(commits(&bench.step(Input::Message { peer: peer(other), message: Message::Vote(vote) })));
        }
    }
    let [commit] = found.as_slice() else { panic!("{} commits", found.len()) };
    assert_eq!(commit.executed.id(), one.id());
    let accused: Vec<_> = commit.evidence.iter().map(octroi_chain::Evidence::validator).collect();
    assert_eq!(accused, [consensus_key(who).public()]);
}

/// An empty block of the first height made in a round, by whose turn that round is.
fn empty_block(bench: &Bench, round: Round, time: u64) -> (ExecutedBlock, usize) {
    let proposer = bench.genesis.validators().select(Height(1), round).consensus_key;
    let who = (0..bench.validators).find(|i| consensus_key(*i).public() == proposer).expect("a validator");
    let proposed = Proposed { round, time: BlockTime(time), proposer, transactions: vec![], last_commit: None };
    (propose(&bench.genesis, proposed).expect("valid"), who)
}

fn signed_proposal(bench: &Bench, who: usize, round: u32, lock: Option<u32>, block: BlockId) -> Input {
    let key = consensus_key(who);
    let (round, lock, proposer) = (Round(round), lock.map(Round), key.public());
    let proposal = Proposal { height: Height(1), round, block, lock, proposer };
    let message = Message::Proposal(proposal.sign(&bench.genesis.network(), &key));
    Input::Message { peer: peer(who), message }
}

/// A bench of four whose node is not the first proposer.
fn bench_beside_the_first_proposer() -> Bench {
    let bench = Bench::new(4, 0, Config::default());
    let first = bench.genesis.validators().select(Height(1), Round(0)).consensus_key;
    if consensus_key(0).public() == first { Bench::new(4, 1, Config::default()) } else { bench }
}

#[test]
fn a_lock_that_is_claimed_and_not_proved_excuses_no_time() {
    for time in [START + 365 * 86_400_000, u64::MAX] {
        let mut bench = bench_beside_the_first_proposer();
        let (executed, who) = empty_block(&bench, Round(0), time);
        let mut prevoted = Vec::new();
        // Round 4 is the same validator's turn again. Its claim is heard before its fresh proposal.
        let body = bench.body(&executed);
        for input in [
            signed_proposal(&bench, who, 4, Some(0), executed.id()),
            Input::Body { peer: peer(who), body },
            signed_proposal(&bench, who, 0, None, executed.id()),
        ] {
            prevoted.extend(prevotes(&bench.step(input)));
        }
        assert!(!prevoted.contains(&Some(executed.id())), "time {time} was prevoted");
    }
}

#[test]
fn a_block_made_in_another_round_is_not_prevoted_as_a_new_one() {
    let mut bench = bench_beside_the_first_proposer();
    bench.wall = START + 61_000;
    let (executed, _) = empty_block(&bench, Round(4), START + 61_000);
    let (_, first) = empty_block(&bench, Round(0), START + 61_000);
    let body = bench.body(&executed);
    let mut prevoted = prevotes(&bench.step(Input::Body { peer: peer(first), body }));
    prevoted.extend(prevotes(&bench.step(signed_proposal(&bench, first, 0, None, executed.id()))));
    assert!(!prevoted.contains(&Some(executed.id())), "{prevoted:?}");
    // Nor with a lock of an earlier round than the one in which it was made.
    prevoted = prevotes(&bench.step(signed_proposal(&bench, first, 4, Some(2), executed.id())));
    assert!(!prevoted.contains(&Some(executed.id())), "{prevoted:?}");
}
