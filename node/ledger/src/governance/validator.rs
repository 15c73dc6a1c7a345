//! The changes `admit_validator` and `retire_validator`: caps on power, and the one change that may wait for its height (rulebook §2).

use super::{
    change::{AdmitValidator, Mode, RetireValidator},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    propose_change,
};
use crate::{
    action::Place,
    history::RecordRef,
    network::{NetworkKind, NetworkRecord},
    registry::{
        college::College,
        organisation::{KeyOwner, Organisation, Status},
        validator_seat::{PendingSeat, SeatAction, ValidatorSeat},
    },
    signer::same_group,
    state::{Only, Overlay},
    wire::message,
};
use octroi_chain::MAX_VALIDATORS;
use octroi_primitives::*;

/// Heights between enactment and effect, at least.
pub(super) const NOTICE: u64 = 10;
/// Heights between enactment and effect, at most: a change that waited for ever would keep every other one from being made.
pub(super) const AHEAD: u64 = 1_000_000;
/// Validators of a live network, at least.
const LEAST: usize = 4;

message! {
    /// The change: a validator counts in another college.
    pub struct SetValidatorCollege = SetValidatorCollege {
        /// Who runs it.
        pub organisation: OrganisationId,
        /// Its key.
        pub consensus_key: PublicKey,
        /// The college it is counted in from the next height on.
        pub college: CollegeCode,
    }
}

/// Why a change of validators cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ValidatorFault {
    /// The organisation does not exist.
    Organisation(OrganisationId),
    /// The college does not exist.
    College(CollegeCode),
    /// The organisation runs no validator with this key.
    Validator(PublicKey),
    /// A key is malformed or weak, or its proof does not verify.
    Key(PublicKey),
    /// The candidate's group runs a validator already.
    Group(OrganisationId),
    /// The candidate is not active.
    Inactive(OrganisationId, Status),
    /// Another change waits for its height.
    Pending(ChangeId),
    /// Less than ten heights ahead, or more than a million.
    Height(Height),
    /// The key is in use.
    Duplicate(PublicKey),
    /// A college would count more than a third, rounded up.
    Power(CollegeCode, usize, usize),
    /// Too few would be left.
    Few(usize),
    /// More than a set can hold.
    Many(usize),
}

/// Organisation and college exist, keys are acceptable and the consensus key is the candidate's.
pub(super) fn check_candidate(asked: &AdmitValidator, state: &Overlay<'_>) -> Result<(), ValidatorFault> {
    let AdmitValidator { organisation, consensus_key, network_key, possession, college, at_height: _ } = asked;
    if !state.has::<Organisation>(organisation) {
        return Err(ValidatorFault::Organisation(*organisation));
    }
    if !state.has::<College>(college) {
        return Err(ValidatorFault::College(*college));
    }
    for key in [consensus_key, network_key] {
        PublicKey::checked(*key.as_bytes()).map_err(|_| ValidatorFault::Key(*key))?;
    }
    let network = state.get::<NetworkRecord>(&Only).map(|network| network.name.clone()).unwrap_or_default();
    if verify_possession(consensus_key, PossessionPurpose::Consensus, network.as_str(), possession) {
        Ok(())
    } else {
        Err(ValidatorFault::Key(*consensus_key))
    }
}

/// The organisation runs this validator.
pub(super) fn check_runs(asked: &RetireValidator, state: &Overlay<'_>) -> Result<ValidatorSeat, ValidatorFault> {
    let RetireValidator { organisation, consensus_key, at_height: _ } = asked;
    let seat = state.get::<ValidatorSeat>(consensus_key).filter(|seat| seat.organisation == *organisation);
    seat.cloned().ok_or(ValidatorFault::Validator(*consensus_key))
}

fn check_place(at: Height, place: &Place, state: &Overlay<'_>) -> Result<(), ValidatorFault> {
    if let Some((_, waiting)) = state.range::<PendingSeat>(..).into_iter().map(|(key, _)| key).next() {
        return Err(ValidatorFault::Pending(waiting));
    }
    let ahead = at.0.saturating_sub(place.height.0);
    if (NOTICE..=AHEAD).contains(&ahead) { Ok(()) } else { Err(ValidatorFault::Height(at)) }
}

/// A college counts more validators than it may: which, how many, of how many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("college {0} would count {1} of {2} validators, more than a third of them, rounded up")]
pub(crate) struct Excess(CollegeCode, usize, usize);

impl From<Excess> for ValidatorFault {
    fn from(Excess(college, held, of): Excess) -> Self {
        Self::Power(college, held, of)
    }
}

/// The colleges' shares of power hold for these seats: none counts more than a third of four or more, rounded up.
pub(crate) fn check_power<'a>(seats: impl Iterator<Item = &'a ValidatorSeat> + Clone) -> Result<(), Excess> {
    let count = seats.clone().count();
    for seat in seats.clone() {
        let held = seats.clone().filter(|other| other.college == seat.college).count();
        if count >= LEAST && held > count.div_ceil(3) {
            return Err(Excess(seat.college, held, count));
        }
    }
    Ok(())
}

/// What an admission makes wait for its height.
pub(super) fn admit(asked: &AdmitValidator, place: &Place, state: &Overlay<'_>) -> Result<PendingSeat, ValidatorFault> {
    check_candidate(asked, state)?;
    let AdmitValidator { organisation, consensus_key, network_key, possession: _, college, at_height } = asked;
    let seats = state.range::<ValidatorSeat>(..);
    let runs = |(_, seat): &&(PublicKey, ValidatorSeat)| same_group(state, organisation, &seat.organisation);
    if let Some((_, seat)) = seats.iter().find(runs) {
        return Err(ValidatorFault::Group(seat.organisation));
    }
    if let Some(record) = state.get::<Organisation>(organisation)
        && record.status != Status::Active
    {
        return Err(ValidatorFault::Inactive(*organisation, record.status));
    }
    check_place(*at_height, place, state)?;
    let is_used = |key: &PublicKey| {
        state.has::<KeyOwner>(key) || seats.iter().any(|(used, seat)| used == key || seat.network_key == *key)
    };
    if let Some(key) = [consensus_key, network_key].into_iter().find(|key| is_used(key)) {
        return Err(ValidatorFault::Duplicate(*key));
    }
    if consensus_key == network_key {
        return Err(ValidatorFault::Duplicate(*consensus_key));
    }
    let seat =
        ValidatorSeat { organisation: *organisation, network_key: *network_key, college: *college, missed_at: None };
    if seats.len() >= MAX_VALIDATORS {
        return Err(ValidatorFault::Many(seats.len() + 1));
    }
    check_power(seats.iter().map(|(_, seat)| seat).chain([&seat]))?;
    Ok(PendingSeat { action: SeatAction::Seat, consensus_key: *consensus_key, seat, ready_at: None })
}

/// What a retirement makes wait for its height.
pub(super) fn retire(
    asked: &RetireValidator,
    place: &Place,
    state: &Overlay<'_>,
) -> Result<PendingSeat, ValidatorFault> {
    let RetireValidator { organisation: _, consensus_key, at_height } = asked;
    let seat = check_runs(asked, state)?;
    check_place(*at_height, place, state)?;
    let left = state.range::<ValidatorSeat>(..);
    let left = left.iter().filter(|(key, _)| key != consensus_key).map(|(_, seat)| seat);
    check_power(left.clone())?;
    let count = left.count();
    let live = state.get::<NetworkRecord>(&Only).is_none_or(|network| network.dev == NetworkKind::Live);
    if count == 0 || (live && count < LEAST) {
        return Err(ValidatorFault::Few(count));
    }
    Ok(PendingSeat { action: SeatAction::Retire, consensus_key: *consensus_key, seat, ready_at: None })
}

/// What waits for its height.
fn wait(at_height: Height, event: &ChangeEnacted, state: &mut Overlay<'_>) {
    if let Some(seat) = &event.pending {
        state.put::<PendingSeat>((at_height, event.change), seat.clone());
    }
}

impl Motion for AdmitValidator {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Supermajority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        match check_candidate(asked, state) {
            Err(ValidatorFault::Organisation(id)) => Err(propose_change::Refused::UnknownOrganisation(id)),
            Err(ValidatorFault::College(code)) => Err(propose_change::Refused::UnknownCollege(code)),
            // A key is evidence of the candidate's own, and judged after state and window.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        match check_candidate(asked, state) {
            Err(ValidatorFault::Key(key)) => Err(propose_change::Refused::EvidenceKey(key)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        Ok(Effects { pending: Some(admit(asked, place, state)?), ..Effects::default() })
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        wait(asked.at_height, event, state);
    }
}

impl Motion for RetireValidator {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Supermajority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        match check_runs(asked, state) {
            Err(_) => Err(propose_change::Refused::UnknownValidator(asked.consensus_key)),
            Ok(_) => Ok(()),
        }
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        Ok(Effects { pending: Some(retire(asked, place, state)?), ..Effects::default() })
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        wait(asked.at_height, event, state);
    }
}

impl SetValidatorCollege {
    /// The organisation runs the validator, and the college exists.
    fn known(&self, state: &Overlay<'_>) -> Result<(), Fault> {
        let Self { organisation, consensus_key, college } = self;
        let seat = state.get::<ValidatorSeat>(consensus_key).filter(|seat| seat.organisation == *organisation);
        if seat.is_none() {
            return Err(Fault::Unknown(format!("organisation {organisation} runs no validator {consensus_key}")));
        }
        if !state.has::<College>(college) {
            return Err(Fault::Unknown(format!("college {college} does not exist")));
        }
        Ok(())
    }
}

impl Motion for SetValidatorCollege {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(asked.known(state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    /// The caps hold after it; it waits for no height, but a change of the set that waits for its own goes first.
    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        asked.known(state)?;
        if let Some(((_, waiting), _)) = state.range::<PendingSeat>(..).into_iter().next() {
            return Err(ValidatorFault::Pending(waiting).into());
        }
        let mut seats = state.range::<ValidatorSeat>(..);
        for (_, seat) in seats.iter_mut().filter(|(key, _)| *key == asked.consensus_key) {
            seat.college = asked.college;
        }
        check_power(seats.iter().map(|(_, seat)| seat)).map_err(ValidatorFault::from)?;
        Ok(Effects::default())
    }

    fn apply(asked: &Self, _: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.update::<ValidatorSeat>(&asked.consensus_key, |seat| seat.college = asked.college);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{self, id},
        governance::{
            change::{ChangeStatus, Choice, Content},
            enact_change::tests::decide,
            propose_change::tests::proposal,
        },
    };

    fn counted(organisation: &str, college: &str) -> Content {
        Content::SetValidatorCollege(SetValidatorCollege {
            organisation: id(organisation),
            consensus_key: fixture::consensus_key(organisation).public(),
            college: CollegeCode::new(college).unwrap(),
        })
    }

    #[test]
    fn a_validator_counts_in_another_college_unless_that_would_have_too_much_power() {
        let yes = ["region", "lab", "university", "consumers"].map(|seat| (seat, Choice::Yes));
        let mut network = fixture::network();
        let (_, event) = decide(&mut network, "region", counted("bank", "commoners"), &yes);
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        network.heartbeats(2);
        let seat = network.state.validators().get(&fixture::consensus_key("bank").public()).unwrap().clone();
        assert_eq!(seat.college, CollegeCode::new("commoners").unwrap());
        let yes = ["bank", "federation", "university", "consumers"].map(|seat| (seat, Choice::Yes));
        let (_, event) = decide(&mut network, "bank", counted("region", "commoners"), &yes);
        assert_eq!(event.outcome, ChangeStatus::NotEnacted);
        assert_eq!(network.refusal("bank", proposal(&network, counted("region", "none"))), "UnknownNamed");
        assert_eq!(network.refusal("bank", proposal(&network, counted("lab", "users"))), "UnknownNamed");
    }
}
