//! Commits whose outcome nobody tells, that are too large, or for which there is no room.

use super::rig::{Between, Etcd, Look, loaded, number_of, numbered, place, until};
use crate::store::contract::records::plain_ticket;
use crate::store::etcd::EtcdPlace;
use crate::store::etcd::record::Commit;
use crate::store::etcd::wire::{delete_all, put};
use crate::store::etcd::writes::{Write, chunk};
use crate::store::{Pipeline as _, Store as _, StoreError};
use lock_core::{Capacity, Change, LockName, LockRecord, Settings, SlotName, TicketRecord};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn tickets(numbers: std::ops::Range<u64>) -> Vec<Change> {
    numbers.map(|number| Change::PutTicket(plain_ticket(number))).collect()
}

#[test]
fn a_commit_whose_answer_was_lost_is_done_once() {
    let etcd = Etcd::start(&[]);
    let between = Between::before(etcd.at);
    let look = Look::at(etcd.place());
    let mut store = loaded(place(&between.endpoint()));
    store.commit(&[numbered(1)]).unwrap();
    let before = look.commit();
    between.keep_answers(true);
    store.begin(&[numbered(2)]);
    until("the commit arrives", || look.commit().n == before.n + 1);
    assert!(store.poll().is_none(), "nobody has told");
    between.keep_answers(false);
    between.cut();
    store.wait().unwrap();
    assert_eq!(look.commit(), Commit { n: before.n + 1, ..before.clone() }, "once");
    store.commit(&[numbered(3)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(3));
    assert_eq!(look.commit().term, before.term, "nobody else led meanwhile");
}

#[test]
fn batches_that_wait_share_a_transaction() {
    let etcd = Etcd::start(&[]);
    let mut store = loaded(etcd.place());
    let look = Look::at(etcd.place());
    let before = look.commit().n;
    etcd.signal(Signal::STOP);
    for number in 1..=10 {
        store.begin(&[numbered(number)]);
    }
    etcd.signal(Signal::CONT);
    for _ in 0..10 {
        store.wait().unwrap();
    }
    assert_eq!(number_of(&mut store), Ok(10));
    // The load is one as well. What came while the first was under way is in the second.
    assert!(look.commit().n <= before + 3, "{:?}", look.commit());
}

#[test]
fn the_limit_of_operations_is_found_and_kept() {
    for limit in ["16", "100", "128", "1000"] {
        let etcd = Etcd::start(&["--max-txn-ops", limit]);
        // Sixteen writes a transaction are many transactions, which may take longer than a lease.
        let mut store = loaded(EtcdPlace { lease: Duration::from_secs(30), ..etcd.place() });
        store.commit(&tickets(0..2000)).unwrap();
        let mut few = tickets(2000..2300);
        few.extend((0..100).map(|number| {
            let TicketRecord { number, id, .. } = plain_ticket(number);
            Change::DeleteTicket { number, id }
        }));
        store.commit(&few).unwrap();
        let found = store.load().unwrap();
        assert_eq!(found.tickets.len(), 2200, "{limit}");
    }
    let etcd = Etcd::start(&["--max-txn-ops", "4"]);
    let error = crate::store::EtcdStore::open(etcd.place()).unwrap().load().unwrap_err();
    assert!(error.to_string().contains("--max-txn-ops"), "{error}");
}

#[test]
fn a_record_that_is_too_large_for_a_request_stands_in_pieces() {
    let etcd = Etcd::start(&[]);
    let mut store = loaded(etcd.place());
    let lock = |slots: usize| {
        let name = |slot: usize| SlotName::new(&format!("{slot:0>200}")).unwrap();
        let capacity = Capacity::Named((0..slots).map(name).collect());
        Change::PutLock(LockRecord {
            name: LockName::new("a").unwrap(),
            settings: Settings { capacity, ..Settings::new(1) },
            file: None,
            template: None,
            retiring: false,
            pause: None,
            outside: None,
            slot_names: Vec::new(),
            revision: 0,
        })
    };
    let look = Look::at(etcd.place());
    let pieces = || look.keys().iter().filter(|key| key.starts_with("pieces/")).count();
    for (slots, in_pieces) in [(10_000, 8), (2000, 2), (10, 0), (3000, 3)] {
        store.commit(&[lock(slots)]).unwrap();
        let found = store.load().unwrap();
        assert_eq!(found.locks.iter().map(|lock| Change::PutLock(lock.clone())).collect::<Vec<_>>(), [lock(slots)]);
        assert_eq!(pieces(), in_pieces, "{slots} slots");
    }
    store.commit(&[Change::DeleteLock(LockName::new("a").unwrap())]).unwrap();
    assert!(store.load().unwrap().locks.is_empty());
    assert_eq!(pieces(), 0);
}

/// What a leader leaves that dies at any point of a large commit: all of it is there, or nothing.
#[test]
fn a_large_commit_that_is_cut_anywhere_is_whole_or_not_there() {
    let etcd = Etcd::start(&[]);
    let look = Look::at(etcd.place());
    let mut store = loaded(etcd.place());
    store.commit(&tickets(0..3)).unwrap();
    drop(store);
    let last = look.commit();
    let writes: Vec<Write> = (0..6)
        .map(|number| {
            let change = Change::PutTicket(TicketRecord { info: Arc::from("new"), ..plain_ticket(number) });
            let (key, value) = (crate::store::codec::key(&change.key()), crate::store::codec::encode(&change));
            // The first one is deleted.
            Write { key, value: value.filter(|_| number > 0).map(String::into_bytes) }
        })
        .collect();
    let old: BTreeSet<u64> = (0..3).collect();
    let new: BTreeSet<u64> = (1..6).collect();
    // Of two chunks with three writes each: chunks that are there, whether they count, writes that are made.
    let cuts = [(1, false, 0), (2, false, 0), (2, true, 0), (2, true, 1), (2, true, 3), (2, true, 5), (2, true, 6)];
    for (chunks, counts, made) in cuts {
        let before: Vec<(String, Option<Vec<u8>>)> =
            look.keys().into_iter().map(|key| (key.clone(), look.value(&key))).collect();
        let torn = Commit { n: last.n + 1, ..last.clone() };
        for (number, part) in writes.chunks(3).take(chunks).enumerate() {
            look.act(put(look.key(&torn.chunk(number)), chunk(part)));
        }
        let torn = Commit { staged: if counts { 2 } else { 0 }, ..torn };
        look.act(put(look.key("commit"), if counts { torn.to_bytes() } else { last.to_bytes() }));
        for write in &writes[..made] {
            look.act(write.operation(&etcd.place()));
        }
        let mut store = loaded(etcd.place());
        for again in 0..2 {
            let found = store.load().unwrap();
            let numbers: BTreeSet<u64> = found.tickets.iter().map(|ticket| ticket.number).collect();
            let is_new = found.tickets.iter().all(|ticket| &*ticket.info == "new");
            assert_eq!(
                (&numbers, is_new),
                (if counts { &new } else { &old }, counts),
                "{chunks} {counts} {made}, {again}"
            );
        }
        assert!(!look.keys().iter().any(|key| key.starts_with("staged/")), "chunks are left");
        store.commit(&[numbered(1)]).unwrap();
        drop(store);
        look.act(delete_all(look.key("")));
        for (key, value) in before {
            look.act(put(look.key(&key), value.unwrap()));
        }
    }
}

#[test]
fn a_large_commit_is_made_in_its_places_before_the_next_one() {
    let etcd = Etcd::start(&[]);
    let look = Look::at(etcd.place());
    let mut store = loaded(etcd.place());
    store.commit(&tickets(0..500)).unwrap();
    assert_eq!(look.commit().staged, 1);
    store.commit(&[numbered(1)]).unwrap();
    assert_eq!(look.commit().staged, 0);
    assert_eq!(look.keys().len(), 503, "the tickets, the counters, the leader, the commit record, and no chunk");
}

#[test]
fn no_room_is_said_and_over_when_there_is_room() {
    let etcd = Etcd::start(&["--quota-backend-bytes", "1000000"]);
    let mut store = loaded(etcd.place());
    let large = TicketRecord { info: Arc::from("x".repeat(4000)), ..plain_ticket(7) };
    let mut fill = |number| store.commit(&[numbered(number), Change::PutTicket(large.clone())]).err();
    let (number, error) = (1..).find_map(|number| Some((number, fill(number)?))).unwrap();
    let StoreError::Unavailable(text) = &error else { panic!("{error}") };
    assert!(text.contains("no space left") && text.contains("alarm disarm"), "{text}");
    assert!(store.load().unwrap_err().to_string().contains("no space left"));
    let revision = Look::at(etcd.place()).revision();
    etcd.ask("kv/compaction", &format!("{{\"revision\": \"{revision}\", \"physical\": true}}"));
    etcd.ask("maintenance/defragment", "{}");
    let alarms = etcd.ask("maintenance/alarm", "{}");
    let (_, member) = alarms.split_once("\"memberID\":\"").expect("an alarm");
    let (member, _) = member.split_once('"').expect("a member");
    // 2: taken back; 1: NOSPACE.
    etcd.ask("maintenance/alarm", &format!("{{\"action\": 2, \"memberID\": \"{member}\", \"alarm\": 1}}"));
    let found = number_of(&mut store).unwrap();
    assert!((number - 1..=number).contains(&found), "{found}");
    store.commit(&[numbered(number + 1)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(number + 1));
}
