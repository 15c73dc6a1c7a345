//! `promise_contribution`: a funder says what it will pay into a fund, until when, and for which envelope.
//!
//! - Allowed: any active organisation, by an office that may use the role funder.
//! - Effect: the promise is open and has a reference (P and 26 characters) for the payer to write; no money moves. What is open of it expires the
//!   day after.
//! - A regrant names the paid tranche that its money comes from: the lead of that grant promises it to another fund, so that its origin stays known.
//! - Source: rulebook §17, 0301; §7, regrants.

use super::promise::{ParentTranche, Promise, PromiseStatus};
use crate::{
    action::{Action, Effect, Place},
    grant::grant::{Grant, Tranche},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        close_fund::is_closed,
        fund::{Envelope, Fund},
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
    pub struct PromiseContribution = PromiseContribution {
        /// The fund.
        pub fund: FundCode,
        /// How much, in the fund's currency.
        pub amount: Amount [required],
        /// Until when.
        pub due: LegalDate [required],
        /// Envelope it is meant for.
        pub earmark: Option<EnvelopeCode>,
        /// Commitment to conditions.
        pub conditions: Option<Commitment>,
        /// A regrant: the paid tranche that the money comes from.
        pub parent: Option<ParentTranche>,
    }

    /// The event.
    pub struct ContributionPromised = ContributionPromised {
        /// The new promise.
        pub promise: PromiseId,
        /// Who promised.
        pub funder: OrganisationId,
        /// To which fund.
        pub fund: FundCode,
        /// How much.
        pub amount: Amount [required],
        /// Until when.
        pub due: LegalDate [required],
        /// Envelope it is meant for.
        pub earmark: Option<EnvelopeCode>,
        /// Commitment to conditions.
        pub conditions: Option<Commitment>,
        /// A regrant: the paid tranche that the money comes from.
        pub parent: Option<ParentTranche>,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the earmark names no envelope of the fund";
    UnknownParent(GrantId, u32): Unknown 3 "grant {0} has no tranche {1}", "the parent grant or its tranche does not exist";
    StateFund(FundCode): State 1 "fund {0} is closed", "the fund is closed";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the amount is in another currency than the fund";
    DatePast(LegalDate, LegalDate): Date 1 "due date {0} is before today, {1}", "the due date has passed";
    ReferenceLead(GrantId): Reference 1 "the signer does not lead grant {0}", "another organisation leads the parent grant";
    ReferenceFund(FundCode): Reference 2 "fund {0} paid the parent tranche", "the money would go back to the fund that it came from";
    CurrencyParent(Currency, Currency): Currency 2 "{0} is not the parent grant's currency {1}", "the parent grant is in another currency";
    AmountParent(u64, u64): Amount 2 "{0} minor units, {1} of the tranche can be passed on", "it is more than was paid of the parent tranche and is not passed on already";
}
signer_refusals!(Refused);

impl Action for PromiseContribution {
    type Event = ContributionPromised;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ContributionPromised, Refused> {
        let Self { fund, amount, due, earmark, conditions, parent } = self.clone();

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        if let Some(envelope) = earmark
            && !state.has::<Envelope>(&(fund, envelope))
        {
            return Err(Refused::UnknownEnvelope(envelope));
        }
        let source = parent.as_ref().map(|parent| parent.named(state)).transpose()?;
        if is_closed(state, &fund) {
            return Err(Refused::StateFund(fund));
        }
        if amount.currency != record.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.currency));
        }
        let today = cx.place.date();
        if due < today {
            return Err(Refused::DatePast(due, today));
        }
        if let (Some(parent), Some((grant, tranche))) = (&parent, source) {
            if grant.lead() != cx.organisation {
                return Err(Refused::ReferenceLead(parent.grant));
            }
            if grant.fund == fund {
                return Err(Refused::ReferenceFund(fund));
            }
            if amount.currency != grant.awarded.currency {
                return Err(Refused::CurrencyParent(amount.currency, grant.awarded.currency));
            }
            if amount.minor > tranche.to_pass_on() {
                return Err(Refused::AmountParent(amount.minor, tranche.to_pass_on()));
            }
        }
        let promise = PromiseId::new(object_id("promise", &cx.place.transaction));
        Ok(ContributionPromised { promise, funder: cx.organisation, fund, amount, due, earmark, conditions, parent })
    }
}

impl ParentTranche {
    fn named<'a>(&self, state: &'a Overlay<'_>) -> Result<(&'a Grant, &'a Tranche), Refused> {
        let grant = state.get::<Grant>(&self.grant);
        let found = grant.and_then(|grant| grant.tranche(self.tranche).map(|tranche| (grant, tranche)));
        found.ok_or(Refused::UnknownParent(self.grant, self.tranche))
    }
}

impl Effect for ContributionPromised {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { promise, funder, fund, amount, due, earmark, conditions, parent } = self.clone();
        if let Some(ParentTranche { grant, tranche }) = parent {
            Tranche::pass_on(state, &grant, tranche, amount.minor);
        }
        let record = Promise {
            funder,
            fund,
            amount,
            due,
            earmark,
            conditions,
            received: 0,
            parent,
            status: PromiseStatus::Open,
            returned: 0,
            credited: Vec::new(),
        };
        record.enter(state, promise);
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
        application::fixture::{Step, Trial, assert_precedence},
        contribution::cancel_promise::CancelPromise,
        fixture::{Network, assert_round_trips, envelope, fund, id},
        grant::fixture::{active, edit, only, pay, record},
        registry::close_fund::ClosedFund,
    };

    fn other() -> FundCode {
        FundCode::new("other").unwrap()
    }

    /// A paid advance of 3,000.00 EUR, and another fund.
    fn paid() -> (Network, GrantId) {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        network.edit(|state| {
            let record = state.get::<Fund>(&fund()).unwrap().clone();
            state.put::<Fund>(other(), record);
        });
        (network, grant)
    }

    fn regrant(network: &Network, grant: GrantId, minor: u64) -> PromiseContribution {
        PromiseContribution {
            fund: other(),
            amount: Amount::eur(minor),
            due: network.today(),
            earmark: None,
            conditions: None,
            parent: Some(ParentTranche { grant, tranche: 1 }),
        }
    }

    #[test]
    fn a_promise_is_refused_in_order_of_precedence() {
        let (mut network, grant) = paid();
        network.edit(|state| state.put::<ClosedFund>(fund(), ClosedFund { change: ChangeId::ZERO }));
        let mut act = regrant(&network, grant, 0);
        act.fund = FundCode::new("none").unwrap();
        act.amount.currency = "CHF".parse().unwrap();
        act.earmark = Some(envelope("none"));
        act.due = act.due.plus_days(-1).unwrap();
        act.parent = Some(ParentTranche { grant, tranche: 9 });
        let steps: &[Step<PromiseContribution>] = &[
            ("AmountBounds", |t| t.act.amount.minor = 300_001),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| t.sign_as("asso2")),
            ("UnknownFund", |t| t.act.fund = fund()),
            ("UnknownEnvelope", |t| t.act.earmark = None),
            ("UnknownParent", |t| t.act.parent.as_mut().unwrap().tranche = 1),
            ("StateFund", |t| t.network.edit(|state| state.remove::<ClosedFund>(&fund()))),
            ("CurrencyOther", |t| t.act.amount.currency = Currency::EUR),
            ("DatePast", |t| t.act.due = t.network.today()),
            ("ReferenceLead", |t| t.sign_as("asso1")),
            ("ReferenceFund", |t| {
                t.act.fund = other();
                edit(t, |grant| grant.awarded.currency = "CHF".parse().unwrap());
            }),
            ("CurrencyParent", |t| edit(t, |grant| grant.awarded.currency = Currency::EUR)),
            ("AmountParent", |t| {
                t.act.amount.minor = 300_000;
                assert_eq!(t.act.parent.as_ref().unwrap().grant, only(t));
            }),
        ];
        let trial = Trial::faulty(network, "lab", act);
        assert_precedence(Kind::PromiseContribution, trial, Payload::PromiseContribution, steps);
    }

    #[test]
    fn a_tranche_is_passed_on_once_and_only_what_was_paid_of_it() {
        let (mut network, grant) = paid();
        let promise = |network: &Network, minor| Payload::PromiseContribution(regrant(network, grant, minor));
        assert_round_trips(&promise(&network, 1));
        let act = promise(&network, 200_000);
        let Ok(Event::PromiseContribution(promised)) = network.run("asso1", act) else { panic!("promised") };
        let made = network.state.get::<Promise>(&promised.promise).unwrap();
        assert_eq!((made.funder, made.parent.as_ref().unwrap().grant), (id("asso1"), grant));
        assert_eq!(record(&network, grant).tranche(1).unwrap().regranted, 200_000);
        assert_eq!(network.refusal("asso1", promise(&network, 100_001)), "AmountParent");
        network.run("asso1", promise(&network, 100_000)).unwrap();
        // What is taken back can be promised again.
        let reason = ReasonCode::new("other_fund").unwrap();
        let cancelled = Payload::CancelPromise(CancelPromise { promise: promised.promise, reason });
        network.run("asso1", cancelled).unwrap();
        assert_eq!(record(&network, grant).tranche(1).unwrap().regranted, 100_000);
        network.run("asso1", promise(&network, 200_000)).unwrap();
        let mut unpaid = regrant(&network, grant, 1);
        unpaid.parent = Some(ParentTranche { grant, tranche: 2 });
        assert_eq!(network.refusal("asso1", Payload::PromiseContribution(unpaid)), "AmountParent");
    }
}
