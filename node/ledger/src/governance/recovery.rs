//! The change `recover_keys`: an organisation that has lost an office's keys gets new ones, by a registrar and governance, after 30 days (rulebook §2, §10).
//!
//! The new keys are spoken for from the enactment on; 30 days later they replace every key of the office (`conclude_change`*). Until then the old ones
//! sign as before, so that an organisation whose keys were not lost notices.

use super::{
    change::Mode,
    conclude_change::{self, ConcludeChange},
    enact_change::{self, ChangeEnacted},
    motion::{Effects, Fault, Motion, Proposer, ShapeFault},
    propose_change,
};
use crate::{
    action::{Kind, Place},
    due,
    history::RecordRef,
    network::NetworkRecord,
    registry::{
        organisation::{KeyOwner, OfficeKey, Organisation, Status},
        register_organisation::{OfferedKey, is_proven},
        role::{Role, Scope},
    },
    signer::same_group,
    state::{Only, Overlay},
    wire::message,
};
use octroi_primitives::*;
use std::collections::BTreeSet;

/// Keys of an office, at most.
const KEYS: usize = 16;
/// Between enactment and effect.
const DELAY_MS: u64 = 30 * 86_400_000;

message! {
    /// The change: new keys for an office.
    pub struct RecoverKeys = RecoverKeys {
        /// Whose.
        pub organisation: OrganisationId,
        /// Which office.
        pub office: OfficeCode,
        /// The keys that replace all others of the office, with proofs.
        pub keys: Vec<OfferedKey>,
    }
}

fn known(asked: &RecoverKeys, state: &Overlay<'_>) -> Result<(), Fault> {
    let RecoverKeys { organisation, office, keys: _ } = asked;
    let record = state.get::<Organisation>(organisation);
    let record = record.ok_or_else(|| Fault::Unknown(format!("organisation {organisation} does not exist")))?;
    if record.offices.iter().any(|held| held.code == *office) {
        Ok(())
    } else {
        Err(Fault::Unknown(format!("organisation {organisation} has no office {office}")))
    }
}

/// The keys are nobody's yet, and proven.
fn keys(asked: &RecoverKeys, state: &Overlay<'_>) -> Result<(), Fault> {
    if let Some(used) = asked.keys.iter().find(|offered| state.has::<KeyOwner>(&offered.key)) {
        return Err(Fault::Duplicate(format!("key {} is in use or was", used.key)));
    }
    let network = state.get::<NetworkRecord>(&Only).map(|network| network.name.clone()).unwrap_or_default();
    match asked.keys.iter().find(|offered| !is_proven(offered, network.as_str())) {
        Some(weak) => Err(Fault::Evidence(format!("key {} is not acceptable, or its proof does not verify", weak.key))),
        None => Ok(()),
    }
}

/// Whether the keys can replace those of the office in a block of this height.
pub(super) fn check(asked: &RecoverKeys, height: Height, state: &Overlay<'_>) -> Result<(), conclude_change::Refused> {
    let RecoverKeys { organisation, office, keys } = asked;
    let ended = conclude_change::Refused::StateOrganisation(*organisation);
    let Some(record) = state.get::<Organisation>(organisation) else { return Err(ended) };
    if !matches!(record.status, Status::Active | Status::Suspended) {
        return Err(ended);
    }
    if !record.offices.iter().any(|held| held.code == *office) {
        return Err(ended);
    }
    let next = Height(height.0 + 1);
    let others = record.offices.iter().filter(|held| held.code != *office).flat_map(|held| &held.keys);
    let live = others.filter(|key| key.is_live(next)).count() + keys.len();
    let needed = record.greatest_threshold(next);
    if live < usize::from(needed) {
        return Err(conclude_change::Refused::ThresholdUnreachable(live, needed));
    }
    Ok(())
}

/// The keys replace those of the office from the next height on.
pub(super) fn take_effect(asked: &RecoverKeys, height: Height, state: &mut Overlay<'_>) {
    let RecoverKeys { organisation, office, keys } = asked;
    let next = Height(height.0 + 1);
    state.update::<Organisation>(organisation, |record| {
        for held in record.offices.iter_mut().filter(|held| held.code == *office) {
            // Keys that were to come later never do; ended ones stay as they are, as far as an office remembers them.
            held.keys.retain(|key| key.from_height < next);
            for key in held.keys.iter_mut().filter(|key| key.to_height == Height(0) || key.to_height > next) {
                key.to_height = next;
            }
            held.keys.extend(keys.iter().map(|offered| OfficeKey {
                key: offered.key,
                from_height: next,
                to_height: Height(0),
            }));
        }
    });
}

/// Keys that were spoken for, and never were live, are nobody's again.
pub(super) fn release(asked: &RecoverKeys, state: &mut Overlay<'_>) {
    for OfferedKey { key, .. } in &asked.keys {
        state.remove::<KeyOwner>(key);
    }
}

impl Motion for RecoverKeys {
    type Asked = Self;

    fn mode(_: &Self, _: &Overlay<'_>) -> Mode {
        Mode::Supermajority
    }

    fn proposer(_: &Self, _: &Overlay<'_>) -> Result<Proposer, propose_change::Refused> {
        Ok(Proposer::Holder(Role::Registrar, Scope::Network))
    }

    fn elements(asked: &Self) -> usize {
        8 * asked.keys.len()
    }

    fn written(asked: &Self) -> usize {
        2 + asked.keys.len()
    }

    fn validate(asked: &Self) -> Result<(), propose_change::Refused> {
        let distinct: BTreeSet<PublicKey> = asked.keys.iter().map(|offered| offered.key).collect();
        if distinct.is_empty() || distinct.len() != asked.keys.len() || distinct.len() > KEYS {
            let words = format!("{} keys: 1 to {KEYS}, each once", asked.keys.len());
            return Err(ShapeFault::Limit(words).into());
        }
        Ok(())
    }

    fn known(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(known(asked, state)?)
    }

    fn own(asked: &Self, state: &Overlay<'_>) -> Result<(), propose_change::Refused> {
        Ok(keys(asked, state)?)
    }

    fn conflicts(asked: &Self, organisation: &OrganisationId, state: &Overlay<'_>) -> bool {
        same_group(state, organisation, &asked.organisation)
    }

    fn bears_empty_colleges() -> bool {
        true
    }

    fn target(asked: &Self) -> Option<RecordRef> {
        Some(RecordRef::of::<Organisation>(&asked.organisation))
    }

    fn enact(asked: &Self, _: &ChangeId, place: &Place, state: &Overlay<'_>) -> Result<Effects, enact_change::Refused> {
        known(asked, state)?;
        keys(asked, state)?;
        check(asked, place.height, state).map_err(|refused| match refused {
            conclude_change::Refused::ThresholdUnreachable(..) => Fault::Threshold(refused.to_string()),
            _ => Fault::State(refused.to_string()),
        })?;
        Ok(Effects { effective_at: Some(place.time.saturating_add(DELAY_MS)), ..Effects::default() })
    }

    fn apply(asked: &Self, event: &ChangeEnacted, _: &Place, state: &mut Overlay<'_>) {
        let Self { organisation, office, keys } = asked;
        for OfferedKey { key, .. } in keys {
            state.put::<KeyOwner>(*key, KeyOwner { organisation: *organisation, office: *office });
        }
        if let Some(at) = event.effective_at {
            due::schedule(state, at, Kind::ConcludeChange, ConcludeChange::object(&event.change));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{self, Network, id},
        governance::{
            change::{Change, ChangeStatus, Choice, Content},
            enact_change::tests::decide,
            propose_change::tests::proposal,
        },
        refusal::Reject,
        registry::organisation::Threshold,
    };

    const YES: [(&str, Choice); 4] =
        [("bank", Choice::Yes), ("lab", Choice::Yes), ("university", Choice::Yes), ("foundation", Choice::Yes)];

    fn fresh(text: &str) -> SecretKey {
        SecretKey::from_seed(hash("test-recovered", &[text.as_bytes()]).to_bytes())
    }

    fn recover() -> RecoverKeys {
        RecoverKeys {
            organisation: id("asso1"),
            office: OfficeCode::new("main").unwrap(),
            keys: vec![fixture::offer(&fresh("a"))],
        }
    }

    fn recovered(network: &mut Network) -> ChangeId {
        let (change, event) = decide(network, "bank", Content::RecoverKeys(recover()), &YES);
        assert_eq!(event.outcome, ChangeStatus::Pending);
        change
    }

    fn status(network: &Network, change: ChangeId) -> ChangeStatus {
        network.state.get::<Change>(&change).unwrap().status
    }

    #[test]
    fn recovered_keys_are_live_thirty_days_after_the_enactment_and_the_old_ones_no_more() {
        let mut network = fixture::network();
        let change = recovered(&mut network);
        let (old, new) = (fixture::key("asso1").public(), fresh("a").public());
        network.advance(DELAY_MS - 1);
        let live = |network: &Network, key: &PublicKey| {
            let next = Height(network.state.head().height.0 + 1);
            network.state.get::<Organisation>(&id("asso1")).unwrap().key_is_live(key, next)
        };
        assert_eq!((live(&network, &old), live(&network, &new)), (true, false));
        network.advance(1);
        assert_eq!((live(&network, &old), live(&network, &new)), (false, true));
        assert_eq!(status(&network, change), ChangeStatus::Enacted);
    }

    #[test]
    fn what_cannot_be_recovered_is_refused_at_the_proposal() {
        let network = fixture::network();
        let refused = |asked| network.refusal("bank", proposal(&network, Content::RecoverKeys(asked)));
        assert_eq!(network.refusal("region", proposal(&network, Content::RecoverKeys(recover()))), "RoleMissing");
        assert_eq!(refused(RecoverKeys { keys: vec![], ..recover() }), "LimitShape");
        assert_eq!(refused(RecoverKeys { organisation: OrganisationId::ZERO, ..recover() }), "UnknownNamed");
        assert_eq!(refused(RecoverKeys { office: OfficeCode::new("none").unwrap(), ..recover() }), "UnknownNamed");
        let used = vec![fixture::offer(&fixture::key("asso2"))];
        assert_eq!(refused(RecoverKeys { keys: used, ..recover() }), "DuplicateNamed");
        let mut unproven = recover();
        unproven.keys[0].possession = Signature::from_bytes([1; 64]);
        assert_eq!(refused(unproven), "EvidenceNamed");
    }

    #[test]
    fn a_recovery_that_has_become_impossible_gives_its_keys_back() {
        let mut network = fixture::network();
        let change = recovered(&mut network);
        assert!(network.state.get::<KeyOwner>(&fresh("a").public()).is_some());
        network.edit(|state| {
            state.update::<Organisation>(&id("asso1"), |record| {
                record.thresholds = vec![Threshold { family: crate::action::Family(3), signatures: 2 }];
            });
        });
        network.advance(DELAY_MS);
        assert_eq!(status(&network, change), ChangeStatus::NotEnacted);
        assert!(network.state.get::<KeyOwner>(&fresh("a").public()).is_none());
    }

    #[test]
    fn a_conclusion_that_cannot_be_drawn_says_why_in_order_of_precedence() {
        use crate::action::Duty;
        let mut network = fixture::network();
        let change = recovered(&mut network);
        let other = {
            let set = crate::governance::propose_change::tests::set("payout_lag_days", 7);
            decide(&mut network, "bank", set, &YES).0
        };
        let place = Place { height: Height(9), time: network.now(), receipt: 0, transaction: TransactionId::ZERO };
        let state = network.state.overlay();
        let refused =
            |change: &ChangeId| ConcludeChange::decide(change.hash(), &place, &state).unwrap_err().doc().variant;
        assert_eq!(refused(&other), "UnknownChange");
        let done = {
            let mut done = network.clone();
            done.edit(|state| state.update::<Change>(&change, |record| record.status = ChangeStatus::Enacted));
            ConcludeChange::decide(change.hash(), &place, &done.state.overlay()).unwrap_err().doc().variant
        };
        let ended = {
            let mut ended = network.clone();
            ended.edit(|state| {
                state.update::<Organisation>(&id("asso1"), |record| record.status = Status::Closed);
            });
            check(&recover(), place.height, &ended.state.overlay()).unwrap_err().doc().variant
        };
        let weak = {
            let mut weak = network.clone();
            weak.edit(|state| {
                state.update::<Organisation>(&id("asso1"), |record| {
                    record.thresholds = vec![Threshold { family: crate::action::Family(3), signatures: 2 }];
                });
            });
            check(&recover(), place.height, &weak.state.overlay()).unwrap_err().doc().variant
        };
        fixture::assert_all_reached(Kind::ConcludeChange, &[refused(&ChangeId::ZERO), done, ended, weak]);
    }
}
