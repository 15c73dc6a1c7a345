//! The committed chain: what goes in comes out, after a restart too.

use crate::chain::{Chain, equivocation};
use octroi_ledger::{
    Outcome, State, contribution::promise::Promise, history::RecordRef, registry::organisation::Organisation,
};
use octroi_primitives::*;
use octroi_replica::{Loaded, Store as _};
use octroi_storage::{Export, FaultClass, Folder, Settings, StorageError, Store};
use octroi_views::{Blocks as _, Order, Page, blocks, lists, lists::List, stories, transactions};
use tempfile::TempDir;

pub fn create(chain: &Chain) -> (TempDir, Store) {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::create(data.path()).unwrap();
    let mut store = Store::create(&folder, &chain.network(), &Settings::default()).unwrap();
    store.begin(&chain.state).unwrap();
    (data, store)
}

pub fn open(data: &TempDir, chain: &Chain) -> Result<Store, StorageError> {
    Store::open(&Folder::open(data.path())?, &chain.network(), &Settings::default())
}

/// The state that a store's rows make; its root is checked against the head.
pub fn state_of(store: &Store, network: NetworkId) -> State {
    let Loaded { head, rows, seen, .. } = store.load().unwrap().expect("genesis was written");
    State::load(network, head, rows, seen).unwrap()
}

#[test]
fn a_reopened_store_gives_back_state_blocks_receipts_and_certificates() {
    let mut chain = Chain::new();
    let (data, mut store) = create(&chain);
    let commits: Vec<_> = (1..=5).map(|promises| chain.block(promises)).collect();
    for commit in &commits {
        store.commit(commit).unwrap();
    }
    drop(store);

    let store = open(&data, &chain).unwrap();
    assert_eq!(store.height(), Height(5));
    let loaded = state_of(&store, chain.network());
    assert_eq!(loaded.root(), chain.state.root());
    assert_eq!(loaded.head(), chain.state.head());
    assert_eq!(loaded.validators(), chain.state.validators());
    assert_eq!(loaded.seen_count(), chain.state.seen_count());
    let reader = store.reader();
    for commit in &commits {
        let height = commit.executed.block().header().height;
        assert_eq!(reader.block_bytes(height).unwrap().as_deref(), Some(&*commit.body));
        assert_eq!(reader.certificate(height).unwrap().as_ref(), Some(&commit.certificate));
        let receipts = reader.receipts(height).unwrap().unwrap();
        let ids = |receipts: &[octroi_ledger::Receipt]| receipts.iter().map(|r| r.transaction).collect::<Vec<_>>();
        assert_eq!(ids(&receipts), ids(commit.executed.receipts()));
        for (kept, made) in receipts.iter().zip(commit.executed.receipts()) {
            assert_eq!(kept.leaf(), made.leaf());
        }
    }
    assert_eq!(reader.block_bytes(Height(6)).unwrap(), None);
    assert_eq!(store.load().unwrap().unwrap().certificate, Some(commits[4].certificate.clone()));
}

#[test]
fn a_store_begins_with_genesis_and_goes_on_from_there() {
    let mut chain = Chain::new();
    let (data, store) = create(&chain);
    drop(store);
    let mut store = open(&data, &chain).unwrap();
    assert_eq!(state_of(&store, chain.network()).root(), chain.state.root());
    assert!(matches!(store.begin(&chain.state), Err(StorageError::Order { .. })));
    store.commit(&chain.block(1)).unwrap();
    let skipped = chain.block(1);
    let far = chain.block(1);
    assert!(matches!(store.commit(&far), Err(StorageError::Order { expected: Height(2), found: Height(3), .. })));
    store.commit(&skipped).unwrap();
    store.commit(&far).unwrap();
}

#[test]
fn ids_of_ended_minutes_are_gone_after_a_restart_as_they_are_in_memory() {
    let mut chain = Chain::new();
    let (data, mut store) = create(&chain);
    // Validity lasts 90 s, blocks are 61 s apart: a few minutes are enough for ids to be forgotten.
    for _ in 0..6 {
        store.commit(&chain.block(3)).unwrap();
    }
    assert!(chain.state.seen_count() < 24, "{} ids are remembered", chain.state.seen_count());
    drop(store);
    let store = open(&data, &chain).unwrap();
    assert_eq!(state_of(&store, chain.network()).seen_count(), chain.state.seen_count());
}

#[test]
fn a_store_of_another_network_is_refused_naming_both() {
    let (one, other) = (Chain::new(), Chain::named("another"));
    let (data, store) = create(&one);
    drop(store);
    let error = open(&data, &other).err().unwrap();
    assert_eq!(error.class(), FaultClass::Configuration);
    let text = error.to_string();
    assert!(text.contains(&one.network().to_string()) && text.contains(&other.network().to_string()), "{text}");
}

#[test]
fn views_answer_as_of_a_height_and_page_without_skipping() {
    let mut chain = Chain::new();
    let (_data, mut store) = create(&chain);
    let commits: Vec<_> = (0..9).map(|block| chain.block(if block == 4 { 130 } else { 1 })).collect();
    for commit in &commits {
        store.commit(commit).unwrap();
    }
    let reader = store.reader();

    let refused = commits[2].executed.receipts().iter().find(|r| matches!(r.outcome, Outcome::Refused(_))).unwrap();
    let located = transactions::locate(&reader, Height(9), &refused.transaction).unwrap().unwrap();
    assert_eq!(located.cursor, Cursor::new(Height(3), 1));
    assert_eq!(located.message, "fund nowhere does not exist");
    assert_eq!(transactions::locate(&reader, Height(2), &refused.transaction).unwrap(), None);
    let id = commits[2].executed.id();
    assert_eq!(blocks::height_of(&reader, Height(9), &id).unwrap(), Some(Height(3)));
    assert_eq!(blocks::height_of(&reader, Height(2), &id).unwrap(), None);

    let list = List::PromisesOfFunder(chain.funder());
    let all = |at: u64, size: u32, order| {
        let (mut found, mut token) = (Vec::new(), Vec::new());
        loop {
            let page = Page::new(&[&list.owner()], size, &token, Height(at)).unwrap();
            let part = lists::list::<PromiseId>(&reader, &list, &page, order).unwrap();
            found.extend(part.items);
            match part.next {
                Some(next) => token = next,
                None => return found,
            }
        }
    };
    let once = all(9, 1000, Order::Ascending);
    assert_eq!(once.len(), 138);
    assert!(once.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(once.iter().all(|(_, id)| chain.state.get::<Promise>(id).is_some()));
    for size in [1, 7, 64, 137, 138] {
        assert_eq!(all(9, size, Order::Ascending), once, "pages of {size}");
        let mut backwards = all(9, size, Order::Descending);
        backwards.reverse();
        assert_eq!(backwards, once, "pages of {size}, backwards");
    }
    assert_eq!(all(4, 7, Order::Ascending), once[..4]);
    assert_eq!(all(5, 1000, Order::Descending).len(), 134);

    let story = |record: &RecordRef, at| {
        stories::story(&reader, record, &Page::first(Height(at), 1000), Order::Ascending).unwrap().items
    };
    let funder = RecordRef::of::<Organisation>(&chain.funder());
    let cursors: Vec<Cursor> = once.iter().map(|(cursor, _)| *cursor).collect();
    assert_eq!(story(&funder, 9), cursors);
    let entry = chain.state.entry::<Organisation>(&chain.funder()).unwrap();
    assert_eq!(entry.history.count, cursors.len() as u64, "the story is as long as the record's own count");
    assert_eq!(story(&RecordRef::of::<Promise>(&once[5].1), 9), [once[5].0]);
    assert_eq!(story(&RecordRef::of::<Promise>(&once[5].1), 4), []);
}

#[test]
fn a_token_of_another_list_is_refused() {
    let mut chain = Chain::new();
    let (_data, mut store) = create(&chain);
    store.commit(&chain.block(3)).unwrap();
    let list = List::PromisesOfFunder(chain.funder());
    let page = Page::new(&[&list.owner()], 1, &[], Height(1)).unwrap();
    let token = lists::list::<PromiseId>(&store.reader(), &list, &page, Order::Ascending).unwrap().next.unwrap();
    let other = List::Calls.owner();
    assert!(Page::new(&[&other], 1, &token, Height(1)).is_err());
    for length in 1..token.len() {
        let page = Page::new(&[&list.owner()], 1, &token[..length], Height(1));
        let answer = page.and_then(|page| lists::list::<PromiseId>(&store.reader(), &list, &page, Order::Ascending));
        assert!(answer.is_err(), "cut at {length}");
    }
}

#[test]
fn evidence_is_kept_by_height() {
    let mut chain = Chain::new();
    let (data, mut store) = create(&chain);
    let evidence = equivocation(&chain.network(), Height(1));
    store.commit(&chain.block_of(vec![], vec![evidence.clone()])).unwrap();
    drop(store);
    let store = open(&data, &chain).unwrap();
    assert_eq!(store.reader().evidence(Height(0), 10).unwrap(), [evidence]);
    assert_eq!(store.reader().evidence(Height(2), 10).unwrap(), []);
}

#[test]
fn an_export_is_an_archive_of_exactly_the_heights_asked_for() {
    use octroi_chain::archive::{Reader, Record};
    let mut chain = Chain::new();
    let (_data, mut store) = create(&chain);
    let commits: Vec<_> = (0..4).map(|_| chain.block(2)).collect();
    for commit in &commits {
        store.commit(commit).unwrap();
    }
    for (from, to, blocks) in [(1, None, 4), (2, Some(3), 2), (5, None, 0)] {
        let mut export = Export::new(&store.reader(), chain.genesis_bytes(), Height(from), to.map(Height)).unwrap();
        let mut reader = Reader::new();
        let mut found = 0;
        while let Some(bytes) = export.next_record().unwrap() {
            reader.push(&bytes);
            while let Some(record) = reader.next().unwrap() {
                match record {
                    Record::FileHeader(header) => assert_eq!(header.network, chain.network()),
                    Record::Block(block) => {
                        let commit = &commits[block.height.0 as usize - 1];
                        assert_eq!(block.block, *commit.body);
                        found += 1;
                    }
                    Record::Closing(closing) => assert_eq!(closing.certificate.is_some(), blocks > 0),
                }
            }
        }
        reader.finish().unwrap();
        assert_eq!(found, blocks);
    }
    for (from, to) in [(0, None), (1, Some(5)), (6, None)] {
        let made = Export::new(&store.reader(), vec![], Height(from), to.map(Height));
        assert!(made.is_err(), "{from} to {to:?}");
    }
}
