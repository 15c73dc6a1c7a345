//! The change `transfer_funds`: money of a fund is owed to another (rulebook §3, table A).
//!
//! Money passes between funds only through the bank: here it is payable from now on; there a promise waits for the credit, in the name of the host
//! of the fund that pays, else of who proposed the change.

use super::{
    envelope::covers_deficit,
    release_reserve::{check_amount, fault},
};
use crate::{
    accounts::{Account, Movement, Postings},
    action::Place,
    contribution::promise::{Promise, PromiseStatus},
    governance::{
        change::{Change, Mode},
        enact_change::{self, ChangeEnacted},
        motion::{Effects, Fault, Motion, ShapeFault},
        propose_change,
    },
    history::RecordRef,
    registry::{
        close_fund::is_closed,
        fund::{Envelope, Fund},
    },
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

/// The credit is expected within a year.
const DUE_DAYS: i64 = 366;

message! {
    /// What is asked.
    pub struct TransferFunds = TransferFunds {
        /// The account that it leaves: an envelope, the reserve, or unallocated money of a source.
        pub from_account: Account,
        /// The fund that it goes to.
        pub to_fund: FundCode,
        /// Envelope there that it is meant for.
        pub earmark: Option<EnvelopeCode>,
        /// Minor units.
        pub amount: u64,
    }

    /// Record: money on its way to another fund, on the account `payable:transfer` of its id.
    pub struct FundTransfer = FundTransfer {
        /// The fund that pays.
        pub fund: FundCode,
        /// The fund that it goes to.
        pub to_fund: FundCode,
        /// The promise there that its receipt keeps.
        pub promise: PromiseId,
        /// Minor units.
        pub amount: u64,
    }
}

impl Record for FundTransfer {
    type Key = Hash;
}

fn transfer_id(change: &ChangeId) -> Hash {
    hash("fund-transfer", &[change.as_bytes()])
}

fn promise_id(change: &ChangeId) -> PromiseId {
    PromiseId::new(hash("transfer-promise", &[change.as_bytes()]))
}

impl TransferFunds {
    /// The fund of the account that it leaves; `None` for an account that nothing is transferred from.
    fn leaves(&self) -> Option<FundCode> {
        match &self.from_account {
            Account::Unallocated { fund, .. }
            | Account::Envelope { fund, .. }
            | Account::TerritorialEnvelope { fund, .. }
            | Account::Reserve { fund } => Some(*fund),
            Account::Bank { .. }
            | Account::Unexplained { .. }
            | Account::LevyReceivable { .. }
            | Account::PenaltyReceivable { .. }
            | Account::ClawbackReceivable { .. }
            | Account::Suspense { .. }
            | Account::PayableRefund { .. }
            | Account::PayableTransfer { .. }
            | Account::PayableCost { .. }
            | Account::Payable { .. }
            | Account::InTransit { .. }
            | Account::Escrow { .. }
            | Account::PrepaidLevy { .. }
            | Account::Voucher { .. }
            | Account::Uncollected { .. }
            | Account::Encumbered { .. }
            | Account::Matching { .. }
            | Account::Provision { .. }
            | Account::Costs { .. }
            | Account::Deficit { .. } => None,
        }
    }

    fn postings(&self, change: &ChangeId, state: &Overlay<'_>) -> Result<(FundCode, Postings), Fault> {
        let Self { from_account, to_fund, earmark, amount } = self;
        let fund = self.leaves().ok_or_else(|| Fault::State(format!("nothing is transferred from {from_account}")))?;
        let unknown = |fund: &FundCode| Fault::Unknown(format!("fund {fund} does not exist"));
        let from = state.get::<Fund>(&fund).ok_or_else(|| unknown(&fund))?;
        let to = state.get::<Fund>(to_fund).ok_or_else(|| unknown(to_fund))?;
        if let Some(envelope) = earmark
            && !state.has::<Envelope>(&(*to_fund, *envelope))
        {
            return Err(Fault::Unknown(format!("envelope {envelope} does not exist in fund {to_fund}")));
        }
        if let Some(closed) = [&fund, to_fund].into_iter().find(|fund| is_closed(state, fund)) {
            return Err(Fault::State(format!("fund {closed} is closed")));
        }
        if fund == *to_fund {
            return Err(Fault::State(format!("{fund} is the fund that it leaves")));
        }
        if from.currency != to.currency {
            return Err(Fault::Currency(format!(
                "{} is not {}, the currency of fund {to_fund}",
                from.currency, to.currency
            )));
        }
        let mut movement = Movement::in_fund(fund);
        movement.transfer(from_account.clone(), Account::PayableTransfer { transfer: transfer_id(change) }, *amount);
        let postings = movement.check(state).map_err(fault)?;
        covers_deficit(fund, *amount, state).map_err(|error| Fault::Insufficient(error.to_string()))?;
        Ok((fund, postings))
    }
}

impl Motion for TransferFunds {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn written(_: &Self) -> usize {
        4
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        check_amount(asked.amount)?;
        match asked.leaves() {
            Some(_) => Ok(()),
            None => Err(ShapeFault::Limit(format!("nothing is transferred from {}", asked.from_account)).into()),
        }
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.postings(&ChangeId::ZERO, state).map(|_| ()).or_else(Fault::later)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        match asked.postings(&ChangeId::ZERO, state) {
            Err(fault @ Fault::Currency(_)) => Err(fault.into()),
            // Whether the money is there is judged when it moves.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        asked.leaves().map(|fund| RecordRef::of::<Fund>(&fund))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        asked.leaves()
    }

    fn money(asked: &Self) -> Option<u64> {
        Some(asked.amount)
    }

    fn enact(
        asked: &Self,
        change: &ChangeId,
        _: &Place,
        state: &Overlay<'_>,
    ) -> Result<Effects, enact_change::Refused> {
        let (_, postings) = asked.postings(change, state)?;
        Ok(Effects { postings, ..Effects::default() })
    }

    fn apply(asked: &Self, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
        let Self { from_account: _, to_fund, earmark, amount } = asked.clone();
        let fund = asked.leaves().expect("validate: the account is of a fund");
        let payer = state.get::<Fund>(&fund).expect("enact: the fund exists").clone();
        let proposer = state.get::<Change>(&event.change).expect("enact: the change exists").proposer;
        let promise = promise_id(&event.change);
        let due = place.date().plus_days(DUE_DAYS).unwrap_or(place.date());
        let promised = Promise {
            funder: payer.host.unwrap_or(proposer),
            fund: to_fund,
            amount: Amount::new(amount, payer.currency),
            due,
            earmark,
            conditions: None,
            received: 0,
            parent: None,
            status: PromiseStatus::Open,
            returned: 0,
            credited: Vec::new(),
        };
        promised.enter(state, promise);
        state.put::<FundTransfer>(transfer_id(&event.change), FundTransfer { fund, to_fund, promise, amount });
    }

    fn subjects(asked: &Self, event: &ChangeEnacted) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Fund>(&asked.to_fund),
            RecordRef::of::<FundTransfer>(&transfer_id(&event.change)),
            RecordRef::of::<Promise>(&promise_id(&event.change)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        fixture::{Network, envelope, fund, money},
        governance::{change::Content, enact_change::tests::enact_now},
        grant::fixture::credit,
        registry::close_fund::ClosedFund,
    };

    fn commons() -> Account {
        Account::Envelope { fund: fund(), envelope: envelope("commons") }
    }

    /// A second fund, `relief`, of the same currency; 1,000 minor units in the envelope `commons` of the first.
    fn two_funds() -> (Network, FundCode) {
        let mut network = money::network();
        credit(&mut network, commons(), 1_000);
        let relief = FundCode::new("relief").unwrap();
        network.edit(|state| {
            let record = state.get::<Fund>(&fund()).unwrap().clone();
            state.put::<Fund>(relief, record);
        });
        (network, relief)
    }

    fn asked(to_fund: FundCode, amount: u64) -> TransferFunds {
        TransferFunds { from_account: commons(), to_fund, earmark: None, amount }
    }

    #[test]
    fn money_for_another_fund_is_owed_here_and_promised_there() {
        let (mut network, relief) = two_funds();
        let event = enact_now(&mut network, Content::TransferFunds(asked(relief, 400))).unwrap();
        let owed = Account::PayableTransfer { transfer: transfer_id(&event.change) };
        assert_eq!((network.balance(&commons()), network.balance(&owed)), (-600, -400));
        let promise = network.state.get::<Promise>(&promise_id(&event.change)).unwrap();
        assert_eq!((promise.fund, promise.amount), (relief, Amount::eur(400)));
        network.assert_sound();
    }

    #[test]
    fn a_transfer_that_cannot_be_done_is_carried_and_not_enacted() {
        let (network, relief) = two_funds();
        let refused = |change: &dyn Fn(&mut Network, &mut TransferFunds)| {
            let (mut network, mut asked) = (network.clone(), asked(relief, 400));
            change(&mut network, &mut asked);
            enact_now(&mut network, Content::TransferFunds(asked)).unwrap_err()
        };
        assert_eq!(refused(&|_, it| it.to_fund = FundCode::new("other").unwrap()), "UnknownNamed");
        assert_eq!(refused(&|_, it| it.earmark = Some(envelope("commons"))), "UnknownNamed");
        assert_eq!(refused(&|_, it| it.to_fund = fund()), "StateNamed");
        assert_eq!(refused(&|_, it| it.from_account = Account::Provision { fund: fund() }), "StateNamed");
        let closed = |network: &mut Network, _: &mut TransferFunds| {
            network.edit(|state| state.put::<ClosedFund>(relief, ClosedFund { change: ChangeId::ZERO }));
        };
        assert_eq!(refused(&closed), "StateNamed");
        assert_eq!(refused(&|_, it| it.amount = 1_001), "InsufficientNamed");
        let dollars = |network: &mut Network, _: &mut TransferFunds| {
            network.edit(|state| state.update::<Fund>(&relief, |fund| fund.currency = Currency::new("USD").unwrap()));
        };
        assert_eq!(refused(&dollars), "CurrencyNamed");
        let in_deficit = |network: &mut Network, _: &mut TransferFunds| {
            let deficit = AccountBalance { fund: fund(), balance: 601 };
            network.edit(|state| state.put(Account::Deficit { fund: fund() }, deficit));
        };
        assert_eq!(refused(&in_deficit), "InsufficientNamed", "600 would be left to cover 601");
    }
}
