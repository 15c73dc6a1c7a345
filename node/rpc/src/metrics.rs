//! Counters of requests by method and code, for the node's metrics.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};
use tonic::Code;

/// Most different methods counted by name: a caller can invent names without end.
const METHODS: usize = 256;

/// Requests of one method that ended with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Such as `octroi.v1.TransactionService/SubmitTransaction`; `other` for what is not served.
    pub method: String,
    /// Name of the code, such as `ok` or `resource_exhausted`.
    pub code: &'static str,
    /// How many.
    pub count: u64,
    /// Microseconds from the request's headers to the answer's, summed.
    pub micros: u64,
}

/// What the server counts. Shared with the daemon, which turns it into its own metrics.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, i32), (u64, u64)>>,
    connections: AtomicI64,
    refused_connections: AtomicU64,
    awaited: AtomicI64,
}

impl Metrics {
    pub(crate) fn request(&self, method: &str, code: Code, took: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let known = requests.len() < METHODS || requests.contains_key(&(method.to_owned(), code as i32));
        let method = if known { method } else { "other" };
        let (count, sum) = requests.entry((method.to_owned(), code as i32)).or_default();
        *count += 1;
        *sum = sum.saturating_add(micros);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        self.refused_connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_awaited(&self, awaited: usize) {
        self.awaited.store(i64::try_from(awaited).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Requests by method and code, in order.
    pub fn requests(&self) -> Vec<Sample> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = |((method, code), (count, micros)): (&(String, i32), &(u64, u64))| Sample {
            method: method.clone(),
            code: name_of(Code::from_i32(*code)),
            count: *count,
            micros: *micros,
        };
        requests.iter().map(sample).collect()
    }

    /// Connections now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Connections closed at once since the start, for want of room or a failed handshake.
    pub fn refused_connections(&self) -> u64 {
        self.refused_connections.load(Ordering::Relaxed)
    }

    /// Transactions whose commit somebody awaits.
    pub fn awaited(&self) -> u64 {
        self.awaited.load(Ordering::Relaxed).max(0).unsigned_abs()
    }
}

/// Name of a code in snake case, for labels.
pub(crate) fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
