//! `rotate_keys`: an organisation changes the keys of an office, or its thresholds, from a height on.
//!
//! - Allowed: an active organisation, by as many of its keys as its threshold of family 01 asks, which the block's validity has judged; no role.
//! - Effect: added keys are live from that height, removed ones until it, new thresholds hold from it: the height of the block decides, not the time
//!   of signing. Ended keys stay in the record, the latest of them; that a key was used is remembered for ever.
//! - Source: rulebook §2 and §17, 0104.

use super::{
    organisation::{KeyOwner, Office, OfficeKey, Organisation, Threshold},
    register_organisation::{OfferedKey, is_proven},
    validator_seat,
};
use crate::{
    action::{Action, BASE_COST, Effect, Place},
    history::RecordRef,
    network::NetworkRecord,
    refusal::refusals,
    signer::Context,
    state::{Only, Overlay},
    wire::message,
};
use octroi_primitives::*;
use std::collections::{BTreeMap, BTreeSet};

/// Keys added or removed at once, and keys of an office without an end, at most.
const KEYS: usize = 16;
/// Keys that an office's record holds: those that have not ended are so many at most; of the ended ones, the longest ended are dropped.
const REMEMBERED: usize = 64;
/// Heights that a rotation may wait at most: so that its keys end, and make room, in the lifetime of those who plan it.
const AHEAD: u64 = 1_000_000;

message! {
    /// The payload.
    pub struct RotateKeys = RotateKeys {
        /// Which office.
        pub office: OfficeCode,
        /// Keys that come.
        pub add: Vec<OfferedKey>,
        /// Keys that go.
        pub remove: Vec<PublicKey>,
        /// The whole new list of thresholds; empty leaves it.
        pub thresholds: Vec<Threshold>,
        /// First height at which this holds; above that of the block, by 1,000,000 at most.
        pub from_height: Height,
    }

    /// The event.
    pub struct KeysRotated = KeysRotated {
        /// Whose.
        pub organisation: OrganisationId,
        /// Which office.
        pub office: OfficeCode,
        /// Keys that come.
        pub added: Vec<PublicKey>,
        /// Keys that go.
        pub removed: Vec<PublicKey>,
        /// The whole new list of thresholds; empty leaves it.
        pub thresholds: Vec<Threshold>,
        /// First height at which this holds.
        pub from_height: Height,
    }
}

refusals! {
    LimitLists(): Limit 1 "nothing changes, or more than 16 keys or 64 thresholds at once", "nothing is asked, or a list is too long";
    Suspended(OrganisationId): Suspended 1 "organisation {0} is not active", "the signer is suspended, merged or closed";
    UnknownOffice(OfficeCode): Unknown 1 "the organisation has no office {0}", "the office does not exist";
    WindowPast(Height, Height): Window 1 "from height {0}, not above the block's {1}", "it would hold from a height that is not above the block's";
    WindowFar(Height): Window 2 "from height {0}, more than 1,000,000 ahead", "it would hold from a height more than 1,000,000 ahead";
    UnknownKey(PublicKey): Unknown 2 "key {0} is no key of the office, or has an end already", "a removed key is not of the office, or ends already";
    DuplicateKey(PublicKey): Duplicate 1 "key {0} is in use or was", "an added key was used before, or stands there twice";
    EvidenceKey(PublicKey): Evidence 1 "key {0} is not acceptable, or its proof of possession does not verify", "an added key is malformed, weak, or its proof of possession does not verify";
    LimitKeys(usize): Limit 2 "the office would have {0} keys; 16 are allowed", "the office would have too many keys";
    LimitUnended(usize): Limit 3 "the office would have {0} keys that have not ended; 64 are allowed", "the office would have too many keys that have not ended yet";
    ThresholdBounds(u32): Threshold 1 "threshold {0} is outside 1 ..= 16, or its family stands there twice", "a threshold is 0 or above 16, or a family stands there twice";
    ThresholdUnreachable(Height, usize, u8): Threshold 2 "at height {0} there would be {1} keys, a family needs {2}", "a family could no longer sign";
}
impl Action for RotateKeys {
    type Event = KeysRotated;
    type Refused = Refused;

    fn validate(&self) -> Result<(), Refused> {
        let Self { office: _, add, remove, thresholds, from_height: _ } = self;
        let idle = add.is_empty() && remove.is_empty() && thresholds.is_empty();
        if idle || add.len() > KEYS || remove.len() > KEYS || thresholds.len() > 64 {
            return Err(Refused::LimitLists());
        }
        Ok(())
    }

    fn cost(&self) -> u64 {
        BASE_COST + (8 * self.add.len() + self.remove.len() + self.thresholds.len()) as u64
    }

    fn decide(&self, cx: &Context<'_>, state: &Overlay<'_>) -> Result<KeysRotated, Refused> {
        let Self { office, add, remove, thresholds, from_height } = self;
        cx.active(state).map_err(|_| Refused::Suspended(cx.organisation))?;
        let record = state.get::<Organisation>(&cx.organisation).ok_or(Refused::Suspended(cx.organisation))?;
        let held = record.offices.iter().find(|held| held.code == *office).ok_or(Refused::UnknownOffice(*office))?;
        if *from_height <= cx.place.height {
            return Err(Refused::WindowPast(*from_height, cx.place.height));
        }
        if from_height.0 - cx.place.height.0 > AHEAD {
            return Err(Refused::WindowFar(*from_height));
        }
        let mut removed = BTreeSet::new();
        for key in remove {
            let is_open = held.keys.iter().any(|held| held.key == *key && held.to_height == Height(0));
            if !is_open || !removed.insert(*key) {
                return Err(Refused::UnknownKey(*key));
            }
        }
        let mut added = BTreeSet::new();
        let of_validators = validator_seat::keys(state);
        for OfferedKey { key, .. } in add {
            if state.has::<KeyOwner>(key) || of_validators.contains(key) || !added.insert(*key) {
                return Err(Refused::DuplicateKey(*key));
            }
        }
        let network = state.get::<NetworkRecord>(&Only).map(|network| network.name.clone()).unwrap_or_default();
        if let Some(offered) = add.iter().find(|offered| !is_proven(offered, network.as_str())) {
            return Err(Refused::EvidenceKey(offered.key));
        }
        let event = KeysRotated {
            organisation: cx.organisation,
            office: *office,
            added: add.iter().map(|offered| offered.key).collect(),
            removed: remove.clone(),
            thresholds: thresholds.clone(),
            from_height: *from_height,
        };
        let mut after = record.clone();
        event.rotate(&mut after, cx.place.height);
        check(&after, &event, cx.place.height)?;
        Ok(event)
    }
}

/// The office stays within its limits, and at every height to come each family can sign.
fn check(after: &Organisation, event: &KeysRotated, height: Height) -> Result<(), Refused> {
    let count = |counts: fn(&OfficeKey, Height) -> bool| {
        let office = after.offices.iter().find(|office| office.code == event.office);
        office.map_or(0, |office| office.keys.iter().filter(|key| counts(key, height)).count())
    };
    let open = count(|key, _| key.to_height == Height(0));
    if open > KEYS {
        return Err(Refused::LimitKeys(open));
    }
    let unended = count(|key, height| !has_ended(key, height));
    if unended > REMEMBERED {
        return Err(Refused::LimitUnended(unended));
    }
    let mut families = BTreeSet::new();
    for Threshold { family, signatures } in &event.thresholds {
        if !(1..=16).contains(signatures) || !families.insert(*family) {
            return Err(Refused::ThresholdBounds(*signatures));
        }
    }
    // The number of live keys and the thresholds change at these heights alone: how many keys come, less those that go.
    let next = Height(height.0 + 1);
    let mut heights: BTreeMap<Height, i64> = BTreeMap::from([(next, 0), (after.next_thresholds_from.max(next), 0)]);
    for key in after.offices.iter().flat_map(|office| &office.keys).filter(|key| !has_ended(key, next)) {
        *heights.entry(key.from_height.max(next)).or_default() += 1;
        if key.to_height != Height(0) {
            *heights.entry(key.to_height.max(key.from_height)).or_default() -= 1;
        }
    }
    let (before, later) = (after.greatest_threshold(next), after.greatest_threshold(after.next_thresholds_from));
    let mut live = 0;
    for (at, coming) in heights {
        live += coming;
        let is_later = after.next_thresholds_from != Height(0) && at >= after.next_thresholds_from;
        let needed = if is_later { later } else { before };
        if live < i64::from(needed) {
            return Err(Refused::ThresholdUnreachable(at, live.max(0) as usize, needed));
        }
    }
    Ok(())
}

/// Whether it is live at no height from this one on.
fn has_ended(key: &OfficeKey, height: Height) -> bool {
    key.to_height != Height(0) && key.to_height <= height
}

impl KeysRotated {
    /// The change of the record, in a block of `height`.
    fn rotate(&self, record: &mut Organisation, height: Height) {
        let Self { organisation: _, office, added, removed, thresholds, from_height } = self;
        for held in record.offices.iter_mut().filter(|held| held.code == *office) {
            for key in held.keys.iter_mut().filter(|key| removed.contains(&key.key)) {
                key.to_height = *from_height;
            }
            held.keys.extend(added.iter().map(|key| OfficeKey {
                key: *key,
                from_height: *from_height,
                to_height: Height(0),
            }));
            while held.keys.len() > REMEMBERED
                && let Some(longest) = longest_ended(held, height)
            {
                held.keys.remove(longest);
            }
        }
        if !thresholds.is_empty() {
            record.settle_thresholds(height);
            record.next_thresholds = thresholds.clone();
            record.next_thresholds_from = *from_height;
        }
    }
}

fn longest_ended(office: &Office, height: Height) -> Option<usize> {
    let ends = office.keys.iter().enumerate().filter(|(_, key)| has_ended(key, height));
    ends.min_by_key(|(_, key)| key.to_height).map(|(index, _)| index)
}

impl Effect for KeysRotated {
    fn apply(&self, place: &Place, state: &mut Overlay<'_>) {
        for key in &self.added {
            state.put::<KeyOwner>(*key, KeyOwner { organisation: self.organisation, office: self.office });
        }
        state.update::<Organisation>(&self.organisation, |record| self.rotate(record, place.height));
    }

    fn subjects(&self) -> Vec<RecordRef> {
        vec![RecordRef::of::<Organisation>(&self.organisation)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::{Family, Kind, Payload},
        fixture::{self, IntoPayload},
    };

    impl IntoPayload for RotateKeys {
        fn into_payload(self) -> Payload {
            Payload::RotateKeys(self)
        }
    }

    fn fresh(text: &str) -> SecretKey {
        SecretKey::from_seed(hash("test-key", &[text.as_bytes()]).to_bytes())
    }

    fn rotation() -> RotateKeys {
        RotateKeys {
            office: OfficeCode::new("main").unwrap(),
            add: vec![fixture::offer(&fresh("a"))],
            remove: vec![],
            thresholds: vec![],
            from_height: Height(5),
        }
    }

    fn with(change: impl FnOnce(&mut RotateKeys)) -> RotateKeys {
        let mut rotation = rotation();
        change(&mut rotation);
        rotation
    }

    #[test]
    fn refuses_in_order_of_precedence() {
        let mut network = fixture::network();
        network.suspend("asso3");
        let own = || fixture::key("asso1").public();
        network.edit(|state| {
            state.update::<Organisation>(&fixture::id("asso2"), |record| {
                let ends = |n: u8| OfficeKey {
                    key: fresh(&format!("ending {n}")).public(),
                    from_height: Height(0),
                    to_height: Height(100),
                };
                record.offices[0].keys.extend((1..64).map(ends));
            });
        });
        let many = (0..17).map(|n| fixture::offer(&fresh(&n.to_string())));
        let two = |signatures| vec![Threshold { family: Family(3), signatures }];
        let table = [
            ("asso1", with(|rotation| rotation.add.clear())),
            ("asso3", rotation()),
            ("asso1", with(|rotation| rotation.office = OfficeCode::new("none").unwrap())),
            ("asso1", with(|rotation| rotation.from_height = Height(1))),
            ("asso1", with(|rotation| rotation.from_height = Height(u64::MAX))),
            ("asso1", with(|rotation| rotation.remove = vec![own(), own()])),
            ("asso1", with(|rotation| rotation.add = vec![fixture::offer(&fixture::key("asso2"))])),
            ("asso1", with(|rotation| rotation.add[0].possession = Signature::from_bytes([1; 64]))),
            ("asso1", with(|rotation| rotation.add = many.take(16).collect())),
            ("asso2", with(|rotation| rotation.add = vec![fixture::offer(&fresh("one more"))])),
            ("asso1", with(|rotation| rotation.thresholds = two(0))),
            ("asso1", with(|rotation| (rotation.remove, rotation.add) = (vec![own()], vec![]))),
        ];
        let reached: Vec<&str> = table.into_iter().map(|(signer, payload)| network.refusal(signer, payload)).collect();
        fixture::assert_all_reached(Kind::RotateKeys, &reached);
        assert_eq!(network.refusal("asso1", with(|rotation| rotation.thresholds = two(3))), "ThresholdUnreachable");
    }

    #[test]
    fn the_height_of_the_block_decides_which_key_is_live() {
        let mut network = fixture::network();
        let (old, new) = (fixture::key("asso1").public(), fresh("a").public());
        let swap = with(|rotation| rotation.remove = vec![old]);
        fixture::assert_round_trips(&swap.clone().into_payload());
        network.run("asso1", swap).unwrap();
        let record = network.state.get::<Organisation>(&fixture::id("asso1")).unwrap();
        for (height, old_is_live) in [(4, true), (5, false), (6, false)] {
            assert_eq!(record.key_is_live(&old, Height(height)), old_is_live, "{height}");
            assert_eq!(record.key_is_live(&new, Height(height)), !old_is_live, "{height}");
        }
        assert_eq!(network.state.get::<KeyOwner>(&new).unwrap().organisation, fixture::id("asso1"));
    }

    #[test]
    fn a_new_threshold_holds_from_its_height_and_can_wait_for_the_key_it_needs() {
        let mut network = fixture::network();
        let raised = vec![Threshold { family: Family(3), signatures: 2 }];
        network.run("asso1", with(|rotation| rotation.thresholds = raised)).unwrap();
        let record = network.state.get::<Organisation>(&fixture::id("asso1")).unwrap();
        for (height, needed) in [(4, 1), (5, 2), (6, 2)] {
            assert_eq!(record.threshold(Family(3), Height(height)), needed, "{height}");
        }
        let fall_back = |network: &fixture::Network| {
            network.refusal(
                "asso1",
                RotateKeys {
                    add: vec![],
                    remove: vec![fresh("a").public()],
                    from_height: Height(9),
                    thresholds: vec![],
                    ..rotation()
                },
            )
        };
        assert_eq!(fall_back(&network), "ThresholdUnreachable");
    }

    /// Replaces one key by another, again and again, always from a height that lies ahead.
    #[test]
    fn keys_that_end_in_the_future_count_until_they_do() {
        let mut network = fixture::network();
        let mut last = None;
        let mut swap = |network: &mut fixture::Network, number: u64| {
            let key = fresh(&number.to_string());
            let payload = RotateKeys {
                add: vec![fixture::offer(&key)],
                remove: Vec::from_iter(last),
                from_height: Height(900_000 + number),
                ..rotation()
            };
            let done = network.run("asso1", payload);
            if done.is_ok() {
                last = Some(key.public());
            }
            done.map(|_| ())
        };
        for number in 1..64 {
            swap(&mut network, number).unwrap();
        }
        let refused = swap(&mut network, 64).unwrap_err();
        assert_eq!(refused.doc().unwrap().variant, "LimitUnended");
        let record = network.state.get::<Organisation>(&fixture::id("asso1")).unwrap();
        assert_eq!(record.offices[0].keys.len(), 64);
        // Once they have ended, they make room.
        network.edit(|state| {
            state.update::<Organisation>(&fixture::id("asso1"), |record| {
                record.offices[0].keys.iter_mut().filter(|key| key.to_height != Height(0)).for_each(|key| {
                    (key.from_height, key.to_height) = (Height(0), Height(1));
                });
            });
        });
        swap(&mut network, 65).unwrap();
    }

    #[test]
    fn a_rotation_holds_within_a_million_heights() {
        let network = fixture::network();
        let at =
            |height| network.decide("asso1", with(|rotation| rotation.from_height = Height(height)).into_payload());
        assert!(at(1_000_001).is_ok(), "a million above the block's height 1");
        assert_eq!(fixture::variant(at(1_000_002)), "WindowFar");
        assert_eq!(fixture::variant(at(u64::MAX)), "WindowFar");
    }

    #[test]
    fn a_family_that_could_not_sign_between_two_keys_is_refused() {
        let mut network = fixture::network();
        let own = fixture::key("asso1").public();
        network.run("asso1", with(|rotation| rotation.from_height = Height(20))).unwrap();
        let gap = RotateKeys { add: vec![], remove: vec![own], from_height: Height(19), ..rotation() };
        assert_eq!(network.refusal("asso1", gap.clone()), "ThresholdUnreachable");
        network.run("asso1", RotateKeys { from_height: Height(20), ..gap }).unwrap();
    }

    #[test]
    fn a_validators_keys_become_no_office_keys() {
        let network = fixture::network();
        let consensus = with(|rotation| rotation.add = vec![fixture::offer(&fixture::consensus_key("bank"))]);
        assert_eq!(network.refusal("asso1", consensus), "DuplicateKey");
    }
}
