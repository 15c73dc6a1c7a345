//! What an audit can find, and what it shows for it.

use core::fmt;
use octroi_chain::archive::Place;
use octroi_primitives::Height;

/// Where in an archive something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    /// The first record: magic, version, network, genesis.
    FileHeader,
    /// The block of this height, its receipts, its certificate, or what stands in its place.
    Height(Height),
}

impl Spot {
    /// The spot of a place; what follows the closing record belongs to the last height.
    pub(crate) fn of(place: Place, last: Height) -> Self {
        match place {
            Place::FileHeader => Self::FileHeader,
            Place::Height(height) => Self::Height(height),
            Place::End => Self::Height(last),
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileHeader => f.write_str("file header"),
            Self::Height(height) => write!(f, "height {height}"),
        }
    }
}

macro_rules! checks {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal, $claim:literal;)+) => {
        /// What is checked. A verdict counts how often each was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($(#[doc = $doc])+ $name,)+ }

        impl Check {
            /// Every check, in the order in which they are made.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Its name for programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// What is true when it finds nothing.
            pub const fn claim(self) -> &'static str {
                match self { $(Self::$name => $claim,)+ }
            }
        }
    };
}

checks! {
    /// Once a record.
    Framing = "framing", "every record has the one shape of its kind, its checksum and its place; sums in the closing record agree";
    /// Once.
    Genesis = "genesis", "the genesis hashes to the network's id and obeys the rules";
    /// Once, if the caller named what it expects.
    Expected = "expected", "network, height reached and named block ids are those that were expected";
    /// Once a block.
    Block = "block", "the block is canonical and carries the certificate its header names";
    /// Once a transaction.
    Transaction = "transaction", "the transaction is canonical, and its signers may sign it now";
    /// Once a signature of a transaction.
    Signature = "signature", "the signature verifies by ZIP-215 over the transaction's id";
    /// Once a block.
    Header = "header", "network, height, parent, time, proposer, log root, transactions root and limits follow from the parent and the body";
    /// Once a block.
    Certificate = "certificate", "more than two thirds of the validators of the height precommitted the block, every signature verifies";
    /// Once a block.
    Execution = "execution", "executed again, the block gives the roots of receipts and state and the next validators that its header names";
    /// Once a receipt.
    Receipts = "receipts", "the receipts in the archive are, byte for byte, those of the execution";
    /// Once an event that moves money.
    Postings = "postings", "postings sum to zero per fund";
    /// Once a block over what it wrote, now and then over all records, and at the end.
    Invariants = "invariants", "every invariant of the rulebook that can be seen in records holds";
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Bytes that show a finding to anybody who does not believe the auditor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What they are, such as `block`.
    pub what: &'static str,
    /// As they stand in the archive, or as they were computed.
    pub bytes: Vec<u8>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub spot: Spot,
    /// Which check found it.
    pub check: Check,
    /// What was found and what was expected, with the values.
    pub detail: String,
    /// The bytes.
    pub evidence: Vec<Evidence>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { spot, check, detail, evidence: _ } = self;
        write!(f, "{spot}: {check}: {detail}")
    }
}
