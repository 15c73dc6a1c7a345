//! `endorse`: an organisation attests that another, or a project of another, is what an eligibility code says.
//!
//! - Allowed: an active organisation, by an office that may use any of its roles; not for its own group, and not for a project that its group holds.
//! - Effect: the attestation stands until its last day or until the same organisation takes it back; a later one replaces it.
//! - Source: rulebook §2 (eligibility codes, attested by a third party), §4 (0107).

use super::{
    organisation::{Organisation, Status},
    project::Project,
    role::Role,
};
use crate::{
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{refusals, signer_refusals},
    signer::{Context, same_group},
    state::{Key, Overlay, Record},
    wire::{Wire, WireError, message, pb, words},
};
use octroi_primitives::*;

words! {
    /// What an organisation or a project may be attested to be.
    pub enum Eligibility {
        /// Of the social and solidarity economy.
        Ess = "ESS",
        /// A solidarity enterprise of social utility.
        Esus = "ESUS",
        /// A commons.
        Commons = "COMMONS",
        /// Without profit.
        NonProfit = "NON_PROFIT",
        /// Public.
        PublicBody = "PUBLIC_BODY",
        /// Small or medium-sized.
        Sme = "SME",
    }
}

impl Key for Eligibility {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        Self::ALL.get(usize::from(*first)).copied()
    }
}

/// Of what something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endorsed {
    /// Of an organisation.
    Organisation(OrganisationId),
    /// Of a project.
    Project(ProjectId),
}

impl Key for Endorsed {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Organisation(id) => {
                out.push(0);
                id.write(out);
            }
            Self::Project(id) => {
                out.push(1);
                id.write(out);
            }
        }
    }
    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        match first {
            0 => Key::read(bytes).map(Self::Organisation),
            1 => Key::read(bytes).map(Self::Project),
            _ => None,
        }
    }
}

impl Wire for Endorsed {
    type Proto = pb::Endorsed;

    fn to_proto(&self) -> pb::Endorsed {
        use pb::endorsed::Of;
        pb::Endorsed {
            of: Some(match self {
                Self::Organisation(id) => Of::Organisation(id.to_proto()),
                Self::Project(id) => Of::Project(id.to_proto()),
            }),
        }
    }

    fn from_proto(proto: pb::Endorsed) -> Result<Self, WireError> {
        use pb::endorsed::Of;
        match proto.of.ok_or_else(WireError::missing)? {
            Of::Organisation(id) => Wire::from_proto(id).map(Self::Organisation),
            Of::Project(id) => Wire::from_proto(id).map(Self::Project),
        }
    }
}

words! {
    /// Whether an attestation is made or taken back.
    pub enum EndorsementStep {
        /// Made, or made anew.
        Attest = "attest",
        /// Taken back.
        Revoke = "revoke",
    }
}

message! {
    /// The payload.
    pub struct Endorse = Endorse {
        /// Of what.
        pub of: Endorsed [required],
        /// What it is.
        pub code: Eligibility,
        /// Made or taken back.
        pub step: EndorsementStep,
        /// Commitment to the evidence.
        pub evidence: Commitment,
        /// Last day; `None`: until it is taken back.
        pub until: Option<LegalDate>,
    }

    /// The event.
    pub struct EndorsementMade = EndorsementMade {
        /// Who says so.
        pub by: OrganisationId,
        /// What was asked.
        pub endorsement: Endorse [required],
        /// Who holds the project, if it is one.
        pub holder: Option<OrganisationId>,
    }

    /// Record: an attestation.
    pub struct Endorsement = Endorsement {
        /// Commitment to the evidence.
        pub evidence: Commitment,
        /// Last day; `None`: until it is taken back.
        pub until: Option<LegalDate>,
    }
}

impl Record for Endorsement {
    /// (of what, what it is, who says so).
    type Key = (Endorsed, Eligibility, OrganisationId);
}

/// Whether somebody's attestation of it holds on a day.
pub fn is_attested(state: &Overlay<'_>, of: Endorsed, code: Eligibility, on: LegalDate) -> bool {
    let last = OrganisationId::from_bytes([0xff; 32]);
    let found = state.range::<Endorsement>((of, code, OrganisationId::ZERO)..=(of, code, last));
    found.iter().any(|(_, endorsement)| endorsement.until.is_none_or(|until| on <= until))
}

refusals! {
    signer;
    UnknownObject(Endorsed): Unknown 1 "{0:?} does not exist", "the organisation or project does not exist";
    UnknownEndorsement(Eligibility): Unknown 2 "the signer has not attested {0} of it", "there is nothing of the signer's to take back";
    SegregationGroup(OrganisationId): Segregation 1 "organisation {0} is of the signer's group", "it is the signer's own group, or a project of it: no third party";
    StateEnded(OrganisationId, Status): State 1 "organisation {0} is {1}", "the organisation was merged or closed";
    DatePast(LegalDate): Date 1 "{0} is before today", "the last day is past";
}
signer_refusals!(Refused);

impl Action for Endorse {
    type Event = EndorsementMade;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<EndorsementMade, Refused> {
        let Self { of, code, step, evidence: _, until } = self;
        cx.by_office(state, Role::ALL)?;
        let by = cx.organisation;
        let holders = match of {
            Endorsed::Organisation(id) => vec![*id],
            Endorsed::Project(id) => {
                let project = state.get::<Project>(id).ok_or(Refused::UnknownObject(*of))?;
                core::iter::once(project.holder).chain(project.co_holders.iter().copied()).collect()
            }
        };
        let holder = holders[0];
        let record = state.get::<Organisation>(&holder).ok_or(Refused::UnknownObject(*of))?;
        if *step == EndorsementStep::Revoke && !state.has::<Endorsement>(&(*of, *code, by)) {
            return Err(Refused::UnknownEndorsement(*code));
        }
        if let Some(own) = holders.iter().find(|holder| same_group(state, holder, &by)) {
            return Err(Refused::SegregationGroup(*own));
        }
        if matches!(record.status, Status::Merged | Status::Closed) {
            return Err(Refused::StateEnded(holder, record.status));
        }
        if let Some(until) = until.filter(|until| *until < cx.place.date()) {
            return Err(Refused::DatePast(until));
        }
        let holder = matches!(of, Endorsed::Project(_)).then_some(holder);
        Ok(EndorsementMade { by, endorsement: self.clone(), holder })
    }
}

impl Effect for EndorsementMade {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Endorse { of, code, step, evidence, until } = self.endorsement;
        match step {
            EndorsementStep::Attest => {
                state.put::<Endorsement>((of, code, self.by), Endorsement { evidence, until });
            }
            EndorsementStep::Revoke => state.remove::<Endorsement>(&(of, code, self.by)),
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let of = match &self.endorsement.of {
            Endorsed::Organisation(id) => RecordRef::of::<Organisation>(id),
            Endorsed::Project(id) => RecordRef::of::<Project>(id),
        };
        let organisations = [Some(self.by), self.holder];
        let organisations = organisations.iter().flatten().map(RecordRef::of::<Organisation>);
        distinct(organisations.chain([of]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
        registry::register_project::RegisterProject,
    };

    impl IntoPayload for Endorse {
        fn into_payload(self) -> Payload {
            Payload::Endorse(self)
        }
    }

    fn endorsement(of: Endorsed) -> Endorse {
        Endorse {
            of,
            code: Eligibility::Commons,
            step: EndorsementStep::Attest,
            evidence: fixture::commitment("evidence"),
            until: Some(LegalDate::new(2027, 12, 31).unwrap()),
        }
    }

    fn of(organisation: &str) -> Endorsed {
        Endorsed::Organisation(id(organisation))
    }

    fn project(network: &mut Network) -> Endorsed {
        let asked = RegisterProject {
            title: fixture::name("Atlas (invented)"),
            categories: vec![],
            territory: None,
            licence: Text::new("ODbL-1.0").unwrap(),
            rights: vec![],
            resource: None,
            community: None,
            rules: None,
            co_holders: vec![id("asso2")],
            replicates: None,
        };
        match network.run("asso1", asked) {
            Ok(Event::RegisterProject(event)) => Endorsed::Project(event.id),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        let atlas = project(&mut network);
        let mut suspended = network.clone();
        suspended.suspend("lab");
        let mut idle = network.clone();
        idle.edit(|state| state.update::<Organisation>(&id("lab"), |lab| lab.offices[0].roles.clear()));
        let mut ended = network.clone();
        ended.edit(|state| state.update::<Organisation>(&id("asso1"), |record| record.status = Status::Closed));
        let past = Endorse { until: LegalDate::new(2026, 1, 1).ok(), ..endorsement(of("asso1")) };
        let revoked = Endorse { step: EndorsementStep::Revoke, ..endorsement(of("asso1")) };
        let reached = [
            suspended.refusal("lab", endorsement(of("asso1"))),
            idle.refusal("lab", endorsement(of("asso1"))),
            network.refusal("lab", endorsement(Endorsed::Project(ProjectId::ZERO))),
            network.refusal("lab", revoked),
            network.refusal("asso2", endorsement(atlas)),
            ended.refusal("lab", endorsement(of("asso1"))),
            network.refusal("lab", past),
        ];
        fixture::assert_all_reached(Kind::Endorse, &reached);
        assert_eq!(network.refusal("asso1_branch", endorsement(of("asso1"))), "SegregationGroup");
    }

    #[test]
    fn an_attestation_of_a_third_party_holds_through_its_last_day_and_can_be_taken_back() {
        let mut network = fixture::network();
        let atlas = project(&mut network);
        let last = LegalDate::new(2027, 12, 31).unwrap();
        fixture::assert_round_trips(&endorsement(atlas).into_payload());
        network.run("lab", endorsement(atlas)).unwrap();
        let holds = |network: &Network, on| is_attested(&network.state.overlay(), atlas, Eligibility::Commons, on);
        assert!(holds(&network, last));
        assert!(!holds(&network, last.plus_days(1).unwrap()));
        assert!(!is_attested(&network.state.overlay(), atlas, Eligibility::Sme, last));
        network.run("lab", Endorse { step: EndorsementStep::Revoke, ..endorsement(atlas) }).unwrap();
        assert!(!holds(&network, last));
    }
}
