//! What etcd says when it does not do what it was asked, sorted by what may be done about it.

use crate::store::{Leader, StoreError};
use std::sync::Arc;
use tonic::{Code, Status};

/// Why a request to etcd brought nothing. The text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody knows whether it was done, or it certainly was not and may be the next time: the same request again.
    Unknown(String),
    /// It does not help to ask again.
    Refused(Refusal, String),
    /// This server does not lead; who does, as far as it is known.
    Deposed(String, Option<Arc<Leader>>),
}

/// Why etcd does not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no room. What was asked may have been done all the same: etcd looks at its size before *and* after it.
    NoSpace,
    /// The transaction has too many operations.
    TooManyOperations,
    /// The request has too many bytes.
    TooLarge,
    /// The answer would have too many bytes.
    AnswerTooLarge,
    /// The token of a user is not good any more.
    Token,
    /// Keys that everybody may use: there are no users.
    NoUsers,
    /// User, password or permissions.
    NotAllowed,
    /// The revision that was asked for is forgotten.
    Compacted,
    /// The lease has ended.
    NoLease,
    /// It leads, but the store is not as it knows it.
    Overtaken,
    /// What is under a key of ours means nothing.
    Damaged,
    /// Anything else.
    Other,
}

impl Failure {
    /// What an answer with an error means.
    pub(super) fn of(status: &Status) -> Self {
        let text = status.message();
        let says = |words: &str| text.contains(words);
        let refusal = match status.code() {
            Code::ResourceExhausted if says("database space exceeded") => Refusal::NoSpace,
            // "too many requests": etcd is behind with its work, and says so before it does anything.
            Code::ResourceExhausted if says("etcdserver") => return Self::unknown(status),
            Code::ResourceExhausted => Refusal::TooLarge,
            Code::InvalidArgument if says("too many operations") => Refusal::TooManyOperations,
            Code::InvalidArgument if says("request is too large") => Refusal::TooLarge,
            Code::InvalidArgument if says("revision of auth store is old") => Refusal::Token,
            Code::InvalidArgument if says("user name is empty") || says("authentication failed") => Refusal::NotAllowed,
            Code::Unauthenticated => Refusal::Token,
            Code::PermissionDenied => Refusal::NotAllowed,
            Code::FailedPrecondition if says("authentication is not enabled") => Refusal::NoUsers,
            Code::OutOfRange if says("compacted") => Refusal::Compacted,
            Code::OutOfRange if says("length") => Refusal::AnswerTooLarge,
            Code::NotFound if says("lease not found") => Refusal::NoLease,
            Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::NotFound
            | Code::AlreadyExists
            | Code::Unimplemented
            | Code::DataLoss => Refusal::Other,
            _ => return Self::unknown(status),
        };
        Self::Refused(refusal, text.to_owned())
    }

    fn unknown(status: &Status) -> Self {
        // tonic says what happened in the sources of an error only.
        let mut text = status.message().to_owned();
        let mut source = std::error::Error::source(status);
        while let Some(error) = source {
            text = error.to_string();
            source = error.source();
        }
        Self::Unknown(text)
    }

    pub(super) fn is(&self, wanted: Refusal) -> bool {
        matches!(self, Self::Refused(refusal, _) if *refusal == wanted)
    }

    /// What the engine, the log and `/readyz` say of it: nothing of etcd's is damage of ours, and all of it may pass.
    pub(super) fn into_error(self, at: &str) -> StoreError {
        let text = match self {
            Self::Unknown(said) => {
                format!("etcd does not answer ({at}: {said}): check that most of its members run and can be reached")
            }
            Self::Refused(Refusal::NoSpace, said) => format!(
                "etcd has no space left ({said}): compact and defragment it or raise --quota-backend-bytes, then \
                 disarm the alarm with 'etcdctl alarm disarm'"
            ),
            Self::Refused(Refusal::NotAllowed | Refusal::Token, said) => format!(
                "etcd denies access ({said}): check USER and PASSWORD_FILE in [etcd], and that the user's role may \
                 read and \
                 write all keys that begin with PREFIX"
            ),
            Self::Refused(Refusal::TooLarge | Refusal::TooManyOperations, said) => format!(
                "etcd refuses the size of a transaction ({said}): leave --max-request-bytes at 1.5 MiB or more, and --max-txn-ops \
                 at 16 or more"
            ),
            Self::Refused(Refusal::Overtaken, said) => said,
            Self::Deposed(reason, leader) => return StoreError::Standby { reason, leader },
            Self::Refused(Refusal::Damaged, said) => {
                return StoreError::Damaged(format!(
                    "the store in etcd holds a record that no server wrote: {said}; restore it from a snapshot, or \
                     name another PREFIX"
                ));
            }
            Self::Refused(_, said) => format!("etcd refuses a request ({at}: {said})"),
        };
        StoreError::Unavailable(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says() {
        for (code, text, expected) in [
            (Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded", Some(Refusal::NoSpace)),
            (Code::ResourceExhausted, "etcdserver: too many requests", None),
            (Code::ResourceExhausted, "grpc: received message larger than max (2 vs. 1)", Some(Refusal::TooLarge)),
            (Code::InvalidArgument, "etcdserver: too many operations in txn request", Some(Refusal::TooManyOperations)),
            (Code::InvalidArgument, "etcdserver: request is too large", Some(Refusal::TooLarge)),
            (Code::InvalidArgument, "etcdserver: user name is empty", Some(Refusal::NotAllowed)),
            (Code::InvalidArgument, "etcdserver: duplicate key given in txn request", Some(Refusal::Other)),
            (Code::InvalidArgument, "etcdserver: revision of auth store is old", Some(Refusal::Token)),
            (Code::Unauthenticated, "etcdserver: invalid auth token", Some(Refusal::Token)),
            (Code::PermissionDenied, "etcdserver: permission denied", Some(Refusal::NotAllowed)),
            (Code::FailedPrecondition, "etcdserver: authentication is not enabled", Some(Refusal::NoUsers)),
            (Code::OutOfRange, "etcdserver: mvcc: required revision has been compacted", Some(Refusal::Compacted)),
            (Code::NotFound, "etcdserver: requested lease not found", Some(Refusal::NoLease)),
            (Code::Unavailable, "etcdserver: no leader", None),
            (Code::Unavailable, "etcdserver: request timed out", None),
            (Code::Unavailable, "etcdserver: leader changed", None),
            (Code::Unknown, "transport error", None),
            (Code::Cancelled, "", None),
        ] {
            let refusal = match Failure::of(&Status::new(code, text)) {
                Failure::Refused(refusal, _) => Some(refusal),
                Failure::Unknown(_) => None,
                Failure::Deposed(..) => unreachable!("etcd knows nothing of leaders"),
            };
            assert_eq!(refusal, expected, "{text}");
        }
    }
}
