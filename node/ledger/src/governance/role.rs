//! The changes `grant_role` and `revoke_role`: what can be held, and what can never be held together (rulebook §2).
//!
//! Refused here is only what would conflict on every object of the scope; all else is checked on the object, when the role is used.

use super::{
    change::{Mode, RoleChange},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Motion},
    propose_change,
};
use crate::{
    action::Place,
    bank::account::BankAccount,
    call::call::Call,
    history::RecordRef,
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoleFault {
    /// The organisation does not exist.
    #[error("organisation {0} does not exist")]
    Organisation(OrganisationId),
    /// The scope does not exist, or is none that the role is held over.
    #[error("role {0} is not held over {1}, or it does not exist")]
    Scope(Role, Scope),
    /// A group holds a role that the new one excludes.
    #[error("organisation {0} of the same group is {1} there, which is never held together with it")]
    Segregation(OrganisationId, Role),
    /// The organisation is not active.
    #[error("organisation {0} is {1}")]
    Inactive(OrganisationId, Status),
    /// Held already, or not held.
    #[error("role {0} over {1} is held already, or is not held")]
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
    check_segregation(asked, state)?;
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

/// Whether a role that genesis grants stands: what it is held over exists, and no group holds a role that it excludes.
pub(crate) fn check_standing(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    check_known(asked, state)?;
    check_segregation(asked, state)
}

/// No other role that the group holds is one that this one excludes.
fn check_segregation(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    let RoleChange { organisation, role, scope } = *asked;
    for (grant, _) in state.range::<RoleGrant>(..) {
        let (holder, held, over) = grant;
        let is_other = grant != (organisation, role, scope);
        if is_other && exclude((role, scope), (held, over), state) && same_group(state, &organisation, &holder) {
            return Err(RoleFault::Segregation(holder, held));
        }
    }
    Ok(())
}

/// Whether the role can be taken back now.
pub(super) fn check_revoke(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), RoleFault> {
    let RoleChange { organisation, role, scope } = asked;
    check_known(asked, state)?;
    if state.has::<RoleGrant>(&(*organisation, *role, *scope)) { Ok(()) } else { Err(RoleFault::Held(*role, *scope)) }
}

/// What the proposal of either says of a fault.
fn proposed(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
    match check_known(asked, state) {
        Err(RoleFault::Organisation(id)) => Err(propose_change::Refused::UnknownOrganisation(id)),
        Err(RoleFault::Scope(role, scope)) => Err(propose_change::Refused::UnknownScope(role, scope)),
        Ok(()) | Err(RoleFault::Segregation(..) | RoleFault::Inactive(..) | RoleFault::Held(..)) => Ok(()),
    }
}

/// The change `grant_role`.
pub(crate) struct Grant;

/// The change `revoke_role`.
pub(crate) struct Revoke;

impl Motion for Grant {
    type Asked = RoleChange;

    fn mode(_: &RoleChange, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn known(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        proposed(asked, state)
    }

    fn conflicts(asked: &RoleChange, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn bears_empty_colleges() -> bool {
        true
    }

    fn target(asked: &RoleChange) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(
        asked: &RoleChange,
        _: &ChangeId,
        _: &Place,
        state: &Overlay<'_>,
    ) -> Result<Effects, enact_change::Refused> {
        check_grant(asked, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &RoleChange, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let RoleChange { organisation, role, scope } = *asked;
        state.put::<RoleGrant>((organisation, role, scope), RoleGrant { change: Some(event.change) });
    }
}

impl Motion for Revoke {
    type Asked = RoleChange;

    fn mode(_: &RoleChange, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn known(asked: &RoleChange, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        proposed(asked, state)
    }

    fn conflicts(asked: &RoleChange, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &RoleChange) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(
        asked: &RoleChange,
        _: &ChangeId,
        _: &Place,
        state: &Overlay<'_>,
    ) -> Result<Effects, enact_change::Refused> {
        check_revoke(asked, state)?;
        Ok(Effects::default())
    }

    fn apply(asked: &RoleChange, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let RoleChange { organisation, role, scope } = *asked;
        state.remove::<RoleGrant>(&(organisation, role, scope));
    }
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
/// comptable of it unless two attestors must agree; attestor of one account twice; auditor of a fund and anything else in it.
fn exclude(a: (Role, Scope), b: (Role, Scope), state: &Overlay<'_>) -> bool {
    let (Some((fund, m)), Some((other, n))) = (fund_of(a.1, state), fund_of(b.1, state)) else { return false };
    if fund != other {
        return false;
    }
    let attestors = m.max(n);
    let one_way = |first: Role, second: Role| match (first, second) {
        (Role::Ordonnateur, Role::Comptable) | (Role::BankAttestor, Role::Ordonnateur) => true,
        (Role::BankAttestor, Role::Comptable) => attestors < 2,
        // Attestors that must agree are of different groups, or one group agrees with itself.
        (Role::BankAttestor, Role::BankAttestor) => a.1 == b.1,
        (Role::Auditor, second) => second != Role::Auditor,
        _ => false,
    };
    one_way(a.0, b.0) || one_way(b.0, a.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn one_group_attests_an_account_once() {
        let network = fixture::network();
        let state = network.state.overlay();
        let attests = |organisation: &str| {
            let scope = Scope::Account(fixture::account());
            check_grant(
                &RoleChange { organisation: fixture::id(organisation), role: Role::BankAttestor, scope },
                &state,
            )
        };
        assert_eq!(
            attests("bank_branch"),
            Err(RoleFault::Segregation(fixture::id("bank"), Role::BankAttestor)),
            "its parent attests"
        );
        let scope = Scope::Account(fixture::account());
        assert_eq!(attests("bank"), Err(RoleFault::Held(Role::BankAttestor, scope)), "the same role twice");
        assert_eq!(attests("lab"), Ok(()));
    }
}
