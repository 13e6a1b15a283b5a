//! Whose turn it is, said by the command: the latest only, permits that rest, a cap for each owner.

use crate::bench::{Bench, output_of, text};
use faults::until;

#[test]
fn of_several_that_wait_only_the_latest_gets_its_turn() {
    let bench = Bench::new();
    let other = bench.server.occupy("a");
    let mut first = bench.start(&["run", "--latest", "a", "--", "sh", "-c", "echo first >> ran"]);
    until("the first one waits", || (bench.server.lock("a").queued == 1).then_some(()));
    let _unlike = bench.start(&["run", "--latest=other", "a", "--", "sh", "-c", "echo other >> ran"]);
    until("the other one waits", || (bench.server.lock("a").queued == 2).then_some(()));
    let mut last = bench.start(&["run", "--latest", "a", "--", "sh", "-c", "echo last >> ran"]);
    assert_eq!(first.code(), Some(75));
    let number = until("the last one waits", || {
        let queue = bench.server.lock("a").queue;
        queue.iter().rev().find(|ticket| ticket.supersede.as_deref() == Some("latest")).map(|ticket| ticket.number)
    });
    let expected = format!("lockctl: `a`: a newer one has taken its place in the queue: ticket {number}\n");
    assert_eq!(output_of(&mut first), (String::new(), expected));
    bench.server.vacate(&other);
    assert_eq!(last.code(), Some(0));
    let ran = std::fs::read_to_string(bench.path("ran")).unwrap();
    assert!(!ran.contains("first") && ran.contains("last"), "{ran}");
}

#[test]
fn who_is_superseded_ends_as_busy_does() {
    let bench = Bench::new();
    let _other = bench.server.occupy("a");
    for (options, code, said) in [(&["-E", "9"][..], 9, true), (&["-E", "0"], 0, false), (&["-v"], 75, true)] {
        let words = [&["run", "--latest=x"], options, &["a", "--", "true"]].concat();
        let mut first = bench.start(&words);
        let ours = || bench.server.lock("a").queue.iter().any(|ticket| ticket.supersede.as_deref() == Some("x"));
        until("it waits", || ours().then_some(()));
        assert_eq!(bench.run(&["run", "--latest=x", "-w", "0.1", "a", "--", "true"]).status.code(), Some(75));
        assert_eq!(first.code(), Some(code), "{options:?}");
        let told = output_of(&mut first).1;
        assert_eq!(told.contains("a newer one has taken its place"), said, "{options:?}: {told}");
    }
    let output = bench.run(&["run", "--latest=", "a", "--", "true"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("--latest"), "{}", text(&output.stderr));
}

#[test]
fn a_success_keeps_the_permit_back_and_a_failure_does_not() {
    let bench = Bench::new();
    assert_eq!(bench.run(&["run", "--min-hold", "600", "a", "--", "sh", "-c", "exit 3"]).status.code(), Some(3));
    assert_eq!(bench.server.lock("a").withheld, 0);
    assert!(bench.run(&["run", "--min-hold", "600", "a", "--", "true"]).status.success());
    let lock = bench.server.lock("a");
    assert_eq!(lock.withheld, 1);
    let left = lock.withholdings[0].ends_in_s.unwrap().as_ms();
    assert!(left > 500_000 && left <= 600_000, "from when it was ours: {left}");
    assert_eq!(bench.run(&["run", "-n", "-E", "0", "a", "--", "sh", "-c", "echo ran"]).stdout, b"");
    // However long it is, the permit is given back: the longest lease of the lock is the most.
    let longest = bench.run(&["run", "--min-hold", "99999999", "b", "--", "true"]);
    assert!(longest.status.success(), "{}", text(&longest.stderr));
    assert_eq!((bench.server.lock("b").holding, bench.server.lock("b").withheld), (0, 1));
    assert!(bench.run(&["restore", "b"]).status.success());
    // A script says it with its release.
    let acquired = bench.run(&["acquire", "--json", "b"]);
    let ticket: serde_json::Value = serde_json::from_slice(&acquired.stdout).unwrap();
    assert!(bench.run(&["release", ticket["id"].as_str().unwrap(), "--keep", "60"]).status.success());
    assert_eq!(bench.server.lock("b").withheld, 1);
    assert_eq!(bench.run(&["release", "b", "--number", "1", "--keep", "60"]).status.code(), Some(64));
}

#[test]
fn a_lock_is_made_with_a_cap_and_a_rest() {
    let bench = Bench::new();
    let words = ["create", "n", "--size", "3", "--max-per-owner", "2", "--min-hold-time", "1.5"];
    assert!(bench.run(&words).status.success());
    let settings = bench.server.lock("n").settings;
    assert_eq!((settings.max_per_owner, settings.min_hold_time_s.as_ms()), (Some(2), 1500));
    let refused = bench.run(&["run", "n=3", "--", "true"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(text(&refused.stderr).contains("one owner may have 2"), "{}", text(&refused.stderr));
}

#[test]
fn permits_are_withheld_and_restored() {
    let bench = Bench::new();
    assert!(bench.run(&["create", "n", "--slots", "x,y,z"]).status.success());
    let run = |words: &[&str]| {
        let output = bench.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let shown = run(&["withhold", "n", "--slot", "x", "--reason", "no ping", "--for", "90"]);
    assert!(shown.contains("1 withheld"), "{shown}");
    run(&["withhold", "n", "1"]);
    let status = run(&["status", "n"]);
    let number = bench.server.lock("n").withholdings[1].number;
    for part in [
        "slot x of no. ",
        " is withheld for 1 min ",
        ": by an administrator: no ping\n",
        &format!("slot y of no. {number} is withheld until it is restored: by an administrator\n"),
    ] {
        assert!(status.contains(part), "{part}: {status}");
    }
    assert_eq!(run(&["run", "n", "--", "sh", "-c", "echo $LOCK_SLOT_NAME"]), "z\n");
    run(&["restore", "n", "--slot", "x"]);
    assert_eq!(bench.server.lock("n").withheld, 1);
    run(&["restore", "n", "--number", &number.to_string()]);
    assert_eq!(bench.server.lock("n").free, 3);
    let id = bench.server.occupy("n");
    run(&["release", &id, "--withhold", "no ping"]);
    assert!(run(&["status", "n"]).contains("given back as broken: no ping"));
    run(&["outside", "n", "2", "--for", "60"]);
    let lock = bench.server.lock("n");
    assert_eq!((lock.withheld, lock.outside.unwrap().in_use), (3, 2));
    assert!(run(&["status", "n"]).contains(": used by others\n"));
    run(&["outside", "n", "--none"]);
    assert_eq!(bench.server.lock("n").withheld, 1);
    for wrong in [&["withhold", "n"][..], &["withhold", "n", "1", "--slot", "x"], &["outside", "n"]] {
        assert_eq!(bench.run(wrong).status.code(), Some(64), "{wrong:?}");
    }
}

#[test]
fn slots_by_name_and_by_tag() {
    let bench = Bench::new();
    let words = ["create", "n", "--slots", "x {fast}, y {fast big},z", "--pick", "lru"];
    assert!(bench.run(&words).status.success());
    let settings = bench.server.lock("n").settings;
    assert_eq!(settings.slots.unwrap(), ["x", "y", "z"]);
    assert_eq!(settings.tags["y"], ["fast", "big"]);
    let named = |words: &[&str]| {
        let output = bench.run(&[&["run", "-n"], words, &["--", "sh", "-c", "echo $LOCK_SLOT_NAMES"]].concat());
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(named(&["n", "--slot", "y,z"]), (Some(0), "y,z\n".to_owned()));
    assert_eq!(named(&["n=2", "--slot", "x,z"]), (Some(0), "x,z\n".to_owned()));
    assert_eq!(named(&["n", "--tag", "fast,big"]), (Some(0), "y\n".to_owned()));
    for (words, code, said) in [
        (&["n=1", "--slot", "x,z"][..], 64, "leave the number out"),
        (&["n", "a", "--slot", "x"], 64, "need exactly one lock"),
        (&["n", "--slot", "x", "--tag", "fast"], 64, "cannot be used with"),
        (&["n", "--slot", "w"], 64, "it has x, y, z"),
        (&["n=3", "--tag", "fast"], 78, "the lock has 2"),
    ] {
        let (status, told) = named(words);
        assert_eq!(status, Some(code), "{words:?}: {told}");
        assert!(told.contains(said), "{words:?}: {told}");
    }
    let _all = bench.run(&["acquire", "n", "--slot", "x,y,z"]);
    let _waits = bench.start(&["run", "n", "--tag", "fast", "--", "true"]);
    until("it waits", || (bench.server.lock("n").queued == 1).then_some(()));
    assert!(text(&bench.run(&["status", "n"]).stdout).contains("1 {fast}"));
    // A run that asks for more than the outer run has takes a ticket, and here there is none.
    let inner = |words: &str| format!("\"$LOCKCTL\" run -n --inherit {words} -- true");
    assert!(bench.run(&["create", "m", "--slots", "x {fast},y"]).status.success());
    for (words, code) in [("m --slot x", 0), ("m --tag fast", 0), ("m --slot y", 0), ("m=2", 75)] {
        let output = bench.run(&["run", "m", "--slot", "x", "--", "sh", "-c", &inner(words)]);
        assert_eq!(output.status.code(), Some(code), "{words}: {}", text(&output.stderr));
    }
    let wrong = bench.run(&["create", "o", "--slots", "x {fast"]);
    assert_eq!(wrong.status.code(), Some(64));
}
