//! New sections: what they say, and the message for everything that is wrong with them.

use super::*;
use lock_core::{Capacity, SlotName};
use std::sync::Arc;

#[test]
fn a_section_with_everything() {
    let text = "
[lock san ssh]  # the SAN
  SIZE = 7 ; seven
GRACE_TIME: 2.5
EXPIRATION_TIME=0
MAX_LOCK_TIME=1200
max_hold_time=60
MAX_TTL=90
LOCK_DELAY=0.25
MAX_QUEUE=10
PICK=lru
MAX_PER_OWNER=2
MIN_HOLD_TIME=1.5
DESCRIPTION=50%; SSH (a#b; c) of the SAN # not this
[LOCK deploy-*]
SLOTS=port-a {fast  big},  port-b:1
[lock *]
[lock a]b]
";
    let host = host(text);
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    let expected = Settings {
        capacity: Capacity::Size(7),
        tags: Vec::new(),
        pick: lock_core::Pick::Lru,
        grace: 2500,
        expiration: None,
        max_lock: Some(1_200_000),
        max_hold: Some(60_000),
        max_ttl: Some(90_000),
        lock_delay: 250,
        max_queue: 10,
        max_per_owner: Some(2),
        min_hold: 1500,
        description: Arc::from("50%; SSH (a#b; c) of the SAN"),
    };
    assert_eq!(lock(&config, "san ssh"), Some(expected));
    let names = ["port-a", "port-b:1"].map(|name| SlotName::new(name).unwrap()).to_vec();
    let tags = ["fast", "big"].map(|tag| lock_core::Tag::new(tag).unwrap()).to_vec();
    let deploy = template(&config, "deploy-*").unwrap();
    assert_eq!(deploy.tags, [(names[0].clone(), tags)]);
    assert_eq!(deploy.capacity, Capacity::Named(names));
    assert_eq!(template(&config, "*"), Some(Settings::new(1)));
    assert_eq!(lock(&config, "a]b"), Some(Settings::new(1)));
    assert_eq!(lock(&config, "DefaultLock"), Some(Settings::new(1)));
    assert_eq!(config.definitions.len(), 5);
}

#[test]
fn the_prefix_of_fleetlock() {
    let prefix = |text: &str| host(text).config().fleetlock_prefix.to_string();
    assert_eq!(prefix(""), "fleetlock-");
    assert_eq!(prefix("[fleetlock]"), "fleetlock-");
    assert_eq!(prefix("[fleetlock]\nPREFIX=reboot- # groups"), "reboot-");
    assert_eq!(prefix("[FleetLock]\nprefix=x-"), "x-");
}

#[test]
fn slots_and_a_size_that_agree() {
    let host = host("[lock a]\nSIZE=2\nSLOTS=x,y\n");
    assert_eq!(lock(&host.config(), "a").unwrap().size(), 2);
}

/// Text, and the only error, without `/etc/lockserver.conf:`.
const BAD: &[(&str, &str)] = &[
    // [general]
    ("PORT=9090", "1: 'PORT=9090' is above the first section; write [general] above it"),
    ("[general", "1: '[general' begins a section, but its ']' is missing"),
    ("[general]\nPORT", "2: 'PORT' is not a setting; write NAME=value"),
    ("[general]\n=5", "2: '=5' is not a setting; write NAME=value"),
    ("[general]\nPORT=abc", "2: PORT: 'abc' is not a whole number"),
    ("[general]\nPORT=", "2: PORT: the value is empty; write a whole number, or remove the line"),
    ("[general]\nPORT=-1", "2: PORT: '-1' is negative; write a whole number from 0"),
    ("[general]\nPORT=65536", "2: PORT: '65536' is not a port; ports are 1 to 65535, and 0 picks one"),
    ("[general]\nPORT=9090 PORT=9091", "2: PORT: the value contains ' PORT='; write one setting a line"),
    (
        "[general]\nPORT=1\n  2",
        "2: PORT: the value has several lines, since the indented ones below continue it; begin them without blanks",
    ),
    ("[general]\nPORT=%(none)s", "2: PORT: there is no setting 'none' to refer to; write the value out"),
    (
        "[general]\nDEFAULT_LOCK=%(default_lock)s",
        "2: DEFAULT_LOCK: the references in '%(default_lock)s' form a circle; write the value out",
    ),
    (
        "[general]\nx=1\nDEFAULT_LOCK=%(x)s%d",
        "3: DEFAULT_LOCK: 'd' is neither '%%' nor '%(name)s'; beside a reference write % as %%",
    ),
    ("[general]\nSERVER=*", "2: SERVER: '*' is not an address; for all addresses write 0.0.0.0, or :: with IPv6"),
    ("[general]\nSERVER=a b", "2: SERVER: 'a b' is not an address or a host name"),
    ("[general]\nSERVER=10.0.0.300", "2: SERVER: '10.0.0.300' is not an address or a host name"),
    ("[general]\nSERVER=h:9090", "2: SERVER: 'h:9090' is not an address or a host name; write the port in PORT"),
    ("[general]\nSERVER=[::1]:90", "2: SERVER: '[::1]:90' is not an address or a host name; write the port in PORT"),
    ("[general]\nSERVER=[::1", "2: SERVER: '[::1' is not an address or a host name; its ']' is missing"),
    (
        "[general]\nSERVER=http://h",
        "2: SERVER: 'http://h' is not an address or a host name; write it without its scheme, and the port in PORT",
    ),
    ("[general]\nDEFAULT_LOCK=a/b", "2: DEFAULT_LOCK: 'a/b': the name contains '/', which no name may contain"),
    (
        "[general]\nDEFAULT_LOCK=a*",
        "2: DEFAULT_LOCK: 'a*': the name contains '*', which no name may contain; \
         for a template write a section [lock NAME*]",
    ),
    (
        "[general]\nDEFAULT_LOCK=a DEFAULT_LOCK_SIZE=6",
        "2: DEFAULT_LOCK: the value contains ' DEFAULT_LOCK_SIZE='; write one setting a line",
    ),
    ("[general]\nDEFAULT_LOCK_SIZE=-1", "2: DEFAULT_LOCK_SIZE: '-1' is negative; write a whole number from 0"),
    ("[general]\nDEFAULT_LOCK_GRACE_TIME=-1", "2: DEFAULT_LOCK_GRACE_TIME: '-1' is negative; write a time from 0"),
    (
        "[general]\nDEFAULT_LOCK_EXPIRATION_TIME=5 moons",
        "2: DEFAULT_LOCK_EXPIRATION_TIME: '5 moons' is not a time; write seconds (90) or units (20m, 1h30m, 2d)",
    ),
    ("[general]\nLOG_FILE=/a\u{1}b", "2: LOG_FILE: '/a\\u{1}b' contains control characters"),
    (
        "[general]\nSTORE=redis",
        "2: STORE: 'redis' is not a store; write memory, sqlite:/absolute/path or \
         etcd:http://HOST:2379,http://HOST:2379",
    ),
    (
        "[general]\nSTORE=",
        "2: STORE: '' is not a store; write memory, sqlite:/absolute/path or etcd:http://HOST:2379,http://HOST:2379",
    ),
    ("[general]\nSTORE=etcd", "2: STORE: the value is empty; write a list with commas between, or remove the line"),
    ("[general]\nSTORE=etcd:h1", "2: STORE: 'h1' is not a member of etcd; write http://HOST:2379 or https://HOST:2379"),
    (
        "[general]\nSTORE=etcd:http://h1/v3",
        "2: STORE: 'http://h1/v3' is not a member of etcd; write http://HOST:2379 or https://HOST:2379",
    ),
    ("[general]\nSTORE=etcd:http://h1:0", "2: STORE: 'http://h1:0': the port is out of range; write 1 to 65535"),
    (
        "[general]\nSTORE=etcd:http://h1,https://h2",
        "2: STORE: some members are reached by https and others by http; write all of them alike",
    ),
    ("[general]\nSTORE=/var/x.db", "2: STORE: '/var/x.db' has no kind; did you mean 'sqlite:/var/x.db'?"),
    ("[general]\nSTORE=sqlite:x.db", "2: STORE: 'x.db' is not an absolute path; write sqlite:/absolute/path"),
    ("[general]\nSTORE=sqlite:/var/", "2: STORE: '/var/' is a directory; add a file name"),
    ("[general]\nSTORE=sqlite::memory:", "2: STORE: write STORE=memory to keep nothing on disk"),
    ("[general]\nLONG_POLL=61", "2: LONG_POLL: '61' is too long; 0 to 60 seconds"),
    ("[general]\nLOG_FORMAT=xml", "2: LOG_FORMAT: 'xml' is not a log format; write classic or json"),
    ("[general]\nMAX_WAITING=0", "2: MAX_WAITING: '0' is out of range; write 1 to 100000"),
    ("[general]\nSTORE=memory PORT=1", "2: STORE: the value contains ' PORT='; write one setting a line"),
    // sections
    ("[fleetlock a]", "1: [fleetlock] takes no name; write [fleetlock]"),
    ("[fleetlock] PREFIX=a", "1: 'PREFIX=a' follows the section's ']'; write it on a line of its own"),
    ("[fleetlock]\nPREFIX=a\n[fleetlock]", "3: [fleetlock] begins in line 1 already; put its settings there"),
    (
        "[fleetlock]\nPREFIX=",
        "2: PREFIX: the value is empty, so FleetLock could hold any lock without a lease; write the beginning of the \
         names that are for it, or remove the line",
    ),
    ("[fleetlock]\nPREFX=a", "2: unknown name 'PREFX' in [fleetlock]; did you mean PREFIX?"),
    (
        "[fleetlock]\nPREFIX=a/",
        "2: PREFIX: 'a/' cannot begin the name of a lock: the name contains '/', which no name may contain",
    ),
    ("[etcd]\nPREFX=a/", "2: unknown name 'PREFX' in [etcd]; did you mean PREFIX?"),
    (
        "[general]\nSTORE=etcd:http://h1\n[etcd]\nPREFIX=",
        "4: PREFIX: the value is empty, so all of etcd would be the store; write a prefix for its keys",
    ),
    ("[general]\nSTORE=etcd:http://h1\n[etcd]\nLEASE=2", "4: LEASE: '2' is out of range; write 3 to 60 whole seconds"),
    (
        "[general]\nSTORE=etcd:http://h1\n[etcd]\nLEASE=4.5",
        "4: LEASE: '4.5' is out of range; write 3 to 60 whole seconds",
    ),
    ("[general]\nSTORE=etcd:http://h1\n[etcd]\nUSER=a", "3: USER has no effect without PASSWORD_FILE"),
    ("[general]\nSTORE=etcd:https://h1\n[etcd]\nCERT=/dev/null", "3: CERT has no effect without KEY"),
    (
        "[general]\nSTORE=etcd:http://h1\n[etcd]\nCA=/dev/null",
        "4: CA: STORE names the members of etcd by http, without TLS; write https",
    ),
    ("[general]\nSTORE=etcd:https://h1\n[etcd]\nCA=ca.crt", "4: CA: 'ca.crt' is not an absolute path; begin it with /"),
    ("[cluster]\nNAEM=a", "2: unknown name 'NAEM' in [cluster]; did you mean NAME?"),
    (
        "[general]\nSTORE=etcd:http://h1\n[cluster]\nADVERTISE=http://a:1",
        "3: SECRET_FILE is missing: servers that pass requests on need ADVERTISE and SECRET_FILE",
    ),
    ("[lcok a]", "1: unknown section 'lcok a'; did you mean [lock NAME]?"),
    ("[locks a]", "1: unknown section 'locks a'; did you mean [lock NAME]?"),
    ("[keys]", "1: unknown section 'keys'; did you mean [key NAME]?"),
    ("[genaral]", "1: unknown section 'genaral'; did you mean [general]?"),
    ("[general x]", "1: unknown section 'general x'; did you mean [general]?"),
    ("[lock]", "1: the section has no name; write [lock NAME]"),
    ("[lock a/b]", "1: [lock 'a/b']: the name contains '/', which no name may contain"),
    (
        "[lock a*b]",
        "1: [lock 'a*b']: the name contains '*', which no name may contain; a template's only '*' is its last character",
    ),
    ("[lock ..]", "1: [lock '..']: '.' and '..' are not allowed as names"),
    ("[lock a] SIZE=5", "1: 'SIZE=5' follows the section's ']'; write it on a line of its own"),
    ("[lock a]\n[lock b]\n[ lock  a ]", "3: [lock a] begins in line 1 already; put its settings there"),
    // [lock NAME]
    ("[lock a]\nSIZE", "2: 'SIZE' is not a setting; write NAME=value"),
    ("[lock a]\nrem is no comment here", "2: 'rem is no comment here' is not a setting; write NAME=value"),
    ("[lock a]\nSIEZ=5", "2: unknown name 'SIEZ' in a lock section; did you mean SIZE?"),
    ("[lock a]\nGRACETIME=5", "2: unknown name 'GRACETIME' in a lock section; did you mean GRACE_TIME?"),
    ("[lock a]\nMAX_HOLD=5", "2: unknown name 'MAX_HOLD' in a lock section; did you mean MAX_HOLD_TIME?"),
    ("[lock a]\nDEFAULT_LOCK_SIZE=5", "2: unknown name 'DEFAULT_LOCK_SIZE' in a lock section; did you mean SIZE?"),
    ("[lock a]\nCOLOUR=blue", "2: unknown name 'COLOUR' in a lock section"),
    ("[lock a]\nPAUSED=yes", "2: PAUSED cannot be set in the file: a lock is paused and resumed while the server runs"),
    ("[lock a]\nSIZE=1\n\nsize=2", "4: SIZE: also set in line 2; remove one of the two"),
    ("[lock a]\nSIZE=5 GRACE_TIME = 3", "2: SIZE: the value contains ' GRACE_TIME='; write one setting a line"),
    ("[lock a]\nDESCRIPTION=x size=3", "2: DESCRIPTION: the value contains ' SIZE='; write one setting a line"),
    ("[lock a]\nSIZE=", "2: SIZE: the value is empty; write a whole number, or remove the line"),
    ("[lock a]\nSIZE=5#x", "2: SIZE: '5#x' is not a whole number"),
    ("[lock a]\nSIZE=1.5", "2: SIZE: '1.5' is not a whole number"),
    ("[lock a]\nSIZE=1000001", "2: SIZE: '1000001' is too large; 1 to 1000000"),
    (
        "[lock a]\nSIZE=0",
        "2: SIZE: '0' is too small; 1 to 1000000; to stop all grants, pause the lock while the server runs",
    ),
    ("[lock a]\nGRACE_TIME=0.5", "2: GRACE_TIME: '0.5' is too short; a grant waits at least 1 second"),
    ("[lock a]\nGRACE_TIME=", "2: GRACE_TIME: the value is empty; write a time, such as 90 or 20m, or remove the line"),
    ("[lock a]\nMAX_TTL=0", "2: MAX_TTL: '0' is too short; a lease has at least 1 second"),
    (
        "[lock a]\nMAX_LOCK_TIME=1.2345",
        "2: MAX_LOCK_TIME: '1.2345' is finer than a millisecond; three decimals are allowed",
    ),
    (
        "[lock a]\nMAX_HOLD_TIME=2h30",
        "2: MAX_HOLD_TIME: '2h30' is not a time; write seconds (90) or units (20m, 1h30m, 2d)",
    ),
    ("[lock a]\nMAX_HOLD_TIME=31d", "2: MAX_HOLD_TIME: '31d' is too long; at most 2592000 seconds (30 days)"),
    ("[lock a]\nLOCK_DELAY=-0.1", "2: LOCK_DELAY: '-0.1' is negative; write a time from 0"),
    (
        "[lock a]\nEXPIRATION_TIME=2592001",
        "2: EXPIRATION_TIME: '2592001' is too long; at most 2592000 seconds (30 days)",
    ),
    ("[lock a]\nMAX_QUEUE=0", "2: MAX_QUEUE: '0' is too small; 1 to 100000"),
    ("[lock a]\nMAX_QUEUE=100001", "2: MAX_QUEUE: '100001' is too large; 1 to 100000"),
    ("[lock a]\nSLOTS=", "2: SLOTS: the value is empty; write names with commas between them, or SIZE instead"),
    ("[lock a]\nSLOTS=a,,b", "2: SLOTS: there is a comma without a name; write names with one comma between them"),
    ("[lock a]\nSLOTS=a,b,a", "2: SLOTS: 'a' is named twice; remove one"),
    ("[lock a]\nSLOTS=a,.", "2: SLOTS: '.': '.' and '..' are not allowed as names"),
    (
        "[lock a]\nSLOTS=a,b\nSIZE=3",
        "3: SIZE: 3 does not fit the 2 names of SLOTS (/etc/lockserver.conf:2); SLOTS alone sets the size: remove SIZE",
    ),
    ("[lock a]\nDESCRIPTION=a\u{7}b", "2: DESCRIPTION: 'a\\u{7}b' contains control characters"),
];

#[test]
fn bad_files_and_their_messages() {
    for (text, expected) in BAD {
        let host = host(text);
        let error = format!("/etc/lockserver.conf:{expected}");
        assert_eq!(host.errors(), [error], "{text:?}");
    }
    assert!(BAD.len() >= 40);
}

#[test]
fn times_may_have_units() {
    let text = "[general]\nSERVER=h\nLONG_POLL=500ms\nDEFAULT_LOCK_MAX_LOCK_TIME=20m\n\
                [lock a]\nMAX_HOLD_TIME=1h30m\nMAX_TTL=2 days\nGRACE_TIME=90\nLOCK_DELAY=0.5 min\n";
    let config = host(text).config();
    assert_eq!(config.long_poll.as_millis(), 500);
    assert_eq!(lock(&config, "DefaultLock").unwrap().max_lock, Some(1_200_000));
    let Settings { max_hold, max_ttl, grace, lock_delay, .. } = lock(&config, "a").unwrap();
    assert_eq!((max_hold, max_ttl, grace, lock_delay), (Some(5_400_000), Some(172_800_000), 90_000, 30_000));
}

#[test]
fn long_things_are_refused_and_not_repeated() {
    let long = "x".repeat(100_000);
    for text in [
        format!("[lock a]\nDESCRIPTION={long}"),
        format!("[lock {long}]"),
        format!("[{long}"),
        format!("[key {long}]"),
        format!("[lock a]\n{long}=5"),
        format!("[general]\nSERVER={long}:1"),
        format!("[general]\nSERVER={long}://"),
        format!("[general]\nSTORE=/{long}"),
        format!("[general]\nDEFAULT_LOCK=%({long})s"),
        format!("[lock a]\nSLOTS={}", "a".repeat(201)),
    ] {
        let errors = host(&text).errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].len() < 400, "{}", errors[0].len());
    }
}

#[test]
fn not_utf8_is_an_error_but_in_a_comment() {
    let host = host(b"[lock a]\n# gr\xf6\xdfe\nDESCRIPTION=gr\xf6\xdfe\n[lock gr\xf6]\nSIZE=1\n");
    assert_eq!(
        host.errors(),
        [
            "/etc/lockserver.conf:3: the line is not UTF-8; save the file as UTF-8",
            "/etc/lockserver.conf:4: the section's name is not UTF-8; save the file as UTF-8",
        ]
    );
    for start in [b"\xff\xfe", b"\xfe\xff"] {
        let errors = super::host(start).errors();
        assert_eq!(errors, ["/etc/lockserver.conf: the file is written in UTF-16; save it as UTF-8"]);
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let host = host("[general]\nPORT=x\nLOGLEVEL=y\nSTORE=z\n[lock a]\nSIZE=0\nSIEZ=1\n[tls]\n");
    let problems = host.load().unwrap_err();
    assert_eq!(problems.errors.len(), 5, "{problems}");
    assert_eq!(problems.warnings.len(), 2);
    assert_eq!(problems.to_string().lines().count(), 5);

    let many = host.file("etc/lockserver.conf", format!("[lock a]\n{}", "x\n".repeat(1500))).load().unwrap_err();
    assert_eq!(many.errors.len(), 1001);
    assert_eq!(many.errors[1000].to_string(), "500 more errors are not shown");
}
