//! `cancel_promise`: a funder takes back what is open of its promise.
//!
//! - Allowed: the funder, suspended or not, by an office that may use the role funder; while something is open.
//! - Effect: the promise takes no more money; what was received stays. What a regrant left open can be
//!   promised on again. A promise is memo: no money moves.
//! - Source: rulebook §3, table A (promise), and §4, 0304.

use super::promise::{ParentTranche, Promise, PromiseStatus};
use crate::{
    action::{Action, Effect, Place},
    grant::grant::{Grant, Tranche},
    history::RecordRef,
    refusal::{SignerRefusal, refusals},
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
    pub struct CancelPromise = CancelPromise {
        /// Which.
        pub promise: PromiseId,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct PromiseCancelled = PromiseCancelled {
        /// Which.
        pub promise: PromiseId,
        /// Who promised.
        pub funder: OrganisationId,
        /// To which fund.
        pub fund: FundCode,
        /// Minor units that were open.
        pub open: u64,
        /// Why.
        pub reason: ReasonCode,
        /// Of a regrant: the tranche that may be promised on again.
        pub parent: Option<ParentTranche>,
    }
}

refusals! {
    RoleMissing(String): Role 1 "{0}", "the signer is no organisation, or too few of the signing keys are in offices that may use the role";
    RoleFunder(OrganisationId): Role 2 "organisation {0} promised", "another organisation promised";
    UnknownPromise(PromiseId): Unknown 1 "promise {0} does not exist", "the promise does not exist";
    StatePromise(PromiseId): State 1 "promise {0} has nothing open", "the promise is kept, cancelled or expired";
}

impl From<SignerRefusal> for Refused {
    fn from(refusal: SignerRefusal) -> Self {
        match refusal {
            SignerRefusal::Suspended(id) => Self::RoleMissing(format!("organisation {id} does not exist")),
            SignerRefusal::Role(words) => Self::RoleMissing(words),
        }
    }
}

impl Action for CancelPromise {
    type Event = PromiseCancelled;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<PromiseCancelled, Refused> {
        let Self { promise, reason } = *self;

        cx.authorise_even_suspended(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Promise>(&promise);
        if let Some(record) = record.filter(|record| record.funder != cx.organisation) {
            return Err(Refused::RoleFunder(record.funder));
        }
        let record = record.ok_or(Refused::UnknownPromise(promise))?;
        if record.open() == 0 {
            return Err(Refused::StatePromise(promise));
        }
        let (open, parent) = (record.open(), record.parent.clone());
        Ok(PromiseCancelled { promise, funder: record.funder, fund: record.fund, open, reason, parent })
    }
}

impl Effect for PromiseCancelled {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Promise>(&self.promise, |promise| promise.status = PromiseStatus::Cancelled);
        if let Some(ParentTranche { grant, tranche }) = &self.parent {
            Tranche::keep(state, grant, *tranche, self.open);
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Promise>(&self.promise),
            RecordRef::of::<Organisation>(&self.funder),
            RecordRef::of::<Fund>(&self.fund),
        ];
        subjects.extend(self.parent.as_ref().map(|parent| RecordRef::of::<Grant>(&parent.grant)));
        subjects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, id, money},
    };

    impl IntoPayload for CancelPromise {
        fn into_payload(self) -> Payload {
            Payload::CancelPromise(self)
        }
    }

    fn cancel(promise: PromiseId) -> CancelPromise {
        CancelPromise { promise, reason: ReasonCode::new("budget").unwrap() }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let promise = network.promise(100, None);
        let reference = Some(Reference::of(ReferenceKind::Promise, promise.hash()));
        network.receive("kept", 100, reference);
        network.edit(|state| {
            state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
        });
        let reached = [
            network.refusal("lab", cancel(PromiseId::ZERO)),
            network.refusal("university", cancel(promise)),
            network.refusal("university", cancel(PromiseId::ZERO)),
            network.refusal("region", cancel(promise)),
        ];
        fixture::assert_all_reached(Kind::CancelPromise, &reached);
    }

    #[test]
    fn a_cancelled_promise_takes_no_more_money_and_keeps_what_came() {
        let mut network = money::network();
        let promise = network.promise(100, None);
        fixture::assert_round_trips(&cancel(promise).into_payload());
        let reference = Some(Reference::of(ReferenceKind::Promise, promise.hash()));
        network.receive("part", 40, reference);
        network.suspend("region");
        let Ok(Event::CancelPromise(event)) = network.run("region", cancel(promise)) else { panic!("cancelled") };
        assert_eq!(event.open, 60);
        network.receive("late", 60, reference);
        assert_eq!(network.state.get::<Promise>(&promise).unwrap().received, 40);
        network.assert_sound();
    }
}
