//! A base and the changes on top of it: of a block over the state, of one transaction over its block.

use super::{Changes, Entry, Record, State};
use crate::{due::DueKey, history::History, parameters::Parameter};
use octroi_primitives::*;
use std::{collections::BTreeMap, ops::RangeBounds, sync::Arc};

enum Base<'a> {
    State(&'a State),
    Overlay(&'a Overlay<'a>),
}

/// Reads see the changes first, then what is below; writes go to the changes.
pub struct Overlay<'a> {
    base: Base<'a>,
    changes: Changes,
    planned: Vec<DueKey>,
}

impl<'a> Overlay<'a> {
    pub(super) fn on_state(state: &'a State) -> Self {
        Self { base: Base::State(state), changes: Changes::default(), planned: Vec::new() }
    }

    /// An overlay over this one: what a kind tries out before it decides. Dropping it undoes everything.
    pub fn scratch(&'a self) -> Overlay<'a> {
        Self { base: Base::Overlay(self), changes: Changes::default(), planned: Vec::new() }
    }

    /// The state below all overlays, as it was before this block.
    pub fn parent(&self) -> &State {
        match &self.base {
            Base::State(state) => state,
            Base::Overlay(overlay) => overlay.parent(),
        }
    }

    /// A record with its history.
    pub fn entry<R: Record>(&self, key: &R::Key) -> Option<&Entry<R>> {
        match R::changed(&self.changes).get(key) {
            Some(change) => change.as_deref(),
            None => match &self.base {
                Base::State(state) => state.entry::<R>(key),
                Base::Overlay(overlay) => overlay.entry::<R>(key),
            },
        }
    }

    /// A record.
    pub fn get<R: Record>(&self, key: &R::Key) -> Option<&R> {
        self.entry::<R>(key).map(|entry| &entry.record)
    }

    /// Whether there is such a record.
    pub fn has<R: Record>(&self, key: &R::Key) -> bool {
        self.entry::<R>(key).is_some()
    }

    /// Writes a record; its history goes on.
    pub fn put<R: Record>(&mut self, key: R::Key, record: R) {
        let history = self.entry::<R>(&key).map_or(History::default(), |entry| entry.history);
        R::changed_mut(&mut self.changes).insert(key, Some(Arc::new(Entry { record, history })));
    }

    /// Changes a record in place. A record that is not there is a bug: `decide` has proven that it is.
    pub fn update<R: Record>(&mut self, key: &R::Key, change: impl FnOnce(&mut R)) {
        change(&mut self.entry_mut::<R>(key).expect("decide: the record exists").record);
    }

    /// The record as this layer has it, copied from below when it has none yet.
    fn entry_mut<R: Record>(&mut self, key: &R::Key) -> Option<&mut Entry<R>> {
        if !R::changed(&self.changes).contains_key(key) {
            let below = self.entry::<R>(key)?.clone();
            R::changed_mut(&mut self.changes).insert(key.clone(), Some(Arc::new(below)));
        }
        let entry = R::changed_mut(&mut self.changes).get_mut(key)?.as_mut()?;
        Some(Arc::make_mut(entry))
    }

    /// Removes a record.
    pub fn remove<R: Record>(&mut self, key: &R::Key) {
        R::changed_mut(&mut self.changes).insert(key.clone(), None);
    }

    /// Records in a range, in the order of keys, changes included. Reads every record of the range: keep ranges small.
    pub fn range<R: Record>(&self, range: impl RangeBounds<R::Key> + Clone) -> Vec<(R::Key, R)> {
        self.collect::<R>(&range).into_iter().map(|(key, entry)| (key, entry.record.clone())).collect()
    }

    fn collect<R: Record>(&self, range: &(impl RangeBounds<R::Key> + Clone)) -> BTreeMap<R::Key, &Entry<R>> {
        let mut found: BTreeMap<R::Key, &Entry<R>> = match &self.base {
            Base::State(state) => {
                R::table(&state.tables).range(range.clone()).map(|(key, entry)| (key.clone(), entry.as_ref())).collect()
            }
            Base::Overlay(overlay) => overlay.collect::<R>(range),
        };
        for (key, change) in R::changed(&self.changes).range(range.clone()) {
            match change {
                Some(entry) => found.insert(key.clone(), entry),
                None => found.remove(key),
            };
        }
        found
    }

    /// The first record of a range, without reading the rest.
    pub fn first<R: Record>(&self, range: impl RangeBounds<R::Key> + Clone) -> Option<(R::Key, &R)> {
        let mut from: std::ops::Bound<R::Key> = range.start_bound().cloned();
        loop {
            let bounds = (from.clone(), range.end_bound().cloned());
            let key = self.first_key::<R>(&bounds)?;
            if let Some(record) = self.get::<R>(&key) {
                return Some((key, record));
            }
            from = std::ops::Bound::Excluded(key);
        }
    }

    /// The least key that any layer names in the range, removed ones included.
    fn first_key<R: Record>(&self, bounds: &(std::ops::Bound<R::Key>, std::ops::Bound<R::Key>)) -> Option<R::Key> {
        let below = match &self.base {
            Base::State(state) => R::table(&state.tables).range(bounds.clone()).next().map(|(key, _)| key.clone()),
            Base::Overlay(overlay) => overlay.first_key::<R>(bounds),
        };
        let here = R::changed(&self.changes).range(bounds.clone()).next().map(|(key, _)| key.clone());
        match (below, here) {
            (Some(below), Some(here)) => Some(below.min(here)),
            (below, here) => below.or(here),
        }
    }

    pub(crate) fn set_history<R: Record>(&mut self, key: &R::Key, history: History) -> bool {
        let Some(entry) = self.entry_mut::<R>(key) else { return false };
        entry.history = history;
        true
    }

    /// The value of a parameter in force.
    pub fn parameter(&self, parameter: Parameter) -> u64 {
        self.get::<crate::parameters::ParameterValue>(&parameter.code())
            .map_or(parameter.default(), |value| value.value)
    }

    /// Notes that work was planned, for the due work under way.
    pub(crate) fn note_planned(&mut self, key: DueKey) {
        self.planned.push(key);
    }

    /// What was planned since it was last asked.
    pub(crate) fn take_planned(&mut self) -> Vec<DueKey> {
        core::mem::take(&mut self.planned)
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Hash of the genesis.
    pub fn network(&self) -> NetworkId {
        self.parent().network()
    }
}
