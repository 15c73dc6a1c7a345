//! Offered and active grants for tests of kinds, and the steps of a payment.

use super::{
    GrantOffer,
    clawback::ClawbackReason,
    grant::Grant,
    invariants,
    judge_evidence::JudgeEvidence,
    offer,
    open_clawback::OpenClawback,
    order_payment::OrderPayment,
    payout::{self, Payout},
    release_payment::ReleasePayment,
    sign_convention::SignConvention,
    submit_evidence::SubmitEvidence,
    suspend_grant::{SuspendGrant, Suspension},
};
use crate::{
    accounts::{self, Account, Movement, balance_of},
    action::{Event, Payload, Place},
    application::fixture::{Trial, reviewed},
    bank::{
        self,
        account::BankAccount,
        entry::{BankEntry, EntryOrigin},
        unmatch_entry::UnmatchEntry,
    },
    fixture::{Network, account, commitment, envelope, fund, id},
    registry::role::{Role, RoleGrant, Scope},
    state::Overlay,
};
use octroi_primitives::*;

/// Minor units in the envelope before the award.
pub const IN_ENVELOPE: u64 = 5_000_000;

/// Posts money as if it had been matched and split.
pub fn credit(network: &mut Network, to: Account, minor: u64) {
    network.edit(|state| {
        let mut movement = Movement::in_fund(fund());
        movement.transfer(Account::Bank { account: account() }, to, minor);
        let postings = movement.check(state).unwrap();
        accounts::post(state, &postings);
        attested(state, i64::try_from(minor).unwrap());
    });
}

/// The account's statements say so too (I3).
fn attested(state: &mut Overlay<'_>, by: i64) {
    state.update::<BankAccount>(&account(), |account| {
        account.sequence = account.sequence.max(1);
        account.balance += by;
    });
}

/// Gives a role over the fund.
pub fn give(network: &mut Network, organisation: &str, role: Role) {
    network.edit(|state| {
        state.put::<RoleGrant>((id(organisation), role, Scope::Fund(fund())), RoleGrant { change: None });
    });
}

/// What an award of so many minor units would offer.
pub fn offer_of(network: &Network, application: ApplicationId, awarded: u64) -> Result<GrantOffer, offer::OfferError> {
    let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
    offer::offer(&network.state.overlay(), &place, 0, application, awarded)
}

/// A network where `asso1` and `asso2` are offered 10,000.00 EUR out of 50,000.00 in the envelope.
pub fn offered() -> (Network, GrantId) {
    let (mut network, _, application) = reviewed();
    network.edit(|state| {
        if !state.has::<BankAccount>(&account()) {
            state.put::<BankAccount>(account(), BankAccount::opened(fund(), 2, 0));
        }
    });
    credit(&mut network, Account::Envelope { fund: fund(), envelope: envelope("commons") }, IN_ENVELOPE);
    let offer = offer_of(&network, application, 1_000_000).unwrap();
    network.edit(|state| {
        let mut movement = Movement::in_fund(fund());
        offer.encumber(&mut movement);
        let postings = movement.check(state).unwrap();
        accounts::post(state, &postings);
        offer.apply(&ChangeId::ZERO, state);
    });
    invariants::check(&network.state).unwrap();
    (network, offer.grant)
}

/// The account that the convention names.
pub fn payee_account() -> Commitment {
    commitment("payee")
}

/// What a party signs; the lead and the ordonnateur name the account.
pub fn signature(network: &Network, grant: GrantId, payee_account: Option<Commitment>) -> SignConvention {
    SignConvention { grant, convention: commitment("convention"), date: network.today(), payee_account }
}

/// As [`offered`], signed by all.
pub fn active() -> (Network, GrantId) {
    let (mut network, grant) = offered();
    for (party, account) in [("asso2", None), ("region", Some(payee_account())), ("asso1", Some(payee_account()))] {
        let act = signature(&network, grant, account);
        network.run(party, Payload::SignConvention(act)).unwrap();
    }
    (network, grant)
}

/// Evidence with one document.
pub fn evidence(grant: GrantId, tranche: u32) -> SubmitEvidence {
    SubmitEvidence { grant, tranche, documents: vec![commitment("report")], expenses: vec![], in_kind: vec![] }
}

/// A judgement with a reason.
pub fn judgement(grant: GrantId, tranche: u32, ppm: u32) -> JudgeEvidence {
    JudgeEvidence {
        grant,
        tranche,
        accepted_ppm: Ppm::new(ppm).unwrap(),
        reason: Some(ReasonCode::new("partly").unwrap()),
        comment: commitment("judgement"),
    }
}

/// An order in the planned year.
pub fn order(grant: GrantId, tranche: u32, minor: u64) -> OrderPayment {
    OrderPayment { grant, tranche, amount: Amount::eur(minor), budget_year: 2027 }
}

/// A release for today.
pub fn release(network: &Network, grant: GrantId, tranche: u32, attempt: u32) -> ReleasePayment {
    ReleasePayment {
        grant,
        tranche,
        attempt,
        from_account: account(),
        payee_account: payee_account(),
        execution_date: network.today(),
    }
}

/// Runs it, and the invariants of grants hold afterwards.
pub fn run(network: &mut Network, organisation: &str, payload: Payload) -> Event {
    let event = network.run(organisation, payload).unwrap_or_else(|refusal| panic!("{refusal:?}"));
    invariants::check(&network.state).unwrap();
    event
}

/// `asso1` sends evidence, `federation` and `university` judge it.
pub fn judge(network: &mut Network, grant: GrantId, tranche: u32, first: u32, second: u32) {
    run(network, "asso1", Payload::SubmitEvidence(evidence(grant, tranche)));
    run(network, "federation", Payload::JudgeEvidence(judgement(grant, tranche, first)));
    run(network, "university", Payload::JudgeEvidence(judgement(grant, tranche, second)));
}

/// `region` orders, `bank` releases, the bank pays.
pub fn pay(network: &mut Network, grant: GrantId, tranche: u32, attempt: u32, minor: u64) -> PayoutId {
    run(network, "region", Payload::OrderPayment(order(grant, tranche, minor)));
    let act = release(network, grant, tranche, attempt);
    let Event::ReleasePayment(released) = run(network, "bank", Payload::ReleasePayment(act)) else { panic!() };
    network.edit(|state| {
        let mut movement = Movement::in_fund(fund());
        movement.transfer(Payout::account(&released.id), Account::Bank { account: account() }, minor);
        let postings = movement.check(state).unwrap();
        accounts::post(state, &postings);
        payout::paid(state, &released.id, &EntryKey::ZERO);
        attested(state, -i64::try_from(minor).unwrap());
    });
    invariants::check(&network.state).unwrap();
    released.id
}

/// A credit of the fund's account that waits in suspense.
pub fn receive(network: &mut Network, text: &str, minor: u64) -> EntryKey {
    let key = EntryKey::new(hash("fixture-returned", &[text.as_bytes()]));
    credit(network, Account::Suspense { account: account() }, minor);
    let today = network.today();
    let amount = i64::try_from(minor).unwrap();
    let entry = BankEntry {
        origin: EntryOrigin::Statement,
        sequence: 1,
        amount,
        booking_date: today,
        value_date: today,
        reference_commitment: None,
        reference: None,
        attested_on: today,
        rest: minor,
        payout: None,
        matched: vec![],
        explained: 0,
    };
    network.edit(|state| bank::entry::enter(account(), key, entry, state));
    key
}

/// What was matched of an entry is taken back.
pub fn unmatch(entry: EntryKey) -> Payload {
    let reason = ReasonCode::new("wrong_target").unwrap();
    Payload::UnmatchEntry(UnmatchEntry { account: account(), entry, reason })
}

/// Stops a grant, or lets it go on.
pub fn suspension(grant: GrantId, asked: Suspension) -> SuspendGrant {
    SuspendGrant { grant, asked, reason: ReasonCode::new("audit").unwrap(), document: commitment("suspension") }
}

/// A clawback for work that was not done.
pub fn clawback(grant: GrantId, minor: u64) -> OpenClawback {
    let (reason, document) = (ClawbackReason::NotDone, commitment("clawback"));
    OpenClawback { grant, amount: Amount::eur(minor), reason, document }
}

/// `bank` and `region` open a clawback.
pub fn open(network: &mut Network, grant: GrantId, minor: u64) -> ClawbackId {
    run(network, "bank", Payload::OpenClawback(clawback(grant, minor)));
    let act = Payload::OpenClawback(clawback(grant, minor));
    let Event::OpenClawback(opened) = run(network, "region", act) else { panic!() };
    opened.clawback.unwrap()
}

/// What stands on the credit side of an account.
pub fn credit_of(network: &Network, account: &Account) -> i128 {
    -balance_of(&network.state, account)
}

/// The grant's record.
pub fn record(network: &Network, grant: GrantId) -> Grant {
    network.state.get::<Grant>(&grant).unwrap().clone()
}

/// Changes the only grant of a trial's network.
pub fn edit<A>(trial: &mut Trial<A>, change: impl FnOnce(&mut Grant)) {
    let grant = only(trial);
    trial.network.edit(|state| state.update::<Grant>(&grant, change));
}

/// The only grant of a trial's network.
pub fn only<A>(trial: &Trial<A>) -> GrantId {
    *trial.network.state.all::<Grant>().next().unwrap().0
}

/// Sets what stands on an account, past the rules of double entry.
pub fn set_balance<A>(trial: &mut Trial<A>, account: Account, balance: i128) {
    trial.network.edit(|state| {
        state.put::<accounts::AccountBalance>(account, accounts::AccountBalance { fund: fund(), balance });
    });
}
