//! `order_refund`: an ordonnateur orders that money goes back which the fund never needed: from suspense, prepaid by a levy payer, or owed back
//! since a pledge or contribution did not take it.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of another group than the fund's comptables and than the payee.
//! - Effect: the money becomes a refund to be paid; of prepaid money the latest value dates leave first. `release_refund` pays it.
//! - Source: rulebook §3, table A; §4, 0204; §5, prepaid money; §8, refunds.

use super::{
    account::BankAccount,
    entry::{BankEntry, consume},
    matching::PrepaidTarget,
    owed::Owed,
    refund::{Refund, RefundStatus},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
    history::RecordRef,
    levy::{account::fund_of, prepaid},
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        role::{Role, Scope},
    },
    signer::{Context, holder_of_group, same_group},
    state::Overlay,
    wire::{Wire, WireError, message, pb},
};
use core::fmt;
use octroi_primitives::*;

message! {
    /// A credit that waits in suspense.
    pub struct SuspenseSource = SuspenseSource {
        /// The account that received it.
        pub account: BankAccountId,
        /// The entry.
        pub entry: EntryKey,
    }
}

/// Where refunded money is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundSource {
    /// In suspense.
    Suspense(SuspenseSource),
    /// With a payer's prepaid money.
    Prepaid(PrepaidTarget),
    /// With what is owed back of pledges and contributions.
    Owed(RefundId),
}

impl fmt::Display for RefundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspense(SuspenseSource { account, entry }) => write!(f, "entry {entry} of bank account {account}"),
            Self::Prepaid(PrepaidTarget { payer, schedule }) => write!(f, "prepaid levy {schedule} of {payer}"),
            Self::Owed(id) => write!(f, "money owed back as {id}"),
        }
    }
}

impl Wire for RefundSource {
    type Proto = pb::RefundSource;

    fn to_proto(&self) -> pb::RefundSource {
        use pb::refund_source::Source;
        let source = match self {
            Self::Suspense(source) => Source::Suspense(source.to_proto()),
            Self::Prepaid(source) => Source::Prepaid(source.to_proto()),
            Self::Owed(id) => Source::Owed(id.to_proto()),
        };
        pb::RefundSource { source: Some(source) }
    }

    fn from_proto(proto: pb::RefundSource) -> Result<Self, WireError> {
        use pb::refund_source::Source;
        match proto.source.ok_or_else(WireError::missing)? {
            Source::Suspense(source) => Wire::from_proto(source).map(Self::Suspense),
            Source::Prepaid(source) => Wire::from_proto(source).map(Self::Prepaid),
            Source::Owed(id) => Wire::from_proto(id).map(Self::Owed),
        }
    }
}

message! {
    /// The payload.
    pub struct OrderRefund = OrderRefund {
        /// Where the money is.
        pub source: RefundSource [required],
        /// How much.
        pub amount: Amount [required],
        /// To which account.
        pub payee_account: Commitment,
        /// Why.
        pub reason: ReasonCode,
    }

    /// The event.
    pub struct RefundOrdered = RefundOrdered {
        /// The new refund.
        pub id: Hash,
        /// As it stands in the state.
        pub refund: Refund [required],
        /// Where the money was.
        pub source: RefundSource [required],
        /// Suspense or prepaid money to the refund.
        pub postings: Postings,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "the amount is 0 or above the bound";
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownSource(RefundSource): Unknown 1 "{0} does not exist", "there is no such account, entry, payer or schedule";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    SegregationComptable(OrganisationId): Segregation 1 "organisation {0} of the same group is comptable of the fund", "the signer's group releases payments of the fund";
    SegregationPayee(OrganisationId): Segregation 2 "the money is of {0}, of the signer's group", "the signer's group gets the money";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the fund's currency {1}", "the amount is in another currency than the fund";
    InsufficientSource(u64, u64): Insufficient 1 "{0} minor units where {1} are left", "the entry, or the prepaid money, has less left";
    Insufficient(PostingError): Insufficient 2 "{0}", "an account does not hold what the refund moves";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

/// What is known of a source.
struct Found {
    fund: FundCode,
    account: Account,
    left: u64,
    payee: Option<OrganisationId>,
}

impl RefundSource {
    fn find(&self, state: &Overlay<'_>) -> Option<Found> {
        match self {
            Self::Suspense(SuspenseSource { account, entry }) => {
                let fund = state.get::<BankAccount>(account)?.fund;
                let left = state.get::<BankEntry>(&(*account, *entry))?.rest;
                Some(Found { fund, account: Account::Suspense { account: *account }, left, payee: None })
            }
            Self::Prepaid(PrepaidTarget { payer, schedule }) => {
                let (payer, schedule) = (*payer, *schedule);
                let fund = fund_of(state, &schedule).filter(|_| state.has::<Organisation>(&payer))?;
                let left = prepaid::held(state, payer, schedule);
                Some(Found { fund, account: Account::PrepaidLevy { payer, schedule }, left, payee: Some(payer) })
            }
            Self::Owed(id) => {
                let Owed { fund, to, .. } = *state.get::<Owed>(id)?;
                let account = Account::PayableRefund { refund: *id.hash() };
                let left = u64::try_from(-balance(state, &account)).unwrap_or(0);
                Some(Found { fund, account, left, payee: Some(to) })
            }
        }
    }

    fn subject(&self) -> RecordRef {
        match self {
            Self::Suspense(SuspenseSource { account, entry }) => RecordRef::of::<BankEntry>(&(*account, *entry)),
            Self::Prepaid(PrepaidTarget { payer, .. }) => RecordRef::of::<Organisation>(payer),
            Self::Owed(id) => RecordRef::of::<Owed>(id),
        }
    }
}

impl Action for OrderRefund {
    type Event = RefundOrdered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.amount.is_valid_positive() { Ok(()) } else { Err(Refused::AmountBounds(self.amount)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<RefundOrdered, Refused> {
        let Self { source, amount, payee_account, reason } = self.clone();

        cx.active(state)?;
        let found = source.find(state).ok_or_else(|| Refused::UnknownSource(source.clone()))?;
        let Found { fund, account, left, payee } = found;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(fund))?;
        if let Some(holder) = holder_of_group(state, &cx.organisation, Role::Comptable, Scope::Fund(fund)) {
            return Err(Refused::SegregationComptable(holder));
        }
        if let Some(payee) = payee.filter(|payee| same_group(state, payee, &cx.organisation)) {
            return Err(Refused::SegregationPayee(payee));
        }
        let currency = state.get::<Fund>(&fund).map(|record| record.currency);
        if let Some(currency) = currency
            && currency != amount.currency
        {
            return Err(Refused::CurrencyOther(amount.currency, currency));
        }
        if amount.minor > left {
            return Err(Refused::InsufficientSource(amount.minor, left));
        }
        let id = object_id("refund", &cx.place.transaction);
        let mut movement = Movement::in_fund(fund);
        movement.transfer(account.clone(), Refund::payable(&id), amount.minor);
        let postings = movement.check(state)?;
        let refund = Refund {
            fund,
            from: account,
            amount,
            payee_account,
            payee,
            reason,
            ordered_by: cx.organisation,
            status: RefundStatus::Ordered,
            paying_account: None,
            execution_date: None,
            entry: None,
        };
        Ok(RefundOrdered { id, refund, source, postings })
    }
}

impl Effect for RefundOrdered {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        match &self.source {
            RefundSource::Suspense(SuspenseSource { account, entry }) => {
                consume(*account, *entry, self.refund.amount.minor, state);
            }
            RefundSource::Prepaid(PrepaidTarget { payer, schedule }) => {
                prepaid::take_latest(state, *payer, *schedule, self.refund.amount.minor);
            }
            // What is left of it is the account's balance.
            RefundSource::Owed(_) => {}
        }
        state.put::<Refund>(self.id, self.refund.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Refund>(&self.id),
            RecordRef::of::<Fund>(&self.refund.fund),
            RecordRef::of::<Organisation>(&self.refund.ordered_by),
            self.source.subject(),
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
        bank::{match_entry::MatchEntry, matching::Target, release_refund::ReleaseRefund},
        campaign::{
            fixture::{opened, pay, pledge},
            withdraw_pledge::WithdrawPledge,
        },
        fixture::{
            self, IntoPayload, Network, account, commitment, fund, id,
            money::{self, entry_key, schedule_code, target},
        },
        levy::prepaid::PrepaidLevy,
        registry::role::RoleGrant,
    };

    impl IntoPayload for OrderRefund {
        fn into_payload(self) -> Payload {
            Payload::OrderRefund(self)
        }
    }

    pub(crate) fn of_entry(text: &str, minor: u64) -> OrderRefund {
        OrderRefund {
            source: RefundSource::Suspense(SuspenseSource { account: account(), entry: entry_key(text) }),
            amount: Amount::eur(minor),
            payee_account: commitment("payee"),
            reason: ReasonCode::new("mistaken").unwrap(),
        }
    }

    fn of_prepaid(minor: u64) -> OrderRefund {
        let source = PrepaidTarget { payer: id("reuser"), schedule: schedule_code("royalty") };
        OrderRefund { source: RefundSource::Prepaid(source), ..of_entry("a", minor) }
    }

    fn put(network: &mut Network, account: Account, balance: Balance) {
        network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        network.receive("a", 100, None);
        network.edit(|state| {
            for (who, role) in [("bank", Role::Ordonnateur), ("lab", Role::Ordonnateur), ("reuser", Role::Ordonnateur)]
            {
                state.put::<RoleGrant>((id(who), role, Scope::Fund(fund())), RoleGrant { change: None });
            }
        });
        network.suspend("lab");
        let dollars = OrderRefund { amount: Amount::new(101, Currency::new("USD").unwrap()), ..of_entry("a", 1) };
        let table: Vec<(&str, OrderRefund)> = vec![
            ("lab", of_entry("never", 0)),
            ("lab", of_entry("never", 1)),
            ("university", of_entry("never", 1)),
            ("university", of_entry("a", 1)),
            ("bank", of_prepaid(1)),
            ("reuser", of_prepaid(1)),
            ("region", dollars),
            ("region", of_entry("a", 101)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        put(&mut network, Account::Suspense { account: account() }, -99);
        reached.push(network.refusal("region", of_entry("a", 100)));
        put(&mut network, Account::Suspense { account: account() }, Balance::MAX);
        reached.push(network.refusal("region", of_entry("a", 100)));
        fixture::assert_all_reached(Kind::OrderRefund, &reached);
    }

    #[test]
    fn suspense_and_prepaid_money_become_refunds_and_the_latest_prepaid_leaves_first() {
        let mut network = money::network();
        fixture::assert_round_trips(&of_entry("a", 1).into_payload());
        fixture::assert_round_trips(&of_prepaid(1).into_payload());
        let mut late = money::entry("b", 70, None);
        late.value_date = money::date(2027, 1, 3);
        network.attest(network.statement(vec![money::entry("a", 100, None), late]));
        for (text, minor) in [("a", 60), ("b", 70)] {
            let prepaid = Target::Prepaid(PrepaidTarget { payer: id("reuser"), schedule: schedule_code("royalty") });
            let payload =
                MatchEntry { account: account(), entry: entry_key(text), targets: vec![target(prepaid, minor)] };
            network.run("bank", Payload::MatchEntry(payload)).unwrap();
        }
        let Ok(Event::OrderRefund(event)) = network.run("region", of_entry("a", 40)) else { panic!("ordered") };
        assert_eq!(network.balance(&Refund::payable(&event.id)), -40);
        network.run("region", of_prepaid(80)).unwrap();
        let left = network.state.get::<PrepaidLevy>(&(id("reuser"), schedule_code("royalty"))).unwrap();
        let left: Vec<(LegalDate, u64)> = left.parts.iter().map(|part| (part.value_date, part.amount)).collect();
        assert_eq!(left, [(money::date(2027, 1, 3), 50)], "60 of 4 January and 20 of the day before have left");
        network.assert_sound();
    }

    #[test]
    fn what_a_campaign_owes_back_is_ordered_released_and_paid() {
        let (mut network, campaign) = opened();
        let made = pledge(&mut network, campaign, "university", 400);
        pay(&mut network, "a", made, 400);
        network.run("university", WithdrawPledge { pledge: made }).unwrap();
        let owed = *network.state.all::<Owed>().next().unwrap().0;
        let asked = |minor| OrderRefund { source: RefundSource::Owed(owed), ..of_entry("a", minor) };
        fixture::assert_round_trips(&asked(1).into_payload());
        assert_eq!(network.refusal("region", asked(401)), "InsufficientSource");
        let Ok(Event::OrderRefund(event)) = network.run("region", asked(400)) else { panic!("ordered") };
        assert_eq!(event.refund.payee, Some(id("university")));
        assert_eq!(network.balance(&Account::PayableRefund { refund: *owed.hash() }), 0);
        assert_eq!(network.balance(&Refund::payable(&event.id)), -400);
        assert_eq!(network.refusal("region", asked(1)), "InsufficientSource");
        let release = ReleaseRefund {
            refund: event.id,
            from_account: account(),
            payee_account: commitment("payee"),
            execution_date: LegalDate::at(network.now()),
        };
        network.run("bank", Payload::ReleaseRefund(release)).unwrap();
        network.attest(network.statement(vec![money::entry("b", -400, Some(Refund::reference(&event.id)))]));
        assert_eq!(network.state.get::<Refund>(&event.id).unwrap().status, RefundStatus::Paid);
        network.assert_sound();
    }
}
