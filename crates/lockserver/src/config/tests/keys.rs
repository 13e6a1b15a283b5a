//! Keys, what is allowed without one, TLS and who may be in front: what they say, and what is wrong with them.

use super::*;
use crate::access::{Digest, Right};
use crate::tls::authority::Authority;
use std::os::unix::fs::PermissionsExt as _;

/// SHA-256 of "abc".
const HASH: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const ANONYMOUS: &str = "[anonymous]\nRIGHTS=none\n";

fn name(text: &str) -> LockName {
    LockName::new(text).unwrap()
}

#[test]
fn without_sections_everybody_may_use_and_observe() {
    let access = host("").config().access;
    assert!(access.is_open() && !access.has_keys());
    let grants = access.anonymous();
    assert!(grants.may(Right::Use, &name("x")) && grants.may(Right::Observe, &name("x")));
    assert!(!grants.may(Right::Admin, &name("x")) && grants.max_priority == 100);
}

#[test]
fn a_key_with_everything() {
    let text = format!(
        "{ANONYMOUS}[key ci]\nSECRET_HASH={HASH}, {}\nLOCKS=deploy-*, san ssh # two\nRIGHTS=Use, admin\nMAX_PRIORITY=-5\n",
        Digest::of("other")
    );
    let host = host(text);
    assert_eq!(host.warnings(), [""; 0]);
    let access = host.config().access;
    let key = access.by_secret(Some("ci"), "abc").unwrap();
    assert_eq!(access.by_secret(None, "other"), Some(key), "two secrets are good at a time");
    assert!(key.grants.may(Right::Admin, &name("deploy-web")) && key.grants.may(Right::Observe, &name("san ssh")));
    assert!(!key.grants.may(Right::Use, &name("x")));
    assert_eq!(key.grants.max_priority, -5);
    assert!(access.anonymous().rights.is_none() && !access.is_open());
}

#[test]
fn a_key_of_two_lines_may_use_and_observe_every_lock() {
    let access = host(format!("{ANONYMOUS}[key ci]\nSECRET_HASH={HASH}")).config().access;
    let grants = &access.by_secret(None, "abc").unwrap().grants;
    assert!(grants.may(Right::Use, &name("x")) && grants.may(Right::Observe, &name("x")));
    assert!(!grants.rights.has(Right::Admin) && grants.locks.is_all() && grants.max_priority == 0);
}

#[test]
fn what_is_allowed_without_a_key() {
    let access = host("[anonymous]\nRIGHTS=observe\nLOCKS=public-*").config().access;
    assert!(access.anonymous().may(Right::Observe, &name("public-1")));
    assert!(!access.anonymous().may(Right::Observe, &name("x")) && !access.anonymous().rights.has(Right::Use));
    assert!(!access.is_open() && !access.has_keys());
}

#[test]
fn secrets_in_a_file() {
    let secrets = tempfile::NamedTempFile::new().unwrap();
    let path = secrets.path().display().to_string();
    fs::write(&path, format!("# ci\nlsk_0123456789012345678901234567890123456789012\n\n{HASH}\n")).unwrap();
    let host = host(format!("{ANONYMOUS}[key ci]\nSECRET_FILE={path}"));
    let access = host.config().access;
    assert!(access.by_secret(None, "abc").is_some());
    assert!(access.by_secret(None, "lsk_0123456789012345678901234567890123456789012").is_some());
    assert!(access.by_secret(None, "").is_none());

    let error = |host: &Host| host.errors()[0].replace(&path, "FILE");
    fs::write(&path, "short\n").unwrap();
    let weak = "a secret has 20 to 200 visible ASCII characters; 'lockserver key new' makes one";
    assert_eq!(error(&host), format!("/etc/lockserver.conf:4: SECRET_FILE: in 'FILE': {weak}"));
    fs::write(&path, "# nothing\n").unwrap();
    assert_eq!(error(&host), "/etc/lockserver.conf:4: SECRET_FILE: 'FILE' contains no secret; write one on each line");
    fs::write(&path, vec![b'#'; 5000]).unwrap();
    assert_eq!(error(&host), "/etc/lockserver.conf:4: SECRET_FILE: 'FILE' cannot be read: it has more than 4096 bytes");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(
        error(&host),
        "/etc/lockserver.conf:4: SECRET_FILE: 'FILE' cannot be read: everybody on this machine may read or write it; \
         take that right away (chmod o= FILE)"
    );
}

#[test]
fn the_files_of_tls() {
    let (folder, section) = tls_section();
    let text = format!("{section}[key build.example.org]\n[anonymous]\nRIGHTS=none");
    let loaded = host(&text).load().unwrap();
    assert_eq!((loaded.tls.is_some(), loaded.warnings), (true, Vec::new()));
    let tls = loaded.config.tls.unwrap();
    assert_eq!((tls.cert, tls.key), (folder.path().join("tls.crt"), folder.path().join("tls.key")));
    assert_eq!(tls.client_ca, Some(folder.path().join("ca.crt")));
    assert!(loaded.config.access.by_certificate(["build.example.org"]).is_some());

    // What is wrong with a file is said with its path at the line that names it.
    fs::write(folder.path().join("ca.crt"), "").unwrap();
    fs::set_permissions(folder.path().join("tls.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let problems = host(&text).load().unwrap_err();
    assert_eq!((problems.errors.len(), problems.errors[0].line), (1, Some(4)));
    assert!(
        problems.errors[0].text.starts_with(&format!("CLIENT_CA: {}/ca.crt: there is no", folder.path().display()))
    );
    fs::write(folder.path().join("ca.crt"), Authority::new("Other").pem).unwrap();
    let loaded = host(&text).load().unwrap();
    assert_eq!((loaded.warnings.len(), loaded.warnings[0].line), (1, Some(3)));
}

#[test]
fn who_is_in_front_and_who_may_call() {
    let text = "[general]\nTRUSTED_PROXIES=10.0.0.0/8, ::1, ::ffff:192.0.2.7, ::ffff:172.16.0.0/108\nALLOWED_HOSTS=Locks.Example.org.,[::1]\n\
                ALLOWED_ORIGINS=HTTPS://a.example.org:8443, https://B.example.org:443,http://c:0080,http://c:443,https://[::0:1]:8443\nAUDIT_LOG=/var/log/audit.log # here\nSERVER=0.0.0.0";
    let host = host(text);
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    assert_eq!(
        config.trusted_proxies,
        ["10.0.0.0/8", "::1/128", "192.0.2.7/32", "172.16.0.0/12"].map(|one| one.parse().unwrap())
    );
    assert_eq!(config.allowed_hosts, ["locks.example.org", "::1"]);
    let origins =
        ["https://a.example.org:8443", "https://b.example.org", "http://c", "http://c:443", "https://[::1]:8443"];
    assert_eq!(config.allowed_origins, origins, "as browsers send them");
    assert_eq!(config.audit, Some(AuditLog::File("/var/log/audit.log".into())));
    let audit = |text: &str| super::host(format!("[general]\nAUDIT_LOG={text}")).config().audit;
    assert_eq!((audit("Journal"), audit("")), (Some(AuditLog::Journal), None));
}

#[test]
fn what_is_wrong_and_what_to_do() {
    const CHOICES: &str = "[anonymous] is missing: once there is a key, it must say what clients without one may do. \
                           Add one of these, each two lines: '[anonymous]' and 'RIGHTS=none', which admits only \
                           clients with a key; or '[anonymous]' and 'RIGHTS=use, observe', which serves clients \
                           without one as before";
    let digest = "write it as sha256: and 64 hexadecimal digits, as 'lockserver key new' prints it";
    let cases: &[(&str, &str)] = &[
        (&format!("[key ci]\nSECRET_HASH={HASH}"), &format!("1: {CHOICES}")),
        ("[key]", "1: the section has no name; write [key NAME]"),
        (
            "[key a b]",
            "1: [key 'a b']: the name contains ' '; a key's name has letters, digits, '-', '_', '.', '@', '/' and ':'",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\n[key ci]"),
            "3: [key ci] begins in line 1 already; put its settings there",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\nSECRET=x"),
            "3: unknown name 'SECRET' in a key's section; did you mean SECRET_FILE?",
        ),
        (
            "[key ci]",
            "1: the key has no secret: write SECRET_HASH= or SECRET_FILE=. (A key without one is for client certificates, \
             which need CLIENT_CA= in [tls].)",
        ),
        ("[key ci]\nSECRET_HASH=sha256:1", &format!("2: SECRET_HASH: {digest}")),
        (
            "[key ci]\nSECRET_HASH=lsk_x",
            "2: SECRET_HASH: this looks like the secret itself; write its digest, sha256:..., and make a new secret if \
             others have seen this one",
        ),
        (
            &format!("[key a:b]\nSECRET_HASH={HASH}"),
            "1: a name with ':' is for client certificates; a key with a secret needs a name without ':'",
        ),
        ("[key ci]\nSECRET_FILE=a", "2: SECRET_FILE: it is not an absolute path; begin it with /"),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\nRIGHTS=read"),
            "3: RIGHTS: 'read' is not a right; write use, observe, admin, some of them with commas between, or none",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\nLOCKS=a,,b"),
            "3: LOCKS: an item is missing beside a comma; write one comma between two items",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\nLOCKS=a*b"),
            "3: LOCKS: 'a*b': the name contains '*', which no name may contain",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\nMAX_PRIORITY=101"),
            "3: MAX_PRIORITY: '101' is not a priority; write -100 to 100",
        ),
        (
            &format!("[key ci]\nSECRET_HASH={HASH}\n[key ops]\nSECRET_HASH={HASH}"),
            "1: the keys ci and ops have the same secret; make a new one for one of them",
        ),
        ("[tls]\nCERT=/a", "1: CERT and KEY are the two files that TLS needs; one is missing"),
        ("[tls]\nCERT=/a\nKEY=b", "3: KEY: 'b' is not an absolute path; begin it with /"),
        ("[tls server]", "1: [tls] takes no name; write [tls]"),
        ("[general]\nAUDIT_LOG=a", "2: AUDIT_LOG: 'a' is not an absolute path; begin it with /, or write journal"),
        (
            "[general]\nTRUSTED_PROXIES=proxy",
            "2: TRUSTED_PROXIES: 'proxy' is neither an address nor a network; write 192.0.2.1 or 192.0.2.0/24",
        ),
        (
            "[general]\nALLOWED_ORIGINS=https://a/b",
            "2: ALLOWED_ORIGINS: 'https://a/b' is not an origin; write https://host or https://host:port, without a \
             path",
        ),
        (
            "[general]\nALLOWED_HOSTS=a:1",
            "2: ALLOWED_HOSTS: 'a:1' has a port; write 'a' alone: it holds for every port",
        ),
        (
            "[general]\nALLOWED_HOSTS=[::1]:443",
            "2: ALLOWED_HOSTS: '[::1]:443' has a port; write '[::1]' alone: it holds for every port",
        ),
        (
            "[general]\nALLOWED_HOSTS=*",
            "2: ALLOWED_HOSTS: '*' is not a name; leave the setting out for any name, or write each one",
        ),
        (
            "[general]\nALLOWED_HOSTS=https://a/",
            "2: ALLOWED_HOSTS: 'https://a/' is a URL; write its host name alone: 'a'",
        ),
        (
            "[general]\nALLOWED_ORIGINS=*",
            "2: ALLOWED_ORIGINS: '*' would admit every page; write each allowed origin: https://host",
        ),
        (
            "[general]\nALLOWED_ORIGINS=https://a:x",
            "2: ALLOWED_ORIGINS: 'https://a:x' is not an origin; write https://host or https://host:port, without a \
             path",
        ),
        (
            "[general]\nALLOWED_ORIGINS=https://b@a",
            "2: ALLOWED_ORIGINS: 'https://b@a' is not an origin; write https://host or https://host:port, without a \
             path",
        ),
        (
            "[general]\nALLOWED_ORIGINS=https://bücher.example",
            "2: ALLOWED_ORIGINS: 'https://bücher.example' has letters outside ASCII; write the name as xn--...",
        ),
    ];
    for (text, expected) in cases {
        let anonymous = if expected.contains(CHOICES) || text.starts_with("[anonymous") { "" } else { ANONYMOUS };
        let errors = host(format!("{text}\n{anonymous}")).errors();
        assert_eq!(errors, [format!("/etc/lockserver.conf:{expected}")], "{text}");
    }
    let errors = |text: &str| host(text).errors();
    assert_eq!(
        errors("[anonymous]"),
        ["/etc/lockserver.conf:1: RIGHTS is missing; write none, observe, or use, observe"]
    );
    let admin = "clients without a key cannot have the right admin; use the Unix socket on the server's own machine";
    assert_eq!(errors("[anonymous]\nRIGHTS=admin"), [format!("/etc/lockserver.conf:2: RIGHTS: {admin}")]);
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    const SECRET: &str = "lsk_FTGhJKL0123456789012345678901234567890123456";
    for text in [
        SECRET.to_owned(),
        format!("[general]\n{SECRET}"),
        format!("[lock a]\nx {SECRET}"),
        format!("[key ci]\n{SECRET}"),
        format!("[key ci]\nSECRET_HASH {SECRET}"),
        format!("[key ci]\nSECRET_HASH={SECRET}"),
        format!("[key ci]\nSECRET_FILE={SECRET}"),
        format!("[key ci]\nLOCKS={SECRET}*x"),
        format!("[key {SECRET} x]"),
        format!("[{SECRET}]\nx=1\n[general]\nPORT=x"),
    ] {
        let report = check_report(&host(format!("{text}\n{ANONYMOUS}")).load());
        assert!(!report.contains("FTGh"), "{text}: {report}");
    }
    for (section, meant) in
        [("[key:ci]", "key"), ("[key-ci]", "key"), ("[tls-1]", "tls"), ("[anonymous:x]", "anonymous")]
    {
        let errors = host(section).errors();
        assert!(errors[0].contains(&format!("did you mean [{meant}")), "{errors:?}");
    }
}

#[test]
fn a_check_prints_keys_without_secrets() {
    let (_folder, tls) = tls_section();
    let text = format!("{ANONYMOUS}[key ci]\nSECRET_HASH={HASH}\nLOCKS=deploy-*\nRIGHTS=use\n{tls}");
    // Without the comments that say where each setting comes from.
    let report = check_report(&host(text).load());
    let report: String =
        report.lines().map(|line| line.split(" # ").next().unwrap_or(line).trim_end().to_owned() + "\n").collect();
    for part in [
        "\n[anonymous]\nRIGHTS=none\nLOCKS=*\nMAX_PRIORITY=0\n",
        &format!("\n[key ci]\nSECRET_HASH={HASH}\nRIGHTS=use\nLOCKS=deploy-*\nMAX_PRIORITY=0\n"),
        &format!("\n{tls}"),
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}
