//! The changes `register_bank_account` and `set_attestors`: which accounts a fund has, and who attests them (rulebook §2, §4).
//!
//! At most one attestor of a group; an attestor never orders payments of the fund, and releases them only where two attest or more.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion, ShapeFault},
    propose_change,
};
use crate::{
    action::Place,
    bank::account::BankAccount,
    history::RecordRef,
    registry::{
        fund::Fund,
        organisation::{Organisation, Status},
        role::{Role, RoleGrant, Scope},
    },
    signer::{group, holder_of_group, same_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Attestors of an account, at most.
const ATTESTORS: usize = 16;

message! {
    /// Registers a bank account of a fund.
    pub struct RegisterBankAccount = RegisterBankAccount {
        /// Its commitment.
        pub account: BankAccountId,
        /// The fund it serves.
        pub fund: FundCode,
        /// Who attests it.
        pub attestors: Vec<OrganisationId>,
        /// Attestors that must agree.
        pub needed: u32,
        /// Minor units that stand on it; the first statement opens with them.
        pub opening: u64,
    }

    /// Names who attests an account from now on.
    pub struct SetAttestors = SetAttestors {
        /// The account.
        pub account: BankAccountId,
        /// Who attests it.
        pub attestors: Vec<OrganisationId>,
        /// Attestors that must agree.
        pub needed: u32,
    }
}

fn shape(attestors: &[OrganisationId], needed: u32) -> Result<(), ShapeFault> {
    let distinct: BTreeSet<&OrganisationId> = attestors.iter().collect();
    if !(1..=ATTESTORS).contains(&distinct.len()) || distinct.len() != attestors.len() {
        return Err(ShapeFault::Limit(format!("{} attestors: 1 to 16, each once", attestors.len())));
    }
    if !(1..=attestors.len() as u32).contains(&needed) {
        return Err(ShapeFault::Limit(format!("{needed} of {} attestors must agree", attestors.len())));
    }
    Ok(())
}

/// They exist.
fn known(attestors: &[OrganisationId], state: &Overlay<'_>) -> Result<(), Fault> {
    match attestors.iter().find(|attestor| !state.has::<Organisation>(attestor)) {
        Some(unknown) => Err(Fault::Unknown(format!("organisation {unknown} does not exist"))),
        None => Ok(()),
    }
}

/// They may attest an account of the fund together.
fn fit(attestors: &[OrganisationId], needed: u32, fund: FundCode, state: &Overlay<'_>) -> Result<(), Fault> {
    known(attestors, state)?;
    let mut groups = BTreeSet::new();
    for attestor in attestors {
        if !groups.insert(group(state, attestor)) {
            return Err(Fault::Segregation(format!("the group of {attestor} attests twice")));
        }
        for (role, excluded) in [(Role::Ordonnateur, true), (Role::Comptable, needed < 2), (Role::Auditor, true)] {
            if excluded && holder_of_group(state, attestor, role, Scope::Fund(fund)).is_some() {
                return Err(Fault::Segregation(format!("the group of {attestor} is {role} of fund {fund}")));
            }
        }
    }
    let inactive = |attestor: &&OrganisationId| {
        state.get::<Organisation>(attestor).is_some_and(|record| record.status != Status::Active)
    };
    match attestors.iter().find(inactive) {
        Some(attestor) => Err(Fault::State(format!("organisation {attestor} is not active"))),
        None => Ok(()),
    }
}

/// The organisations that attest an account now.
fn holders(account: BankAccountId, state: &Overlay<'_>) -> Vec<OrganisationId> {
    let grants = state.range::<RoleGrant>(..);
    let held = grants
        .into_iter()
        .filter(|((_, role, scope), _)| (*role, *scope) == (Role::BankAttestor, Scope::Account(account)));
    held.map(|((holder, _, _), _)| holder).collect()
}

fn grant(account: BankAccountId, attestors: &[OrganisationId], change: ChangeId, state: &mut Overlay<'_>) {
    for attestor in attestors {
        let key = (*attestor, Role::BankAttestor, Scope::Account(account));
        state.put::<RoleGrant>(key, RoleGrant { change: Some(change) });
    }
}

fn stories(attestors: &[OrganisationId], account: BankAccountId, event: &ChangeEnacted) -> Vec<RecordRef> {
    if !event.is_enacted() {
        return Vec::new();
    }
    let organisations = attestors.iter().map(RecordRef::of::<Organisation>);
    organisations.chain([RecordRef::of::<BankAccount>(&account)]).collect()
}

impl Motion for RegisterBankAccount {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        asked.attestors.len()
    }

    fn written(asked: &Self) -> usize {
        1 + asked.attestors.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        if asked.opening > Amount::MAX_MINOR {
            let words = format!("an opening balance of {} minor units; 10^15 are possible", asked.opening);
            return Err(ShapeFault::Amount(words).into());
        }
        Ok(shape(&asked.attestors, asked.needed)?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        if !state.has::<Fund>(&asked.fund) {
            return Err(Fault::Unknown(format!("fund {} does not exist", asked.fund)).into());
        }
        Ok(known(&asked.attestors, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        asked.attestors.iter().any(|attestor| same_group(state, organisation, attestor))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        let Self { account, fund, attestors, needed, opening: _ } = asked;
        if !state.has::<Fund>(fund) {
            return Err(Fault::Unknown(format!("fund {fund} does not exist")).into());
        }
        fit(attestors, *needed, *fund, state)?;
        if state.has::<BankAccount>(account) {
            return Err(Fault::Duplicate(format!("bank account {account} is registered")).into());
        }
        Ok(Effects::default())
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { account, fund, attestors, needed, opening } = asked;
        state.put::<BankAccount>(*account, BankAccount::opened(*fund, *needed, *opening));
        grant(*account, attestors, event.change, state);
    }

    fn subjects(asked: &Self, event: &ChangeEnacted) -> Vec<RecordRef> {
        stories(&asked.attestors, asked.account, event)
    }
}

impl Motion for SetAttestors {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn elements(asked: &Self) -> usize {
        asked.attestors.len()
    }

    fn written(asked: &Self) -> usize {
        1 + 2 * asked.attestors.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        Ok(shape(&asked.attestors, asked.needed)?)
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        if !state.has::<BankAccount>(&asked.account) {
            return Err(Fault::Unknown(format!("bank account {} does not exist", asked.account)).into());
        }
        Ok(known(&asked.attestors, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        asked.attestors.iter().any(|attestor| same_group(state, organisation, attestor))
    }

    fn bears_empty_colleges() -> bool {
        true
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<BankAccount>(&asked.account))
    }

    fn fund(asked: &Self, state: &Overlay<'_>) -> Option<FundCode> {
        state.get::<BankAccount>(&asked.account).map(|account| account.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        let Self { account, attestors, needed } = asked;
        let Some(record) = state.get::<BankAccount>(account) else {
            return Err(Fault::Unknown(format!("bank account {account} does not exist")).into());
        };
        fit(attestors, *needed, record.fund, state)?;
        Ok(Effects::default())
    }

    /// Bodies of the next statement that wait are dropped: those who attest from now on send their own.
    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { account, attestors, needed } = asked;
        for holder in holders(*account, state) {
            state.remove::<RoleGrant>(&(holder, Role::BankAttestor, Scope::Account(*account)));
        }
        grant(*account, attestors, event.change, state);
        state.update::<BankAccount>(account, |record| {
            record.attestors_needed = *needed;
            record.pending = Vec::new();
        });
    }

    fn subjects(asked: &Self, event: &ChangeEnacted) -> Vec<RecordRef> {
        stories(&asked.attestors, asked.account, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        fixture::{
            account, fund, id,
            money::{self, entry},
        },
        governance::{change::Content, enact_change::tests::enacted},
    };

    fn other() -> BankAccountId {
        BankAccountId::new(hash("fixture-account", &[b"second"]))
    }

    fn register(attestors: &[&str], needed: u32) -> RegisterBankAccount {
        let attestors = attestors.iter().map(|code| id(code)).collect();
        RegisterBankAccount { account: other(), fund: fund(), attestors, needed, opening: 500 }
    }

    fn fault(asked: &RegisterBankAccount) -> String {
        let network = money::network();
        let place = Place { height: Height(1), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        let refused = RegisterBankAccount::enact(asked, &ChangeId::ZERO, &place, &network.state.overlay());
        refused.unwrap_err().to_string()
    }

    #[test]
    fn who_orders_or_audits_never_attests_and_who_releases_attests_only_beside_another() {
        assert!(fault(&register(&["region"], 1)).contains("ordonnateur"));
        assert!(fault(&register(&["audit"], 1)).contains("auditor"));
        assert!(fault(&register(&["bank"], 1)).contains("comptable"));
        assert!(fault(&register(&["bank", "bank_branch"], 2)).contains("twice"));
        assert!(
            fault(&RegisterBankAccount { account: account(), ..register(&["bank", "lab"], 2) }).contains("registered")
        );
        assert!(
            fault(&RegisterBankAccount { fund: FundCode::new("other").unwrap(), ..register(&["lab"], 1) })
                .contains("fund")
        );
        let network = money::network();
        assert!(known(&[OrganisationId::ZERO], &network.state.overlay()).is_err());
        assert!(
            shape(&[], 0).is_err() && shape(&[id("lab")], 2).is_err() && shape(&[id("lab"), id("lab")], 1).is_err()
        );
        assert!(shape(&[id("lab"), id("bank")], 2).is_ok());
    }

    #[test]
    fn a_registered_account_opens_with_its_balance_and_new_attestors_take_the_place_of_the_old() {
        let mut network = money::network();
        enacted(&mut network, "federation", Content::RegisterBankAccount(register(&["lab", "university"], 2)));
        let record = network.state.get::<BankAccount>(&other()).unwrap();
        assert_eq!((record.opening, record.attestors_needed), (500, 2));
        let asked = SetAttestors { account: account(), attestors: vec![id("lab"), id("bank")], needed: 2 };
        network.attest_once("foundation", network.statement(vec![entry("a", 5, None)]));
        enacted(&mut network, "federation", Content::SetAttestors(asked));
        assert_eq!(holders(account(), &network.state.overlay()).len(), 2);
        let statement = network.statement(vec![entry("a", 5, None)]);
        network.attest_once("bank", statement.clone());
        assert_eq!(network.refusal("foundation", Payload::AttestStatement(statement.clone())), "RoleMissing");
        assert!(network.attest_once("lab", statement).booked.is_some());
        network.assert_sound();
    }
}
