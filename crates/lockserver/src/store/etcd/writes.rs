//! What a batch writes, in the form in which etcd takes it.

use super::EtcdPlace;
use super::record::{in_pieces, piece};
use super::wire::{RequestOp, Staged, StagedWrite, delete, put};
use crate::store::codec;
use lock_core::Change;
use prost::Message as _;
use std::collections::BTreeMap;

/// Bytes of one transaction, its largest possible value included. etcd refuses requests of more than 1.5 MiB.
pub(super) const TRANSACTION_BYTES_MAX: usize = 1 << 20;
/// A larger value stands in several pieces.
const VALUE_BYTES_MAX: usize = 256 << 10;
/// What each write costs beside its key and value.
const WRITE_BYTES: usize = 64;

/// Records by their keys, and what to write there; nothing to delete them. No key is there twice, which etcd would refuse.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    records: BTreeMap<String, Option<String>>,
    bytes: usize,
}

/// One write below the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) key: String,
    pub(super) value: Option<Vec<u8>>,
}

impl Batch {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut batch = Self::default();
        for change in changes {
            let (key, value) = (codec::key(&change.key()), codec::encode(change));
            batch.bytes += size(&key, value.as_ref().map_or(0, String::len));
            batch.records.insert(key, value);
        }
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether both together fit into one transaction of so many writes.
    pub(super) fn fits(&self, other: &Self, writes: usize) -> bool {
        self.records.len() + other.records.len() <= writes && self.bytes + other.bytes <= TRANSACTION_BYTES_MAX
    }

    /// Adds what a later batch writes.
    pub(super) fn add(&mut self, later: Self) {
        self.records.extend(later.records);
        // At least what is needed: what the later one replaces is counted twice.
        self.bytes += later.bytes;
    }

    /// The writes, long values in pieces. `pieces` knows how many each record stands in, and is kept up to date.
    pub(super) fn into_writes(self, pieces: &mut BTreeMap<String, usize>) -> Vec<Write> {
        let mut writes = Vec::with_capacity(self.records.len());
        for (key, value) in self.records {
            let before = pieces.remove(&key).unwrap_or(0);
            let mut count = 0;
            let value = value.map(String::into_bytes).map(|value| {
                if value.len() <= VALUE_BYTES_MAX {
                    return value;
                }
                for part in value.chunks(VALUE_BYTES_MAX) {
                    writes.push(Write { key: piece(&key, count), value: Some(part.to_vec()) });
                    count += 1;
                }
                in_pieces(count)
            });
            writes.extend((count..before).map(|number| Write { key: piece(&key, number), value: None }));
            if count > 0 {
                pieces.insert(key.clone(), count);
            }
            writes.push(Write { key, value });
        }
        writes
    }
}

fn size(key: &str, value: usize) -> usize {
    key.len() + value + WRITE_BYTES
}

impl Write {
    fn bytes(&self) -> usize {
        size(&self.key, self.value.as_ref().map_or(0, Vec::len))
    }

    /// As an operation of a transaction.
    pub(super) fn operation(&self, place: &EtcdPlace) -> RequestOp {
        let key = place.key(&self.key);
        match &self.value {
            Some(value) => put(key, value.clone()),
            None => delete(key),
        }
    }
}

/// Splits writes, each group at most so many and so large that one transaction takes it.
pub(super) fn groups(writes: &[Write], count: usize) -> Vec<&[Write]> {
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, write) in writes.iter().enumerate() {
        let more = write.bytes();
        if at > start && (at - start == count || bytes + more > TRANSACTION_BYTES_MAX) {
            groups.push(&writes[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += more;
    }
    if start < writes.len() {
        groups.push(&writes[start..]);
    }
    groups
}

/// A chunk: writes that do not stand in their places yet, as one value.
pub(super) fn chunk(writes: &[Write]) -> Vec<u8> {
    let one = |write: &Write| StagedWrite { key: write.key.clone().into_bytes(), value: write.value.clone() };
    Staged { writes: writes.iter().map(one).collect() }.encode_to_vec()
}

/// The writes of a chunk; `None` if it is none.
pub(super) fn of_chunk(chunk: &[u8]) -> Option<Vec<Write>> {
    let writes = Staged::decode(chunk).ok()?.writes.into_iter();
    writes.map(|StagedWrite { key, value }| Some(Write { key: String::from_utf8(key).ok()?, value })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(key: &str, bytes: usize) -> Batch {
        Batch { records: [(key.to_owned(), Some("x".repeat(bytes)))].into(), bytes: size(key, bytes) }
    }

    fn keys(writes: &[Write]) -> Vec<(&str, bool)> {
        writes.iter().map(|write| (write.key.as_str(), write.value.is_some())).collect()
    }

    #[test]
    fn a_long_value_stands_in_pieces_and_none_is_left_behind() {
        let mut pieces = BTreeMap::new();
        let writes = batch("locks/a", VALUE_BYTES_MAX * 2 + 1).into_writes(&mut pieces);
        let three = [("pieces/000000/locks/a", true), ("pieces/000001/locks/a", true), ("pieces/000002/locks/a", true)];
        assert_eq!(keys(&writes), [&three[..], &[("locks/a", true)]].concat());
        assert_eq!(writes[3].value.as_deref(), Some(&b"pieces 3"[..]));
        let writes = batch("locks/a", VALUE_BYTES_MAX + 1).into_writes(&mut pieces);
        assert_eq!(keys(&writes[2..]), [("pieces/000002/locks/a", false), ("locks/a", true)]);
        let writes = batch("locks/a", VALUE_BYTES_MAX).into_writes(&mut pieces);
        let shorter = [("pieces/000000/locks/a", false), ("pieces/000001/locks/a", false), ("locks/a", true)];
        assert_eq!(keys(&writes), shorter);
        assert_eq!(pieces, BTreeMap::new());
    }

    #[test]
    fn groups_keep_to_both_bounds_and_chunks_come_back() {
        let one = |bytes: usize| Write { key: "a".to_owned(), value: Some(vec![b'x'; bytes]) };
        let small = vec![one(1); 10];
        assert_eq!(groups(&small, 4).iter().map(|group| group.len()).collect::<Vec<_>>(), [4, 4, 2]);
        let large = vec![one(VALUE_BYTES_MAX); 10];
        assert_eq!(groups(&large, 100).iter().map(|group| group.len()).collect::<Vec<_>>(), [3, 3, 3, 1]);
        assert!(groups(&[], 4).is_empty());
        let mixed = [one(0), Write { key: "b".to_owned(), value: None }];
        assert_eq!(of_chunk(&chunk(&mixed)).unwrap(), mixed);
        assert_eq!(of_chunk(b"\xff\xff"), None);
        let full = batch("a", TRANSACTION_BYTES_MAX - 100);
        assert!(full.fits(&Batch::default(), 1) && !full.fits(&batch("b", 100), 9));
        assert!(!batch("a", 1).fits(&batch("b", 1), 1));
    }
}
