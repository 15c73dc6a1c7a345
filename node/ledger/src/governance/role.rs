//! The changes `grant_role` and `revoke_role`: what can be held, and what can never be held together (rulebook §2).
//!
//! Refused here is only what would conflict on every object of the scope; all else is checked on the object, when the role is used.

use super::change::RoleChange;
use crate::{
    bank::account::BankAccount,
    call::call::Call,
    levy::schedule::LevySchedule,
    registry::{
        fund::Fund,
        organisation::{Organisation, Status},
        role::{Role, RoleGrant, Scope},
    },
    signer::same_group,
    state::Overlay,
};
use octroi_primitives::*;

/// Why a role cannot be given or taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RoleFault {
    /// The organisation does not exist.
    Organisation(OrganisationId),
    /// The scope does not exist, or is none that the role is held over.
    Scope(Role, Scope),
    /// A group holds a role that the new one excludes.
    Segregation(OrganisationId, Role),
    /// The organisation is not active.
    Inactive(OrganisationId, Status),
    /// Held already, or not held.
    Held(Role, Scope),
}

/// Organisation and scope exist, and the role is held over such a scope.
pub(super) fn check_known(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    let RoleChange { organisation, role, scope } = asked;
    if !state.has::<Organisation>(organisation) {
        return Err(RoleFault::Organisation(*organisation));
    }
    let exists = match scope {
        Scope::Network => true,
        Scope::Fund(code) => state.has::<Fund>(code),
        Scope::Account(id) => state.has::<BankAccount>(id),
        Scope::Schedule(code) => state.has::<LevySchedule>(code),
        Scope::Call(id) => state.has::<Call>(id),
        Scope::Funder(id) => state.has::<Organisation>(id),
    };
    if exists && role.fits(scope) { Ok(()) } else { Err(RoleFault::Scope(*role, *scope)) }
}

/// Whether the role can be given now.
pub(super) fn check_grant(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    let RoleChange { organisation, role, scope } = asked;
    check_known(asked, state)?;
    for ((holder, held, over), _) in state.range::<RoleGrant>(..) {
        if exclude((*role, *scope), (held, over), state) && same_group(state, organisation, &holder) {
            return Err(RoleFault::Segregation(holder, held));
        }
    }
    let status = state.get::<Organisation>(organisation).map(|record| record.status);
    match status {
        Some(Status::Active) | None => {}
        Some(status) => return Err(RoleFault::Inactive(*organisation, status)),
    }
    if state.has::<RoleGrant>(&(*organisation, *role, *scope)) {
        return Err(RoleFault::Held(*role, *scope));
    }
    Ok(())
}

/// Whether the role can be taken back now.
pub(super) fn check_revoke(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    let RoleChange { organisation, role, scope } = asked;
    check_known(asked, state)?;
    if state.has::<RoleGrant>(&(*organisation, *role, *scope)) { Ok(()) } else { Err(RoleFault::Held(*role, *scope)) }
}

/// The fund that a role's scope lies in, with the number of attestors for an account.
fn fund_of(scope: Scope, state: &Overlay<'_>) -> Option<(FundCode, u32)> {
    match scope {
        Scope::Fund(fund) => Some((fund, 0)),
        Scope::Account(account) => {
            state.get::<BankAccount>(&account).map(|record| (record.fund, record.attestors_needed))
        }
        Scope::Schedule(schedule) => state.get::<LevySchedule>(&schedule).map(|record| (record.fund, 0)),
        Scope::Call(call) => state.get::<Call>(&call).map(|record| (record.fund, 0)),
        Scope::Network | Scope::Funder(_) => None,
    }
}

/// Whether two roles can never be held by one group: ordonnateur and comptable of a fund; attestor of an account and ordonnateur of its fund, or
/// comptable of it unless two attestors must agree; auditor of a fund and anything else in it.
fn exclude(a: (Role, Scope), b: (Role, Scope), state: &Overlay<'_>) -> bool {
    let (Some((fund, m)), Some((other, n))) = (fund_of(a.1, state), fund_of(b.1, state)) else { return false };
    if fund != other {
        return false;
    }
    let attestors = m.max(n);
    let one_way = |first: Role, second: Role| match (first, second) {
        (Role::Ordonnateur, Role::Comptable) | (Role::BankAttestor, Role::Ordonnateur) => true,
        (Role::BankAttestor, Role::Comptable) => attestors < 2,
        (Role::Auditor, second) => second != Role::Auditor,
        _ => false,
    };
    one_way(a.0, b.0) || one_way(b.0, a.0)
}
