//! `promise_contribution`: a funder says what it will pay into a fund, until when, and for which envelope.
//!
//! - Allowed: any active organisation, by an office that may use the role funder.
//! - Effect: the promise is open and has a reference (P and 26 characters) for the payer to write; no money moves.
//! - Source: rulebook §17, 0301.

use super::promise::Promise;
use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
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
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the earmark names no envelope of the fund";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the amount is in another currency than the fund";
    DatePast(LegalDate, LegalDate): Date 1 "due date {0} is before today, {1}", "the due date has passed";
}
signer_refusals!(Refused);

impl Action for PromiseContribution {
    type Event = ContributionPromised;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ContributionPromised, Refused> {
        let Self { fund, amount, due, earmark, conditions } = self.clone();

        cx.authorise(state, Role::Funder, Scope::Network)?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        if let Some(envelope) = earmark
            && !state.has::<Envelope>(&(fund, envelope))
        {
            return Err(Refused::UnknownEnvelope(envelope));
        }
        if amount.currency != record.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.currency));
        }
        let today = cx.place.date();
        if due < today {
            return Err(Refused::DatePast(due, today));
        }
        let promise = PromiseId::new(object_id("promise", &cx.place.transaction));
        Ok(ContributionPromised { promise, funder: cx.organisation, fund, amount, due, earmark, conditions })
    }
}

impl Effect for ContributionPromised {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { promise, funder, fund, amount, due, earmark, conditions } = self.clone();
        state.put::<Promise>(promise, Promise { funder, fund, amount, due, earmark, conditions, received: 0 });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Promise>(&self.promise),
            RecordRef::of::<Organisation>(&self.funder),
            RecordRef::of::<Fund>(&self.fund),
        ]
    }
}
