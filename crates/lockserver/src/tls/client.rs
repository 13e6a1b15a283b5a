//! TLS towards other servers: whose certificates are believed.

use super::{files, provider};
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What it takes to speak TLS with another server. Two of them are the same if they come from the same reading of the files.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Believes servers whose certificate one of these vouches for (PEM); without a file, those whom the system trusts.
    ///
    /// # Errors
    /// What is wrong with the file, for people.
    pub fn read(ca: Option<&Path>) -> Result<Self, String> {
        let roots = match ca {
            Some(path) => files::authorities(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    #[must_use]
    pub fn client(&self) -> &ClientConfig {
        &self.0
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}
