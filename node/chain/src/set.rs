//! Who certifies a height, and whose turn it is to propose.
//!
//! Every validator has power 1. Set order is ascending consensus key, so that a set is the same bytes whoever lists it.
//! The set of a height also carries when each member last missed its turn: the hash covers the members only, since a
//! missed turn changes who proposes and never who may certify; the skips are part of the state and its root.

use crate::{
    Canonical, ChainError,
    wire::{fixed, public_key},
};
use alloc::{string::ToString, sync::Arc, vec, vec::Vec};
use octroi_primitives::{CollegeCode, Hash, Height, OrganisationId, PublicKey, Round, hash};
use octroi_proto::v1 as pb;
use prost::Message as _;

/// Most members a set may have on the wire; governance allows far fewer.
pub const MAX_VALIDATORS: usize = 128;

/// One validator; its power is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Signs proposals and votes; never a business key.
    pub consensus_key: PublicKey,
    /// Id of the organisation that runs it.
    pub organisation: OrganisationId,
    /// libp2p identity of its node.
    pub network_key: PublicKey,
    /// Code of the college the organisation belongs to.
    pub college: CollegeCode,
}

/// The validators of one height, with their missed turns. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet(Arc<Inner>);

#[derive(Debug, PartialEq, Eq)]
struct Inner {
    members: Vec<Validator>,
    /// By position in `members`.
    missed_at: Vec<Option<Height>>,
    hash: Hash,
}

impl ValidatorSet {
    /// A set of these members, in any order, none of which has missed a turn.
    ///
    /// # Errors
    /// [`ChainError::SetSize`], [`ChainError::SetDuplicate`].
    pub fn new(mut members: Vec<Validator>) -> Result<Self, ChainError> {
        members.sort_by(|a, b| a.consensus_key.as_bytes().cmp(b.consensus_key.as_bytes()));
        Self::ordered(members)
    }

    fn ordered(members: Vec<Validator>) -> Result<Self, ChainError> {
        if members.is_empty() || members.len() > MAX_VALIDATORS {
            return Err(ChainError::SetSize(members.len()));
        }
        for pair in members.windows(2) {
            let key = pair[1].consensus_key;
            match pair[0].consensus_key.as_bytes().cmp(key.as_bytes()) {
                core::cmp::Ordering::Less => {}
                core::cmp::Ordering::Equal => return Err(ChainError::SetDuplicate(key)),
                core::cmp::Ordering::Greater => return Err(ChainError::SetOrder(key)),
            }
        }
        let missed_at = vec![None; members.len()];
        let hash = hash("validator-set", &[&wire_of(&members).encode_to_vec()]);
        Ok(Self(Arc::new(Inner { members, missed_at, hash })))
    }

    /// The same members with these missed turns: (consensus key, height at which another proposed in its turn). Keys
    /// that are no members are ignored, of two heights of one key the later counts.
    #[must_use]
    pub fn with_missed(&self, missed: impl IntoIterator<Item = (PublicKey, Height)>) -> Self {
        let mut missed_at = vec![None; self.len()];
        for (key, height) in missed {
            if let Some(i) = self.position(&key) {
                missed_at[i] = missed_at[i].max(Some(height));
            }
        }
        Self(Arc::new(Inner { members: self.0.members.clone(), missed_at, hash: self.0.hash }))
    }

    /// Members in set order.
    pub fn members(&self) -> &[Validator] {
        &self.0.members
    }

    /// Number of members, which is the total power; never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.0.members.len()
    }

    /// Place of a key in set order.
    pub fn position(&self, key: &PublicKey) -> Option<usize> {
        self.0.members.binary_search_by(|v| v.consensus_key.as_bytes().cmp(key.as_bytes())).ok()
    }

    /// The member with this consensus key.
    pub fn get(&self, key: &PublicKey) -> Option<&Validator> {
        self.position(key).map(|i| &self.0.members[i])
    }

    /// When this member last missed its turn.
    pub fn missed_at(&self, key: &PublicKey) -> Option<Height> {
        self.position(key).and_then(|i| self.0.missed_at[i])
    }

    /// H("validator-set", canonical members): what a header names.
    pub fn hash(&self) -> Hash {
        self.0.hash
    }

    /// Most validators that may be faulty: ⌊(n − 1) / 3⌋.
    pub fn faulty(&self) -> usize {
        (self.len() - 1) / 3
    }

    /// Fewest validators that are more than two thirds.
    pub fn quorum(&self) -> usize {
        self.len() * 2 / 3 + 1
    }

    /// Fewest validators that are more than one third, so that one of them is honest.
    pub fn honest(&self) -> usize {
        self.len() / 3 + 1
    }

    /// Who proposes in `round` of `height`.
    ///
    /// Round 0 leaves out those that missed a turn within the last n heights, at most [`Self::faulty`] of them, latest
    /// first, so that a dead validator costs one timeout in n heights. Later rounds take everybody in turn.
    pub fn select(&self, height: Height, round: Round) -> &Validator {
        let n = self.len();
        let start = (height.get() % n as u64) as usize;
        if round.get() > 0 {
            return &self.0.members[(start + round.get() as usize % n) % n];
        }
        let left_out = self.left_out(height);
        let turn = (0..n).map(|k| (start + k) % n).find(|i| !left_out.contains(i));
        &self.0.members[turn.expect("fewer than a third are left out, so one is not")]
    }

    /// Whose turn `height` is: select(height, 0), skips included.
    pub fn due(&self, height: Height) -> &Validator {
        self.select(height, Round(0))
    }

    /// The validator whose turn was missed by a block of `height` from `proposer`: the state sets its `missed_at` to
    /// `height`.
    pub fn missed_turn(&self, height: Height, proposer: &PublicKey) -> Option<PublicKey> {
        let due = self.due(height).consensus_key;
        (due != *proposer).then_some(due)
    }

    fn left_out(&self, height: Height) -> Vec<usize> {
        let n = self.len() as u64;
        let recent = |at: &Height| height.get().checked_sub(at.get()).is_some_and(|ago| ago <= n);
        let mut out: Vec<(Height, usize)> =
            self.0.missed_at.iter().enumerate().filter_map(|(i, at)| at.filter(recent).map(|at| (at, i))).collect();
        // Latest first; one height has one missed turn, set order only settles what cannot happen.
        out.sort_by(|(at_a, i_a), (at_b, i_b)| at_b.cmp(at_a).then(i_a.cmp(i_b)));
        out.truncate(self.faulty());
        out.into_iter().map(|(_, i)| i).collect()
    }
}

fn wire_of(members: &[Validator]) -> pb::ValidatorSet {
    let members = members.iter().map(|Validator { consensus_key, organisation, network_key, college }| pb::Validator {
        consensus_key: consensus_key.as_bytes().to_vec(),
        organisation: organisation.as_bytes().to_vec(),
        network_key: network_key.as_bytes().to_vec(),
        college: college.to_string(),
    });
    pb::ValidatorSet { members: members.collect() }
}

/// The members; missed turns travel with the state.
impl Canonical for ValidatorSet {
    type Wire = pb::ValidatorSet;
    const WHAT: &'static str = "validator set";

    fn to_wire(&self) -> pb::ValidatorSet {
        wire_of(&self.0.members)
    }

    fn from_wire(wire: pb::ValidatorSet) -> Result<Self, ChainError> {
        if wire.members.len() > MAX_VALIDATORS {
            return Err(ChainError::SetSize(wire.members.len()));
        }
        let member = |pb::Validator { consensus_key, organisation, network_key, college }| {
            Ok(Validator {
                consensus_key: public_key("validator.consensus_key", &consensus_key)?,
                organisation: OrganisationId::from_bytes(fixed("validator.organisation", &organisation)?),
                network_key: public_key("validator.network_key", &network_key)?,
                college: CollegeCode::new(&college).map_err(|_| ChainError::Field {
                    field: "validator.college",
                    reason: "no code of 1 to 32 of [a-z0-9_-]",
                })?,
            })
        };
        Self::ordered(wire.members.into_iter().map(member).collect::<Result<_, ChainError>>()?)
    }
}
