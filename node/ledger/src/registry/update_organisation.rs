//! `update_organisation`: a registrar enters what has changed of an organisation, and ends numbers that no longer hold.
//!
//! - Allowed: an active organisation with the role registrar.
//! - Effect: what is named replaces what stood there; an ended number stays in the record with its dates, and finds the organisation for ever. A new
//!   parent may not bring two validators, or two seats of colleges, into one group. Who is closed acts no more, and has neither seat nor validator.
//! - Source: rulebook §2, §4 (0102).

use super::{
    college::CollegeSeat,
    organisation::{
        HeldIdentifier, IdentifierHolder, Organisation, OrganisationKind, PastIdentifier, Status, steps_below, way_up,
    },
    register_organisation::{MAX_DEPTH, depth},
    role::{Role, Scope},
    territory::Territory,
    validator_seat::ValidatorSeat,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    governance::suspension::forget,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    signer::{Context, group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Numbers added or ended at once, and numbers that a record holds, at most.
const LIST: usize = 64;
/// Work units of reading every organisation.
pub(super) const SCAN_COST: u64 = 1_000;

message! {
    /// A number that holds no longer.
    pub struct EndedIdentifier = EndedIdentifier {
        /// The number, as it stands in the record.
        pub identifier: HeldIdentifier [required],
        /// Last day on which it held.
        pub to: LegalDate [required],
    }

    /// Who controls it from now on.
    pub struct ParentChange = ParentChange {
        /// `None`: nobody.
        pub parent: Option<OrganisationId>,
    }

    /// The payload; what is `None` stays.
    pub struct UpdateOrganisation = UpdateOrganisation {
        /// Which.
        pub organisation: OrganisationId,
        /// Sort.
        pub kind: Option<OrganisationKind>,
        /// Name; never that of a natural person.
        pub name: Option<Name>,
        /// INSEE code of its territory.
        pub territory: Option<TerritoryCode>,
        /// INSEE legal category.
        pub legal_category: Option<Code>,
        /// Who controls it.
        pub parent: Option<ParentChange>,
        /// Numbers that hold from now on, or did before.
        pub add: Vec<HeldIdentifier>,
        /// Numbers that hold no longer.
        pub end: Vec<EndedIdentifier>,
        /// Day on which it ceased to exist.
        pub closed_on: Option<LegalDate>,
    }

    /// The event.
    pub struct OrganisationUpdated = OrganisationUpdated {
        /// What was asked.
        pub update: UpdateOrganisation [required],
        /// As it stands in the state now.
        pub organisation: Organisation [required],
        /// Who says so.
        pub registrar: OrganisationId,
    }
}

refusals! {
    DateOrder(LegalDate, LegalDate): Date 1 "held from {0} to {1}", "a number ends before it began";
    LimitNothing(): Limit 1 "nothing is asked", "nothing is asked";
    LimitLists(usize): Limit 2 "a list of {0} entries; 64 are allowed", "a list is too long, or the record would hold too many numbers";
    PersonalDataName(Name): PersonalData 1 "the name {0:?} looks like personal data", "the name holds what looks like personal data";
    signer;
    UnknownOrganisation(OrganisationId): Unknown 1 "organisation {0} does not exist", "the organisation does not exist";
    UnknownParent(OrganisationId): Unknown 2 "parent {0} does not exist", "the parent does not exist";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "the territory does not exist";
    SegregationGroup(OrganisationId): Segregation 1 "the group of {0} would run two validators, or sit twice in the colleges", "one group would run two validators, or hold two seats of colleges";
    StateEnded(OrganisationId, Status): State 1 "organisation {0} is {1}", "the organisation was merged or closed";
    StateDepth(OrganisationId): State 2 "under parent {0} the group would have a cycle or be more than 8 deep", "the chain of parents would be too long, or a circle";
    StateSeated(OrganisationId): State 3 "organisation {0} has a seat in a college, or runs a validator", "who is closed has a seat in a college or runs a validator";
    DateFuture(LegalDate): Date 2 "{0} is after today", "a day is after that of the block";
    IdentifierWrong(Identifier, IdentifierError): Identifier 1 "{0}: {1}", "a number is malformed or fails its check digit";
    IdentifierHeld(Identifier, OrganisationId): Identifier 2 "{0} is held by organisation {1}", "a number is, or was, another organisation's, or stands there already";
    IdentifierMissing(Identifier): Identifier 3 "{0} does not hold now", "a number that is to end does not stand in the record";
}
signer_refusals!(Refused);

impl UpdateOrganisation {
    /// The record as it will be; the checks have passed.
    fn on(&self, record: &Organisation) -> Organisation {
        let Self { organisation: _, kind, name, territory, legal_category, parent, add, end, closed_on } = self.clone();
        let mut after = record.clone();
        after.kind = kind.unwrap_or(after.kind);
        after.name = name.unwrap_or(after.name);
        after.territory = territory.or(after.territory);
        after.legal_category = legal_category.or(after.legal_category);
        if let Some(ParentChange { parent }) = parent {
            after.parent = parent;
        }
        for EndedIdentifier { identifier, to } in end {
            after.identifiers.retain(|held| *held != identifier);
            after.past_identifiers.push(PastIdentifier { identifier, to });
        }
        after.identifiers.extend(add);
        if closed_on.is_some() {
            after.status = Status::Closed;
        }
        after
    }

    fn check_parent(&self, state: &Overlay<'_>) -> Result<(), Refused> {
        let Some(ParentChange { parent: Some(parent) }) = self.parent else { return Ok(()) };
        let circle = parent == self.organisation || way_up(state, &parent).any(|up| up == self.organisation);
        if circle || depth(state, parent) + steps_below(state, &self.organisation) > MAX_DEPTH {
            return Err(Refused::StateDepth(parent));
        }
        Ok(())
    }
}

/// No group runs two validators or holds two seats of colleges.
pub(super) fn groups_are_apart(state: &Overlay<'_>) -> Result<(), OrganisationId> {
    let once = |holders: Vec<OrganisationId>| {
        let mut groups = BTreeSet::new();
        holders.into_iter().map(|holder| group(state, &holder)).find(|top| !groups.insert(*top))
    };
    let validators = state.range::<ValidatorSeat>(..).into_iter().map(|(_, seat)| seat.organisation).collect();
    let seats = state.range::<CollegeSeat>(..).into_iter().map(|((_, holder), _)| holder).collect();
    once(validators).or_else(|| once(seats)).map_or(Ok(()), Err)
}

/// Whether it has a seat in a college or runs a validator.
pub(super) fn is_seated(state: &Overlay<'_>, organisation: &OrganisationId) -> bool {
    let runs = state.range::<ValidatorSeat>(..).into_iter().any(|(_, seat)| seat.organisation == *organisation);
    runs || state.range::<CollegeSeat>(..).into_iter().any(|((_, holder), _)| holder == *organisation)
}

impl Action for UpdateOrganisation {
    type Event = OrganisationUpdated;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Self { organisation: _, kind, name, territory, legal_category, parent, add, end, closed_on } = self;
        for EndedIdentifier { identifier, to } in end {
            if let Some(from) = identifier.from.filter(|from| from > to) {
                return Err(Refused::DateOrder(from, *to));
            }
        }
        let fields = kind.is_none() && name.is_none() && territory.is_none() && legal_category.is_none();
        if fields && parent.is_none() && add.is_empty() && end.is_empty() && closed_on.is_none() {
            return Err(Refused::LimitNothing());
        }
        if let Some(length) = [add.len(), end.len()].into_iter().find(|length| *length > LIST) {
            return Err(Refused::LimitLists(length));
        }
        match name.as_ref().filter(|name| personal_data::scan(name).is_some()) {
            Some(name) => Err(Refused::PersonalDataName(name.clone())),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        // A new parent asks of every organisation where it stands.
        let parent = if self.parent.is_some() { SCAN_COST } else { 0 };
        BASE_COST + (self.add.len() + self.end.len()) as u64 + parent
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<OrganisationUpdated, Refused> {
        cx.authorise(state, Role::Registrar, Scope::Network)?;
        let id = self.organisation;
        let record = state.get::<Organisation>(&id).ok_or(Refused::UnknownOrganisation(id))?;
        if let Some(ParentChange { parent: Some(parent) }) = self.parent
            && !state.has::<Organisation>(&parent)
        {
            return Err(Refused::UnknownParent(parent));
        }
        if let Some(territory) = self.territory
            && !state.has::<Territory>(&territory)
        {
            return Err(Refused::TerritoryUnknown(territory));
        }
        let after = self.on(record);
        if self.parent.is_some() {
            let mut trial = state.scratch();
            trial.put::<Organisation>(id, after.clone());
            groups_are_apart(&trial).map_err(Refused::SegregationGroup)?;
        }
        if matches!(record.status, Status::Merged | Status::Closed) {
            return Err(Refused::StateEnded(id, record.status));
        }
        self.check_parent(state)?;
        if self.closed_on.is_some() && is_seated(state, &id) {
            return Err(Refused::StateSeated(id));
        }
        let today = cx.place.date();
        let days = self.end.iter().map(|ended| ended.to).chain(self.closed_on);
        if let Some(day) = days.chain(self.add.iter().filter_map(|held| held.from)).find(|day| *day > today) {
            return Err(Refused::DateFuture(day));
        }
        let mut added = BTreeSet::new();
        for HeldIdentifier { identifier, .. } in &self.add {
            identifier.check().map_err(|error| Refused::IdentifierWrong(identifier.clone(), error))?;
            let held = state.get::<IdentifierHolder>(identifier).map(|held| held.organisation);
            if held.is_some() || !added.insert(identifier.clone()) {
                return Err(Refused::IdentifierHeld(identifier.clone(), held.unwrap_or(id)));
            }
        }
        let mut ended = BTreeSet::new();
        for EndedIdentifier { identifier, .. } in &self.end {
            if !record.identifiers.contains(identifier) || !ended.insert(identifier.identifier.clone()) {
                return Err(Refused::IdentifierMissing(identifier.identifier.clone()));
            }
        }
        let numbers = after.identifiers.len() + after.past_identifiers.len();
        if numbers > LIST {
            return Err(Refused::LimitLists(numbers));
        }
        Ok(OrganisationUpdated { update: self.clone(), organisation: after, registrar: cx.organisation })
    }
}

impl Effect for OrganisationUpdated {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { update, organisation, registrar: _ } = self;
        for HeldIdentifier { identifier, .. } in &update.add {
            state.put::<IdentifierHolder>(identifier.clone(), IdentifierHolder { organisation: update.organisation });
        }
        if organisation.status == Status::Closed {
            // A suspension ends with who was suspended: nothing brings back who is closed.
            forget(&update.organisation, state);
        }
        state.put::<Organisation>(update.organisation, organisation.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let parent = self.update.parent.as_ref().and_then(|change| change.parent);
        let organisations = [Some(self.update.organisation), parent, Some(self.registrar)];
        let subjects = organisations.into_iter().flatten().map(|id| RecordRef::of::<Organisation>(&id));
        crate::history::distinct(subjects.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
        registry::merge_organisations::MergeOrganisations,
    };

    impl IntoPayload for UpdateOrganisation {
        fn into_payload(self) -> Payload {
            Payload::UpdateOrganisation(self)
        }
    }

    fn nothing(organisation: &str) -> UpdateOrganisation {
        UpdateOrganisation {
            organisation: id(organisation),
            kind: None,
            name: None,
            territory: None,
            legal_category: None,
            parent: None,
            add: vec![],
            end: vec![],
            closed_on: None,
        }
    }

    fn renamed() -> UpdateOrganisation {
        UpdateOrganisation { name: Some(fixture::name("Renamed (invented)")), ..nothing("asso1") }
    }

    fn under(organisation: &str, parent: &str) -> UpdateOrganisation {
        UpdateOrganisation { parent: Some(ParentChange { parent: Some(id(parent)) }), ..nothing(organisation) }
    }

    fn number(value: &str, from: Option<LegalDate>) -> HeldIdentifier {
        HeldIdentifier { identifier: Identifier::new(Scheme::Siren, value).unwrap(), from }
    }

    fn day(year: u16, month: u8, day: u8) -> LegalDate {
        LegalDate::new(year, month, day).unwrap()
    }

    /// `asso1` holds a SIREN since 2020.
    fn numbered() -> (Network, HeldIdentifier) {
        let mut network = fixture::network();
        let held = number("732829320", Some(day(2020, 1, 1)));
        network.run("bank", UpdateOrganisation { add: vec![held.clone()], ..nothing("asso1") }).unwrap();
        (network, held)
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, held) = numbered();
        let mut suspended = network.clone();
        suspended.suspend("bank");
        let mut ended = network.clone();
        ended.edit(|state| state.update::<Organisation>(&id("asso1"), |record| record.status = Status::Closed));
        let end = |identifier: &HeldIdentifier, to| {
            let ended = EndedIdentifier { identifier: identifier.clone(), to };
            UpdateOrganisation { end: vec![ended], ..nothing("asso1") }
        };
        let add = |held: HeldIdentifier| UpdateOrganisation { add: vec![held], ..nothing("asso2") };
        let many = UpdateOrganisation { add: vec![held.clone(); 65], ..nothing("asso2") };
        let call = UpdateOrganisation { name: Some(fixture::name("call 06 12 34 56 78")), ..nothing("asso1") };
        let nobody = UpdateOrganisation { organisation: OrganisationId::ZERO, ..renamed() };
        let orphan =
            UpdateOrganisation { parent: Some(ParentChange { parent: Some(OrganisationId::ZERO) }), ..renamed() };
        let elsewhere = UpdateOrganisation { territory: Some(TerritoryCode::new("99").unwrap()), ..renamed() };
        let closed = UpdateOrganisation { closed_on: Some(network.today()), ..nothing("bank") };
        let tomorrow = network.today().plus_days(1).unwrap();
        let reached = [
            network.refusal("bank", end(&held, day(2019, 12, 31))),
            network.refusal("bank", nothing("asso1")),
            network.refusal("bank", many),
            network.refusal("bank", call),
            suspended.refusal("bank", renamed()),
            network.refusal("region", renamed()),
            network.refusal("bank", nobody),
            network.refusal("bank", orphan),
            network.refusal("bank", elsewhere),
            network.refusal("bank", under("region", "bank")),
            ended.refusal("bank", renamed()),
            network.refusal("bank", under("asso1", "asso1_branch")),
            network.refusal("bank", closed),
            network.refusal("bank", end(&held, tomorrow)),
            network.refusal("bank", add(number("732829321", None))),
            network.refusal("bank", add(held.clone())),
            network.refusal("bank", end(&number("404833048", None), network.today())),
        ];
        fixture::assert_all_reached(Kind::UpdateOrganisation, &reached);
    }

    #[test]
    fn an_ended_number_stays_with_its_dates_and_is_never_anothers() {
        let (mut network, held) = numbered();
        let to = network.today();
        let ended = EndedIdentifier { identifier: held.clone(), to };
        let next = number("404833048", Some(to));
        let update = UpdateOrganisation { end: vec![ended], add: vec![next.clone()], ..nothing("asso1") };
        fixture::assert_round_trips(&update.clone().into_payload());
        network.run("bank", update).unwrap();
        let record = network.state.get::<Organisation>(&id("asso1")).unwrap();
        assert_eq!(record.identifiers, [next]);
        assert_eq!(record.past_identifiers, [PastIdentifier { identifier: held.clone(), to }]);
        let holder = network.state.get::<IdentifierHolder>(&held.identifier).unwrap();
        assert_eq!(holder.organisation, id("asso1"));
        let again = UpdateOrganisation { add: vec![held], ..nothing("asso2") };
        assert_eq!(network.refusal("bank", again), "IdentifierHeld");
    }

    #[test]
    fn a_group_gets_no_second_validator_and_no_circle_and_is_at_most_eight_deep() {
        let mut network = fixture::network();
        assert_eq!(network.refusal("bank", under("foundation", "federation")), "SegregationGroup");
        assert_eq!(network.refusal("bank", under("asso2", "asso2")), "StateDepth");
        network.run("bank", under("asso2", "asso1_branch")).unwrap();
        assert_eq!(group(&network.state.overlay(), &id("asso2")), id("asso1"));
        assert_eq!(network.refusal("bank", under("asso1", "asso2")), "StateDepth");
        let chain = ["tax", "data", "platform", "reuser", "asso3"];
        let mut parent = "asso2";
        for child in chain {
            network.run("bank", under(child, parent)).unwrap();
            parent = child;
        }
        assert_eq!(network.refusal("bank", under("audit", parent)), "StateDepth");
        let alone = UpdateOrganisation { parent: Some(ParentChange { parent: None }), ..nothing("asso2") };
        network.run("bank", alone).unwrap();
        assert_eq!(group(&network.state.overlay(), &id("asso3")), id("asso2"));
    }

    #[test]
    fn who_is_closed_acts_no_more() {
        let mut network = fixture::network();
        let closed = UpdateOrganisation { closed_on: Some(network.today()), ..nothing("asso1") };
        network.run("bank", closed).unwrap();
        assert_eq!(network.state.get::<Organisation>(&id("asso1")).unwrap().status, Status::Closed);
    }

    #[test]
    fn who_is_closed_while_suspended_in_an_emergency_does_not_come_back_when_that_lapses() {
        use crate::{
            due::{self, DueItem},
            governance::{conclude_change::ConcludeChange, suspension::Suspension},
        };
        let mut network = fixture::network();
        let before = network.state.count::<DueItem>();
        network.suspend("asso1");
        let (change, at) = (ChangeId::ZERO, network.in_days(14));
        network.edit(|state| {
            due::schedule(state, at, Kind::ConcludeChange, ConcludeChange::object(&change));
            state.put::<Suspension>(id("asso1"), Suspension { change, lapses_at: Some(at) });
        });
        let closed = UpdateOrganisation { closed_on: Some(network.today()), ..nothing("asso1") };
        network.run("bank", closed).unwrap();
        assert_eq!((network.state.count::<Suspension>(), network.state.count::<DueItem>()), (0, before));
        assert_eq!(network.state.get::<Organisation>(&id("asso1")).unwrap().status, Status::Closed);
    }

    #[test]
    fn a_parent_below_an_alias_of_the_same_organisation_is_a_circle() {
        let mut network = fixture::network();
        let on = network.today();
        let merger = MergeOrganisations { absorbed: id("asso1"), into: id("asso2"), on };
        network.run("bank", merger).unwrap();
        assert_eq!(network.refusal("bank", under("asso2", "asso1_branch")), "StateDepth");
        assert_eq!(network.refusal("bank", under("asso2", "asso1")), "StateDepth");
        network.run("bank", under("asso3", "asso1_branch")).unwrap();
        assert_eq!(group(&network.state.overlay(), &id("asso3")), id("asso2"));
    }
}
