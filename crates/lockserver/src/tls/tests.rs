//! What is said about files, and the names in certificates.

use super::authority::Authority;
use super::*;
use lock_core::limits::TLS_FILE_BYTES_MAX;
use rcgen::{KeyPair, date_time_ymd};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What is found, with `DIR` for the folder.
fn texts(findings: &[Finding], folder: &Path) -> Vec<String> {
    findings.iter().map(|finding| finding.text.replace(&folder.display().to_string(), "DIR")).collect()
}

#[test]
fn good_files_are_read_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test");
    let (cert, key) = authority.issue(&["localhost"]).write(folder.path());
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, &authority.pem).unwrap();
    let (tls, warnings) = read(&cert, &key, Some(&ca)).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(tls.server().alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert_eq!(format!("{tls:?}"), "Tls");
    // The certificates of those who vouch for it may follow.
    fs::write(&cert, fs::read_to_string(&cert).unwrap() + &authority.pem).unwrap();
    let (again, _) = read(&cert, &key, None).unwrap();
    assert!(again != tls && tls == tls.clone());
}

#[test]
fn every_mistake_has_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test");
    let good = authority.issue(&["localhost"]);
    let other = authority.issue(&["localhost"]);
    let cut = |pem: &str| pem.rsplit_once("-----END").unwrap().0.to_owned();
    let encrypted = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let with_ca_first = format!("{}{}", authority.pem, good.cert);
    let large = "#".repeat(TLS_FILE_BYTES_MAX + 1);
    let cases: [(&str, &str, Option<&str>, &[&str]); 10] = [
        (
            &good.key,
            &good.key,
            None,
            &["DIR/tls.crt: there is no `-----BEGIN CERTIFICATE-----` in it; it has a key: is that KEY?"],
        ),
        (
            &good.cert,
            &good.cert,
            None,
            &["DIR/tls.key: there is no `-----BEGIN PRIVATE KEY-----` in it; it has a certificate: is that CERT?"],
        ),
        (
            &good.cert,
            &encrypted,
            None,
            &["DIR/tls.key: there is no `-----BEGIN PRIVATE KEY-----` in it; it is encrypted: write it without a \
             passphrase, `openssl pkey -in FILE -out NEW`"],
        ),
        (
            "",
            "rubbish",
            None,
            &[
                "DIR/tls.crt: there is no `-----BEGIN CERTIFICATE-----` in it",
                "DIR/tls.key: there is no `-----BEGIN PRIVATE KEY-----` in it",
            ],
        ),
        (
            &cut(&good.cert),
            &cut(&good.key),
            None,
            &[
                "DIR/tls.crt: an `-----END ...-----` is missing in it; was it cut off when it was copied?",
                "DIR/tls.key: an `-----END ...-----` is missing in it; was it cut off when it was copied?",
            ],
        ),
        (&good.cert, &other.key, None, &["DIR/tls.key: the key does not belong to the certificate in DIR/tls.crt"]),
        (
            &with_ca_first,
            &good.key,
            None,
            &[
                "DIR/tls.key: the key does not belong to the certificate in DIR/tls.crt; the server's own certificate must \
             be the first in CERT",
            ],
        ),
        (
            &large,
            &good.key,
            None,
            &[
                "DIR/tls.crt: cannot be read: it has more than 1048576 bytes; name a PEM file that the server's user may read",
            ],
        ),
        (&good.cert, &good.key, Some(""), &["DIR/ca.crt: there is no `-----BEGIN CERTIFICATE-----` in it"]),
        (
            &good.cert,
            &other.key,
            Some(&good.key),
            &[
                "DIR/ca.crt: there is no `-----BEGIN CERTIFICATE-----` in it; it has a key: is that KEY?",
                "DIR/tls.key: the key does not belong to the certificate in DIR/tls.crt",
            ],
        ),
    ];
    for (cert_pem, key_pem, ca_pem, expected) in cases {
        let (cert, key) = good.write(folder.path());
        fs::write(&cert, cert_pem).unwrap();
        fs::write(&key, key_pem).unwrap();
        let ca = ca_pem.map(|pem| {
            let ca = folder.path().join("ca.crt");
            fs::write(&ca, pem).unwrap();
            ca
        });
        let errors = read(&cert, &key, ca.as_deref()).unwrap_err();
        assert_eq!(texts(&errors, folder.path()), expected);
    }
    let nowhere = folder.path().join("nowhere");
    let errors = read(&nowhere, folder.path(), None).unwrap_err();
    assert_eq!(
        texts(&errors, folder.path()),
        [
            "DIR/nowhere: cannot be read: No such file or directory (os error 2); name a PEM file that the server's user may read",
            "DIR: cannot be read: it is not a file; name a PEM file that the server's user may read",
        ]
    );
    assert_eq!((errors[0].which, errors[1].which), (Which::Cert, Which::Key));
}

#[test]
fn no_word_repeats_what_stands_in_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let good = Authority::new("Test").issue(&["localhost"]);
    let (cert, key) = good.write(folder.path());
    let secret = good.key.lines().nth(1).unwrap();
    for broken in [
        good.key.replace("-----BEGIN", "----BEGIN"),
        good.key.replace(secret, &format!("{secret}!")),
        good.key.replace("-----END PRIVATE KEY-----", ""),
        good.key.replace("KEY-----\n", "KEY "),
    ] {
        fs::write(&key, broken).unwrap();
        for error in read(&cert, &key, None).unwrap_err() {
            assert!(!error.text.contains(&secret[..10]), "{}", error.text);
        }
    }
}

#[test]
fn what_is_odd_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test");
    let warnings = |identity: &authority::Identity, mode| {
        let (cert, key) = identity.write(folder.path());
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        texts(&read(&cert, &key, None).unwrap().1, folder.path())
    };
    let expired = authority.issue_with(&["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.issue_with(&["localhost"], |params| params.not_before = date_time_ymd(4000, 1, 1));
    let good = authority.issue(&["localhost"]);
    let [expired] = &warnings(&expired, 0o600)[..] else { panic!("one warning") };
    assert!(
        expired.starts_with("DIR/tls.crt: the certificate number 1 in it expired on Jan  1 00:00:00 2020"),
        "{expired}"
    );
    let [early] = &warnings(&early, 0o600)[..] else { panic!("one warning") };
    assert!(early.ends_with("is this machine's clock right?"), "{early}");
    assert_eq!(
        warnings(&good, 0o644),
        ["DIR/tls.key: everybody on this machine may read the key; take that right away (chmod o= FILE)"]
    );
    assert_eq!(warnings(&good, 0o640), [""; 0]);
}

#[test]
fn names_are_those_of_the_certificate_and_no_others() {
    let authority = Authority::new("Test");
    let named = authority.issue(&["build.example.org", "ci@example.org", "spiffe://example.org/ci", "192.0.2.1"]);
    assert_eq!(names(&named.chain()[0]), ["build.example.org", "ci@example.org", "spiffe://example.org/ci"]);
    let long = "a".repeat(60) + "." + &"b".repeat(60) + "." + &"c".repeat(60) + "." + &"d".repeat(60);
    assert_eq!(names(&authority.issue(&[&long, "short"]).chain()[0]), ["short"]);
    let many: Vec<String> = (0..500).map(|number| format!("n{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(names(&authority.issue(&many).chain()[0]).len(), 100);
    let bare = rcgen::CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
    assert_eq!(names(bare.der()), [""; 0], "the common name does not count");
    assert_eq!(names(b"rubbish"), [""; 0]);
}
