//! `lapse_offer`*: an offered grant was not signed by all in time. The executor makes it at the start of the first block at or after `sign_before`.
//!
//! - Effect: encumbered → envelope; every tranche is cancelled, the grant has lapsed. The award still counts for the caps of its period.
//! - Source: rulebook §7 (lapses after 90 days); table A, lapse.

use super::grant::{Grant, GrantStatus, PartStatus};
use crate::{
    accounts::{Movement, PostingError, Postings},
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::{posting_refusals, refusals},
    registry::{fund::Fund, organisation::Organisation, project::Project},
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LapseOffer;

impl LapseOffer {
    /// The object of this duty.
    pub fn object(grant: &GrantId) -> Hash {
        *grant.hash()
    }
}

message! {
    /// The event.
    pub struct OfferLapsed = OfferLapsed {
        /// Which grant.
        pub grant: GrantId,
        /// The fund.
        pub fund: FundCode,
        /// The envelope that gets the money back.
        pub envelope: EnvelopeCode,
        /// How much.
        pub amount: Amount [required],
        /// Encumbered → envelope.
        pub postings: Postings,
        /// The project.
        pub project: ProjectId,
        /// The lead beneficiary.
        pub lead: OrganisationId,
    }
}

refusals! {
    UnknownGrant(GrantId): Unknown 1 "grant {0} does not exist", "the grant does not exist";
    StateGrant(GrantId, GrantStatus): State 1 "grant {0} is {1}", "the grant is signed, or no longer offered";
    Insufficient(PostingError): Insufficient 1 "{0}", "what is reserved for the grant does not hold the award";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}
posting_refusals!(Refused);

impl Duty for LapseOffer {
    type Event = OfferLapsed;
    type Refused = Refused;

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<OfferLapsed, Refused> {
        let id = GrantId::new(*object);
        let grant = state.get::<Grant>(&id).ok_or(Refused::UnknownGrant(id))?;
        if grant.status != GrantStatus::Offered {
            return Err(Refused::StateGrant(id, grant.status));
        }
        let mut movement = Movement::in_fund(grant.fund);
        movement.transfer(grant.encumbered(&id), grant.source(), grant.awarded.minor);
        let postings = movement.check(state)?;
        let (fund, envelope, amount, project, lead) =
            (grant.fund, grant.envelope, grant.awarded, grant.project, grant.lead());
        Ok(OfferLapsed { grant: id, fund, envelope, amount, postings, project, lead })
    }
}

impl Effect for OfferLapsed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        state.update::<Grant>(&self.grant, |grant| {
            grant.status = GrantStatus::Lapsed;
            let parts = grant.tranches.iter_mut().flat_map(|tranche| &mut tranche.parts);
            parts.for_each(|part| part.status = PartStatus::Cancelled);
        });
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![
            RecordRef::of::<Grant>(&self.grant),
            RecordRef::of::<Fund>(&self.fund),
            RecordRef::of::<Project>(&self.project),
            RecordRef::of::<Organisation>(&self.lead),
        ]
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::AccountBalance,
        action::{Event, Kind},
        fixture::{Network, assert_all_reached, fund},
        grant::{fixture::*, invariants},
        receipt::Receipt,
        refusal::Reject,
    };

    fn lapse(network: &Network, grant: &GrantId) -> Result<OfferLapsed, Refused> {
        let place =
            Place { height: Height(9), time: network.now(), receipt: 0, transaction: network.next_transaction() };
        LapseOffer::decide(&LapseOffer::object(grant), &place, &network.state.overlay())
    }

    #[test]
    fn a_lapse_is_refused_in_order_of_precedence() {
        let (mut network, grant) = offered();
        let refused = |network: &Network, grant: &GrantId| lapse(network, grant).unwrap_err().doc().variant;
        let mut reached = vec![refused(&network, &GrantId::ZERO)];
        let (_, signed) = active();
        let (other, _) = active();
        reached.push(refused(&other, &signed));
        let (encumbered, source) = (record(&network, grant).encumbered(&grant), record(&network, grant).source());
        let put = |network: &mut Network, account, balance| {
            network.edit(|state| state.put(account, AccountBalance { fund: fund(), balance }));
        };
        put(&mut network, encumbered.clone(), -999_999);
        reached.push(refused(&network, &grant));
        put(&mut network, encumbered, -1_000_000);
        put(&mut network, source, i128::MIN);
        reached.push(refused(&network, &grant));
        assert_all_reached(Kind::LapseOffer, &reached);
    }

    #[test]
    fn an_offer_that_is_not_signed_goes_back_to_its_envelope_when_its_time_has_come() {
        let (mut network, grant) = offered();
        let before = record(&network, grant);
        let receipts = network.advance_to(before.sign_before);
        let lapses = |receipt: &Receipt| matches!(receipt.event(), Some(Event::LapseOffer(lapsed)) if lapsed.amount.minor == 1_000_000);
        assert_eq!(receipts.iter().filter(|receipt| lapses(receipt)).count(), 1);
        assert_eq!(record(&network, grant).status, GrantStatus::Lapsed);
        assert_eq!(credit_of(&network, &before.encumbered(&grant)), 0);
        assert_eq!(credit_of(&network, &before.source()), i128::from(IN_ENVELOPE));
        invariants::check(&network.state).unwrap();
    }
}
