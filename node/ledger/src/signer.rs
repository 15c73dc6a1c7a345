//! Who signs, and whether it may: offices, roles, scopes, groups (rulebook §2).

use crate::{
    action::{Kind, Place},
    refusal::SignerRefusal,
    registry::{
        organisation::{Organisation, Status, WAY_MAX},
        role::{Role, RoleGrant, Scope},
    },
    state::{Overlay, State},
};
use octroi_primitives::*;

/// What a kind may know besides the state.
pub struct Context<'a> {
    /// Where it happens.
    pub place: Place,
    /// The acting organisation.
    pub organisation: OrganisationId,
    /// The keys that signed, ascending.
    pub keys: &'a [PublicKey],
    /// The kind that is decided.
    pub kind: Kind,
}

/// Reads that the rules about signers need, from a state or an overlay.
pub trait Records {
    /// An organisation.
    fn organisation(&self, id: &OrganisationId) -> Option<&Organisation>;
    /// A granted role.
    fn has_role_grant(&self, key: &(OrganisationId, Role, Scope)) -> bool;
}

impl Records for Overlay<'_> {
    fn organisation(&self, id: &OrganisationId) -> Option<&Organisation> {
        self.get::<Organisation>(id)
    }
    fn has_role_grant(&self, key: &(OrganisationId, Role, Scope)) -> bool {
        self.has::<RoleGrant>(key)
    }
}

impl Records for State {
    fn organisation(&self, id: &OrganisationId) -> Option<&Organisation> {
        self.get::<Organisation>(id)
    }
    fn has_role_grant(&self, key: &(OrganisationId, Role, Scope)) -> bool {
        self.get::<RoleGrant>(key).is_some()
    }
}

/// Whether an organisation holds a role in a scope: implied by registration, or granted. Scope `Network` covers all.
pub fn holds(records: &impl Records, organisation: &OrganisationId, role: Role, scope: Scope) -> bool {
    if role.is_implied() {
        return records.organisation(organisation).is_some();
    }
    records.has_role_grant(&(*organisation, role, scope))
        || (scope != Scope::Network && records.has_role_grant(&(*organisation, role, Scope::Network)))
}

/// The group of an organisation: its topmost parent, itself if it has none; an alias is of the group of the one that absorbed it. A group is at most 8
/// deep and has no cycle (rulebook §2), which the registrar's kinds see to; mergers may make it deeper, up to this bound.
pub fn group(records: &impl Records, organisation: &OrganisationId) -> OrganisationId {
    let mut top = *organisation;
    for _ in 0..WAY_MAX {
        match records.organisation(&top).and_then(|record| record.merged_into.or(record.parent)) {
            Some(parent) => top = parent,
            None => break,
        }
    }
    top
}

/// Whether two organisations are of one group, so that they cannot hold two offices that must differ.
pub fn same_group(records: &impl Records, a: &OrganisationId, b: &OrganisationId) -> bool {
    a == b || group(records, a) == group(records, b)
}

/// The first of these organisations that is of the group of another.
pub fn first_of_group(
    records: &impl Records,
    organisation: &OrganisationId,
    others: impl IntoIterator<Item = OrganisationId>,
) -> Option<OrganisationId> {
    let group_of_one = group(records, organisation);
    others.into_iter().find(|other| other == organisation || group(records, other) == group_of_one)
}

/// The first organisation that holds a granted role in a scope and is of the group of another. Reads all granted roles: networks have few.
pub fn holder_of_group(
    state: &Overlay<'_>,
    organisation: &OrganisationId,
    role: Role,
    scope: Scope,
) -> Option<OrganisationId> {
    let grants = state.range::<RoleGrant>(..);
    let holders = grants
        .into_iter()
        .filter(|((_, held, over), _)| *held == role && (*over == scope || *over == Scope::Network))
        .map(|((holder, _, _), _)| holder);
    first_of_group(state, organisation, holders)
}

impl Context<'_> {
    /// The signer is active and holds the role in the scope, with enough of the signing keys in offices that may use it.
    ///
    /// # Errors
    /// `suspended`, then `role`.
    pub fn authorise(&self, state: &impl Records, role: Role, scope: Scope) -> Result<(), SignerRefusal> {
        self.active(state)?;
        self.role(state, role, &[scope])
    }

    /// As [`Context::authorise`], where one of several scopes is enough.
    ///
    /// # Errors
    /// `suspended`, then `role`.
    pub fn authorise_any(&self, state: &impl Records, role: Role, scopes: &[Scope]) -> Result<(), SignerRefusal> {
        self.active(state)?;
        self.role(state, role, scopes)
    }

    /// As [`Context::authorise`], for what a suspended organisation may still do (rulebook §2: pay, report, return money, answer).
    ///
    /// # Errors
    /// `suspended` if it is merged or closed, then `role`.
    pub fn authorise_even_suspended(
        &self,
        state: &impl Records,
        role: Role,
        scope: Scope,
    ) -> Result<(), SignerRefusal> {
        self.present(state)?;
        self.role(state, role, &[scope])
    }

    /// The signer is active, and enough of the signing keys are in offices that may use one of the roles, which the signer holds by what it is (a
    /// seat, a registration) and not by a grant.
    ///
    /// # Errors
    /// `suspended`, then `role`.
    pub fn by_office(&self, state: &impl Records, roles: &[Role]) -> Result<(), SignerRefusal> {
        self.active(state)?;
        self.office(state, roles)
    }

    fn office(&self, state: &impl Records, roles: &[Role]) -> Result<(), SignerRefusal> {
        let record = state.organisation(&self.organisation).ok_or(SignerRefusal::Suspended(self.organisation))?;
        let may = |key: &&PublicKey| roles.iter().any(|role| record.key_may_use(key, *role, self.place.height));
        let (needed, usable) =
            (record.threshold(self.kind.family(), self.place.height), self.keys.iter().filter(may).count());
        if usable < usize::from(needed) {
            let named = roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
            return Err(SignerRefusal::Role(format!(
                "{usable} of the signing keys may use the role {named}, {needed} must"
            )));
        }
        Ok(())
    }

    /// As [`Context::by_office`], for what a suspended organisation may still do.
    ///
    /// # Errors
    /// `suspended` if it is merged or closed, then `role`.
    pub fn by_office_even_suspended(&self, state: &impl Records, roles: &[Role]) -> Result<(), SignerRefusal> {
        self.present(state)?;
        self.office(state, roles)
    }

    /// The signer is active.
    ///
    /// # Errors
    /// `suspended`.
    pub fn active(&self, state: &impl Records) -> Result<(), SignerRefusal> {
        match state.organisation(&self.organisation) {
            Some(record) if record.status == Status::Active => Ok(()),
            _ => Err(SignerRefusal::Suspended(self.organisation)),
        }
    }

    /// The signer is active or suspended, neither merged nor closed.
    ///
    /// # Errors
    /// `suspended`.
    pub fn present(&self, state: &impl Records) -> Result<(), SignerRefusal> {
        match state.organisation(&self.organisation).map(|record| record.status) {
            Some(Status::Active | Status::Suspended) => Ok(()),
            Some(Status::Merged | Status::Closed) | None => Err(SignerRefusal::Suspended(self.organisation)),
        }
    }

    fn role(&self, state: &impl Records, role: Role, scopes: &[Scope]) -> Result<(), SignerRefusal> {
        let named = || scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        let record = state.organisation(&self.organisation).ok_or(SignerRefusal::Suspended(self.organisation))?;
        if !scopes.iter().any(|scope| holds(state, &self.organisation, role, *scope)) {
            return Err(SignerRefusal::Role(format!(
                "organisation {} does not hold the role {role} for {}",
                self.organisation,
                named()
            )));
        }
        let needed = record.threshold(self.kind.family(), self.place.height);
        let usable = self.keys.iter().filter(|key| record.key_may_use(key, role, self.place.height)).count();
        if usable < usize::from(needed) {
            return Err(SignerRefusal::Role(format!(
                "{usable} of the signing keys may use the role {role}, {needed} must"
            )));
        }
        Ok(())
    }

    /// Group of the signer.
    pub fn group(&self, state: &impl Records) -> OrganisationId {
        group(state, &self.organisation)
    }
}
