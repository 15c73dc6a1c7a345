//! The parts of a genesis that money moves by: bank accounts, levy schedules, policies (rulebook §2, genesis).

use super::{Genesis, GenesisInvalid};
use crate::{
    bank::account::BankAccount,
    levy::schedule::LevySchedule,
    redistribution::policy::Policy,
    registry::{
        fund::Fund,
        role::{Role, RoleGrant, Scope},
    },
    signer::group,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

message! {
    /// A bank account; the organisations that attest it get their role with it.
    pub struct GenesisBankAccount = GenesisBankAccount {
        /// Its commitment.
        pub account: BankAccountId,
        /// The fund it serves.
        pub fund: FundCode,
        /// Who attests, by code: at most one of a group.
        pub attestors: Vec<Code>,
        /// Attestors that must agree.
        pub needed: u32,
        /// Minor units that stand on it; the first statement opens with them.
        pub opening: u64,
    }

    /// A levy schedule.
    pub struct GenesisSchedule = GenesisSchedule {
        /// Code.
        pub code: ScheduleCode,
        /// The schedule.
        pub schedule: LevySchedule [required],
    }

    /// A policy.
    pub struct GenesisPolicy = GenesisPolicy {
        /// Code.
        pub code: PolicyCode,
        /// The policy.
        pub policy: Policy [required],
    }
}

impl Genesis {
    /// Writes bank accounts, schedules and policies; funds, envelopes and roles stand already.
    pub(super) fn money(&self, state: &mut Overlay<'_>) -> Result<(), GenesisInvalid> {
        for account in &self.bank_accounts {
            self.bank_account(account, state)
                .map_err(|reason| GenesisInvalid::new(format!("bank_accounts.{}", account.account), reason))?;
        }
        for GenesisSchedule { code, schedule } in &self.schedules {
            let at = || format!("schedules.{code}");
            if state.has::<LevySchedule>(code) {
                return Err(GenesisInvalid::new(at(), "stands there twice"));
            }
            schedule.check(code, state).map_err(|fault| GenesisInvalid::new(at(), fault))?;
            state.put::<LevySchedule>(*code, schedule.clone());
        }
        for GenesisPolicy { code, policy } in &self.policies {
            let at = || format!("policies.{code}");
            if state.has::<Policy>(code) {
                return Err(GenesisInvalid::new(at(), "stands there twice"));
            }
            policy.check(code, state).map_err(|fault| GenesisInvalid::new(at(), fault))?;
            state.put::<Policy>(*code, policy.clone());
        }
        Ok(())
    }

    fn bank_account(&self, asked: &GenesisBankAccount, state: &mut Overlay<'_>) -> Result<(), String> {
        let GenesisBankAccount { account, fund, attestors, needed, opening } = asked;
        if state.has::<BankAccount>(account) {
            return Err("stands there twice".into());
        }
        if !state.has::<Fund>(fund) {
            return Err(format!("fund {fund} does not exist"));
        }
        if *opening > Amount::MAX_MINOR {
            return Err(format!("an opening balance of {opening} minor units; 10^15 are possible"));
        }
        if !(1..=attestors.len() as u32).contains(needed) {
            return Err(format!("{needed} of {} attestors must agree; 1 to all of them are possible", attestors.len()));
        }
        let mut groups = BTreeSet::new();
        for code in attestors {
            let attestor = self.known(code).ok_or_else(|| format!("{code} is no organisation of this genesis"))?;
            let group = group(state, &attestor);
            if !groups.insert(group) {
                return Err(format!("the group of {code} attests twice"));
            }
            // An attestor never orders payments of the fund; it releases them only where others attest too (rulebook §2).
            for (role, allowed) in [(Role::Ordonnateur, false), (Role::Comptable, *needed >= 2)] {
                if !allowed && holds_in_group(state, &group, role, Scope::Fund(*fund)) {
                    return Err(format!("the group of {code} is {role} of fund {fund} and attests its account"));
                }
            }
            let scope = Scope::Account(*account);
            state.put::<RoleGrant>((attestor, Role::BankAttestor, scope), RoleGrant { change: None });
        }
        state.put::<BankAccount>(*account, BankAccount::opened(*fund, *needed, *opening));
        Ok(())
    }
}

/// Whether any organisation of a group was granted a role over a scope.
fn holds_in_group(state: &Overlay<'_>, top: &OrganisationId, role: Role, scope: Scope) -> bool {
    state
        .range::<RoleGrant>(..)
        .iter()
        .any(|((holder, held, over), _)| *held == role && *over == scope && group(state, holder) == *top)
}
