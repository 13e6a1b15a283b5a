//! Reading beside a leader.

use super::rig::{Etcd, loaded, numbered};
use crate::store::etcd::EtcdReader;
use crate::store::{Store, StoreError};

#[test]
fn what_is_read_beside_a_leader_is_what_it_has_committed_and_the_leader_goes_on() {
    let etcd = Etcd::start(&[]);
    let reader = EtcdReader::new(etcd.place());
    let missing = reader.load().unwrap_err();
    assert!(matches!(&missing, StoreError::Unavailable(text) if text.contains("holds no store")), "{missing}");
    let mut store = loaded(etcd.place());
    for number in 1..=3 {
        store.commit(&[numbered(number)]).unwrap();
        let found = reader.load().unwrap();
        assert_eq!(found.meta.last_number, number);
        assert!(!found.restart_counters && !found.lost_commits);
    }
    drop(store);
    assert_eq!(reader.load().unwrap().meta.last_number, 3, "nobody leads, and it is read all the same");
}
