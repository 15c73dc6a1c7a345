//! From a trusted beginning upwards by certificates, and from a certified header downwards by its log root.

use crate::VerifyError;
use alloc::vec::Vec;
use octroi_chain::{Certified, ChainError, CommitCertificate, Header, ValidatorSet};
use octroi_merkle::{ConsistencyProof, InclusionProof, Sha256Log};
use octroi_primitives::{BlockId, Hash, Height, NetworkId, PublicKey};

/// Checks one header against its certificate and the set it names. That the set is the right one follows from the
/// header below: see [`Tip`].
///
/// # Errors
/// [`VerifyError::Chain`]; see [`Certified::new`].
pub fn verify_certificate(
    header: Header,
    certificate: CommitCertificate,
    set: &ValidatorSet,
    network: &NetworkId,
) -> Result<Certified<Header>, VerifyError> {
    let height = header.height;
    Certified::new(header, certificate, set, network).map_err(|error| VerifyError::Chain { height, error })
}

/// The newest header believed, and so the hash of the set that certifies the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    network: NetworkId,
    next_set: Hash,
    header: Option<Header>,
}

impl Tip {
    /// At the genesis: its hash, which is the network's id, and its validators are what everything else rests on.
    pub fn genesis(network: NetworkId, set: &ValidatorSet) -> Self {
        Tip { network, next_set: set.hash(), header: None }
    }

    /// At a header the caller trusts: certified before, or compared over another channel.
    pub fn trusted(header: Header) -> Self {
        Tip { network: header.network, next_set: header.next_validators_hash, header: Some(header) }
    }

    /// Height of the newest header believed; 0 at the genesis.
    pub fn height(&self) -> Height {
        self.header.as_ref().map_or(Height::GENESIS, |h| h.height)
    }

    /// The newest header believed; `None` at the genesis.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Hash of the set that certifies the next header.
    pub fn next_set(&self) -> Hash {
        self.next_set
    }

    /// Steps up by one height. On an error the tip stays where it was.
    ///
    /// # Errors
    /// [`VerifyError::Chain`] when the header does not continue the tip, when `set` is not the one the tip names, or when
    /// the certificate is none.
    pub fn advance(
        &mut self,
        header: Header,
        certificate: CommitCertificate,
        set: &ValidatorSet,
    ) -> Result<Certified<Header>, VerifyError> {
        let height = header.height;
        let continues = match &self.header {
            Some(below) => header.continues(below),
            None => continues_genesis(&header, &self.network, &self.next_set),
        };
        continues.map_err(|error| VerifyError::Chain { height, error })?;
        let certified = verify_certificate(header, certificate, set, &self.network)?;
        self.next_set = certified.value().next_validators_hash;
        self.header = Some(certified.value().clone());
        Ok(certified)
    }
}

fn continues_genesis(header: &Header, network: &NetworkId, set: &Hash) -> Result<(), ChainError> {
    let fits = [
        ("network", header.network == *network),
        ("height", header.height == Height(1)),
        ("parent", header.parent.as_bytes() == network.as_bytes()),
        ("validator set", header.validators_hash == *set),
    ];
    match fits.into_iter().find(|(_, fits)| !fits) {
        Some((what, _)) => Err(ChainError::NotAChild { height: header.height, what }),
        None => Ok(()),
    }
}

/// Steps up over many headers, each with its certificate and set, and gives the tip reached.
///
/// # Errors
/// The first one of [`Tip::advance`], naming its height.
pub fn verify_header_chain(
    mut tip: Tip,
    steps: impl IntoIterator<Item = (Header, CommitCertificate, ValidatorSet)>,
) -> Result<Tip, VerifyError> {
    for (header, certificate, set) in steps {
        tip.advance(header, certificate, &set)?;
    }
    Ok(tip)
}

/// Checks that the block of `height` below a certified header has this id: one proof reaches any old header. Height 0
/// is the genesis, its id the network's.
///
/// # Errors
/// [`VerifyError::NotBelow`], [`VerifyError::Log`].
pub fn verify_ancestor(
    certified: &Certified<Header>,
    height: Height,
    id: &BlockId,
    proof: &InclusionProof,
) -> Result<(), VerifyError> {
    let trusted = certified.value().height;
    if height >= trusted {
        return Err(VerifyError::NotBelow { asked: height, trusted });
    }
    let root = &certified.value().log_root;
    proof
        .verify::<Sha256Log>(id.as_bytes(), height.get(), trusted.get(), root)
        .map_err(|error| VerifyError::Log { height: trusted, error })
}

/// Checks that the history under a newer header contains the history under an older one: nothing was rewritten between
/// two looks, whatever lies between.
///
/// # Errors
/// [`VerifyError::Log`].
pub fn verify_log_extends(
    older: &Header,
    newer: &Certified<Header>,
    proof: &ConsistencyProof,
) -> Result<(), VerifyError> {
    let newer = newer.value();
    proof
        .verify::<Sha256Log>(older.height.get(), &older.log_root, newer.height.get(), &newer.log_root)
        .map_err(|error| VerifyError::Log { height: newer.height, error })
}

/// Two certified headers of one height that differ: more than a third of the validators broke the rules. To be shown to
/// everybody; nothing of this chain is to be believed above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    first: Certified<Header>,
    second: Certified<Header>,
}

impl Fork {
    /// A fork, if these two are one.
    pub fn of(first: &Certified<Header>, second: &Certified<Header>) -> Option<Fork> {
        let (a, b) = (first.certificate(), second.certificate());
        let same_place = a.height == b.height && first.value().network == second.value().network;
        (same_place && a.block_id != b.block_id).then(|| Fork { first: first.clone(), second: second.clone() })
    }

    /// The two headers with their certificates.
    pub fn sides(&self) -> (&Certified<Header>, &Certified<Header>) {
        (&self.first, &self.second)
    }

    /// Who signed both; see [`CommitCertificate::common_signers`].
    pub fn signers_of_both(&self) -> Vec<PublicKey> {
        self.first.certificate().common_signers(self.second.certificate())
    }
}
