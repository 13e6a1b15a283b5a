//! Leases that are lost: the command is gone before somebody else can have the permit.

use crate::bench::{Bench, group_is_gone, text};
use faults::{Fault, Reply, Request, refusal, until};
use lock_client::api::ErrorCode;
use std::time::{Duration, Instant};

fn renews(request: &Request) -> bool {
    request.path.ends_with("/renew") || request.method == "POST"
}

#[test]
fn a_server_that_falls_silent() {
    for reply in [Reply::Silence, Reply::Cut] {
        let bench = Bench::new();
        let script = "trap 'echo > told' TERM; (trap '' TERM; sleep 1000) & echo $$ > parent; while :; do wait; done";
        let words = ["run", "--ttl", "6", "--kill-after", "1", "a", "--", "sh", "-c", script];
        let mut running = bench.start(&words);
        let group = bench.pid("parent");
        // One renewal is answered, then nothing is.
        let _ = bench.server.asked(|request| request.path.ends_with("/renew"));
        let last = bench.server.requests().into_iter().rfind(renews).unwrap().at;
        bench.server.faults(move |_| Fault::Instead(reply.clone()));
        let gone = until("nothing of the group runs", || group_is_gone(group).then(Instant::now));
        let held = gone.duration_since(last);
        // The server has the permit for us until 6 s after it read the last renewal that it answered.
        assert!(held < Duration::from_secs(6), "{held:?}");
        assert!(held > Duration::from_millis(3500), "not before it is necessary: {held:?}");
        assert_eq!(bench.file("told"), "\n", "TERM before KILL");
        assert_eq!(running.code(), Some(76));
    }
}

#[test]
fn a_key_that_was_narrowed_is_no_silence() {
    let bench = Bench::new();
    let words =
        ["run", "--ttl", "4", "--kill-after", "0.3", "a", "--", "sh", "-c", "echo $$ > parent; sleep 1000 & wait"];
    let running = bench.start(&words);
    let group = bench.pid("parent");
    bench.server.faults(|request| {
        if request.method == "DELETE" { Fault::None } else { Fault::Instead(refusal(ErrorCode::NotAllowed)) }
    });
    let (code, said) = until_output(running);
    assert_eq!(code, Some(76), "{said}");
    assert!(said.contains("refuses to renew `a`") && said.contains("not_allowed on demand"), "{said}");
    assert!(!said.contains("does not answer"), "{said}");
    assert!(group_is_gone(group));
    assert_eq!(bench.server.living(), 0, "by its id it is given back");
    let gives_back = |request: &Request| request.method == "DELETE" && request.path.starts_with("/v1/tickets/");
    assert!(bench.server.requests().iter().any(gives_back), "and does not just end");
}

#[test]
fn a_ticket_that_the_server_ended() {
    let bench = Bench::new();
    let words =
        ["run", "--ttl", "4", "--kill-after", "0.3", "a", "--", "sh", "-c", "echo $$ > parent; sleep 1000 & wait"];
    let mut running = bench.start(&words);
    let group = bench.pid("parent");
    bench.server.revoke_all("a");
    assert_eq!(running.code(), Some(76));
    assert!(group_is_gone(group));
    let warned = bench.start(&[
        "run",
        "--ttl",
        "4",
        "--kill-after",
        "0.3",
        "--on-lost",
        "warn",
        "a",
        "--",
        "sh",
        "-c",
        "echo $$ > second; while [ ! -e go ]; do sleep 0.05; done; exit 5",
    ]);
    let _ = bench.pid("second");
    bench.server.revoke_all("a");
    let begin = Instant::now();
    let gone = |request: &Request| request.path.ends_with("/renew") && request.at > begin;
    let _ = bench.server.asked(gone);
    std::fs::write(bench.path("go"), "").unwrap();
    let output = until_output(warned);
    assert_eq!(output.0, Some(5));
    assert!(output.1.contains("goes on without it"), "{}", output.1);
}

#[test]
fn a_command_that_gives_its_lock_back_goes_on() {
    for verbose in [true, false] {
        let bench = Bench::new();
        let script = "$LOCKCTL release \"$LOCK_TICKET\" && echo \"$LOCK_TICKET\" > released; while [ ! -e go ]; do sleep 0.05; done; exit 5";
        let mut words =
            vec!["run", "--export-ticket", "--ttl", "3", "--kill-after", "0", "a", "b", "--", "sh", "-c", script];
        if verbose {
            words.insert(1, "-v");
        }
        let start = |words: &[&str]| {
            let mut command = bench.command(words);
            command.env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl"));
            let command = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            crate::bench::Running(command.spawn().unwrap())
        };
        let running = start(&words);
        let given_back = bench.file("released").trim().to_owned();
        let renewals = |id: &str, since: Instant| {
            let path = format!("/v1/tickets/{id}/renew");
            bench.server.requests().iter().filter(|one| one.path == path && one.at > since).count()
        };
        let begin = Instant::now();
        // Others have the locks meanwhile, for longer than the lease that was given back could have lasted.
        let script = "echo \"$LOCK_TICKET\" > other; while [ ! -e go ]; do sleep 0.05; done";
        let mut other = words.clone();
        *other.last_mut().unwrap() = script;
        let mut other = start(&other);
        let kept = bench.file("other").trim().to_owned();
        until("the other one is renewed on", || (renewals(&kept, begin) >= 6).then_some(()));
        assert_eq!(renewals(&given_back, begin), 1, "the answer was that it has ended; nothing is renewed after that");
        std::fs::write(bench.path("go"), "").unwrap();
        let (code, said) = until_output(running);
        assert_eq!(code, Some(5), "{said}");
        assert_eq!(other.code(), Some(0));
        assert_eq!(said.contains("`a, b` was released, the command goes on without it"), verbose, "{said}");
        assert_eq!(bench.server.living(), 0);
    }
}

#[test]
fn leases_too_short_to_end_a_command_are_refused() {
    let bench = Bench::new();
    bench.server.faults(|request| {
        if !request.path.ends_with("/tickets") {
            return Fault::None;
        }
        let ticket = r#"{"id":"id-9","number":9,"locks":{"a":{"permits":1,"slots":[0]}},"lock":"a","state":"held",
            "token":5,"ahead":0,"dormant":false,"priority":0,"info":"","owner":null,"from":"","created_at":"",
            "granted_at":null,"held_at":null,"ended_at":null,"expires_at":null,"expires_in_s":null,"ttl_s":10,
            "ended_as":null,"reason":null}"#;
        Fault::Instead(Reply::Body(201, "application/json", ticket.to_owned()))
    });
    let output = bench.run(&["run", "a", "--", "true"]);
    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
    assert!(bench.server.requests().iter().any(|request| request.is("DELETE", "/v1/tickets/id-9")));
}

/// Exit status and standard error.
fn until_output(mut running: crate::bench::Running) -> (Option<i32>, String) {
    let code = running.code();
    let mut said = String::new();
    std::io::Read::read_to_string(&mut running.0.stderr.take().unwrap(), &mut said).unwrap();
    (code, said)
}
