//! `close_call`*: the window of a call is over. The executor makes it at the start of the first block at or after `closes_at`.
//!
//! - Effect: the call is closed; its applications can be screened.
//! - Source: rulebook §17, 0604.

use super::call::{Call, CallStatus};
use crate::{
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    registry::fund::Fund,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCall;

impl CloseCall {
    /// The object of this duty.
    pub fn object(call: &CallId) -> Hash {
        *call.hash()
    }
}

message! {
    /// The event.
    pub struct CallClosed = CallClosed {
        /// The call.
        pub call: CallId,
        /// The fund it draws on.
        pub fund: FundCode,
        /// Applications received.
        pub applications: u32,
    }
}

refusals! {
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    StateNotOpen(CallId, CallStatus): State 1 "call {0} is {1}", "the call was cancelled before it closed";
}

impl Duty for CloseCall {
    type Event = CallClosed;
    type Refused = Refused;

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<CallClosed, Refused> {
        let call = CallId::new(*object);
        let record = state.get::<Call>(&call).ok_or(Refused::UnknownCall(call))?;
        if record.status != CallStatus::Open {
            return Err(Refused::StateNotOpen(call, record.status));
        }
        Ok(CallClosed { call, fund: record.fund, applications: record.applications })
    }
}

impl Effect for CallClosed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Call>(&self.call, |call| call.status = CallStatus::Closed);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Call>(&self.call), RecordRef::of::<Fund>(&self.fund)]
    }
}
