//! Funds and their accounts, promises, bank accounts.

use crate::{
    core::{Core, id, page_info, read_at, word},
    ledger::{clamp, money},
    status,
};
use octroi_ledger::{
    accounts::{Account, AccountBalance, Class, balance_of},
    bank::{
        account::BankAccount,
        entry::{BankEntry, SuspendedCredit},
    },
    contribution::promise::Promise,
    grant::payout::TransitTotal,
    registry::fund::{Envelope, Fund},
    state::Key as _,
    wire::Wire as _,
};
use octroi_primitives::{Balance, BankAccountId, Currency, EntryKey, FundCode, PromiseId, Reference, ReferenceKind};
use octroi_proto::v1 as pb;
use octroi_views::View;
use std::{collections::BTreeMap, ops::Bound};
use tonic::Status;

/// What the accounts of a fund hold, by class of the rulebook's table, each on its own side.
#[derive(Default)]
struct Holdings {
    bank: Balance,
    unexplained: Balance,
    receivables: Balance,
    suspense: Balance,
    payable: Balance,
    in_transit: Balance,
    prepaid: Balance,
    other_liabilities: Balance,
    unallocated: Balance,
    envelopes: Balance,
    encumbered: Balance,
    matching: Balance,
    reserve: Balance,
    costs: Balance,
    uncollected: Balance,
    provision: Balance,
    deficit: Balance,
}

impl Holdings {
    fn add(&mut self, account: &Account, balance: Balance) {
        let held = match account.class() {
            Class::Asset => balance,
            Class::Liability | Class::Fund => -balance,
        };
        let sum = match account {
            Account::Bank { .. } => &mut self.bank,
            Account::Unexplained { .. } => &mut self.unexplained,
            Account::LevyReceivable { .. } | Account::PenaltyReceivable { .. } | Account::ClawbackReceivable { .. } => {
                &mut self.receivables
            }
            Account::Suspense { .. } => &mut self.suspense,
            Account::Payable { .. }
            | Account::PayableRefund { .. }
            | Account::PayableTransfer { .. }
            | Account::PayableCost { .. } => &mut self.payable,
            Account::InTransit { .. } => &mut self.in_transit,
            Account::PrepaidLevy { .. } => &mut self.prepaid,
            Account::Escrow { .. } | Account::Voucher { .. } => &mut self.other_liabilities,
            Account::Unallocated { .. } => &mut self.unallocated,
            Account::Envelope { .. } | Account::TerritorialEnvelope { .. } => &mut self.envelopes,
            Account::Encumbered { .. } => &mut self.encumbered,
            Account::Matching { .. } => &mut self.matching,
            Account::Reserve { .. } => &mut self.reserve,
            Account::Costs { .. } => &mut self.costs,
            Account::Uncollected { .. } => &mut self.uncollected,
            Account::Provision { .. } => &mut self.provision,
            Account::Deficit { .. } => &mut self.deficit,
        };
        *sum += held;
    }

    /// bank + unexplained - liabilities = fund accounts - uncollected (rulebook §3).
    fn balances(&self) -> bool {
        let liabilities = self.suspense + self.payable + self.in_transit + self.prepaid + self.other_liabilities;
        let own = self.unallocated
            + self.envelopes
            + self.encumbered
            + self.matching
            + self.reserve
            + self.costs
            + self.provision
            + self.deficit;
        self.bank + self.unexplained - liabilities == own && self.receivables == self.uncollected
    }
}

/// Holdings of every fund, in one pass.
fn holdings(view: &View) -> BTreeMap<FundCode, Holdings> {
    let mut all: BTreeMap<FundCode, Holdings> = BTreeMap::new();
    for (account, record) in view.state.all::<AccountBalance>() {
        all.entry(record.fund).or_default().add(account, record.balance);
    }
    all
}

fn fund_view(view: &View, code: FundCode, fund: &Fund, held: &Holdings) -> pb::FundView {
    let envelopes = view.state.all::<Envelope>().filter(|((of, _), _)| *of == code);
    let envelopes = envelopes.map(|((_, envelope), record)| pb::EnvelopeView {
        code: envelope.to_string(),
        name: record.name.as_str().to_owned(),
        available: clamp(-balance_of(&view.state, &Account::Envelope { fund: code, envelope: *envelope })),
    });
    pb::FundView {
        code: code.to_string(),
        fund: Some(fund.to_proto()),
        envelopes: envelopes.collect(),
        bank: clamp(held.bank),
        unexplained: clamp(held.unexplained),
        receivables: clamp(held.receivables),
        suspense: clamp(held.suspense),
        payable: clamp(held.payable),
        in_transit: clamp(held.in_transit),
        prepaid: clamp(held.prepaid),
        unallocated: clamp(held.unallocated),
        envelope_total: clamp(held.envelopes),
        encumbered: clamp(held.encumbered),
        reserve: clamp(held.reserve),
        costs: clamp(held.costs),
        uncollected: clamp(held.uncollected),
        provision: clamp(held.provision),
        deficit: clamp(held.deficit),
        balances: held.balances(),
        currency: fund.currency.as_str().to_owned(),
    }
}

pub(super) fn fund(core: &Core, request: pb::GetFundRequest) -> Result<pb::GetFundResponse, Status> {
    let pb::GetFundRequest { fund: asked, options } = request;
    let code: FundCode = word("fund", &asked)?;
    let view = core.view(options)?;
    let fund = view.state.get::<Fund>(&code).ok_or_else(|| status::not_found("fund", code))?;
    let held = holdings(&view).remove(&code).unwrap_or_default();
    Ok(pb::GetFundResponse { fund: Some(fund_view(&view, code, fund, &held)), at: Some(read_at(&view)) })
}

pub(super) fn funds(core: &Core, request: pb::ListFundsRequest) -> Result<pb::ListFundsResponse, Status> {
    let pb::ListFundsRequest { page, options } = request;
    let (page, view) = core.page_of_state(&[b"funds"], page, options)?;
    let (all, nothing) = (holdings(&view), Holdings::default());
    let seen = |(code, fund): (&FundCode, &Fund)| {
        (code.to_key_bytes(), fund_view(&view, *code, fund, all.get(code).unwrap_or(&nothing)))
    };
    let cut = page.cut(view.state.all::<Fund>().map(seen));
    Ok(pb::ListFundsResponse { funds: cut.items, page: page_info(cut.next), at: Some(read_at(&view)) })
}

pub(super) fn promise(core: &Core, request: pb::GetPromiseRequest) -> Result<pb::GetPromiseResponse, Status> {
    let pb::GetPromiseRequest { id: asked, options } = request;
    let id: PromiseId = id("id", &asked)?;
    let view = core.view(options)?;
    let promise = view.state.get::<Promise>(&id).ok_or_else(|| status::not_found("promise", id))?;
    Ok(pb::GetPromiseResponse {
        id: asked,
        promise: Some(promise.to_proto()),
        reference: Reference::of(ReferenceKind::Promise, id.hash()).to_string(),
        at: Some(read_at(&view)),
    })
}

pub(super) fn reconciliation(
    core: &Core,
    request: pb::GetReconciliationRequest,
) -> Result<pb::GetReconciliationResponse, Status> {
    let pb::GetReconciliationRequest { account: asked, page, options } = request;
    let (page, view) = core.page_of_state(&[b"reconciliation", &asked], page, options)?;
    let account: BankAccountId = id("account", &asked)?;
    let record = view.state.get::<BankAccount>(&account).ok_or_else(|| status::not_found("bank account", account))?;
    let fund = view.state.get::<Fund>(&record.fund).ok_or_else(|| status::not_found("fund", record.fund))?;
    let currency: Currency = fund.currency;
    let after = page.after().and_then(<SuspendedCredit as octroi_ledger::state::Record>::Key::from_key_bytes);
    let least = (account, 0, EntryKey::from_bytes([0; 32]));
    let from = after.map_or(Bound::Included(least), Bound::Excluded);
    let most = (account, u64::MAX, EntryKey::from_bytes([0xff; 32]));
    let open = view.state.range::<SuspendedCredit>((from, Bound::Included(most)));
    let open = open.filter_map(|(key, _)| {
        let (_, _, entry) = key;
        let record = view.state.get::<BankEntry>(&(account, *entry))?;
        Some((key.to_key_bytes(), pb::BankEntryView { key: entry.to_proto(), entry: Some(record.to_proto()) }))
    });
    let cut = page.cut(open);
    let transit = view.state.get::<TransitTotal>(&account).map_or(0, |total| total.amount);
    Ok(pb::GetReconciliationResponse {
        last_sequence: record.sequence,
        closing: Some(money(record.balance.into(), currency)),
        suspense: Some(money(-balance_of(&view.state, &Account::Suspense { account }), currency)),
        unexplained: Some(money(balance_of(&view.state, &Account::Unexplained { account }), currency)),
        in_transit: Some(money(transit.into(), currency)),
        open_entries: cut.items,
        page: page_info(cut.next),
        at: Some(read_at(&view)),
    })
}
