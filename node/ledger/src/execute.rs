//! Execution of a block: due work, then user transactions, on an overlay; the base is left untouched.
//!
//! Promises: deterministic; a refused transaction changes nothing but the id table and the quota; proposer and validators run the same function, so
//! the certificate of a height covers the state of that height.

use crate::{
    accounts,
    action::{self, Event, Kind, Place},
    block::{BlockInvalid, CheckedBlock, RULES_VERSION, check_rules, check_transactions, ledger_day, same},
    due::{DueItem, Waiting},
    history::{RecordRef, event_hash},
    parameters::Parameter,
    quota::QuotaUse,
    receipt::{Outcome, Receipt},
    refusal::{Refusal, Shared},
    registry::{recent_block, validator_seat::ValidatorSeat},
    signer::Context,
    state::{Changes, Head, Overlay, RecordRow, SeenAdded, SeenBucket, State, minute, validator_set_of},
    transaction::{Transaction, VerifiedTransaction},
    wire::Canonical,
};
use octroi_chain::{Block, CommitCertificate, Header, ValidatorSet};
use octroi_merkle::{log::blake3_root, tree::Tree};
use octroi_primitives::*;
use std::collections::BTreeMap;

/// Bytes of a block's receipts at most, as storage and archives keep them. A body is at most 8 MiB, and a record of an archive, which holds both,
/// 16 MiB.
pub const RECEIPT_BYTES: usize = (8 << 20) - (64 << 10);

/// What a proposer chooses; everything else of a header follows.
#[derive(Debug, Clone)]
pub struct Proposed {
    /// Round in which it is first proposed.
    pub round: Round,
    /// Block time.
    pub time: BlockTime,
    /// The proposer's consensus key.
    pub proposer: PublicKey,
    /// In order.
    pub transactions: Vec<VerifiedTransaction>,
    /// Certificate of the parent; `None` at height 1 only.
    pub last_commit: Option<CommitCertificate>,
}

/// A valid block with everything it does. Can be merged into the state it was executed on, or dropped.
#[derive(Debug, Clone)]
pub struct ExecutedBlock {
    block: Block,
    transactions: Vec<VerifiedTransaction>,
    outcome: Executed,
}

#[derive(Debug, Clone)]
struct Executed {
    receipts: Vec<Receipt>,
    receipts_bytes: Vec<u8>,
    system: usize,
    changes: Changes,
    rows: Vec<RecordRow>,
    tree: Tree,
    seen: Vec<SeenAdded>,
    dropped_before: u64,
    validators: ValidatorSet,
    receipts_root: Hash,
}

impl ExecutedBlock {
    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }
    /// Its id.
    pub fn id(&self) -> BlockId {
        self.block.id()
    }
    /// Its transactions.
    pub fn transactions(&self) -> &[VerifiedTransaction] {
        &self.transactions
    }
    /// Receipts: those of due work first, then one for each transaction.
    pub fn receipts(&self) -> &[Receipt] {
        &self.outcome.receipts
    }
    /// Canonical bytes of the [`crate::receipt::Receipts`] of the block, as they are stored and archived.
    pub fn receipts_bytes(&self) -> &[u8] {
        &self.outcome.receipts_bytes
    }
    /// How many receipts are of due work.
    pub fn system_receipts(&self) -> usize {
        self.outcome.system
    }
    /// Records written and removed, for storage.
    pub fn rows(&self) -> &[RecordRow] {
        &self.outcome.rows
    }
    /// Ids that this block adds to those seen.
    pub fn seen(&self) -> &[SeenAdded] {
        &self.outcome.seen
    }
    /// Ids whose validity ended before this minute are forgotten.
    pub fn seen_dropped_before(&self) -> u64 {
        self.outcome.dropped_before
    }
    /// The set of the next height.
    pub fn next_validators(&self) -> &ValidatorSet {
        &self.outcome.validators
    }
    /// Keys of the state tree that the block updated.
    pub fn updated_keys(&self) -> usize {
        self.outcome.rows.len()
    }
}

/// Makes a block of what a proposer chose, executed. Transactions whose receipts would pass [`RECEIPT_BYTES`] are left for a later block, with all
/// that follow them.
///
/// # Errors
/// When the choice is not valid on this state.
pub fn propose(state: &State, proposed: Proposed) -> Result<ExecutedBlock, BlockInvalid> {
    propose_within(RECEIPT_BYTES, state, proposed)
}

fn propose_within(most: usize, state: &State, proposed: Proposed) -> Result<ExecutedBlock, BlockInvalid> {
    let Proposed { round, time, proposer, mut transactions, last_commit } = proposed;
    let head = state.head();
    if time <= head.time {
        return Err(BlockInvalid::Time { time, parent: head.time });
    }
    check_transactions(&transactions, state, time)?;
    let height = Height(head.height.0 + 1);
    check_rules(state, height)?;
    let outcome = match run(most, state, height, time, &proposer, &transactions) {
        Err(Unfit::Receipts { fitting, .. }) => {
            transactions.truncate(fitting);
            run(most, state, height, time, &proposer, &transactions)?
        }
        done => done?,
    };
    let leaves: Vec<Hash> = transactions.iter().map(|transaction| transaction.leaf()).collect();
    let header = Header {
        version: RULES_VERSION,
        network: state.network(),
        height,
        round,
        time,
        parent: head.id,
        proposer,
        transactions_root: blake3_root(&leaves),
        receipts_root: outcome.receipts_root,
        state_root: outcome.tree.root(),
        validators_hash: state.validators().hash(),
        next_validators_hash: outcome.validators.hash(),
        last_commit_hash: Block::last_commit_hash(last_commit.as_ref()),
        log_root: head.log.root(),
    };
    let bodies = transactions.iter().map(|transaction| transaction.encode()).collect();
    let block = Block::new(header, bodies, last_commit).map_err(|error| BlockInvalid::LastCommit(error.to_string()))?;
    Ok(ExecutedBlock { block, transactions, outcome })
}

/// Executes a checked block and compares what its header promised.
///
/// # Errors
/// When receipts root, state root or next set differ, or the receipts pass [`RECEIPT_BYTES`].
pub fn execute(state: &State, checked: CheckedBlock) -> Result<ExecutedBlock, BlockInvalid> {
    execute_within(RECEIPT_BYTES, state, checked)
}

fn execute_within(most: usize, state: &State, checked: CheckedBlock) -> Result<ExecutedBlock, BlockInvalid> {
    let (block, transactions) = checked.into_parts();
    let header = block.header();
    let outcome = run(most, state, header.height, header.time, &header.proposer, &transactions)?;
    same("receipts_root", outcome.receipts_root, header.receipts_root)?;
    same("state_root", outcome.tree.root(), header.state_root)?;
    same("next_validators_hash", outcome.validators.hash(), header.next_validators_hash)?;
    Ok(ExecutedBlock { block, transactions, outcome })
}

impl State {
    /// Takes in an executed block: the state after it.
    ///
    /// A block that was executed on another head is a bug of the caller.
    pub fn commit(&mut self, executed: &ExecutedBlock) {
        let header = executed.block.header();
        assert_eq!(header.parent, self.head().id, "a block is merged into the state it was executed on");
        let mut log = self.head().log.clone();
        let id = executed.id();
        log.push(id.as_bytes());
        let validators_before = self.validators().clone();
        let head = Head {
            height: header.height,
            id,
            time: header.time,
            log,
            header: Some(header.clone()),
            validators: Some(validators_before),
        };
        let Executed { changes, tree, seen, dropped_before, validators, .. } = &executed.outcome;
        self.merge(head, changes, tree.clone(), seen, *dropped_before, validators.clone());
    }
}

/// Whether a change of validators takes effect at this height, so that a block is due.
pub fn seats_due(state: &State, height: Height) -> bool {
    crate::registry::validator_seat::pending(state, height).next().is_some()
}

/// Why a block is not executed to its end.
enum Unfit {
    Block(BlockInvalid),
    /// The receipts pass their bound; so many transactions, the first ones, would fit.
    Receipts {
        fitting: usize,
        bytes: usize,
        most: usize,
    },
}

impl From<Unfit> for BlockInvalid {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Block(invalid) => invalid,
            Unfit::Receipts { fitting: _, bytes, most } => {
                Self::Limit { what: "bytes of receipts", found: bytes as u64, limit: most as u64 }
            }
        }
    }
}

/// Receipts in the making, with their bytes and leaves.
#[derive(Default)]
struct Written {
    receipts: Vec<Receipt>,
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
}

impl Written {
    /// Posted, applied and written down; or refused without a trace.
    fn add(
        &mut self,
        overlay: &mut Overlay<'_>,
        place: &Place,
        decided: Result<Event, Refusal>,
        histories: &mut Histories,
    ) {
        let transaction = place.transaction;
        let (receipt, bytes) = match decided {
            Ok(event) => {
                let bytes = event.to_bytes();
                make_so(overlay, place, &event, &bytes, histories);
                let bytes = Receipt::bytes_around(&transaction, event.kind(), &bytes);
                (Receipt { transaction, outcome: Outcome::Applied(event) }, bytes)
            }
            Err(refusal) => {
                let receipt = Receipt { transaction, outcome: Outcome::Refused(refusal) };
                let bytes = receipt.to_bytes();
                (receipt, bytes)
            }
        };
        self.leaves.push(Receipt::leaf_of(&bytes));
        Receipt::append(&mut self.bytes, &bytes);
        self.receipts.push(receipt);
    }
}

fn run(
    most: usize,
    state: &State,
    height: Height,
    time: BlockTime,
    proposer: &PublicKey,
    transactions: &[VerifiedTransaction],
) -> Result<Executed, Unfit> {
    let mut overlay = state.overlay();
    let mut written = Written::default();
    let mut histories = Histories::default();

    recent_block::note(&mut overlay, state.head());
    due_work(most / 2, state, &mut overlay, height, time, &mut written, &mut histories);
    let system = written.receipts.len();
    for (fitting, transaction) in transactions.iter().enumerate() {
        let place = Place { height, time, receipt: written.receipts.len() as u32, transaction: transaction.id() };
        let decided = decide(&overlay, place, transaction);
        written.add(&mut overlay, &place, decided, &mut histories);
        if written.bytes.len() > most {
            return Err(Unfit::Receipts { fitting, bytes: written.bytes.len(), most });
        }
    }
    let Written { receipts, bytes: receipts_bytes, leaves } = written;
    histories.write(&mut overlay);
    let seen = remember(&mut overlay, transactions);
    let dropped_before = forget(&mut overlay, time);
    count_quotas(&mut overlay, time, transactions, &receipts[system..]);
    note_missed_turn(&mut overlay, state, height, proposer);

    let validators = validator_set_of(&overlay).map_err(|error| {
        Unfit::Block(BlockInvalid::Header {
            field: "next_validators_hash",
            expected: "a set".into(),
            found: error.to_string(),
        })
    })?;
    let receipts_root = blake3_root(&leaves);
    let changes = overlay.into_changes();
    let rows = changes.rows();
    let mut updates: Vec<(Hash, Option<Hash>)> = rows.iter().map(RecordRow::leaf).collect();
    updates.sort_unstable_by_key(|(key, _)| *key);
    let tree = state.tree().update(&updates);
    Ok(Executed {
        receipts,
        receipts_bytes,
        system,
        changes,
        rows,
        tree,
        seen,
        dropped_before,
        validators,
        receipts_root,
    })
}

/// What one transaction would do now.
fn decide(overlay: &Overlay<'_>, place: Place, transaction: &VerifiedTransaction) -> Result<Event, Refusal> {
    let asked = transaction.transaction();
    let keys = transaction.keys();
    let cx = Context { place, organisation: asked.organisation, keys: &keys, kind: asked.payload.kind() };
    asked.payload.decide(&cx, overlay)
}

/// Writes an event: its postings through the one function that moves money, then the rest, then the histories of its subjects.
fn make_so(overlay: &mut Overlay<'_>, place: &Place, event: &Event, bytes: &[u8], histories: &mut Histories) {
    if let Some(postings) = event.postings() {
        accounts::post(overlay, postings);
    }
    event.apply(place, overlay);
    histories.add(place, event, bytes);
}

/// Runs a payload against a state as if it stood alone in the next block: advice, never a promise.
///
/// # Errors
/// The refusal that it would get now.
pub fn simulate(state: &State, transaction: &VerifiedTransaction, time: BlockTime) -> Result<Event, Refusal> {
    advise(state, transaction.transaction(), transaction.id(), &transaction.keys(), time)
}

/// The same for a transaction that is not signed yet; `keys`, ascending, are those that are to sign it.
///
/// # Errors
/// The refusal that it would get now.
pub fn advise(
    state: &State,
    asked: &Transaction,
    id: TransactionId,
    keys: &[PublicKey],
    time: BlockTime,
) -> Result<Event, Refusal> {
    let mut overlay = state.overlay();
    let height = Height(state.head().height.0 + 1);
    due_work(RECEIPT_BYTES / 2, state, &mut overlay, height, time, &mut Written::default(), &mut Histories::default());
    let place = Place { height, time, receipt: 0, transaction: id };
    let cx = Context { place, organisation: asked.organisation, keys, kind: asked.payload.kind() };
    asked.payload.decide(&cx, &overlay)
}

/// Id of a system transaction: H("system", height, index, kind, object).
pub fn system_id(height: Height, index: u32, kind: Kind, object: &Hash) -> TransactionId {
    TransactionId::new(hash(
        "system",
        &[&height.0.to_be_bytes(), &index.to_be_bytes(), &kind.tag().to_be_bytes(), object.as_bytes()],
    ))
}

/// Due work, within the block's work units and `most` bytes of receipts: the item that passes the bytes is the last one.
fn due_work(
    most: usize,
    state: &State,
    overlay: &mut Overlay<'_>,
    height: Height,
    time: BlockTime,
    written: &mut Written,
    histories: &mut Histories,
) {
    let mut budget = overlay.parameter(Parameter::BlockWork);
    let mut duty = |overlay: &mut Overlay<'_>, kind: Kind, object: Hash, written: &mut Written| {
        let receipt = written.receipts.len() as u32;
        let transaction = system_id(height, receipt, kind, &object);
        let place = Place { height, time, receipt, transaction };
        let decided = action::decide_duty(kind, &object, &place, overlay).expect("only duties are planned");
        written.add(overlay, &place, decided, histories);
    };
    let mut waiting = Waiting::new(state, time);
    while let Some(key) = waiting.first(overlay) {
        let (_, tag, object) = key;
        let kind = Kind::of_tag(tag).expect("only known kinds are planned");
        let cost = action::duty_cost(kind, &object, overlay);
        // A single piece larger than the whole budget runs alone rather than never.
        if (cost > budget || written.bytes.len() > most) && !written.receipts.is_empty() {
            break;
        }
        budget = budget.saturating_sub(cost);
        overlay.remove::<DueItem>(&key);
        duty(overlay, kind, object, written);
    }
    for (kind, object) in crate::registry::validator_seat::due_at(overlay, height) {
        duty(overlay, kind, object, written);
    }
}

/// Histories of a block: events by record, written once per record at the end.
#[derive(Default)]
struct Histories(BTreeMap<RecordRef, Vec<Hash>>);

impl Histories {
    fn add(&mut self, place: &Place, event: &Event, bytes: &[u8]) {
        let hash = event_hash(place.height, place.receipt, event.kind(), bytes);
        for subject in event.subjects() {
            self.0.entry(subject).or_default().push(hash);
        }
    }

    fn write(self, overlay: &mut Overlay<'_>) {
        for (subject, events) in self.0 {
            let written = overlay.set_history_of(subject.table, &subject.key, |history| {
                events.iter().fold(history, |history, event| history.with(event))
            });
            assert!(written, "an event names a record of table {} that does not exist", subject.table.name());
        }
    }
}

fn remember(overlay: &mut Overlay<'_>, transactions: &[VerifiedTransaction]) -> Vec<SeenAdded> {
    let mut buckets: BTreeMap<u64, SeenBucket> = BTreeMap::new();
    let mut added = Vec::with_capacity(transactions.len());
    for transaction in transactions {
        let (minute, id) = (minute(transaction.transaction().valid_until), transaction.id());
        let bucket = buckets.entry(minute).or_insert_with(|| {
            overlay.get::<SeenBucket>(&minute).cloned().unwrap_or(SeenBucket { count: 0, head: Hash::ZERO })
        });
        bucket.count += 1;
        bucket.head = hash("seen", &[bucket.head.as_bytes(), id.as_bytes()]);
        added.push(SeenAdded { minute, id });
    }
    for (minute, bucket) in buckets {
        overlay.put::<SeenBucket>(minute, bucket);
    }
    added
}

/// Drops the buckets of minutes that ended before this block's time; ids in them could not be admitted again.
fn forget(overlay: &mut Overlay<'_>, time: BlockTime) -> u64 {
    let now = minute(time);
    for (ended, _) in overlay.range::<SeenBucket>(0..now) {
        overlay.remove::<SeenBucket>(&ended);
    }
    now
}

fn count_quotas(
    overlay: &mut Overlay<'_>,
    time: BlockTime,
    transactions: &[VerifiedTransaction],
    receipts: &[Receipt],
) {
    let day = ledger_day(time);
    let mut uses: BTreeMap<OrganisationId, QuotaUse> = BTreeMap::new();
    for (transaction, receipt) in transactions.iter().zip(receipts) {
        let organisation = transaction.transaction().organisation;
        let used = uses.entry(organisation).or_insert_with(|| {
            overlay.get::<QuotaUse>(&organisation).map_or(QuotaUse::fresh(day), |used| used.on(day))
        });
        used.transactions += 1;
        used.bytes += transaction.size() as u64;
        if let Outcome::Refused(refusal) = &receipt.outcome
            && !is_past_grant_again(refusal)
        {
            used.refused += 1;
        }
    }
    for (organisation, used) in uses {
        overlay.put::<QuotaUse>(organisation, used);
    }
}

/// An import that is run again must not use up its publisher's day.
fn is_past_grant_again(refusal: &Refusal) -> bool {
    refusal.kind.name() == "declare_past_grant" && refusal.doc().is_some_and(|doc| doc.shared == Shared::Duplicate)
}

/// A validator that was due in round 0 and did not propose the block is left out of round 0 for a while (consensus design).
fn note_missed_turn(overlay: &mut Overlay<'_>, state: &State, height: Height, proposer: &PublicKey) {
    if let Some(missed) = state.validators().missed_turn(height, proposer)
        && overlay.has::<ValidatorSeat>(&missed)
    {
        overlay.update::<ValidatorSeat>(&missed, |seat| seat.missed_at = Some(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        contribution::promise_contribution::PromiseContribution,
        due::schedule,
        fixture::{self, Network, id, key},
        receipt::Receipts,
        transaction::verify,
    };

    fn promises(network: &Network, count: u8) -> Proposed {
        let transactions = (0..count).map(|number| {
            let promise = PromiseContribution {
                fund: fixture::fund(),
                amount: Amount::eur(100),
                due: LegalDate::new(2027, 3, 31).unwrap(),
                earmark: None,
                conditions: None,
                parent: None,
            };
            let asked = Transaction {
                network: network.state.network(),
                organisation: id("region"),
                valid_until: network.now().saturating_add(600_000),
                salt: Salt([number; 16]),
                payload: crate::Payload::PromiseContribution(promise),
            };
            asked.sign(&[&key("region")])
        });
        let transactions = verify(&network.state.network(), transactions.collect());
        Proposed {
            round: Round(0),
            time: BlockTime(network.now().0 + 1),
            proposer: network.state.validators().select(Height(1), Round(0)).consensus_key,
            transactions: transactions.into_iter().map(Result::unwrap).collect(),
            last_commit: None,
        }
    }

    #[test]
    fn a_block_ends_where_its_receipts_would_pass_their_bound_and_a_larger_one_is_invalid() {
        let network = fixture::network();
        let whole = propose(&network.state, promises(&network, 10)).unwrap();
        let size = |block: &ExecutedBlock| Receipts::bytes_of(block.receipts()).len();
        let most = size(&whole) / 2;
        let part = propose_within(most, &network.state, promises(&network, 10)).unwrap();
        assert!((3..=5).contains(&part.transactions().len()), "{}", part.transactions().len());
        assert_eq!(part.transactions().len(), part.block().transactions().len());
        assert!(size(&part) <= most);
        let again = |block: &ExecutedBlock| {
            let checked = CheckedBlock::check(block.block().clone(), &network.state, |_| None).unwrap();
            execute_within(most, &network.state, checked).map(|executed| executed.id())
        };
        assert_eq!(again(&part), Ok(part.id()));
        let Err(BlockInvalid::Limit { what, .. }) = again(&whole) else { panic!("it is too large") };
        assert_eq!(what, "bytes of receipts");
    }

    #[test]
    fn due_work_leaves_half_of_the_receipts_to_transactions_and_carries_over() {
        let mut network = fixture::network();
        let at = BlockTime(network.now().0 + 1);
        network.edit(|state| {
            for number in 0..100u64 {
                schedule(state, at, Kind::CloseCall, hash("test-due", &[&number.to_be_bytes()]));
            }
        });
        let block = propose_within(2_000, &network.state, promises(&network, 1)).unwrap();
        let ran = block.system_receipts();
        assert!((5..50).contains(&ran), "{ran}");
        assert_eq!(block.transactions().len(), 1);
        network.state.commit(&block);
        let left = network.state.all::<DueItem>().filter(|((time, _, _), _)| *time == at);
        assert_eq!(left.count(), 100 - ran);
    }
}
