//! The change `write_off`: the colleges give up what a payer still owes for a period (rulebook §3, table A; §4).
//!
//! The charges for being late are posted up to the day first, so that what is given up is seen; then uncollected stands against the receivables.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    propose_change,
};
use crate::{
    accounts::PostingError,
    action::Place,
    history::RecordRef,
    levy::{
        account::{LevyAccount, LevyFlag, LevyKey, fund_of},
        ending::LevyEnded,
    },
    registry::organisation::Organisation,
    signer::same_group,
    state::Overlay,
    wire::message,
};
use octroi_primitives::*;

message! {
    /// Gives up what is owed for a period.
    pub struct WriteOff = WriteOff {
        /// Who owes.
        pub payer: OrganisationId,
        /// Under which schedule.
        pub schedule: ScheduleCode,
        /// For which period.
        pub period: Period,
        /// Why.
        pub reason: ReasonCode,
    }
}

impl WriteOff {
    fn key(&self) -> LevyKey {
        (self.payer, self.schedule, self.period)
    }

    /// The account, if something can be given up.
    fn account<'a>(&self, state: &'a Overlay<'_>) -> Result<&'a LevyAccount, Fault> {
        let Self { payer, schedule, period, .. } = self;
        let Some(account) = state.get::<LevyAccount>(&self.key()) else {
            return Err(Fault::Unknown(format!("levy {schedule} {period} of {payer} does not exist")));
        };
        if !account.is_open() {
            return Err(Fault::State(format!("levy {schedule} {period} of {payer} has nothing open")));
        }
        if account.dispute.is_some() {
            return Err(Fault::State(format!("a dispute of levy {schedule} {period} of {payer} waits for an answer")));
        }
        Ok(account)
    }
}

impl Motion for WriteOff {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Majority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        asked.account(state)?;
        Ok(())
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.payer)
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<LevyAccount>(&asked.key()))
    }

    fn fund(asked: &Self, state: &Overlay<'_>) -> Option<FundCode> {
        fund_of(state, &asked.schedule)
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        let account = asked.account(state)?;
        let ended = LevyEnded::charged(asked.key(), account, place.date(), state)
            .map_err(|large| Fault::Overflow(large.to_string()))?;
        let postings = ended.movement().check(state).map_err(|error| match error {
            PostingError::Insufficient { .. } => Fault::Insufficient(error.to_string()),
            PostingError::Overflow(_) => Fault::Overflow(error.to_string()),
        })?;
        Ok(Effects { written_off: Some(ended), postings, ..Effects::default() })
    }

    fn apply(_: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        if let Some(ended) = &event.written_off {
            ended.write(LevyFlag::WrittenOff, state);
        }
    }

    fn subjects(asked: &Self, _: &ChangeEnacted) -> Vec<RecordRef> {
        vec![RecordRef::of::<Organisation>(&asked.payer)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Account,
        fixture::{
            fund, id,
            money::{self, date, schedule_code},
        },
        governance::{change::Content, enact_change::tests::enacted},
    };

    #[test]
    fn what_is_given_up_shows_its_charges_and_is_claimed_no_more() {
        let mut network = money::network();
        network.advance_to(date(2027, 7, 2).start_time());
        network.assess_calls("2027Q1", 2_000_000);
        let asked = WriteOff {
            payer: id("reuser"),
            schedule: schedule_code("royalty"),
            period: "2027Q1".parse().unwrap(),
            reason: ReasonCode::new("insolvent").unwrap(),
        };
        let event = enacted(&mut network, "federation", Content::WriteOff(asked.clone()));
        let ended = event.written_off.unwrap();
        // Due by the end of April; in July three months have begun, at 0.2 %.
        assert_eq!((ended.principal, ended.interest), (10_000, 60));
        assert_eq!(network.balance(&Account::Uncollected { fund: fund() }), 0);
        let levy = network.royalty("2027Q1");
        assert!(levy.has(LevyFlag::WrittenOff) && !levy.is_open());
        assert!(matches!(asked.account(&network.state.overlay()), Err(Fault::State(_))));
        network.assert_sound();
    }
}
