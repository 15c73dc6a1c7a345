//! From messages to the mempool: decoded strictly, awaited before they are handed in, answered with where they stand.

use super::{Found, id_and_end};
use crate::{NotAdmitted, Reason, core::Core, status, tracker::Wait};
use octroi_ledger::SignedTransaction;
use octroi_primitives::TransactionId;
use octroi_proto::v1 as pb;
use octroi_views::View;
use std::{collections::HashMap, future::Future};
use tonic::Status;

/// Where a transaction that was handed in stands.
pub(super) enum Answer {
    /// It waits for a block.
    Pending(TransactionId),
    /// It is in a block already.
    Found(Found),
    /// It does not wait.
    Not(NotAdmitted),
}

/// A transaction that was handed in.
pub(super) struct Handed {
    /// `None` for what is no transaction.
    pub(super) id: Option<TransactionId>,
    pub(super) answer: Answer,
}

/// Decodes a transaction and checks its network, which a signature check could not tell from a forgery.
pub(super) fn open(view: &View, message: pb::SignedTransaction) -> Result<SignedTransaction, NotAdmitted> {
    let pb::SignedTransaction { body, signatures } = message;
    let signed = SignedTransaction::from_parts(body, signatures).map_err(|error| NotAdmitted::from(&error))?;
    let asked = signed.transaction().network;
    if asked != view.state.network() {
        let message = format!("transaction is for network {asked}, this is {}", view.state.network());
        return Err(NotAdmitted::new(Reason::WrongNetwork, message));
    }
    Ok(signed)
}

/// Decodes and registers at once; the future hands in at its first poll.
///
/// # Errors
/// When more would be awaited than may be.
pub(super) fn hand_in(
    core: &Core,
    messages: Vec<pb::SignedTransaction>,
    wait: Option<&mut Wait>,
) -> Result<impl Future<Output = Result<Vec<Handed>, Status>> + Send + 'static, Status> {
    /// Decoded, and waiting for the answer at the same place of the list of answers.
    enum Opened {
        Bad(NotAdmitted),
        Seen(TransactionId),
        Sent(TransactionId),
    }
    let view = core.deps.views.newest();
    let mut opened = Vec::with_capacity(messages.len());
    let mut sent = Vec::with_capacity(messages.len());
    for message in messages {
        opened.push(match open(&view, message) {
            Err(error) => Opened::Bad(error),
            Ok(signed) => {
                let (id, valid_until) = id_and_end(&signed);
                if view.state.has_seen(valid_until, &id) {
                    Opened::Seen(id)
                } else {
                    sent.push(signed);
                    Opened::Sent(id)
                }
            }
        });
    }
    if let Some(wait) = wait {
        let ids: Vec<_> = sent.iter().map(id_and_end).collect();
        wait.add(&ids).map_err(|_| status::overloaded("awaited transactions"))?;
    }
    let core = core.clone();
    Ok(async move {
        let answers = if sent.is_empty() { Vec::new() } else { core.deps.submit.submit(sent).await };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(NotAdmitted::new(Reason::Overloaded, "no answer")));
        let answered: Vec<Answered> = opened
            .into_iter()
            .map(|opened| match opened {
                Opened::Bad(error) => Answered::Bad(error),
                Opened::Seen(id) => Answered::Doubtful(id, None),
                Opened::Sent(id) => match next() {
                    Ok(()) => Answered::Pending(id),
                    Err(error) if error.reason == Reason::Pending => Answered::Pending(id),
                    Err(error) => Answered::Doubtful(id, Some(error)),
                },
            })
            .collect();
        // What is not admitted may be committed: the same bytes give the same answer.
        let doubtful: Vec<TransactionId> = answered
            .iter()
            .filter_map(|answered| match answered {
                Answered::Doubtful(id, _) => Some(*id),
                Answered::Bad(_) | Answered::Pending(_) => None,
            })
            .collect();
        let mut found = HashMap::new();
        if !doubtful.is_empty() {
            found = core.scan(move |core| Found::look_up(core, &doubtful)).await?;
        }
        let settle = |answered| match answered {
            Answered::Bad(error) => Handed { id: None, answer: Answer::Not(error) },
            Answered::Pending(id) => Handed { id: Some(id), answer: Answer::Pending(id) },
            Answered::Doubtful(id, error) => {
                let answer = match (found.get(&id), error) {
                    (Some(found), _) => Answer::Found(found.clone()),
                    // Committed, in a block that cannot be read yet: as if it waited.
                    (None, Some(error)) if error.reason == Reason::Duplicate => Answer::Pending(id),
                    (None, Some(error)) => Answer::Not(error),
                    (None, None) => {
                        let message = format!("transaction {id} is in a block that this node does not hold");
                        Answer::Not(NotAdmitted::new(Reason::Duplicate, message))
                    }
                };
                Handed { id: Some(id), answer }
            }
        };
        Ok(answered.into_iter().map(settle).collect())
    })
}

/// What the mempool said.
enum Answered {
    Bad(NotAdmitted),
    Pending(TransactionId),
    /// Seen in a block, or not admitted for this reason: it is looked up.
    Doubtful(TransactionId, Option<NotAdmitted>),
}

pub(super) fn pending(id: TransactionId) -> pb::TransactionStatus {
    pb::TransactionStatus {
        id: id.as_bytes().to_vec(),
        state: pb::TransactionState::Pending.into(),
        ..Default::default()
    }
}

pub(super) fn not_admitted(id: Option<TransactionId>, error: &NotAdmitted) -> pb::TransactionStatus {
    let state = match error.reason {
        Reason::Expired => pb::TransactionState::Expired,
        _ => pb::TransactionState::NotAdmitted,
    };
    pb::TransactionStatus {
        id: id.map(|id| id.as_bytes().to_vec()).unwrap_or_default(),
        state: state.into(),
        reason: error.reason.name().to_owned(),
        message: error.message.clone(),
        ..Default::default()
    }
}
