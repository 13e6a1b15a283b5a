//! The commit record, which says how far the store is, and the keys around it.

use serde::{Deserialize, Serialize};

/// The key of the commit record.
pub(super) const COMMIT: &str = "commit";
/// What the keys of chunks begin with.
pub(super) const STAGED: &str = "staged/";
/// What the keys of pieces begin with.
const PIECES: &str = "pieces/";
/// What is under the key of a record that stands in pieces, before their number. No record begins like this.
const IN_PIECES: &[u8] = b"pieces ";

/// The commit that was last: each one writes it, and is done only if the one before it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Commit {
    /// The cluster of etcd that it was made in, from the first commit of a leader on: another one is a restored copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<String>,
    /// The term of the leader.
    pub(super) term: i64,
    /// Its commits so far; none has the number of another one.
    pub(super) n: u64,
    /// Chunks that belong to it and may not stand in their places yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) staged: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Commit {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a commit record is JSON")
    }

    /// What the keys of its chunks begin with.
    pub(super) fn chunks(&self) -> String {
        format!("{STAGED}{}/{}/", self.term, self.n)
    }

    /// The key of one of its chunks.
    pub(super) fn chunk(&self, number: usize) -> String {
        format!("{}{number}", self.chunks())
    }
}

/// How a cluster of etcd is written.
pub(super) fn cluster(id: u64) -> String {
    format!("{id:016x}")
}

/// The key of a piece of a record.
pub(super) fn piece(key: &str, number: usize) -> String {
    format!("{PIECES}{number:06}/{key}")
}

/// Which piece of which record a key is of.
pub(super) fn piece_of(key: &str) -> Option<(usize, &str)> {
    let (number, key) = key.strip_prefix(PIECES)?.split_once('/')?;
    Some((number.parse().ok()?, key))
}

/// What stands under the key of a record in this many pieces.
pub(super) fn in_pieces(count: usize) -> Vec<u8> {
    [IN_PIECES, count.to_string().as_bytes()].concat()
}

/// How many pieces the record with this value stands in, if it does.
pub(super) fn pieces_in(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value.strip_prefix(IN_PIECES)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_etcd_does_not_change() {
        let commit = Commit { cluster: None, term: 7, n: 12, staged: 0 };
        assert_eq!(commit.to_bytes(), br#"{"term":7,"n":12}"#);
        let commit = Commit { cluster: Some(cluster(0xab)), staged: 3, ..commit };
        assert_eq!(commit.to_bytes(), br#"{"cluster":"00000000000000ab","term":7,"n":12,"staged":3}"#);
        assert_eq!(serde_json::from_slice::<Commit>(&commit.to_bytes()).unwrap(), commit);
        assert_eq!(commit.chunk(2), "staged/7/12/2");
        assert_eq!(piece("withdrawn/a/null/b", 3), "pieces/000003/withdrawn/a/null/b");
        assert_eq!(piece_of("pieces/000003/withdrawn/a/null/b"), Some((3, "withdrawn/a/null/b")));
        assert_eq!(pieces_in(&in_pieces(40)), Some(40));
        assert_eq!(pieces_in(br#"{"name":"pieces 1"}"#), None);
    }
}
