//! The suite that every store passes. A store's own tests call [`test_all`] with a way to open it at a fresh place, and,
//! if it outlives the process, [`kill::test`].

pub(crate) mod kill;
mod model;
mod random;
pub(crate) mod records;

use crate::store::Store;
use lock_core::{Change, EndedAs, Meta, Snapshot, TicketId, Withholding};
use model::Model;

/// Somewhere where a store can be, empty at first.
pub(crate) trait Place {
    /// Opens it for the first time.
    fn open(&mut self) -> Box<dyn Store>;

    /// Closes it and opens it again, as far as it outlives that.
    fn reopen(&mut self, store: Box<dyn Store>) -> Box<dyn Store>;
}

/// Makes a fresh place.
pub(crate) type Make<'a> = &'a dyn Fn() -> Box<dyn Place>;

/// Everything that can be tested without killing a process.
pub(crate) fn test_all(make: Make<'_>) {
    an_empty_store_is_empty(make);
    every_record_comes_back_as_it_was(make);
    records_are_replaced_as_a_whole(make);
    deleting_what_is_not_there_does_nothing(make);
    keys_that_look_alike_are_different(make);
    an_empty_commit_changes_nothing(make);
    a_large_commit_is_kept(make);
    random::any_sequence_gives_what_a_map_would(make);
}

/// What a store gives back, comparable. Whether the counters restart is each store's own affair.
pub(crate) fn load(store: &mut dyn Store) -> Snapshot {
    let mut snapshot = store.load().expect("a store that can be loaded");
    snapshot.restart_counters = false;
    snapshot.lost_commits = false;
    snapshot.sort();
    snapshot
}

fn commit(store: &mut dyn Store, model: &mut Model, changes: &[Change]) {
    store.commit(changes).expect("a batch that can be committed");
    model.apply(changes);
}

/// Compares before and after closing and opening.
fn check(place: &mut dyn Place, mut store: Box<dyn Store>, model: &Model, when: &str) -> Box<dyn Store> {
    assert_eq!(load(&mut *store), model.snapshot(), "{when}");
    let mut store = place.reopen(store);
    assert_eq!(load(&mut *store), model.snapshot(), "{when}, opened again");
    store
}

fn an_empty_store_is_empty(make: Make<'_>) {
    let mut place = make();
    let store = place.open();
    check(&mut *place, store, &Model::default(), "nothing was committed");
}

fn every_record_comes_back_as_it_was(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    let all = records::all();
    for change in &all {
        commit(&mut *store, &mut model, std::slice::from_ref(change));
    }
    let mut store = check(&mut *place, store, &model, "one record a commit");
    for change in &all {
        if let Some(delete) = records::deletion(change) {
            commit(&mut *store, &mut model, &[delete]);
        }
    }
    let mut store = check(&mut *place, store, &model, "every record deleted");
    let meta_only = Snapshot { meta: model.snapshot().meta, ..Snapshot::default() };
    assert_eq!(load(&mut *store), meta_only, "nothing is left but the counters");
    let mut once = records::one_of_each_key(&all);
    commit(&mut *store, &mut model, &once);
    let mut store = check(&mut *place, store, &model, "all records in one commit");
    once.retain(|change| !matches!(change, Change::Meta(_)));
    let deletions: Vec<Change> = once.iter().filter_map(records::deletion).collect();
    commit(&mut *store, &mut model, &deletions);
    check(&mut *place, store, &model, "all records deleted in one commit");
}

/// Each ticket, lock and so on takes every other one's values in turn: nothing of an earlier value shines through.
fn records_are_replaced_as_a_whole(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    for change in records::all().iter().map(records::with_the_same_key) {
        commit(&mut *store, &mut model, &[change]);
        assert_eq!(load(&mut *store), model.snapshot());
    }
    check(&mut *place, store, &model, "all values of one key");
}

fn deleting_what_is_not_there_does_nothing(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    let deletions: Vec<Change> =
        records::one_of_each_key(&records::all()).iter().filter_map(records::deletion).collect();
    commit(&mut *store, &mut model, &deletions);
    let kept = Change::PutWithholding(Withholding { number: 1, ..records::withholding(EndedAs::Revoked) });
    commit(&mut *store, &mut model, &[kept, Change::DeleteTicket { number: 7, id: TicketId(7) }]);
    let mut store = check(&mut *place, store, &model, "deleting what is not there");
    commit(&mut *store, &mut model, &deletions);
    check(&mut *place, store, &model, "deleting it twice");
}

fn keys_that_look_alike_are_different(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    let alike = records::alike();
    commit(&mut *store, &mut model, &alike);
    let mut store = check(&mut *place, store, &model, "keys that look alike");
    for change in alike.iter().filter_map(records::deletion) {
        commit(&mut *store, &mut model, &[change]);
        assert_eq!(load(&mut *store), model.snapshot());
    }
}

fn an_empty_commit_changes_nothing(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    commit(&mut *store, &mut model, &[Change::Meta(Meta { service_ms: 1, ..Meta::default() })]);
    commit(&mut *store, &mut model, &[]);
    check(&mut *place, store, &model, "an empty commit");
}

fn a_large_commit_is_kept(make: Make<'_>) {
    let mut place = make();
    let mut store = place.open();
    let mut model = Model::default();
    let puts: Vec<Change> = (0..10_000).map(|number| Change::PutTicket(records::plain_ticket(number))).collect();
    commit(&mut *store, &mut model, &puts);
    let mut store = check(&mut *place, store, &model, "10,000 tickets in one commit");
    let deletions: Vec<Change> = puts.iter().filter_map(records::deletion).collect();
    commit(&mut *store, &mut model, &deletions);
    check(&mut *place, store, &model, "10,000 deletions in one commit");
}
