//! `amend_grant`: a party signs an amendment of the convention; with the last signature it is in force.
//!
//! - Allowed: each beneficiary, by an office that may use that role; and an active organisation with the role ordonnateur over the fund, of no group that
//!   benefits, reviewed or manages the programme.
//! - Effect: signatures gather over one amendment; another one replaces it. In force, it changes the convention, the payee's account, and tranches: those
//!   of which nothing has happened as a whole (an amount of 0 drops one, a new number adds one), others their due date and budget year. What is
//!   given up goes encumbered → envelope. A grant may be raised again up to what the colleges awarded, never above (I10).
//! - The call's limits on advances and balance hold where an amendment moves towards them.
//! - Source: rulebook §3 (awarded ± amendments), §7.

use super::{
    grant::{AmendedTranche, Amendment, Convention, Grant, GrantStatus, Part, PartStatus, PendingAmendment, Tranche},
    offer::{nearly, reaches, within},
    sign_convention::{Capacity, capacity},
};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Action, BASE_COST, Effect, Place},
    application::application::TrancheKind,
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

/// Tranches of a grant, at most.
const TRANCHES: usize = 12;

message! {
    /// The payload.
    pub struct AmendGrant = AmendGrant {
        /// Which grant.
        pub grant: GrantId,
        /// What is signed.
        pub amendment: Amendment [required],
    }

    /// The event.
    pub struct GrantAmended = GrantAmended {
        /// Which grant.
        pub grant: GrantId,
        /// Who signed.
        pub party: OrganisationId,
        /// As what.
        pub signs_as: Capacity,
        /// What is signed.
        pub amendment: Amendment [required],
        /// Whether it was the last signature: it is in force.
        pub complete: bool,
        /// Minor units that the tranches sum to in force; 0 before.
        pub total: u64,
        /// The fund.
        pub fund: FundCode,
        /// Encumbered → envelope, or the other way.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    LimitTranches(usize): Limit 1 "{0} tranches; 12 in ascending order are allowed", "there are more than 12 tranches, or their numbers do not ascend";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    SegregationBeneficiary(OrganisationId): Segregation 1 "the signer is of the group of beneficiary {0}", "the ordonnateur's group benefits";
    SegregationReviewer(OrganisationId): Segregation 2 "the signer is of the group of reviewer {0}", "the ordonnateur's group reviewed the application or judged evidence";
    SegregationManager(OrganisationId): Segregation 3 "the signer is of the group of programme manager {0}", "the ordonnateur's group opened the call or screened the application";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is neither active nor suspended";
    StateSigned(Capacity): State 2 "the {0} has signed", "the party has signed this amendment already";
    StateTranche(u32): State 3 "something has happened of tranche {0}, or its kind changes", "more of a tranche changes than may, or a new one has no amount or a number between others";
    DateFuture(LegalDate, LegalDate): Date 1 "date {0} is after today, {1}", "the date is in the future";
    LimitTotal(usize): Limit 2 "{0} tranches in all; 12 are allowed", "the grant would have more than 12 tranches";
    AmountTotal(u128, u64): Amount 1 "the tranches sum to {0} minor units, at most {1} were awarded", "the tranches sum to nothing, or to more than was awarded";
    AmountAdvance(u64, Ppm): Amount 2 "advances of {0} minor units, at most {1} of the grant are allowed", "the advances grow beyond the call's limit";
    AmountRetention(u64, Ppm): Amount 3 "a balance of {0} minor units, at least {1} of the grant are needed", "the balance shrinks below the call's retention";
    Insufficient(PostingError): Insufficient 1 "{0}", "the envelope, or what is reserved for the grant, does not hold the difference";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
signer_refusals!(Refused);
posting_refusals!(Refused);

impl Action for AmendGrant {
    type Event = GrantAmended;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let ascend = self.amendment.tranches.windows(2).all(|pair| pair[0].number < pair[1].number);
        let count = self.amendment.tranches.len();
        if count <= TRANCHES && ascend { Ok(()) } else { Err(Refused::LimitTranches(count)) }
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.amendment.tranches.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<GrantAmended, Refused> {
        let Self { grant: id, amendment } = self.clone();

        cx.active(state)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        let signs_as = capacity(grant, &cx.organisation);
        match signs_as {
            Capacity::Beneficiary => cx.authorise(state, Role::Beneficiary, Scope::Network)?,
            Capacity::Ordonnateur => {
                cx.authorise(state, Role::Ordonnateur, Scope::Fund(grant.fund))?;
                check_segregation(grant, &cx.organisation, state)?;
            }
        }
        if !matches!(grant.status, GrantStatus::Active | GrantStatus::Suspended) {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let pending = grant.pending(&amendment);
        if pending.has_signed(signs_as, &cx.organisation) {
            return Err(Refused::StateSigned(signs_as));
        }
        let tranches = amended(grant, &amendment)?;
        let today = cx.place.date();
        if amendment.date > today {
            return Err(Refused::DateFuture(amendment.date, today));
        }
        let total = check_amounts(grant, &tranches, state)?;
        let complete = pending.with(signs_as, cx.organisation).is_complete(grant);
        let mut movement = Movement::in_fund(grant.fund);
        if complete {
            let (before, reserved, source) = (grant.total(), grant.encumbered(&id), grant.source());
            movement.transfer(reserved.clone(), source.clone(), before.saturating_sub(total));
            movement.transfer(source, reserved, total.saturating_sub(before));
        }
        let postings = movement.check(state)?;
        Ok(GrantAmended {
            grant: id,
            party: cx.organisation,
            signs_as,
            amendment,
            complete,
            total: if complete { total } else { 0 },
            fund: grant.fund,
            postings,
            project: grant.project,
            lead: grant.lead(),
        })
    }
}

fn check_segregation(grant: &Grant, signer: &OrganisationId, state: &Overlay<'_>) -> Result<(), Refused> {
    if let Some(party) = first_of_group(state, signer, grant.parties.iter().map(|party| party.organisation)) {
        return Err(Refused::SegregationBeneficiary(party));
    }
    if let Some(reviewer) = first_of_group(state, signer, grant.reviewers(state)) {
        return Err(Refused::SegregationReviewer(reviewer));
    }
    match first_of_group(state, signer, grant.managers(state)) {
        Some(manager) => Err(Refused::SegregationManager(manager)),
        None => Ok(()),
    }
}

/// The tranches that an amendment makes of those of a grant.
fn amended(grant: &Grant, amendment: &Amendment) -> Result<Vec<Tranche>, Refused> {
    let mut tranches = grant.tranches.clone();
    for line in &amendment.tranches {
        match tranches.iter_mut().find(|tranche| tranche.number == line.number) {
            Some(tranche) if tranche.kind != line.kind => return Err(Refused::StateTranche(line.number)),
            Some(tranche) if is_untouched(tranche) => *tranche = planned(line),
            Some(tranche) => {
                let criteria = (tranche.amount, tranche.criteria, tranche.evidence_needed);
                if criteria != (line.amount, line.criteria, line.evidence_needed) {
                    return Err(Refused::StateTranche(line.number));
                }
                tranche.due = line.due;
                tranche.budget_year = line.budget_year;
            }
            None => {
                let last = tranches.last().map_or(0, |tranche| tranche.number);
                if line.amount == 0 || line.number <= last {
                    return Err(Refused::StateTranche(line.number));
                }
                tranches.push(planned(line));
            }
        }
    }
    tranches.retain(|tranche| tranche.amount > 0);
    Ok(tranches)
}

/// Whether nothing has happened of a tranche.
fn is_untouched(tranche: &Tranche) -> bool {
    tranche.attempts == 0
        && tranche
            .parts
            .iter()
            .all(|part| part.status == PartStatus::Planned && part.rejections == 0 && part.ordered_by.is_none())
}

fn planned(line: &AmendedTranche) -> Tranche {
    let AmendedTranche { number, kind, amount, due, budget_year, criteria, evidence_needed } = *line;
    let parts = vec![Part::planned(amount)];
    Tranche { number, kind, amount, due, budget_year, criteria, evidence_needed, parts, attempts: 0, regranted: 0 }
}

/// What the tranches sum to, if that, their advances and their balance are allowed.
fn check_amounts(grant: &Grant, tranches: &[Tranche], state: &Overlay<'_>) -> Result<u64, Refused> {
    if tranches.len() > TRANCHES {
        return Err(Refused::LimitTotal(tranches.len()));
    }
    let sum: u128 = tranches.iter().map(|tranche| u128::from(tranche.amount)).sum();
    let total = u64::try_from(sum).ok().filter(|total| (1..=grant.awarded.minor).contains(total));
    let total = total.ok_or(Refused::AmountTotal(sum, grant.awarded.minor))?;
    let Some(call) = state.get::<Call>(&grant.call) else { return Ok(total) };
    let of_kind = |tranches: &[Tranche], kind: TrancheKind| -> (u64, u64) {
        let found = tranches.iter().filter(|tranche| tranche.kind == kind);
        found.fold((0, 0), |(count, sum), tranche| (count + 1, sum + tranche.amount))
    };
    let (count, advance) = of_kind(tranches, TrancheKind::Advance);
    let (limit, grows) = (call.advance_max_ppm, advance > of_kind(&grant.tranches, TrancheKind::Advance).1);
    if grows && !within(advance, total, limit) && !nearly(advance, total, limit, count) {
        return Err(Refused::AmountAdvance(advance, limit));
    }
    let (count, balance) = of_kind(tranches, TrancheKind::Balance);
    let (limit, shrinks) = (call.retention_min_ppm, balance < of_kind(&grant.tranches, TrancheKind::Balance).1);
    if shrinks && !reaches(balance, total, limit) && !nearly(balance, total, limit, count) {
        return Err(Refused::AmountRetention(balance, limit));
    }
    Ok(total)
}

impl Grant {
    /// The signatures under an amendment: none if another one, or none, is being signed.
    fn pending(&self, amendment: &Amendment) -> PendingAmendment {
        let same = |pending: &&PendingAmendment| pending.amendment == *amendment;
        let none = || PendingAmendment { amendment: amendment.clone(), signed: vec![], ordonnateur: None };
        self.pending_amendment.as_ref().filter(same).cloned().unwrap_or_else(none)
    }
}

impl PendingAmendment {
    fn has_signed(&self, signs_as: Capacity, party: &OrganisationId) -> bool {
        match signs_as {
            Capacity::Ordonnateur => self.ordonnateur.is_some(),
            Capacity::Beneficiary => self.signed.contains(party),
        }
    }

    fn with(mut self, signs_as: Capacity, party: OrganisationId) -> Self {
        match signs_as {
            Capacity::Ordonnateur => self.ordonnateur = Some(party),
            Capacity::Beneficiary => self.signed.push(party),
        }
        self
    }

    fn is_complete(&self, grant: &Grant) -> bool {
        self.ordonnateur.is_some() && self.signed.len() == grant.parties.len()
    }
}

impl Effect for GrantAmended {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        let Self { grant, party, signs_as, amendment, complete, total, .. } = self;
        state.update::<Grant>(grant, |record| {
            let signed = record.pending(amendment).with(*signs_as, *party);
            if !complete {
                record.pending_amendment = Some(signed);
                return;
            }
            record.pending_amendment = None;
            record.tranches = amended(record, amendment).expect("decide: the amendment fits");
            record.lowered = record.awarded.minor - total;
            let known = record.convention.as_ref().and_then(|signed| signed.payee_account);
            let Amendment { convention, date, payee_account, .. } = amendment;
            let payee_account = payee_account.or(known);
            record.convention = Some(Convention { commitment: *convention, date: *date, payee_account });
            let newcomer = signed.ordonnateur.filter(|one| !record.amended_by.contains(one));
            record.amended_by.extend(newcomer);
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        distinct(vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Organisation>(&self.lead),
            RecordRef::of::<Organisation>(&self.party),
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
        action::{Event, Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{Network, assert_round_trips, commitment, id},
        grant::fixture::*,
    };

    fn line(number: u32, kind: TrancheKind, amount: u64) -> AmendedTranche {
        AmendedTranche {
            number,
            kind,
            amount,
            due: LegalDate::new(2028, 6, 1).unwrap(),
            budget_year: 2028,
            criteria: commitment("criteria"),
            evidence_needed: 1,
        }
    }

    fn amendment(network: &Network, grant: GrantId, tranches: Vec<AmendedTranche>) -> AmendGrant {
        let (convention, date) = (commitment("amendment"), network.today());
        AmendGrant { grant, amendment: Amendment { convention, date, payee_account: None, tranches } }
    }

    /// All parties sign.
    fn amend(network: &mut Network, act: &AmendGrant) -> GrantAmended {
        for party in ["asso2", "region", "asso1"] {
            let Event::AmendGrant(amended) = run(network, party, Payload::AmendGrant(act.clone())) else { panic!() };
            if amended.complete {
                return amended;
            }
        }
        panic!("all have signed")
    }

    #[test]
    fn an_amendment_is_refused_in_order_of_precedence() {
        use TrancheKind::{Advance, Balance, Interim};
        let (mut network, grant) = active();
        for organisation in ["asso1_branch", "federation", "foundation"] {
            give(&mut network, organisation, Role::Ordonnateur);
        }
        let mut act = amendment(&network, grant, (0..13).map(|number| line(13 - number, Interim, 100_000)).collect());
        act.amendment.date = act.amendment.date.plus_days(1).unwrap();
        network.edit(|state| state.update::<Grant>(&grant, |record| record.status = GrantStatus::Offered));
        let steps: &[Step<AmendGrant>] = &[
            ("LimitTranches", |t| {
                t.act.amendment.tranches = (3..15).map(|number| line(number, Interim, 1_000_000)).collect();
            }),
            ("Suspended", |t| t.reinstate()),
            ("RoleMissing", |t| {
                t.sign_as("asso1_branch");
                t.act.grant = GrantId::ZERO;
            }),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("SegregationBeneficiary", |t| t.sign_as("federation")),
            ("SegregationReviewer", |t| t.sign_as("foundation")),
            ("SegregationManager", |t| t.sign_as("region")),
            ("StateGrant", |t| {
                let amendment = t.act.amendment.clone();
                edit(t, |record| {
                    record.status = GrantStatus::Active;
                    record.pending_amendment =
                        Some(PendingAmendment { amendment, signed: vec![], ordonnateur: Some(id("lab")) });
                });
            }),
            ("StateSigned", |t| edit(t, |record| record.pending_amendment = None)),
            ("StateTranche", |t| {
                t.act.amendment.tranches = (4..16).map(|number| line(number, Interim, 1_000_000)).collect();
            }),
            ("DateFuture", |t| t.act.amendment.date = t.network.today()),
            ("LimitTotal", |t| {
                t.act.amendment.tranches = vec![line(2, Interim, 400_001)];
            }),
            ("AmountTotal", |t| {
                t.act.amendment.tranches =
                    vec![line(1, Advance, 350_000), line(2, Interim, 550_000), line(3, Balance, 100_000)];
            }),
            ("AmountAdvance", |t| {
                t.act.amendment.tranches =
                    vec![line(1, Advance, 200_000), line(2, Interim, 400_000), line(3, Balance, 100_000)];
            }),
            ("AmountRetention", |t| {
                t.act.amendment.tranches[2].amount = 300_000;
                let amendment = t.act.amendment.clone();
                let signed = vec![id("asso1"), id("asso2")];
                edit(t, |record| {
                    record.pending_amendment = Some(PendingAmendment { amendment, signed, ordonnateur: None });
                });
                let encumbered = record(&t.network, t.act.grant).encumbered(&t.act.grant);
                set_balance(t, encumbered, -99_999);
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
        assert_precedence(Kind::AmendGrant, Trial::faulty(network, "lab", act), Payload::AmendGrant, steps);
    }

    #[test]
    fn an_amendment_is_in_force_when_all_have_signed_the_same_and_not_before() {
        let (mut network, grant) = active();
        let before = record(&network, grant);
        let envelope = credit_of(&network, &before.source());
        let mut act = amendment(&network, grant, vec![line(2, TrancheKind::Interim, 300_000)]);
        act.amendment.payee_account = Some(commitment("new account"));
        assert_round_trips(&Payload::AmendGrant(act.clone()));
        let other = amendment(&network, grant, vec![]);
        run(&mut network, "asso1", Payload::AmendGrant(other));
        let amended = amend(&mut network, &act);
        assert_eq!((amended.total, record(&network, grant).lowered), (900_000, 100_000));
        assert_eq!(credit_of(&network, &before.source()), envelope + 100_000);
        let after = record(&network, grant);
        assert_eq!(after.tranche(2).unwrap().amount, 300_000);
        assert_eq!(after.convention.unwrap().payee_account, Some(commitment("new account")));
        assert_eq!(after.amended_by, [id("region")]);
    }

    #[test]
    fn a_grant_is_raised_again_up_to_what_was_awarded_and_not_above() {
        let (mut network, grant) = active();
        let lower = amendment(&network, grant, vec![line(2, TrancheKind::Interim, 0)]);
        amend(&mut network, &lower);
        assert_eq!(record(&network, grant).tranche(2), None);
        let above = amendment(&network, grant, vec![line(4, TrancheKind::Interim, 400_001)]);
        assert_eq!(network.refusal("region", Payload::AmendGrant(above)), "AmountTotal");
        let again = amendment(&network, grant, vec![line(4, TrancheKind::Interim, 400_000)]);
        amend(&mut network, &again);
        let after = record(&network, grant);
        assert_eq!((after.lowered, after.total()), (0, 1_000_000));
    }

    #[test]
    fn of_a_tranche_that_is_under_way_only_the_dates_change() {
        let (mut network, grant) = active();
        judge(&mut network, grant, 2, 0, 0);
        let less = amendment(&network, grant, vec![line(2, TrancheKind::Interim, 399_999)]);
        assert_eq!(network.refusal("region", Payload::AmendGrant(less)), "StateTranche");
        let later = amendment(&network, grant, vec![line(2, TrancheKind::Interim, 400_000)]);
        amend(&mut network, &later);
        let tranche = record(&network, grant).tranche(2).unwrap().clone();
        assert_eq!((tranche.budget_year, tranche.parts[0].status), (2028, PartStatus::Rejected));
    }
}
