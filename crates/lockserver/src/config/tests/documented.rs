//! The settings are documented, and as they are.

use super::*;
use crate::cli::Cli;
use clap::Parser as _;
use setting::{Setting, Value};

/// As the page has them. Where every setting needs a restart the page says it once, above the table.
fn table<D, C>(settings: &[Setting<D, C>]) -> String {
    let said_above = settings.iter().all(|setting| setting.restart);
    let mut out = "| name | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for Setting { name, default, doc, restart, .. } in settings {
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let restart = if *restart && !said_above { ". Needs a restart" } else { "" };
        out.push_str(&format!("| `{name}` | {default} | {doc}{restart} |\n"));
    }
    out
}

/// With `LOCKSERVER_WRITE_DOCS=1` in the environment this writes the tables instead.
#[test]
fn the_page_has_the_settings_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut wanted = page.clone();
    let tables = [
        ("## `[general]`\n", table(&GENERAL)),
        ("## `[lock NAME]`\n", table(&lock::LOCK)),
        ("## `[etcd]`\n", table(&ETCD)),
        ("## `[cluster]`\n", table(&CLUSTER)),
    ];
    for (heading, table) in tables {
        let section = wanted.find(heading).unwrap_or_else(|| panic!("the page has no {heading:?}"));
        let start = section + wanted[section..].find("| name |").expect("the section has a table");
        let end = start + wanted[start..].find("\n\n").expect("an empty line ends the table") + 1;
        if !table.contains("Needs a restart") && heading != "## `[lock NAME]`\n" {
            assert!(
                wanted[section..start].contains("needs a restart"),
                "{heading:?}: the page says it above the table"
            );
        }
        wanted.replace_range(start..end, &table);
    }
    if std::env::var_os("LOCKSERVER_WRITE_DOCS").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        let stale = page.lines().zip(wanted.lines()).find(|(is, wanted)| is != wanted);
        assert!(
            page == wanted,
            "run this test with LOCKSERVER_WRITE_DOCS=1 to bring docs/configuration.md up to date: {stale:?}"
        );
    }
}

#[test]
fn a_lock_has_the_defaults_that_are_documented() {
    let (mut lock, mut report) = (Settings::new(7), problem::Report::default());
    for setting in &lock::LOCK {
        if !setting.default.is_empty() {
            let place = problem::Place::elsewhere(setting.name);
            (setting.read)(&mut lock, &mut Value { text: setting.default, place: &place, report: &mut report });
        }
    }
    assert_eq!(report.finish(), Ok(Vec::new()));
    assert_eq!(lock, Settings::new(1));
}

#[test]
fn waiting_requests_have_the_bound_that_is_documented() {
    assert_eq!(Host::new().config().max_waiting, lock_core::limits::WAITING_REQUESTS_MAX);
}

#[test]
fn every_flag_of_a_setting_sets_it() {
    let flags: Vec<&str> = GENERAL.iter().map(|setting| setting.flag).filter(|flag| !flag.is_empty()).collect();
    let typed = flags.iter().flat_map(|flag| [flag, "1"]);
    let mut given: Vec<&str> = Cli::parse_from(["lockserver"].into_iter().chain(typed))
        .sources()
        .overrides
        .into_iter()
        .map(|(flag, _)| flag)
        .collect();
    given.sort_unstable_by_key(|flag| flags.iter().position(|known| known == flag));
    assert_eq!(given, flags);
}
