//! Reads what a node left behind and checks that it fits together. Nothing is repaired in silence.

use crate::{
    error::RecoverError,
    input::Body,
    store::{Disk, Loaded, Logged, Store},
};
use octroi_chain::CommitCertificate;
use octroi_consensus::{Guard, LogEntry, SignState, Validity};
use octroi_ledger::{CheckedBlock, ExecutedBlock, State, execute};
use octroi_primitives::{BlockId, Height, SecretKey};
use std::{collections::BTreeMap, sync::Arc};

/// What a node starts from.
#[derive(Debug)]
pub struct Recovered {
    pub(crate) state: State,
    pub(crate) certificate: Option<CommitCertificate>,
    pub(crate) guard: Option<Guard>,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) candidates: Candidates,
}

impl Recovered {
    /// The state after the last committed block.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// This node's proof of that block; `None` before the first.
    pub fn certificate(&self) -> Option<&CommitCertificate> {
        self.certificate.as_ref()
    }

    /// Entries of the height under way.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }
}

/// Loads the chain, checks the root, reads the log of the height under way and the sign state. An empty store is given the genesis state. Without
/// a key the node is an observer, and log and sign state are not looked at.
///
/// # Errors
/// See [`RecoverError`]; each names what does not fit.
pub fn recover<S: Store, D: Disk>(
    store: &mut S,
    disk: &D,
    genesis: &State,
    key: Option<SecretKey>,
) -> Result<Recovered, RecoverError> {
    let fault = |error: S::Error| RecoverError::Store(Box::new(error));
    let (state, certificate) = match store.load().map_err(fault)? {
        None => {
            store.begin(genesis).map_err(fault)?;
            (genesis.clone(), None)
        }
        Some(Loaded { head, rows, seen, certificate }) => {
            let found = head.header.as_ref().map_or(genesis.network(), |header| header.network);
            if found != genesis.network() {
                return Err(RecoverError::OtherNetwork { expected: genesis.network(), found });
            }
            (State::load(genesis.network(), head, rows, seen)?, certificate)
        }
    };
    let Some(key) = key else {
        return Ok(Recovered { state, certificate, guard: None, log: Vec::new(), candidates: Vec::new() });
    };
    let fault = |error: D::Error| RecoverError::Disk(Box::new(error));
    let file = disk.read_sign_state().map_err(fault)?.ok_or(RecoverError::NoSignState)?;
    let sign_state = SignState::read(&file, &state.network(), &key.public())?;
    sign_state.fits_store(state.head().height)?;
    let guard = Guard::new(key, sign_state)?;
    let next = Height(state.head().height.get() + 1);
    let (log, bodies) = read_log(disk.read_log().map_err(fault)?, next)?;
    let candidates = executed(&state, next, &log, &bodies)?;
    Ok(Recovered { state, certificate, guard: Some(guard), log, candidates })
}

type Bodies = BTreeMap<BlockId, Vec<u8>>;
type Candidates = Vec<(ExecutedBlock, Arc<[u8]>)>;

/// Records of other heights are left from what is committed.
fn read_log(records: Vec<Logged>, next: Height) -> Result<(Vec<LogEntry>, Bodies), RecoverError> {
    let mut log = Vec::new();
    let mut bodies = Bodies::new();
    for record in records {
        match record {
            Logged::Entry { height, entry } if height == next => log.push(LogEntry::decode(&entry)?),
            Logged::Body { height, block, bytes } if height == next => {
                bodies.insert(block, bytes);
            }
            Logged::Entry { .. } | Logged::Body { .. } => {}
        }
    }
    Ok((log, bodies))
}

/// Executes every body of the log, of which none that the log says is valid may be missing.
fn executed(state: &State, height: Height, log: &[LogEntry], bodies: &Bodies) -> Result<Candidates, RecoverError> {
    for entry in log {
        if let LogEntry::Value { block, validity: Validity::Valid, .. } = entry
            && !bodies.contains_key(block)
        {
            return Err(RecoverError::NoBody { height, block: *block });
        }
    }
    let execute_one = |(block, bytes): (&BlockId, &Vec<u8>)| {
        let block = *block;
        let body = Body::decode(bytes).map_err(|_| RecoverError::Body { height, block })?;
        let bytes = body.bytes.clone();
        let result = CheckedBlock::check(*body.block, state, |_| None).and_then(|checked| execute(state, checked));
        Ok((result.map_err(|_| RecoverError::NoBody { height, block })?, bytes))
    };
    bodies.iter().map(execute_one).collect()
}
