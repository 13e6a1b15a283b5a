//! TLS: whom this client trusts, and who it says that it is.
//!
//! It speaks HTTP/1.1 inside. A renewal must not queue behind the requests that wait on the same connection, nor hang with
//! all of them on one lost packet; a connection each is what a lease deserves.

use crate::Error;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Certificates and keys as they were given.
#[derive(Clone, Default)]
pub(crate) struct Trust {
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Trust {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("authorities", &self.authorities.len()).finish_non_exhaustive()
    }
}

/// What connections need; the machine's own authorities are read only if they are wanted.
pub(crate) fn config(trust: &Trust, wanted: bool) -> Result<ClientConfig, Error> {
    let wrong = |what, why: String| Error::Certificate { what, why };
    let mut roots = RootCertStore::empty();
    for pem in &trust.authorities {
        for certificate in certificates("the authority's certificate", pem)? {
            roots.add(certificate).map_err(|error| wrong("the authority's certificate", error.to_string()))?;
        }
    }
    if wanted {
        // Some that cannot be read are no reason to trust none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match &trust.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("the client's certificate", certificate)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("the client's key", broken(&error)))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| wrong("the client's certificate or its key", error.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::Certificate { what, why: broken(&pem::Error::NoItemsFound) }),
        Err(error) => Err(Error::Certificate { what, why: broken(&error) }),
    }
}

/// Without a line of it: that may be the key's.
fn broken(error: &pem::Error) -> String {
    let text = match error {
        pem::Error::NoItemsFound => "the file has none; write a PEM file, with a key without a passphrase",
        _ => "the PEM file is incomplete",
    };
    text.to_owned()
}

/// Why there is no trust between this client and a server, if that is why a request failed: the request did nothing then, and
/// trying again will not help.
pub(crate) fn distrust(error: &reqwest::Error) -> Option<String> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = cause {
        match unwrapped(current).downcast_ref() {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                return Some(
                    "its certificate is signed by an unknown authority; name that authority's certificate (lockctl: --ca FILE)"
                        .to_owned(),
                );
            }
            Some(rustls::Error::InvalidMessage(_)) if error.is_connect() => {
                return Some("it does not speak TLS; use http://".to_owned());
            }
            Some(error @ rustls::Error::InvalidCertificate(_)) => return Some(error.to_string()),
            Some(rustls::Error::AlertReceived(alert)) if error.is_connect() || is_about_certificates(*alert) => {
                return Some(format!("it refuses this client: {alert:?}"));
            }
            _ => {}
        }
        cause = current.source();
    }
    None
}

/// An error of I/O that was made of another one does not name that as its source.
fn unwrapped<'e>(mut error: &'e (dyn StdError + 'static)) -> &'e (dyn StdError + 'static) {
    while let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        error = inner;
    }
    error
}

/// In TLS 1.3 a server refuses a client's certificate when the client takes the handshake for done.
const fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        UnknownCA, UnsupportedCertificate,
    };
    matches!(
        alert,
        AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn certificates_are_judged_before_anything_is_sent() {
        let (cert, key) = identity();
        let (other, _) = identity();
        let trust = |ca: &str, pair: Option<(&str, &str)>| Trust {
            authorities: vec![ca.into()],
            identity: pair.map(|(cert, key)| (cert.into(), key.into())),
        };
        assert!(config(&trust(&cert, Some((&cert, &key))), false).is_ok());
        for (ca, pair, what) in [
            ("", None, "the authority's certificate cannot be used: the file has none"),
            (&key[..], None, "the authority's certificate cannot be used: the file has none"),
            (&cert[..100], None, "the authority's certificate cannot be used: the PEM file is incomplete"),
            (&cert[..], Some((&key[..], &key[..])), "the client's certificate cannot be used: the file has none"),
            (&cert[..], Some((&cert[..], &cert[..])), "the client's key cannot be used: the file has none"),
            (&cert[..], Some((&other[..], &key[..])), "the client's certificate or its key cannot be used: "),
        ] {
            let error = config(&trust(ca, pair), false).unwrap_err().to_string();
            assert!(error.starts_with(what), "{error}");
            assert!(!error.contains(key.lines().nth(1).unwrap()), "{error}");
        }
        assert!(!format!("{:?}", trust(&cert, Some((&cert, &key)))).contains("BEGIN"));
    }
}
