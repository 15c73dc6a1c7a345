//! `redeem_voucher`: a data holder redeems vouchers for what it gave an organisation.
//!
//! - Allowed: an active organisation with the role data holder over the batch's schedule, of another group than the holder.
//! - Effect: their worth goes from the batch to what is owed to the data holder.
//! - Source: rulebook §3 (table A) and §4, 0b03.

use super::batch::{VoucherBatch, VoucherCost, VoucherHolding};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct RedeemVoucher = RedeemVoucher {
        /// Of which batch.
        pub batch: VoucherBatchId,
        /// Whose vouchers.
        pub holder: OrganisationId,
        /// How many.
        pub count: u32,
        /// Salted commitment to the evidence of use.
        pub evidence: Commitment,
    }

    /// The event.
    pub struct VoucherRedeemed = VoucherRedeemed {
        /// Of which batch.
        pub batch: VoucherBatchId,
        /// Whose vouchers.
        pub holder: OrganisationId,
        /// How many.
        pub count: u32,
        /// Salted commitment to the evidence of use.
        pub evidence: Commitment,
        /// Who redeems and is paid.
        pub data_holder: OrganisationId,
        /// The fund that pays.
        pub fund: FundCode,
        /// Minor units.
        pub amount: u64,
        /// Id of what is owed.
        pub cost: Hash,
        /// From the batch to what is owed.
        pub postings: Postings,
    }
}

refusals! {
    AmountNone(): Amount 1 "no voucher is redeemed", "the count is 0";
    signer;
    UnknownBatch(VoucherBatchId): Unknown 1 "batch {0} does not exist", "the batch does not exist";
    UnknownHolding(OrganisationId): Unknown 2 "organisation {0} holds no voucher of the batch", "the organisation was never given a voucher of the batch";
    SegregationHolder(OrganisationId): Segregation 1 "organisation {0} is of the signer's group", "the holder is of the signer's group";
    WindowExpired(BlockTime): Window 1 "the batch expired at {0}", "the batch has expired";
    Insufficient(u32, u32): Insufficient 1 "{0} vouchers, {1} are left", "the organisation has fewer vouchers left";
    InsufficientWorth(PostingError): Insufficient 2 "{0}", "the batch does not hold their worth";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl Action for RedeemVoucher {
    type Event = VoucherRedeemed;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.count == 0 { Err(Refused::AmountNone()) } else { Ok(()) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<VoucherRedeemed, Refused> {
        let Self { batch, holder, count, evidence } = *self;

        cx.active(state)?;
        // The role is held over the batch's schedule: a batch that does not exist has none to judge it by.
        let record = state.get::<VoucherBatch>(&batch).ok_or(Refused::UnknownBatch(batch))?;
        cx.authorise(state, Role::DataHolder, Scope::Schedule(record.schedule))?;
        let holding = state.get::<VoucherHolding>(&(batch, holder)).ok_or(Refused::UnknownHolding(holder))?;
        if same_group(state, &cx.organisation, &holder) {
            return Err(Refused::SegregationHolder(holder));
        }
        if !record.is_open(cx.place.time) {
            return Err(Refused::WindowExpired(record.expires_at));
        }
        if count > holding.left() {
            return Err(Refused::Insufficient(count, holding.left()));
        }
        let amount = record.worth(count);
        let cost = object_id("voucher-cost", &cx.place.transaction);
        let mut movement = Movement::in_fund(record.fund);
        movement.transfer(VoucherBatch::account(&batch), Account::PayableCost { cost }, amount);
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::InsufficientWorth(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        let (data_holder, fund) = (cx.organisation, record.fund);
        Ok(VoucherRedeemed { batch, holder, count, evidence, data_holder, fund, amount, cost, postings })
    }
}

impl Effect for VoucherRedeemed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { batch, holder, count, data_holder, fund, amount, cost, .. } = self;
        state.update::<VoucherHolding>(&(*batch, *holder), |holding| holding.redeemed += count);
        state.update::<VoucherBatch>(batch, |batch| batch.redeemed += count);
        let owed = VoucherCost { fund: *fund, batch: *batch, data_holder: *data_holder, amount: *amount };
        state.put::<VoucherCost>(*cost, owed);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<VoucherBatch>(&self.batch),
            RecordRef::of::<VoucherHolding>(&(self.batch, self.holder)),
            RecordRef::of::<VoucherCost>(&self.cost),
            RecordRef::of::<Organisation>(&self.holder),
            RecordRef::of::<Organisation>(&self.data_holder),
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
        application::fixture::{Trial, assert_precedence},
        fixture::{IntoPayload, Network, assert_round_trips, commitment, fund, id},
        voucher::assign_voucher::tests::assigned,
    };

    impl IntoPayload for RedeemVoucher {
        fn into_payload(self) -> Payload {
            Payload::RedeemVoucher(self)
        }
    }

    /// The payload.
    pub(crate) fn redemption(batch: VoucherBatchId, holder: &str, count: u32) -> RedeemVoucher {
        RedeemVoucher { batch, holder: id(holder), count, evidence: commitment("use") }
    }

    fn cost(network: &Network) -> Account {
        Account::PayableCost { cost: object_id("voucher-cost", &network.next_transaction()) }
    }

    #[test]
    fn the_worth_of_redeemed_vouchers_is_owed_to_the_data_holder() {
        let (mut network, batch) = assigned();
        let asked = redemption(batch, "platform", 20);
        assert_round_trips(&asked.clone().into_payload());
        let Ok(Event::RedeemVoucher(event)) = network.run("data", asked) else { panic!("redeemed") };
        assert_eq!((event.amount, event.data_holder), (1_000, id("data")));
        assert_eq!(network.balance(&Account::PayableCost { cost: event.cost }), -1_000);
        assert_eq!(network.balance(&VoucherBatch::account(&batch)), -4_000);
        assert_eq!(network.refusal("data", redemption(batch, "platform", 11)), "Insufficient");
        network.assert_sound();
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, _) = assigned();
        network.suspend("data");
        let act = redemption(VoucherBatchId::ZERO, "asso3", 0);
        assert_precedence(
            Kind::RedeemVoucher,
            Trial { network, signer: "data", keys: vec![], act },
            Payload::RedeemVoucher,
            &[
                ("AmountNone", |t| {
                    t.act.count = 31;
                    t.act.batch = *t.network.state.all::<VoucherBatch>().next().expect("one batch").0;
                }),
                ("Suspended", |t| t.reinstate()),
                ("RoleMissing", |t| {
                    t.act.batch = VoucherBatchId::ZERO;
                    t.sign();
                }),
                ("UnknownBatch", |t| t.act.batch = *t.network.state.all::<VoucherBatch>().next().expect("one").0),
                ("UnknownHolding", |t| {
                    let (batch, holder) = (t.act.batch, id("data"));
                    t.network.edit(|state| {
                        state.put((batch, holder), VoucherHolding { assigned: 30, redeemed: 0 });
                        state.update::<VoucherBatch>(&batch, |batch| batch.expires_at = BlockTime(1));
                    });
                    t.act.holder = holder;
                }),
                ("SegregationHolder", |t| t.act.holder = id("platform")),
                ("WindowExpired", |t| {
                    let (batch, later) = (t.act.batch, t.network.in_days(1));
                    t.network.edit(|state| {
                        state.update::<VoucherBatch>(&batch, |batch| batch.expires_at = later);
                    });
                }),
                ("Insufficient", |t| {
                    t.act.count = 30;
                    let low = AccountBalance { fund: fund(), balance: -1_499 };
                    let account = VoucherBatch::account(&t.act.batch);
                    t.network.edit(|state| state.put(account, low));
                }),
                ("InsufficientWorth", |t| {
                    let (account, cost) = (VoucherBatch::account(&t.act.batch), cost(&t.network));
                    t.network.edit(|state| {
                        state.put(account, AccountBalance { fund: fund(), balance: -1_500 });
                        state.put(cost, AccountBalance { fund: fund(), balance: i128::MIN });
                    });
                }),
                ("Overflow", |t| {
                    let cost = cost(&t.network);
                    t.network.edit(|state| state.put(cost, AccountBalance { fund: fund(), balance: 0 }));
                }),
            ],
        );
    }
}
