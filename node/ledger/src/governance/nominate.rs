//! `nominate`: a seat of a college names an organisation for a seat of it, and says why. Nobody stands as a candidate.
//!
//! - Allowed: an active organisation with a seat in the college, by an office that may use the role college member; not for its own group.
//! - Effect: the nomination, which replaces the signer's earlier one. `seat_nominee` asks consent for one of those who were named.
//! - Source: rulebook §10 (election without candidate); tag 0c07.

use crate::{
    action::{Action, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        college::{College, CollegeSeat},
        organisation::{Organisation, Status},
        role::Role,
    },
    signer::{Context, same_group},
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct Nominate = Nominate {
        /// For a seat of which college.
        pub college: CollegeCode,
        /// Whom.
        pub nominee: OrganisationId,
        /// Why, as a code.
        pub reason: ReasonCode,
        /// Why, in a text that stays outside.
        pub text: Commitment,
    }

    /// The event.
    pub struct Nominated = Nominated {
        /// For a seat of which college.
        pub college: CollegeCode,
        /// Who says so.
        pub by: OrganisationId,
        /// As it stands in the state.
        pub nomination: Nomination [required],
    }

    /// Record: whom a seat has named.
    pub struct Nomination = Nomination {
        /// Whom.
        pub nominee: OrganisationId,
        /// Why, as a code.
        pub reason: ReasonCode,
        /// Why, in a text that stays outside.
        pub text: Commitment,
    }
}

impl Record for Nomination {
    /// (the college, the seat that names).
    type Key = (CollegeCode, OrganisationId);
}

/// What the seats of a college have said, by seat.
pub fn nominations_in(state: &Overlay<'_>, college: &CollegeCode) -> Vec<(OrganisationId, Nomination)> {
    let last = OrganisationId::from_bytes([0xff; 32]);
    let found = state.range::<Nomination>((*college, OrganisationId::ZERO)..=(*college, last));
    found.into_iter().map(|((_, by), nomination)| (by, nomination)).collect()
}

refusals! {
    signer;
    RoleNoSeat(OrganisationId, CollegeCode): Role 2 "organisation {0} has no seat in college {1}", "the signer has no seat in the college";
    UnknownCollege(CollegeCode): Unknown 1 "college {0} does not exist", "the college does not exist";
    UnknownNominee(OrganisationId): Unknown 2 "organisation {0} does not exist", "the nominee does not exist";
    ConflictGroup(OrganisationId): Conflict 1 "organisation {0} is of the signer's group", "the nominee is of the signer's own group";
    StateNominee(OrganisationId, Status): State 1 "organisation {0} is {1}", "the nominee is not active";
}
signer_refusals!(Refused);

impl Action for Nominate {
    type Event = Nominated;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<Nominated, Refused> {
        let Self { college, nominee, reason, text } = *self;
        cx.by_office(state, &[Role::CollegeMember])?;
        let by = cx.organisation;
        let known = state.has::<College>(&college);
        if known && !state.has::<CollegeSeat>(&(college, by)) {
            return Err(Refused::RoleNoSeat(by, college));
        }
        if !known {
            return Err(Refused::UnknownCollege(college));
        }
        let record = state.get::<Organisation>(&nominee).ok_or(Refused::UnknownNominee(nominee))?;
        if same_group(state, &by, &nominee) {
            return Err(Refused::ConflictGroup(nominee));
        }
        if record.status != Status::Active {
            return Err(Refused::StateNominee(nominee, record.status));
        }
        Ok(Nominated { college, by, nomination: Nomination { nominee, reason, text } })
    }
}

impl Effect for Nominated {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Nomination>((self.college, self.by), self.nomination.clone());
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let organisations = [self.by, self.nomination.nominee];
        let college = RecordRef::of::<College>(&self.college);
        organisations.iter().map(RecordRef::of::<Organisation>).chain([college]).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, id},
    };

    impl IntoPayload for Nominate {
        fn into_payload(self) -> Payload {
            Payload::Nominate(self)
        }
    }

    pub(crate) fn nomination(college: &str, nominee: &str) -> Nominate {
        Nominate {
            college: CollegeCode::new(college).unwrap(),
            nominee: id(nominee),
            reason: ReasonCode::new("experience").unwrap(),
            text: fixture::commitment(nominee),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        network.suspend("consumers");
        network.edit(|state| {
            state.update::<Organisation>(&id("region"), |region| region.offices[0].roles = vec![Role::Reviewer]);
        });
        let nobody = Nominate { nominee: OrganisationId::ZERO, ..nomination("funders", "asso1") };
        let reached = [
            network.refusal("consumers", nomination("users", "asso1")),
            network.refusal("region", nomination("funders", "asso1")),
            network.refusal("bank", nomination("users", "asso1")),
            network.refusal("bank", nomination("none", "asso1")),
            network.refusal("bank", nobody),
            network.refusal("bank", nomination("funders", "bank_branch")),
            network.refusal("bank", nomination("funders", "consumers")),
        ];
        fixture::assert_all_reached(Kind::Nominate, &reached);
    }

    #[test]
    fn a_later_nomination_of_a_seat_replaces_the_earlier_one() {
        let mut network = fixture::network();
        fixture::assert_round_trips(&nomination("funders", "asso1").into_payload());
        for nominee in ["asso1", "asso2"] {
            network.run("bank", nomination("funders", nominee)).unwrap();
        }
        let named = nominations_in(&network.state.overlay(), &CollegeCode::new("funders").unwrap());
        assert_eq!(named.iter().map(|(by, said)| (*by, said.nominee)).collect::<Vec<_>>(), [(id("bank"), id("asso2"))]);
    }
}
