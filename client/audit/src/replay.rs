//! Third station: everything that depends on the blocks before, in order.

use crate::{
    ControlTotals, Verdict,
    finding::{Check, Evidence, Finding, Spot},
    lot::{Content, Fault, Prepared, PreparedBlock, PreparedLot},
    verdict::{NETWORK_NOT_CHECKED, NEVER_CHECKED, TIP_NOT_CHECKED},
};
use octroi_chain::{
    Canonical as _, CommitCertificate, Header,
    archive::{BlockRecord, Closing, FileHeader},
};
use octroi_ledger::{
    BlockInvalid, CheckedBlock, Event, ExecutedBlock, Genesis, Receipt, Receipts, State,
    accounts::invariants::{self, Violation},
    execute,
    wire::Canonical as _,
};
use octroi_primitives::{BlockId, BlockTime, Hash, Height, NetworkId};
use octroi_verify::verify_certificate;
use std::collections::BTreeMap;

/// What the auditor knows from elsewhere. Everything here is optional, and what is missing is said in the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectations {
    /// The network that the archive must be of.
    pub network: Option<NetworkId>,
    /// A height that the archive must reach.
    pub reaches: Option<Height>,
    /// Ids of blocks, such as witnesses noted them.
    pub blocks: BTreeMap<Height, BlockId>,
    /// All invariants are checked over all records after every so many heights, and at the end; 0: at the end only.
    pub invariants_every: u64,
}

impl Default for Expectations {
    fn default() -> Self {
        Self { network: None, reaches: None, blocks: BTreeMap::new(), invariants_every: 10_000 }
    }
}

/// Takes prepared lots in the order of the archive and recomputes everything.
///
/// A wrong block ends the replay, since nothing can be executed on it; what follows is still read, and what is wrong in itself is found. A wrong
/// receipt or closing record does not end it. Clones are cheap: they share the state.
#[derive(Clone, Debug)]
pub struct Replay {
    expectations: Expectations,
    name: String,
    network: NetworkId,
    chain: Chain,
    closed: bool,
    totals: ControlTotals,
    counts: Counts,
    checks: BTreeMap<Check, u64>,
    findings: Vec<Finding>,
    findings_left_out: u64,
}

/// How far the replay is.
#[derive(Clone, Debug)]
enum Chain {
    /// Before the file header.
    Nothing,
    /// A state that stands on everything so far.
    Sound(Box<State>),
    /// Something was wrong: the last state, if there was one, and the last height that was read.
    Broken { last: Option<Box<State>>, read: Height },
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    transactions: u64,
    receipts: u64,
    signatures: u64,
    votes: u64,
    not_replayed: u64,
}

impl Replay {
    /// Before the first lot.
    pub fn new(expectations: Expectations) -> Self {
        Self {
            expectations,
            name: String::new(),
            network: NetworkId::ZERO,
            chain: Chain::Nothing,
            closed: false,
            totals: ControlTotals::default(),
            counts: Counts::default(),
            checks: BTreeMap::new(),
            findings: Vec::new(),
            findings_left_out: 0,
        }
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Last height that was replayed; 0 before the first.
    pub fn height(&self) -> Height {
        self.state().map_or(Height(0), |state| state.head().height)
    }

    /// The state after the last block that was replayed, for reports; `None` before the genesis.
    pub fn state(&self) -> Option<&State> {
        match &self.chain {
            Chain::Nothing => None,
            Chain::Sound(state) => Some(state),
            Chain::Broken { last, .. } => last.as_deref(),
        }
    }

    /// Takes the next lot.
    pub fn take(&mut self, lot: PreparedLot) {
        for item in lot.items {
            match item {
                Prepared::FileHeader(header) => {
                    self.done(Check::Framing, 1);
                    self.begin(header);
                }
                Prepared::Block(block) => {
                    self.done(Check::Framing, 1);
                    self.block(block);
                }
                Prepared::Closing(closing) => {
                    self.done(Check::Framing, 1);
                    self.close(&closing);
                }
                Prepared::Broken(error) => {
                    let spot = Spot::of(error.place, self.read());
                    self.find(spot, Check::Framing, error.to_string(), vec![]);
                    self.stop();
                }
            }
        }
    }

    /// The verdict. Everything after the last lot counts as missing.
    pub fn finish(mut self) -> Verdict {
        if let Chain::Nothing = self.chain
            && self.findings.is_empty()
        {
            self.find(Spot::FileHeader, Check::Framing, "there is no archive".into(), vec![]);
        }
        if !self.closed && self.findings.is_empty() {
            let spot = Spot::Height(self.read());
            self.find(spot, Check::Framing, "the replay ended before the closing record".into(), vec![]);
        }
        self.reaches();
        let last = match core::mem::replace(&mut self.chain, Chain::Nothing) {
            Chain::Sound(state) => {
                self.invariants(&state);
                Some(state)
            }
            Chain::Broken { last, .. } => last,
            Chain::Nothing => None,
        };
        let (mut height, mut block, mut time, mut state_root) = (Height(0), BlockId::ZERO, BlockTime(0), Hash::ZERO);
        if let Some(state) = last {
            (height, block, time, state_root) = (state.head().height, state.head().id, state.head().time, state.root());
            self.totals.close(&state);
        }
        let mut not_checked = NEVER_CHECKED.to_vec();
        if self.expectations.network.is_none() {
            not_checked.push(NETWORK_NOT_CHECKED);
        }
        if self.expectations.reaches.is_none() && self.expectations.blocks.is_empty() {
            not_checked.push(TIP_NOT_CHECKED);
        }
        let Counts { transactions, receipts, signatures, votes, not_replayed } = self.counts;
        Verdict {
            network: self.network,
            name: self.name,
            height,
            block,
            time,
            state_root,
            transactions,
            receipts,
            signatures,
            votes,
            heights_not_replayed: not_replayed,
            totals: self.totals,
            checks: self.checks,
            not_checked,
            findings: self.findings,
            findings_left_out: self.findings_left_out,
        }
    }

    /// The last height whose record was read.
    fn read(&self) -> Height {
        match &self.chain {
            Chain::Broken { read, .. } => *read,
            Chain::Nothing | Chain::Sound(_) => self.height(),
        }
    }

    fn begin(&mut self, header: FileHeader) {
        let FileHeader { network, from, genesis } = header;
        self.network = network;
        match self.genesis(network, from, &genesis) {
            Ok(state) => {
                self.totals.know_funds(&state);
                self.chain = Chain::Sound(Box::new(state));
            }
            Err((check, detail)) => {
                let evidence = vec![Evidence { what: "genesis", bytes: genesis }];
                self.find(Spot::FileHeader, check, detail, evidence);
                self.chain = Chain::Broken { last: None, read: Height(from.0.saturating_sub(1)) };
            }
        }
    }

    fn genesis(&mut self, network: NetworkId, from: Height, bytes: &[u8]) -> Result<State, (Check, String)> {
        if let Some(expected) = self.expectations.network {
            self.done(Check::Expected, 1);
            if expected != network {
                return Err((Check::Expected, format!("network is {network}, {expected} was expected")));
            }
        }
        self.done(Check::Genesis, 1);
        let wrong = |detail: String| (Check::Genesis, detail);
        let genesis = Genesis::from_bytes(bytes).map_err(|error| wrong(format!("genesis: {error}")))?;
        self.name = genesis.name.to_string();
        let found = genesis.network();
        if found != network {
            return Err(wrong(format!("the genesis hashes to {found}, the file header names {network}")));
        }
        if from != Height(1) {
            return Err(wrong(format!("the archive begins at height {from}; a replay from genesis needs height 1")));
        }
        genesis.state().map_err(|error| wrong(format!("genesis: {error}")))
    }

    fn block(&mut self, prepared: PreparedBlock) {
        let PreparedBlock { record, signatures, content } = prepared;
        let height = record.height;
        self.done(Check::Block, 1);
        if let Chain::Broken { read, .. } = &mut self.chain {
            *read = height;
        }
        let content = match content {
            Ok(content) => content,
            Err(Fault { check, detail }) => {
                self.wrong_block(check, detail, &record);
                return;
            }
        };
        self.done(Check::Transaction, content.transactions.len() as u64);
        self.done(Check::Signature, signatures);
        self.counts.signatures += signatures;
        // Taken out, so that committing finds the state's tables held by nobody else.
        let mut state = match core::mem::replace(&mut self.chain, Chain::Nothing) {
            Chain::Sound(state) => state,
            broken @ (Chain::Nothing | Chain::Broken { .. }) => {
                self.chain = broken;
                self.counts.not_replayed += 1;
                return;
            }
        };
        let votes = content.block.last_commit().map_or(0, |certificate| certificate.signatures.len() as u64);
        let answer = advance(&state, content);
        if let Ok(executed) = &answer {
            self.done(Check::Header, 1);
            self.done(Check::Execution, 1);
            self.done(Check::Certificate, u64::from(votes > 0));
            self.counts.votes += votes;
            self.commit(&mut state, executed, &record);
        }
        self.chain = Chain::Sound(state);
        if let Err((check, detail)) = answer {
            self.wrong_block(check, detail, &record);
        }
    }

    /// Nothing can be executed on a wrong block.
    fn wrong_block(&mut self, check: Check, detail: String, record: &BlockRecord) {
        let BlockRecord { height, block, receipts } = record;
        let evidence = vec![
            Evidence { what: "block", bytes: block.clone() },
            Evidence { what: "receipts", bytes: receipts.clone() },
        ];
        self.find(Spot::Height(*height), check, detail, evidence);
        self.counts.not_replayed += 1;
        self.stop();
        if let Chain::Broken { read, .. } = &mut self.chain {
            *read = *height;
        }
    }

    fn commit(&mut self, state: &mut State, executed: &ExecutedBlock, record: &BlockRecord) {
        let height = record.height;
        self.receipts(executed, record);
        state.commit(executed);
        self.touched(state, executed);
        self.counts.transactions += executed.transactions().len() as u64;
        self.counts.receipts += executed.receipts().len() as u64;
        self.totals.know_funds(state);
        for receipt in executed.receipts() {
            self.totals.add(receipt);
        }
        if let Some(expected) = self.expectations.blocks.get(&height).copied() {
            self.done(Check::Expected, 1);
            let found = state.head().id;
            if found != expected {
                let evidence = vec![Evidence { what: "block", bytes: record.block.clone() }];
                let detail = format!("block id is {found}, {expected} was expected");
                self.find(Spot::Height(height), Check::Expected, detail, evidence);
            }
        }
        let every = self.expectations.invariants_every;
        if every > 0 && height.0.is_multiple_of(every) {
            self.invariants(state);
        }
    }

    /// Byte by byte: the archive's receipts are those of the execution.
    fn receipts(&mut self, executed: &ExecutedBlock, record: &BlockRecord) {
        self.done(Check::Receipts, executed.receipts().len() as u64);
        let computed = executed.receipts_bytes();
        if computed == record.receipts {
            return;
        }
        let detail = difference(executed.receipts(), &record.receipts);
        let evidence = vec![
            Evidence { what: "receipts", bytes: record.receipts.clone() },
            Evidence { what: "receipts computed", bytes: computed.to_vec() },
        ];
        self.find(Spot::Height(record.height), Check::Receipts, detail, evidence);
    }

    /// I1 from the events alone, then every invariant on the records that the block wrote.
    pub(crate) fn touched(&mut self, state: &State, executed: &ExecutedBlock) {
        let height = state.head().height;
        for (index, event) in
            executed.receipts().iter().enumerate().filter_map(|(index, one)| Some((index, one.event()?)))
        {
            let Some(postings) = event.postings() else { continue };
            self.done(Check::Postings, 1);
            for (fund, sum) in postings.sums() {
                if sum != 0 {
                    let detail = format!("I1: postings of receipt {index} sum to {sum} in fund {fund}");
                    let evidence = vec![Evidence { what: "event", bytes: Event::to_bytes(event) }];
                    self.find(Spot::Height(height), Check::Postings, detail, evidence);
                }
            }
        }
        let violations = invariants::check_touched(state, executed);
        self.violations(height, violations);
    }

    pub(crate) fn invariants(&mut self, state: &State) {
        let violations = invariants::check(state);
        self.violations(state.head().height, violations);
    }

    fn violations(&mut self, height: Height, violations: Vec<Violation>) {
        self.done(Check::Invariants, 1);
        for violation in violations {
            self.find(Spot::Height(height), Check::Invariants, violation.to_string(), vec![]);
        }
    }

    fn close(&mut self, closing: &Closing) {
        let Closing { certificate, totals } = closing;
        self.closed = true;
        self.totals.archive = *totals;
        let Chain::Sound(state) = &self.chain else { return };
        let (Some(certificate), Some(header), Some(set)) =
            (certificate, &state.head().header, &state.head().validators)
        else {
            return;
        };
        let (header, network) = (header.clone(), state.network());
        let answer = verify_certificate(header.clone(), certificate.clone(), set, &network);
        self.done(Check::Certificate, 1);
        self.counts.votes += certificate.signatures.len() as u64;
        if let Err(error) = answer {
            let evidence = vec![
                Evidence { what: "header", bytes: header.encode() },
                Evidence { what: "closing certificate", bytes: certificate.encode() },
            ];
            self.find(
                Spot::Height(header.height),
                Check::Certificate,
                format!("closing certificate: {error}"),
                evidence,
            );
        }
    }

    fn reaches(&mut self) {
        let last = self.expectations.blocks.keys().next_back().copied();
        let Some(expected) = self.expectations.reaches.max(last) else { return };
        self.done(Check::Expected, 1);
        let read = self.read();
        if read < expected && self.findings.is_empty() {
            let detail = format!("the archive ends at height {read}, height {expected} was expected");
            self.find(Spot::Height(read), Check::Expected, detail, vec![]);
        }
    }

    fn stop(&mut self) {
        self.chain = match core::mem::replace(&mut self.chain, Chain::Nothing) {
            Chain::Nothing => Chain::Broken { last: None, read: Height(0) },
            Chain::Sound(state) => {
                let read = state.head().height;
                Chain::Broken { last: Some(state), read }
            }
            broken @ Chain::Broken { .. } => broken,
        };
    }

    fn done(&mut self, check: Check, times: u64) {
        if times > 0 {
            *self.checks.entry(check).or_default() += times;
        }
    }

    fn find(&mut self, spot: Spot, check: Check, detail: String, evidence: Vec<Evidence>) {
        if self.findings.len() < Verdict::MAX_FINDINGS {
            self.findings.push(Finding { spot, check, detail, evidence });
        } else {
            self.findings_left_out += 1;
        }
    }
}

/// The block, executed on the state it names as its parent; or the first check it fails.
fn advance(state: &State, content: Content) -> Result<ExecutedBlock, (Check, String)> {
    let Content { block, transactions } = content;
    if let (Some(certificate), Some(parent)) = (block.last_commit(), &state.head().header) {
        not_before(certificate, parent)?;
    }
    let mut verified = transactions.into_iter();
    let checked = CheckedBlock::check(block, state, |_| verified.next()).map_err(why)?;
    execute(state, checked).map_err(|error| (Check::Execution, error.to_string()))
}

/// A block cannot have been decided before it was proposed.
fn not_before(certificate: &CommitCertificate, parent: &Header) -> Result<(), (Check, String)> {
    if certificate.round < parent.round {
        let (found, least) = (certificate.round, parent.round);
        let detail = format!("certificate of the parent is of round {found}, the parent was proposed in round {least}");
        return Err((Check::Certificate, detail));
    }
    Ok(())
}

fn why(error: BlockInvalid) -> (Check, String) {
    let check = match &error {
        BlockInvalid::Header { .. }
        | BlockInvalid::Time { .. }
        | BlockInvalid::Empty { .. }
        | BlockInvalid::Limit { .. } => Check::Header,
        BlockInvalid::Decode { .. } | BlockInvalid::Inadmissible { .. } => Check::Transaction,
        BlockInvalid::Signature { .. } => Check::Signature,
        BlockInvalid::LastCommit(_) => Check::Certificate,
    };
    (check, error.to_string())
}

/// Where receipts in an archive first differ from computed ones.
fn difference(computed: &[Receipt], found: &[u8]) -> String {
    let found = match Receipts::from_bytes(found) {
        Ok(Receipts(found)) => found,
        Err(error) => return format!("receipts are not canonical: {error}"),
    };
    match computed.iter().zip(&found).position(|(computed, found)| computed.to_bytes() != found.to_bytes()) {
        Some(index) => {
            format!("receipt {index} of transaction {} is not what the execution gives", computed[index].transaction)
        }
        None => format!("{} receipts in the archive, the execution gives {}", found.len(), computed.len()),
    }
}
