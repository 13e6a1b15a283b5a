//! Files of 0.36. What 0.36 made of each was seen by running its `config.py` on Python 2.7.

use super::*;
use lock_core::Capacity;

/// What the table below compares: server, port, default lock with its size, log level.
fn summary(config: &Config) -> String {
    let lock = config.definitions.first().map_or_else(
        || "-".to_owned(),
        |definition| {
            let Target::Lock(name) = &definition.target else { panic!("a template") };
            format!("{name}/{}{}", definition.settings.size(), if definition.paused { " paused" } else { "" })
        },
    );
    format!("{}:{} {lock} {}", config.server, config.port, config.log.level.name())
}

#[test]
fn its_own_files_load_as_they_are() {
    let files = [
        (include_str!("fixtures/shipped-0.36.conf"), "EqlLogic"),
        (include_str!("fixtures/readme-0.36.conf"), "DefaultLock"),
    ];
    for (text, name) in files {
        for text in [text.to_owned(), text.replace('\n', "\r\n"), format!("\u{feff}{text}")] {
            let host = host(&text);
            assert_eq!(host.warnings(), [""; 0]);
            let config = host.config();
            assert_eq!((config.server.as_str(), config.port), ("0.0.0.0", 9090));
            assert_eq!(config.log.file.as_deref(), Some(Path::new("/var/log/lockserver.log")));
            assert_eq!(config.log.level, LogLevel::Debug);
            assert_eq!(config.definitions.len(), 1);
            let expected =
                Settings { expiration: Some(1_200_000), max_lock: Some(1_200_000), grace: 10_000, ..Settings::new(6) };
            assert_eq!(lock(&config, name), Some(expected));
        }
    }
}

#[test]
fn what_0_36_read_is_read_to_the_same_effect() {
    // text after "[general]\nSERVER=h\n", summary
    let rows = [
        ("", "h:9090 DefaultLock/1 info"),
        ("port: 1\n", "h:1 DefaultLock/1 info"),
        ("Default_Lock_Size = 3\nport=7", "h:7 DefaultLock/3 info"),
        ("PORT=1\n; c\nrem x\nREM PORT=4\n#z\n;PORT=5\n", "h:1 DefaultLock/1 info"),
        ("DEFAULT_LOCK=a ; b\n", "h:9090 a/1 info"),
        ("DEFAULT_LOCK=a;b ; c\n", "h:9090 a;b ; c/1 info"),
        ("DEFAULT_LOCK=a#b\n", "h:9090 a/1 info"),
        ("DEFAULT_LOCK=a ;b # c\n", "h:9090 a/1 info"),
        ("DEFAULT_LOCK=\n  a\n", "h:9090 a/1 info"),
        ("DEFAULT_LOCK = x y   \n", "h:9090 x y/1 info"),
        ("DEFAULT_LOCK: a=b\n", "h:9090 a=b/1 info"),
        ("DEFAULT_LOCK=\"\"\n", "h:9090 - info"),
        ("DEFAULT_LOCK=\n", "h:9090 - info"),
        ("DEFAULT_LOCK=50%\n", "h:9090 50%/1 info"),
        ("PORT=\n  5\n", "h:5 DefaultLock/1 info"),
        ("PORT=+5\n", "h:5 DefaultLock/1 info"),
        ("PORT=0007\n", "h:7 DefaultLock/1 info"),
        ("PORT=5 ; x\n", "h:5 DefaultLock/1 info"),
        ("LOGLEVEL=SuperDebug\n", "h:9090 DefaultLock/1 superdebug"),
        ("LIFECYCLE_PERIOD=5\n", "h:9090 DefaultLock/1 info"),
        ("[DEFAULT]\nPORT=5\nmine=x\nDEFAULT_LOCK=%(MINE)s\n", "h:5 x/1 info"),
        // What 0.36 refused, but whose meaning is plain.
        ("PORT=5\n  # c\n", "h:5 DefaultLock/1 info"),
        ("PORT=5 # x\n", "h:5 DefaultLock/1 info"),
    ];
    for (text, expected) in rows {
        let host = host(format!("[general]\nSERVER=h\n{text}"));
        assert_eq!(summary(&host.config()), expected, "{text:?}");
        assert_eq!(host.warnings(), [""; 0], "{text:?}");
    }
}

#[test]
fn what_is_read_with_a_warning() {
    // text, summary, the only warning
    let rows = [
        (
            "[general] # mine\nSERVER=h\n[general]\nPORT=7\n",
            "h:7 DefaultLock/1 info",
            "/etc/lockserver.conf:3: [general] appears in this file before; both are read",
        ),
        (
            "[general] PORT=7\nSERVER=h",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:1: 'PORT=7' follows the section's ']'; write it on a line of its own",
        ),
        (
            "[General]\nSERVER=h\nPORT=5",
            "h:5 DefaultLock/1 info",
            "/etc/lockserver.conf:1: section 'General' is read as [general], which 0.36 did not do; write [general]",
        ),
        (
            "[general]\nSERVER=h\nPORT=5\nPORT=6",
            "h:6 DefaultLock/1 info",
            "/etc/lockserver.conf:4: PORT: also set in line 3; this later value is used",
        ),
        (
            "[general]\nSERVER=a\n  PORT=5\n",
            "a:5 DefaultLock/1 info",
            "/etc/lockserver.conf:3: PORT: read as a setting; 0.36 read this indented line as a part of SERVER in \
             line 2. Remove the indentation",
        ),
        (
            "[general]\nSERVER=a\n  and b\n",
            "a:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:2: SERVER: the value has several lines, since the indented ones below continue it; \
             'a' counts",
        ),
        (
            "[general]\nSERVER=\n",
            "0.0.0.0:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:2: SERVER: empty: listening on all addresses, as 0.36 did; write SERVER=0.0.0.0",
        ),
        (
            "[general]\nPORT=5",
            "127.0.0.1:5 DefaultLock/1 info",
            "SERVER is not set: listening on 127.0.0.1 only, which no other machine reaches; write SERVER=0.0.0.0 for all \
             addresses",
        ),
        (
            "[general]\nSERVER=h\nLOGLEVEL=trace",
            "h:9090 DefaultLock/1 debug",
            "/etc/lockserver.conf:3: LOGLEVEL: 'trace' is not a log level and means debug, as in 0.36; \
             write superdebug, debug, info, warning or error",
        ),
        (
            "[general]\nSERVER=h\nLOG_LEVEL=debug",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:3: unknown name 'LOG_LEVEL' in [general], ignored; did you mean LOGLEVEL?",
        ),
        (
            "[general]\nSERVER=h\nSIZE=5",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:3: unknown name 'SIZE' in [general], ignored; did you mean DEFAULT_LOCK_SIZE?",
        ),
        (
            "[general]\nSERVER=h\nmy own note: x\n  continued\n",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:3: unknown name 'my own note' in [general], ignored",
        ),
        (
            "[general]\nSERVER=h\n[backup]\nnot a setting\nPORT=7",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:3: unknown section 'backup', ignored",
        ),
        (
            "[general]\nSERVER=h\nLIFECYCLE_PERIOD=often",
            "h:9090 DefaultLock/1 info",
            "/etc/lockserver.conf:3: LIFECYCLE_PERIOD: 'often' is not a time; write seconds (90) or units (20m, \
             1h30m, 2d); \
             the setting is not needed any more: remove it",
        ),
        (
            "[general]\nSERVER=h\nDEFAULT_LOCK_SIZE=0",
            "h:9090 DefaultLock/1 paused info",
            "/etc/lockserver.conf:3: DEFAULT_LOCK_SIZE: 0: the lock has size 1 and starts paused, \
             so it grants nothing until it is resumed",
        ),
        (
            "[general]\nSERVER=h\nDEFAULT_LOCK_SIZE=99999999999999999999999",
            "h:9090 DefaultLock/1000000 info",
            "/etc/lockserver.conf:3: DEFAULT_LOCK_SIZE: '99999999999999999999999' is more than a lock can have; \
             1000000 is used",
        ),
    ];
    for (text, expected, warning) in rows {
        let host = host(text);
        assert_eq!(host.warnings(), [warning], "{text:?}");
        assert_eq!(summary(&host.config()), expected, "{text:?}");
    }
}

#[test]
fn zeros_and_long_times_warn_what_they_mean() {
    let host = host(
        "[general]\nSERVER=h\nDEFAULT_LOCK_GRACE_TIME=0\nDEFAULT_LOCK_EXPIRATION_TIME=0\nDEFAULT_LOCK_MAX_LOCK_TIME=0\n",
    );
    assert_eq!(
        host.warnings(),
        [
            "/etc/lockserver.conf:3: DEFAULT_LOCK_GRACE_TIME: a grant waits at least 1 second to be claimed; 1 is used",
            "/etc/lockserver.conf:4: DEFAULT_LOCK_EXPIRATION_TIME: 0 means that a query in the queue never expires",
            "/etc/lockserver.conf:5: DEFAULT_LOCK_MAX_LOCK_TIME: 0 means that a held lock is never taken back",
        ]
    );
    let expected = Settings { grace: 1000, expiration: None, max_lock: None, ..Settings::new(1) };
    assert_eq!(lock(&host.config(), "DefaultLock"), Some(expected));

    let host = super::host("[general]\nSERVER=h\nDEFAULT_LOCK_MAX_LOCK_TIME=99999999\n");
    assert_eq!(
        host.warnings(),
        ["/etc/lockserver.conf:3: DEFAULT_LOCK_MAX_LOCK_TIME: '99999999' is longer than 30 days; 2592000 is used. \
          Write 0 for never"]
    );
    assert_eq!(lock(&host.config(), "DefaultLock").unwrap().max_lock, Some(2_592_000_000));
}

#[test]
fn references_are_filled_in() {
    let text = "[general]\nSERVER=h\nsite=west\nDEFAULT_LOCK=san-%(SITE)s-50%%\nLOG_FILE=/log/%(default_lock)s\n";
    let host = host(text);
    let config = host.config();
    assert!(lock(&config, "san-west-50%").is_some());
    assert_eq!(config.log.file.as_deref(), Some(Path::new("/log/san-west-50%")));
}

#[test]
fn bytes_that_are_not_utf8_are_replaced() {
    let host = host(b"[general]\n# gr\xf6\xdfe\nSERVER=h\nDEFAULT_LOCK=gr\xf6\n");
    assert!(lock(&host.config(), "gr\u{fffd}").is_some());
    assert_eq!(
        host.warnings(),
        ["/etc/lockserver.conf:4: the line is not UTF-8: its unreadable bytes are replaced; save the file as UTF-8"]
    );
}

#[test]
fn the_section_wins_over_the_default_lock() {
    let text = "[general]\nSERVER=h\nDEFAULT_LOCK=san\nDEFAULT_LOCK_SIZE=0\nDEFAULT_LOCK_GRACE_TIME=20\n\
                DEFAULT_LOCK_MAX_LOCK_TIME=30\n[lock san]\nMAX_LOCK_TIME=40\n";
    let host = host(text);
    let config = host.config();
    assert_eq!(config.definitions.len(), 1);
    assert!(config.definitions[0].paused);
    assert_eq!(host.warnings().len(), 1, "{:?}", host.warnings());
    let expected = Settings { grace: 20_000, max_lock: Some(40_000), ..Settings::new(1) };
    assert_eq!(lock(&config, "san"), Some(expected));

    let host = super::host(format!("{text}SLOTS=a, b\n"));
    assert_eq!(host.warnings(), [""; 0]);
    let config = host.config();
    assert!(!config.definitions[0].paused);
    let Capacity::Named(names) = lock(&config, "san").unwrap().capacity else { panic!("no names") };
    assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}
