//! Which source wins, and what is wrong with a source itself.

use super::*;
use crate::access::Patterns;
use lock_core::limits::{CONFIG_FILE_BYTES_MAX, CONFIG_FILE_LINES_MAX, CONFIG_FILES_MAX, LOCKS_MAX};
use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;

#[test]
fn without_any_file() {
    let host = Host::new();
    assert_eq!(host.warnings(), [""; 0]);
    let expected = Config {
        server: "127.0.0.1".to_owned(),
        port: 9090,
        store: StoreChoice::Sqlite("/state/lockserver.db".into()),
        log: LogConfig { file: None, level: LogLevel::Info, format: LogFormat::Classic },
        long_poll: Duration::from_secs(20),
        max_waiting: 2000,
        metrics_per_instance: Patterns::default(),
        pause_in_doubt: false,
        access: Access::open(),
        tls: None,
        audit: None,
        cluster: None,
        trusted_proxies: Vec::new(),
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        fleetlock_prefix: Arc::from("fleetlock-"),
        terraform_locks: Patterns::new(Vec::new()),
        definitions: vec![Definition {
            target: Target::Lock(LockName::new("DefaultLock").unwrap()),
            settings: Settings::new(1),
            paused: false,
        }],
        files: Vec::new(),
    };
    assert_eq!(host.config(), expected);
}

#[test]
fn the_new_options() {
    let host = host(
        "[general]\nSERVER=[::1]\nSTORE=sqlite:/a#b.db # c\nLONG_POLL=0.5\nLOG_FORMAT=JSON ;c\nMAX_WAITING=7\nLOG_FILE=\n",
    );
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    assert_eq!(config.server, "::1");
    assert_eq!(config.store, StoreChoice::Sqlite("/a#b.db".into()));
    assert_eq!(config.long_poll, Duration::from_millis(500));
    assert_eq!(config.log, LogConfig { file: None, level: LogLevel::Info, format: LogFormat::Json });
    assert_eq!(config.max_waiting, 7);
}

#[test]
fn addresses() {
    let good = [
        ("0.0.0.0", "0.0.0.0"),
        ("localhost", "localhost"),
        ("::", "::"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("lock_1.my-site.example.", "lock_1.my-site.example."),
    ];
    for (text, expected) in good {
        assert_eq!(host(format!("[general]\nSERVER={text}\n")).config().server, expected);
    }
}

#[test]
fn later_sources_win_option_by_option() {
    let mut host = Host::new()
        .file(
            "etc/lockserver/lockserver.conf",
            "[general]\nSERVER=a\nPORT=1\nLONG_POLL=1\nSTORE=memory\nMAX_WAITING=1\n",
        )
        .file("etc/lockserver.conf", "[general]\nPORT=2\nLONG_POLL=2\nMAX_WAITING=2\n[lock x]\nSIZE=2\nGRACE_TIME=2\n")
        .file("etc/lockserver/conf.d/20.conf", "[lock x]\nSIZE=20\n")
        .file(
            "etc/lockserver/conf.d/10.conf",
            "[general]\nLONG_POLL=10\nMAX_WAITING=10\n[lock x]\nSIZE=10\nMAX_TTL=10\n",
        )
        .file("etc/lockserver/conf.d/30.conf~", "[general]\nLONG_POLL=30\n")
        .file("etc/lockserver/conf.d/.40.conf", "[general]\nLONG_POLL=40\n")
        .env("LOCKSERVER_MAX_WAITING", "50")
        .env("LOCKSERVER_LOGLEVEL", "error");
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    assert_eq!((config.server.as_str(), config.port), ("a", 2));
    assert_eq!(config.store, StoreChoice::Memory);
    assert_eq!((config.long_poll, config.max_waiting), (Duration::from_secs(10), 50));
    assert_eq!(config.log.level, LogLevel::Error);
    let expected = Settings { grace: 2000, max_ttl: Some(10_000), ..Settings::new(20) };
    assert_eq!(lock(&config, "x"), Some(expected));
    let read: Vec<_> = config.files.iter().map(|file| file.strip_prefix(host.root.path()).unwrap()).collect();
    let files =
        ["lockserver/lockserver.conf", "lockserver.conf", "lockserver/conf.d/10.conf", "lockserver/conf.d/20.conf"];
    assert_eq!(read, files.map(|file| Path::new("etc").join(file)));

    host.sources.overrides = vec![
        ("--server", "::1".into()),
        ("--port", "0".into()),
        ("--store", "sqlite:/x.db".into()),
        ("--log-level", "debug".into()),
        ("--log-file", "/x#y;z.log".into()),
    ];
    let config = host.config();
    assert_eq!((config.server.as_str(), config.port), ("::1", 0));
    assert_eq!(config.store, StoreChoice::Sqlite("/x.db".into()));
    assert_eq!((config.log.level, config.log.file), (LogLevel::Debug, Some("/x#y;z.log".into())));
}

#[test]
fn a_bad_value_that_a_later_source_replaces_does_no_harm() {
    let host = host("[general]\nSERVER=h\nPORT=abc\n").env("LOCKSERVER_PORT", "5");
    assert_eq!(host.config().port, 5);
}

#[test]
fn an_explicit_file_replaces_the_others() {
    let mut host = host("[general]\nPORT=1\n").file("mine", "[general]\nSERVER=h\n");
    host.sources.config = Some(host.root.path().join("mine"));
    assert_eq!((host.config().port, host.config().files.len()), (9090, 1));

    host.sources.config = Some(host.root.path().join("none"));
    assert_eq!(
        host.errors(),
        ["/none: cannot be read: No such file or directory (os error 2); check what --config says"]
    );
    host.sources.config = Some(host.root.path().to_owned());
    assert_eq!(host.errors(), [": cannot be read: Is a directory (os error 21); check what --config says"]);
}

#[test]
fn the_environment() {
    let host = Host::new()
        .env("LOCKSERVER_DEFAULT_LOCK", "a#b ; %(c)s")
        .env("LOCKSERVER_DEFAULT_LOCK_SIZE", " 3 ")
        // what Kubernetes sets for a service of this name
        .env("LOCKSERVER_PORT", "tcp://10.0.0.1:9090")
        .env("LOCKSERVER_PORT_9090_TCP", "tcp://10.0.0.1:9090")
        .env("LOCKSERVER_PORT_9090_TCP_PORT", "9090")
        .env("LOCKSERVER_PORT_9090_TCP_ADDR", "10.0.0.1")
        .env("LOCKSERVER_PORT_9090_TCP_PROTO", "tcp")
        .env("LOCKSERVER_SERVICE_HOST", "10.0.0.1")
        .env("LOCKSERVER_SERVICE_PORT", "9090")
        .env("LOCKSERVER_SERVICE_PORT_HTTP", "9090")
        .env("LOCKSERVER_WHATEVER", "x")
        .env("lockserver_port", "5")
        .env("PORT", "6");
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    assert_eq!((config.port, config.server.as_str()), (9090, "127.0.0.1"));
    assert_eq!(lock(&config, "a#b ; %(c)s").unwrap().size(), 3);

    let host = Host::new().env("LOCKSERVER_LOG_LEVEL", "debug");
    assert_eq!(
        host.warnings(),
        ["LOCKSERVER_LOG_LEVEL in the environment: unknown name, ignored; did you mean LOCKSERVER_LOGLEVEL?"]
    );
    let host = Host::new()
        .env("LOCKSERVER_PORT", "x")
        .env("LOCKSERVER_SERVER", OsString::from_vec(vec![0xff]))
        .env("LOCKSERVER_STORE", "etcd:h:2379");
    assert_eq!(
        host.errors(),
        [
            "LOCKSERVER_SERVER in the environment: the value is not UTF-8",
            "LOCKSERVER_STORE in the environment: 'h:2379' is not a member of etcd; write http://HOST:2379 or https://HOST:2379",
            "LOCKSERVER_PORT in the environment: 'x' is not a whole number",
        ]
    );
}

#[test]
fn bad_flags() {
    let mut host = Host::new();
    host.sources.overrides = vec![
        ("--server", "a b".into()),
        ("--store", "x".into()),
        ("--log-level", "loud".into()),
        ("--log-file", OsString::from_vec(vec![0xff])),
    ];
    assert_eq!(
        host.errors(),
        [
            "--log-level: 'loud' is not a log level; write superdebug, debug, info, warning or error",
            "--log-file: the path is not UTF-8",
            "--store: 'x' is not a store; write memory, sqlite:/absolute/path or \
             etcd:http://HOST:2379,http://HOST:2379",
            "--server: 'a b' is not an address or a host name",
        ]
    );
}

#[test]
fn the_default_store() {
    let store = |host: &Host| host.load().map(|loaded| loaded.config.store.to_string());
    let mut host = Host::new();
    host.sources.environment.clear();
    let message = "/var/lib/lockserver cannot be written and HOME is not set; \
                   write STORE=sqlite:/absolute/path or STORE=memory";
    assert_eq!(host.errors(), [format!("STORE: {message}")]);
    host = host.file("etc/lockserver.conf", "[general]\nSERVER=h\nSTORE=sqlite\n");
    assert_eq!(host.errors(), [format!("/etc/lockserver.conf:3: STORE: {message}")]);
    host = host.env("HOME", "/home/me");
    assert_eq!(store(&host).unwrap(), "sqlite:/home/me/.local/state/lockserver/lockserver.db");
    host = host.env("XDG_STATE_HOME", "relative");
    assert_eq!(store(&host).unwrap(), "sqlite:/home/me/.local/state/lockserver/lockserver.db");
    host = host.env("XDG_STATE_HOME", "/xdg");
    assert_eq!(store(&host).unwrap(), "sqlite:/xdg/lockserver/lockserver.db");
    let system = host.root.path().join("var/lib/lockserver");
    fs::create_dir_all(&system).unwrap();
    assert_eq!(store(&host).unwrap(), format!("sqlite:{}/lockserver.db", system.display()));
    host = host.env("STATE_DIRECTORY", "/var/lib/a:/var/lib/b");
    assert_eq!(store(&host).unwrap(), "sqlite:/var/lib/a/lockserver.db");
}

#[test]
fn files_that_cannot_be_read() {
    let host = Host::new();
    fs::create_dir_all(host.root.path().join("etc/lockserver.conf")).unwrap();
    fs::create_dir_all(host.root.path().join("etc/lockserver/conf.d")).unwrap();
    let link = host.root.path().join("etc/lockserver/conf.d/a.conf");
    std::os::unix::fs::symlink("nowhere", link).unwrap();
    assert_eq!(
        host.errors(),
        [
            "/etc/lockserver.conf: cannot be read: it is not a file",
            "/etc/lockserver/conf.d/a.conf: cannot be read: No such file or directory (os error 2)",
        ]
    );
    // Nothing at all, in the place of a directory.
    let host = Host::new().file("etc/lockserver", "");
    assert!(host.load().is_ok());
}

#[test]
fn bounds() {
    let errors = host("#".repeat(CONFIG_FILE_BYTES_MAX + 1)).errors();
    assert_eq!(errors, ["/etc/lockserver.conf: the file has more than 4194304 bytes"]);
    assert!(host("#".repeat(CONFIG_FILE_BYTES_MAX)).load().is_ok());

    let errors = host("\n".repeat(CONFIG_FILE_LINES_MAX)).errors();
    assert_eq!(errors, ["/etc/lockserver.conf:500001: the file has more than 500000 lines"]);

    let mut many = Host::new();
    for n in 0..5 {
        many = many.file(&format!("etc/lockserver/conf.d/{n}.conf"), "#".repeat(CONFIG_FILE_BYTES_MAX));
    }
    assert_eq!(
        many.errors(),
        ["/etc/lockserver/conf.d/4.conf: with it, the files have more than 16777216 bytes together"]
    );

    let mut many = Host::new();
    for n in 0..=CONFIG_FILES_MAX {
        many = many.file(&format!("etc/lockserver/conf.d/{n}.conf"), "");
    }
    assert_eq!(many.errors(), ["/etc/lockserver/conf.d: the directory has more than 1000 files *.conf"]);

    let locks = |n: usize| (0..n).map(|n| format!("[lock {n}]\n")).collect::<String>();
    assert_eq!(host(locks(LOCKS_MAX)).errors(), ["100001 locks are too many; a server has at most 100000"]);
    assert!(host(locks(LOCKS_MAX - 1)).load().is_ok());

    let slots = |n: usize| (0..n).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert!(host(format!("[lock a]\nSLOTS={}\n", slots(10_000))).load().is_ok());
    assert_eq!(
        host(format!("[lock a]\nSLOTS={}\n", slots(10_001))).errors(),
        ["/etc/lockserver.conf:2: SLOTS: there are more than 10000 names; without names write SIZE instead"]
    );
}

#[test]
fn references_cannot_grow_without_end() {
    let doubled = (1..12).map(|n| format!("a{n}={}\n", format!("%(a{})s", n - 1).repeat(50))).collect::<String>();
    let host = host(format!("[general]\na0={}\n{doubled}DEFAULT_LOCK=%(a11)s\n", "x".repeat(100)));
    assert_eq!(
        host.errors(),
        ["/etc/lockserver.conf:14: DEFAULT_LOCK: with its references filled in the value is longer than 524288 bytes"]
    );
}

#[test]
fn what_needs_a_restart() {
    let config = |text: &str| host(format!("[general]\n{text}")).config();
    let old = config("SERVER=a\nPORT=1\nSTORE=memory\nLONG_POLL=1\n");
    assert_eq!(restart_needed(&old, &config("SERVER=a\nPORT=1\nSTORE=memory\nLONG_POLL=2\n[lock x]\n")), [""; 0]);
    assert_eq!(
        restart_needed(&old, &config("SERVER=b\nPORT=2\nSTORE=sqlite:/x\n")),
        [
            "SERVER: 'b' needs a restart of the server; until then 'a' stays in force. Everything else is applied",
            "PORT: '2' needs a restart of the server; until then '1' stays in force. Everything else is applied",
            "STORE: 'sqlite:/x' needs a restart of the server; until then 'memory' stays in force. Everything else is \
             applied",
        ]
    );
    assert_eq!(
        restart_needed(&old, &config("SERVER=a\nPORT=1\nSTORE=memory\nON_DOUBT=pause\n")),
        ["ON_DOUBT: 'pause' needs a restart of the server; until then 'serve' stays in force. Everything else is \
          applied"]
    );
}

#[test]
fn the_report_of_a_check() {
    let host = host("[general]\nSERVER=h\nSTORE=memory\nLOGLEVEL=x\n[lock a]\nSLOTS=p,q\nLOCK_DELAY=1.5\n");
    let report = check_report(&host.load()).replace(&host.root.path().display().to_string(), "");
    assert_eq!(
        report,
        "warning: /etc/lockserver.conf:4: LOGLEVEL: 'x' is not a log level and means debug, as in 0.36; \
         write superdebug, debug, info, warning or error
warning: anybody that reaches this server may use and observe every lock: there are no keys. Make one with 'lockserver key new NAME', or write [anonymous] and its RIGHTS to confirm that
# read /etc/lockserver.conf
[general]
SERVER=h                         # /etc/lockserver.conf:2
PORT=9090
STORE=memory                     # /etc/lockserver.conf:3
LOG_FILE=
LOGLEVEL=debug                   # /etc/lockserver.conf:4
LOG_FORMAT=classic
LONG_POLL=20
MAX_WAITING=2000
AUDIT_LOG=
TRUSTED_PROXIES=
ALLOWED_HOSTS=
ALLOWED_ORIGINS=
METRICS_PER_INSTANCE=
ON_DOUBT=serve
DEFAULT_LOCK=

[fleetlock]
PREFIX=fleetlock-

[lock DefaultLock]
SIZE=1
GRACE_TIME=10
EXPIRATION_TIME=300
MAX_LOCK_TIME=300

[lock a]                         # /etc/lockserver.conf:5
SLOTS=p, q                       # /etc/lockserver.conf:6
GRACE_TIME=10
EXPIRATION_TIME=300
MAX_LOCK_TIME=300
LOCK_DELAY=1.5                   # /etc/lockserver.conf:7

# 0 errors, 2 warnings: the configuration is good
"
    );
    let host = super::host("[general]\nSERVER=h\nPORT=x\nFOO=1\n");
    let report = check_report(&host.load()).replace(&host.root.path().display().to_string(), "");
    assert_eq!(
        report,
        "error: /etc/lockserver.conf:3: PORT: 'x' is not a whole number
warning: /etc/lockserver.conf:4: unknown name 'FOO' in [general], ignored
# 1 error, 1 warning: the server would not start
"
    );
}
