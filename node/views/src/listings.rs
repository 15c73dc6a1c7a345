//! Which lists an event adds to: the one place where views know the kinds.

use crate::lists::List;
use octroi_ledger::{
    Event,
    application::application::Application,
    grant::{
        FundedGrant, GrantOffer,
        declare_past_grant::{PastGrantDeclared, PublishedParty},
        sign_convention::Capacity,
    },
    levy::account::LevyAssessment,
    state::Key,
};
use octroi_primitives::{AssessmentId, Identifier, OrganisationId};
use std::collections::BTreeSet;

/// An object and the list it is added to.
pub(crate) struct Listing {
    pub(crate) list: List,
    pub(crate) object: Vec<u8>,
}

/// What the event adds, in the order of lists. A kind that makes no object that is listed adds nothing.
pub(crate) fn listings(event: &Event) -> Vec<Listing> {
    fn of<K: Key>(object: &K, lists: impl IntoIterator<Item = List>) -> Vec<Listing> {
        lists.into_iter().map(|list| Listing { list, object: object.to_key_bytes() }).collect()
    }
    fn assessment(id: &AssessmentId, assessment: &LevyAssessment) -> Vec<Listing> {
        let LevyAssessment { payer, schedule, .. } = assessment;
        of(id, [List::AssessmentsOfPayer(*payer), List::AssessmentsOfSchedule(*schedule)])
    }
    match event {
        Event::RegisterOrganisation(_)
        | Event::UpdateOrganisation(_)
        | Event::MergeOrganisations(_)
        | Event::RotateKeys(_)
        | Event::UpdateProject(_)
        | Event::Endorse(_)
        | Event::AnnounceReady(_)
        | Event::CastBallot(_)
        | Event::RaiseObjection(_)
        | Event::ResolveObjection(_)
        | Event::AmendChange(_)
        | Event::WithdrawChange(_)
        | Event::Nominate(_)
        | Event::OpenChange(_)
        | Event::ConcludeChange(_)
        | Event::SeatValidator(_)
        | Event::ReportIndicator(_)
        | Event::VerifyIndicator(_)
        | Event::OpenFinding(_)
        | Event::AnswerFinding(_)
        | Event::CloseFinding(_)
        | Event::FileOpinion(_)
        | Event::RecordErasure(_)
        | Event::AdvanceClock(_)
        | Event::AmendCall(_)
        | Event::CancelCall(_)
        | Event::CloseCall(_)
        | Event::WithdrawApplication(_)
        | Event::ExpireCarryOver(_)
        | Event::OpenCampaign(_)
        | Event::Pledge(_)
        | Event::PledgeBatch(_)
        | Event::WithdrawPledge(_)
        | Event::OpenMatching(_)
        | Event::ContributeToProject(_)
        | Event::ChallengeMatching(_)
        | Event::IssueVouchers(_)
        | Event::AssignVoucher(_)
        | Event::RedeemVoucher(_)
        | Event::ExpireVouchers(_)
        | Event::AttestStatement(_)
        | Event::MatchEntry(_)
        | Event::UnmatchEntry(_)
        | Event::OrderRefund(_)
        | Event::BookCost(_)
        | Event::ReleaseRefund(_)
        | Event::FailRefund(_)
        | Event::ContributeInKind(_)
        | Event::ReturnContribution(_)
        | Event::CancelPromise(_)
        | Event::ExpirePromise(_)
        | Event::DeclareGroup(_)
        | Event::AttestUsage(_)
        | Event::DisputeLevy(_)
        | Event::MarkOverdue(_)
        | Event::PrescribeLevy(_)
        | Event::ScreenApplication(_)
        | Event::ReviewApplication(_)
        | Event::SubmitEvidence(_)
        | Event::JudgeEvidence(_)
        | Event::OrderPayment(_)
        | Event::ReleasePayment(_)
        | Event::FailPayment(_)
        | Event::AmendGrant(_)
        | Event::SuspendGrant(_)
        | Event::TerminateGrant(_)
        | Event::ReturnMoney(_)
        | Event::FileFinalReport(_)
        | Event::OpenClawback(_)
        | Event::OffsetClawback(_)
        | Event::LapseOffer(_)
        | Event::RefusePayment(_)
        | Event::CancelOrder(_) => Vec::new(),
        Event::PromiseContribution(event) => {
            of(&event.promise, [List::PromisesOfFunder(event.funder), List::PromisesToFund(event.fund)])
        }
        Event::RegisterProject(event) => {
            of(&event.id, [List::ProjectsOfOrganisation(event.project.holder), List::Projects])
        }
        Event::DeclareLevy(event) => of(&event.id, [List::DeclarationsOfPayer(event.declaration.payer)]),
        Event::AssessLevy(event) => assessment(&event.id, &event.assessment),
        Event::ReassessLevy(event) => assessment(&event.id, &event.assessment),
        Event::AssessByDefault(event) => {
            let declaration = &event.assessed.assessment.declaration;
            let mut added = of(declaration, [List::DeclarationsOfPayer(event.declaration.payer)]);
            added.extend(assessment(&event.assessed.id, &event.assessed.assessment));
            added
        }
        Event::AnswerDispute(event) => match &event.accepted {
            Some(accepted) => assessment(&accepted.id, &accepted.assessment),
            None => Vec::new(),
        },
        Event::ClosePeriod(event) => of(&event.period, [List::PeriodsOfFund(event.fund)]),
        Event::CloseDuePeriod(event) => match &event.closed {
            Some(closed) => of(&closed.period, [List::PeriodsOfFund(closed.fund)]),
            None => Vec::new(),
        },
        Event::SubmitApplication(event) => {
            let Application { call, project, .. } = &event.application;
            let parties: BTreeSet<OrganisationId> = event.application.parties().collect();
            let of_parties = parties.into_iter().map(List::ApplicationsOfOrganisation);
            of(
                &event.id,
                [List::ApplicationsOfCall(*call), List::ApplicationsOfProject(*project)].into_iter().chain(of_parties),
            )
        }
        // The lead's list has the grant since the award.
        Event::ReviseApplication(event) => {
            of(&event.id, event.joined.iter().copied().map(List::ApplicationsOfOrganisation))
        }
        Event::SignConvention(event) => match event.signs_as {
            Capacity::Beneficiary if event.party != event.lead => {
                of(&event.grant, [List::GrantsOfOrganisation(event.party)])
            }
            Capacity::Beneficiary | Capacity::Ordonnateur => Vec::new(),
        },
        Event::ProposeChange(event) => of(&event.change, [List::Changes]),
        Event::EnactChange(event) => {
            let grants = event.offers.iter().flat_map(|GrantOffer { grant, project, lead, fund, .. }| {
                of(
                    grant,
                    [List::GrantsOfProject(*project), List::GrantsOfOrganisation(*lead), List::GrantsOfFund(*fund)],
                )
            });
            grants.collect()
        }
        Event::SettleCampaign(event) => event.grant.iter().flat_map(funded).collect(),
        Event::SettleMatching(event) => event.grants.iter().flat_map(funded).collect(),
        Event::DeclarePastGrant(event) => of(&event.declaration.key(), past_grant(event)),
        Event::OpenCall(event) => of(&event.id, [List::CallsOfFund(event.call.fund), List::Calls]),
    }
}

/// A grant that donors fund.
fn funded(grant: &FundedGrant) -> Vec<Listing> {
    let FundedGrant { grant, project, lead, fund, .. } = grant;
    let lists = [List::GrantsOfProject(*project), List::GrantsOfOrganisation(*lead), List::GrantsOfFund(*fund)];
    lists.into_iter().map(|list| Listing { list, object: grant.to_key_bytes() }).collect()
}

/// By the parties' verified identifiers, by the registered funder, by year. An identifier whose check digits fail merges nothing.
fn past_grant(event: &PastGrantDeclared) -> Vec<List> {
    fn verified(party: &PublishedParty) -> impl Iterator<Item = Identifier> {
        let published = party.identifiers.iter().filter(|published| published.verified);
        published.map(|published| published.identifier.clone()).collect::<BTreeSet<_>>().into_iter()
    }
    let PastGrantDeclared { id: _, declaration, signer: _, funder, withdraws: _ } = event;
    let beneficiary = verified(&declaration.beneficiary).map(List::PastGrantsOfBeneficiary);
    let funders = verified(&declaration.funder).map(List::PastGrantsOfFunderIdentifier);
    let registered = funder.map(List::PastGrantsOfFunder);
    beneficiary
        .chain(funders)
        .chain(registered)
        .chain([List::PastGrantsOfYear(declaration.date.year().get())])
        .collect()
}
