//! The change `release_reserve`: money of the prudential reserve is unallocated again, source `other`, for the next close to split (rulebook §3, table A).

use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    registry::fund::Fund,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What is asked.
    pub struct ReleaseReserve = ReleaseReserve {
        /// Of which fund.
        pub fund: FundCode,
        /// Minor units.
        pub amount: u64,
    }
}

/// Money that cannot move, as a change says it.
pub(super) fn fault(error: PostingError) -> Fault {
    match error {
        PostingError::Insufficient { .. } => Fault::Insufficient(error.to_string()),
        PostingError::Overflow(_) => Fault::Overflow(error.to_string()),
    }
}

/// An amount of a change: 1 ..= 10^15 minor units.
pub(super) fn check_amount(amount: u64) -> Result<(), ShapeFault> {
    if (1..=Amount::MAX_MINOR).contains(&amount) {
        Ok(())
    } else {
        Err(ShapeFault::Amount(format!("{amount} is outside 1 ..= 10^15 minor units")))
    }
}

impl ReleaseReserve {
    fn postings(&self, state: &Overlay<'_>) -> Result<Postings, Fault> {
        let Self { fund, amount } = *self;
        if !state.has::<Fund>(&fund) {
            return Err(Fault::Unknown(format!("fund {fund} does not exist")));
        }
        let other = Account::Unallocated { fund, source: Code::new("other").expect("a code") };
        let mut movement = Movement::in_fund(fund);
        movement.transfer(Account::Reserve { fund }, other, amount);
        movement.check(state).map_err(fault)
    }
}

impl Motion for ReleaseReserve {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        Ok(check_amount(asked.amount)?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.postings(state).map(|_| ()).or_else(Fault::later)?)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Fund>(&asked.fund))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.fund)
    }

    fn money(asked: &Self) -> Option<u64> {
        Some(asked.amount)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        Ok(Effects { postings: asked.postings(state)?, ..Effects::default() })
    }

    fn apply(_: &Self, _: &ChangeEnacted, _: &Place, _: &mut Overlay<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{fund, money},
        governance::{change::Content, enact_change::tests::enact_now},
        grant::fixture::credit,
    };

    #[test]
    fn released_money_is_unallocated_again_and_no_more_than_there_is() {
        let mut network = money::network();
        credit(&mut network, Account::Reserve { fund: fund() }, 1_000);
        let release = |fund, amount| Content::ReleaseReserve(ReleaseReserve { fund, amount });
        assert_eq!(enact_now(&mut network, release(fund(), 1_001)), Err("InsufficientNamed"));
        enact_now(&mut network, release(fund(), 1_000)).unwrap();
        let other = Account::Unallocated { fund: fund(), source: Code::new("other").unwrap() };
        assert_eq!((network.balance(&other), network.balance(&Account::Reserve { fund: fund() })), (-1_000, 0));
        network.assert_sound();
    }
}
