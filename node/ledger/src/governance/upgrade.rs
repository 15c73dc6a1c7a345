//! The change `schedule_upgrade`: from a height on, other rules (architecture, versions).
//!
//! A node that does not know the rules of a height makes no block of it and accepts none: it waits for its operator.

use super::{
    change::Mode,
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion},
    propose_change,
    validator::{AHEAD, NOTICE},
};
use crate::{
    action::Place,
    state::{Overlay, Record, State},
    wire::message,
};
use octroi_primitives::*;

/// The rules from the first block on.
const FIRST_VERSION: u32 = 1;

message! {
    /// The change: from a height on, the rules of a version.
    pub struct ScheduleUpgrade = ScheduleUpgrade {
        /// The version after that in force.
        pub version: u32,
        /// First height of these rules, 10 to 1,000,000 above that of the enactment.
        pub at_height: Height,
    }

    /// Record: the rules from a height on; its key is the height.
    pub struct Upgrade = Upgrade {
        /// Version of the rules.
        pub version: u32,
        /// The change that scheduled it.
        pub change: ChangeId,
    }
}

impl Record for Upgrade {
    type Key = Height;
}

/// The version of the rules that a block of this height follows.
pub fn rules_at(state: &State, height: Height) -> u32 {
    state.range::<Upgrade>(..=height).next_back().map_or(FIRST_VERSION, |(_, upgrade)| upgrade.version)
}

/// It is the next version, and comes after every other.
fn check(asked: &ScheduleUpgrade, state: &Overlay<'_>) -> Result<(), Fault> {
    let ScheduleUpgrade { version, at_height } = asked;
    let last = state.range::<Upgrade>(..).pop();
    let (since, in_force) = last.map_or((Height(0), FIRST_VERSION), |(height, upgrade)| (height, upgrade.version));
    if *version != in_force + 1 {
        return Err(Fault::State(format!("version {version} does not follow version {in_force}")));
    }
    if *at_height <= since {
        return Err(Fault::Window(format!("height {at_height} is not above {since}, where version {in_force} begins")));
    }
    Ok(())
}

impl Motion for ScheduleUpgrade {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Supermajority
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(check(asked, state)?)
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        check(asked, state)?;
        let ahead = asked.at_height.0.saturating_sub(place.height.0);
        if !(NOTICE..=AHEAD).contains(&ahead) {
            let words = format!("height {} is less than {NOTICE} or more than {AHEAD} ahead", asked.at_height);
            return Err(Fault::Window(words).into());
        }
        Ok(Effects::default())
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        state.put::<Upgrade>(asked.at_height, Upgrade { version: asked.version, change: event.change });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        execute::{Proposed, propose},
        fixture::{self},
        governance::{
            change::{ChangeStatus, Choice, Content},
            enact_change::tests::decide,
            propose_change::tests::proposal,
        },
    };

    const YES: [(&str, Choice); 4] =
        [("bank", Choice::Yes), ("lab", Choice::Yes), ("university", Choice::Yes), ("foundation", Choice::Yes)];

    fn upgrade(version: u32, at_height: u64) -> Content {
        Content::ScheduleUpgrade(ScheduleUpgrade { version, at_height: Height(at_height) })
    }

    #[test]
    fn from_the_height_of_an_upgrade_a_node_of_the_old_rules_makes_no_block() {
        let mut network = fixture::network();
        let (_, event) = decide(&mut network, "bank", upgrade(2, 20), &YES);
        assert_eq!(event.outcome, ChangeStatus::Enacted);
        let last = 19 - network.state.head().height.0;
        network.heartbeats(last);
        assert_eq!((rules_at(&network.state, Height(19)), rules_at(&network.state, Height(20))), (1, 2));
        let proposer = network.state.validators().select(Height(20), Round(0)).consensus_key;
        let time = network.in_days(1);
        let proposed = Proposed { round: Round(0), time, proposer, transactions: vec![], last_commit: None };
        let refused = propose(&network.state, proposed).unwrap_err();
        assert!(refused.to_string().contains("version"), "{refused}");
    }

    #[test]
    fn an_upgrade_follows_the_version_before_it_with_ten_heights_of_notice() {
        let mut network = fixture::network();
        assert_eq!(network.refusal("bank", proposal(&network, upgrade(3, 90))), "StateNamed");
        for height in [7, 2_000_000] {
            let (_, event) = decide(&mut network, "bank", upgrade(2, height), &YES);
            assert_eq!(event.outcome, ChangeStatus::NotEnacted, "{height}");
        }
        network.edit(|state| state.put::<Upgrade>(Height(90), Upgrade { version: 2, change: ChangeId::ZERO }));
        assert_eq!(network.refusal("bank", proposal(&network, upgrade(3, 90))), "WindowNamed");
    }
}
