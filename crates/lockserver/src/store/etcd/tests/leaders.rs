//! Several servers over one etcd: one leads, and who does not any more changes nothing.

use super::rig::{Between, Etcd, Look, loaded, number_of, numbered, place, until};
use crate::store::etcd::wire::{delete, put};
use crate::store::etcd::{EtcdPlace, EtcdStore};
use crate::store::{Store as _, StoreError};
use rustix::process::Signal;
use std::time::Duration;

fn second(etcd: &Etcd) -> EtcdStore {
    EtcdStore::open(EtcdPlace { name: "second".to_owned(), ..etcd.place() }).unwrap()
}

fn short(place: EtcdPlace) -> EtcdPlace {
    EtcdPlace { lease: Duration::from_secs(2), ..place }
}

/// Who leads instead.
fn leader<T: std::fmt::Debug>(refused: Result<T, StoreError>) -> Option<String> {
    match refused {
        Err(StoreError::Standby { leader, .. }) => leader.map(|leader| leader.name.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_server_waits_and_takes_over() {
    let etcd = Etcd::start(&[]);
    let mut first = loaded(etcd.place());
    first.commit(&[numbered(1)]).unwrap();
    let mut second = second(&etcd);
    assert_eq!(leader(second.load()).as_deref(), Some("first"));
    assert!(!second.authority().holds() && first.authority().holds());
    assert!(second.commit(&[numbered(7)]).is_err());
    first.commit(&[numbered(2)]).unwrap();
    let authority = first.authority();
    drop(first);
    assert!(!authority.holds());
    assert_eq!(number_of(&mut second), Ok(2), "the first one has said that it stops");
    second.commit(&[numbered(3)]).unwrap();
}

#[test]
fn a_server_that_waits_hears_of_the_end_of_the_other() {
    let etcd = Etcd::start(&[]);
    let (first, mut second) = (loaded(etcd.place()), second(&etcd));
    let waiting = std::thread::spawn(move || {
        until("the second leads", || second.load().is_ok());
        second
    });
    drop(first);
    assert!(waiting.join().unwrap().authority().holds());
}

#[test]
fn who_is_deposed_changes_nothing() {
    let etcd = Etcd::start(&[]);
    let (mut first, look) = (loaded(etcd.place()), Look::at(etcd.place()));
    first.commit(&[numbered(1)]).unwrap();
    look.act(delete(look.key("leader")));
    let mut second = second(&etcd);
    assert_eq!(number_of(&mut second), Ok(1));
    assert!(first.authority().holds(), "its lease goes on");
    assert_eq!(leader(first.commit(&[numbered(7)])).as_deref(), Some("second"));
    assert!(!first.authority().holds());
    assert_eq!(leader(first.load()).as_deref(), Some("second"));
    second.commit(&[numbered(2)]).unwrap();
    assert_eq!(number_of(&mut second), Ok(2));
    look.act(delete(look.key("leader")));
    assert!(second.commit(&[numbered(3)]).unwrap_err().to_string().contains("has ended"));
    let anew = number_of(&mut second);
    assert!(matches!(anew, Err(StoreError::Standby { leader: None, .. })), "others may have led since: {anew:?}");
    assert_eq!(number_of(&mut second), Ok(2), "it leads again");
}

#[test]
fn a_commit_record_that_changes_behind_the_leader_ends_the_term() {
    let etcd = Etcd::start(&[]);
    let (mut store, look) = (loaded(etcd.place()), Look::at(etcd.place()));
    store.commit(&[numbered(1)]).unwrap();
    let mut other = look.commit();
    other.n += 100;
    look.act(put(look.key("commit"), other.to_bytes()));
    let error = store.commit(&[numbered(2)]).unwrap_err();
    assert!(error.to_string().contains("commit record"), "{error}");
    assert_eq!(store.commit(&[numbered(3)]), Err(error), "until it is loaded");
    assert_eq!(number_of(&mut store), Ok(1));
    store.commit(&[numbered(4)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(4));
}

#[test]
fn the_lease_is_kept_alive() {
    let etcd = Etcd::start(&[]);
    let store = loaded(etcd.place());
    let authority = store.authority();
    let left = authority.left();
    until("the lease was renewed", || authority.left() > left);
}

#[test]
fn authority_ends_before_the_lease_and_the_store_goes_on_when_etcd_does() {
    let etcd = Etcd::start(&[]);
    let mut store = loaded(short(etcd.place()));
    store.commit(&[numbered(1)]).unwrap();
    let (authority, look) = (store.authority(), Look::at(etcd.place()));
    etcd.signal(Signal::STOP);
    until("the authority ends", || !authority.holds());
    let error = store.commit(&[numbered(2)]).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    etcd.signal(Signal::CONT);
    assert_eq!(number_of(&mut store).or_else(|_| number_of(&mut store)), Ok(1), "it was not even asked");
    store.commit(&[numbered(3)]).unwrap();
    assert!(look.value("leader").is_some());
}

#[test]
fn a_leader_that_etcd_hears_and_that_hears_nothing_lets_another_one_lead() {
    let etcd = Etcd::start(&[]);
    let between = Between::before(etcd.at);
    let mut first = loaded(short(place(&between.endpoint())));
    first.commit(&[numbered(1)]).unwrap();
    let mut second = second(&etcd);
    between.keep_answers(true);
    until("the second one leads", || second.load().is_ok());
    assert!(!first.authority().holds());
    between.keep_answers(false);
    between.cut();
    assert!(first.commit(&[numbered(7)]).is_err());
    assert_eq!(leader(first.load()).as_deref(), Some("second"));
}

/// The engine goes on with the store as it was loaded, so that nothing older may get into it afterwards.
#[test]
fn a_commit_that_arrives_after_the_next_load_does_not_count() {
    let etcd = Etcd::start(&[]);
    let (between, look) = (Between::before(etcd.at), Look::at(etcd.place()));
    let mut store = loaded(EtcdPlace { endpoints: vec![between.endpoint(), etcd.endpoint()], ..etcd.place() });
    store.commit(&[numbered(1)]).unwrap();
    between.keep_requests(true);
    // It goes by the other way: what is kept counts as little as what was lost.
    store.commit(&[numbered(2)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(2));
    store.commit(&[numbered(3)]).unwrap();
    let before = look.commit();
    between.keep_requests(false);
    between.until_all_went_through();
    assert_eq!(look.commit(), before);
    assert_eq!(number_of(&mut store), Ok(3));
}
