//! `issue_vouchers`: a programme manager issues vouchers that an envelope pays.
//!
//! - Allowed: an active organisation with the role programme manager over the fund.
//! - Effect: their worth goes from the envelope to the batch; the end of the batch is planned as due work.
//! - Source: rulebook §3 (table A) and §4, 0b01.

use super::{
    batch::{BatchStatus, VoucherBatch},
    expire_vouchers::ExpireVouchers,
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Kind, Place},
    call::call::Eligibility,
    due,
    history::RecordRef,
    levy::schedule::LevySchedule,
    redistribution::envelope::{self, Uncovered},
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
use std::collections::BTreeSet;

/// A batch lives three years at most.
const LIFE_MS: u64 = 3 * 366 * 86_400_000;

message! {
    /// The payload.
    pub struct IssueVouchers = IssueVouchers {
        /// The fund that pays.
        pub fund: FundCode,
        /// The envelope that pays.
        pub envelope: EnvelopeCode,
        /// Title.
        pub title: Name,
        /// Vouchers of the batch.
        pub count: u32,
        /// What one is worth.
        pub value: Amount [required],
        /// Schedule whose data holders redeem them.
        pub schedule: ScheduleCode,
        /// From this time on they are worth nothing.
        pub expires_at: BlockTime,
        /// What a holder must be; none: anybody.
        pub eligibility: Vec<Eligibility>,
        /// Hash of the batch's document.
        pub document: Commitment,
    }

    /// The event.
    pub struct VouchersIssued = VouchersIssued {
        /// The new batch.
        pub id: VoucherBatchId,
        /// As it stands in the state.
        pub batch: VoucherBatch [required],
        /// From the envelope to the batch.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(u128): Amount 1 "a batch of {0} minor units is outside 1 ..= 10^15", "the batch is worth nothing, or more than the bound";
    LimitEligibility(): Limit 1 "an eligibility stands there twice", "an eligibility stands there twice";
    PersonalDataTitle(Name): PersonalData 1 "the title {0:?} looks like personal data", "the title holds what looks like personal data";
    signer;
    UnknownFund(FundCode): Unknown 1 "fund {0} does not exist", "the fund does not exist";
    UnknownEnvelope(EnvelopeCode): Unknown 2 "envelope {0} does not exist in the fund", "the envelope does not exist in the fund";
    ScheduleOther(ScheduleCode): Schedule 1 "schedule {0} does not exist in the fund", "the schedule does not exist, or is of another fund";
    StateFund(FundCode): State 1 "fund {0} is closed", "the fund is closed";
    WindowEnd(BlockTime, BlockTime): Window 1 "expires at {0}; after {1} and within three years is possible", "it expires in the past, or after more than three years";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the value is in another currency than the fund";
    Insufficient(PostingError): Insufficient 1 "{0}", "the envelope does not hold the worth of the batch";
    InsufficientDeficit(Uncovered): Insufficient 2 "{0}", "the fund's deficit would no longer be covered";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl Action for IssueVouchers {
    type Event = VouchersIssued;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let worth = u128::from(self.value.minor) * u128::from(self.count);
        if !(1..=u128::from(Amount::MAX_MINOR)).contains(&worth) {
            return Err(Refused::AmountBounds(worth));
        }
        let distinct: BTreeSet<&Eligibility> = self.eligibility.iter().collect();
        if distinct.len() != self.eligibility.len() {
            return Err(Refused::LimitEligibility());
        }
        if personal_data::scan(&self.title).is_some() {
            return Err(Refused::PersonalDataTitle(self.title.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.eligibility.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<VouchersIssued, Refused> {
        let Self { fund, envelope, title, count, value, schedule, expires_at, eligibility, document } = self.clone();

        cx.authorise(state, Role::ProgrammeManager, Scope::Fund(fund))?;
        let record = state.get::<Fund>(&fund).ok_or(Refused::UnknownFund(fund))?;
        if !state.has::<Envelope>(&(fund, envelope)) {
            return Err(Refused::UnknownEnvelope(envelope));
        }
        if state.get::<LevySchedule>(&schedule).is_none_or(|schedule| schedule.fund != fund) {
            return Err(Refused::ScheduleOther(schedule));
        }
        if is_closed(state, &fund) {
            return Err(Refused::StateFund(fund));
        }
        let now = cx.place.time;
        if !expires_at.since(now).is_some_and(|left| (1..=LIFE_MS).contains(&left)) {
            return Err(Refused::WindowEnd(expires_at, now));
        }
        if value.currency != record.currency {
            return Err(Refused::CurrencyOther(value.currency, record.currency));
        }
        let id = VoucherBatchId::new(object_id("voucher-batch", &cx.place.transaction));
        let batch = VoucherBatch {
            fund,
            envelope,
            title,
            count,
            value,
            schedule,
            expires_at,
            eligibility,
            document,
            manager: cx.organisation,
            status: BatchStatus::Open,
            assigned: 0,
            redeemed: 0,
        };
        let worth = batch.worth(count);
        let mut movement = Movement::in_fund(fund);
        movement.transfer(envelope::account(fund, envelope, None), VoucherBatch::account(&id), worth);
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        envelope::covers_deficit(fund, worth, state).map_err(Refused::InsufficientDeficit)?;
        Ok(VouchersIssued { id, batch, postings })
    }
}

impl Effect for VouchersIssued {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { id, batch, postings: _ } = self;
        due::schedule(state, batch.expires_at, Kind::ExpireVouchers, ExpireVouchers::object(id));
        state.put::<VoucherBatch>(*id, batch.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let VoucherBatch { fund, envelope, manager, .. } = &self.batch;
        vec![
            RecordRef::of::<VoucherBatch>(&self.id),
            RecordRef::of::<Fund>(fund),
            RecordRef::of::<Envelope>(&(*fund, *envelope)),
            RecordRef::of::<Organisation>(manager),
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
        accounts::{Account, AccountBalance},
        action::{Event, Payload},
        application::fixture::{Trial, assert_precedence},
        fixture::{DAY, IntoPayload, Network, assert_round_trips, commitment, fund, money, name},
        grant::fixture::credit,
    };

    impl IntoPayload for IssueVouchers {
        fn into_payload(self) -> Payload {
            Payload::IssueVouchers(self)
        }
    }

    /// The envelope that pays.
    pub(crate) fn pot() -> Account {
        Account::Envelope { fund: fund(), envelope: crate::fixture::envelope("sme_data") }
    }

    /// 100 vouchers of 50 minor units for small companies, for a year.
    pub(crate) fn asked(network: &Network) -> IssueVouchers {
        IssueVouchers {
            fund: fund(),
            envelope: crate::fixture::envelope("sme_data"),
            title: name("Chèques données (invented)"),
            count: 100,
            value: Amount::eur(50),
            schedule: money::schedule_code("royalty"),
            expires_at: network.in_days(365),
            eligibility: vec![Eligibility::Sme],
            document: commitment("vouchers"),
        }
    }

    /// A network with that batch, paid out of 8,000 in the envelope.
    pub(crate) fn issued() -> (Network, VoucherBatchId) {
        let mut network = money::network();
        credit(&mut network, pot(), 8_000);
        let asked = asked(&network);
        assert_round_trips(&asked.clone().into_payload());
        let Ok(Event::IssueVouchers(event)) = network.run("foundation", asked) else { panic!("issued") };
        (network, event.id)
    }

    #[test]
    fn the_worth_of_the_batch_leaves_the_envelope() {
        let (network, batch) = issued();
        assert_eq!((network.balance(&pot()), network.balance(&VoucherBatch::account(&batch))), (-3_000, -5_000));
        network.assert_sound();
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        let over = crate::registry::close_fund::ClosedFund { change: ChangeId::ZERO };
        network.edit(|state| state.put(crate::fixture::fund(), over));
        let mut act = asked(&network);
        act.count = 0;
        act.eligibility = vec![Eligibility::Sme; 2];
        act.title = name("0612345678");
        act.fund = FundCode::new("other").unwrap();
        act.envelope = EnvelopeCode::new("roads").unwrap();
        act.schedule = ScheduleCode::new("other").unwrap();
        act.expires_at = network.now();
        act.value.currency = Currency::new("USD").unwrap();
        assert_precedence(
            Kind::IssueVouchers,
            Trial::faulty(network, "asso3", act),
            Payload::IssueVouchers,
            &[
                ("AmountBounds", |t| t.act.count = 100),
                ("LimitEligibility", |t| t.act.eligibility.truncate(1)),
                ("PersonalDataTitle", |t| t.act.title = name("Chèques (invented)")),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| {
                    let key = (
                        crate::fixture::id("asso3"),
                        Role::ProgrammeManager,
                        Scope::Fund(FundCode::new("other").unwrap()),
                    );
                    t.network.edit(|state| state.put(key, crate::registry::role::RoleGrant { change: None }));
                    t.sign();
                }),
                ("UnknownFund", |t| {
                    t.act.fund = fund();
                    t.sign_as("foundation");
                }),
                ("UnknownEnvelope", |t| t.act.envelope = crate::fixture::envelope("sme_data")),
                ("ScheduleOther", |t| t.act.schedule = money::schedule_code("royalty")),
                ("StateFund", |t| {
                    t.network.edit(|state| {
                        state.remove::<crate::registry::close_fund::ClosedFund>(&crate::fixture::fund());
                    });
                }),
                ("WindowEnd", |t| t.act.expires_at = BlockTime(t.network.now().0 + 1 + 3 * 366 * DAY)),
                ("CurrencyOther", |t| t.act.value.currency = Currency::EUR),
                ("Insufficient", |t| {
                    let (deficit, balance) = (Account::Deficit { fund: fund() }, 1);
                    t.network.edit(|state| {
                        state.put(pot(), AccountBalance { fund: fund(), balance: -5_000 });
                        state.put(deficit, AccountBalance { fund: fund(), balance });
                    });
                }),
                ("InsufficientDeficit", |t| {
                    let batch = VoucherBatchId::new(object_id("voucher-batch", &t.network.next_transaction()));
                    t.network.edit(|state| {
                        state.put(Account::Deficit { fund: fund() }, AccountBalance { fund: fund(), balance: 0 });
                        let full = AccountBalance { fund: fund(), balance: i128::MIN };
                        state.put(VoucherBatch::account(&batch), full);
                    });
                }),
                ("Overflow", |t| {
                    let batch = VoucherBatchId::new(object_id("voucher-batch", &t.network.next_transaction()));
                    let none = AccountBalance { fund: fund(), balance: 0 };
                    t.network.edit(|state| state.put(VoucherBatch::account(&batch), none));
                }),
            ],
        );
    }
}
