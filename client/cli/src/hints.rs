//! What to do about each reason: one sentence for whoever has to act.

use octroi_ledger::refusal::Shared;

/// Reasons for which a transaction is not admitted or a request not answered: when it is given, and what to do.
pub const ADMISSION: &[(&str, &str, &str)] = &[
    (
        "TRANSACTION_TOO_LARGE",
        "the transaction is larger than 64 KiB",
        "split the list it carries over several transactions",
    ),
    (
        "TRANSACTION_MALFORMED",
        "the bytes are no transaction, or a field holds what it cannot",
        "build it anew with 'octroi tx build'",
    ),
    (
        "NOT_CANONICAL",
        "the bytes are not the one encoding of what they say",
        "build it anew with 'octroi tx build'; other programs must follow docs/formats.md",
    ),
    ("SIGNATURE_COUNT", "there is no signature, or more than 16", "sign it with 'octroi tx sign'"),
    ("KEY_ORDER", "the signing keys are not strictly ascending", "join signatures with 'octroi tx combine'"),
    (
        "SIGNATURE_INVALID",
        "a signature does not verify",
        "sign the file again; it was changed after signing, or signed for another network",
    ),
    (
        "WRONG_NETWORK",
        "the transaction is for another genesis",
        "compare 'octroi status' with the network the transaction was built for",
    ),
    (
        "TOO_MUCH_WORK",
        "the transaction needs more work than a block has",
        "split the list it carries over several transactions",
    ),
    ("EXPIRED", "the transaction's time has passed", "build and sign it anew; nothing has happened"),
    (
        "TOO_EARLY",
        "the transaction's validity ends further ahead than the window",
        "submit it later, inside the window before its valid_until",
    ),
    (
        "UNKNOWN_SIGNER",
        "the organisation is not registered, or a key is no live key of one of its offices",
        "look at 'octroi org show' for the live keys, and at --as",
    ),
    (
        "THRESHOLD",
        "too few keys of the organisation signed for this family of kinds",
        "let further offices sign: 'octroi tx sign', then 'octroi tx combine'",
    ),
    ("DUPLICATE", "the id is in a block already", "nothing is to be done; 'octroi tx show ID' shows what became of it"),
    ("PENDING", "the transaction waits already", "wait for it: 'octroi tx wait ID'"),
    ("QUOTA", "the organisation has used up its ledger day", "go on tomorrow, or ask the colleges for a higher quota"),
    ("SEEN_FULL", "the network remembers as many ids as it may", "try again in some minutes"),
    ("MEMPOOL_FULL", "no transaction more can wait at this node", "try again in a moment"),
    (
        "ORGANISATION_FULL",
        "no transaction more of this organisation can wait at this node",
        "wait until those before are committed",
    ),
    (
        "NODE_NOT_READY",
        "the node takes no transactions now: it is starting, catching up, stopping or out of disk",
        "look at 'octroi status', or name another node",
    ),
    ("ARGUMENT", "a field of the request holds what it cannot", "look at the field that the details name"),
    ("TOO_MANY_ITEMS", "a request carries more items than it may", "send fewer at a time"),
    ("PAGE_TOKEN", "the page token was made for another query or filter", "begin again without --page-token"),
    ("NOT_FOUND", "nothing has that id, code or height", "check the id; with --at-height it may not have existed yet"),
    (
        "HEIGHT_NOT_AVAILABLE",
        "the state of that height is not kept any more, or not reached yet",
        "choose a height in the range that the details name, or ask an archive node",
    ),
    (
        "CURSOR_TOO_OLD",
        "the cursor is older than this node's history",
        "begin at the oldest cursor that the details name",
    ),
    ("PROOF_NOT_SERVED", "this node gives no proofs", "replay an archive: 'octroi audit replay'"),
    ("RATE_LIMITED", "the caller asks more often than it may", "try again in a moment"),
    ("OVERLOADED", "the node has too much to do at once", "try again in a moment, or name another node"),
    ("REQUEST_TIMEOUT", "the request took longer than it may", "try again"),
    ("STREAM_IDLE", "the client sent nothing for too long", "try again"),
    ("SHUTTING_DOWN", "the node is stopping", "name another node, or try again a little later"),
    ("STORE_FAULT", "the node's store could not be read", "tell the operator of the node; name another node meanwhile"),
];

/// What to do about a reason of admission.
pub fn admission(reason: &str) -> Option<&'static str> {
    ADMISSION.iter().find(|(name, ..)| *name == reason).map(|(_, _, hint)| *hint)
}

/// What to do about a refusal, by its shared name.
pub const fn refusal(shared: Shared) -> &'static str {
    match shared {
        Shared::Unknown => {
            "check the id or code; list what exists with 'octroi org', 'project', 'call', 'fund' or 'grant'"
        }
        Shared::Suspended => "a suspended organisation may pay, report and answer, and nothing else; ask the registrar",
        Shared::Expired => "build and sign it anew",
        Shared::Duplicate => "it is there already; look it up instead of sending it again",
        Shared::Role => {
            "sign with a key of the office that holds the role (--as ORG.OFFICE); 'octroi org show' lists roles"
        }
        Shared::Segregation => "another organisation, of another group, has to do this",
        Shared::Conflict => "somebody without this conflict of interest has to do this",
        Shared::State => "look at the object first: it is not in the state that this act needs",
        Shared::Window => "compare the window of the object with the ledger time in 'octroi status'",
        Shared::Amount => "correct the amount",
        Shared::Currency => "use the currency of the fund",
        Shared::Limit => "shorten the list or the text",
        Shared::Date => "correct the date",
        Shared::Shares => "let the shares sum to 1000000 parts per million",
        Shared::Reference => "name the account or the reference that the object has",
        Shared::Insufficient => "look at 'octroi fund show' for what there is",
        Shared::Cap => "lower the amount, or propose it as a derogation",
        Shared::Quorum => "more seats have to cast a ballot",
        Shared::Parity => "fill the seats of the empty college first",
        Shared::ObjectionOpen => "settle the objection first",
        Shared::Identifier => "correct the identifier; its check digit must hold and nobody else may have it",
        Shared::Territory => "use a territory that the network has and the call admits",
        Shared::Schedule => "look at the levy schedule for the services, deductions and dates it knows",
        Shared::Threshold => "a threshold is at least 1 and at most the number of keys",
        Shared::StatementGap => {
            "attest the statements in their order, without gaps: sequence, opening balance and dates follow the last"
        }
        Shared::EntryUsed => "the bank entry is matched already; 'octroi bank show' lists the open ones",
        Shared::Evidence => "add the evidence that is asked for",
        Shared::Overflow => "the sum is beyond what the ledger holds; split it",
        Shared::UnknownParameter => "parameters are listed in the rulebook, section 4",
        Shared::PersonalData => "take personal data out of the text; only organisations stand on the ledger",
    }
}
