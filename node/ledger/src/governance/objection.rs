//! Record: an objection to a change by consent, and what the delegates of the colleges say of it (rulebook §10).
//!
//! It is admitted or rejected by two thirds of the colleges that may vote; a college without a delegate that may vote counts as not admitting. One
//! that nobody has judged by the close stands against nothing.

use super::change::Change;
use crate::{
    state::{Overlay, Record},
    wire::{message, words},
};
use octroi_primitives::*;

words! {
    /// Where an objection stands.
    pub enum ObjectionStatus {
        /// Not judged by enough colleges.
        Raised = "raised",
        /// It stands against the change.
        Admitted = "admitted",
        /// It does not.
        Rejected = "rejected",
        /// Taken back by who raised it.
        Withdrawn = "withdrawn",
        /// The author has amended the change.
        Met = "met",
    }

    /// What a delegate says.
    pub enum Judgement {
        /// It stands against the change.
        Admit = "admit",
        /// It does not.
        Reject = "reject",
    }
}

message! {
    /// What the delegate of a college says of it.
    pub struct ObjectionVerdict = ObjectionVerdict {
        /// For which college.
        pub college: CollegeCode,
        /// Which way.
        pub verdict: Judgement,
    }

    /// Record: an objection.
    pub struct Objection = Objection {
        /// Round in which it was raised, from 0.
        pub round: u32,
        /// Who objects.
        pub organisation: OrganisationId,
        /// Its college; `None`: an auditor of the fund.
        pub college: Option<CollegeCode>,
        /// Why, as a code.
        pub reason: ReasonCode,
        /// Why, in a text that stays outside.
        pub text: Commitment,
        /// The rule concerned.
        pub rule: Text<64>,
        /// Where it stands.
        pub status: ObjectionStatus,
        /// What delegates have said, by college.
        pub verdicts: Vec<ObjectionVerdict>,
    }
}

impl Record for Objection {
    /// (the change, the number of the objection from 1).
    type Key = (ChangeId, u32);
}

impl Objection {
    /// Whether it is neither settled nor taken back.
    pub const fn is_open(&self) -> bool {
        match self.status {
            ObjectionStatus::Raised | ObjectionStatus::Admitted => true,
            ObjectionStatus::Rejected | ObjectionStatus::Withdrawn | ObjectionStatus::Met => false,
        }
    }

    /// Where it stands once this college has said so; a later word of a college replaces the earlier one.
    pub fn judged(&self, college: CollegeCode, verdict: Judgement, change: &Change) -> ObjectionStatus {
        let others = self.verdicts.iter().filter(|said| said.college != college).map(|said| said.verdict);
        let said: Vec<Judgement> = others.chain([verdict]).collect();
        let colleges = change.colleges.iter().filter(|college| !college.silent).count();
        let two_thirds = |wanted| 3 * said.iter().filter(|verdict| **verdict == wanted).count() >= 2 * colleges;
        if two_thirds(Judgement::Admit) {
            ObjectionStatus::Admitted
        } else if two_thirds(Judgement::Reject) {
            ObjectionStatus::Rejected
        } else {
            ObjectionStatus::Raised
        }
    }
}

/// The objections of a change, by number.
pub fn objections_to(state: &Overlay<'_>, change: &ChangeId) -> Vec<(u32, Objection)> {
    let objections = state.range::<Objection>((*change, 0)..=(*change, u32::MAX));
    objections.into_iter().map(|((_, number), objection)| (number, objection)).collect()
}

/// How many stand against the change now.
pub fn admitted(state: &Overlay<'_>, change: &ChangeId) -> u32 {
    let objections = objections_to(state, change);
    objections.iter().filter(|(_, objection)| objection.status == ObjectionStatus::Admitted).count() as u32
}
