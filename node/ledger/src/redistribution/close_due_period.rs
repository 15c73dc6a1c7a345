//! `close_due_period`*: nobody has closed a period that is due for long. The executor looks `suspense_days` after the period's end, and then once a
//! day until it is closed.
//!
//! - Effect: the period is closed as `close_period` would; or the event says what is missing, and the next look is planned.
//! - Why not earlier: until then a receipt may rightly wait in suspense, and anyone may ask for the close (rulebook §6).
//! - Source: rulebook §1 (due work), §4, 0502.

use super::close_period::{PeriodClosed, close};
use crate::{
    accounts::Postings,
    action::{BASE_COST, Duty, Effect, Kind, Place},
    due,
    history::RecordRef,
    parameters::Parameter,
    refusal::{Reject, refusals},
    registry::{close_fund::is_closed, fund::Fund},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

const DAY_MS: u64 = 86_400_000;

/// The duty; its object is a fund and a period of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseDuePeriod;

impl CloseDuePeriod {
    /// The object of this duty.
    pub fn object(fund: FundCode, period: Period) -> Hash {
        hash("due-period", &[fund.as_bytes(), period.to_string().as_bytes()])
    }

    /// Plans the first look at a fund's period.
    pub fn plan(fund: FundCode, period: Period, state: &mut Overlay<'_>) {
        let wait = state.parameter(Parameter::SuspenseDays).saturating_mul(DAY_MS);
        due::schedule(state, period.end_time().saturating_add(wait), Kind::CloseDuePeriod, Self::object(fund, period));
    }
}

message! {
    /// The event.
    pub struct DuePeriodClosed = DuePeriodClosed {
        /// The fund.
        pub fund: FundCode,
        /// The period.
        pub period: Period,
        /// The close; `None` when something is still missing.
        pub closed: Option<PeriodClosed>,
        /// What is missing: a refusal code of `close_period`.
        pub missing: Option<u32>,
        /// The next look; `None` when the period is closed.
        pub again_at: Option<BlockTime>,
    }
}

refusals! {
    StateClosed(Hash): State 1 "no open period of a fund is {0}", "the period was closed in time, or the fund is over";
}

/// The fund whose open period this is. Networks have few funds: all are read.
fn fund_of(object: &Hash, state: &Overlay<'_>) -> Option<(FundCode, Period)> {
    let funds = state.range::<Fund>(..).into_iter().filter(|(fund, _)| !is_closed(state, fund));
    let mut open = funds.map(|(fund, record)| (fund, record.next_period));
    open.find(|(fund, period)| CloseDuePeriod::object(*fund, *period) == *object)
}

impl Duty for CloseDuePeriod {
    type Event = DuePeriodClosed;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<DuePeriodClosed, Refused> {
        let (fund, period) = fund_of(object, state).ok_or(Refused::StateClosed(*object))?;
        let (closed, missing) = match close(fund, period, None, place, state) {
            Ok(closed) => (Some(closed), None),
            Err(refused) => (None, Some(refused.doc().code)),
        };
        let again_at = missing.map(|_| place.time.saturating_add(DAY_MS));
        Ok(DuePeriodClosed { fund, period, closed, missing, again_at })
    }

    /// As much as `close_period` costs.
    fn cost(_: &Hash, _: &Overlay<'_>) -> u64 {
        BASE_COST + 4 * 64
    }
}

impl Effect for DuePeriodClosed {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        if let Some(closed) = &self.closed {
            closed.apply(place, state);
        }
        if let Some(at) = self.again_at {
            due::schedule(state, at, Kind::CloseDuePeriod, CloseDuePeriod::object(self.fund, self.period));
        }
    }

    /// Those of the close, or the fund alone.
    fn subjects(&self) -> Vec<RecordRef> {
        match &self.closed {
            Some(closed) => closed.subjects(),
            None => vec![RecordRef::of::<Fund>(&self.fund)],
        }
    }

    fn postings(&self) -> Option<&Postings> {
        self.closed.as_ref().and_then(Effect::postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Event,
        fixture::{
            Network, fund,
            money::{self, date},
        },
        receipt::{Outcome, Receipt},
    };

    fn looked(receipts: &[Receipt]) -> DuePeriodClosed {
        let events = receipts.iter().filter_map(Receipt::event);
        let mut looked = events.filter_map(|event| match event {
            Event::CloseDuePeriod(event) => Some(event.clone()),
            _ => None,
        });
        let event = looked.next().expect("the rule looked");
        assert_eq!(looked.next(), None, "once in a block");
        event
    }

    fn next_period(network: &Network) -> String {
        network.state.get::<Fund>(&fund()).unwrap().next_period.to_string()
    }

    #[test]
    fn a_period_that_nobody_closes_is_closed_by_the_rule_when_receipts_have_waited_long_enough() {
        let mut network = money::network();
        let promise = network.promise(1_000, None);
        network.receive("a", 1_000, Some(Reference::of(ReferenceKind::Promise, promise.hash())));
        network.advance_to(date(2027, 4, 1).start_time());
        network.attest(network.statement(vec![]));
        assert!(network.advance_to(BlockTime(date(2027, 5, 1).start_time().0 - 1)).is_empty());
        let event = looked(&network.advance(1));
        let closed = event.closed.expect("nothing is missing");
        assert_eq!((closed.organisation, closed.sources[0].balance), (None, 1_000));
        assert_eq!((event.missing, event.again_at), (None, None));
        assert_eq!(next_period(&network), "2027Q2");
        network.assert_sound();
    }

    #[test]
    fn what_is_missing_is_said_and_the_rule_looks_again_the_next_day() {
        let mut network = money::network();
        let event = looked(&network.advance_to(date(2027, 5, 1).start_time()));
        let missing = Kind::ClosePeriod.refusals().iter().find(|doc| Some(doc.code) == event.missing).unwrap();
        assert_eq!((missing.variant, event.closed), ("StatementGap", None));
        assert_eq!(event.again_at, Some(network.in_days(1)));
        network.attest(network.statement(vec![]));
        assert!(looked(&network.advance_to(event.again_at.unwrap())).closed.is_some());
        assert_eq!(next_period(&network), "2027Q2");
    }

    #[test]
    fn a_period_that_was_closed_in_time_is_left_alone() {
        let mut network = money::network();
        network.advance_to(date(2027, 4, 1).start_time());
        network.attest(network.statement(vec![]));
        let close = super::super::close_period::ClosePeriod { fund: fund(), period: "2027Q1".parse().unwrap() };
        network.run("lab", close).unwrap();
        let receipts = network.advance_to(date(2027, 5, 1).start_time());
        let [Receipt { outcome: Outcome::Refused(refusal), .. }] = receipts.as_slice() else { panic!("{receipts:?}") };
        assert_eq!(refusal.doc().unwrap().variant, "StateClosed");
    }
}
