//! What can go wrong between a client and its nodes, as data.

use octroi_ledger::transaction::DecodeError;
use std::{collections::BTreeMap, fmt, time::Duration};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No node was named.
    #[error("no endpoint is given")]
    NoEndpoint,
    /// Not the address of a node.
    #[error("{endpoint:?} is no address of a node: {reason}")]
    Endpoint {
        /// As it was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No node could be reached, each with the last thing it did.
    #[error("no node answers: {}", Failures(.0))]
    Unreachable(Vec<(String, String)>),
    /// A node answered with an error.
    #[error("{0}")]
    Answer(Box<Answer>),
    /// A node's answer lacks what the interface promises.
    #[error("the node's answer is incomplete: {0}")]
    Incomplete(&'static str),
    /// A transaction that cannot be.
    #[error(transparent)]
    Transaction(#[from] DecodeError),
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(String),
    /// What was received could not be written.
    #[error("cannot write what was received: {0}")]
    Write(#[from] std::io::Error),
}

struct Failures<'a>(&'a [(String, String)]);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (endpoint, why)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(f, "{comma}{endpoint}: {why}")?;
        }
        Ok(())
    }
}

/// An error that a node answered, taken apart (`google.rpc.Status`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The gRPC code.
    pub code: Code,
    /// Reason in upper snake case; empty when the node gave none.
    pub reason: String,
    /// In words, with values.
    pub message: String,
    /// The values, by name.
    pub metadata: BTreeMap<String, String>,
    /// Fields of the request that are wrong, with what is wrong.
    pub fields: Vec<(String, String)>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() { write!(f, "{}", self.code.description()) } else { f.write_str(&self.message) }
    }
}

impl Answer {
    /// Whether the same request may succeed later at the same node.
    pub fn passes(&self) -> bool {
        passes(&self.reason)
            || self.retry_after.is_some()
            || (self.reason.is_empty() && self.code == Code::ResourceExhausted)
    }
}

/// Whether a reason goes away by itself.
pub fn passes(reason: &str) -> bool {
    matches!(
        reason,
        "MEMPOOL_FULL"
            | "ORGANISATION_FULL"
            | "RATE_LIMITED"
            | "OVERLOADED"
            | "NODE_NOT_READY"
            | "SHUTTING_DOWN"
            | "PENDING"
            | "REQUEST_TIMEOUT"
            | "STREAM_IDLE"
    )
}

/// An error of a call: the node's, or the connection's.
pub(crate) enum Fault {
    /// The connection broke or never was; another node may answer. What was sent may have arrived.
    Broken(String),
    /// A node's answer.
    Answer(Answer),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = info.map(|info| info.reason.clone()).unwrap_or_default();
        // A node always names a reason; without one, these codes are how a broken connection shows.
        let transport = matches!(
            status.code(),
            Code::Unavailable
                | Code::Unknown
                | Code::Internal
                | Code::Cancelled
                | Code::Aborted
                | Code::DeadlineExceeded
        );
        if reason.is_empty() && transport {
            return Self::Broken(words(&status));
        }
        Self::Answer(Answer {
            code: status.code(),
            reason,
            message: status.message().to_owned(),
            metadata: info.map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            fields: details.bad_request().map_or_else(Vec::new, |request| {
                request.field_violations.iter().map(|field| (field.field.clone(), field.description.clone())).collect()
            }),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        })
    }
}

impl Fault {
    /// Whether another node should be asked.
    pub(crate) fn elsewhere(&self) -> bool {
        match self {
            Self::Broken(_) => true,
            Self::Answer(answer) => {
                matches!(answer.reason.as_str(), "NODE_NOT_READY" | "SHUTTING_DOWN" | "STORE_FAULT")
            }
        }
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Broken(words) => words.clone(),
            Self::Answer(answer) => answer.to_string(),
        }
    }
}

/// The innermost cause says most: "connection refused" rather than "transport error".
fn words(status: &Status) -> String {
    let mut cause: &dyn std::error::Error = status;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let innermost = cause.to_string();
    if innermost.is_empty() || std::ptr::eq(cause as *const _ as *const (), status as *const _ as *const ()) {
        if status.message().is_empty() { status.code().description().to_owned() } else { status.message().to_owned() }
    } else {
        innermost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic_types::ErrorDetails;

    #[test]
    fn an_answer_keeps_reason_values_fields_and_when_to_try_again() {
        let mut details = ErrorDetails::new();
        details.set_error_info("MEMPOOL_FULL", "octroi", [("waiting".to_owned(), "9".to_owned())]);
        details.set_retry_info(Some(Duration::from_secs(2)));
        details.add_bad_request_violation("max_wait_ms", "too long");
        let status = Status::with_error_details(Code::ResourceExhausted, "9 wait already", details);
        let Fault::Answer(answer) = Fault::from(status) else { panic!("a node's reason is an answer") };
        assert_eq!((answer.reason.as_str(), answer.metadata["waiting"].as_str()), ("MEMPOOL_FULL", "9"));
        assert_eq!(answer.fields, [("max_wait_ms".to_owned(), "too long".to_owned())]);
        assert_eq!(answer.retry_after, Some(Duration::from_secs(2)));
        assert!(answer.passes());
    }

    #[test]
    fn without_a_reason_unavailable_is_a_broken_connection_and_not_found_is_an_answer() {
        assert!(matches!(Fault::from(Status::unavailable("x")), Fault::Broken(_)));
        assert!(matches!(Fault::from(Status::not_found("x")), Fault::Answer(_)));
    }
}
