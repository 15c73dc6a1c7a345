//! `expire_promise`*: the day until which a promise was to be paid has passed. The executor makes it at the start of the next day.
//!
//! - Effect: what is open of the promise ends; money of a value date up to its day still pays it when the bank reports it later. No money moves.
//! - Source: rulebook §1 (value dates), §4, 0305.

use super::promise::{Promise, PromiseStatus};
use crate::{
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    registry::{fund::Fund, organisation::Organisation},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpirePromise;

message! {
    /// The event.
    pub struct PromiseExpired = PromiseExpired {
        /// Which.
        pub promise: PromiseId,
        /// Who promised.
        pub funder: OrganisationId,
        /// To which fund.
        pub fund: FundCode,
        /// Minor units that were open.
        pub open: u64,
    }
}

refusals! {
    UnknownPromise(PromiseId): Unknown 1 "promise {0} does not exist", "the promise does not exist";
    StatePromise(PromiseId): State 1 "promise {0} has nothing open", "the promise is kept or cancelled";
}

impl Duty for ExpirePromise {
    type Event = PromiseExpired;
    type Refused = Refused;

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<PromiseExpired, Refused> {
        let promise = PromiseId::new(*object);
        let record = state.get::<Promise>(&promise).ok_or(Refused::UnknownPromise(promise))?;
        match record.open() {
            0 => Err(Refused::StatePromise(promise)),
            open => Ok(PromiseExpired { promise, funder: record.funder, fund: record.fund, open }),
        }
    }
}

impl Effect for PromiseExpired {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Promise>(&self.promise, |promise| promise.status = PromiseStatus::Expired);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Promise>(&self.promise),
            RecordRef::of::<Organisation>(&self.funder),
            RecordRef::of::<Fund>(&self.fund),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Kind,
        fixture::{
            self,
            money::{self, date, entry},
        },
    };

    fn decide(network: &fixture::Network, promise: PromiseId) -> &'static str {
        let place = Place { height: Height(1), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        let overlay = network.state.overlay();
        let decided = crate::action::decide_duty(Kind::ExpirePromise, promise.hash(), &place, &overlay);
        fixture::variant(decided.expect("a duty"))
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let promise = network.promise(10, None);
        network.receive("kept", 10, Some(Reference::of(ReferenceKind::Promise, promise.hash())));
        let reached = [decide(&network, PromiseId::ZERO), decide(&network, promise)];
        fixture::assert_all_reached(Kind::ExpirePromise, &reached);
    }

    #[test]
    fn money_of_a_value_date_up_to_the_due_day_pays_an_expired_promise_and_later_money_waits() {
        let mut network = money::network();
        let promise = network.promise(100, None);
        let reference = Some(Reference::of(ReferenceKind::Promise, promise.hash()));
        let due = date(2028, 12, 31);
        network.advance_to(BlockTime(date(2029, 1, 1).start_time().0 - 1));
        assert_eq!(network.state.get::<Promise>(&promise).unwrap().status, PromiseStatus::Open);
        let receipts = network.advance(1);
        assert!(
            receipts.iter().any(|receipt| receipt.event().is_some_and(|event| event.kind() == Kind::ExpirePromise))
        );
        assert_eq!(network.state.get::<Promise>(&promise).unwrap().status, PromiseStatus::Expired);
        network.advance(2 * fixture::DAY);
        let on = |text, day| {
            let mut line = entry(text, 30, reference);
            line.value_date = day;
            line
        };
        network.attest(network.statement(vec![on("in_time", due), on("late", date(2029, 1, 1))]));
        assert_eq!(network.state.get::<Promise>(&promise).unwrap().received, 30);
        network.assert_sound();
    }
}
