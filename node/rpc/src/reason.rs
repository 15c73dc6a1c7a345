//! The one list of reasons that an answer outside a receipt can carry. Reasons of refused transactions are made by the ledger's own lists.

use tonic::Code;

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "octroi";

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal = $code:ident;)+) => {
        /// Why a request has no answer, or a transaction was not admitted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in upper snake case, as programs compare it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The gRPC code it travels under.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)+ }
            }

            /// When it is given, for documentation and `explain`.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// The transaction is larger than 64 KiB.
    TransactionTooLarge "TRANSACTION_TOO_LARGE" = InvalidArgument;
    /// The bytes are no transaction, or a field holds what it cannot.
    TransactionMalformed "TRANSACTION_MALFORMED" = InvalidArgument;
    /// The bytes are not the one encoding of what they say.
    NotCanonical "NOT_CANONICAL" = InvalidArgument;
    /// No signature, or more than 16.
    SignatureCount "SIGNATURE_COUNT" = InvalidArgument;
    /// The signing keys are not strictly ascending.
    KeyOrder "KEY_ORDER" = InvalidArgument;
    /// A signature does not verify.
    SignatureInvalid "SIGNATURE_INVALID" = InvalidArgument;
    /// The transaction is for another genesis.
    WrongNetwork "WRONG_NETWORK" = InvalidArgument;
    /// The transaction needs more work than a block has.
    TooMuchWork "TOO_MUCH_WORK" = InvalidArgument;
    /// The transaction's time has passed.
    Expired "EXPIRED" = FailedPrecondition;
    /// The transaction's validity ends too far ahead: it may be handed in later.
    TooEarly "TOO_EARLY" = FailedPrecondition;
    /// The organisation is not registered, or a key is no live key of one of its offices.
    UnknownSigner "UNKNOWN_SIGNER" = FailedPrecondition;
    /// Too few keys of the organisation signed.
    Threshold "THRESHOLD" = FailedPrecondition;
    /// The id is in a block that this node no longer holds.
    Duplicate "DUPLICATE" = AlreadyExists;
    /// The transaction waits already.
    Pending "PENDING" = AlreadyExists;
    /// The organisation has used up its ledger day.
    Quota "QUOTA" = ResourceExhausted;
    /// The network remembers as many ids as it may.
    SeenFull "SEEN_FULL" = ResourceExhausted;
    /// No transaction more can wait at this node.
    MempoolFull "MEMPOOL_FULL" = ResourceExhausted;
    /// No transaction more of this organisation can wait at this node.
    OrganisationFull "ORGANISATION_FULL" = ResourceExhausted;
    /// The node takes no transactions now: it is starting, catching up, stopping or out of disk.
    NotReady "NODE_NOT_READY" = Unavailable;
    /// A field of the request holds what it cannot; the details name it.
    Argument "ARGUMENT" = InvalidArgument;
    /// More items than a request may carry.
    TooMany "TOO_MANY_ITEMS" = InvalidArgument;
    /// The page token was not made for this query and filter.
    PageToken "PAGE_TOKEN" = InvalidArgument;
    /// Nothing has that id, code or height.
    NotFound "NOT_FOUND" = NotFound;
    /// The state of that height is not kept any more, or not reached yet.
    HeightNotAvailable "HEIGHT_NOT_AVAILABLE" = OutOfRange;
    /// The cursor is older than this node's history.
    CursorTooOld "CURSOR_TOO_OLD" = OutOfRange;
    /// This node gives no proofs.
    ProofNotServed "PROOF_NOT_SERVED" = Unimplemented;
    /// The caller asks more often than it may.
    RateLimited "RATE_LIMITED" = ResourceExhausted;
    /// The node has too much to do at once.
    Overloaded "OVERLOADED" = ResourceExhausted;
    /// The request took longer than it may.
    RequestTimeout "REQUEST_TIMEOUT" = DeadlineExceeded;
    /// The client sent nothing for too long.
    StreamIdle "STREAM_IDLE" = DeadlineExceeded;
    /// The node is stopping; another one, or the same one a little later, answers.
    ShuttingDown "SHUTTING_DOWN" = Unavailable;
    /// The node's store could not be read.
    StoreFault "STORE_FAULT" = Internal;
}

impl Reason {
    /// The reason of a name, such as a mempool's own.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_name_of_its_own_and_words() {
        for reason in Reason::ALL {
            assert_eq!(Reason::of_name(reason.name()), Some(*reason));
            assert!(reason.name().chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{reason}");
            assert!(reason.doc().ends_with('.'), "{reason}: {}", reason.doc());
        }
    }
}
