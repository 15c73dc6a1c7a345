//! `register_organisation`: a registrar enters an organisation with its numbers, offices and keys.
//!
//! - Allowed: an active organisation with the role registrar.
//! - Effect: the organisation is active, holds the implied roles (funder, levy payer, beneficiary) and its history starts.
//! - Source: rulebook §2 and §17, 0101.

use super::{
    organisation::{
        HeldIdentifier, IdentifierHolder, KeyOwner, Office, OfficeKey, Organisation, OrganisationKind, Status,
        Threshold, way_up,
    },
    role::{Role, Scope},
    territory::Territory,
    validator_seat,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    network::NetworkRecord,
    refusal::{refusals, signer_refusals},
    signer::Context,
    state::{Only, Overlay},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Offices, identifiers, thresholds of an organisation, at most each.
const LIST: usize = 64;
/// Steps from an organisation to its topmost parent, at most (rulebook §2).
pub const MAX_DEPTH: usize = 8;

message! {
    /// A key with the proof that its holder has the secret.
    pub struct OfferedKey = OfferedKey {
        /// The key.
        pub key: PublicKey,
        /// Over H("possession", office, network name, key).
        pub possession: Signature,
    }

    /// An office with its first keys.
    pub struct OfferedOffice = OfferedOffice {
        /// Code, unique in the organisation.
        pub code: OfficeCode,
        /// Roles that its keys may use.
        pub roles: Vec<Role>,
        /// First keys.
        pub keys: Vec<OfferedKey>,
    }

    /// The payload.
    pub struct RegisterOrganisation = RegisterOrganisation {
        /// Sort.
        pub kind: OrganisationKind,
        /// Name; never that of a natural person.
        pub name: Name,
        /// Official numbers.
        pub identifiers: Vec<HeldIdentifier>,
        /// INSEE code of its territory.
        pub territory: Option<TerritoryCode>,
        /// INSEE legal category.
        pub legal_category: Option<Code>,
        /// Who controls it.
        pub parent: Option<OrganisationId>,
        /// Offices with keys.
        pub offices: Vec<OfferedOffice>,
        /// Families that need more than one signature.
        pub thresholds: Vec<Threshold>,
    }

    /// The event.
    pub struct OrganisationRegistered = OrganisationRegistered {
        /// The new organisation.
        pub id: OrganisationId,
        /// As it stands in the state.
        pub organisation: Organisation [required],
        /// Who registered it.
        pub registrar: OrganisationId,
    }
}

refusals! {
    LimitLists(usize): Limit 1 "a list of {0} entries; 64 are allowed", "a list is too long";
    LimitOffices(): Limit 2 "no office, an office twice, an office without keys, or more than 16 keys", "offices are missing, repeated, or without keys";
    PersonalDataName(Name): PersonalData 1 "the name {0:?} looks like personal data", "the name holds what looks like personal data";
    signer;
    UnknownParent(OrganisationId): Unknown 1 "parent {0} does not exist", "the parent does not exist";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    IdentifierWrong(Identifier, IdentifierError): Identifier 1 "{0}: {1}", "an identifier is malformed or fails its check digit";
    IdentifierHeld(Identifier, OrganisationId): Identifier 2 "{0} is held by organisation {1}", "an identifier is held by another organisation";
    DuplicateKey(PublicKey): Duplicate 1 "key {0} is in use or was", "a key was used before, or stands there twice";
    EvidenceKey(PublicKey): Evidence 1 "key {0} is not acceptable, or its proof of possession does not verify", "a key is malformed, weak, or its proof of possession does not verify";
    ThresholdUnreachable(u32, usize): Threshold 1 "threshold {0} with {1} keys", "a threshold is 0, above 16 or above the number of keys";
    StateDepth(OrganisationId): State 1 "parent {0} is 8 steps deep already", "the chain of parents is too long";
}
signer_refusals!(Refused);

impl Action for RegisterOrganisation {
    type Event = OrganisationRegistered;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        for length in [self.identifiers.len(), self.offices.len(), self.thresholds.len()] {
            if length > LIST {
                return Err(Refused::LimitLists(length));
            }
        }
        let codes: BTreeSet<OfficeCode> = self.offices.iter().map(|office| office.code).collect();
        let keys_fit = self.offices.iter().all(|office| (1..=16).contains(&office.keys.len()));
        if codes.is_empty() || codes.len() != self.offices.len() || !keys_fit {
            return Err(Refused::LimitOffices());
        }
        if personal_data::scan(&self.name).is_some() {
            return Err(Refused::PersonalDataName(self.name.clone()));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        // A proof of possession and the checks of a key cost as much as several plain elements.
        let keys: usize = self.offices.iter().map(|office| office.keys.len()).sum();
        BASE_COST + (self.identifiers.len() + self.thresholds.len() + 8 * keys) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<OrganisationRegistered, Refused> {
        cx.authorise(state, Role::Registrar, Scope::Network)?;
        let network = state.get::<NetworkRecord>(&Only).map(|network| network.name.clone()).unwrap_or_default();
        let from = Height(cx.place.height.0 + 1);
        let admitted = admit_checked(self, network.as_str(), from, state)?;
        let id = OrganisationId::new(object_id("organisation", &cx.place.transaction));
        Ok(OrganisationRegistered { id, organisation: admitted.0, registrar: cx.organisation })
    }
}

/// An organisation that passed every check but that of the registrar; genesis makes it the same way.
pub struct Admitted(Organisation);

/// All checks of a registration but that of the signer; keys are live from `from` on.
///
/// # Errors
/// As `register_organisation`.
pub fn admit(
    asked: &RegisterOrganisation,
    network_name: &str,
    from: Height,
    state: &Overlay<'_>,
) -> Result<Admitted, Refused> {
    asked.validate()?;
    admit_checked(asked, network_name, from, state)
}

fn admit_checked(
    asked: &RegisterOrganisation,
    network_name: &str,
    from: Height,
    state: &Overlay<'_>,
) -> Result<Admitted, Refused> {
    let RegisterOrganisation { kind, name, identifiers, territory, legal_category, parent, offices, thresholds } =
        asked.clone();
    if let Some(parent) = parent
        && !state.has::<Organisation>(&parent)
    {
        return Err(Refused::UnknownParent(parent));
    }
    if let Some(territory) = territory
        && !state.has::<Territory>(&territory)
    {
        return Err(Refused::TerritoryUnknown(territory));
    }
    for HeldIdentifier { identifier, .. } in &identifiers {
        identifier.check().map_err(|error| Refused::IdentifierWrong(identifier.clone(), error))?;
        if let Some(held) = state.get::<IdentifierHolder>(identifier) {
            return Err(Refused::IdentifierHeld(identifier.clone(), held.organisation));
        }
    }
    let mut seen = BTreeSet::new();
    let of_validators = validator_seat::keys(state);
    for OfferedKey { key, .. } in offices.iter().flat_map(|office| &office.keys) {
        if !seen.insert(*key) || state.has::<KeyOwner>(key) || of_validators.contains(key) {
            return Err(Refused::DuplicateKey(*key));
        }
    }
    for offered in offices.iter().flat_map(|office| &office.keys) {
        if !is_proven(offered, network_name) {
            return Err(Refused::EvidenceKey(offered.key));
        }
    }
    for Threshold { signatures, .. } in &thresholds {
        if !(1..=16).contains(signatures) || *signatures as usize > seen.len() {
            return Err(Refused::ThresholdUnreachable(*signatures, seen.len()));
        }
    }
    if let Some(parent) = parent
        && depth(state, parent) >= MAX_DEPTH
    {
        return Err(Refused::StateDepth(parent));
    }
    let offices = offices.into_iter().map(|office| open(office, from)).collect();
    let status = Status::Active;
    Ok(Admitted(Organisation {
        kind,
        name,
        identifiers,
        territory,
        legal_category,
        parent,
        offices,
        thresholds,
        status,
        next_thresholds: vec![],
        next_thresholds_from: Height(0),
        past_identifiers: vec![],
        merged_into: None,
    }))
}

/// A key is canonical, strong, and its holder has the secret.
pub(crate) fn is_proven(offered: &OfferedKey, network_name: &str) -> bool {
    let OfferedKey { key, possession } = offered;
    PublicKey::checked(*key.as_bytes()).is_ok()
        && verify_possession(key, PossessionPurpose::Office, network_name, possession)
}

fn open(office: OfferedOffice, from: Height) -> Office {
    let OfferedOffice { code, roles, keys } = office;
    let keys = keys
        .into_iter()
        .map(|OfferedKey { key, .. }| OfficeKey { key, from_height: from, to_height: Height(0) })
        .collect();
    Office { code, roles, keys }
}

/// Steps from an organisation to the top of its group, itself counted.
pub(super) fn depth(state: &Overlay<'_>, organisation: OrganisationId) -> usize {
    1 + way_up(state, &organisation).count()
}

impl Admitted {
    /// Writes the organisation with the indexes of its identifiers and keys.
    pub fn write(self, id: OrganisationId, state: &mut Overlay<'_>) {
        write(id, &self.0, state);
    }
}

fn write(id: OrganisationId, organisation: &Organisation, state: &mut Overlay<'_>) {
    for HeldIdentifier { identifier, .. } in &organisation.identifiers {
        state.put::<IdentifierHolder>(identifier.clone(), IdentifierHolder { organisation: id });
    }
    for office in &organisation.offices {
        for held in &office.keys {
            state.put::<KeyOwner>(held.key, KeyOwner { organisation: id, office: office.code });
        }
    }
    state.put::<Organisation>(id, organisation.clone());
}

impl Effect for OrganisationRegistered {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        write(self.id, &self.organisation, state);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![RecordRef::of::<Organisation>(&self.id)];
        if self.registrar != self.id {
            subjects.push(RecordRef::of::<Organisation>(&self.registrar));
        }
        subjects
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::Payload,
        fixture::{self, id},
        registry::validator_seat::{PendingSeat, SeatAction, ValidatorSeat},
    };

    #[test]
    fn keys_of_validators_seated_or_waiting_become_no_office_keys() {
        let mut network = fixture::network();
        let seat = ValidatorSeat {
            organisation: id("lab"),
            network_key: fixture::network_key("lab"),
            college: CollegeCode::new("commoners").unwrap(),
            missed_at: None,
        };
        let consensus_key = fixture::consensus_key("lab").public();
        network.edit(|state| {
            let pending = PendingSeat { action: SeatAction::Seat, consensus_key, seat, ready_at: None };
            state.put::<PendingSeat>((Height(40), ChangeId::ZERO), pending);
        });
        let with = |key: &SecretKey| {
            let mut asked = fixture::genesis().organisations.remove(0).registration;
            asked.offices[0].keys = vec![fixture::offer(key)];
            Payload::RegisterOrganisation(asked)
        };
        let network_key = |code: &str| SecretKey::from_seed(hash("fixture-network", &[code.as_bytes()]).to_bytes());
        for code in ["bank", "lab"] {
            for key in [fixture::consensus_key(code), network_key(code)] {
                assert_eq!(network.refusal("bank", with(&key)), "DuplicateKey", "{code}");
            }
        }
        network.run("bank", with(&fixture::consensus_key("nobody"))).unwrap();
    }
}
