//! `prescribe_levy`*: the years in which a period can be assessed and claimed are over. The executor makes it on the first day after them.
//!
//! - Effect: what is open ends: uncollected against the receivables; nothing is assessed or claimed of the period any more. A dispute that waits for
//!   its answer holds it up.
//! - Source: rulebook §3, table A; §4, 040a; §5.

use super::{
    account::{LevyAccount, LevyFlag},
    ending::LevyEnded,
    watch::LevyWatch,
};
use crate::{
    accounts::{PostingError, Postings},
    action::{Duty, Effect, Place},
    history::RecordRef,
    refusal::refusals,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

/// The duty; its object is that of the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrescribeLevy;

message! {
    /// The event.
    pub struct LevyPrescribed = LevyPrescribed {
        /// What ends.
        pub ended: LevyEnded [required],
        /// Uncollected against the receivables.
        pub postings: Postings,
    }
}

refusals! {
    UnknownPeriod(Hash): Unknown 1 "no account waits under {0}", "nothing was ever declared or expected of the period";
    StateEnded(Period): State 1 "period {0} is paid, or ended already", "nothing is open";
    StateDisputed(Period): State 2 "a dispute of period {0} waits for an answer", "a dispute of the period is open";
    Insufficient(PostingError): Insufficient 1 "{0}", "an account does not hold what ends";
    Overflow(PostingError): Overflow 1 "{0}", "a sum leaves its range";
}

impl Duty for PrescribeLevy {
    type Event = LevyPrescribed;
    type Refused = Refused;

    fn decide(object: &Hash, _: &Place, state: &Overlay<'_>) -> Result<LevyPrescribed, Refused> {
        let key = state.get::<LevyWatch>(object).ok_or(Refused::UnknownPeriod(*object))?.key();
        let account = state.get::<LevyAccount>(&key).ok_or(Refused::UnknownPeriod(*object))?;
        let settled = account.assessment.is_some() && !account.is_open();
        if account.has_ended() || settled {
            return Err(Refused::StateEnded(key.2));
        }
        if account.dispute.is_some() {
            return Err(Refused::StateDisputed(key.2));
        }
        let ended = LevyEnded::posted(key, account, state);
        match ended.movement().check(state) {
            Ok(postings) => Ok(LevyPrescribed { ended, postings }),
            Err(error @ PostingError::Insufficient { .. }) => Err(Refused::Insufficient(error)),
            Err(error @ PostingError::Overflow(_)) => Err(Refused::Overflow(error)),
        }
    }
}

impl Effect for LevyPrescribed {
    fn apply(&self, _: &Place, state: &mut Overlay<'_>) {
        self.ended.write(LevyFlag::Prescribed, state);
    }

    fn subjects(&self) -> Vec<RecordRef> {
        self.ended.subjects()
    }

    fn postings(&self) -> Option<&Postings> {
        Some(&self.postings)
    }
}
