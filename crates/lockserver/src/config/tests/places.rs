//! Where settings come from, as `check-config` says it.

use super::*;
use std::os::unix::fs::PermissionsExt as _;

const HASH: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn a_check_says_where_each_setting_comes_from() {
    let (folder, tls) = tls_section();
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{HASH}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let secret = secret.display().to_string();
    let mut host = host("[DEFAULT]\nLONG_POLL=3\n[general]\nserver=h\nPORT=1\nMAX_WAITING=7\nDEFAULT_LOCK=d\nDEFAULT_LOCK_SIZE=4\n")
        .file(
            "etc/lockserver/conf.d/20-site.conf",
            format!(
                "[general]\nDEFAULT_LOCK_GRACE_TIME=7\n[lock d]\nMAX_TTL=9\n[lock a-*]\n[anonymous]\nRIGHTS=none\n[key ci]\n\
                 SECRET_FILE={secret}\n{tls}[terraform]\nLOCKS=tf-*\n"
            ),
        )
        .file("etc/lockserver/conf.d/30-more.conf", "[lock a-*]\nSIZE=2\n[lock d]\nMAX_LOCK_TIME=8\n")
        .env("LOCKSERVER_MAX_WAITING", "9");
    host.sources.overrides.push(("--port", "5".into()));
    let report = check_report(&host.load()).replace(&host.root.path().display().to_string(), "");
    let lines: Vec<String> = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let (old, site, more) =
        ("/etc/lockserver.conf", "/etc/lockserver/conf.d/20-site.conf", "/etc/lockserver/conf.d/30-more.conf");
    for expected in [
        format!("SERVER=h # {old}:4"),
        "PORT=5 # --port".to_owned(),
        format!("LONG_POLL=3 # {old}:2"),
        "MAX_WAITING=9 # LOCKSERVER_MAX_WAITING in the environment".to_owned(),
        "LOGLEVEL=info".to_owned(),
        format!("[key ci] # {site}:8"),
        "RIGHTS=use, observe".to_owned(),
        format!("[tls] # {site}:10"),
        format!("LOCKS=tf-* # {site}:15"),
        format!("[lock d] # {site}:3"),
        format!("SIZE=4 # {old}:8 DEFAULT_LOCK_SIZE"),
        format!("GRACE_TIME=7 # {site}:2 DEFAULT_LOCK_GRACE_TIME"),
        format!("MAX_LOCK_TIME=8 # {more}:4"),
        format!("MAX_TTL=9 # {site}:4"),
        format!("[lock a-*] # {site}:5"),
        format!("SIZE=2 # {more}:2"),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in\n{report}");
    }
    let hash = lines.iter().find(|line| line.starts_with("SECRET_HASH=sha256:")).unwrap();
    assert!(hash.ends_with(&format!(" # {site}:9 SECRET_FILE")), "{hash}");
    // Without a section, the default lock stands where it is named.
    let report = check_report(&super::host("[general]\nSERVER=h\nDEFAULT_LOCK=x\n").load());
    assert!(report.lines().any(|line| line.starts_with("[lock x]") && line.ends_with("lockserver.conf:3")), "{report}");
}
