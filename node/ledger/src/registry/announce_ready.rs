//! `announce_ready`: a candidate shows that its validator runs and follows the chain, before it is seated.
//!
//! - Allowed: the candidate of an admission that waits for its height, by an office that may use the role validator.
//! - Effect: the admission may take effect. Two heights before its own is the last moment.
//! - Source: rulebook §2 and §17, 0108.

use super::{
    organisation::Organisation,
    recent_block::{self, REMEMBERED},
    role::Role,
    validator_seat::{PendingSeat, SeatAction},
};
use crate::{
    action::{Action, Effect, Place},
    governance::{change::Change, seat_validator::READY_BEFORE},
    history::RecordRef,
    refusal::{SignerRefusal, refusals, signer_refusals},
    signer::Context,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// The payload.
    pub struct AnnounceReady = AnnounceReady {
        /// The change that admits the validator.
        pub change: ChangeId,
        /// One of the last 1,000 blocks.
        pub block: BlockId,
        /// Its height.
        pub block_height: Height,
        /// The consensus key's, over [`ready_message`].
        pub signature: Signature,
    }

    /// The event.
    pub struct ReadyAnnounced = ReadyAnnounced {
        /// The change that admits the validator.
        pub change: ChangeId,
        /// The candidate.
        pub organisation: OrganisationId,
        /// Its consensus key.
        pub consensus_key: PublicKey,
        /// Height at which it is seated.
        pub at_height: Height,
    }
}

/// What a candidate's consensus key signs: the 32 bytes of H("ready", network, change, block).
pub fn ready_message(network: &NetworkId, change: &ChangeId, block: &BlockId) -> Vec<u8> {
    hash("ready", &[network.as_bytes(), change.as_bytes(), block.as_bytes()]).as_bytes().to_vec()
}

refusals! {
    signer;
    StateNoAdmission(ChangeId): State 1 "change {0} admits no validator that waits for its height", "no such admission is pending";
    WindowBlock(Height): Window 1 "block {0} is not among the last 1,000", "the block is too old, or not committed yet";
    WindowLate(Height): Window 2 "the seat at height {0} is less than 2 ahead", "it comes too late for its height";
    EvidenceBlock(BlockId): Evidence 1 "{0} is not the block of that height", "the block of that height has another id";
    EvidenceSignature(PublicKey): Evidence 2 "the signature is not that of consensus key {0}", "the consensus key did not sign it";
}
signer_refusals!(Refused);

/// The admission that waits, with its height. At most one change of validators waits.
fn admission(state: &Overlay<'_>, change: &ChangeId) -> Option<(Height, PendingSeat)> {
    let waiting = state.range::<PendingSeat>(..).into_iter();
    let mut admissions = waiting.filter(|((_, of), pending)| of == change && pending.action == SeatAction::Seat);
    admissions.next().map(|((height, _), pending)| (height, pending))
}

impl Action for AnnounceReady {
    type Event = ReadyAnnounced;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        Ok(())
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ReadyAnnounced, Refused> {
        let Self { change, block, block_height, signature } = self;
        cx.by_office(state, &[Role::Validator])?;
        let admission = admission(state, change);
        if let Some((_, PendingSeat { seat, .. })) = &admission
            && seat.organisation != cx.organisation
        {
            let words = format!("change {change} admits organisation {}, not the signer", seat.organisation);
            return Err(SignerRefusal::Role(words).into());
        }
        let (at_height, PendingSeat { consensus_key, seat, .. }) =
            admission.ok_or(Refused::StateNoAdmission(*change))?;
        let is_recent = *block_height < cx.place.height && block_height.0 + REMEMBERED >= cx.place.height.0;
        let recent = recent_block::id_at(state, *block_height).filter(|_| is_recent);
        let recent = recent.ok_or(Refused::WindowBlock(*block_height))?;
        if cx.place.height.0 + READY_BEFORE > at_height.0 {
            return Err(Refused::WindowLate(at_height));
        }
        if recent != *block {
            return Err(Refused::EvidenceBlock(*block));
        }
        if !verify(&consensus_key, &ready_message(&state.network(), change, block), signature) {
            return Err(Refused::EvidenceSignature(consensus_key));
        }
        Ok(ReadyAnnounced { change: *change, organisation: seat.organisation, consensus_key, at_height })
    }
}

impl Effect for ReadyAnnounced {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        state.update::<PendingSeat>(&(self.at_height, self.change), |pending| pending.ready_at = Some(place.height));
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Change>(&self.change), RecordRef::of::<Organisation>(&self.organisation)]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, Network, id},
        registry::{recent_block::RecentBlock, validator_seat::ValidatorSeat},
    };

    impl IntoPayload for AnnounceReady {
        fn into_payload(self) -> Payload {
            Payload::AnnounceReady(self)
        }
    }

    /// What `lab` sends: signed over the last block.
    pub(crate) fn announcement(network: &Network, change: ChangeId) -> AnnounceReady {
        let head = network.state.head();
        let message = ready_message(&network.state.network(), &change, &head.id);
        AnnounceReady {
            change,
            block: head.id,
            block_height: head.height,
            signature: fixture::consensus_key("lab").sign(&message),
        }
    }

    fn waiting() -> (Network, ChangeId) {
        let mut network = fixture::network();
        let change = ChangeId::new(hash("test-admission", &[]));
        network.edit(|state| {
            let seat = ValidatorSeat {
                organisation: id("lab"),
                network_key: fixture::network_key("lab"),
                college: CollegeCode::new("commoners").unwrap(),
                missed_at: None,
            };
            let consensus_key = fixture::consensus_key("lab").public();
            let pending = PendingSeat { action: SeatAction::Seat, consensus_key, seat, ready_at: None };
            state.put::<PendingSeat>((Height(20), change), pending);
        });
        network.heartbeats(3);
        (network, change)
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let (network, change) = waiting();
        let good = || announcement(&network, change);
        let mut suspended = network.clone();
        suspended.suspend("lab");
        let mut late = network.clone();
        // The fixture's own change does not exist, so the chain stops short of the height of the seat.
        late.heartbeats(15);
        let reached = [
            suspended.refusal("lab", good()),
            network.refusal("bank", good()),
            network.refusal("lab", AnnounceReady { change: ChangeId::ZERO, ..good() }),
            network.refusal("lab", AnnounceReady { block_height: Height(4), ..good() }),
            late.refusal("lab", announcement(&late, change)),
            network.refusal("lab", AnnounceReady { block: BlockId::ZERO, ..good() }),
            network.refusal("lab", AnnounceReady { signature: Signature::from_bytes([1; 64]), ..good() }),
        ];
        fixture::assert_all_reached(Kind::AnnounceReady, &reached);
    }

    #[test]
    fn the_last_thousand_blocks_are_remembered_and_no_more() {
        let (mut network, change) = waiting();
        fixture::assert_round_trips(&announcement(&network, change).into_payload());
        // A block 1,000 heights below the next one, and one below that.
        network.edit(|state| {
            state.put::<RecentBlock>(Height(0), RecentBlock { id: BlockId::ZERO });
        });
        assert_eq!(network.state.count::<RecentBlock>(), 3);
        assert_eq!(recent_block::id_at(&network.state.overlay(), Height(3)), Some(network.state.head().id));
        let mut overlay = network.state.overlay();
        let mut head = network.state.head().clone();
        head.height = Height(REMEMBERED);
        recent_block::note(&mut overlay, &head);
        assert!(!overlay.has::<RecentBlock>(&Height(0)));
        assert!(overlay.has::<RecentBlock>(&Height(1)));
        assert_eq!(overlay.get::<RecentBlock>(&head.height).unwrap().id, head.id);
    }
}
