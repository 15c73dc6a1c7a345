//! Records: what a role may decide alone, and what it has decided so in the last 30 days (rulebook §10, delegated); and the change `set_delegated_limit`.
//!
//! A proposal that its signer may decide alone is not voted: it is enacted at its time, and counts against both limits from the proposal on. One that is
//! above a limit, or whose signer is conflicted, is voted like any other.

use super::{
    change::{Content, Mode},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion, ShapeFault},
    propose_change,
};
use crate::{
    action::Place,
    history::RecordRef,
    registry::{
        fund::Fund,
        role::{Role, Scope},
    },
    signer::Context,
    state::{Overlay, Record},
    wire::message,
};
use octroi_primitives::*;

/// The days over which the second limit rolls.
const ROLLING_MS: u64 = 30 * 86_400_000;

message! {
    /// The change: what a role may decide alone in a fund.
    pub struct SetDelegatedLimit = SetDelegatedLimit {
        /// In which fund.
        pub fund: FundCode,
        /// Changes of which name.
        pub change: Code,
        /// Who may, by a role in the fund.
        pub role: Role,
        /// Minor units that one change may decide on; 0 takes the delegation back.
        pub per_change: u64,
        /// Minor units of all changes in 30 days.
        pub per_30_days: u64,
    }

    /// Record: a limit in force.
    pub struct DelegatedLimit = DelegatedLimit {
        /// Who may, by a role in the fund.
        pub role: Role,
        /// Minor units that one change may decide on.
        pub per_change: u64,
        /// Minor units of all changes in 30 days.
        pub per_30_days: u64,
        /// The change that set it.
        pub change: ChangeId,
    }

    /// Record: what one change took of the limit.
    pub struct DelegatedUse = DelegatedUse {
        /// Minor units.
        pub amount: u64,
    }
}

impl Record for DelegatedLimit {
    /// (fund, name of the change).
    type Key = (FundCode, Code);
}

impl Record for DelegatedUse {
    /// (fund, name of the change, time of the proposal, the change).
    type Key = (FundCode, Code, BlockTime, ChangeId);
}

/// Names of changes that say how much money they decide on, and so can be delegated. A write-off does not: what is owed grows until it is enacted.
const DELEGABLE: &[&str] = &["award_grants", "transfer_funds", "release_reserve"];

fn key(content: &Content, state: &Overlay<'_>) -> Option<(FundCode, Code)> {
    Some((content.fund(state)?, Code::new(content.name()).expect("names of changes are codes")))
}

/// What was taken in a time, both ends included.
fn uses(
    state: &Overlay<'_>,
    (fund, name): (FundCode, Code),
    from: BlockTime,
    to: BlockTime,
) -> Vec<(BlockTime, ChangeId, u64)> {
    let last = ChangeId::from_bytes([0xff; 32]);
    let found = state.range::<DelegatedUse>((fund, name, from, ChangeId::ZERO)..=(fund, name, to, last));
    found.into_iter().map(|((_, _, at, change), taken)| (at, change, taken.amount)).collect()
}

/// Whether the signer may decide on this alone now.
pub(super) fn allows(content: &Content, cx: &Context<'_>, state: &Overlay<'_>) -> bool {
    let Some((amount, key)) = content.money().zip(key(content, state)) else { return false };
    let Some(limit) = state.get::<DelegatedLimit>(&key) else { return false };
    // A cap is set aside by those who voted it, not by one office within a limit of money.
    if matches!(content, Content::AwardGrants(asked) if !asked.derogations.is_empty()) {
        return false;
    }
    let time = cx.place.time;
    let since = BlockTime(time.0.saturating_sub(ROLLING_MS) + 1);
    let taken: u128 = uses(state, key, since, time).iter().map(|(_, _, amount)| u128::from(*amount)).sum();
    amount <= limit.per_change
        && taken + u128::from(amount) <= u128::from(limit.per_30_days)
        && !content.conflicts(&cx.organisation, state)
        && cx.authorise(state, limit.role, Scope::Fund(key.0)).is_ok()
}

/// Counts a change against the limit, and forgets what is older than its days.
pub(super) fn take(change: &ChangeId, content: &Content, now: BlockTime, state: &mut Overlay<'_>) {
    let Some((amount, (fund, name))) = content.money().zip(key(content, state)) else { return };
    let old = BlockTime(now.0.saturating_sub(ROLLING_MS));
    for (at, of, _) in uses(state, (fund, name), BlockTime(0), old) {
        state.remove::<DelegatedUse>(&(fund, name, at, of));
    }
    state.put::<DelegatedUse>((fund, name, now, *change), DelegatedUse { amount });
}

/// A change that was not enacted counts no more.
pub(super) fn give_back(change: &ChangeId, content: &Content, state: &mut Overlay<'_>) {
    if content.money().is_none() {
        return;
    }
    let Some((fund, name)) = key(content, state) else { return };
    for (at, of, _) in uses(state, (fund, name), BlockTime(0), BlockTime(u64::MAX)) {
        if of == *change {
            state.remove::<DelegatedUse>(&(fund, name, at, of));
        }
    }
}

impl Motion for SetDelegatedLimit {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Consent
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let Self { fund: _, change, role, per_change, per_30_days } = asked;
        if *per_30_days > Amount::MAX_MINOR || per_change > per_30_days {
            let words = format!("{per_change} minor units a change and {per_30_days} in 30 days");
            return Err(ShapeFault::Amount(words).into());
        }
        if !DELEGABLE.contains(&change.as_str()) {
            return Err(ShapeFault::Limit(format!("changes {change} cannot be delegated")).into());
        }
        if !matches!(role, Role::ProgrammeManager | Role::Ordonnateur | Role::Comptable) {
            return Err(ShapeFault::Limit(format!("the role {role} decides on no money alone")).into());
        }
        Ok(())
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        if state.has::<Fund>(&asked.fund) {
            Ok(())
        } else {
            Err(Fault::Unknown(format!("fund {} does not exist", asked.fund)).into())
        }
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Fund>(&asked.fund))
    }

    fn fund(asked: &Self, _: &Overlay<'_>) -> Option<FundCode> {
        Some(asked.fund)
    }

    fn enact(asked: &Self, _: &ChangeId, _: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        if state.has::<Fund>(&asked.fund) {
            Ok(Effects::default())
        } else {
            Err(Fault::Unknown(format!("fund {} does not exist", asked.fund)).into())
        }
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { fund, change, role, per_change, per_30_days } = *asked;
        if per_change == 0 {
            if state.has::<DelegatedLimit>(&(fund, change)) {
                state.remove::<DelegatedLimit>(&(fund, change));
            }
            return;
        }
        let limit = DelegatedLimit { role, per_change, per_30_days, change: event.change };
        state.put::<DelegatedLimit>((fund, change), limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Account,
        action::Event,
        application::{application::CallParty, fixture::reviewed},
        fixture::{self, DAY, Network},
        governance::{
            change::{AwardGrants, Change, ChangeStatus, Choice},
            electorate::Counting,
            propose_change::tests::{awards, change_of, proposal},
            withdraw_change::WithdrawChange,
        },
        grant::fixture::credit,
        registry::organisation::Organisation,
    };

    /// A reviewed application, and a limit on awards of its fund; nothing in the envelope.
    fn poor(per_change: u64, per_30_days: u64) -> (Network, CallId, ApplicationId) {
        let (mut network, call, first) = reviewed();
        network.edit(|state| {
            let limit =
                DelegatedLimit { role: Role::ProgrammeManager, per_change, per_30_days, change: ChangeId::ZERO };
            state.put::<DelegatedLimit>(award_key(), limit);
        });
        (network, call, first)
    }

    /// The same with 50,000.00 EUR in the envelope.
    fn limited(per_change: u64, per_30_days: u64) -> (Network, CallId, ApplicationId) {
        let (mut network, call, first) = poor(per_change, per_30_days);
        let pot = Account::Envelope { fund: fixture::fund(), envelope: fixture::envelope("commons") };
        credit(&mut network, pot, 5_000_000);
        (network, call, first)
    }

    fn award_key() -> (FundCode, Code) {
        (fixture::fund(), Code::new("award_grants").unwrap())
    }

    fn propose(network: &mut Network, call: CallId, first: ApplicationId) -> Change {
        let proposal = proposal(network, Content::AwardGrants(awards(call, &[(first, 1_000_000)])));
        let change = change_of(&network.run("foundation", proposal).unwrap());
        network.state.get::<Change>(&change).unwrap().clone()
    }

    #[test]
    fn a_role_decides_alone_up_to_its_limit_and_no_further() {
        for (per_change, expected) in [(1_000_000, Mode::Delegated), (999_999, Mode::Majority)] {
            let (mut network, call, first) = limited(per_change, 1_000_000);
            let Change { mode, opens_at, closes_at, .. } = propose(&mut network, call, first);
            assert_eq!(mode, expected);
            if mode == Mode::Delegated {
                assert_eq!(opens_at, closes_at);
                let receipts = network.advance_to(opens_at);
                let [receipt] = receipts.as_slice() else { panic!("{receipts:?}") };
                let Some(Event::EnactChange(event)) = receipt.event() else { panic!("{receipt:?}") };
                assert_eq!((event.outcome, event.counting), (ChangeStatus::Enacted, Counting::Alone));
                assert_eq!(event.offers.len(), 1);
            }
        }
    }

    #[test]
    fn what_was_decided_in_the_last_thirty_days_counts_and_what_is_older_does_not() {
        for (ago, expected) in [(30 * DAY - 1, Mode::Majority), (30 * DAY, Mode::Delegated)] {
            let (mut network, call, first) = limited(1_000_000, 1_500_000);
            let (fund, name) = award_key();
            // The block of the proposal is a millisecond after the last.
            let at = BlockTime(network.now().0 + 1 - ago);
            let amount = 500_001;
            network.edit(|state| {
                state.put::<DelegatedUse>((fund, name, at, ChangeId::ZERO), DelegatedUse { amount });
            });
            assert_eq!(propose(&mut network, call, first).mode, expected, "{ago}");
            let left = network.state.count::<DelegatedUse>();
            assert_eq!(left, 1, "an old one is forgotten when one is added");
        }
    }

    #[test]
    fn a_delegated_award_that_is_not_enacted_counts_no_more() {
        let (mut network, call, first) = poor(1_000_000, 1_000_000);
        let Change { opens_at, .. } = propose(&mut network, call, first);
        assert_eq!(network.state.count::<DelegatedUse>(), 1);
        let receipts = network.advance_to(opens_at);
        let Some(Event::EnactChange(event)) = receipts[0].event() else { panic!("{receipts:?}") };
        assert_eq!(event.outcome, ChangeStatus::NotEnacted);
        assert_eq!(network.state.count::<DelegatedUse>(), 0);
    }

    #[test]
    fn the_office_that_decided_alone_takes_it_back_and_it_counts_no_more() {
        let (mut network, call, first) = limited(1_000_000, 1_000_000);
        network.edit(|state| {
            state.update::<DelegatedLimit>(&award_key(), |limit| limit.role = Role::Ordonnateur);
            state.update::<Organisation>(&fixture::id("region"), |region| {
                region.offices[0].roles = vec![Role::Ordonnateur];
            });
        });
        let asked = Content::AwardGrants(awards(call, &[(first, 1_000_000)]));
        let change = change_of(&network.run("region", proposal(&network, asked)).unwrap());
        assert_eq!(network.state.count::<DelegatedUse>(), 1);
        network.run("region", WithdrawChange { change }).unwrap();
        assert_eq!(network.state.count::<DelegatedUse>(), 0);
        assert_eq!(network.state.get::<Change>(&change).unwrap().status, ChangeStatus::Withdrawn);
    }

    #[test]
    fn who_is_conflicted_does_not_decide_alone() {
        let (mut network, call, first) = limited(1_000_000, 1_000_000);
        network.edit(|state| {
            state.put::<CallParty>((call, fixture::id("foundation")), CallParty { applications: 1 });
        });
        assert_eq!(propose(&mut network, call, first).mode, Mode::Majority);
    }

    #[test]
    fn nobody_sets_a_cap_aside_alone() {
        let (mut network, call, first) = limited(1_000_000, 1_000_000);
        let asked = AwardGrants { derogations: vec![first], ..awards(call, &[(first, 1_000_000)]) };
        let asked = proposal(&network, Content::AwardGrants(asked));
        let change = change_of(&network.run("foundation", asked).unwrap());
        assert_ne!(network.state.get::<Change>(&change).unwrap().mode, Mode::Delegated);
    }

    #[test]
    fn a_limit_is_set_by_consent_and_taken_back_with_zero() {
        let ask = |per_change| SetDelegatedLimit {
            fund: fixture::fund(),
            change: Code::new("award_grants").unwrap(),
            role: Role::ProgrammeManager,
            per_change,
            per_30_days: 10,
        };
        let mut network = fixture::network();
        for (per_change, limits) in [(5, 1), (0, 0)] {
            let proposal = proposal(&network, Content::SetDelegatedLimit(ask(per_change)));
            let change = change_of(&network.run("bank", proposal).unwrap());
            let Change { mode, opens_at, closes_at, .. } = network.state.get::<Change>(&change).unwrap().clone();
            assert_eq!(mode, Mode::Consent);
            network.advance_to(opens_at);
            for seat in ["bank", "lab", "university", "consumers"] {
                network.run(seat, crate::governance::cast_ballot::tests::ballot(change, Choice::Abstain)).unwrap();
            }
            network.advance_to(closes_at);
            assert_eq!(network.state.count::<DelegatedLimit>(), limits);
        }
        let refused = |asked| network.refusal("bank", proposal(&network, Content::SetDelegatedLimit(asked)));
        assert_eq!(refused(ask(11)), "AmountShape");
        assert_eq!(refused(SetDelegatedLimit { change: Code::new("grant_role").unwrap(), ..ask(5) }), "LimitShape");
        assert_eq!(refused(SetDelegatedLimit { role: Role::Auditor, ..ask(5) }), "LimitShape");
        assert_eq!(refused(SetDelegatedLimit { fund: FundCode::new("none").unwrap(), ..ask(5) }), "UnknownNamed");
    }
}
