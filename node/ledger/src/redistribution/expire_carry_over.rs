//! `expire_carry_over`*: money that a close put into envelopes stayed unspent for longer than its policy carries it over.
//!
//! - Effect: per envelope, and per territory of it: what is left of the money that arrived in the period goes to the reserve, or is unallocated again
//!   (source `other`), as the policy said when it was shared. Outflows take the oldest money first, so what came later covers what stands there now
//!   from behind: expired = min(shared then, balance − all that came later). What donors earmarked never expires.
//! - Source: rulebook §3 (table A), §4, §6 (carry-over), 0503.

use super::{
    envelope::{EnvelopePeriod, TerritoryPeriod, account, received},
    policy::Then,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{BASE_COST, Duty, Effect, Kind, Place},
    due,
    history::RecordRef,
    refusal::refusals,
    registry::fund::{Envelope, Fund},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// The duty; its object is a fund and the period in which the money arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireCarryOver;

message! {
    /// When the unspent rest of what arrives in a period expires.
    pub struct PlannedExpiry = PlannedExpiry {
        /// The period in which the money arrives.
        pub period: Period,
        /// Then.
        pub at: BlockTime,
        /// Where it goes.
        pub then: Then,
    }

    /// Record: unspent money of a period that expires; its key is the object of the duty.
    pub struct CarryOver = CarryOver {
        /// The fund.
        pub fund: FundCode,
        /// The period in which the money arrived.
        pub period: Period,
        /// Where it goes.
        pub then: Then,
    }

    /// What expires of an envelope, or of a territory's part of it.
    pub struct ExpiredShare = ExpiredShare {
        /// The envelope.
        pub envelope: EnvelopeCode,
        /// The territory; `None`: the envelope's own money.
        pub territory: Option<TerritoryCode>,
        /// Minor units that a close had put there in the period.
        pub shared: u64,
        /// Minor units there now that arrived in the period or before.
        pub unspent: u64,
        /// Minor units that expire: the smaller of both.
        pub amount: u64,
    }

    /// The event.
    pub struct CarryOverExpired = CarryOverExpired {
        /// The fund.
        pub fund: FundCode,
        /// The period in which the money had arrived.
        pub period: Period,
        /// Where it goes.
        pub then: Then,
        /// Those with something to expire, in order of envelope, its own money first.
        pub shares: Vec<ExpiredShare>,
        /// In the same order.
        pub postings: Postings,
    }
}

impl Record for CarryOver {
    type Key = Hash;
}

refusals! {
    UnknownCarryOver(Hash): Unknown 1 "no carry-over {0} is planned", "the carry-over is not planned";
    Insufficient(PostingError): Insufficient 1 "{0}", "an envelope does not hold what expires";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}

impl ExpireCarryOver {
    /// The object of this duty.
    pub fn object(fund: FundCode, period: Period) -> Hash {
        hash("carry-over", &[fund.as_bytes(), period.to_string().as_bytes()])
    }
}

/// Plans the expiry of what arrives in a period. The first close in a period plans for all of it.
pub(super) fn plan(fund: FundCode, planned: &PlannedExpiry, state: &mut Overlay<'_>) {
    let PlannedExpiry { period, at, then } = planned.clone();
    let object = ExpireCarryOver::object(fund, period);
    if !state.has::<CarryOver>(&object) {
        state.put::<CarryOver>(object, CarryOver { fund, period, then });
        due::schedule(state, at, Kind::ExpireCarryOver, object);
    }
}

/// The envelopes of a fund, ascending.
fn envelopes(fund: FundCode, state: &Overlay<'_>) -> Vec<EnvelopeCode> {
    let least = EnvelopeCode::new("-").expect("the least character of codes");
    let greatest = EnvelopeCode::new(&"z".repeat(Code::MAX)).expect("the greatest code");
    state.range::<Envelope>((fund, least)..=(fund, greatest)).into_iter().map(|((_, code), _)| code).collect()
}

/// The parts of territories that arrived in a period, by envelope and territory.
fn territories(
    fund: FundCode,
    period: Period,
    state: &Overlay<'_>,
) -> Vec<((FundCode, Period, EnvelopeCode, TerritoryCode), TerritoryPeriod)> {
    let bound = |envelope: &str, territory: &str| {
        let envelope = EnvelopeCode::new(envelope).expect("a code");
        (fund, period, envelope, TerritoryCode::new(territory).expect("a code"))
    };
    let most = "z".repeat(Code::MAX);
    state.range::<TerritoryPeriod>(bound("-", "-")..=bound(&most, &most))
}

/// Periods after one, up to another.
fn later(after: Period, until: Period) -> impl Iterator<Item = Period> {
    core::iter::successors(after.next(), |period| period.next()).take_while(move |period| *period <= until)
}

/// What expires of an account, if anything.
fn expired(
    (fund, envelope, territory): (FundCode, EnvelopeCode, Option<TerritoryCode>),
    shared: u64,
    came_later: u64,
    state: &Overlay<'_>,
) -> Option<ExpiredShare> {
    let held = u64::try_from(-balance(state, &account(fund, envelope, territory))).unwrap_or(0);
    let unspent = held.saturating_sub(came_later);
    let amount = shared.min(unspent);
    (amount > 0).then_some(ExpiredShare { envelope, territory, shared, unspent, amount })
}

impl Duty for ExpireCarryOver {
    type Event = CarryOverExpired;
    type Refused = Refused;

    fn decide(object: &Hash, place: &Place, state: &Overlay<'_>) -> Result<CarryOverExpired, Refused> {
        let record = state.get::<CarryOver>(object).ok_or(Refused::UnknownCarryOver(*object))?;
        let CarryOver { fund, period, then } = record.clone();
        let now = Period::containing(place.date(), period.length());

        let mut shares = Vec::new();
        for envelope in envelopes(fund, state) {
            let EnvelopePeriod { expiring, .. } = received(state, &(fund, envelope, period));
            let own = |period| {
                let EnvelopePeriod { credited, territorial, .. } = received(state, &(fund, envelope, period));
                credited - territorial
            };
            shares.extend(expired((fund, envelope, None), expiring, later(period, now).map(own).sum(), state));
        }
        for ((_, _, envelope, territory), part) in territories(fund, period, state) {
            let credited = |period| {
                state.get::<TerritoryPeriod>(&(fund, period, envelope, territory)).map_or(0, |part| part.credited)
            };
            let came_later = later(period, now).map(credited).sum();
            shares.extend(expired((fund, envelope, Some(territory)), part.expiring, came_later, state));
        }
        shares.sort_by_key(|share| (share.envelope, share.territory));

        let to = match then {
            Then::Reserve => Account::Reserve { fund },
            Then::Reshare => Account::Unallocated { fund, source: Code::new("other").expect("a code") },
        };
        let mut movement = Movement::in_fund(fund);
        for ExpiredShare { envelope, territory, amount, .. } in &shares {
            movement.transfer(account(fund, *envelope, *territory), to.clone(), *amount);
        }
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        Ok(CarryOverExpired { fund, period, then, shares, postings })
    }

    /// Base and 4 for each account that may be written.
    fn cost(object: &Hash, state: &Overlay<'_>) -> u64 {
        let Some(CarryOver { fund, period, .. }) = state.get::<CarryOver>(object) else { return BASE_COST };
        let written = envelopes(*fund, state).len() + territories(*fund, *period, state).len();
        BASE_COST + 4 * written as u64
    }
}

impl Effect for CarryOverExpired {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.remove::<CarryOver>(&ExpireCarryOver::object(self.fund, self.period));
    }

    /// The fund and every envelope that loses money.
    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([RecordRef::of::<Fund>(&self.fund)]);
        subjects.extend(self.shares.iter().map(|share| RecordRef::of::<Envelope>(&(self.fund, share.envelope))));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Event,
        fixture::{
            self, Network, fund,
            money::{self, date},
        },
        receipt::Receipt,
        redistribution::{
            close_period::ClosePeriod,
            policy::{Policy, PolicyCarryOver},
        },
    };

    /// 2027-04-01: 1,000 minor units are shared by a policy that carries money over for one more period.
    fn shared(then: Then) -> Network {
        let mut network = money::network();
        network.edit(|state| {
            state.update::<Policy>(&money::policy_code(), |policy| {
                policy.carry_over = Some(PolicyCarryOver { max_periods: 1, then });
                policy.reserve_ppm = money::ppm(0);
            });
        });
        contribute(&mut network, "first", 1_000, None);
        network.advance_to(date(2027, 4, 1).start_time());
        network.attest(network.statement(vec![]));
        network.run("lab", ClosePeriod { fund: fund(), period: "2027Q1".parse().unwrap() }).unwrap();
        network
    }

    fn contribute(network: &mut Network, text: &str, minor: u64, earmark: Option<&str>) {
        let promise = network.promise(minor, earmark);
        network.receive(text, minor as i64, Some(Reference::of(ReferenceKind::Promise, promise.hash())));
    }

    fn commons(network: &Network) -> Balance {
        -network.balance(&Account::Envelope { fund: fund(), envelope: fixture::envelope("commons") })
    }

    fn spend(network: &mut Network, minor: u64) {
        network.edit(|state| {
            let mut movement = Movement::in_fund(fund());
            let from = Account::Envelope { fund: fund(), envelope: fixture::envelope("commons") };
            movement.transfer(from, Account::Costs { fund: fund() }, minor);
            let postings = movement.check(state).unwrap();
            crate::accounts::post(state, &postings);
        });
    }

    fn of_commons(receipts: &[Receipt]) -> Option<ExpiredShare> {
        let expired = receipts.iter().filter_map(Receipt::event).find_map(|event| match event {
            Event::ExpireCarryOver(event) => Some(event.clone()),
            _ => None,
        });
        expired.expect("it expires").shares.into_iter().find(|share| share.envelope == fixture::envelope("commons"))
    }

    #[test]
    fn unspent_money_goes_to_the_reserve_when_its_last_period_ends_and_not_before() {
        let mut network = shared(Then::Reserve);
        spend(&mut network, 100);
        let end = date(2027, 10, 1).start_time();
        network.advance_to(BlockTime(end.0 - 1));
        assert_eq!(commons(&network), 250);
        let share = of_commons(&network.advance(1)).unwrap();
        assert_eq!((share.shared, share.unspent, share.amount), (350, 250, 250));
        assert_eq!(commons(&network), 0);
        assert_eq!(network.balance(&Account::Reserve { fund: fund() }), -900);
        network.assert_sound();
        assert_eq!(network.state.count::<CarryOver>(), 0);
    }

    #[test]
    fn money_that_came_later_and_what_donors_earmarked_stay() {
        let mut network = shared(Then::Reshare);
        contribute(&mut network, "same period", 30, Some("commons"));
        network.advance_to(date(2027, 7, 2).start_time());
        contribute(&mut network, "later", 200, Some("commons"));
        spend(&mut network, 10);
        let share = of_commons(&network.advance_to(date(2027, 10, 1).start_time())).unwrap();
        // 350 + 30 + 200 − 10 stand there; 200 came later.
        assert_eq!((share.shared, share.unspent, share.amount), (350, 370, 350));
        assert_eq!(commons(&network), 220);
        let other = Account::Unallocated { fund: fund(), source: Code::new("other").unwrap() };
        assert_eq!(network.balance(&other), -1_000);
        network.assert_sound();
    }

    #[test]
    fn what_is_spent_does_not_expire() {
        let mut network = shared(Then::Reserve);
        network.advance_to(date(2027, 7, 2).start_time());
        contribute(&mut network, "later", 200, Some("commons"));
        spend(&mut network, 400);
        let receipts = network.advance_to(date(2027, 10, 1).start_time());
        assert_eq!(of_commons(&receipts), None, "150 of the later money are left");
        assert_eq!(commons(&network), 150);
    }
}
