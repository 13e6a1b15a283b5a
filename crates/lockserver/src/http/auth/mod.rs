//! Who sends a request, and whether it may: the gate that every request passes before its handler.
//!
//! `gate` is the order of the checks; `origin` keeps pages of other sites away, `credentials` reads what a client says of
//! itself, `who` is what becomes of it, `failures` slows who guesses, `refusal` completes what a protocol says of it, `record` tells the
//! audit log, and `refusals` keeps that short.

mod credentials;
mod failures;
mod gate;
mod origin;
mod record;
mod refusal;
mod refusals;
mod who;

pub(super) use failures::Failures;
pub(super) use gate::{Refused, enter, wrong_key};
pub(super) use record::{RefusedBecause, note_change};
pub(super) use refusal::{BASIC, BEARER, PLAIN, plain_denied, refused};
pub(super) use refusals::Refusals;
pub(super) use who::Who;

use crate::access::Access;
use ipnet::IpNet;

/// What the configuration says about who may do what from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// Keys, and what is allowed without one.
    pub access: Access,
    /// Proxies that may say for whom a request is.
    pub trusted_proxies: Vec<IpNet>,
    /// Names by which clients may call the server; empty for any, if it does not listen on the loopback address alone.
    pub allowed_hosts: Vec<String>,
    /// Names that it has anyway: that of SERVER, and what this machine's hosts file calls its addresses. Lower case.
    pub own_names: Vec<String>,
    /// Origins of pages elsewhere that may use the server.
    pub allowed_origins: Vec<String>,
    /// Only this machine can reach the server.
    pub loopback: bool,
}

impl Default for AuthSettings {
    /// A server on the loopback address without keys.
    fn default() -> Self {
        Self {
            access: Access::open(),
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
            own_names: Vec::new(),
            allowed_origins: Vec::new(),
            loopback: true,
        }
    }
}
