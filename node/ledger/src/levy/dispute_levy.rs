//! `dispute_levy`: a payer disputes an assessment, in whole or in part.
//!
//! - Allowed: the payer, suspended or not, by an office that may use the role levy payer; one dispute of a period at a time.
//! - Effect: the period is flagged; what is disputed is first what is not paid; of the rest, what is paid and not yet split moves to the provision
//!   until the answer.
//! - Source: rulebook §3, table A; §4, 0405; §5.

use super::{
    account::{LevyAccount, LevyAssessment, fund_of},
    dispute::{self, DisputeStatus, LevyDispute},
    schedule::LevySchedule,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
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
    pub struct DisputeLevy = DisputeLevy {
        /// The assessment.
        pub assessment: AssessmentId,
        /// How much of it.
        pub amount: Amount [required],
        /// Why.
        pub reason: ReasonCode,
        /// Commitment to the grounds.
        pub grounds: Commitment,
    }

    /// The event.
    pub struct LevyDisputed = LevyDisputed {
        /// The new dispute.
        pub id: Hash,
        /// As it stands in the state.
        pub dispute: LevyDispute [required],
        /// The fund that the levy feeds.
        pub fund: FundCode,
        /// Unallocated money to the provision.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    RoleMissing(String): Role 1 "{0}", "the signer is not the payer, or too few of the signing keys are in offices that may use the role";
    UnknownAssessment(AssessmentId): Unknown 1 "assessment {0} does not exist", "the assessment does not exist";
    RolePayer(OrganisationId): Role 2 "organisation {0} owes it", "another organisation is assessed";
    StateReplaced(AssessmentId): State 1 "assessment {0} took its place", "the assessment was corrected";
    StateDisputed(Period): State 2 "a dispute of period {0} waits for an answer", "a dispute of the period is open";
    StateEnded(Period): State 3 "period {0} is prescribed or written off", "the period ended unpaid";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the amount is in another currency than the fund";
    AmountAssessed(u64, u64): Amount 2 "{0} minor units where {1} are assessed and charged", "the amount is more than what is assessed and charged";
    Overflow(PostingError): Overflow 1 "{0}", "an account cannot bear what the dispute moves";
}

impl From<SignerRefusal> for Refused {
    fn from(refusal: SignerRefusal) -> Self {
        match refusal {
            SignerRefusal::Suspended(id) => Self::RoleMissing(format!("organisation {id} does not exist")),
            SignerRefusal::Role(words) => Self::RoleMissing(words),
        }
    }
}

impl Action for DisputeLevy {
    type Event = LevyDisputed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<LevyDisputed, Refused> {
        let Self { assessment, amount, reason, grounds } = self.clone();

        cx.authorise_even_suspended(state, Role::LevyPayer, Scope::Network)?;
        let record = state.get::<LevyAssessment>(&assessment).ok_or(Refused::UnknownAssessment(assessment))?;
        let LevyAssessment { payer, schedule, period, .. } = *record;
        if payer != cx.organisation {
            return Err(Refused::RolePayer(payer));
        }
        if let Some(newer) = record.replaced_by {
            return Err(Refused::StateReplaced(newer));
        }
        let account = state.get::<LevyAccount>(&(payer, schedule, period));
        let account = account.ok_or(Refused::UnknownAssessment(assessment))?;
        if account.dispute.is_some() {
            return Err(Refused::StateDisputed(period));
        }
        if account.has_ended() {
            return Err(Refused::StateEnded(period));
        }
        if amount.currency != record.tax.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.tax.currency));
        }
        let most = account.assessed + account.interest + account.surcharge;
        if amount.minor > most {
            return Err(Refused::AmountAssessed(amount.minor, most));
        }
        let fund = fund_of(state, &schedule).ok_or(Refused::UnknownAssessment(assessment))?;
        let source = Account::Unallocated { fund, source: schedule.code() };
        let open = account.open() + account.open_interest() + account.open_surcharge();
        let free = u64::try_from(-balance(state, &source)).unwrap_or(0);
        let held = amount.minor.saturating_sub(open).min(free);
        let mut movement = Movement::in_fund(fund);
        movement.transfer(source, Account::Provision { fund }, held);
        let postings = movement.check(state).map_err(Refused::Overflow)?;
        let status = DisputeStatus::Open;
        let dispute = LevyDispute { payer, schedule, period, assessment, amount, reason, grounds, held, status };
        Ok(LevyDisputed { id: object_id("dispute", &cx.place.transaction), dispute, fund, postings })
    }
}

impl Effect for LevyDisputed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        dispute::open(state, self.id, &self.dispute);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let LevyDispute { payer, schedule, assessment, .. } = &self.dispute;
        vec![
            RecordRef::of::<LevyDispute>(&self.id),
            RecordRef::of::<LevyAssessment>(assessment),
            RecordRef::of::<LevyAccount>(&self.dispute.key()),
            RecordRef::of::<LevySchedule>(schedule),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(payer),
        ]
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind, Payload},
        fixture::{
            self, IntoPayload, Network, commitment, fund, id,
            money::{date, schedule_code},
        },
        levy::{
            account::LevyFlag,
            reassess_levy::tests::{assessed, pay, royalties},
        },
    };

    impl IntoPayload for DisputeLevy {
        fn into_payload(self) -> Payload {
            Payload::DisputeLevy(self)
        }
    }

    /// `reuser` disputes so much of an assessment.
    pub(crate) fn dispute(assessment: AssessmentId, minor: u64) -> DisputeLevy {
        let reason = ReasonCode::new("counted_twice").unwrap();
        DisputeLevy { assessment, amount: Amount::eur(minor), reason, grounds: commitment("grounds") }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, first) = assessed();
        let second = network.assess_calls("2027Q2", 2_000_000);
        let third = network.assess_calls("2026Q4", 2_000_000);
        let fourth = network.assess_calls("2026Q3", 2_000_000);
        pay(&mut network, "paid", 20_000, date(2026, 1, 1));
        network.run("reuser", dispute(second.id, 1)).unwrap();
        network.edit(|state| {
            state.update::<LevyAssessment>(&first.id, |it| it.replaced_by = Some(AssessmentId::ZERO));
            state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles = vec![Role::Reviewer]);
            let key = (id("reuser"), schedule_code("royalty"), "2026Q4".parse().unwrap());
            state.update::<LevyAccount>(&key, |account| account.set(LevyFlag::Prescribed));
        });
        let dollars =
            DisputeLevy { amount: Amount::new(10_001, Currency::new("USD").unwrap()), ..dispute(fourth.id, 1) };
        let table: Vec<(&str, DisputeLevy)> = vec![
            ("lab", dispute(AssessmentId::ZERO, 0)),
            ("lab", dispute(AssessmentId::ZERO, 1)),
            ("region", dispute(AssessmentId::ZERO, 1)),
            ("region", dispute(first.id, 1)),
            ("reuser", dispute(first.id, 1)),
            ("reuser", dispute(second.id, 1)),
            ("reuser", dispute(third.id, 1)),
            ("reuser", dollars),
            ("reuser", dispute(fourth.id, 10_001)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        // What unallocated money holds is read before: only a provision out of range is left to refuse.
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        put(&mut network, Account::Provision { fund: fund() }, Balance::MIN);
        reached.push(network.refusal("reuser", dispute(fourth.id, 10_000)));
        fixture::assert_all_reached(Kind::DisputeLevy, &reached);
    }

    #[test]
    fn paid_money_that_is_disputed_and_not_yet_split_waits_in_provision() {
        let (mut network, first) = assessed();
        fixture::assert_round_trips(&dispute(first.id, 5).into_payload());
        pay(&mut network, "paid", 6_000, date(2027, 4, 1));
        network.suspend("reuser");
        let Ok(Event::DisputeLevy(event)) = network.run("reuser", dispute(first.id, 7_000)) else { panic!() };
        // 40.00 and 0.24 of interest are not paid: they are what is disputed first.
        assert_eq!(event.dispute.held, 7_000 - 4_024);
        assert_eq!(network.balance(&Account::Provision { fund: fund() }), -2_976);
        assert_eq!(network.balance(&royalties()), -6_000 + 2_976);
        let levy = network.royalty("2027Q1");
        assert!(levy.has(LevyFlag::Disputed) && levy.dispute == Some(event.id));
        network.assert_sound();
    }
}
