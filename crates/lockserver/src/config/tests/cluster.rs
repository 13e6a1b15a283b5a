//! `[cluster]`: what is read, and what is wrong with it.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

const SECRET: &str = "0123456789abcdef";

/// A server of several with this section, and with a secret where `SECRET` stands in it.
fn member(section: &str, secret: &str, mode: u32) -> Host {
    let host = Host::new().file("secret", secret);
    let path = host.root.path().join("secret");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let section = section.replace("SECRET_FILE", &format!("SECRET_FILE={}", path.display()));
    host.file("etc/lockserver.conf", format!("[general]\nSTORE=etcd:http://h1\n[cluster]\n{section}\n"))
}

#[test]
fn a_server_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, Authority::new("Test").pem).unwrap();
    let section = format!("ADVERTISE=http://locks1:9090/\nSECRET_FILE\nNAME=one\nCA={}", ca.display());
    let host = member(&section, &format!("{SECRET}\n"), 0o640);
    let config = host.config();
    let cluster = config.cluster.clone().expect("there is a section");
    assert_eq!((&cluster.name[..], &cluster.advertise[..]), ("one", "http://locks1:9090"));
    assert_eq!(&*cluster.secret.0, SECRET);
    assert_eq!(cluster.ca, Some(ca));
    let StoreChoice::Etcd(place) = &config.store else { panic!("{:?}", config.store) };
    assert_eq!((&place.name[..], place.url.as_deref()), ("one", Some("http://locks1:9090")));
    assert!(!format!("{config:?}").contains(SECRET));
    assert_eq!(config.mode(), ConfigureMode::CreateMissing, "its file changes nothing that other servers have");
}

#[test]
fn what_is_wrong_is_said() {
    for (section, secret, mode, expected) in [
        ("ADVERTISE=a:1\nSECRET_FILE", SECRET, 0o600, "4: ADVERTISE: 'a:1' is not the address of a server"),
        (
            "ADVERTISE=http://a:1/x\nSECRET_FILE",
            SECRET,
            0o600,
            "4: ADVERTISE: 'http://a:1/x' is not the address of a server",
        ),
        ("ADVERTISE=http://a\nSECRET_FILE", SECRET, 0o600, "4: ADVERTISE: 'http://a' is not the address of a server"),
        (
            "ADVERTISE=http://u@a:1\nSECRET_FILE",
            SECRET,
            0o600,
            "4: ADVERTISE: 'http://u@a:1' is not the address of a server",
        ),
        ("SECRET_FILE", SECRET, 0o600, "3: ADVERTISE is missing"),
        ("ADVERTISE=http://a:1", SECRET, 0o600, "3: SECRET_FILE is missing"),
        ("ADVERTISE=http://a:1\nSECRET_FILE", "short\n", 0o600, "is shorter than 16 bytes"),
        ("ADVERTISE=http://a:1\nSECRET_FILE", "0123456789abcdef\n0123456789abcdef\n", 0o600, "has more than one line"),
        ("ADVERTISE=http://a:1\nSECRET_FILE", SECRET, 0o644, "everybody on this machine may read or write it"),
        ("ADVERTISE=http://a:1\nSECRET_FILE\nNAME=", SECRET, 0o600, "6: NAME: the name of a server has 1 to 200 bytes"),
        (
            "ADVERTISE=http://a:1\nSECRET_FILE\nCA=/nowhere/ca.crt",
            SECRET,
            0o600,
            "6: CA: /nowhere/ca.crt: cannot be read",
        ),
        (
            "ADVERTISE=http://a:1\nSECRET_FILE\nCA=/dev/null",
            SECRET,
            0o600,
            "6: CA: /dev/null: cannot be read: it is not a file",
        ),
        ("ADVERTISE=http://a:1\nSECRET_FILE\nCA=ca.crt", SECRET, 0o600, "6: CA: 'ca.crt' is not an absolute path"),
    ] {
        let errors = member(section, secret, mode).errors();
        assert_eq!(errors.len(), 1, "{section}: {errors:?}");
        assert!(errors[0].contains(expected), "{section}: {errors:?}");
        assert!(!errors[0].contains(SECRET), "{errors:?}");
    }
}

#[test]
fn it_counts_for_nothing_without_a_store_to_share() {
    let host = Host::new().file("etc/lockserver.conf", "[general]\nSTORE=memory\n[cluster]\nNAME=a\n");
    assert_eq!(host.config().cluster, None);
    assert!(host.warnings().iter().any(|warning| warning.contains("has no effect")), "{:?}", host.warnings());
}
