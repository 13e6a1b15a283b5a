//! The messages of etcd's API, made from `etcd.proto`, and short ways to write them.

#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::derive_partial_eq_without_eq,
    reason = "generated"
)]
mod generated {
    tonic::include_proto!("etcdserverpb");
}

pub(super) use generated::auth_client::AuthClient;
pub(super) use generated::kv_client::KvClient;
pub(super) use generated::lease_client::LeaseClient;
pub(super) use generated::watch_client::WatchClient;
pub(super) use generated::{
    AuthenticateRequest, Compare, KeyValue, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest, RangeRequest,
    RangeResponse, RequestOp, ResponseHeader, Staged, StagedWrite, TxnRequest, TxnResponse, WatchCreateRequest,
    WatchRequest, WatchResponse,
};

use generated::compare::{CompareResult, CompareTarget, TargetUnion};
use generated::event::EventType;
use generated::request_op::Request;
use generated::response_op::Response;
use generated::watch_request::RequestUnion;
use generated::{DeleteRangeRequest, PutRequest};

/// The end of the range of all keys that begin with a prefix. Ours are UTF-8, in which the last byte can always be raised.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    *end.last_mut().expect("a prefix is not empty") += 1;
    end
}

/// The key alone.
pub(super) fn read(key: Vec<u8>) -> RangeRequest {
    RangeRequest { key, ..RangeRequest::default() }
}

/// All keys that begin with a prefix.
pub(super) fn read_all(prefix: Vec<u8>) -> RangeRequest {
    RangeRequest { range_end: end_of(&prefix), key: prefix, ..RangeRequest::default() }
}

pub(super) fn get(key: Vec<u8>) -> RequestOp {
    RequestOp { request: Some(Request::Range(read(key))) }
}

pub(super) fn put(key: Vec<u8>, value: Vec<u8>) -> RequestOp {
    put_leased(key, value, 0)
}

/// A key that goes with its lease.
pub(super) fn put_leased(key: Vec<u8>, value: Vec<u8>, lease: i64) -> RequestOp {
    RequestOp { request: Some(Request::Put(PutRequest { key, value, lease })) }
}

pub(super) fn delete(key: Vec<u8>) -> RequestOp {
    RequestOp { request: Some(Request::DeleteRange(DeleteRangeRequest { key, range_end: Vec::new() })) }
}

/// Deletes all keys that begin with a prefix.
pub(super) fn delete_all(prefix: Vec<u8>) -> RequestOp {
    let range_end = end_of(&prefix);
    RequestOp { request: Some(Request::DeleteRange(DeleteRangeRequest { key: prefix, range_end })) }
}

/// Whether the key was made at this revision; 0: it is not there.
pub(super) fn was_made_at(key: Vec<u8>, revision: i64) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Create.into(),
        key,
        target_union: Some(TargetUnion::CreateRevision(revision)),
    }
}

/// Whether the key is there and has this value.
pub(super) fn has_value(key: Vec<u8>, value: Vec<u8>) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: CompareTarget::Value.into(),
        key,
        target_union: Some(TargetUnion::Value(value)),
    }
}

/// Watches a key from a revision on.
pub(super) fn watch(key: Vec<u8>, start_revision: i64) -> WatchRequest {
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(WatchCreateRequest { key, start_revision })) }
}

/// The revision that an answer is of, and the cluster.
pub(super) fn head(header: Option<&ResponseHeader>) -> (i64, u64) {
    header.map_or((0, 0), |header| (header.revision, header.cluster_id))
}

impl TxnResponse {
    /// What its reads found, one after the other; `None` for a key that is not there.
    pub(super) fn found(self) -> impl Iterator<Item = Option<KeyValue>> {
        self.responses.into_iter().filter_map(|one| match one.response {
            Some(Response::Range(range)) => Some(range.kvs.into_iter().next()),
            _ => None,
        })
    }
}

impl WatchResponse {
    /// Whether what was watched is gone.
    pub(super) fn tells_deletion(&self) -> bool {
        self.events.iter().any(|event| event.r#type() == EventType::Delete)
    }
}
