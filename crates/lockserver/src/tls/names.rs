//! Who a certificate says that its holder is.

use lock_core::limits::{CERTIFICATE_NAMES_MAX, KEY_NAME_BYTES_MAX};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::parse_x509_certificate;

/// The DNS names, e-mail addresses and URIs among a certificate's subject alternative names (RFC 5280, 4.2.1.6), in its
/// order. Those that are too long to be a key's name are left out; the subject's common name never counts.
#[must_use]
pub fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return Vec::new() };
    let lists = certificate.extensions().iter().filter_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(list) => Some(&list.general_names),
        _ => None,
    });
    let texts = lists.flatten().filter_map(|name| match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some(*text),
        _ => None,
    });
    texts.filter(|text| text.len() <= KEY_NAME_BYTES_MAX).take(CERTIFICATE_NAMES_MAX).map(str::to_owned).collect()
}
