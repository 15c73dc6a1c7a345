//! A grant that donors fund: of a campaign that reached its goal, or of a matching round (rulebook §8, §9).
//!
//! There is no call, application or change: those ids of the grant are zero. From the convention on it lives like any other grant; a rest goes to
//! the envelope that the campaign or round names.

use super::{
    grant::{Grant, GrantStatus, Party},
    lapse_offer::LapseOffer,
    offer::{OfferedTranche, planned, split},
};
use crate::{
    accounts::Account,
    action::{Kind, Place},
    application::application::PlannedTranche,
    due,
    history::RecordRef,
    parameters::Parameter,
    registry::{organisation::Organisation, project::Project},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

const DAY_MS: u64 = 86_400_000;
/// Tranches of a plan, at most.
const TRANCHES: usize = 12;

message! {
    /// What donors give to a project.
    pub struct FundedGrant = FundedGrant {
        /// The new grant.
        pub grant: GrantId,
        /// The project.
        pub project: ProjectId,
        /// The project's holder.
        pub lead: OrganisationId,
        /// The fund that holds the money.
        pub fund: FundCode,
        /// The envelope that a rest goes to.
        pub envelope: EnvelopeCode,
        /// How much.
        pub awarded: Amount [required],
        /// What each planned tranche gets; those of 0 are left out.
        pub tranches: Vec<OfferedTranche>,
        /// The convention is signed before this time or not at all.
        pub sign_before: BlockTime,
    }
}

/// Whose grant it is, and what pays it.
#[derive(Debug, Clone, Copy)]
pub struct Funded {
    /// The project.
    pub project: ProjectId,
    /// The project's holder.
    pub lead: OrganisationId,
    /// The fund that holds the money.
    pub fund: FundCode,
    /// The envelope that a rest goes to.
    pub envelope: EnvelopeCode,
}

/// Whether a plan can be split: 1 to 12 tranches, numbered from 1 without gaps, each of 1 ..= 10^15 minor units of one currency.
pub fn is_plan(plan: &[PlannedTranche], currency: Currency) -> bool {
    let fits = |(planned, number): (&PlannedTranche, u32)| {
        planned.number == number && planned.amount.is_valid_positive() && planned.amount.currency == currency
    };
    (1..=TRANCHES).contains(&plan.len()) && plan.iter().zip(1..).all(fits)
}

impl FundedGrant {
    /// A grant of so much, above 0, split like the plan.
    pub fn new(
        grant: GrantId,
        Funded { project, lead, fund, envelope }: Funded,
        awarded: Amount,
        plan: &[PlannedTranche],
        place: &Place,
        state: &Overlay<'_>,
    ) -> Self {
        let days = state.parameter(Parameter::ConventionDays);
        Self {
            grant,
            project,
            lead,
            fund,
            envelope,
            awarded,
            tranches: split(plan, awarded.minor),
            sign_before: place.time.saturating_add(days.saturating_mul(DAY_MS)),
        }
    }

    /// The account that holds what is reserved for it.
    pub fn account(fund: FundCode, grant: GrantId) -> Account {
        Account::Encumbered { fund, grant }
    }

    /// Writes the grant, offered; its money is posted by the event.
    pub fn apply(&self, plan: &[PlannedTranche], state: &mut Overlay<'_>) {
        let Self { grant, project, lead, fund, envelope, awarded, tranches, sign_before } = self;
        let record = Grant {
            call: CallId::ZERO,
            application: ApplicationId::ZERO,
            project: *project,
            change: ChangeId::ZERO,
            fund: *fund,
            envelope: *envelope,
            awarded: *awarded,
            parties: vec![Party { organisation: *lead, share_ppm: Ppm::ONE }],
            status: GrantStatus::Offered,
            sign_before: *sign_before,
            convention: None,
            signed: vec![],
            ordonnateur: None,
            tranches: tranches.iter().map(|offered| planned(plan, offered)).collect(),
            judges: vec![],
            territory: None,
            returned: 0,
            clawed: 0,
            recovered: 0,
            waived: 0,
            proposed_clawback: None,
            report: None,
            lowered: 0,
            pending_amendment: None,
            amended_by: vec![],
        };
        state.put::<Grant>(*grant, record);
        due::schedule(state, *sign_before, Kind::LapseOffer, LapseOffer::object(grant));
    }

    /// The grant, the project and its holder.
    pub fn subjects(&self) -> [RecordRef; 3] {
        [
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
        ]
    }
}
