//! `submit_evidence`: the lead beneficiary shows what it did for a tranche.
//!
//! - Allowed: the lead, by an office that may use the role beneficiary; also while it is suspended.
//! - Effect: the tranche's first part that is planned or rejected waits for judges. Expenses and contributions in kind are memo.
//! - Source: rulebook §7 and §17, 0802.

use super::grant::{Grant, GrantStatus, PartStatus};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    application::application::TrancheKind,
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{
        organisation::Organisation,
        project::Project,
        role::{Role, Scope},
        territory::Territory,
    },
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// Entries of a list, at most.
const LIST: usize = 64;

message! {
    /// An expense; memo only.
    pub struct Expense = Expense {
        /// Budget line.
        pub line: Name,
        /// How much.
        pub amount: Amount [required],
        /// Territory of the supplier.
        pub territory: Option<TerritoryCode>,
    }

    /// Something contributed that is not money; memo only.
    pub struct InKind = InKind {
        /// Unit.
        pub unit: Name,
        /// How many.
        pub quantity: u64,
    }

    /// The payload.
    pub struct SubmitEvidence = SubmitEvidence {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Commitments to documents.
        pub documents: Vec<Commitment>,
        /// What was spent.
        pub expenses: Vec<Expense>,
        /// What was contributed otherwise.
        pub in_kind: Vec<InKind>,
    }

    /// The event.
    pub struct EvidenceSubmitted = EvidenceSubmitted {
        /// Which grant.
        pub grant: GrantId,
        /// Which tranche.
        pub tranche: u32,
        /// Which part of it, from 0.
        pub part: u32,
        /// From 1; one more after each rejection.
        pub submission: u32,
        /// Commitments to documents.
        pub documents: Vec<Commitment>,
        /// What was spent.
        pub expenses: Vec<Expense>,
        /// What was contributed otherwise.
        pub in_kind: Vec<InKind>,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    AmountBounds(Amount): Amount 1 "{0} is outside 1 ..= 10^15 minor units", "an expense is 0 or above the bound";
    LimitLists(usize): Limit 1 "a list of {0} entries; 64 are allowed", "a list is too long";
    PersonalDataText(Name): PersonalData 1 "{0:?} looks like personal data", "a budget line or a unit looks like personal data";
    signer;
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    UnknownTranche(u32): Unknown 2 "the grant has no tranche {0}", "the grant has no such tranche";
    TerritoryUnknown(TerritoryCode): Territory 1 "territory {0} does not exist", "a supplier's territory does not exist";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is not signed by all, is suspended, or has ended";
    StateAdvance(u32): State 2 "tranche {0} is an advance", "an advance needs no evidence";
    StateTranche(u32): State 3 "no part of tranche {0} is planned or rejected", "no part of the tranche waits for evidence";
    StateEarlier(u32, u32): State 4 "tranche {1} before tranche {0} has no accepted evidence", "an earlier tranche lacks accepted evidence";
    EvidenceMissing(usize, u32): Evidence 1 "{0} documents, {1} are needed", "there are fewer documents than the tranche needs";
}
signer_refusals!(Refused);

impl Action for SubmitEvidence {
    type Event = EvidenceSubmitted;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let amounts = self.expenses.iter().map(|expense| expense.amount);
        if let Some(amount) = amounts.into_iter().find(|amount| !amount.is_valid_positive()) {
            return Err(Refused::AmountBounds(amount));
        }
        for length in [self.documents.len(), self.expenses.len(), self.in_kind.len()] {
            if length > LIST {
                return Err(Refused::LimitLists(length));
            }
        }
        let lines = self.expenses.iter().map(|expense| &expense.line);
        let units = self.in_kind.iter().map(|given| &given.unit);
        match lines.chain(units).find(|text| personal_data::scan(text).is_some()) {
            Some(text) => Err(Refused::PersonalDataText(text.clone())),
            None => Ok(()),
        }
    }

    fn cost(&self) -> u64 {
        BASE_COST + (self.documents.len() + self.expenses.len() + self.in_kind.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<EvidenceSubmitted, Refused> {
        let Self { grant: id, tranche: number, documents, expenses, in_kind } = self.clone();

        cx.authorise_even_suspended(state, Role::Beneficiary, Scope::Network)?;
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        let lead = grant.lead();
        if lead != cx.organisation {
            return Err(Refused::RoleMissing(format!("organisation {} does not lead grant {id}", cx.organisation)));
        }
        let tranche = grant.tranche(number).ok_or(Refused::UnknownTranche(number))?;
        let territories = expenses.iter().filter_map(|expense| expense.territory);
        if let Some(territory) = territories.into_iter().find(|territory| !state.has::<Territory>(territory)) {
            return Err(Refused::TerritoryUnknown(territory));
        }
        if !grant.is_running() {
            return Err(Refused::StateGrant(id, grant.status));
        }
        if tranche.kind == TrancheKind::Advance {
            return Err(Refused::StateAdvance(number));
        }
        let waiting = tranche.part_in(&[PartStatus::Planned, PartStatus::Rejected]);
        let (part, record) = waiting.ok_or(Refused::StateTranche(number))?;
        if let Some(earlier) = grant.unproven_before(number) {
            return Err(Refused::StateEarlier(number, earlier));
        }
        if (documents.len() as u64) < u64::from(tranche.evidence_needed) {
            return Err(Refused::EvidenceMissing(documents.len(), tranche.evidence_needed));
        }
        Ok(EvidenceSubmitted {
            grant: id,
            tranche: number,
            part,
            submission: record.rejections + 1,
            documents,
            expenses,
            in_kind,
            project: grant.project,
            lead,
        })
    }
}

impl Effect for EvidenceSubmitted {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            let part = grant.part_mut(self.tranche, self.part);
            part.status = PartStatus::EvidenceSubmitted;
            part.judgements.clear();
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        application::fixture::{Step, Trial, assert_precedence},
        fixture::{assert_round_trips, commitment, id, name},
        grant::fixture::*,
        registry::organisation::Status,
    };

    fn faulty() -> Trial<SubmitEvidence> {
        let (mut network, grant) = active();
        network.edit(|state| {
            state.update::<Grant>(&grant, |record| {
                record.status = GrantStatus::Closed;
                record.part_mut(3, 0).status = PartStatus::Accepted;
            });
        });
        let mut act = evidence(GrantId::ZERO, 9);
        act.documents.clear();
        act.in_kind = vec![InKind { unit: name("someone@example.org"), quantity: 1 }; 65];
        let territory = Some(TerritoryCode::new("99").unwrap());
        act.expenses = vec![Expense { line: name("Salaires"), amount: Amount::eur(0), territory }];
        let mut trial = Trial::faulty(network, "asso1", act);
        trial.status("asso1", Status::Closed);
        trial
    }

    #[test]
    fn evidence_is_refused_in_order_of_precedence() {
        let steps: &[Step<SubmitEvidence>] = &[
            ("AmountBounds", |t| t.act.expenses[0].amount = Amount::eur(1)),
            ("LimitLists", |t| t.act.in_kind.truncate(64)),
            ("PersonalDataText", |t| t.act.in_kind.clear()),
            ("Suspended", |t| t.status("asso1", Status::Suspended)),
            ("RoleMissing", |t| t.sign()),
            ("UnknownGrant", |t| t.act.grant = only(t)),
            ("UnknownTranche", |t| t.act.tranche = 1),
            ("TerritoryUnknown", |t| t.act.expenses[0].territory = Some(TerritoryCode::new("44").unwrap())),
            ("StateGrant", |t| edit(t, |record| record.status = GrantStatus::Active)),
            ("StateAdvance", |t| t.act.tranche = 3),
            ("StateTranche", |t| edit(t, |record| record.part_mut(3, 0).status = PartStatus::Rejected)),
            ("StateEarlier", |t| edit(t, |record| record.part_mut(2, 0).status = PartStatus::Accepted)),
            ("EvidenceMissing", |t| t.act.documents = vec![commitment("report")]),
        ];
        assert_precedence(Kind::SubmitEvidence, faulty(), Payload::SubmitEvidence, steps);
    }

    #[test]
    fn only_the_lead_reports_even_while_it_is_suspended() {
        let (mut network, grant) = active();
        let mut act = evidence(grant, 2);
        act.expenses = vec![Expense { line: name("Salaires"), amount: Amount::eur(5), territory: None }];
        let act = Payload::SubmitEvidence(act);
        assert_round_trips(&act);
        assert_eq!(network.refusal("asso2", act.clone()), "RoleMissing");
        network.suspend("asso1");
        run(&mut network, "asso1", act);
        assert_eq!(record(&network, grant).tranche(2).unwrap().parts[0].status, PartStatus::EvidenceSubmitted);
        assert_eq!(record(&network, grant).lead(), id("asso1"));
    }
}
