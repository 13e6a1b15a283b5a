//! The files of `[tls]`: read within bounds, and judged as far as that can be done before somebody connects.

use super::{Tls, provider};
use lock_core::limits::TLS_FILE_BYTES_MAX;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::parse_x509_certificate;

/// rustls' own clock panics before 1970.
#[derive(Debug)]
struct Clock;

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        Some(rustls::pki_types::UnixTime::since_unix_epoch(crate::wall::since_1970()))
    }
}

/// What connections may speak, by preference (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A setting of `[tls]` that names a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Cert,
    Key,
    ClientCa,
}

/// Certificates that vouch for others, as rustls wants them; with which one cannot be used, and why.
fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for (index, root) in certificates.iter().enumerate() {
        let wrong = |error| format!("the certificate number {} in it cannot be used: {error}", index + 1);
        store.add(root.clone()).map_err(wrong)?;
    }
    Ok(store)
}

/// Reads who vouches for servers that this one speaks to, PEM.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let mut judge = Judge::default();
    let found = judge.certificates(Which::ClientCa, path);
    let named = |text: String| format!("{}: {text}", path.display());
    found.ok_or_else(|| judge.errors.remove(0).text).and_then(|found| roots(&found).map_err(named))
}

/// Something about one of the files: what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub which: Which,
    /// For people, with the file's path.
    pub text: String,
}

/// Reads the server's certificate (with those that vouch for it, behind it), its key, and who vouches for clients, all of
/// them PEM. With it come warnings.
///
/// # Errors
/// Everything that keeps the server from speaking TLS.
pub fn read(cert: &Path, key: &Path, client_ca: Option<&Path>) -> Result<(Tls, Vec<Finding>), Vec<Finding>> {
    let mut judge = Judge::default();
    let chain = judge.certificates(Which::Cert, cert);
    let private = judge.key(key);
    let roots = client_ca.map(|path| (judge.certificates(Which::ClientCa, path), path));
    let clients = roots.and_then(|(roots, path)| judge.verifier(&roots?, path));
    let (Some(chain), Some(private)) = (chain, private) else { return Err(judge.errors) };
    let Some(certified) = judge.fit(cert, chain, key, private) else { return Err(judge.errors) };
    if !judge.errors.is_empty() {
        return Err(judge.errors);
    }
    judge.dates(Which::Cert, cert, &certified.cert);
    let builder = ServerConfig::builder_with_details(provider(), Arc::new(Clock))
        .with_safe_default_protocol_versions()
        .expect("the provider has TLS 1.2 and 1.3");
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok((Tls(Arc::new(server)), judge.warnings))
}

#[derive(Default)]
struct Judge {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Judge {
    fn error(&mut self, which: Which, path: &Path, text: impl std::fmt::Display) {
        self.errors.push(Finding { which, text: format!("{}: {text}", path.display()) });
    }

    fn warn(&mut self, which: Which, path: &Path, text: impl std::fmt::Display) {
        self.warnings.push(Finding { which, text: format!("{}: {text}", path.display()) });
    }

    fn content(&mut self, which: Which, path: &Path) -> Option<Vec<u8>> {
        let read = || {
            // Looked at before it is opened: a pipe would hang the start.
            let metadata = fs::metadata(path)?;
            if !metadata.is_file() {
                return Err(io::Error::other("it is not a file"));
            }
            let mut content = Vec::new();
            fs::File::open(path)?.take(TLS_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
            if content.len() > TLS_FILE_BYTES_MAX {
                return Err(io::Error::other(format!("it has more than {TLS_FILE_BYTES_MAX} bytes")));
            }
            Ok((content, metadata.permissions().mode()))
        };
        match read() {
            Ok((content, mode)) => {
                if which == Which::Key && mode & 0o004 != 0 {
                    let text = "everybody on this machine may read the key; take that right away (chmod o= FILE)";
                    self.warn(which, path, text);
                }
                Some(content)
            }
            Err(error) => {
                let text = format!("cannot be read: {error}; name a PEM file that the server's user may read");
                self.error(which, path, text);
                None
            }
        }
    }

    /// All certificates of a file, at least one.
    fn certificates(&mut self, which: Which, path: &Path) -> Option<Vec<CertificateDer<'static>>> {
        let content = self.content(which, path)?;
        match CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Some(found),
            Ok(_) => {
                let hint = if contains(&content, "PRIVATE KEY-----") { "; it has a key: is that KEY?" } else { "" };
                self.error(which, path, format!("there is no `-----BEGIN CERTIFICATE-----` in it{hint}"));
                None
            }
            Err(error) => {
                self.error(which, path, broken(&error));
                None
            }
        }
    }

    fn key(&mut self, path: &Path) -> Option<PrivateKeyDer<'static>> {
        let content = self.content(Which::Key, path)?;
        match PrivateKeyDer::from_pem_slice(&content) {
            Ok(key) => Some(key),
            Err(pem::Error::NoItemsFound) => {
                let hint = if contains(&content, "ENCRYPTED") {
                    "; it is encrypted: write it without a passphrase, `openssl pkey -in FILE -out NEW`"
                } else if contains(&content, "-----BEGIN CERTIFICATE-----") {
                    "; it has a certificate: is that CERT?"
                } else {
                    ""
                };
                self.error(Which::Key, path, format!("there is no `-----BEGIN PRIVATE KEY-----` in it{hint}"));
                None
            }
            Err(error) => {
                self.error(Which::Key, path, broken(&error));
                None
            }
        }
    }

    /// The certificate and the key together.
    fn fit(
        &mut self,
        cert: &Path,
        chain: Vec<CertificateDer<'static>>,
        key: &Path,
        private: PrivateKeyDer<'static>,
    ) -> Option<CertifiedKey> {
        let several = chain.len() > 1;
        let signer = match provider().key_provider.load_private_key(private) {
            Ok(signer) => signer,
            Err(error) => {
                let text = format!("the key cannot be used ({error}); take ECDSA P-256 or P-384, Ed25519 or RSA");
                self.error(Which::Key, key, text);
                return None;
            }
        };
        let certified = CertifiedKey::new(chain, signer);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Some(certified),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let hint = if several { "; the server's own certificate must be the first in CERT" } else { "" };
                let text = format!("the key does not belong to the certificate in {}{hint}", cert.display());
                self.error(Which::Key, key, text);
                None
            }
            Err(error) => {
                self.error(Which::Cert, cert, format!("the first certificate cannot be used: {error}"));
                None
            }
        }
    }

    /// Asks clients for certificates of these authorities, and takes clients without one.
    fn verifier(&mut self, roots: &[CertificateDer<'static>], path: &Path) -> Option<Arc<dyn ClientCertVerifier>> {
        let store = self::roots(roots).map_err(|text| self.error(Which::ClientCa, path, text)).ok()?;
        self.dates(Which::ClientCa, path, roots);
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).allow_unauthenticated().build();
        verifier.map_err(|error| self.error(Which::ClientCa, path, error)).ok()
    }

    /// Warns of certificates that are not valid now: clocks differ, and a server that does not start helps nobody.
    fn dates(&mut self, which: Which, path: &Path, certificates: &[CertificateDer<'_>]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        for (index, certificate) in certificates.iter().enumerate() {
            let Ok((_, certificate)) = parse_x509_certificate(certificate) else { continue };
            let validity = certificate.validity();
            let number = index + 1;
            if validity.not_after.timestamp() < now {
                let text = format!(
                    "the certificate number {number} in it expired on {}; clients will refuse it",
                    validity.not_after
                );
                self.warn(which, path, text);
            } else if validity.not_before.timestamp() > now {
                let text = format!(
                    "the certificate number {number} in it is valid from {} on; is this machine's clock right?",
                    validity.not_before
                );
                self.warn(which, path, text);
            }
        }
    }
}

fn contains(content: &[u8], text: &str) -> bool {
    content.windows(text.len()).any(|window| window == text.as_bytes())
}

/// What is wrong with a PEM file, without a line of it: that may be the key's.
fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => {
            "an `-----END ...-----` is missing in it; was it cut off when it was copied?"
        }
        pem::Error::IllegalSectionStart { .. } => {
            "a `-----BEGIN ...-----` in it is not whole; was it cut off when it was copied?"
        }
        pem::Error::Base64Decode(_) => "it is not a PEM file: the text between BEGIN and END is not base64",
        _ => "it is not a PEM file",
    }
}
