//! `cancel_call`: a programme manager takes a call back that is not decided.
//!
//! - Allowed: an active organisation with the role programme manager over the fund.
//! - Effect: the call is cancelled and takes no applications, screenings or reviews; no money was reserved. A vote on its awards goes on and ends without
//!   effect.
//! - Source: rulebook §7, award.

use super::{
    call::{Call, CallStatus},
    close_call::CloseCall,
};
use crate::{
    action::{Action, Effect, Kind, Place},
    due,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct CancelCall = CancelCall {
        /// Which call.
        pub call: CallId,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }

    /// The event.
    pub struct CallCancelled = CallCancelled {
        /// Which call.
        pub call: CallId,
        /// The fund it draws on.
        pub fund: FundCode,
        /// Who cancelled it.
        pub manager: OrganisationId,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }
}

refusals! {
    signer;
    UnknownCall(CallId): Unknown 1 "call {0} does not exist", "the call does not exist";
    StateCall(CallId, CallStatus): State 1 "call {0} is {1}", "the call is decided or cancelled";
}
signer_refusals!(Refused);

impl Action for CancelCall {
    type Event = CallCancelled;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<CallCancelled, Refused> {
        let Self { call: id, reason, document } = *self;

        cx.active(state)?;
        let call = state.get::<Call>(&id).ok_or(Refused::UnknownCall(id))?;
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(call.fund))?;
        match call.status {
            CallStatus::Open | CallStatus::Closed | CallStatus::Deciding => {}
            CallStatus::Decided | CallStatus::Cancelled => return Err(Refused::StateCall(id, call.status)),
        }
        Ok(CallCancelled { call: id, fund: call.fund, manager: cx.organisation, reason, document })
    }
}

impl Effect for CallCancelled {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let call = state.get::<Call>(&self.call).expect("decide: the call exists");
        if call.status == CallStatus::Open {
            let closes_at = call.closes_at;
            due::cancel(state, closes_at, Kind::CloseCall, CloseCall::object(&self.call));
        }
        state.update::<Call>(&self.call, |call| call.status = CallStatus::Cancelled);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Call>(&self.call),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.manager),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        application::fixture::*,
        fixture::{DAY, assert_round_trips, commitment, network},
        governance::change::{Award, AwardGrants, ChangeStatus, Content},
        governance::{change::Change, propose_change::ProposeChange},
    };

    fn cancellation(call: CallId) -> CancelCall {
        CancelCall { call, reason: ReasonCode::new("no_money").unwrap(), document: commitment("cancelled") }
    }

    #[test]
    fn a_cancellation_is_refused_in_order_of_precedence() {
        let mut network = network();
        let call = open_call(&mut network);
        network.edit(|state| state.update::<Call>(&call, |call| call.status = CallStatus::Decided));
        let steps: &[Step<CancelCall>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("foundation");
                t.act.call = CallId::ZERO;
            }),
            ("UnknownCall", |t| t.act.call = *t.network.state.all::<Call>().next().unwrap().0),
            ("StateCall", |t| {
                let call = t.act.call;
                t.network.edit(|state| state.update::<Call>(&call, |call| call.status = CallStatus::Closed));
            }),
        ];
        let trial = Trial::faulty(network, "lab", cancellation(call));
        assert_precedence(Kind::CancelCall, trial, Payload::CancelCall, steps);
    }

    #[test]
    fn a_cancelled_call_takes_no_applications_and_is_not_closed() {
        let mut network = network();
        let call = open_call(&mut network);
        let own = project(&mut network, "asso1");
        assert_round_trips(&Payload::CancelCall(cancellation(call)));
        network.run("foundation", Payload::CancelCall(cancellation(call))).unwrap();
        let act = Payload::SubmitApplication(application(call, own));
        assert_eq!(network.refusal("asso1", act), "WindowShut");
        assert!(network.advance(OPEN_DAYS * DAY).is_empty());
        assert_eq!(network.refusal("foundation", Payload::CancelCall(cancellation(call))), "StateCall");
    }

    #[test]
    fn the_vote_on_a_cancelled_call_ends_without_effect_and_the_call_stays_cancelled() {
        let (mut network, call, application) = reviewed();
        let opens_at = BlockTime(network.now().0 + 1);
        let awards = vec![Award { application, amount: 100_000 }];
        let change = Content::AwardGrants(AwardGrants { call, awards, derogations: vec![] });
        let act = ProposeChange { change, document: commitment("awards"), opens_at };
        network.run("foundation", Payload::ProposeChange(act)).unwrap();
        network.run("foundation", Payload::CancelCall(cancellation(call))).unwrap();
        network.advance(DAY);
        network.advance(8 * DAY);
        let (_, change) = network.state.all::<Change>().next().unwrap();
        assert_eq!(change.status, ChangeStatus::NoQuorum);
        assert_eq!(network.state.get::<Call>(&call).unwrap().status, CallStatus::Cancelled);
    }
}
