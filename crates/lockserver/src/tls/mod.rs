//! TLS: the files of `[tls]` read and judged, and made into what connections need; and the names in a client's certificate.

mod client;
mod files;
mod names;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;

pub use client::Trust;
pub use files::{Finding, Which, read};
pub use names::names;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use std::fmt;
use std::sync::Arc;

/// What a connection needs to speak TLS: the certificate, its key, and whose certificates are taken from clients.
///
/// Two of them are the same if they come from the same reading of the files.
#[derive(Clone)]
pub struct Tls(Arc<ServerConfig>);

impl Tls {
    #[must_use]
    pub const fn server(&self) -> &Arc<ServerConfig> {
        &self.0
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    /// Without what is in it: a key is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The algorithms. ring: small, quick to build, no C library of the system.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
