//! `judge_evidence`: a reviewer says what part of a tranche its evidence bears out.
//!
//! - Allowed: an active organisation with the role reviewer over the grant's call or fund, of no group that benefits, orders, manages or applies in the call.
//! - Effect: with as many judgements as the parameter asks for, the lowest counts: floor(part · ppm / 10^6) can be ordered and the rest stays planned as a
//!   part of its own; nothing rejects the evidence. Evidence may be sent again three times, then the part is cancelled: encumbered → envelope.
//! - A rest counts as turned down once more than the part that it is the rest of, so a tranche has at most five parts.
//! - Source: rulebook §7 and §17, 0803; table A, cancelled.

use super::grant::{Grant, GrantStatus, Judgement, Part, PartStatus};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    application::application::takes_part,
    history::{RecordRef, distinct},
    parameters::Parameter,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group},
    state::Overlay,
    wire::{message, words},
};
use octroi_primitives::*;

/// How often rejected evidence may be sent again (rulebook §7).
pub const RESUBMISSIONS: u32 = 3;

words! {
    /// What a judgement brought about.
    pub enum Verdict {
        /// Other judges are waited for.
        Waiting = "waiting",
        /// All of it can be ordered.
        Accepted = "accepted",
        /// Some of it can be ordered, the rest is a planned part.
        AcceptedInPart = "accepted_in_part",
        /// Evidence may be sent again.
        Rejected = "rejected",
        /// Rejected once too often: the money is back in its envelope.
        Cancelled = "cancelled",
    }
}

message! {
    /// The payload.
    pub struct JudgeEvidence = JudgeEvidence {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// What part is accepted; 0 rejects.
        pub accepted_ppm: Ppm,
        /// Why only a part.
        pub reason: Option<ReasonCode>,
        /// Commitment to the comment.
        pub comment: Commitment,
    }

    /// The event.
    pub struct EvidenceJudged = EvidenceJudged {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// What the judge says.
        pub judgement: Judgement [required],
        /// What it brought about.
        pub verdict: Verdict,
        /// Minor units that can be ordered now.
        pub payable: u64,
        /// Minor units that stay planned, as a new part that was turned down once more.
        pub rest: u64,
        /// A cancelled part goes back to its envelope.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
        /// Minor units of the rest that are back in their envelope: the part was sent too often.
        pub cancelled: u64,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the judge's group benefits";
    SegregationOrdonnateur(OrganisationId): Segregation 2 "the signer is of the group of ordonnateur {0}", "the judge's group signed or ordered as ordonnateur";
    SegregationManager(OrganisationId): Segregation 3 "the signer is of the group of programme manager {0}", "the judge's group opened the call or screened the application";
    ConflictParty(CallId): Conflict 1 "the signer's group applies or partners in call {0}", "the judge's group applied or partnered in the same call";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all, is suspended, or has ended";
    StateTranche(u32): State 2 "no part of tranche {0} waits for judges", "no evidence waits for judges";
    DuplicateGroup(OrganisationId): Duplicate 1 "group {0} has judged this evidence", "the signer's group has judged this evidence";
    EvidenceReason(Ppm): Evidence 1 "{0} without a reason", "evidence is accepted in part without a reason";
    Insufficient(PostingError): Insufficient 1 "{0}", "what is reserved for the grant does not hold the cancelled part";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);

impl From<PostingError> for Refused {
    fn from(error: PostingError) -> Self {
        match error {
            PostingError::Insufficient { .. } => Self::Insufficient(error),
            PostingError::Overflow(_) => Self::Overflow(error),
        }
    }
}

impl Action for JudgeEvidence {
    type Event = EvidenceJudged;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<EvidenceJudged, Refused> {
        let Self { grant: id, tranche: number, accepted_ppm, reason, comment } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise_any(state, Role::Reviewer, &[Scope::Call(grant.call), Scope::Fund(grant.fund)])?;
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        let group = cx.group(state);
        check_segregation(grant, &cx.organisation, state)?;
        if takes_part(state, &grant.call, &group) {
            return Err(Refused::ConflictParty(grant.call));
        }
        if !grant.is_running() {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let waiting = tranche.part_in(&[PartStatus::EvidenceSubmitted]);
        let (part, record) = waiting.ok_or(Refused::StateTranche(number))?;
        if record.judgements.iter().any(|judgement| judgement.group == group) {
            return Err(Refused::DuplicateGroup(group));
        }
        if accepted_ppm > Ppm::ZERO && accepted_ppm < Ppm::ONE && reason.is_none() {
            return Err(Refused::EvidenceReason(accepted_ppm));
        }
        let judgement = Judgement { judge: cx.organisation, group, accepted_ppm, reason, comment };
        let (verdict, payable) = verdict(record, &judgement, state.parameter(Parameter::JudgesMin));
        let left = match verdict {
            Verdict::AcceptedInPart => record.amount - payable,
            Verdict::Cancelled => record.amount,
            Verdict::Waiting | Verdict::Accepted | Verdict::Rejected => 0,
        };
        let (rest, cancelled) = if record.rejections < RESUBMISSIONS { (left, 0) } else { (0, left) };
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(grant.encumbered(&id), grant.source(), cancelled);
        let postings = movement.check(state)?;
        let (project, lead) = (grant.project, grant.lead());
        Ok(EvidenceJudged {
            grant: id,
            tranche: number,
            part,
            judgement,
            verdict,
            payable,
            rest,
            postings,
            project,
            lead,
            cancelled,
        })
    }
}

fn check_segregation(grant: &Grant, signer: &OrganisationId, state: &Overlay<'_>) -> Result<(), Refused> {
    if let Some(party) = first_of_group(state, signer, grant.parties.iter().map(|party| party.organisation)) {
        return Err(Refused::SegregationBeneficiary(party));
    }
    if let Some(ordonnateur) = first_of_group(state, signer, grant.ordonnateurs()) {
        return Err(Refused::SegregationOrdonnateur(ordonnateur));
    }
    match first_of_group(state, signer, grant.managers(state)) {
        Some(manager) => Err(Refused::SegregationManager(manager)),
        None => Ok(()),
    }
}

/// What a further judgement makes of a part, and the minor units that can be ordered of it. A share so small that it pays nothing rejects.
fn verdict(part: &Part, judgement: &Judgement, judges_needed: u64) -> (Verdict, u64) {
    if (part.judgements.len() as u64) + 1 < judges_needed {
        return (Verdict::Waiting, 0);
    }
    let given = part.judgements.iter().map(|earlier| earlier.accepted_ppm);
    let lowest = given.fold(judgement.accepted_ppm, Ord::min);
    let payable = u64::try_from(lowest.floor_of(part.amount.into())).expect("a share is at most the part");
    match payable {
        0 if part.rejections >= RESUBMISSIONS => (Verdict::Cancelled, 0),
        0 => (Verdict::Rejected, 0),
        all if all == part.amount => (Verdict::Accepted, all),
        some => (Verdict::AcceptedInPart, some),
    }
}

impl Effect for EvidenceJudged {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            if !grant.judges.contains(&self.judgement.judge) {
                grant.judges.push(self.judgement.judge);
            }
            let part = grant.part_mut(self.tranche, self.part);
            part.judgements.push(self.judgement.clone());
            match self.verdict {
                Verdict::Waiting => {}
                Verdict::Accepted => part.status = PartStatus::Accepted,
                Verdict::AcceptedInPart => {
                    part.status = PartStatus::Accepted;
                    part.amount = self.payable;
                    // The rest was turned down once more, so that a tranche has at most five parts.
                    let rejections = part.rejections + 1;
                    let rest = match self.cancelled {
                        0 => Part { rejections, ..Part::planned(self.rest) },
                        cancelled => Part { rejections, status: PartStatus::Cancelled, ..Part::planned(cancelled) },
                    };
                    grant.tranche_mut(self.tranche).parts.push(rest);
                }
                Verdict::Rejected => {
                    part.status = PartStatus::Rejected;
                    part.rejections += 1;
                }
                Verdict::Cancelled => {
                    part.status = PartStatus::Cancelled;
                    part.rejections += 1;
                }
            }
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.judgement.judge),
        ])
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Event, Kind, Payload},
        application::{
            application::CallParty,
            fixture::{Step, Trial, assert_precedence},
        },
        fixture::{assert_round_trips, commitment, id},
        grant::fixture::*,
    };

    fn judged_by(organisation: &str) -> Judgement {
        Judgement {
            judge: id(organisation),
            group: id(organisation),
            accepted_ppm: Ppm::ONE,
            reason: None,
            comment: commitment(""),
        }
    }

    fn faulty() -> Trial<JudgeEvidence> {
        let (mut network, grant) = active();
        for organisation in ["asso1_branch", "region", "foundation", "asso3"] {
            give(&mut network, organisation, Role::Reviewer);
        }
        network.edit(|state| {
            let call = state.get::<Grant>(&grant).unwrap().call;
            state.put::<CallParty>((call, id("asso3")), CallParty { applications: 1 });
            state.update::<Grant>(&grant, |record| record.status = GrantStatus::Closed);
        });
        let mut act = judgement(grant, 9, 500_000);
        act.reason = None;
        Trial::faulty(network, "lab", act)
    }

    #[test]
    fn a_judgement_is_refused_in_order_of_precedence() {
        let steps: &[Step<JudgeEvidence>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 2),
            ("SegregationBeneficiary", |t| t.sign_as("region")),
            ("SegregationOrdonnateur", |t| t.sign_as("foundation")),
            ("SegregationManager", |t| t.sign_as("asso3")),
            ("ConflictParty", |t| t.sign_as("federation")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
            ("StateTranche", |t| {
                edit(t, |record| {
                    let part = record.part_mut(2, 0);
                    part.status = PartStatus::EvidenceSubmitted;
                    part.rejections = RESUBMISSIONS;
                    part.judgements = vec![judged_by("federation")];
                });
            }),
            ("DuplicateGroup", |t| t.sign_as("university")),
            ("EvidenceReason", |t| {
                t.act.accepted_ppm = Ppm::ZERO;
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, -399_999);
            }),
            ("Insufficient", |t| {
                let record = record(&t.network, t.act.grant);
                set_balance(t, record.encumbered(&t.act.grant), -400_000);
                set_balance(t, record.source(), i128::MIN);
            }),
            ("Overflow", |t| {
                let source = record(&t.network, t.act.grant).source();
                set_balance(t, source, 0);
            }),
        ];
        assert_precedence(Kind::JudgeEvidence, faulty(), Payload::JudgeEvidence, steps);
    }

    #[test]
    fn the_lowest_share_counts_and_the_rest_stays_planned() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::JudgeEvidence(judgement(grant, 2, 1)));
        judge(&mut network, grant, 2, 1_000_000, 333_333);
        let tranche = record(&network, grant).tranche(2).unwrap().clone();
        let parts: Vec<_> = tranche.parts.iter().map(|part| (part.amount, part.status)).collect();
        // floor(400,000 · 0.333333) = 133,333
        assert_eq!(parts, [(133_333, PartStatus::Accepted), (266_667, PartStatus::Planned)]);

        // The rest is proven and paid on its own.
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        pay(&mut network, grant, 2, 1, 133_333);
        pay(&mut network, grant, 2, 2, 266_667);
        let tranche = record(&network, grant).tranche(2).unwrap().clone();
        assert!(tranche.parts.iter().all(|part| part.status == PartStatus::Paid));
        assert_eq!(tranche.attempts, 2);
    }

    #[test]
    fn evidence_accepted_in_part_four_times_cancels_the_last_rest() {
        let (mut network, grant) = active();
        let before = record(&network, grant);
        for _ in 0..4 {
            judge(&mut network, grant, 2, 500_000, 500_000);
        }
        let tranche = record(&network, grant).tranche(2).unwrap().clone();
        let parts: Vec<_> = tranche.parts.iter().map(|part| (part.amount, part.status, part.rejections)).collect();
        assert_eq!(
            parts,
            [
                (200_000, PartStatus::Accepted, 0),
                (100_000, PartStatus::Accepted, 1),
                (50_000, PartStatus::Accepted, 2),
                (25_000, PartStatus::Accepted, 3),
                (25_000, PartStatus::Cancelled, 4),
            ]
        );
        assert_eq!(credit_of(&network, &before.encumbered(&grant)), 975_000);
        assert_eq!(network.refusal("asso1", Payload::SubmitEvidence(evidence(grant, 2))), "StateTranche");
    }

    #[test]
    fn a_rest_that_was_rejected_in_between_is_cancelled_all_the_sooner() {
        let (mut network, grant) = active();
        judge(&mut network, grant, 2, 500_000, 1_000_000);
        for _ in 0..2 {
            judge(&mut network, grant, 2, 0, 0);
        }
        judge(&mut network, grant, 2, 0, 0);
        let parts = record(&network, grant).tranche(2).unwrap().parts.clone();
        assert_eq!(
            parts.iter().map(|part| part.status).collect::<Vec<_>>(),
            [PartStatus::Accepted, PartStatus::Cancelled]
        );
    }

    #[test]
    fn a_share_that_pays_nothing_rejects() {
        let (mut network, grant) = active();
        judge(&mut network, grant, 2, 2, 1_000_000);
        assert_eq!(record(&network, grant).tranche(2).unwrap().parts[0].status, PartStatus::Rejected);
    }

    #[test]
    fn evidence_is_sent_again_three_times_then_the_part_goes_back_to_its_envelope() {
        let (mut network, grant) = active();
        let before = record(&network, grant);
        let envelope = credit_of(&network, &before.source());
        for round in 1..=3 {
            judge(&mut network, grant, 2, 0, 1_000_000);
            let part = record(&network, grant).tranche(2).unwrap().parts[0].clone();
            assert_eq!((part.status, part.rejections), (PartStatus::Rejected, round));
        }
        run(&mut network, "asso1", Payload::SubmitEvidence(evidence(grant, 2)));
        run(&mut network, "federation", Payload::JudgeEvidence(judgement(grant, 2, 0)));
        let last = run(&mut network, "consumers", Payload::JudgeEvidence(judgement(grant, 2, 0)));
        let Event::JudgeEvidence(judged) = last else { panic!() };
        assert_eq!(judged.verdict, Verdict::Cancelled);
        assert_eq!(credit_of(&network, &before.source()), envelope + 400_000);
        assert_eq!(credit_of(&network, &before.encumbered(&grant)), 600_000);
        assert_eq!(network.refusal("asso1", Payload::SubmitEvidence(evidence(grant, 2))), "StateTranche");
        // What comes after a cancelled tranche may go on.
        run(&mut network, "asso1", Payload::SubmitEvidence(evidence(grant, 3)));
    }
}
