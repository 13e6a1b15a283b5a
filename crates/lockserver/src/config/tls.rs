//! `[tls]`: the server's certificate, and whose certificates it takes from clients.

use super::document::Document;
use super::problem::Report;
use super::section::{Options, Strict};
use super::value::absolute;
use crate::tls::{self, Tls, Which};
use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate and those that vouch for it, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Authorities for clients' certificates, PEM; without it the server asks for none.
    pub client_ca: Option<PathBuf>,
}

/// The section, if it is there, and what its files make.
pub(super) fn check(document: &Document, report: &mut Report) -> Option<(TlsFiles, Option<Tls>)> {
    let (place, options) = document.sections.get(&Strict::Tls)?;
    let (cert, key) = (path(options, "CERT", report), path(options, "KEY", report));
    let client_ca = path(options, "CLIENT_CA", report);
    if !options.contains_key("CERT") || !options.contains_key("KEY") {
        report.error(place, "CERT and KEY are the two files that TLS needs; one is missing");
    }
    let files = TlsFiles { cert: cert?, key: key?, client_ca };
    let place_of = |which| {
        let name = match which {
            Which::Cert => "CERT",
            Which::Key => "KEY",
            Which::ClientCa => "CLIENT_CA",
        };
        options.get(name).map_or(place, |raw| &raw.place)
    };
    let (tls, warnings) = match tls::read(&files.cert, &files.key, files.client_ca.as_deref()) {
        Ok((tls, warnings)) => (Some(tls), warnings),
        Err(errors) => {
            for error in errors {
                report.error(place_of(error.which), error.text);
            }
            (None, Vec::new())
        }
    };
    for warning in warnings {
        report.warn(place_of(warning.which), warning.text);
    }
    Some((files, tls))
}

fn path(options: &Options, name: &str, report: &mut Report) -> Option<PathBuf> {
    let raw = options.get(name)?;
    absolute(&raw.text).map(Path::to_owned).map_err(|error| report.error(&raw.place, error)).ok()
}
