//! Several locks: one ticket, all or nothing.

use crate::bench::{Bench, output_of, text};
use faults::until;
use serde_json::Value;

/// Requests that asked for permits, each with its path.
fn asked(bench: &Bench) -> Vec<String> {
    let requests = bench.server.requests();
    requests
        .iter()
        .filter(|one| one.method == "POST" && one.path.ends_with("/tickets"))
        .map(|one| one.path.clone())
        .collect()
}

#[test]
fn several_locks_are_one_ticket_and_told_in_the_order_of_the_command_line() {
    let bench = Bench::new();
    assert!(bench.run(&["create", "ports", "--slots", "x,y,z"]).status.success());
    let script = "echo \"$LOCK_NAME|$LOCK_TOKEN|$LOCK_SLOT|$LOCK_SLOTS|$LOCK_SLOT_NAME|$LOCK_SLOT_NAMES|$LOCK_TICKET\"";
    let output = bench.run(&["run", "--export-ticket", "ports=2", "b", "a", "--", "sh", "-c", script]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let fields: Vec<&str> = told.trim_end().split('|').collect();
    let [names, tokens, slot, slots, slot_name, slot_names, ticket] = fields[..] else { panic!("{told}") };
    assert_eq!((names, slot, slots), ("ports;b;a", "0;0;0", "0,1;0;0"));
    assert_eq!((slot_name, slot_names), ("x;;", "x,y;;"));
    let tokens: Vec<&str> = tokens.split(';').collect();
    assert!(tokens.len() == 3 && tokens.iter().all(|token| *token == tokens[0]), "one grant has one token: {tokens:?}");
    assert_eq!(ticket.len(), 36, "one ticket has one id: {ticket}");
    assert_eq!(asked(&bench), ["/v1/tickets"]);
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn the_order_of_the_command_line_is_no_matter() {
    let bench = Bench::new();
    let script = "mkdir both && sleep 0.01 && rmdir both";
    let mut running: Vec<_> = (0..12)
        .map(|number| {
            let locks: [&str; 2] = if number % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
            bench.start(&["run", locks[0], locks[1], "--", "sh", "-c", script])
        })
        .collect();
    for one in &mut running {
        let code = one.code();
        assert_eq!(code, Some(0), "{:?}", output_of(one));
    }
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn the_lock_in_the_way_is_named_and_nothing_is_kept() {
    let bench = Bench::new();
    let held = bench.server.occupy("b");
    for (options, said) in [
        (&["-n"][..], "lockctl: `b`: no permit is free now: held by #"),
        (&["-w", "0.1"], "lockctl: timed out after 0."),
    ] {
        let output = bench.run(&[&["run"], options, &["a", "b", "--", "true"]].concat());
        assert_eq!(output.status.code(), Some(75), "{options:?}");
        let told = text(&output.stderr);
        assert!(told.starts_with(said) && told.contains("somebody else"), "{options:?}: {told}");
        assert_eq!(bench.server.lock("a").holding + bench.server.lock("a").queued, 0, "{options:?}");
    }
    assert!(text(&bench.run(&["run", "-w", "0.1", "a", "b", "--", "true"]).stderr).contains("; `b` held by #"));
    let verbose = bench.run(&["run", "-v", "-w", "0.5", "a", "b", "--", "true"]);
    let told = text(&verbose.stderr);
    assert!(told.contains("waiting for `a, b`: place 1, 0 s; `b` held by #"), "{told}");
    bench.server.vacate(&held);
    assert!(text(&bench.run(&["run", "-v", "b", "a", "--", "true"]).stderr).contains("acquired `b, a` after 0.0 s"));
    let unknown = bench.run(&["run", "a", "nowhere", "--", "true"]);
    assert_eq!(unknown.status.code(), Some(78));
    assert!(
        text(&unknown.stderr).starts_with("lockctl: `nowhere`: there is no such lock"),
        "{}",
        text(&unknown.stderr)
    );
    let too_many = bench.run(&["run", "a", "b=2", "--", "true"]);
    assert_eq!(too_many.status.code(), Some(78));
    assert!(text(&too_many.stderr).contains("lock \"b\": 2 permits were asked for"), "{}", text(&too_many.stderr));
}

#[test]
fn wrong_lists_of_locks() {
    let bench = Bench::new();
    let seventeen: Vec<String> = (0..17).map(|number| format!("a{number}")).collect();
    let seventeen: Vec<&str> = seventeen.iter().map(String::as_str).collect();
    for (locks, said) in [
        (&["a", "a=2"][..], "`a` is named twice"),
        (&seventeen[..], "17 locks are asked for, and one ticket is for 16 at most"),
        (&["a", "b=x"], "a number of permits from 1"),
    ] {
        for words in [[&["run"][..], locks, &["--", "true"]].concat(), [&["acquire"], locks].concat()] {
            let output = bench.run(&words);
            assert_eq!(output.status.code(), Some(64), "{words:?}");
            assert!(text(&output.stderr).contains(said), "{words:?}: {}", text(&output.stderr));
        }
    }
    assert_eq!(asked(&bench).len(), 0);
}

#[test]
fn a_script_takes_several_locks() {
    let bench = Bench::new();
    let script = "hold=$($LOCKCTL acquire b a) && eval \"$hold\" || exit; echo \"$LOCK_NAME $LOCK_SLOTS\"; \
        $LOCKCTL status a; $LOCKCTL renew; $LOCKCTL release";
    let output = bench.script(script);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.starts_with("b;a 0;0\n") && out.ends_with("released\n"), "{out}");
    assert!(out.contains(" of `a, b`: held, lease "), "{out}");
    let heading = out.lines().find(|line| line.trim_start().starts_with("NUMBER")).unwrap_or_else(|| panic!("{out}"));
    assert!(heading.contains("WITH"), "{out}");
    assert_eq!(bench.server.living(), 0);
    let acquired = bench.run(&["acquire", "--json", "a", "b"]);
    let ticket: Value = serde_json::from_slice(&acquired.stdout).unwrap();
    assert_eq!((ticket.get("lock"), ticket["locks"].as_object().map(serde_json::Map::len)), (None, Some(2)));
    let number = ticket["number"].to_string();
    assert!(bench.run(&["release", "b", "--number", &number]).status.success(), "by either of its locks");
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn who_holds_several_is_listed_once() {
    let bench = Bench::new();
    let ticket: Value =
        serde_json::from_slice(&bench.run(&["acquire", "--json", "--info", "build7", "a", "b"]).stdout).unwrap();
    let mut waits = bench.start(&["run", "--info", "build7 too", "b", "a", "--", "true"]);
    until("it waits", || (bench.server.lock("a").queued == 1 && bench.server.lock("b").queued == 1).then_some(()));
    let found = text(&bench.run(&["status", "--holder", "build7"]).stdout);
    assert_eq!(found.lines().count(), 3, "a heading, the holder, the waiter: {found}");
    assert_eq!(found.matches("a, b").count(), 2, "{found}");
    let queue = text(&bench.run(&["status", "b"]).stdout);
    let line = queue.lines().rfind(|line| line.contains("build7 too")).unwrap();
    let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells[3], "a", "with which other lock: {queue}");
    let revoked = bench.run(&["revoke", "b", &ticket["number"].to_string(), "--reason", "maintenance"]);
    assert!(revoked.status.success(), "{}", text(&revoked.stderr));
    assert_eq!(waits.code(), Some(0));
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn inside_of_a_hold_of_several_only_what_is_missing_is_taken() {
    let bench = Bench::new();
    let inner =
        |locks: &str| format!("\"$LOCKCTL\" run -n --inherit {locks} -- sh -c 'echo \"$LOCK_NAME $LOCK_TOKEN\"'");
    let run = |outer: &[&str], locks: &str| {
        let before = asked(&bench).len();
        let output = bench.run(&[&["run"], outer, &["--", "sh", "-c", &inner(locks)]].concat());
        (output.status.code(), text(&output.stdout), asked(&bench)[before..].to_vec())
    };
    let (code, told, requests) = run(&["a", "b"], "b a");
    assert_eq!((code, requests.len()), (Some(0), 1), "all of it is held around it: {told}");
    let tokens: Vec<&str> = told.trim_end().strip_prefix("b;a ").unwrap().split(';').collect();
    assert_eq!(tokens[0], tokens[1]);
    let (code, told, requests) = run(&["a", "b"], "a");
    assert_eq!((code, requests.len()), (Some(0), 1), "a part of it: {told}");
    let (code, told, requests) = run(&["a"], "b a b2");
    assert_eq!((code, requests), (Some(0), vec!["/v1/locks/a/tickets".to_owned(), "/v1/tickets".to_owned()]), "{told}");
    let tokens: Vec<&str> = told.trim_end().strip_prefix("b;a;b2 ").unwrap().split(';').collect();
    assert!(tokens[0] == tokens[2] && tokens[0] != tokens[1], "{told}");
    assert_eq!(bench.server.living(), 0);
}
