//! What every write ends with: sign, submit or simulate, wait, say what became of it.

use crate::{
    arguments::Wait,
    failure::{Exit, Failure, Result},
    session::Session,
};
use octroi_client::{ClientError, Until, bridge, state};
use octroi_ledger::{Kind, Payload, SignedTransaction, refusal::reason};
use octroi_primitives::{Hash, Reference, ReferenceKind, TransactionId};
use octroi_proto::v1::{self as pb, TransactionState};
use prost::Message as _;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// What became of a transaction.
pub struct Outcome {
    /// Its id.
    pub id: TransactionId,
    /// Whether it is in a block and happened.
    pub applied: bool,
    /// As it is printed.
    data: Json,
    failure: Option<Failure>,
}

/// Builds, signs and submits an act of `--as`; with `--dry-run` asks what would happen.
pub async fn act(session: &mut Session, payload: Payload) -> Result<Outcome> {
    payload.validate().map_err(|refusal| refused(&refusal.reason(), &refusal.message, payload.kind(), refusal.code))?;
    let author = session.author().await?;
    let transaction = session.client()?.build(author.organisation, payload).await?;
    let signed = transaction.sign(&author.keys.iter().collect::<Vec<_>>());
    submit(session, &signed).await
}

/// Submits a signed transaction, or simulates it with `--dry-run`.
pub async fn submit(session: &mut Session, signed: &SignedTransaction) -> Result<Outcome> {
    let (dry_run, wait, max_wait) =
        (session.global.dry_run, session.global.wait, Duration::from_secs(session.global.max_wait));
    let kind = signed.transaction().payload.kind();
    let client = session.client()?;
    if dry_run {
        let answer = client.simulate(signed).await?;
        let status = answer
            .status
            .ok_or_else(|| Failure::new(Exit::Unexpected, "UNEXPECTED", "the node's answer has no status"))?;
        return Ok(outcome(signed.id(), Some(kind), &status, Mode::DryRun));
    }
    let until = match wait {
        Wait::Accepted => Until::Accepted,
        Wait::Committed => Until::Committed,
    };
    // The network is known to answer before anything is sent, so that what fails afterwards has an unknown outcome.
    client.info().await?;
    let status = client.submit(signed, until, max_wait).await.map_err(|error| match error {
        ClientError::Unreachable(failures) => unknown(
            &signed.id(),
            format!("the connection broke after it was sent: {}", ClientError::Unreachable(failures)),
        ),
        other => Failure::from(other).value("transaction", signed.id().to_string()),
    })?;
    Ok(outcome(signed.id(), Some(kind), &status, Mode::Sent(until)))
}

/// Why the outcome may be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing was submitted.
    DryRun,
    /// It was handed in.
    Sent(Until),
}

/// What a status says.
pub fn outcome(id: TransactionId, kind: Option<Kind>, status: &pb::TransactionStatus, mode: Mode) -> Outcome {
    let state = state(status);
    let event = status.outcome.as_ref().and_then(|receipt| match &receipt.outcome {
        Some(pb::receipt::Outcome::Applied(event)) => bridge::write_bytes("Event", &event.encode_to_vec()),
        _ => None,
    });
    let event = event.and_then(|event| event.as_object()?.iter().next().map(|(_, fields)| fields.clone()));
    let mut data = json!({
        "transaction": id.to_string(),
        "kind": kind.map(Kind::name),
        "state": state_name(state),
        "height": status.height,
        "receipt": status.receipt,
    });
    if mode == Mode::DryRun {
        data["dry_run"] = json!(true);
    }
    if let Some(reference) = kind.and_then(|kind| pay_with(kind, event.as_ref()?)) {
        data["reference"] = json!(reference);
    }
    data["event"] = event.unwrap_or_default();
    let failure = match state {
        TransactionState::Refused => Some(refused_status(status, kind)),
        TransactionState::NotAdmitted | TransactionState::Expired => {
            let reason = if status.reason.is_empty() { "EXPIRED" } else { &status.reason };
            let mut failure = Failure::new(
                Exit::Refused,
                reason,
                if status.message.is_empty() { "the transaction was not admitted" } else { &status.message },
            );
            failure.hint = crate::hints::admission(reason).map(str::to_owned);
            Some(failure)
        }
        TransactionState::Pending | TransactionState::Unspecified if mode == Mode::Sent(Until::Committed) => {
            Some(unknown(&id, "it waits to be in a block"))
        }
        TransactionState::Applied | TransactionState::Pending | TransactionState::Unspecified => None,
    };
    let failure = failure.map(|failure| failure.value("transaction", id.to_string()).value("height", status.height));
    Outcome { id, applied: state == TransactionState::Applied && mode != Mode::DryRun, data, failure }
}

impl Outcome {
    /// Prints what happened, or fails.
    pub fn finish(self, session: &Session) -> Result<()> {
        match self.failure {
            Some(failure) => Err(failure),
            None => session.printer.object(&self.data),
        }
    }
}

fn state_name(state: TransactionState) -> &'static str {
    match state {
        TransactionState::Unspecified => "unknown",
        TransactionState::Pending => "pending",
        TransactionState::Applied => "applied",
        TransactionState::Refused => "refused",
        TransactionState::NotAdmitted => "not_admitted",
        TransactionState::Expired => "expired",
    }
}

/// The reference that a bank transfer has to carry for what this made.
fn pay_with(kind: Kind, event: &Json) -> Option<String> {
    let (reference, field) = match kind.name() {
        "promise_contribution" => (ReferenceKind::Promise, "promise"),
        "release_payment" => (ReferenceKind::Payout, "id"),
        _ => return None,
    };
    let id: Hash = event.get(field)?.as_str()?.parse().ok()?;
    Some(Reference::of(reference, &id).to_string())
}

fn unknown(id: &TransactionId, why: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unknown, "OUTCOME_UNKNOWN", format!("transaction {id} may still be committed: {why}"))
        .hint(format!("ask again with 'octroi tx wait {id}'; it can enter a block only once"))
        .value("transaction", id.to_string())
}

fn refused_status(status: &pb::TransactionStatus, kind: Option<Kind>) -> Failure {
    let code = match status.outcome.as_ref().and_then(|receipt| receipt.outcome.as_ref()) {
        Some(pb::receipt::Outcome::Refused(refusal)) => refusal.code,
        _ => 0,
    };
    let message = if status.message.is_empty() { "the ledger refused the transaction" } else { &status.message };
    let reason = if status.reason.is_empty() { "REFUSED" } else { &status.reason };
    match kind {
        Some(kind) => refused(reason, message, kind, code),
        None => Failure::new(Exit::Refused, reason, message),
    }
}

fn refused(name: &str, message: &str, kind: Kind, code: u32) -> Failure {
    let doc = kind.refusals().iter().find(|doc| reason(kind, doc) == name || (code != 0 && doc.code == code));
    let mut failure = Failure::new(Exit::Refused, name, message).value("kind", kind.name());
    if let Some(doc) = doc {
        failure = failure
            .value("code", doc.code)
            .value("shared_name", doc.shared.as_str())
            .hint(crate::hints::refusal(doc.shared));
    }
    failure
}
