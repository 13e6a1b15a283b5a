//! Exit statuses, the letters of flock(1), standard input and the environment.

use crate::bench::{Bench, text};
use lock_client::api::ErrorCode;
use lock_client::testing::{Fault, refusal};
use std::io::Write;
use std::process::Stdio;

#[test]
fn exit_statuses() {
    let bench = Bench::new();
    let other = bench.fake.occupy("taken");
    let cases: &[(&[&str], i32)] = &[
        (&["run", "a", "--", "true"], 0),
        (&["run", "a", "--", "sh", "-c", "exit 17"], 17),
        (&["run", "a", "--", "sh", "-c", "kill -TERM $$"], 143),
        (&["run", "a", "--", "sh", "-c", "kill -KILL $$"], 137),
        (&["run", "a"], 64),
        (&["run", "a", "true"], 64),
        (&["run", "a=0", "--", "true"], 64),
        (&["run", "a", "a", "--", "true"], 64),
        (&["run", "-n", "-w", "1", "a", "--", "true"], 64),
        (&["run", "-w", "x", "a", "--", "true"], 64),
        (&["run", "-E", "256", "a", "--", "true"], 64),
        (&["run", "--ttl", "32", "a", "--", "true"], 64),
        (&["run", "--priority", "101", "a", "--", "true"], 64),
        (&["run", "--server", "ftp://x", "a", "--", "true"], 64),
        (&["run", "-n", "taken", "--", "true"], 75),
        (&["run", "--nonblock", "taken", "--", "true"], 75),
        (&["run", "--nb", "taken", "--", "true"], 75),
        (&["run", "--wait", "0.2", "taken", "--", "true"], 75),
        (&["run", "--conflict-exit-code", "4", "--nb", "taken", "--", "true"], 4),
        (&["acquire", "-E", "5", "-n", "taken"], 5),
        (&["run", "-w", "0", "taken", "--", "true"], 75),
        (&["run", "-w", "0.2", "taken", "--", "true"], 75),
        (&["run", "--timeout", "0.2", "taken", "--", "true"], 75),
        (&["run", "-E", "3", "-n", "taken", "--", "true"], 3),
        (&["run", "-E", "0", "-w", "0.2", "taken", "--", "true"], 0),
        (&["run", "no-such", "--", "true"], 78),
        (&["run", "a", "--", "/no/such/command"], 127),
        (&["run", "a", "--", "/etc/passwd"], 126),
        (&["--help"], 0),
        (&["frobnicate"], 64),
        (&["verify", "a", "1"], 76),
        (&["release", "unknown"], 76),
        (&["create", "new", "--size", "3"], 0),
        (&["create", "new", "--size", "3"], 1),
        (&["delete", "taken"], 1),
    ];
    for (words, code) in cases {
        let output = bench.run(words);
        assert_eq!(output.status.code(), Some(*code), "{words:?}: {}", text(&output.stderr));
        // What the command did needs no words of ours, nor does being busy where that is no failure; everything else does.
        let quiet = matches!(words, ["run", "a", "--", "true" | "sh", ..] | ["run", "-E", "0", ..]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(said.is_empty(), quiet, "{words:?}: {said}");
    }
    assert_eq!(bench.fake.living(), 1, "nothing is left behind");
    bench.fake.vacate(&other);
    for (code, status) in [(ErrorCode::NotAllowed, 77), (ErrorCode::Unauthorized, 77), (ErrorCode::TooManyPermits, 78)]
    {
        bench.fake.faults(move |_| Fault::Instead(refusal(code)));
        assert_eq!(bench.run(&["run", "a", "--", "true"]).status.code(), Some(status), "{code:?}");
    }
}

#[test]
fn no_server() {
    let bench = Bench::new();
    let output = bench.run(&["status", "--server", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("http://127.0.0.1:1"), "{}", text(&output.stderr));
}

#[test]
fn standard_input_and_the_environment_of_the_command() {
    let bench = Bench::new();
    let words = "cat; echo \"$LOCK_NAME $LOCK_SLOT $LOCK_SLOTS $LOCK_TOKEN $LOCK_SERVER [$LOCK_TICKET] [$LOCK_KEY]\"";
    let mut command = bench.command(&["run", "b", "a", "--", "sh", "-c", words]);
    command.env("LOCK_KEY", "secret").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let url = bench.fake.url();
    // `a` was taken first, so its token is the smaller one.
    assert_eq!(text(&output.stdout), format!("hello\nb;a 0;0 0;0 4;2 {url} [] []\n"));
    let made = bench.fake.requests().into_iter().filter(|request| request.path.ends_with("/tickets"));
    let paths: Vec<String> = made.map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/locks/a/tickets", "/v1/locks/b/tickets"]);
    let output = bench.run(&["run", "--export-ticket", "a", "--", "sh", "-c", "echo $LOCK_TICKET"]);
    assert!(text(&output.stdout).starts_with("id-"));
}

#[test]
fn says_what_it_waits_for() {
    let bench = Bench::new();
    let other = bench.fake.occupy("a");
    let mut waiter = bench.start(&["run", "-v", "a", "--", "true"]);
    let asks = |request: &lock_client::testing::Request| request.is("GET", "/v1/locks/a");
    let _ = bench.fake.asked(asks);
    bench.fake.vacate(&other);
    assert_eq!(waiter.code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut waiter.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("waiting for `a`: place 1"), "{said}");
    assert!(said.contains("held by #1 somebody else"), "{said}");
    assert!(said.contains("is ours after"), "{said}");
}
