//! `expire_vouchers`*: the time of a batch is over. The executor makes it at the start of the first block at or after `expires_at`.
//!
//! - Effect: the worth of vouchers that were not redeemed goes back to the envelope.
//! - Source: rulebook §3 (table A) and §4, 0b04.

use super::batch::{BatchStatus, VoucherBatch};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Duty, Effect, Place},
    history::RecordRef,
    redistribution::envelope,
    refusal::refusals,
    registry::fund::{Envelope, Fund},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpireVouchers;

impl ExpireVouchers {
    /// The object of this duty.
    pub fn object(batch: &VoucherBatchId) -> Hash {
        *batch.hash()
    }
}

message! {
    /// The event.
    pub struct VouchersExpired = VouchersExpired {
        /// The batch.
        pub batch: VoucherBatchId,
        /// The fund that paid.
        pub fund: FundCode,
        /// The envelope that gets the rest.
        pub envelope: EnvelopeCode,
        /// Vouchers that were not redeemed.
        pub count: u32,
        /// Their worth in minor units.
        pub amount: u64,
        /// From the batch to the envelope.
        pub postings: Postings,
    }
}

refusals! {
    UnknownBatch(Hash): Unknown 1 "batch {0} does not exist", "the batch does not exist";
    Insufficient(PostingError): Insufficient 1 "{0}", "the batch does not hold what is left of it";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}

impl Duty for ExpireVouchers {
    type Event = VouchersExpired;
    type Refused = Refused;

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<VouchersExpired, Refused> {
        let batch = VoucherBatchId::new(*object);
        let record = state.get::<VoucherBatch>(&batch).ok_or(Refused::UnknownBatch(*object))?;
        let (fund, envelope, count) = (record.fund, record.envelope, record.unredeemed());
        let amount = record.worth(count);
        let mut movement = Movement::in_fund(fund);
        movement.transfer(VoucherBatch::account(&batch), envelope::account(fund, envelope, None), amount);
        let postings = movement.check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Refused::Insufficient(error),
            PostingError::Overflow(_) => Refused::Overflow(error),
        })?;
        Ok(VouchersExpired { batch, fund, envelope, count, amount, postings })
    }
}

impl Effect for VouchersExpired {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<VoucherBatch>(&self.batch, |batch| batch.status = BatchStatus::Expired);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<VoucherBatch>(&self.batch),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Envelope>(&(self.fund, self.envelope)),
        ]
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind},
        fixture::{Network, assert_all_reached, fund},
        refusal::Reject,
        voucher::{assign_voucher::tests::assigned, issue_vouchers::tests::pot, redeem_voucher::tests::redemption},
    };

    #[test]
    fn what_is_not_redeemed_in_time_goes_back_to_the_envelope() {
        let (mut network, batch) = assigned();
        network.run("data", redemption(batch, "platform", 20)).unwrap();
        let expires = network.state.get::<VoucherBatch>(&batch).unwrap().expires_at;
        network.advance_to(BlockTime(expires.0 - 2));
        assert!(network.run("data", redemption(batch, "platform", 1)).is_ok(), "to the last millisecond");
        let receipts = network.advance(1);
        let expired = receipts.iter().filter_map(|receipt| receipt.event()).find_map(|event| match event {
            Event::ExpireVouchers(event) => Some(event.clone()),
            _ => None,
        });
        let expired = expired.expect("it expires");
        assert_eq!((expired.count, expired.amount), (79, 3_950));
        assert_eq!((network.balance(&pot()), network.balance(&VoucherBatch::account(&batch))), (-6_950, 0));
        assert_eq!(network.refusal("data", redemption(batch, "platform", 1)), "WindowExpired");
        network.assert_sound();
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, batch) = assigned();
        let refused = |network: &Network, object: &Hash| {
            let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
            ExpireVouchers::decide(object, &place, &network.state.overlay()).unwrap_err().doc().variant
        };
        let stands = |account, balance| {
            let mut other = network.clone();
            other.edit(|state| state.put(account, AccountBalance { fund: fund(), balance }));
            other
        };
        let reached = [
            refused(&network, &Hash::ZERO),
            refused(&stands(VoucherBatch::account(&batch), -4_999), batch.hash()),
            refused(&stands(pot(), i128::MIN), batch.hash()),
        ];
        assert_all_reached(Kind::ExpireVouchers, &reached);
    }
}
