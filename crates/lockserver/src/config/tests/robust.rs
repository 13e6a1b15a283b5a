//! Nothing that a file says makes the reader panic, and what it reports as effective means the same when read again.

use super::*;
use lock_core::limits::CONFIG_FILE_BYTES_MAX;
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../../../../docs/lockserver.conf.example");

#[test]
fn the_documented_example_loads_without_warnings() {
    let host = host(EXAMPLE);
    assert_eq!(host.warnings(), [""; 0]);
    assert!(host.config().definitions.len() > 1);
}

#[test]
fn the_documented_example_with_everything_switched_on() {
    // Its settings that are commented out are good too.
    let text = EXAMPLE.replace("\n#[", "\n[");
    let text: Vec<&str> =
        text.lines().map(|line| line.strip_prefix('#').filter(|_| is_setting(line)).unwrap_or(line)).collect();
    let (folder, _) = tls_section();
    let host = host(text.join("\n").replace("=/etc/lockserver/", &format!("={}/", folder.path().display())));
    assert_eq!(host.warnings(), [""; 0]);
    assert!(host.load().unwrap().tls.is_some());
    assert_ne!(host.config().definitions, super::host(EXAMPLE).config().definitions);
}

/// For how long this thread has had a processor, whatever else the machine does (proc_pid_schedstat(5): nanoseconds come first).
fn busy() -> Duration {
    let said = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(said.split_whitespace().next().unwrap().parse().unwrap())
}

/// Half a megabyte takes some milliseconds; with a quadratic step anywhere it would take a minute.
#[test]
fn large_files_of_rubbish() {
    let starts = ["", "[general]\n", "[lock a]\n", "[general]\nDEFAULT_LOCK=", "[lock a]\nSLOTS=", "[lock a"];
    let pieces = [
        "]",
        "] ",
        "[lock ",
        "a= ",
        " SIZE",
        " x=",
        "%(",
        "%%",
        "%(e)s",
        ", ",
        "a,",
        " #",
        ";",
        "x=1\n",
        "x=1\n y\n",
        "\n[",
    ];
    for start in starts {
        for piece in pieces {
            let end = if piece.starts_with('%') { "%(e)s\ne=\n" } else { "\n" };
            let middle = piece.repeat((CONFIG_FILE_BYTES_MAX / 8) / piece.len());
            let host = host([start, &middle, end].concat());
            let begun = busy();
            let _ = check_report(&host.load());
            assert!(busy() - begun < Duration::from_secs(15), "{start:?} and many {piece:?}");
        }
    }
}

/// `#NAME=value`, not a sentence.
fn is_setting(line: &str) -> bool {
    let name = line.trim_start_matches('#').split('=').next().unwrap_or("");
    line.contains('=') && !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// Lines like those of a file, good and bad, so that the cases get past the first line.
fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("SERVER"),
        Just("PORT"),
        Just("DEFAULT_LOCK"),
        Just("DEFAULT_LOCK_SIZE"),
        Just("STORE"),
        Just("LONG_POLL"),
        Just("SIZE"),
        Just("SLOTS"),
        Just("GRACE_TIME"),
        Just("MAX_TTL"),
        Just("MAX_LOCK_TIME"),
        Just("DESCRIPTION"),
        Just("LOG_FILE"),
        Just("LOGLEVEL"),
        Just("nonsense"),
    ];
    let value = prop_oneof![
        "[0-9]{1,4}",
        "[0-9]{0,3}\\.[0-9]{0,4}",
        "[a-c]{1,2}(, ?[d-f]{1,2}){0,2}",
        "\\PC{0,12}",
        Just("memory".to_owned()),
        "%\\([a-z]{0,4}\\)s?",
        "[ ;#=:%\\[\"*.-]{0,8}",
    ];
    let header = prop_oneof![
        Just("[general]".to_owned()),
        Just("[DEFAULT]".to_owned()),
        "\\[lock [a-d]{1,2}\\*?\\]",
        "\\[\\PC{0,12}\\]?",
    ];
    prop_oneof![
        1 => header,
        6 => ("[ \t]{0,2}", name, "[=:]| = ", value).prop_map(|(indent, name, sign, value)| format!("{indent}{name}{sign}{value}")),
        1 => "\\PC{0,20}",
    ]
}

fn check(host: &Host) {
    let result = host.load();
    let report = check_report(&result);
    assert!(report.ends_with('\n'));
    match result {
        Err(problems) => assert!(!problems.errors.is_empty()),
        Ok(Loaded { config, .. }) => {
            let mut again = super::host(&report[report.find("[general]").unwrap()..]).load().unwrap().config;
            again.files.clone_from(&config.files);
            assert_eq!(again, config, "{report}");
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = check_report(&host(&bytes).load());
        let _ = check_report(&host([b"[general]\n", &bytes[..]].concat()).load());
        let _ = check_report(&host([b"[lock a]\n", &bytes[..]].concat()).load());
    }

    #[test]
    fn arbitrary_text(text in "\\PC{0,300}", name in "\\PC{0,10}", value in "\\PC{0,10}") {
        let _ = host(&text).load();
        let _ = host(format!("[general]\n{name}={value}\n")).load();
        let _ = host(format!("[lock {name}]\nSLOTS={value}\nSIZE={value}\nMAX_TTL={value}\n")).load();
        let _ = host(format!("[general]\nSERVER={value}\nSTORE={value}\nLONG_POLL={value}\nDEFAULT_LOCK=%({value}\n")).load();
    }

    #[test]
    fn effective_settings_mean_the_same_again(general in proptest::collection::vec(line(), 0..8), single in line()) {
        check(&host(format!("[general]\n{}\n", general.join("\n"))));
        check(&host(format!("[general]\nDEFAULT_LOCK=x\n{single}\n")));
        check(&host(format!("[lock a]\n{single}\n")));
    }
}
