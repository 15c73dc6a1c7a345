//! Our types behind the core's traits. Private: nobody outside sees the core's words.

use octroi_chain as chain;
use octroi_primitives as prim;
use std::fmt;

use arc_malachitebft_core_types as types;
use types::{NilOrVal, Round, SignedExtension, VoteType};

/// The core's parameter: which types, and whose turn it is.
#[derive(Clone, Debug)]
pub(crate) struct Context;

/// A validator's address is its consensus key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(pub prim::PublicKey);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Address for Address {}

/// The value agreed on is the block's id; the body travels apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Value(pub prim::BlockId);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Value for Value {
    type Id = Value;

    fn id(&self) -> Value {
        *self
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub prim::Height);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl types::Height for Height {
    const ZERO: Self = Height(prim::Height(0));
    const INITIAL: Self = Height(prim::Height(1));

    fn increment_by(&self, n: u64) -> Self {
        Height(prim::Height(self.0.get().saturating_add(n)))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0.get()
    }
}

/// A member as the core wants to borrow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator(Address);

impl types::Validator<Context> for Validator {
    fn address(&self) -> &Address {
        &self.0
    }

    fn public_key(&self) -> &Address {
        &self.0
    }

    fn voting_power(&self) -> u64 {
        1
    }
}

/// The set of a height with its skips. The core clones it for every certificate, so members are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidatorSet {
    set: chain::ValidatorSet,
    members: std::sync::Arc<[Validator]>,
}

impl ValidatorSet {
    pub fn new(set: chain::ValidatorSet) -> Self {
        let members = set.members().iter().map(|v| Validator(Address(v.consensus_key))).collect();
        ValidatorSet { set, members }
    }
}

impl types::ValidatorSet<Context> for ValidatorSet {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn total_voting_power(&self) -> u64 {
        self.members.len() as u64
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.set.position(&address.0).map(|i| &self.members[i])
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.members.get(index)
    }
}

/// A vote in the core's rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<Value>,
    pub voter: Address,
}

impl types::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Value> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Value> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.voter
    }

    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _: SignedExtension<Context>) -> Self {
        self
    }
}

/// A proposal in the core's rounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: Value,
    pub lock: Round,
    pub proposer: Address,
}

impl types::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.lock
    }

    fn validator_address(&self) -> &Address {
        &self.proposer
    }
}

/// Never built: bodies are moved by our own transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPart {}

impl types::ProposalPart<Context> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// Signatures are made and checked in the shell; the core only carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {}

impl types::SigningScheme for Scheme {
    type DecodingError = prim::PrimitiveError;
    type Signature = prim::Signature;
    type PublicKey = Address;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<prim::Signature, prim::PrimitiveError> {
        prim::Signature::try_from(bytes)
    }

    fn encode_signature(signature: &prim::Signature) -> Vec<u8> {
        signature.as_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<Address, prim::PrimitiveError> {
        prim::PublicKey::try_from(bytes).map(Address)
    }

    fn encode_public_key(key: &Address) -> Vec<u8> {
        key.0.as_bytes().to_vec()
    }
}

impl types::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = ValidatorSet;
    type Timeouts = types::LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = bytes::Bytes;
    type SigningScheme = Scheme;

    fn select_proposer<'a>(&self, set: &'a ValidatorSet, height: Height, round: Round) -> &'a Validator {
        let round = prim::Round(round.as_u32().expect("proposers are asked for of started rounds"));
        let key = set.set.select(height.0, round).consensus_key;
        let position = set.set.position(&key).expect("the one selected is a member");
        &set.members[position]
    }

    fn new_proposal(&self, height: Height, round: Round, value: Value, lock: Round, proposer: Address) -> Proposal {
        Proposal { height, round, value, lock, proposer }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<Value>, voter: Address) -> Vote {
        Vote { kind: VoteType::Prevote, height, round, value, voter }
    }

    fn new_precommit(&self, height: Height, round: Round, value: NilOrVal<Value>, voter: Address) -> Vote {
        Vote { kind: VoteType::Precommit, height, round, value, voter }
    }
}
