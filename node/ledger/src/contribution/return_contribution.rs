//! `return_contribution`: an ordonnateur orders that money of a kept promise goes back to its funder.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of another group than the fund's comptables and than the funder.
//! - Effect: what was received leaves the account that it went to, as far as it is still there, and becomes a refund to be paid.
//! - Source: rulebook §3, table A (return of a contribution), and §4, 0303.

use super::promise::{CreditedPart, Promise};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    bank::refund::{Refund, RefundStatus},
    history::RecordRef,
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, holder_of_group, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// The payload.
    pub struct ReturnContribution = ReturnContribution {
        /// The promise that was kept.
        pub promise: PromiseId,
        /// How much.
        pub amount: Amount [required],
        /// To which account.
        pub payee_account: Commitment,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct ContributionReturned = ContributionReturned {
        /// The new refund.
        pub id: Hash,
        /// The promise.
        pub promise: PromiseId,
        /// What leaves which account.
        pub parts: Vec<CreditedPart>,
        /// The refund as it stands in the state.
        pub refund: Refund [required],
        /// Those accounts to the refund.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownPromise(PromiseId): Unknown 1 "promise {0} does not exist", "the promise does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    SegregationComptable(OrganisationId): Segregation 1 "organisation {0} of the same group is comptable of the fund", "the signer's group releases payments of the fund";
    SegregationFunder(OrganisationId): Segregation 2 "funder {0} is of the signer's group", "the signer's group gets the money";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the promise's currency {1}", "the amount is in another currency than the promise";
    AmountReceived(u64, u64): Amount 2 "{0} minor units where {1} were received and did not go back", "the amount is more than what was received";
    Insufficient(PostingError): Insufficient 1 "{0}", "the money has gone on: the account does not hold it any more";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for ReturnContribution {
    type Event = ContributionReturned;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ContributionReturned, Refused> {
        let Self { promise, amount, payee_account, reason } = *self;

        cx.active(state)?;
        let record = state.get::<Promise>(&promise).ok_or(Refused::UnknownPromise(promise))?;
        let (fund, funder) = (record.fund, record.funder);
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(fund))?;
        if let Some(holder) = holder_of_group(state, &cx.organisation, Role::Comptable, Scope::Fund(fund)) {
            return Err(Refused::SegregationComptable(holder));
        }
        if same_group(state, &funder, &cx.organisation) {
            return Err(Refused::SegregationFunder(funder));
        }
        if amount.currency != record.amount.currency {
            return Err(Refused::CurrencyOther(amount.currency, record.amount.currency));
        }
        let there = record.received - record.returned;
        if amount.minor > there {
            return Err(Refused::AmountReceived(amount.minor, there));
        }
        let id = object_id("refund", &cx.place.transaction);
        let parts = record.leaving(amount.minor);
        let mut movement = Movement::in_fund(fund);
        for CreditedPart { account, amount } in &parts {
            movement.transfer(account.clone(), Refund::payable(&id), *amount);
        }
        let postings = movement.check(state)?;
        let refund = Refund {
            fund,
            from: parts.first().expect("an amount above 0 leaves some account").account.clone(),
            amount,
            payee_account,
            payee: Some(funder),
            reason,
            ordered_by: cx.organisation,
            status: RefundStatus::Ordered,
            paying_account: None,
            execution_date: None,
            entry: None,
        };
        Ok(ContributionReturned { id, promise, parts, refund, postings })
    }
}

impl Effect for ContributionReturned {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Promise>(&self.promise, |promise| promise.give_back(&self.parts));
        state.put::<Refund>(self.id, self.refund.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = BTreeSet::from([
            RecordRef::of::<Refund>(&self.id),
            RecordRef::of::<Promise>(&self.promise),
            RecordRef::of::<Fund>(&self.refund.fund),
            RecordRef::of::<Organisation>(&self.refund.ordered_by),
        ]);
        subjects.extend(self.refund.payee.map(|payee| RecordRef::of::<Organisation>(&payee)));
        subjects.into_iter().collect()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, AccountBalance},
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, Network, commitment, fund, id, money},
        registry::role::RoleGrant,
    };

    impl IntoPayload for ReturnContribution {
        fn into_payload(self) -> Payload {
            Payload::ReturnContribution(self)
        }
    }

    fn back(promise: PromiseId, minor: u64) -> ReturnContribution {
        let reason = ReasonCode::new("conditions").unwrap();
        ReturnContribution { promise, amount: Amount::eur(minor), payee_account: commitment("payee"), reason }
    }

    /// `university` orders in the place of `region`, which promised.
    fn kept(earmark: Option<&str>) -> (Network, PromiseId) {
        let mut network = money::network();
        network.edit(|state| {
            for who in ["university", "lab", "bank"] {
                state.put::<RoleGrant>((id(who), Role::Ordonnateur, Scope::Fund(fund())), RoleGrant { change: None });
            }
        });
        let promise = network.promise(100, earmark);
        network.receive("kept", 100, Some(Reference::of(ReferenceKind::Promise, promise.hash())));
        (network, promise)
    }

    fn contributions() -> Account {
        Account::Unallocated { fund: fund(), source: Code::new("contribution").unwrap() }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (mut network, promise) = kept(None);
        network.suspend("lab");
        let dollars =
            ReturnContribution { amount: Amount::new(101, Currency::new("USD").unwrap()), ..back(promise, 1) };
        let table: Vec<(&str, ReturnContribution)> = vec![
            ("lab", back(PromiseId::ZERO, 0)),
            ("lab", back(PromiseId::ZERO, 1)),
            ("consumers", back(PromiseId::ZERO, 1)),
            ("consumers", back(promise, 1)),
            ("bank", back(promise, 1)),
            ("region", back(promise, 1)),
            ("university", dollars),
            ("university", back(promise, 101)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let put = |network: &mut Network, balance| {
            network.edit(|state| {
                state.put::<AccountBalance>(contributions(), AccountBalance { fund: fund(), balance });
            });
        };
        put(&mut network, -99);
        reached.push(network.refusal("university", back(promise, 100)));
        put(&mut network, Balance::MAX);
        reached.push(network.refusal("university", back(promise, 100)));
        fixture::assert_all_reached(Kind::ReturnContribution, &reached);
    }

    #[test]
    fn money_goes_back_from_where_it_went_and_only_once() {
        for earmark in [None, Some("startups")] {
            let (mut network, promise) = kept(earmark);
            fixture::assert_round_trips(&back(promise, 1).into_payload());
            let Ok(Event::ReturnContribution(event)) = network.run("university", back(promise, 70)) else { panic!() };
            let from = match earmark {
                None => contributions(),
                Some(code) => Account::Envelope { fund: fund(), envelope: fixture::envelope(code) },
            };
            assert_eq!(event.refund.from, from);
            assert_eq!(network.balance(&from), -30);
            assert_eq!(network.balance(&Refund::payable(&event.id)), -70);
            assert_eq!(network.state.get::<Promise>(&promise).unwrap().returned, 70);
            assert_eq!(network.refusal("university", back(promise, 31)), "AmountReceived");
            network.assert_sound();
        }
    }
}
