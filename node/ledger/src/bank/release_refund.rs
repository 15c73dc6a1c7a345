//! `release_refund`: a comptable instructs the bank to pay an ordered refund.
//!
//! - Allowed: an active organisation with the role comptable over the fund, of another group than the one that ordered.
//! - Effect: the refund is on its way; its transfer carries the reference R and 26 characters, and the equal debit in a final statement pays it.
//! - Source: rulebook §3, table A (released). The rulebook's list names no kind for it; this one follows `release_payment`, 0805.

use super::{
    account::BankAccount,
    refund::{self, Refund, RefundStatus},
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings, balance},
    action::{Action, Effect, Place},
    grant::payout::in_transit_from,
    history::RecordRef,
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
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
    pub struct ReleaseRefund = ReleaseRefund {
        /// Which.
        pub refund: Hash,
        /// From which account.
        pub from_account: BankAccountId,
        /// To which account, as ordered.
        pub payee_account: Commitment,
        /// When the bank should pay.
        pub execution_date: LegalDate [required],
    }

    /// The event.
    pub struct RefundReleased = RefundReleased {
        /// Which.
        pub refund: Hash,
        /// The fund.
        pub fund: FundCode,
        /// From which account.
        pub from_account: BankAccountId,
        /// When the bank should pay.
        pub execution_date: LegalDate [required],
        /// Who releases.
        pub comptable: OrganisationId,
        /// The refund to what is in transit.
        pub postings: Postings,
    }
}

refusals! {
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownRefund(Hash): Unknown 1 "refund {0} does not exist", "the refund does not exist";
    RoleMissing(String): Role 1 "{0}", "the signer does not hold the role in this scope, or too few of the signing keys are in offices that may use it";
    UnknownAccount(BankAccountId): Unknown 2 "bank account {0} does not exist", "the paying account does not exist";
    SegregationOrdered(OrganisationId): Segregation 1 "the signer is of the group of {0}, which ordered", "the comptable's group ordered the refund";
    StateRefund(Hash, RefundStatus): State 1 "refund {0} is {1}", "the refund is released already";
    ReferenceFund(BankAccountId, FundCode): Reference 1 "bank account {0} is of fund {1}", "the paying account is of another fund";
    ReferencePayee(): Reference 2 "the payee's account is not that of the order", "the payee's account is not that of the order";
    DatePast(LegalDate, LegalDate): Date 1 "execution date {0} is before today, {1}", "the execution date has passed";
    InsufficientBank(i128, u64): Insufficient 1 "{0} minor units are free on the account, {1} are needed", "the account holds too little besides what is in transit";
    Insufficient(PostingError): Insufficient 2 "{0}", "the payable account does not hold the amount";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for ReleaseRefund {
    type Event = RefundReleased;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<RefundReleased, Refused> {
        let Self { refund: id, from_account, payee_account, execution_date } = *self;

        cx.active(state)?;
        let record = state.get::<Refund>(&id).ok_or(Refused::UnknownRefund(id))?;
        cx.authorise(state, Role::Comptable, Scope::Fund(record.fund))?;
        let account = state.get::<BankAccount>(&from_account).ok_or(Refused::UnknownAccount(from_account))?;
        if same_group(state, &cx.organisation, &record.ordered_by) {
            return Err(Refused::SegregationOrdered(record.ordered_by));
        }
        match record.status {
            RefundStatus::Ordered => {}
            RefundStatus::InTransit | RefundStatus::Paid => return Err(Refused::StateRefund(id, record.status)),
        }
        if account.fund != record.fund {
            return Err(Refused::ReferenceFund(from_account, account.fund));
        }
        if record.payee_account != payee_account {
            return Err(Refused::ReferencePayee());
        }
        let today = cx.place.date();
        if execution_date < today {
            return Err(Refused::DatePast(execution_date, today));
        }
        let held = balance(state, &Account::Bank { account: from_account });
        let free = held - i128::from(in_transit_from(state, &from_account));
        if free < i128::from(record.amount.minor) {
            return Err(Refused::InsufficientBank(free, record.amount.minor));
        }
        let mut movement = Movement::in_fund(record.fund);
        movement.transfer(Refund::payable(&id), Refund::in_transit(&id), record.amount.minor);
        let postings = movement.check(state)?;
        let (fund, comptable) = (record.fund, cx.organisation);
        Ok(RefundReleased { refund: id, fund, from_account, execution_date, comptable, postings })
    }
}

impl Effect for RefundReleased {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        refund::released(state, &self.refund, self.from_account, self.execution_date);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Refund>(&self.refund),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<BankAccount>(&self.from_account),
            RecordRef::of::<Organisation>(&self.comptable),
        ]
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind, Payload},
        bank::{attest_statement::BankFinding, entry::BankEntry, order_refund::tests::of_entry},
        fixture::{
            self, IntoPayload, Network, account, commitment, fund, id,
            money::{self, entry, entry_key},
        },
        registry::role::RoleGrant,
    };

    impl IntoPayload for ReleaseRefund {
        fn into_payload(self) -> Payload {
            Payload::ReleaseRefund(self)
        }
    }

    fn release(network: &Network, refund: Hash) -> ReleaseRefund {
        ReleaseRefund {
            refund,
            from_account: account(),
            payee_account: commitment("payee"),
            execution_date: network.today(),
        }
    }

    fn ordered(network: &mut Network, text: &str, minor: u64) -> Hash {
        let Ok(Event::OrderRefund(event)) = network.run("region", of_entry(text, minor)) else { panic!("ordered") };
        event.id
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = money::network();
        network.receive("a", 100, None);
        let (waits, done) = (ordered(&mut network, "a", 60), ordered(&mut network, "a", 40));
        network.run("bank", release(&network, done)).unwrap();
        let foreign = BankAccountId::new(hash("fixture-account", &[b"other"]));
        network.edit(|state| {
            for who in ["lab", "region"] {
                state.put::<RoleGrant>((id(who), Role::Comptable, Scope::Fund(fund())), RoleGrant { change: None });
            }
            state.put::<BankAccount>(foreign, BankAccount::opened(FundCode::new("other").unwrap(), 1, 0));
        });
        network.suspend("lab");
        let with = |id: Hash, change: &dyn Fn(&mut ReleaseRefund)| {
            let mut asked = release(&network, id);
            change(&mut asked);
            asked
        };
        let yesterday = network.today().plus_days(-1).unwrap();
        let table: Vec<(&str, ReleaseRefund)> = vec![
            ("lab", with(Hash::ZERO, &|_| {})),
            ("university", with(Hash::ZERO, &|_| {})),
            ("university", with(waits, &|_| {})),
            ("region", with(waits, &|it| it.from_account = BankAccountId::ZERO)),
            ("region", with(done, &|_| {})),
            ("bank", with(done, &|it| it.from_account = foreign)),
            ("bank", with(waits, &|it| (it.from_account, it.payee_account) = (foreign, commitment("other")))),
            ("bank", with(waits, &|it| (it.payee_account, it.execution_date) = (commitment("other"), yesterday))),
            ("bank", with(waits, &|it| it.execution_date = yesterday)),
        ];
        let mut reached: Vec<&str> = table.into_iter().map(|(signer, it)| network.refusal(signer, it)).collect();
        let put = |network: &mut Network, account: Account, balance| {
            network.edit(|state| state.put::<AccountBalance>(account, AccountBalance { fund: fund(), balance }));
        };
        let asked = release(&network, waits);
        put(&mut network, Account::Bank { account: account() }, 99);
        reached.push(network.refusal("bank", asked.clone()));
        put(&mut network, Account::Bank { account: account() }, 100);
        put(&mut network, Refund::payable(&waits), -59);
        reached.push(network.refusal("bank", asked.clone()));
        put(&mut network, Refund::payable(&waits), Balance::MAX);
        reached.push(network.refusal("bank", asked));
        fixture::assert_all_reached(Kind::ReleaseRefund, &reached);
    }

    #[test]
    fn the_equal_debit_with_its_reference_pays_a_refund_and_any_other_is_unexplained() {
        let mut network = money::network();
        network.receive("a", 200, None);
        let id = ordered(&mut network, "a", 60);
        fixture::assert_round_trips(&release(&network, id).into_payload());
        network.run("bank", release(&network, id)).unwrap();
        network.assert_sound();
        let reference = Some(Refund::reference(&id));
        let event =
            network.attest(network.statement(vec![entry("less", -59, reference), entry("paid", -60, reference)]));
        assert_eq!(event.findings, [BankFinding::UnexplainedDebit]);
        let refund = network.state.get::<Refund>(&id).unwrap();
        assert_eq!((refund.status, refund.entry), (RefundStatus::Paid, Some(entry_key("paid"))));
        assert_eq!(network.balance(&Refund::in_transit(&id)), 0);
        assert_eq!(in_transit_from(&network.state.overlay(), &account()), 0);
        let debit = network.state.get::<BankEntry>(&(account(), entry_key("paid"))).unwrap();
        assert_eq!(debit.payout, Some(PayoutId::new(id)));
        network.assert_sound();
    }
}
