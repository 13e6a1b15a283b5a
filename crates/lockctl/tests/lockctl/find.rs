//! Finding out: who holds, where somebody is, what is in the way, what was meant; and ending many at once.

use crate::bench::{Bench, Running, text};
use std::fs;

fn said(bench: &Bench, words: &[&str]) -> String {
    let output = bench.run(words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// What is said of a failure, and its status.
fn refused(bench: &Bench, words: &[&str]) -> (String, i32) {
    let output = bench.run(words);
    (text(&output.stderr), output.status.code().unwrap())
}

/// Holds a permit or waits for it, with these words, as long as what is returned lives.
fn take(bench: &Bench, lock: &str, info: &str) -> Running {
    let running = bench.start(&["run", lock, "--info", info, "--", "sleep", "1000"]);
    faults::until("the ticket", || {
        let lock = bench.server.lock(lock);
        lock.holders.iter().chain(&lock.queue).any(|ticket| ticket.info == info).then_some(())
    });
    running
}

#[test]
fn busy_says_who_holds_and_paused_says_paused() {
    let bench = Bench::new();
    let _held = bench.server.occupy("a");
    let number = bench.server.lock("a").holders[0].number;
    let (busy, code) = refused(&bench, &["run", "-n", "a", "--", "true"]);
    assert_eq!(code, 75);
    let expected = format!("lockctl: `a`: no permit is free now: held by #{number} somebody else for ");
    assert!(busy.starts_with(&expected) && busy.ends_with("; -w TIME waits for one\n"), "{busy}");
    let (late, code) = refused(&bench, &["run", "-w", "0.2", "a", "--", "true"]);
    assert_eq!(code, 75);
    assert!(
        late.contains(" s waiting for `a`, first in the queue") && late.contains(&format!("held by #{number} ")),
        "{late}"
    );
    said(&bench, &["pause", "b", "--reason", "until Monday", "--for", "1h"]);
    let (paused, _) = refused(&bench, &["acquire", "-n", "b"]);
    assert!(
        paused.contains("it is paused by 127.0.0.1 for ") && paused.contains(": until Monday; -w TIME waits"),
        "{paused}"
    );
}

#[test]
fn where_somebody_holds_or_waits() {
    let bench = Bench::new();
    let _ids = [bench.server.occupy("a"), bench.server.occupy("a"), bench.server.occupy("b")];
    let found = said(&bench, &["status", "--holder", "SOMEBODY"]);
    let states: Vec<&str> = found.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(states, ["held", "queued", "held"], "{found}");
    assert_eq!(said(&bench, &["status", "--holder", "127.0.0.1"]).lines().count(), 4, "by address");
    assert!(said(&bench, &["status", "--holder", "nobody here"]).starts_with("no holder or waiter has"));
    assert_eq!(said(&bench, &["status", "--names"]), "a\nb\n");
}

#[test]
fn a_lock_that_is_not_there_is_named_with_what_was_meant() {
    let bench = Bench::new();
    said(&bench, &["create", "exact", "--size", "1"]);
    for (words, is_near) in [
        (&["status", "exakt"][..], true),
        (&["run", "exatc", "--", "true"], true),
        (&["set", "Exact", "size=2"], true),
        (&["status", "no-such"], false),
        (&["run", "no-such", "--", "true"], false),
    ] {
        let (told, code) = refused(&bench, words);
        assert_eq!(code, 78, "{told}");
        assert!(told.contains("there is no such lock") && told.contains(&format!("`{}`", words[1])), "{told}");
        assert_eq!(told.contains("did you mean `exact`?"), is_near, "{told}");
    }
}

#[test]
fn checks_for_icinga() {
    let bench = Bench::new();
    let check = |words: &[&str]| {
        let output = bench.run(&[&["check"][..], words].concat());
        (text(&output.stdout), output.status.code().unwrap())
    };
    let _ids = [bench.server.occupy("a"), bench.server.occupy("a")];
    let (line, code) = check(&["a", "-w", "60", "-c", "5m"]);
    assert_eq!(code, 0, "{line}");
    assert!(line.starts_with("LOCK OK - a: 1 of 1 in use, 1 waiting, the longest for "), "{line}");
    let data = line.trim_end().split_once('|').unwrap().1;
    assert!(data.starts_with("'oldest'=") && data.contains("s;60;300;0; 'holding'="), "{line}");
    assert_eq!(line.lines().count(), 1);
    // Somebody waits, so a range that ends at nothing is exceeded by now.
    assert_eq!(check(&["a", "-w", "~:0"]).1, 1);
    assert_eq!(check(&["a", "-w", "~:0", "-c", "@0:1h"]).1, 2);
    assert_eq!(check(&["a", "--holding", "-c", "1h:"]).1, 2, "the oldest holder has not held for an hour");
    for words in [&["no-such"][..], &["a", "-H", "http://127.0.0.1:1", "-t", "1"], &["a", "-H", "nonsense://"]] {
        let (line, code) = check(words);
        assert!(code == 3 && line.starts_with("LOCK UNKNOWN - "), "{words:?}: {code} {line}");
    }
    assert_eq!(check(&["a", "-w", "soon"]).1, 3, "a wrong command line is UNKNOWN too");
}

#[test]
fn many_end_after_a_look_at_them() {
    let bench = Bench::new();
    let words = ["the one", "pipeline-8 first", "pipeline-8 second", "pipeline-9"];
    let _running: Vec<Running> = words.iter().map(|info| take(&bench, "a", info)).collect();
    let waiting = || -> Vec<String> { bench.server.lock("a").queue.into_iter().map(|ticket| ticket.info).collect() };
    // Where nobody can say yes it is only shown.
    let output = bench.run(&["revoke", "a", "--queue", "--info", "pipeline-8"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("pipeline-8 first") && !text(&output.stdout).contains("the one"));
    assert!(text(&output.stderr).contains("2 tickets of `a` would end; --yes does it"), "{}", text(&output.stderr));
    assert_eq!(waiting().len(), 3);
    let words = ["revoke", "a", "--queue", "--info", "pipeline-8", "--yes", "--reason", "its pipeline is dead"];
    assert_eq!(said(&bench, &words), "2 tickets of `a` ended\n");
    assert_eq!(waiting(), ["pipeline-9"]);
    assert_eq!(refused(&bench, &["revoke", "a", "--from", "192.0.2.1", "--yes"]).1, 1, "nobody is there");
    assert_eq!(said(&bench, &["revoke", "a", "--from", "127.0.0.1", "--holders", "--yes"]), "1 ticket of `a` ended\n");
    // A holder and those behind it: none of them is let in on the way.
    let _dead: Vec<Running> = ["night 1", "night 2", "night 3"].iter().map(|info| take(&bench, "b", info)).collect();
    assert_eq!(said(&bench, &["revoke", "b", "--info", "night", "--yes"]), "3 tickets of `b` ended\n");
    assert!(refused(&bench, &["revoke", "no-such", "3"]).0.contains("there is no such lock"), "not the ticket");
    for words in [&["revoke", "a"][..], &["revoke", "a", "3", "--queue"], &["revoke", "a", "--queue", "--holders"]] {
        assert_eq!(refused(&bench, words).1, 64, "{words:?}");
    }
}

#[test]
fn what_terraform_says_of_itself_is_said_in_words() {
    let bench = Bench::new();
    let info = r#"{"ID":"6e1d","Operation":"OperationTypeApply","Info":"","Who":"ada@build7","Version":"","Created":"","Path":""}"#;
    let _running = [take(&bench, "a", info), take(&bench, "b", r#"{"ID":"no Terraform"}"#)];
    for words in [&["status", "a"][..], &["status"], &["status", "--holder", "ada"], &["history", "a"]] {
        let told = said(&bench, words);
        assert!(told.contains("Terraform apply by ada@build7") && !told.contains("OperationType"), "{words:?}: {told}");
    }
    assert!(said(&bench, &["status", "b"]).contains(r#"{"ID":"no Terraform"}"#));
}

#[test]
fn settings_are_changed_one_by_one() {
    let bench = Bench::new();
    said(&bench, &["create", "n", "--size", "2"]);
    said(&bench, &["set", "n", "max-hold-time=1h30m", "description=disks of db1", "SIZE=3"]);
    let patch = bench.server.requests().pop().unwrap();
    assert_eq!(patch.method, "PATCH");
    let body: serde_json::Value = serde_json::from_str(&patch.body).unwrap();
    assert_eq!(body, serde_json::json!({"max_hold_time_s": 5400, "description": "disks of db1", "size": 3}));
    let lock = bench.server.lock("n");
    assert_eq!((lock.size, lock.settings.description.as_str()), (3, "disks of db1"));
    let (told, code) = refused(&bench, &["set", "n", "max-hold-tiem=1"]);
    assert!(code == 64 && told.contains("did you mean max-hold-time?"), "{told}");
}

#[test]
fn the_settings_of_the_user_name_the_server() {
    let bench = Bench::new();
    let folder = bench.path(".config/lockserver");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("client.conf"), format!("# mine\nLOCK_SERVER={}\n", bench.server.url())).unwrap();
    let run = |words: &[&str]| bench.command(words).env_remove("LOCK_SERVER").output().unwrap();
    let output = run(&["status", "--server-itself"]);
    let told = text(&output.stdout);
    let expected = format!("asked at {} (named in {})\n", bench.server.url(), folder.join("client.conf").display());
    assert!(told.contains(&expected), "{told}{}", text(&output.stderr));
    let named = run(&["status", "--server-itself", "--server", &bench.server.url()]);
    assert!(text(&named.stdout).contains("(named by --server or LOCK_SERVER)\n"), "{}", text(&named.stdout));
    fs::write(folder.join("client.conf"), "LOCK_SEVRER=x\n").unwrap();
    let wrong = run(&["status"]);
    assert_eq!(wrong.status.code(), Some(64));
    let told = text(&wrong.stderr);
    assert!(told.contains("client.conf:1: there is no setting LOCK_SEVRER; did you mean LOCK_SERVER?"), "{told}");
}

#[test]
fn history_says_who_changed_what() {
    let bench = Bench::new();
    said(&bench, &["create", "n", "--size", "3"]);
    said(&bench, &["set", "n", "size=4"]);
    said(&bench, &["pause", "n", "--reason", "disk", "--for", "1h"]);
    said(&bench, &["resume", "n"]);
    let told = said(&bench, &["history", "n"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].contains("lock_created") && lines[0].contains("  by "), "{told}");
    for (line, part) in [(1, "  size 3 -> 4  by "), (2, "  paused  until 20"), (2, "  disk"), (3, "  resumed  by ")] {
        assert!(lines[line].contains(part), "{part}: {told}");
    }
    assert_eq!(
        lines[4..],
        ["last hour: waited by nobody; held by nobody", "last day: waited by nobody; held by nobody"]
    );
    assert_eq!(said(&bench, &["history"]).lines().count(), 4, "of all locks");
    assert!(said(&bench, &["history", "--since", "0"]).starts_with("there are no remembered events"));
}
