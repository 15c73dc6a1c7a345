//! `open_call`: a programme manager opens a call on an envelope of a fund.
//!
//! - Allowed: an active organisation with the role programme manager over the fund.
//! - Effect: a draft until `opens_at` (judged by time), then open; its close is planned as due work. No money is reserved.
//! - Source: rulebook §7 and §17, 0601.

use super::{
    call::{Call, CallStatus, Criterion, Eligibility},
    close_call::CloseCall,
};
use crate::{
    action::{Action, BASE_COST, Effect, Kind, Place},
    due,
    history::RecordRef,
    parameters::Parameter,
    refusal::{refusals, signer_refusals},
    registry::{
        close_fund::is_closed,
        fund::{Envelope, Fund},
        organisation::Organisation,
        role::{Role, Scope},
        territory::Territory,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// Entries of a list, at most.
const LIST: usize = 64;
/// A window is at most a year.
pub(super) const YEAR_MS: u64 = 366 * 86_400_000;

message! {
    /// The payload.
    pub struct OpenCall = OpenCall {
        /// Fund that pays.
        pub fund: FundCode,
        /// Envelope that pays.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// Most that may be awarded in all.
        pub budget: Amount [required],
        /// Categories of projects; empty: any.
        pub categories: Vec<CategoryCode>,
        /// Territory of projects.
        pub territory: Option<TerritoryCode>,
        /// Applications from this time on.
        pub opens_at: BlockTime,
        /// And before this one.
        pub closes_at: BlockTime,
        /// What applicants must be.
        pub eligibility: Vec<Eligibility>,
        /// What reviewers score.
        pub criteria: Vec<Criterion>,
        /// Least award.
        pub amount_min: Amount [required],
        /// Greatest award.
        pub amount_max: Amount [required],
        /// Aid over eligible cost, at most.
        pub rate_max_ppm: Ppm,
        /// Duration in months, at most.
        pub months_max: u32,
        /// Advances over the grant, at most.
        pub advance_max_ppm: Ppm,
        /// Balance over the grant, at least.
        pub retention_min_ppm: Ppm,
        /// Reviews that an application needs.
        pub reviews: u32,
        /// Accepted licences, SPDX ids.
        pub licences: Vec<Text<64>>,
        /// Hash of the call's document.
        pub document: Commitment,
    }

    /// The event.
    pub struct CallOpened = CallOpened {
        /// The new call.
        pub id: CallId,
        /// As it stands in the state.
        pub call: Call [required],
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an amount is 0 or above the bound";
    CurrencyMixed(Currency, Currency): Currency 1 "{0} and {1} in one call", "budget, least and greatest award are not in one currency";
    LimitLists(usize): Limit 1 "a list of {0} entries; 64 are allowed", "a list is too long";
    LimitCriteria(): Limit 2 "no criteria, or one of them twice", "criteria are missing or repeated";
    SharesCriteria(u64): Shares 1 "weights sum to {0} ppm, not to 1,000,000", "the weights of the criteria do not sum to the whole";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the envelope does not exist in the fund";
    StateFund(FundCode): State 1 "fund {0} is closed", "the fund is closed";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    WindowPast(BlockTime, BlockTime): Window 1 "opens at {0}, before the block's time {1}", "it opens in the past";
    WindowEmpty(BlockTime, BlockTime): Window 2 "closes at {1}, not after it opens at {0}", "it closes before it opens";
    WindowLong(u64): Window 3 "open for {0} ms, more than a year", "it is open for more than a year";
    LimitReviews(u32, u64): Limit 3 "{0} reviews, at least {1} are needed", "it asks for fewer reviews than the parameter";
    AmountOrder(Amount, Amount, Amount): Amount 2 "least {0}, greatest {1}, budget {2} are not in order", "least award > greatest award > budget";
    CurrencyOther(Currency, Currency): Currency 2 "{0} is not the fund's currency {1}", "the amounts are in another currency than the fund";
}
signer_refusals!(Refused);

impl Action for OpenCall {
    type Event = CallOpened;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        for amount in [self.budget, self.amount_min, self.amount_max] {
            if !amount.is_valid_positive() {
                return Err(Refused::AmountBounds(amount));
            }
            if amount.currency != self.budget.currency {
                return Err(Refused::CurrencyMixed(self.budget.currency, amount.currency));
            }
        }
        for length in [self.categories.len(), self.eligibility.len(), self.criteria.len(), self.licences.len()] {
            if length > LIST {
                return Err(Refused::LimitLists(length));
            }
        }
        let mut codes: Vec<CriterionCode> = self.criteria.iter().map(|criterion| criterion.code).collect();
        codes.sort();
        codes.dedup();
        if codes.is_empty() || codes.len() != self.criteria.len() {
            return Err(Refused::LimitCriteria());
        }
        let weights: u64 = self.criteria.iter().map(|criterion| u64::from(criterion.weight_ppm.get())).sum();
        if weights != 1_000_000 {
            return Err(Refused::SharesCriteria(weights));
        }
        if personal_data::scan(&self.title).is_some() {
            return Err(Refused::PersonalDataTitle(self.title.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.categories.len() + self.eligibility.len() + self.criteria.len() + self.licences.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<CallOpened, Refused> {
        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(self.fund))?;
        let fund = state.get::<Fund>(&self.fund).ok_or(Refused::UnknownFund(self.fund))?;
        if !state.has::<Envelope>(&(self.fund, self.envelope)) {
            return Err(Refused::UnknownEnvelope(self.envelope));
        }
        if is_closed(state, &self.fund) {
            return Err(Refused::StateFund(self.fund));
        }
        if let Some(territory) = self.territory
            && !state.has::<Territory>(&territory)
        {
            return Err(Refused::TerritoryUnknown(territory));
        }
        if self.opens_at < cx.place.time {
            return Err(Refused::WindowPast(self.opens_at, cx.place.time));
        }
        let open_for = self.closes_at.since(self.opens_at).filter(|length| *length > 0);
        let open_for = open_for.ok_or(Refused::WindowEmpty(self.opens_at, self.closes_at))?;
        if open_for > YEAR_MS {
            return Err(Refused::WindowLong(open_for));
        }
        let least = state.parameter(Parameter::ReviewsMin);
        if u64::from(self.reviews) < least {
            return Err(Refused::LimitReviews(self.reviews, least));
        }
        if self.amount_min.minor > self.amount_max.minor || self.amount_max.minor > self.budget.minor {
            return Err(Refused::AmountOrder(self.amount_min, self.amount_max, self.budget));
        }
        if self.budget.currency != fund.currency {
            return Err(Refused::CurrencyOther(self.budget.currency, fund.currency));
        }
        Ok(CallOpened { id: CallId::new(object_id("call", &cx.place.transaction)), call: self.call(cx.organisation) })
    }
}

impl OpenCall {
    fn call(&self, manager: OrganisationId) -> Call {
        let Self {
            fund,
            envelope,
            title,
            budget,
            categories,
            territory,
            opens_at,
            closes_at,
            eligibility,
            criteria,
            amount_min,
            amount_max,
            rate_max_ppm,
            months_max,
            advance_max_ppm,
            retention_min_ppm,
            reviews,
            licences,
            document,
        } = self.clone();
        Call {
            fund,
            envelope,
            title,
            budget,
            categories,
            territory,
            opens_at,
            closes_at,
            eligibility,
            criteria,
            amount_min,
            amount_max,
            rate_max_ppm,
            months_max,
            advance_max_ppm,
            retention_min_ppm,
            reviews,
            licences,
            document,
            manager,
            status: CallStatus::Open,
            applications: 0,
        }
    }
}

impl Effect for CallOpened {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, call } = self;
        due::schedule(state, call.closes_at, Kind::CloseCall, CloseCall::object(id));
        state.put::<Call>(*id, call.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Call>(&self.id),
            RecordRef::of::<Fund>(&self.call.fund),
            RecordRef::of::<Organisation>(&self.call.manager),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        application::fixture::{Step, Trial, assert_precedence, call_opened_at},
        fixture::{DAY, fund, id, name, network},
        registry::{close_fund::ClosedFund, role::RoleGrant},
    };

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = network();
        network.edit(|state| {
            state.put::<ClosedFund>(fund(), ClosedFund { change: ChangeId::ZERO });
            let everywhere = (id("foundation"), Role::ProgrammeManager, Scope::Network);
            state.put::<RoleGrant>(everywhere, RoleGrant { change: None });
        });
        let right = call_opened_at(BlockTime(network.now().0 + 1));
        let dollars = |minor| Amount { minor, currency: Currency::new("USD").unwrap() };
        let mut act = OpenCall {
            fund: FundCode::new("none").unwrap(),
            envelope: EnvelopeCode::new("none").unwrap(),
            territory: Some(TerritoryCode::new("none").unwrap()),
            title: name("Ask someone@example.org"),
            budget: Amount::eur(0),
            amount_min: dollars(3),
            amount_max: dollars(2),
            criteria: vec![],
            licences: vec![right.licences[0].clone(); LIST + 1],
            reviews: 0,
            ..right
        };
        act.opens_at = BlockTime(network.now().0 - 1);
        act.closes_at = act.opens_at;
        let steps: &[Step<OpenCall>] = &[
            ("AmountBounds", |t| t.act.budget = Amount::eur(1)),
            ("CurrencyMixed", |t| t.act.budget.currency = t.act.amount_min.currency),
            ("LimitLists", |t| t.act.licences.truncate(1)),
            ("LimitCriteria", |t| {
                t.act.criteria = vec![Criterion {
                    code: CriterionCode::new("impact").unwrap(),
                    weight_ppm: Ppm::new(999_999).unwrap(),
                }];
            }),
            ("SharesCriteria", |t| t.act.criteria[0].weight_ppm = Ppm::new(1_000_000).unwrap()),
            ("PersonalDataTitle", |t| t.act.title = name("Communs (invented)")),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| t.sign_as("foundation")),
            ("UnknownFund", |t| t.act.fund = fund()),
            ("UnknownEnvelope", |t| t.act.envelope = crate::fixture::envelope("commons")),
            ("StateFund", |t| t.network.edit(|state| state.remove::<ClosedFund>(&fund()))),
            ("TerritoryUnknown", |t| t.act.territory = None),
            ("WindowPast", |t| {
                t.act.opens_at = t.network.in_days(1);
                t.act.closes_at = t.act.opens_at;
            }),
            ("WindowEmpty", |t| t.act.closes_at = BlockTime(t.act.opens_at.0 + 367 * DAY)),
            ("WindowLong", |t| t.act.closes_at = BlockTime(t.act.opens_at.0 + 366 * DAY)),
            ("LimitReviews", |t| t.act.reviews = 2),
            ("AmountOrder", |t| {
                t.act.amount_max.minor = 3;
                t.act.budget.minor = 3;
            }),
            ("CurrencyOther", |t| {
                for amount in [&mut t.act.budget, &mut t.act.amount_min, &mut t.act.amount_max] {
                    amount.currency = Currency::EUR;
                }
            }),
        ];
        let trial = Trial::faulty(network, "foundation", act);
        assert_precedence(Kind::OpenCall, trial, Payload::OpenCall, steps);
    }
}
