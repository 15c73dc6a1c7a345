//! Record: a grant, its parties, its convention, and its tranches with their parts.

use super::clawback::ClawbackReason;
use crate::{
    accounts::Account,
    application::application::{Application, TrancheKind},
    call::call::Call,
    governance::change::Change,
    redistribution::envelope,
    signer::{Records, same_group},
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where a grant stands.
    pub enum GrantStatus {
        /// Awarded; waits for signatures.
        Offered = "offered",
        /// Signed by all.
        Active = "active",
        /// Stopped for a while.
        Suspended = "suspended",
        /// The lead has filed its final report; the ordonnateur has not confirmed it.
        Reporting = "reporting",
        /// The final report is confirmed; what is accepted can still be paid.
        Closed = "closed",
        /// Broken off; what is accepted can still be paid.
        Terminated = "terminated",
        /// Not signed in time.
        Lapsed = "lapsed",
    }

    /// Where a part of a tranche stands.
    pub enum PartStatus {
        /// Nothing happened yet.
        Planned = "planned",
        /// Waits for judges.
        EvidenceSubmitted = "evidence_submitted",
        /// May be ordered.
        Accepted = "accepted",
        /// Evidence may be sent again.
        Rejected = "rejected",
        /// Waits for the comptable.
        Ordered = "ordered",
        /// Instructed to the bank.
        InTransit = "in_transit",
        /// Its debit is attested.
        Paid = "paid",
        /// The bank did not pay it.
        Failed = "failed",
        /// Given back to its envelope.
        Cancelled = "cancelled",
        /// Kept to pay a clawback.
        Offset = "offset",
    }
}

message! {
    /// A beneficiary.
    pub struct Party = Party {
        /// Who.
        pub organisation: OrganisationId,
        /// Share for caps and exports; the money goes to the lead.
        pub share_ppm: Ppm,
    }

    /// What all parties sign.
    pub struct Convention = Convention {
        /// Commitment to the text.
        pub commitment: Commitment,
        /// Its date.
        pub date: LegalDate [required],
        /// Where the lead is paid; unknown until the lead or the ordonnateur has signed.
        pub payee_account: Option<Commitment>,
    }

    /// A judge's opinion on evidence.
    pub struct Judgement = Judgement {
        /// Who.
        pub judge: OrganisationId,
        /// Its group at that time.
        pub group: OrganisationId,
        /// What part is accepted; 0 rejects.
        pub accepted_ppm: Ppm,
        /// Why not all.
        pub reason: Option<ReasonCode>,
        /// Commitment to the comment.
        pub comment: Commitment,
    }

    /// A part of a tranche: one, until evidence is accepted in part and the rest becomes a part of its own.
    pub struct Part = Part {
        /// Minor units, above 0.
        pub amount: u64,
        /// Where it stands.
        pub status: PartStatus,
        /// How often its evidence was rejected.
        pub rejections: u32,
        /// On the evidence submitted last.
        pub judgements: Vec<Judgement>,
        /// Who ordered its payment.
        pub ordered_by: Option<OrganisationId>,
        /// Its last payout.
        pub payout: Option<PayoutId>,
    }

    /// A tranche of a grant.
    pub struct Tranche = Tranche {
        /// As planned in the application.
        pub number: u32,
        /// Before or after evidence.
        pub kind: TrancheKind,
        /// Minor units; the parts sum to it.
        pub amount: u64,
        /// Until when.
        pub due: LegalDate [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// Hash of the criteria of the milestone.
        pub criteria: Commitment,
        /// Documents that the evidence needs at least.
        pub evidence_needed: u32,
        /// In the order in which they came to be.
        pub parts: Vec<Part>,
        /// Payouts so far.
        pub attempts: u32,
        /// Minor units that the lead has promised on as regrants.
        pub regranted: u64,
    }

    /// A clawback that one organisation has asked for.
    pub struct ProposedClawback = ProposedClawback {
        /// Who.
        pub party: OrganisationId,
        /// Minor units.
        pub amount: u64,
        /// Why.
        pub reason: ClawbackReason,
        /// Hash of the document that explains it.
        pub document: Commitment,
    }

    /// A tranche as an amendment wants it.
    pub struct AmendedTranche = AmendedTranche {
        /// Of the grant, or a new one after all others.
        pub number: u32,
        /// Before or after evidence; that of the grant's tranche.
        pub kind: TrancheKind,
        /// Minor units; 0 drops the tranche.
        pub amount: u64,
        /// Until when.
        pub due: LegalDate [required],
        /// Budget year that pays.
        pub budget_year: u32,
        /// Hash of the criteria of the milestone.
        pub criteria: Commitment,
        /// Documents that the evidence needs at least.
        pub evidence_needed: u32,
    }

    /// What the parties of a convention change.
    pub struct Amendment = Amendment {
        /// Commitment to the text.
        pub convention: Commitment,
        /// Its date.
        pub date: LegalDate [required],
        /// Where the lead is paid from now on; `None`: as before.
        pub payee_account: Option<Commitment>,
        /// Tranches that change, in ascending order.
        pub tranches: Vec<AmendedTranche>,
    }

    /// An amendment that not all have signed.
    pub struct PendingAmendment = PendingAmendment {
        /// What is signed.
        pub amendment: Amendment [required],
        /// Beneficiaries that have signed.
        pub signed: Vec<OrganisationId>,
        /// Who signed as ordonnateur.
        pub ordonnateur: Option<OrganisationId>,
    }

    /// What the lead says at the end.
    pub struct FinalReport = FinalReport {
        /// What the project cost, as far as the call pays for it.
        pub actual_cost: Amount [required],
        /// Commitment to the report.
        pub report: Commitment,
        /// Minor units that the grant comes to; `None` until the ordonnateur has confirmed it.
        pub final_amount: Option<u64>,
    }

    /// Record: a grant.
    pub struct Grant = Grant {
        /// The call it was awarded in; all zero where donors fund it ([`super::FundedGrant`]), and so for application and change.
        pub call: CallId,
        /// The application it answers.
        pub application: ApplicationId,
        /// The project.
        pub project: ProjectId,
        /// The change that awarded it.
        pub change: ChangeId,
        /// The fund that pays.
        pub fund: FundCode,
        /// The envelope the money came from.
        pub envelope: EnvelopeCode,
        /// How much.
        pub awarded: Amount [required],
        /// The lead first; shares sum to 1,000,000.
        pub parties: Vec<Party>,
        /// Where it stands.
        pub status: GrantStatus,
        /// The convention is signed before this time or not at all.
        pub sign_before: BlockTime,
        /// What is signed; `None` before the first signature.
        pub convention: Option<Convention>,
        /// Beneficiaries that have signed.
        pub signed: Vec<OrganisationId>,
        /// Who signed as ordonnateur.
        pub ordonnateur: Option<OrganisationId>,
        /// In the order of their numbers; they sum to the award.
        pub tranches: Vec<Tranche>,
        /// Everybody who judged evidence of it.
        pub judges: Vec<OrganisationId>,
        /// The territory whose part of the envelope the money came from; `None`: the envelope's own.
        pub territory: Option<TerritoryCode>,
        /// Minor units that came back of the beneficiary's own accord.
        pub returned: u64,
        /// Minor units that clawbacks asked for.
        pub clawed: u64,
        /// Minor units of these that were received, or kept from later payments.
        pub recovered: u64,
        /// Minor units of these that were waived.
        pub waived: u64,
        /// A clawback that waits for a second organisation.
        pub proposed_clawback: Option<ProposedClawback>,
        /// The final report that was filed last.
        pub report: Option<FinalReport>,
        /// Minor units that amendments took off the award.
        pub lowered: u64,
        /// An amendment that waits for signatures.
        pub pending_amendment: Option<PendingAmendment>,
        /// Who signed amendments as ordonnateur.
        pub amended_by: Vec<OrganisationId>,
    }
}

impl Record for Grant {
    type Key = GrantId;
}

impl Part {
    /// A part of which nothing is known yet.
    pub fn planned(amount: u64) -> Self {
        Self { amount, status: PartStatus::Planned, rejections: 0, judgements: vec![], ordered_by: None, payout: None }
    }
}

impl Tranche {
    /// The first part in one of these states, with its index.
    pub fn part_in(&self, states: &[PartStatus]) -> Option<(u32, &Part)> {
        let found = self.parts.iter().enumerate().find(|(_, part)| states.contains(&part.status));
        found.map(|(index, part)| (index as u32, part))
    }

    /// The part that an order would pay: accepted, or planned by an advance clause (I11).
    pub fn payable_part(&self) -> Option<(u32, &Part)> {
        match self.kind {
            TrancheKind::Advance => self.part_in(&[PartStatus::Planned]),
            TrancheKind::Interim | TrancheKind::Balance => self.part_in(&[PartStatus::Accepted]),
        }
    }

    /// The part whose order is not on its way to the payee: the comptable waits to release it, or the bank did not pay it.
    pub fn ordered_part(&self) -> Option<(u32, &Part)> {
        self.part_in(&[PartStatus::Ordered, PartStatus::Failed])
    }

    /// What a part becomes again when its order is taken back.
    pub const fn before_order(&self) -> PartStatus {
        match self.kind {
            TrancheKind::Advance => PartStatus::Planned,
            TrancheKind::Interim | TrancheKind::Balance => PartStatus::Accepted,
        }
    }

    /// Whether what comes later may go on: evidence was accepted at least in part, none is needed, or all of it is cancelled.
    pub fn is_proven(&self) -> bool {
        let proven = |part: &Part| match part.status {
            PartStatus::Accepted
            | PartStatus::Ordered
            | PartStatus::InTransit
            | PartStatus::Paid
            | PartStatus::Failed
            | PartStatus::Offset => true,
            PartStatus::Planned | PartStatus::EvidenceSubmitted | PartStatus::Rejected | PartStatus::Cancelled => false,
        };
        match self.kind {
            TrancheKind::Advance => true,
            TrancheKind::Interim | TrancheKind::Balance => {
                self.parts.iter().any(proven) || self.parts.iter().all(|part| part.status == PartStatus::Cancelled)
            }
        }
    }

    /// Minor units that were paid and are not passed on as regrants.
    pub fn to_pass_on(&self) -> u64 {
        let paid = u64::try_from(self.sum_in(PartStatus::Paid)).expect("parts sum to at most the award");
        paid.saturating_sub(self.regranted)
    }

    /// Writes that the lead of a grant passes so much of a tranche on.
    pub(crate) fn pass_on(state: &mut Overlay<'_>, grant: &GrantId, number: u32, amount: u64) {
        state.update::<Grant>(grant, |record| record.tranche_mut(number).regranted += amount);
    }

    /// Writes that it keeps so much of what it wanted to pass on.
    pub(crate) fn keep(state: &mut Overlay<'_>, grant: &GrantId, number: u32, amount: u64) {
        state.update::<Grant>(grant, |record| record.tranche_mut(number).regranted -= amount);
    }

    /// Minor units of the parts in a state.
    pub fn sum_in(&self, status: PartStatus) -> u128 {
        self.parts.iter().filter(|part| part.status == status).map(|part| u128::from(part.amount)).sum()
    }
}

impl Grant {
    /// The lead beneficiary, who is paid.
    pub fn lead(&self) -> OrganisationId {
        self.parties.first().expect("offer: the lead is the first party").organisation
    }

    /// A tranche by its number.
    pub fn tranche(&self, number: u32) -> Option<&Tranche> {
        self.tranches.iter().find(|tranche| tranche.number == number)
    }

    /// Whether an organisation is of the group of a beneficiary.
    pub fn benefits_group_of(&self, records: &impl Records, organisation: &OrganisationId) -> bool {
        self.parties.iter().any(|party| same_group(records, &party.organisation, organisation))
    }

    /// The first tranche before this one that still lacks accepted evidence.
    pub fn unproven_before(&self, number: u32) -> Option<u32> {
        self.tranches
            .iter()
            .find(|tranche| tranche.number < number && !tranche.is_proven())
            .map(|tranche| tranche.number)
    }

    /// Who must not judge it: everybody who signed or ordered as ordonnateur.
    pub fn ordonnateurs(&self) -> impl Iterator<Item = OrganisationId> {
        let parts = self.tranches.iter().flat_map(|tranche| &tranche.parts);
        let signed = self.ordonnateur.into_iter().chain(self.amended_by.iter().copied());
        signed.chain(parts.filter_map(|part| part.ordered_by))
    }

    /// Who must not order its payments: everybody who reviewed its application or judged its evidence.
    pub fn reviewers(&self, state: &Overlay<'_>) -> Vec<OrganisationId> {
        let reviews = state.get::<Application>(&self.application).map_or(&[][..], |asked| &asked.reviews);
        reviews.iter().map(|review| review.reviewer).chain(self.judges.iter().copied()).collect()
    }

    /// Who must neither judge it nor order its payments: the programme managers that opened its call, screened its application or proposed its award.
    pub fn managers(&self, state: &Overlay<'_>) -> Vec<OrganisationId> {
        let opened = state.get::<Call>(&self.call).map(|call| call.manager);
        let screened = state.get::<Application>(&self.application).and_then(|asked| asked.screened_by);
        let proposed = state.get::<Change>(&self.change).map(|change| change.proposer);
        opened.into_iter().chain(screened).chain(proposed).collect()
    }

    /// Minor units that its tranches sum to: the award less what amendments took off (I5).
    pub fn total(&self) -> u64 {
        self.awarded.minor - self.lowered
    }

    /// The first budget year: its tranches are firm, those of later years are conditional.
    pub fn first_year(&self) -> u32 {
        self.tranches.iter().map(|tranche| tranche.budget_year).min().unwrap_or(0)
    }

    /// The budget year that a tranche waits for, if it is conditional and that year has not come.
    pub fn year_to_come(&self, tranche: &Tranche, today: LegalDate) -> Option<u32> {
        let conditional = tranche.budget_year > self.first_year();
        (conditional && u32::from(today.year()) < tranche.budget_year).then_some(tranche.budget_year)
    }

    /// Minor units of its parts in a state.
    pub fn sum_in(&self, status: PartStatus) -> u128 {
        self.tranches.iter().map(|tranche| tranche.sum_in(status)).sum()
    }

    /// Minor units that the beneficiary had, in money or kept to pay a clawback, and that nobody has asked back: what can be.
    pub fn refundable(&self) -> u64 {
        let had = self.sum_in(PartStatus::Paid) + self.sum_in(PartStatus::Offset);
        let asked = u128::from(self.returned) + u128::from(self.clawed);
        u64::try_from(had.saturating_sub(asked)).expect("parts sum to at most the award")
    }

    /// Minor units that the beneficiary had and keeps: what was waived of a clawback is its own.
    pub fn held(&self) -> u64 {
        self.refundable() + self.waived
    }

    /// Minor units of its clawbacks that are neither received, kept nor waived.
    pub fn to_come_back(&self) -> u64 {
        self.clawed - self.recovered - self.waived
    }

    /// Whether evidence is taken and judged: it is signed, neither stopped nor finished.
    pub const fn is_running(&self) -> bool {
        matches!(self.status, GrantStatus::Active | GrantStatus::Reporting)
    }

    /// Whether a tranche can be ordered: an advance of a grant that is not ended, what is accepted also afterwards.
    pub const fn may_be_ordered(&self, kind: TrancheKind) -> bool {
        match self.status {
            GrantStatus::Active | GrantStatus::Reporting => true,
            GrantStatus::Closed | GrantStatus::Terminated => !matches!(kind, TrancheKind::Advance),
            GrantStatus::Offered | GrantStatus::Suspended | GrantStatus::Lapsed => false,
        }
    }

    /// The account that holds what is reserved for it.
    pub fn encumbered(&self, id: &GrantId) -> Account {
        Account::Encumbered { fund: self.fund, grant: *id }
    }

    /// The account that its money came from, and goes back to.
    pub fn source(&self) -> Account {
        envelope::account(self.fund, self.envelope, self.territory)
    }

    /// Takes the order of a part back; `decide` has proven that it has one.
    pub(super) fn undo_order(&mut self, tranche: u32, part: u32) {
        let status = self.tranche_mut(tranche).before_order();
        self.part_mut(tranche, part).status = status;
    }

    /// Gives so many minor units of a part back to the envelope: all of it, or it is cut and the rest is a part of its own.
    pub(super) fn cancel_part(&mut self, tranche: u32, part: u32, amount: u64) {
        let record = self.part_mut(tranche, part);
        if record.amount == amount {
            record.status = PartStatus::Cancelled;
        } else {
            record.amount -= amount;
            let cancelled = Part { status: PartStatus::Cancelled, ..Part::planned(amount) };
            self.tranche_mut(tranche).parts.push(cancelled);
        }
    }

    /// Changes a part; `decide` has proven that it exists.
    pub(super) fn part_mut(&mut self, tranche: u32, part: u32) -> &mut Part {
        let tranche = self.tranche_mut(tranche);
        tranche.parts.get_mut(part as usize).expect("decide: the part exists")
    }

    /// Changes a tranche; `decide` has proven that it exists.
    pub(super) fn tranche_mut(&mut self, number: u32) -> &mut Tranche {
        self.tranches.iter_mut().find(|tranche| tranche.number == number).expect("decide: the tranche exists")
    }
}
