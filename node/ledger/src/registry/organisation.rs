//! Organisations: who acts on the ledger (rulebook §2). Natural persons never appear.

use super::role::Role;
use crate::{
    action::Family,
    state::Record,
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

words! {
    /// What sort of organisation.
    pub enum OrganisationKind {
        /// Association.
        Association = "association",
        /// Company.
        Company = "company",
        /// Cooperative.
        Cooperative = "cooperative",
        /// Foundation.
        Foundation = "foundation",
        /// Public body.
        PublicBody = "public_body",
        /// Federation.
        Federation = "federation",
        /// Anything else.
        Other = "other",
    }

    /// Whether it may act.
    pub enum Status {
        /// It may.
        Active = "active",
        /// Only pay, report, return money and answer.
        Suspended = "suspended",
        /// An alias of another.
        Merged = "merged",
        /// No more.
        Closed = "closed",
    }
}

/// An official number and since when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldIdentifier {
    /// The number.
    pub identifier: Identifier,
    /// Since when; `None`: unknown.
    pub from: Option<LegalDate>,
}

impl Wire for HeldIdentifier {
    type Proto = pb::Identifier;

    fn to_proto(&self) -> pb::Identifier {
        let Self { identifier, from } = self;
        pb::Identifier {
            scheme: identifier.scheme.to_string(),
            value: identifier.value.as_str().to_owned(),
            from: from.to_proto(),
        }
    }

    fn from_proto(proto: pb::Identifier) -> Result<Self, WireError> {
        let pb::Identifier { scheme, value, from } = proto;
        let scheme = Scheme::from_proto(scheme).map_err(|error| error.within("scheme"))?;
        let identifier = Identifier::new(scheme, &value).map_err(|error| WireError::invalid(error).within("value"))?;
        Ok(Self { identifier, from: Wire::from_proto(from).map_err(|error: WireError| error.within("from"))? })
    }
}

/// A family of kinds on the wire.
impl Wire for Family {
    type Proto = u32;
    fn to_proto(&self) -> u32 {
        self.0.into()
    }
    fn from_proto(proto: u32) -> Result<Self, WireError> {
        u8::try_from(proto).map(Self).map_err(|_| WireError::invalid(format!("{proto} is no family")))
    }
}

message! {
    /// How many office keys must sign kinds of a family.
    pub struct Threshold = Threshold {
        /// The family.
        pub family: Family,
        /// 1 ..= 16.
        pub signatures: u32,
    }

    /// A key of an office, live for heights [from, to).
    pub struct OfficeKey = OfficeKey {
        /// The key.
        pub key: PublicKey,
        /// First height.
        pub from_height: Height,
        /// First height at which it no longer is; 0: no end.
        pub to_height: Height,
    }

    /// An office: who in the organisation signs for what.
    pub struct Office = Office {
        /// Code, unique in the organisation.
        pub code: OfficeCode,
        /// Roles that its keys may use.
        pub roles: Vec<Role>,
        /// Its keys, past ones included.
        pub keys: Vec<OfficeKey>,
    }

    /// Record: an organisation.
    pub struct Organisation = Organisation {
        /// Sort.
        pub kind: OrganisationKind,
        /// Name.
        pub name: Name,
        /// Official numbers.
        pub identifiers: Vec<HeldIdentifier>,
        /// INSEE code of its territory.
        pub territory: Option<TerritoryCode>,
        /// INSEE legal category.
        pub legal_category: Option<Code>,
        /// Who controls it.
        pub parent: Option<OrganisationId>,
        /// Its offices.
        pub offices: Vec<Office>,
        /// Thresholds; families left out need 1.
        pub thresholds: Vec<Threshold>,
        /// Whether it may act.
        pub status: Status,
        /// Thresholds that replace the others from a height on.
        pub next_thresholds: Vec<Threshold>,
        /// That height; 0: none.
        pub next_thresholds_from: Height,
        /// Numbers that it held before.
        pub past_identifiers: Vec<PastIdentifier>,
        /// Who absorbed it; it is an alias of that one.
        pub merged_into: Option<OrganisationId>,
    }

    /// An official number that holds no longer.
    pub struct PastIdentifier = EndedIdentifier {
        /// The number and since when it held.
        pub identifier: HeldIdentifier [required],
        /// Last day on which it held.
        pub to: LegalDate [required],
    }

    /// Record: who a key belongs to, for ever; a key is never used twice.
    pub struct KeyOwner = KeyOwner {
        /// The organisation.
        pub organisation: OrganisationId,
        /// Its office.
        pub office: OfficeCode,
    }

    /// Record: who holds an identifier.
    pub struct IdentifierHolder = IdentifierHolder {
        /// The organisation.
        pub organisation: OrganisationId,
    }
}

impl Record for Organisation {
    type Key = OrganisationId;
}
impl Record for KeyOwner {
    type Key = PublicKey;
}
impl Record for IdentifierHolder {
    type Key = Identifier;
}

/// The organisation that an alias stands for now; itself if it was never absorbed.
pub fn successor(records: &impl crate::signer::Records, organisation: &OrganisationId) -> OrganisationId {
    let next = |id: &OrganisationId| records.organisation(id).and_then(|record| record.merged_into);
    core::iter::successors(Some(*organisation), next).take(WAY_MAX).last().unwrap_or(*organisation)
}

/// Steps of a group, mergers included, at most: what a walk up reads.
pub(crate) const WAY_MAX: usize = 64;

/// Those above an organisation, from the next one up: who absorbed it, else its parent.
pub(super) fn way_up<'a>(
    state: &'a crate::state::Overlay<'_>,
    organisation: &OrganisationId,
) -> impl Iterator<Item = OrganisationId> + 'a {
    let above =
        |id: &OrganisationId| state.get::<Organisation>(id).and_then(|record| record.merged_into.or(record.parent));
    core::iter::successors(above(organisation), move |id| above(id)).take(WAY_MAX)
}

/// Steps of the longest way up to an organisation, itself counted. Reads every organisation: only a new parent and a merger ask for it.
pub(super) fn steps_below(state: &crate::state::Overlay<'_>, top: &OrganisationId) -> usize {
    let all = state.range::<Organisation>(..);
    let ways = all.iter().filter_map(|(id, _)| way_up(state, id).position(|up| up == *top));
    ways.max().map_or(1, |steps| steps + 2)
}

impl OfficeKey {
    /// Whether it may sign in a block of this height.
    pub fn is_live(&self, height: Height) -> bool {
        self.from_height <= height && (self.to_height == Height(0) || height < self.to_height)
    }
}

impl Organisation {
    fn thresholds_at(&self, height: Height) -> &[Threshold] {
        let next = self.next_thresholds_from;
        if next != Height(0) && next <= height { &self.next_thresholds } else { &self.thresholds }
    }

    /// The greatest threshold of any family in a block of this height.
    pub fn greatest_threshold(&self, height: Height) -> u8 {
        let families = self.thresholds_at(height).iter().map(|threshold| threshold.family);
        families.map(|family| self.threshold(family, height)).max().unwrap_or(1)
    }

    /// Makes thresholds that have come into force the record's own.
    pub(super) fn settle_thresholds(&mut self, height: Height) {
        if self.next_thresholds_from != Height(0) && self.next_thresholds_from <= height {
            self.thresholds = core::mem::take(&mut self.next_thresholds);
            self.next_thresholds_from = Height(0);
        }
    }

    /// Signatures that a family of kinds needs in a block of this height.
    pub fn threshold(&self, family: Family, height: Height) -> u8 {
        self.thresholds_at(height)
            .iter()
            .find(|threshold| threshold.family == family)
            .and_then(|threshold| u8::try_from(threshold.signatures).ok())
            .unwrap_or(1)
            .max(1)
    }

    /// Whether some office has this key, live at this height.
    pub fn key_is_live(&self, key: &PublicKey, height: Height) -> bool {
        self.offices.iter().any(|office| office.has_live(key, height))
    }

    /// Whether an office that may use the role has this key, live at this height.
    pub fn key_may_use(&self, key: &PublicKey, role: Role, height: Height) -> bool {
        self.offices.iter().any(|office| office.roles.contains(&role) && office.has_live(key, height))
    }
}

impl Office {
    fn has_live(&self, key: &PublicKey, height: Height) -> bool {
        self.keys.iter().any(|held| held.key == *key && held.is_live(height))
    }
}
