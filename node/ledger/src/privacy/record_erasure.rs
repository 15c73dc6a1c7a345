//! `record_erasure`: the controller of documents notes that it has erased them, or their salts.
//!
//! - Allowed: an organisation, active or suspended, by an office that may use any of its roles.
//! - Effect: whoever meets one of the commitments learns that its document can no longer be shown, who says so, since when and why. What the ledger has
//!   recorded of it stays as it is.
//! - Source: rulebook §12, §4 (0f01).

use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    refusal::{refusals, signer_refusals},
    registry::{organisation::Organisation, role::Role},
    signer::Context,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Commitments of one note, at most.
const LIST: usize = 64;

message! {
    /// The payload.
    pub struct RecordErasure = RecordErasure {
        /// Commitments to what was erased.
        pub commitments: Vec<Commitment>,
        /// Why.
        pub reason: ReasonCode,
        /// Day on which it was.
        pub on: LegalDate [required],
    }

    /// The event.
    pub struct ErasureRecorded = ErasureRecorded {
        /// Who says so.
        pub controller: OrganisationId,
        /// Commitments to what was erased.
        pub commitments: Vec<Commitment>,
        /// As it stands in the state, for each of them.
        pub erasure: Erasure [required],
    }

    /// Record: an erasure.
    pub struct Erasure = Erasure {
        /// Why.
        pub reason: ReasonCode,
        /// Day on which it was.
        pub on: LegalDate [required],
    }
}

impl Record for Erasure {
    /// (the commitment, who says so).
    type Key = (Commitment, OrganisationId);
}

refusals! {
    LimitCommitments(usize): Limit 1 "{0} commitments: 1 to 64, each once", "no commitment, too many, or one of them twice";
    signer;
    DateFuture(LegalDate): Date 1 "{0} is after today", "the day is after that of the block";
    DuplicateErasure(Commitment): Duplicate 1 "the erasure of {0} is noted already", "the signer has noted one of the erasures before";
}
signer_refusals!(Refused);

impl Action for RecordErasure {
    type Event = ErasureRecorded;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let distinct: BTreeSet<&Commitment> = self.commitments.iter().collect();
        let length = self.commitments.len();
        if !(1..=LIST).contains(&length) || distinct.len() != length {
            return Err(Refused::LimitCommitments(length));
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + self.commitments.len() as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<ErasureRecorded, Refused> {
        let Self { commitments, reason, on } = self.clone();
        cx.by_office_even_suspended(state, Role::ALL)?;
        if on > cx.place.date() {
            return Err(Refused::DateFuture(on));
        }
        let noted = |commitment: &&Commitment| state.has::<Erasure>(&(**commitment, cx.organisation));
        if let Some(commitment) = commitments.iter().find(noted) {
            return Err(Refused::DuplicateErasure(*commitment));
        }
        Ok(ErasureRecorded { controller: cx.organisation, commitments, erasure: Erasure { reason, on } })
    }
}

impl Effect for ErasureRecorded {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        for commitment in &self.commitments {
            state.put::<Erasure>((*commitment, self.controller), self.erasure.clone());
        }
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Organisation>(&self.controller)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Kind, Payload},
        fixture::{self, IntoPayload, id},
        registry::organisation::Status,
    };

    impl IntoPayload for RecordErasure {
        fn into_payload(self) -> Payload {
            Payload::RecordErasure(self)
        }
    }

    fn erasure(texts: &[&str]) -> RecordErasure {
        RecordErasure {
            commitments: texts.iter().map(|text| fixture::commitment(text)).collect(),
            reason: ReasonCode::new("retention_over").unwrap(),
            on: LegalDate::new(2027, 1, 4).unwrap(),
        }
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        let edited = |edit: &dyn Fn(&mut Organisation)| {
            let mut other = network.clone();
            other.edit(|state| state.update::<Organisation>(&id("asso1"), edit));
            other
        };
        let closed = edited(&|record| record.status = Status::Closed);
        let idle = edited(&|record| record.offices[0].roles.clear());
        let tomorrow = RecordErasure { on: LegalDate::new(2027, 1, 5).unwrap(), ..erasure(&["a"]) };
        let early = [
            network.refusal("asso1", erasure(&["a", "a"])),
            closed.refusal("asso1", erasure(&["a"])),
            idle.refusal("asso1", erasure(&["a"])),
            network.refusal("asso1", tomorrow),
        ];
        network.run("asso1", erasure(&["a"])).unwrap();
        let reached = [early.as_slice(), &[network.refusal("asso1", erasure(&["b", "a"]))]].concat();
        fixture::assert_all_reached(Kind::RecordErasure, &reached);
        assert_eq!(network.refusal("asso1", erasure(&[])), "LimitCommitments");
    }

    #[test]
    fn an_erasure_is_noted_by_its_controller_even_if_suspended_and_blocks_nobody_else() {
        let mut network = fixture::network();
        network.suspend("asso1");
        fixture::assert_round_trips(&erasure(&["a", "b"]).into_payload());
        network.run("asso1", erasure(&["a", "b"])).unwrap();
        network.run("asso2", erasure(&["a"])).unwrap();
        assert_eq!(network.state.count::<Erasure>(), 3);
    }
}
