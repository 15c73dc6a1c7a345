//! `terminate_grant`: an ordonnateur breaks a grant off, or gives up its conditional tranches from a year on.
//!
//! - Allowed: an active organisation with the role ordonnateur over the fund, of no group that benefits.
//! - Effect: what is not accepted goes back: encumbered → envelope. What is accepted, ordered or on its way is still paid; the final report, or a
//!   clawback, settles the rest. With a year, only tranches of that year and later ones are given up, and the grant goes on: the first year is
//!   firm, later ones are conditional.
//! - Source: rulebook §7 (terminated; multi-year); table A, cancelled.

use super::{
    file_final_report::CancelledPart,
    grant::{Grant, GrantStatus, PartStatus},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    history::{RecordRef, distinct},
    refusal::{posting_refusals, refusals, signer_refusals},
    registry::{
        fund::Fund,
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
    },
    signer::{Context, first_of_group},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct TerminateGrant = TerminateGrant {
        /// Which grant.
        pub grant: GrantId,
        /// Only tranches of this budget year and later ones; `None`: the whole grant.
        pub from_year: Option<u32>,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }

    /// The event.
    pub struct GrantTerminated = GrantTerminated {
        /// Which grant.
        pub grant: GrantId,
        /// Only tranches of this budget year and later ones; `None`: the whole grant.
        pub from_year: Option<u32>,
        /// Why.
        pub reason: ReasonCode,
        /// Hash of the document that explains it.
        pub document: Commitment,
        /// What goes back to the envelope.
        pub cancelled: Vec<CancelledPart>,
        /// Who did.
        pub ordonnateur: OrganisationId,
        /// The fund.
        pub fund: FundCode,
        /// Encumbered → envelope.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all, or has ended";
    StateFirm(u32): State 2 "tranches of {0} are firm, or there are none that could be given up", "the year is the first one, or nothing of it and later ones can be given up";
    Insufficient(PostingError): Insufficient 1 "{0}", "what is reserved for the grant does not hold what goes back";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for TerminateGrant {
    type Event = GrantTerminated;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<GrantTerminated, Refused> {
        let Self { grant: id, from_year, reason, document } = *self;

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
        let parties = grant.parties.iter().map(|party| party.organisation);
        if let Some(party) = first_of_group(state, &cx.organisation, parties) {
            return Err(Refused::SegregationBeneficiary(party));
        }
        if !grant.is_running() && grant.status != GrantStatus::Suspended {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let cancelled = given_up(grant, from_year);
        if let Some(year) = from_year
            && (year <= grant.first_year() || cancelled.is_empty())
        {
            return Err(Refused::StateFirm(year));
        }
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(grant.encumbered(&id), grant.source(), cancelled.iter().map(|part| part.amount).sum());
        let postings = movement.check(state)?;
        Ok(GrantTerminated {
            grant: id,
            from_year,
            reason,
            document,
            cancelled,
            ordonnateur: cx.organisation,
            fund: grant.fund,
            postings,
            project: grant.project,
            lead: grant.lead(),
        })
    }
}

/// The parts that nobody has accepted, of tranches from a year on.
fn given_up(grant: &Grant, from_year: Option<u32>) -> Vec<CancelledPart> {
    let open = [PartStatus::Planned, PartStatus::EvidenceSubmitted, PartStatus::Rejected];
    let tranches = grant.tranches.iter().filter(|tranche| from_year.is_none_or(|year| tranche.budget_year >= year));
    let parts =
        tranches.flat_map(|tranche| (0..).zip(&tranche.parts).map(|(part, record)| (tranche.number, part, record)));
    parts
        .filter(|(_, _, record)| open.contains(&record.status))
        .map(|(tranche, part, record)| CancelledPart { tranche, part, amount: record.amount })
        .collect()
}

impl Effect for GrantTerminated {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            for CancelledPart { tranche, part, amount } in &self.cancelled {
                grant.cancel_part(*tranche, *part, *amount);
            }
            if self.from_year.is_none() {
                grant.status = GrantStatus::Terminated;
            }
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.ordonnateur),
        ])
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{DAY, assert_round_trips, commitment},
        grant::{file_final_report::FileFinalReport, fixture::*},
    };

    fn termination(grant: GrantId, from_year: Option<u32>) -> TerminateGrant {
        let (reason, document) = (ReasonCode::new("not_done").unwrap(), commitment("termination"));
        TerminateGrant { grant, from_year, reason, document }
    }

    #[test]
    fn a_termination_is_refused_in_order_of_precedence() {
        let (mut network, grant) = offered();
        give(&mut network, "asso1_branch", Role::Ordonnateur);
        let steps: &[Step<TerminateGrant>] = &[
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Suspended)),
            ("StateFirm", |t| {
                t.act.from_year = None;
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, -999_999);
            }),
            ("Insufficient", |t| {
                let grant = record(&t.network, t.act.grant);
                set_balance(t, grant.encumbered(&t.act.grant), -1_000_000);
                set_balance(t, grant.source(), i128::MIN);
            }),
            ("Overflow", |t| {
                let source = record(&t.network, t.act.grant).source();
                set_balance(t, source, 0);
            }),
        ];
        let trial = Trial::faulty(network, "lab", termination(grant, Some(2027)));
        assert_precedence(Kind::TerminateGrant, trial, Payload::TerminateGrant, steps);
    }

    #[test]
    fn what_is_accepted_when_a_grant_is_broken_off_is_still_paid_and_the_rest_goes_back() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::TerminateGrant(termination(grant, None)));
        pay(&mut network, grant, 1, 1, 300_000);
        judge(&mut network, grant, 2, 500_000, 500_000);
        let source = record(&network, grant).source();
        let before = credit_of(&network, &source);
        run(&mut network, "region", Payload::TerminateGrant(termination(grant, None)));
        assert_eq!(record(&network, grant).status, GrantStatus::Terminated);
        assert_eq!(credit_of(&network, &source), before + 500_000);
        assert_eq!(network.refusal("asso1", Payload::SubmitEvidence(evidence(grant, 3))), "StateGrant");
        pay(&mut network, grant, 2, 1, 200_000);
        // The lead reports what it cost, and the ordonnateur confirms it.
        let report = FileFinalReport { grant, actual_cost: Amount::eur(0), report: commitment("final report") };
        for party in ["asso1", "region"] {
            run(&mut network, party, Payload::FileFinalReport(report.clone()));
        }
        assert_eq!(record(&network, grant).clawed, 500_000);
    }

    #[test]
    fn later_years_are_conditional_and_can_be_given_up_alone() {
        let (mut network, grant) = active();
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| record.tranche_mut(3).budget_year = 2028);
        });
        pay(&mut network, grant, 1, 1, 300_000);
        assert_eq!(network.refusal("region", Payload::TerminateGrant(termination(grant, Some(2027)))), "StateFirm");
        assert_eq!(network.refusal("region", Payload::TerminateGrant(termination(grant, Some(2029)))), "StateFirm");
        run(&mut network, "region", Payload::TerminateGrant(termination(grant, Some(2028))));
        let after = record(&network, grant);
        assert_eq!(after.status, GrantStatus::Active);
        assert_eq!(after.tranche(3).unwrap().parts[0].status, PartStatus::Cancelled);
        assert_eq!(after.tranche(2).unwrap().parts[0].status, PartStatus::Planned);
    }

    #[test]
    fn a_tranche_of_a_later_year_is_not_ordered_before_that_year() {
        let (mut network, grant) = active();
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| record.tranche_mut(2).budget_year = 2028);
        });
        let mut act = order(grant, 2, 400_000);
        act.budget_year = 2028;
        network.advance(300 * DAY);
        assert_eq!(network.refusal("region", Payload::OrderPayment(act.clone())), "DateConditional");
        network.advance(60 * DAY);
        run(&mut network, "region", Payload::OrderPayment(act));
    }
}
