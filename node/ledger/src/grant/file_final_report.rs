//! `file_final_report`: the lead says what the project cost in the end; the ordonnateur confirms it, and the grant is closed.
//!
//! - Allowed: the lead, by an office that may use the role beneficiary, also while it is suspended; an active organisation with the role ordonnateur over
//!   the fund, of no group that benefits. Both send the same cost and report; until it is confirmed, the lead may file another one.
//! - Effect: final = min(awarded ± amendments, floor(actual eligible cost · aid rate of the call)). What was paid above it is a clawback, which the
//!   two have opened together; accepted parts stay payable up to it, in order; all the rest goes back to the envelope.
//! - Source: rulebook §7, final report; table A, final rest, clawback opened.

use super::{
    clawback::{Clawback, ClawbackReason},
    grant::{FinalReport, Grant, GrantStatus, PartStatus},
    sign_convention::Capacity,
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, Effect, Place},
    call::call::Call,
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
    pub struct FileFinalReport = FileFinalReport {
        /// Which grant.
        pub grant: GrantId,
        /// What the project cost, as far as the call pays for it; 0 if nothing was done.
        pub actual_cost: Amount [required],
        /// Commitment to the report.
        pub report: Commitment,
    }

    /// A part of a tranche that is given back to its envelope.
    pub struct CancelledPart = CancelledPart {
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// Minor units; less than the part where it is only cut.
        pub amount: u64,
    }

    /// The event.
    pub struct FinalReportFiled = FinalReportFiled {
        /// Which grant.
        pub grant: GrantId,
        /// Who filed or confirmed it.
        pub party: OrganisationId,
        /// A beneficiary files, the ordonnateur confirms.
        pub signs_as: Capacity,
        /// What the project cost.
        pub actual_cost: Amount [required],
        /// Commitment to the report.
        pub report: Commitment,
        /// Whether it is confirmed: the grant is closed.
        pub complete: bool,
        /// Minor units that the grant comes to; 0 while it is not confirmed.
        pub final_amount: u64,
        /// What goes back to the envelope.
        pub cancelled: Vec<CancelledPart>,
        /// What was paid too much is to come back.
        pub clawback: Option<ClawbackId>,
        /// How much that is, in minor units.
        pub overpaid: u64,
        /// The fund.
        pub fund: FundCode,
        /// Encumbered → envelope; receivable → uncollected.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is above 10^15 minor units", "the cost is above the bound";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not active, reporting or terminated, or its report is confirmed";
    StateUnfiled(GrantId): State 2 "grant {0} has no such report", "the lead has filed no report, or another one";
    StateUnderWay(u32): State 3 "tranche {0} is ordered or on its way", "a payment is ordered or on its way";
    CurrencyOther(Currency, Currency): Currency 1 "{0} is not the grant's currency {1}", "the cost is in another currency than the grant";
    Insufficient(PostingError): Insufficient 1 "{0}", "what is reserved for the grant does not hold what is left of it";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

/// What a confirmed report brings about.
#[derive(Default)]
struct Settlement {
    final_amount: u64,
    cancelled: Vec<CancelledPart>,
    overpaid: u64,
}

impl Action for FileFinalReport {
    type Event = FinalReportFiled;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        if self.actual_cost.minor <= Amount::MAX_MINOR { Ok(()) } else { Err(Refused::AmountBounds(self.actual_cost)) }
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<FinalReportFiled, Refused> {
        let Self { grant: id, actual_cost, report } = *self;

        cx.present(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        let lead = grant.lead();
        let signs_as = if lead == cx.organisation { Capacity::Beneficiary } else { Capacity::Ordonnateur };
        match signs_as {
            Capacity::Beneficiary => cx.authorise_even_suspended(state, Role::Beneficiary, Scope::Network)?,
            Capacity::Ordonnateur => {
                cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
                let parties = grant.parties.iter().map(|party| party.organisation);
                if let Some(party) = first_of_group(state, &cx.organisation, parties) {
                    return Err(Refused::SegregationBeneficiary(party));
                }
            }
        }
        let confirmed = grant.report.as_ref().is_some_and(|filed| filed.final_amount.is_some());
        if confirmed || !(grant.is_running() || grant.status == GrantStatus::Terminated) {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let filed = FinalReport { actual_cost, report, final_amount: None };
        let complete = signs_as == Capacity::Ordonnateur;
        if complete && grant.report.as_ref() != Some(&filed) {
            return Err(Refused::StateUnfiled(id));
        }
        if complete && let Some(number) = under_way(grant) {
            return Err(Refused::StateUnderWay(number));
        }
        if actual_cost.currency != grant.awarded.currency {
            return Err(Refused::CurrencyOther(actual_cost.currency, grant.awarded.currency));
        }
        let settlement = if complete { settle(grant, actual_cost.minor, state) } else { Settlement::default() };
        let Settlement { final_amount, cancelled, overpaid } = settlement;
        let clawback = (overpaid > 0).then(|| ClawbackId::new(object_id("clawback", &cx.place.transaction)));
        let mut event = FinalReportFiled {
            grant: id,
            party: cx.organisation,
            signs_as,
            actual_cost,
            report,
            complete,
            final_amount,
            cancelled,
            clawback,
            overpaid,
            fund: grant.fund,
            postings: Postings::default(),
            project: grant.project,
            lead,
        };
        let mut movement = Movement::in_fund(grant.fund);
        let rest: u64 = event.cancelled.iter().map(|part| part.amount).sum();
        movement.transfer(grant.encumbered(&id), grant.source(), rest);
        if overpaid > 0 {
            event.overpayment().post_opened(&mut movement);
        }
        event.postings = movement.check(state)?;
        Ok(event)
    }
}

/// The first tranche with a payment that is not settled one way or the other.
fn under_way(grant: &Grant) -> Option<u32> {
    let moving = [PartStatus::Ordered, PartStatus::InTransit, PartStatus::Failed];
    grant.tranches.iter().find(|tranche| tranche.part_in(&moving).is_some()).map(|tranche| tranche.number)
}

/// The final amount, what of the unpaid parts it does not cover, and what was paid above it and is not asked back already.
fn settle(grant: &Grant, actual_cost: u64, state: &Overlay<'_>) -> Settlement {
    let rate = state.get::<Call>(&grant.call).map_or(Ppm::ONE, |call| call.rate_max_ppm);
    let aid = u64::try_from(rate.floor_of(actual_cost.into())).expect("a share of a cost is at most the cost");
    let final_amount = aid.min(grant.total());
    let mut room = final_amount.saturating_sub(grant.held());
    let mut cancelled = Vec::new();
    for tranche in &grant.tranches {
        for (part, record) in (0..).zip(&tranche.parts) {
            let covered = match record.status {
                PartStatus::Accepted => record.amount.min(room),
                PartStatus::Planned | PartStatus::EvidenceSubmitted | PartStatus::Rejected => 0,
                PartStatus::Ordered
                | PartStatus::InTransit
                | PartStatus::Paid
                | PartStatus::Failed
                | PartStatus::Offset
                | PartStatus::Cancelled => continue,
            };
            room -= covered;
            if covered < record.amount {
                cancelled.push(CancelledPart { tranche: tranche.number, part, amount: record.amount - covered });
            }
        }
    }
    Settlement { final_amount, cancelled, overpaid: grant.held().saturating_sub(final_amount).min(grant.refundable()) }
}

impl FinalReportFiled {
    /// The clawback of what was paid too much.
    fn overpayment(&self) -> Clawback {
        let Self { grant, party, actual_cost, report, overpaid, fund, lead, .. } = self;
        Clawback {
            grant: *grant,
            fund: *fund,
            lead: *lead,
            amount: Amount::new(*overpaid, actual_cost.currency),
            reason: ClawbackReason::Overpaid,
            document: *report,
            opened_by: vec![*lead, *party],
            received: 0,
            offset: 0,
            waived: 0,
        }
    }
}

impl Effect for FinalReportFiled {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { grant, actual_cost, report, complete, final_amount, cancelled, clawback, .. } = self;
        state.update::<Grant>(grant, |record| {
            let final_amount = complete.then_some(*final_amount);
            record.report = Some(FinalReport { actual_cost: *actual_cost, report: *report, final_amount });
            for CancelledPart { tranche, part, amount } in cancelled {
                record.cancel_part(*tranche, *part, *amount);
            }
            record.status = match (*complete, record.status) {
                (true, _) => GrantStatus::Closed,
                (false, GrantStatus::Active) => GrantStatus::Reporting,
                (false, status) => status,
            };
        });
        if let Some(id) = clawback {
            self.overpayment().enter(state, *id);
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        let mut subjects = vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.party),
        ];
        subjects.extend(self.clawback.map(|clawback| RecordRef::of::<Clawback>(&clawback)));
        distinct(subjects)
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings).filter(|postings| !postings.legs().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::{Account, balance_of},
        action::{Event, Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{Network, assert_round_trips, commitment, id},
        grant::fixture::*,
    };

    fn report(grant: GrantId, cost: u64) -> FileFinalReport {
        FileFinalReport { grant, actual_cost: Amount::eur(cost), report: commitment("final report") }
    }

    /// `asso1` files, `region` confirms.
    fn close(network: &mut Network, grant: GrantId, cost: u64) -> FinalReportFiled {
        run(network, "asso1", Payload::FileFinalReport(report(grant, cost)));
        assert_ne!(record(network, grant).status, GrantStatus::Closed);
        match run(network, "region", Payload::FileFinalReport(report(grant, cost))) {
            Event::FileFinalReport(filed) => filed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_report_is_refused_in_order_of_precedence() {
        let (mut network, grant) = active();
        give(&mut network, "asso1_branch", Role::Ordonnateur);
        let mut act = report(grant, Amount::MAX_MINOR + 1);
        act.actual_cost.currency = "CHF".parse().unwrap();
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| {
                record.status = GrantStatus::Offered;
                record.part_mut(1, 0).status = PartStatus::Ordered;
            });
        });
        let mut trial = Trial::faulty(network, "lab", act);
        trial.status("lab", crate::registry::organisation::Status::Closed);
        let steps: &[Step<FileFinalReport>] = &[
            ("AmountBounds", |t| t.act.actual_cost.minor = 1),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("region")),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Reporting)),
            ("StateUnfiled", |t| {
                let FileFinalReport { actual_cost, report, .. } = t.act;
                edit(t, |record| record.report = Some(FinalReport { actual_cost, report, final_amount: None }));
            }),
            ("StateUnderWay", |t| edit(t, |record| record.part_mut(1, 0).status = PartStatus::Planned)),
            ("CurrencyOther", |t| {
                t.act.actual_cost.currency = Currency::EUR;
                edit(t, |record| record.report.as_mut().unwrap().actual_cost.currency = Currency::EUR);
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
        assert_precedence(Kind::FileFinalReport, trial, Payload::FileFinalReport, steps);
    }

    #[test]
    fn a_grant_that_cost_what_was_planned_is_closed_and_its_accepted_parts_are_still_paid() {
        let (mut network, grant) = active();
        assert_round_trips(&Payload::FileFinalReport(report(grant, 0)));
        pay(&mut network, grant, 1, 1, 300_000);
        for tranche in [2, 3] {
            judge(&mut network, grant, tranche, 1_000_000, 1_000_000);
        }
        let filed = close(&mut network, grant, 2_000_000);
        assert_eq!((filed.final_amount, filed.overpaid, filed.cancelled.len()), (1_000_000, 0, 0));
        assert_eq!(record(&network, grant).status, GrantStatus::Closed);
        pay(&mut network, grant, 2, 1, 400_000);
        pay(&mut network, grant, 3, 1, 300_000);
        assert_eq!(credit_of(&network, &record(&network, grant).encumbered(&grant)), 0);
        let again = Payload::FileFinalReport(report(grant, 2_000_000));
        assert_eq!(network.refusal("asso1", again), "StateGrant");
    }

    #[test]
    fn a_project_that_cost_less_gets_its_share_and_the_rest_goes_back() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        for tranche in [2, 3] {
            judge(&mut network, grant, tranche, 1_000_000, 1_000_000);
        }
        let source = record(&network, grant).source();
        let before = credit_of(&network, &source);
        // floor(1,000,001 · 70 %) = 700,000: 400,000 of the second tranche are covered, nothing of the third.
        let filed = close(&mut network, grant, 1_000_001);
        assert_eq!(filed.final_amount, 700_000);
        assert_eq!(filed.cancelled, [CancelledPart { tranche: 3, part: 0, amount: 300_000 }]);
        assert_eq!(credit_of(&network, &source), before + 300_000);

        let (mut network, grant) = active();
        judge(&mut network, grant, 2, 1_000_000, 1_000_000);
        // 350,000: the advance was never paid and is no longer, the second tranche is cut.
        let filed = close(&mut network, grant, 500_000);
        let cut = CancelledPart { tranche: 2, part: 0, amount: 50_000 };
        let given_up = [1, 3].map(|tranche| CancelledPart { tranche, part: 0, amount: 300_000 });
        assert_eq!(filed.cancelled, [given_up[0].clone(), cut, given_up[1].clone()]);
        pay(&mut network, grant, 2, 1, 350_000);
    }

    #[test]
    fn what_was_paid_above_the_final_amount_is_a_clawback() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        let filed = close(&mut network, grant, 400_000);
        assert_eq!((filed.final_amount, filed.overpaid), (280_000, 20_000));
        let clawback = network.state.get::<Clawback>(&filed.clawback.unwrap()).unwrap();
        assert_eq!((clawback.open(), clawback.reason), (20_000, ClawbackReason::Overpaid));
        assert_eq!(clawback.opened_by, [id("asso1"), id("region")]);
        assert_eq!(balance_of(&network.state, &Account::ClawbackReceivable { grant }), 20_000);
        assert_eq!(record(&network, grant).refundable(), 280_000);
    }

    #[test]
    fn what_is_asked_back_already_is_not_asked_back_twice() {
        let (mut network, grant) = active();
        pay(&mut network, grant, 1, 1, 300_000);
        open(&mut network, grant, 50_000);
        let filed = close(&mut network, grant, 0);
        assert_eq!((filed.final_amount, filed.overpaid), (0, 250_000));
    }

    #[test]
    fn the_lead_may_file_again_until_the_ordonnateur_confirms_the_same() {
        let (mut network, grant) = active();
        run(&mut network, "asso1", Payload::FileFinalReport(report(grant, 1)));
        assert_eq!(record(&network, grant).status, GrantStatus::Reporting);
        run(&mut network, "asso1", Payload::FileFinalReport(report(grant, 2)));
        assert_eq!(network.refusal("region", Payload::FileFinalReport(report(grant, 1))), "StateUnfiled");
        assert!(network.decide("region", Payload::FileFinalReport(report(grant, 2))).is_ok());
    }
}
