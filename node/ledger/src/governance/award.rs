//! The change `award_grants`: what its list must hold, and what it offers (rulebook §7, award; §6, caps).

use super::{
    change::{Award, AwardGrants, Mode},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Motion, Proposer},
    propose_change,
};
use crate::{
    accounts::{Account, Movement, PostingError, Postings},
    action::Place,
    application::application::{Application, of_call, takes_part},
    call::call::{Call, CallStatus},
    grant::{GrantOffer, offer, offer::OfferError},
    history::RecordRef,
    redistribution::{
        cap::{self, CapExceeded, CapKey, CapStanding},
        envelope::{covers_deficit, period_at},
    },
    registry::role::{Role, Scope},
    signer::group,
    state::Overlay,
};
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

/// Why a list of awards does not fit its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListFault {
    /// It is no admissible application of the call.
    NotAdmissible(ApplicationId),
    /// An admissible application is not listed.
    Missing(ApplicationId),
    /// An awarded one lacks reviews.
    NotReady(ApplicationId),
    /// Neither 0 nor between the call's least award and what was requested.
    Amount(ApplicationId, u64),
    /// The sum is above the call's budget.
    Budget(u128, u64),
}

/// The list, checked once against the applications of the call.
pub(super) struct Listed<'a> {
    awards: &'a AwardGrants,
    call: &'a Call,
    applications: BTreeMap<ApplicationId, Application>,
}

impl<'a> Listed<'a> {
    pub(super) fn new(awards: &'a AwardGrants, call: &'a Call, state: &Overlay<'_>) -> Self {
        let admissible = |(_, record): &(ApplicationId, Application)| record.is_admissible();
        let applications = of_call(state, &awards.call).into_iter().filter(admissible).collect();
        Self { awards, call, applications }
    }

    fn application(&self, id: &ApplicationId) -> Option<&Application> {
        self.applications.get(id)
    }

    /// Every listed application is an admissible one of the call.
    pub(super) fn all_admissible(&self) -> Result<(), ListFault> {
        match self.awards.awards.iter().find(|award| self.application(&award.application).is_none()) {
            Some(award) => Err(ListFault::NotAdmissible(award.application)),
            None => Ok(()),
        }
    }

    /// Every admissible application is listed.
    pub(super) fn none_missing(&self) -> Result<(), ListFault> {
        let listed: BTreeSet<ApplicationId> = self.awards.awards.iter().map(|award| award.application).collect();
        match self.applications.keys().find(|id| !listed.contains(id)) {
            Some(id) => Err(ListFault::Missing(*id)),
            None => Ok(()),
        }
    }

    /// Each amount is 0, or at least the call's least award and at most what was requested; their sum is within the budget.
    pub(super) fn amounts_fit(&self) -> Result<(), ListFault> {
        for Award { application, amount } in &self.awards.awards {
            let requested = self.application(application).map_or(0, |record| record.requested.minor);
            if *amount != 0 && !(self.call.amount_min.minor..=requested).contains(amount) {
                return Err(ListFault::Amount(*application, *amount));
            }
        }
        let sum: u128 = self.awards.awards.iter().map(|award| u128::from(award.amount)).sum();
        if sum > u128::from(self.call.budget.minor) {
            return Err(ListFault::Budget(sum, self.call.budget.minor));
        }
        Ok(())
    }

    /// Each application that gets money has its reviews.
    pub(super) fn awarded_are_ready(&self, state: &Overlay<'_>) -> Result<(), ListFault> {
        let lacks = |award: &&Award| {
            let ready = |record: &Application| record.is_ready(self.call, state);
            award.amount > 0 && !self.application(&award.application).is_some_and(ready)
        };
        match self.awards.awards.iter().find(lacks) {
            Some(award) => Err(ListFault::NotReady(award.application)),
            None => Ok(()),
        }
    }
}

/// Why a carried award cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AwardFault {
    /// The call does not wait for this decision.
    Call(CallId),
    /// The list no longer fits.
    List(ListFault),
    /// A grant cannot be offered.
    Offer(OfferError),
    /// The envelope does not hold enough.
    Insufficient(String),
    /// A cap of the policy would be passed.
    Cap(CapExceeded),
    /// Fewer groups than the policy asks for.
    Groups(usize, u32),
    /// A sum leaves its range.
    Overflow(Account),
}

/// Awards of one change, at most.
const AWARDS: usize = 1_000;

impl Motion for AwardGrants {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn proposer(asked: &Self, state: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        let call = state.get::<Call>(&asked.call).ok_or(propose_change::Refused::UnknownCall(asked.call))?;
        Ok(Proposer::Holder(Role::ProgrammeManager, Scope::Fund(call.fund)))
    }

    fn elements(asked: &Self) -> usize {
        asked.awards.len() + asked.derogations.len()
    }

    /// The change, the call, every application and its grant.
    fn written(asked: &Self) -> usize {
        2 + asked.awards.len() + asked.awards.iter().filter(|award| award.amount > 0).count()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let Self { call: _, awards, derogations } = asked;
        if let Some(award) = awards.iter().find(|award| award.amount > Amount::MAX_MINOR) {
            return Err(propose_change::Refused::AmountBounds(award.amount));
        }
        let listed: BTreeSet<ApplicationId> = awards.iter().map(|award| award.application).collect();
        if listed.is_empty() || listed.len() != awards.len() || awards.len() > AWARDS {
            return Err(propose_change::Refused::LimitAwards(awards.len()));
        }
        let mut awarded: BTreeSet<ApplicationId> =
            awards.iter().filter(|award| award.amount > 0).map(|award| award.application).collect();
        match derogations.iter().find(|application| !awarded.remove(application)) {
            Some(application) => Err(propose_change::Refused::LimitDerogation(*application)),
            None => Ok(()),
        }
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        let call = state.get::<Call>(&asked.call).ok_or(propose_change::Refused::UnknownCall(asked.call))?;
        match call.status {
            CallStatus::Closed => Ok(Listed::new(asked, call, state).all_admissible()?),
            // The list of a call that is not closed is not judged: it may still change.
            CallStatus::Deciding => Err(propose_change::Refused::StatePending(asked.call)),
            status => Err(propose_change::Refused::StateCall(asked.call, status)),
        }
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        let call = state.get::<Call>(&asked.call).ok_or(propose_change::Refused::UnknownCall(asked.call))?;
        let listed = Listed::new(asked, call, state);
        listed.amounts_fit()?;
        listed.awarded_are_ready(state)?;
        Ok(listed.none_missing()?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        takes_part(state, &asked.call, &group(state, organisation))
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Call>(&asked.call))
    }

    fn fund(asked: &Self, state: &Overlay<'_>) -> Option<FundCode> {
        state.get::<Call>(&asked.call).map(|call| call.fund)
    }

    fn money(asked: &Self) -> Option<u64> {
        Some(asked.awards.iter().fold(0, |sum: u64, award| sum.saturating_add(award.amount)))
    }

    fn start(asked: &Self, state: &mut Overlay<'_>) {
        state.update::<Call>(&asked.call, |call| call.status = CallStatus::Deciding);
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        Ok(enact(asked, place, state)?)
    }

    fn apply(asked: &Self, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
        state.update::<Call>(&asked.call, |call| call.status = CallStatus::Decided);
        apply(asked, event, place, state);
    }

    fn fall(asked: &Self, state: &mut Overlay<'_>) {
        // A call that was cancelled in the meantime stays so.
        state.update::<Call>(&asked.call, |call| {
            if call.status == CallStatus::Deciding {
                call.status = CallStatus::Closed;
            }
        });
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        asked.awards.iter().map(|award| RecordRef::of::<Application>(&award.application)).collect()
    }
}

/// All of the award, or why nothing of it.
fn enact(awards: &AwardGrants, place: &Place, state: &Overlay<'_>) -> Result<Effects, AwardFault> {
    let call = state.get::<Call>(&awards.call).ok_or(AwardFault::Call(awards.call))?;
    if call.status != CallStatus::Deciding {
        return Err(AwardFault::Call(awards.call));
    }
    let listed = Listed::new(awards, call, state);
    listed.all_admissible().and_then(|()| listed.none_missing()).map_err(AwardFault::List)?;
    listed.awarded_are_ready(state).and_then(|()| listed.amounts_fit()).map_err(AwardFault::List)?;

    let mut offers = Vec::new();
    let mut refused = Vec::new();
    for (index, Award { application, amount }) in awards.awards.iter().enumerate() {
        if *amount == 0 {
            refused.push(*application);
        } else {
            let offered = offer(state, place, index as u32, *application, *amount).map_err(AwardFault::Offer)?;
            offers.push(offered);
        }
    }
    let postings = encumber(call, &offers, state)?;
    let derogated = within_caps(awards, call, &offers, place, state)?;
    Ok(Effects { offers, refused, derogated, postings, ..Effects::default() })
}

fn encumber(call: &Call, offers: &[GrantOffer], state: &Overlay<'_>) -> Result<Postings, AwardFault> {
    let mut movement = Movement::in_fund(call.fund);
    offers.iter().for_each(|offer| offer.encumber(&mut movement));
    let postings = movement.check(state).map_err(|error| match error {
        PostingError::Insufficient { .. } => AwardFault::Insufficient(error.to_string()),
        PostingError::Overflow(account) => AwardFault::Overflow(account),
    })?;
    let awarded = offers.iter().fold(0, |sum: u64, offer| sum.saturating_add(offer.awarded.minor));
    covers_deficit(call.fund, awarded, state).map_err(|error| AwardFault::Insufficient(error.to_string()))?;
    Ok(postings)
}

/// The parties of an offer and what each counts for: the award by largest remainder over their shares.
fn parts(offer: &GrantOffer, state: &Overlay<'_>) -> Vec<(OrganisationId, u64)> {
    let Some(asked) = state.get::<Application>(&offer.application) else { return Vec::new() };
    let partners = asked.partners.iter().map(|partner| (partner.organisation, partner.share_ppm));
    let parties: Vec<(OrganisationId, Ppm)> =
        core::iter::once((asked.lead, asked.lead_share_ppm)).chain(partners).collect();
    let weights: Vec<(u64, &[u8])> =
        parties.iter().map(|(party, share)| (u64::from(share.get()), party.as_bytes().as_slice())).collect();
    let amounts = largest_remainder(u128::from(offer.awarded.minor), &weights).unwrap_or_default();
    let amounts = amounts.into_iter().map(|amount| u64::try_from(amount).expect("a part is at most the award"));
    parties.iter().map(|(party, _)| *party).zip(amounts).collect()
}

fn cap_key(call: &Call, place: &Place, state: &Overlay<'_>) -> Option<CapKey> {
    period_at(state, &call.fund, place).map(|period| CapKey { fund: call.fund, envelope: call.envelope, period })
}

/// Tries the awards one after the other; answers with those that only a listed derogation allows.
fn within_caps(
    awards: &AwardGrants,
    call: &Call,
    offers: &[GrantOffer],
    place: &Place,
    state: &Overlay<'_>,
) -> Result<Vec<ApplicationId>, AwardFault> {
    let Some(key) = cap_key(call, place, state) else { return Ok(Vec::new()) };
    let least = cap::caps(state, &key).min_beneficiaries;
    let groups: BTreeSet<OrganisationId> = offers.iter().map(|offer| group(state, &offer.lead)).collect();
    if !groups.is_empty() && (groups.len() as u64) < u64::from(least) {
        return Err(AwardFault::Groups(groups.len(), least));
    }
    let mut derogated = Vec::new();
    let mut trial = state.scratch();
    for offer in offers {
        let parts = parts(offer, state);
        let mut standing = CapStanding::Within;
        let territory = counted(offer, &trial);
        if let Err(exceeded) = fits(&key, territory, &parts, &trial) {
            if !awards.derogations.contains(&offer.application) {
                return Err(AwardFault::Cap(exceeded));
            }
            standing = CapStanding::Derogation;
            derogated.push(offer.application);
        }
        commit(&key, territory, &parts, standing, &mut trial);
    }
    Ok(derogated)
}

/// The territory that an offer counts for.
fn counted(offer: &GrantOffer, state: &Overlay<'_>) -> Option<TerritoryCode> {
    let asked = state.get::<Application>(&offer.application)?;
    asked.acts_in(state).map(|territory| cap::counted_as(state, territory))
}

/// Notes what an offer gives to its parties and its territory.
fn commit(
    key: &CapKey,
    territory: Option<TerritoryCode>,
    parts: &[(OrganisationId, u64)],
    standing: CapStanding,
    state: &mut Overlay<'_>,
) {
    for (party, amount) in parts {
        cap::commit(state, key, *party, *amount, standing);
    }
    if let Some(territory) = territory {
        let awarded = parts.iter().map(|(_, amount)| amount).sum();
        cap::commit_territory(state, key, territory, awarded, standing);
    }
}

/// Whether an offer's parts, and their sum in its territory, stay within the caps, each part counted before the next is judged.
fn fits(
    key: &CapKey,
    territory: Option<TerritoryCode>,
    parts: &[(OrganisationId, u64)],
    state: &Overlay<'_>,
) -> Result<(), CapExceeded> {
    if let Some(territory) = territory {
        cap::check_territory(state, key, territory, parts.iter().map(|(_, amount)| amount).sum())?;
    }
    let mut trial = state.scratch();
    for (party, amount) in parts {
        cap::check(&trial, key, *party, *amount)?;
        cap::commit(&mut trial, key, *party, *amount, CapStanding::Within);
    }
    Ok(())
}

/// Writes what was decided; the postings are posted before.
fn apply(awards: &AwardGrants, event: &ChangeEnacted, place: &Place, state: &mut Overlay<'_>) {
    let call = state.get::<Call>(&awards.call).expect("enact: the call exists").clone();
    let key = cap_key(&call, place, state);
    for offer in &event.offers {
        let standing =
            if event.derogated.contains(&offer.application) { CapStanding::Derogation } else { CapStanding::Within };
        if let Some(key) = &key {
            commit(key, counted(offer, state), &parts(offer, state), standing, state);
        }
        offer.apply(&event.change, state);
    }
    for application in &event.refused {
        crate::grant::refuse(state, application);
    }
}
