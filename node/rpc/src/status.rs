//! Errors as callers get them: a code, words, and details for programs.

use crate::{DOMAIN, NotAdmitted, Reason};
use octroi_views::{ReadFault, ViewError};
use std::{collections::HashMap, time::Duration};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// An error in the making.
pub(crate) struct Answer {
    reason: Reason,
    message: String,
    details: ErrorDetails,
    values: HashMap<String, String>,
}

impl Answer {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: ErrorDetails::new(), values: HashMap::new() }
    }

    /// Adds a value for programs.
    pub(crate) fn value(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    /// Says when to try again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.details.set_retry_info(Some(wait));
        self
    }

    pub(crate) fn status(self) -> Status {
        let Self { reason, message, mut details, values } = self;
        details.set_error_info(reason.name(), DOMAIN, values);
        Status::with_error_details(reason.code(), message, details)
    }
}

/// A field that holds what it cannot.
pub(crate) fn argument(field: &str, why: impl ToString) -> Status {
    let mut answer = Answer::new(Reason::Argument, format!("{field}: {}", why.to_string())).value("field", field);
    answer.details.add_bad_request_violation(field, why.to_string());
    answer.status()
}

/// Nothing has that name.
pub(crate) fn not_found(kind: &str, name: impl ToString) -> Status {
    let name = name.to_string();
    let mut answer = Answer::new(Reason::NotFound, format!("{kind} {name} is not known at this height"))
        .value("kind", kind)
        .value("name", &name);
    answer.details.set_resource_info(kind, name, "", "not known at this height");
    answer.status()
}

/// A list with more items than a request may carry.
pub(crate) fn too_many(field: &str, found: usize, limit: usize) -> Status {
    Answer::new(Reason::TooMany, format!("{field}: {found} items, {limit} are allowed"))
        .value("field", field)
        .value("found", found)
        .value("limit", limit)
        .status()
}

pub(crate) fn proof_not_served() -> Status {
    Answer::new(Reason::ProofNotServed, "this node gives no proofs; replay an archive to check its answers").status()
}

pub(crate) fn rate_limited(wait: Duration) -> Status {
    Answer::new(Reason::RateLimited, format!("more requests than allowed; try again in {} ms", wait.as_millis()))
        .retry_after(wait)
        .status()
}

pub(crate) fn overloaded(what: &str) -> Status {
    Answer::new(Reason::Overloaded, format!("too many {what} at once"))
        .value("what", what)
        .retry_after(Duration::from_secs(1))
        .status()
}

pub(crate) fn shutting_down() -> Status {
    Answer::new(Reason::ShuttingDown, "the node is stopping").retry_after(Duration::from_secs(5)).status()
}

pub(crate) fn of_view(error: ViewError) -> Status {
    match error {
        ViewError::HeightNotAvailable { asked, oldest, newest } => {
            Answer::new(Reason::HeightNotAvailable, error.to_string())
                .value("asked", asked)
                .value("oldest", oldest)
                .value("newest", newest)
                .status()
        }
        ViewError::PageToken(_) => Answer::new(Reason::PageToken, error.to_string()).status(),
        ViewError::Fault(fault) => of_fault(fault),
    }
}

pub(crate) fn of_fault(fault: ReadFault) -> Status {
    tracing::error!(code = "RPC_STORE_FAULT", %fault, "a read failed");
    // The operator reads file and offset in the log; a caller can do nothing with them.
    Answer::new(Reason::StoreFault, "the node could not read its store").status()
}

pub(crate) fn of_not_admitted(error: &NotAdmitted) -> Status {
    let NotAdmitted { reason, message, retry_after } = error;
    let answer = Answer::new(*reason, message.clone());
    match retry_after {
        Some(wait) => answer.retry_after(*wait).status(),
        None => answer.status(),
    }
}
