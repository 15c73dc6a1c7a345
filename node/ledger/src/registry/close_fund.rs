//! The change `close_fund`: a fund that holds nothing and owes nothing is over (rulebook §4).
//!
//! Its records stay, and so does its history; no period of it is closed any more, and nothing is opened on it.

use super::fund::Fund;
use crate::{
    accounts::AccountBalance,
    action::Place,
    governance::{
        change::Mode,
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion},
        propose_change,
    },
    history::RecordRef,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// What is asked.
    pub struct CloseFund = CloseFund {
        /// Which.
        pub fund: FundCode,
    }

    /// Record: a fund that is closed.
    pub struct ClosedFund = ClosedFund {
        /// The change that closed it.
        pub change: ChangeId,
    }
}

impl Record for ClosedFund {
    type Key = FundCode;
}

/// Whether a fund is over.
pub fn is_closed(state: &Overlay<'_>, fund: &FundCode) -> bool {
    state.has::<ClosedFund>(fund)
}

impl CloseFund {
    /// Reads all accounts: a fund is closed once.
    fn check(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        let Self { fund } = self;
        if !state.has::<Fund>(fund) {
            return Err(Fault::Unknown(format!("fund {fund} does not exist")));
        }
        if is_closed(state, fund) {
            return Err(Fault::State(format!("fund {fund} is closed")));
        }
        let accounts = state.range::<AccountBalance>(..).into_iter();
        let mut standing = accounts.filter(|(_, record)| record.fund == *fund && record.balance != 0);
        match standing.next() {
            Some((account, record)) => Err(Fault::State(format!("{account} stands at {}", record.balance))),
            None => Ok(()),
        }
    }
}

impl Motion for CloseFund {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        match asked.check(state) {
            // What still stands on its accounts may be gone when the change is carried.
            Err(Fault::State(_)) if !is_closed(state, &asked.fund) => Ok(()),
            other => Ok(other?),
        }
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Fund>(&asked.fund))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.check(state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<ClosedFund>(asked.fund, ClosedFund { change: event.change });
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        vec![RecordRef::of::<ClosedFund>(&asked.fund)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Account,
        fixture::{fund, money},
        governance::{change::Content, enact_change::tests::enact_now},
        grant::fixture::credit,
    };

    #[test]
    fn only_a_fund_that_holds_nothing_is_closed_and_only_once() {
        let mut network = money::network();
        let close = |fund| Content::CloseFund(CloseFund { fund });
        let mut holding = network.clone();
        credit(&mut holding, Account::Reserve { fund: fund() }, 1);
        assert_eq!(enact_now(&mut holding, close(fund())), Err("StateNamed"));
        enact_now(&mut network, close(fund())).unwrap();
        assert!(is_closed(&network.state.overlay(), &fund()));
        assert_eq!(enact_now(&mut network, close(fund())), Err("StateNamed"));
    }
}
