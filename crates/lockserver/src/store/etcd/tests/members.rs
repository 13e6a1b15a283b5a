//! Ways to etcd: several members, users, TLS, and what fails on them.

use super::rig::{Between, Etcd, directory, loaded, number_of, numbered, place};
use crate::store::Store as _;
use crate::store::etcd::{EtcdPlace, EtcdStore};
use crate::tls::authority::Authority;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// Time enough for an etcd that starts again.
const PATIENT: Duration = Duration::from_secs(30);

#[test]
fn a_member_that_is_down_is_passed_over() {
    let etcd = Etcd::start(&[]);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let between = Between::before(etcd.at);
    let endpoints = vec![format!("http://{nobody}"), between.endpoint(), etcd.endpoint()];
    let mut store = loaded(EtcdPlace { endpoints, ..etcd.place() });
    store.commit(&[numbered(1)]).unwrap();
    between.keep_answers(true);
    store.commit(&[numbered(2)]).unwrap();
    drop(between);
    store.commit(&[numbered(3)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(3));
}

#[test]
fn nobody_who_answers_is_said() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut store =
        EtcdStore::open(EtcdPlace { lease: Duration::from_secs(2), ..place(&format!("http://{nobody}")) }).unwrap();
    let error = store.load().unwrap_err().to_string();
    assert!(error.starts_with("etcd does not answer") && error.contains(&nobody.to_string()), "{error}");
}

#[test]
fn a_member_that_comes_back_goes_on() {
    let mut etcd = Etcd::start(&[]);
    let mut store = loaded(EtcdPlace { lease: PATIENT, ..etcd.place() });
    store.commit(&[numbered(1)]).unwrap();
    etcd.restart();
    store.commit(&[numbered(2)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(2));
}

fn with_user(etcd: &Etcd, password: &str) -> EtcdPlace {
    let file = etcd.path("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    EtcdPlace { user: Some(("locks".to_owned(), file)), lease: PATIENT, ..etcd.place() }
}

#[test]
fn users_need_their_password_and_a_token_is_renewed() {
    let mut etcd = Etcd::start(&[]);
    let mut store = loaded(with_user(&etcd, "anything"));
    store.commit(&[numbered(1)]).expect("etcd without users asks nobody");
    drop(store);
    for name in ["root", "locks"] {
        etcd.ask("auth/user/add", &format!("{{\"name\": \"{name}\", \"password\": \"secret of {name}\"}}"));
        etcd.ask("auth/role/add", &format!("{{\"name\": \"{name}\"}}"));
        etcd.ask("auth/user/grant", &format!("{{\"user\": \"{name}\", \"role\": \"{name}\"}}"));
    }
    // From "lockserver/" to "lockserver0", for reading and writing (2).
    let keys = "{\"permType\": 2, \"key\": \"bG9ja3NlcnZlci8=\", \"range_end\": \"bG9ja3NlcnZlcjA=\"}";
    etcd.ask("auth/role/grant", &format!("{{\"name\": \"locks\", \"perm\": {keys}}}"));
    etcd.ask("auth/enable", "{}");

    for place in [etcd.place(), with_user(&etcd, "wrong")] {
        let error = EtcdStore::open(place).unwrap().load().unwrap_err().to_string();
        assert!(error.contains("USER and PASSWORD_FILE"), "{error}");
    }
    let elsewhere = EtcdPlace { prefix: "elsewhere/".to_owned(), ..with_user(&etcd, "secret of locks") };
    let error = EtcdStore::open(elsewhere).unwrap().load().unwrap_err().to_string();
    assert!(error.contains("permission denied") && error.contains("PREFIX"), "{error}");

    let mut store = loaded(with_user(&etcd, "secret of locks"));
    store.commit(&[numbered(2)]).unwrap();
    // It forgets all tokens.
    etcd.restart();
    store.commit(&[numbered(3)]).unwrap();
    assert_eq!(number_of(&mut store), Ok(3));
}

#[test]
fn tls_with_certificates_on_both_sides() {
    let directory = directory();
    let authority = Authority::new("etcd's own");
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (server, client) = (authority.issue(&["127.0.0.1"]), authority.issue(&["lockserver"]));
    let ca = write("ca.crt", &authority.pem);
    let identity = (write("client.crt", &client.cert), write("client.key", &client.key));
    let other_ca = write("other.crt", &Authority::new("somebody else").pem);
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (cert, key) = (text(&write("server.crt", &server.cert)), text(&write("server.key", &server.key)));
    let flags = ["--cert-file", &cert, "--key-file", &key, "--client-cert-auth", "--trusted-ca-file", &text(&ca)];
    let etcd = Etcd::start_in(directory, "https", &flags);
    let short = EtcdPlace { lease: Duration::from_secs(2), ..etcd.place() };
    let good = EtcdPlace { ca: Some(ca), identity: Some(identity), ..short };
    let mut store = loaded(EtcdPlace { lease: EtcdPlace::LEASE, ..good.clone() });
    store.commit(&[numbered(1)]).unwrap();
    drop(store);
    for (place, why) in [
        (EtcdPlace { ca: Some(other_ca), ..good.clone() }, "certificate"),
        (EtcdPlace { identity: None, ..good.clone() }, "etcd does not answer"),
        (EtcdPlace { ca: Some("/nowhere/ca.crt".into()), ..good.clone() }, "/nowhere/ca.crt cannot be read"),
    ] {
        let error = EtcdStore::open(place).unwrap().load().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(number_of(&mut EtcdStore::open(good).unwrap()), Ok(1));
}
