//! What an enacted award offers, one grant for each application that got an amount (rulebook §7, award; §17, 0c08).
//!
//! The change `award_grants` calls [`offer`] for every award above 0 and [`refuse`] for every other; caps, budget and the envelope's balance are its
//! own to check. A [`GrantOffer`] is part of the change's event: [`GrantOffer::encumber`] adds its money to the movement, [`GrantOffer::apply`] writes.

use super::{
    grant::{Grant, GrantStatus, Part, Party, Tranche},
    lapse_offer::LapseOffer,
};
use crate::{
    accounts::{Account, Movement},
    action::{Kind, Place},
    application::application::{Application, ApplicationStatus, Partner, PlannedTranche, TrancheKind},
    call::call::Call,
    due,
    history::RecordRef,
    parameters::Parameter,
    redistribution::envelope,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

const DAY_MS: u64 = 86_400_000;

message! {
    /// The share of a planned tranche in an award.
    pub struct OfferedTranche = OfferedTranche {
        /// As planned.
        pub number: u32,
        /// Minor units, above 0.
        pub amount: u64,
    }

    /// What one award offers.
    pub struct GrantOffer = GrantOffer {
        /// The new grant.
        pub grant: GrantId,
        /// The application it answers.
        pub application: ApplicationId,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
        /// The fund that pays.
        pub fund: FundCode,
        /// The envelope that pays.
        pub envelope: EnvelopeCode,
        /// How much.
        pub awarded: Amount [required],
        /// What each planned tranche gets; those of 0 are left out.
        pub tranches: Vec<OfferedTranche>,
        /// The convention is signed before this time or not at all.
        pub sign_before: BlockTime,
        /// The territory whose part of the envelope pays; `None`: the envelope's own.
        pub territory: Option<TerritoryCode>,
    }
}

/// Why an award cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No such application.
    #[error("application {0} does not exist")]
    Unknown(ApplicationId),
    /// It is decided already, or was never found admissible.
    #[error("application {0} is {1}")]
    State(ApplicationId, ApplicationStatus),
    /// The advances of the awarded amount pass the call's limit, or its balance stays below the call's retention, by more than the split's rounding.
    #[error(
        "application {application}: {what} would be {minor} of {awarded} minor units, outside the call's limit of {limit}"
    )]
    Amount {
        /// The application.
        application: ApplicationId,
        /// `advances` or `the balance`.
        what: &'static str,
        /// What it would be.
        minor: u64,
        /// Of how much.
        awarded: u64,
        /// The call's limit.
        limit: Ppm,
    },
}

/// What an award of so many minor units offers: the award is split over the planned amounts by largest remainder, tranches of 0 are dropped, and the
/// call's limits on advance and retention are checked on the result. `index` is the award's position in its change; `place` that of the enactment.
///
/// # Errors
/// The application is unknown or not admissible; a limit does not hold.
pub fn offer(
    state: &Overlay<'_>,
    place: &Place,
    index: u32,
    application: ApplicationId,
    awarded: u64,
) -> Result<GrantOffer, OfferError> {
    let asked = state.get::<Application>(&application).ok_or(OfferError::Unknown(application))?;
    if !asked.is_admissible() || awarded == 0 {
        return Err(OfferError::State(application, asked.status));
    }
    let call = state.get::<Call>(&asked.call).ok_or(OfferError::Unknown(application))?;
    let tranches = split(&asked.tranches, awarded);
    check_limits(application, asked, call, awarded, &tranches)?;
    Ok(GrantOffer {
        grant: GrantId::new(object_id_at("grant", &place.transaction, index)),
        application,
        project: asked.project,
        lead: asked.lead,
        fund: call.fund,
        envelope: call.envelope,
        awarded: Amount::new(awarded, asked.requested.currency),
        tranches,
        sign_before: place.time.saturating_add(state.parameter(Parameter::ConventionDays).saturating_mul(DAY_MS)),
        territory: envelope::pot(state, call.fund, call.envelope, asked.acts_in(state)),
    })
}

/// Largest remainder over the planned amounts; ties go to the lower number.
pub(super) fn split(plan: &[PlannedTranche], awarded: u64) -> Vec<OfferedTranche> {
    let numbers: Vec<[u8; 4]> = plan.iter().map(|planned| planned.number.to_be_bytes()).collect();
    let weights: Vec<(u64, &[u8])> =
        plan.iter().zip(&numbers).map(|(planned, number)| (planned.amount.minor, number.as_slice())).collect();
    let parts = largest_remainder(u128::from(awarded), &weights).expect("whoever makes a plan: it asks for money");
    plan.iter()
        .zip(parts)
        .map(|(planned, amount)| OfferedTranche {
            number: planned.number,
            amount: u64::try_from(amount).expect("a part is at most the award"),
        })
        .filter(|offered| offered.amount > 0)
        .collect()
}

/// The limits of the call, on what the split made of the award. It gives each tranche less than one minor unit more or less than its exact share, so
/// that much is borne for each tranche: a plan at exactly a limit can be awarded any amount.
fn check_limits(
    application: ApplicationId,
    asked: &Application,
    call: &Call,
    awarded: u64,
    tranches: &[OfferedTranche],
) -> Result<(), OfferError> {
    let of_kind = |kind: TrancheKind| -> (u64, u64) {
        let planned = asked.tranches.iter().filter(|planned| planned.kind == kind);
        planned.fold((0, 0), |(count, sum), planned| {
            let offered = tranches.iter().find(|offered| offered.number == planned.number);
            (count + 1, sum + offered.map_or(0, |offered| offered.amount))
        })
    };
    let fail = |what, minor, limit| Err(OfferError::Amount { application, what, minor, awarded, limit });
    let ((advances, advance), (balances, balance)) = (of_kind(TrancheKind::Advance), of_kind(TrancheKind::Balance));
    if !within(advance, awarded, call.advance_max_ppm) && !nearly(advance, awarded, call.advance_max_ppm, advances) {
        return fail("advances", advance, call.advance_max_ppm);
    }
    if !reaches(balance, awarded, call.retention_min_ppm) && !nearly(balance, awarded, call.retention_min_ppm, balances)
    {
        return fail("the balance", balance, call.retention_min_ppm);
    }
    Ok(())
}

/// Whether `part` differs from the ratio of `whole` by less than `units`.
pub(super) fn nearly(part: u64, whole: u64, ratio: Ppm, units: u64) -> bool {
    let exact = u128::from(whole) * u128::from(ratio.get());
    (u128::from(part) * 1_000_000).abs_diff(exact) < u128::from(units) * 1_000_000
}

/// Whether `part` is at most the ratio of `whole`, exactly.
pub fn within(part: u64, whole: u64, ratio: Ppm) -> bool {
    u128::from(part) * 1_000_000 <= u128::from(whole) * u128::from(ratio.get())
}

/// Whether `part` is at least the ratio of `whole`, exactly.
pub fn reaches(part: u64, whole: u64, ratio: Ppm) -> bool {
    u128::from(part) * 1_000_000 >= u128::from(whole) * u128::from(ratio.get())
}

/// Writes that an admissible application got nothing.
pub fn refuse(state: &mut Overlay<'_>, application: &ApplicationId) {
    state.update::<Application>(application, |record| record.status = ApplicationStatus::Refused);
}

impl GrantOffer {
    /// Moves the award from its envelope to what is reserved for the grant.
    pub fn encumber(&self, movement: &mut Movement) {
        let Self { grant, fund, envelope, awarded, territory, .. } = self;
        movement.transfer(
            envelope::account(*fund, *envelope, *territory),
            Account::Encumbered { fund: *fund, grant: *grant },
            awarded.minor,
        );
    }

    /// Writes the grant, offered, and the application, awarded.
    pub fn apply(&self, change: &ChangeId, state: &mut Overlay<'_>) {
        let Self { grant, application, project, lead, fund, envelope, awarded, tranches, sign_before, territory } =
            self;
        let asked = state.get::<Application>(application).expect("offer: the application exists").clone();
        let tranches = tranches.iter().map(|offered| planned(&asked.tranches, offered)).collect();
        let lead = Party { organisation: *lead, share_ppm: asked.lead_share_ppm };
        let partners = asked
            .partners
            .iter()
            .map(|Partner { organisation, share_ppm }| Party { organisation: *organisation, share_ppm: *share_ppm });
        state.put::<Grant>(
            *grant,
            Grant {
                call: asked.call,
                application: *application,
                project: *project,
                change: *change,
                fund: *fund,
                envelope: *envelope,
                awarded: *awarded,
                parties: core::iter::once(lead).chain(partners).collect(),
                status: GrantStatus::Offered,
                sign_before: *sign_before,
                convention: None,
                signed: vec![],
                ordonnateur: None,
                tranches,
                judges: vec![],
                territory: *territory,
                returned: 0,
                clawed: 0,
                recovered: 0,
                waived: 0,
                proposed_clawback: None,
                report: None,
                lowered: 0,
                pending_amendment: None,
                amended_by: vec![],
            },
        );
        due::schedule(state, *sign_before, Kind::LapseOffer, LapseOffer::object(grant));
        state.update::<Application>(application, |record| record.status = ApplicationStatus::Awarded);
    }

    /// The grant and its application; the project and the lead are told by the award's own event.
    pub fn subjects(&self) -> [RecordRef; 2] {
        [RecordRef::of::<Grant>(&self.grant), RecordRef::of::<Application>(&self.application)]
    }
}

/// A tranche of which nothing is known yet but its plan and its amount.
pub(super) fn planned(plan: &[PlannedTranche], offered: &OfferedTranche) -> Tranche {
    let OfferedTranche { number, amount } = *offered;
    let plan = plan.iter().find(|plan| plan.number == number).expect("offer: the tranche is planned");
    Tranche {
        number,
        kind: plan.kind,
        amount,
        due: plan.due,
        budget_year: plan.budget_year,
        criteria: plan.criteria,
        evidence_needed: plan.evidence_needed,
        parts: vec![Part::planned(amount)],
        attempts: 0,
        regranted: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        application::fixture::{record, reviewed, submitted, tranche},
        fixture::{DAY, id},
        grant::fixture::{offer_of, offered},
        wire::Canonical,
    };

    fn amounts(offer: &GrantOffer) -> Vec<(u32, u64)> {
        offer.tranches.iter().map(|offered| (offered.number, offered.amount)).collect()
    }

    #[test]
    fn an_award_is_split_over_the_plan_by_largest_remainder() {
        let (network, _, application) = reviewed();
        let offer = offer_of(&network, application, 500_000).unwrap();
        assert_eq!(amounts(&offer), [(1, 150_000), (2, 200_000), (3, 150_000)]);
        assert_eq!(offer.sign_before, BlockTime(network.now().0 + 90 * DAY));
        assert_eq!(GrantOffer::from_bytes(&offer.to_bytes()), Ok(offer));
    }

    #[test]
    fn a_tranche_of_nothing_is_dropped() {
        let (mut network, _, application) = reviewed();
        network.edit(|state| {
            state.update::<Application>(&application, |record| {
                record.tranches = vec![tranche(1, TrancheKind::Advance, 1), tranche(2, TrancheKind::Balance, 999_999)];
            });
        });
        let offer = offer_of(&network, application, 100_000).unwrap();
        assert_eq!(amounts(&offer), [(2, 100_000)]);
    }

    #[test]
    fn a_plan_at_exactly_the_limits_can_be_awarded_any_amount() {
        let (mut network, call, application) = reviewed();
        network.edit(|state| {
            state.update::<Call>(&call, |call| call.retention_min_ppm = Ppm::new(300_000).unwrap());
        });
        // Of 100,001 the balance gets 30,000 for 30,000.3; of 100,002 the advance gets 30,001 for 30,000.6.
        let offered = |awarded| amounts(&offer_of(&network, application, awarded).unwrap());
        assert_eq!(offered(100_001), [(1, 30_000), (2, 40_001), (3, 30_000)]);
        assert_eq!(offered(100_002), [(1, 30_001), (2, 40_001), (3, 30_000)]);
        for awarded in 100_000..100_200 {
            offered(awarded);
        }
    }

    #[test]
    fn the_limits_of_the_call_are_checked_again_on_what_is_awarded() {
        let (mut network, call, application) = reviewed();
        let limits = |network: &mut crate::fixture::Network, advance, retention| {
            network.edit(|state| {
                state.update::<Call>(&call, |call| {
                    call.advance_max_ppm = Ppm::new(advance).unwrap();
                    call.retention_min_ppm = Ppm::new(retention).unwrap();
                });
            });
            match offer_of(network, application, 100_000) {
                Err(OfferError::Amount { what, minor, .. }) => Some((what, minor)),
                other => other.map(|_| None).unwrap(),
            }
        };
        // 30,000 of advances: a limit of 29,999.1 is nearly that, one of 29,999 is not.
        assert_eq!(limits(&mut network, 299_991, 0), None);
        assert_eq!(limits(&mut network, 299_990, 0), Some(("advances", 30_000)));
        assert_eq!(limits(&mut network, 300_000, 300_009), None);
        assert_eq!(limits(&mut network, 300_000, 300_010), Some(("the balance", 30_000)));
        // A plan without a balance bears no rounding of it.
        network.edit(|state| {
            state.update::<Application>(&application, |record| record.tranches[2].kind = TrancheKind::Interim);
        });
        assert_eq!(limits(&mut network, 300_000, 1), Some(("the balance", 0)));
    }

    #[test]
    fn only_admissible_applications_are_offered_anything() {
        let (network, _, application) = submitted();
        assert!(matches!(offer_of(&network, application, 1), Err(OfferError::State(..))));
        assert!(matches!(offer_of(&network, ApplicationId::ZERO, 1), Err(OfferError::Unknown(_))));
        let (network, _, application) = reviewed();
        assert!(matches!(offer_of(&network, application, 0), Err(OfferError::State(..))));
    }

    #[test]
    fn an_offer_makes_a_grant_of_all_partners_and_decides_the_application() {
        let (mut network, grant) = offered();
        let made = crate::grant::fixture::record(&network, grant);
        let parties: Vec<_> = made.parties.iter().map(|party| (party.organisation, party.share_ppm.get())).collect();
        assert_eq!(parties, [(id("asso1"), 700_000), (id("asso2"), 300_000)]);
        assert_eq!(made.status, GrantStatus::Offered);
        assert_eq!(record(&network, made.application).status, ApplicationStatus::Awarded);
        network.edit(|state| refuse(state, &made.application));
        assert_eq!(record(&network, made.application).status, ApplicationStatus::Refused);
    }
}
