//! Exit statuses, the letters of flock(1), standard input and the environment.

use crate::bench::{Bench, text};
use faults::{Fault, Reply, refusal};
use lock_client::api::ErrorCode;
use std::io::{Read as _, Write as _};
use std::process::{ChildStderr, Stdio};

#[test]
fn exit_statuses() {
    let bench = Bench::new();
    let other = bench.server.occupy("taken");
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
        (&["run", "--ttl", "32", "--kill-after", "10", "a", "--", "true"], 64),
        (&["run", "--ttl", "2.5", "a", "--", "true"], 64),
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
    assert_eq!(bench.server.living(), 1, "nothing is left behind");
    bench.server.vacate(&other);
    for (code, status) in [(ErrorCode::NotAllowed, 77), (ErrorCode::Unauthorized, 77), (ErrorCode::TooManyPermits, 78)]
    {
        bench.server.faults(move |_| Fault::Instead(refusal(code)));
        assert_eq!(bench.run(&["run", "a", "--", "true"]).status.code(), Some(status), "{code:?}");
    }
}

#[test]
fn mistakes_are_told_in_words_of_people() {
    let bench = Bench::new();
    let cases: &[(&[&str], &str)] = &[
        (&["rnu", "a", "--", "true"], "a similar subcommand exists: 'run'"),
        (&["statsu"], "a similar subcommand exists: 'status'"),
        (&["revoke", "a", "abc"], "'abc' for '[NUMBER]': a whole number from 0 is expected, such as 7"),
        (&["resize", "a", "5000000000"], "'5000000000' for '[SIZE]': the number is too large"),
        (&["--key", "ops.key", "status"], "a similar argument exists: '--key-file'"),
    ];
    for (words, said) in cases {
        let output = bench.run(words);
        assert_eq!(output.status.code(), Some(64), "{words:?}");
        assert!(text(&output.stderr).contains(said), "{words:?}: {}", text(&output.stderr));
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
fn a_proxy_that_fails_is_named() {
    let bench = Bench::new();
    let run = |variable: &str, proxy: &str, words: &[&str]| {
        let mut command = bench.command(words);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        let output = command.env(variable, proxy).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{said}");
        assert!(said.contains(&format!("(variable {variable}): ")), "{said}");
        assert!(!said.contains("hidden") && !said.contains("in effect all the same"), "{said}");
        said
    };
    let status = ["status", "--server", "http://192.0.2.1:9090"];
    let said = run("http_proxy", "http://me:hidden@127.0.0.1:1", &status);
    let expected = "http://192.0.2.1:9090 does not answer (through the proxy http://127.0.0.1:1 (variable http_proxy): \
                    Connection refused), trying";
    assert!(said.contains(expected), "{said}");
    // What a proxy answers by itself.
    for (number, says) in [(502, "HTTP status 502"), (403, "is not a lockserver")] {
        bench.server.faults(move |_| Fault::Instead(Reply::Body(number, "text/html", "<html>".to_owned())));
        let said = run("ALL_PROXY", &bench.server.url(), &status);
        assert!(said.contains(says) && said.contains(&bench.server.url()), "{said}");
    }
    // One that leads to no server with TLS: the request cannot have arrived.
    let said = run("HTTPS_PROXY", &bench.server.url(), &["release", "id-1", "--server", "https://192.0.2.1"]);
    assert!(bench.server.requests().iter().any(|request| request.method == "CONNECT"));
    assert!(said.contains(&bench.server.url()), "{said}");
}

#[test]
fn what_answers_everything_with_200_is_no_lockserver() {
    let bench = Bench::new();
    bench.server.faults(|_| Fault::Instead(Reply::Body(200, "text/html", "<html>Log in</html>".to_owned())));
    let cases: [&[&str]; 17] = [
        &["verify", "billing", "1"],
        &["release", "id-1"],
        &["release", "billing", "--number", "1"],
        &["revoke", "billing", "1"],
        &["restore", "billing"],
        &["delete", "billing"],
        &["create", "billing", "--size", "1"],
        &["resize", "billing", "2"],
        &["pause", "billing"],
        &["resume", "billing"],
        &["reload"],
        &["renew", "id-1"],
        &["status"],
        &["status", "billing"],
        &["watch"],
        &["acquire", "billing"],
        &["run", "billing", "--", "true"],
    ];
    for words in cases {
        let output = bench.run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{words:?}: {said}");
        // `acquire` tells the shell that it failed.
        assert!(output.stdout.is_empty() || words[0] == "acquire", "{words:?}: {}", text(&output.stdout));
        assert!(said.contains("is not a lockserver, or something between answers for it"), "{words:?}: {said}");
    }
}

#[test]
fn refusals_as_json() {
    let bench = Bench::new();
    let _ = bench.server.occupy("taken");
    let cases: &[(&[&str], i32, &str, &str)] = &[
        (&["run", "-n", "taken", "--", "true"], 75, "busy", "no permit is free now"),
        (&["run", "-w", "0.2", "taken", "--", "true"], 75, "timed_out", "timed out after "),
        (&["run", "-E", "9", "-w", "0.2", "taken", "--", "true"], 9, "timed_out", "timed out after "),
        (&["acquire", "-n", "taken"], 75, "busy", "no permit is free now"),
        (&["acquire", "-w", "0.2", "taken"], 75, "timed_out", "first in the queue"),
        (&["run", "--ttl", "2.5", "a", "--", "true"], 64, "invalid", "--ttl 2.5 is too short"),
        (&["run", "a", "a", "--", "true"], 64, "invalid", "is named twice"),
        (&["run", "-w", "x", "a", "--", "true"], 64, "invalid", "invalid value 'x' for '--wait <TIME>': a time"),
        (&["run", "a"], 64, "invalid", "required arguments were not provided: <COMMAND>..."),
        (&["run", "--server", "http://127.0.0.1:1", "a", "--", "true"], 69, "no_server", "http://127.0.0.1:1"),
        (&["run", "a", "--", "/no/such/command"], 127, "no_command", "/no/such/command"),
        (&["run", "a", "--", "/etc/passwd"], 126, "cannot_run", "/etc/passwd"),
        (&["run", "no-such", "--", "true"], 78, "unknown_lock", "there is no such lock"),
    ];
    for (words, status, code, detail) in cases {
        let words: Vec<&str> = [words[0], "--json"].into_iter().chain(words[1..].iter().copied()).collect();
        let output = bench.run(&words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
        // In the one shape that programs know already.
        let told: serde_json::Value = serde_json::from_str(&said).unwrap();
        let _: lock_client::api::Problem = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(told["code"], *code, "{words:?}: {said}");
        assert!(told["detail"].as_str().unwrap().contains(detail), "{words:?}: {said}");
    }
    let quiet = bench.run(&["run", "--json", "-E", "0", "-w", "0.1", "taken", "--", "true"]);
    assert_eq!((quiet.status.code(), text(&quiet.stderr).as_str()), (Some(0), ""));
    // The command's own words are not ours.
    let foreign = bench.run(&["run", "a", "x", "--frob", "--", "--json"]);
    assert!(text(&foreign.stderr).starts_with("error: "), "{}", text(&foreign.stderr));
}

#[test]
fn negative_seconds_are_a_plain_mistake() {
    let bench = Bench::new();
    let cases: [&[&str]; 6] = [
        &["run", "-w", "-1", "a", "--", "true"],
        &["run", "--ttl", "-0.5", "a", "--", "true"],
        &["run", "--kill-after", "-1", "a", "--", "true"],
        &["acquire", "--max-hold", "-1", "a"],
        &["renew", "--ttl", "-1", "x"],
        &["create", "x", "--size", "1", "--lock-delay", "-1"],
    ];
    for words in cases {
        let output = bench.run(words);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}: {said}");
        assert!(said.contains("a time from 0 is expected"), "{words:?}: {said}");
        assert!(!said.contains("to pass"), "{words:?}: {said}");
    }
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
    let url = bench.server.url();
    let token: u64 = text(&output.stdout).split([' ', ';']).nth(7).and_then(|token| token.parse().ok()).unwrap();
    assert_eq!(text(&output.stdout), format!("hello\nb;a 0;0 0;0 {token};{token} {url} [] []\n"));
    let made = bench.server.requests().into_iter().filter(|request| request.path.ends_with("/tickets"));
    let paths: Vec<String> = made.map(|request| request.path).collect();
    assert_eq!(paths, ["/v1/tickets"]);
    let output = bench.run(&["run", "--export-ticket", "a", "--", "sh", "-c", "echo $LOCK_TICKET"]);
    let id = text(&output.stdout);
    assert!(bench.server.requests().iter().any(|request| request.is("DELETE", &format!("/v1/tickets/{}", id.trim()))));
}

/// Reads until this was said, however much comes before it, and returns everything that was read.
fn says(stderr: &mut ChildStderr, wanted: &str) -> String {
    let (mut said, mut bytes) = (String::new(), Vec::new());
    while !said.contains(wanted) {
        let mut chunk = [0; 512];
        let count = stderr.read(&mut chunk).unwrap();
        assert!(count > 0, "it ended, and said {said:?}");
        bytes.extend_from_slice(&chunk[..count]);
        said = String::from_utf8_lossy(&bytes).into_owned();
    }
    said
}

#[test]
fn what_others_wrote_cannot_steer_a_terminal() {
    let bench = Bench::new();
    let evil = "a\u{1b}[2J\u{202e}b\u{2066}c\u{200f}d\u{9b}e\u{7}";
    let clean = "a\u{fffd}[2J\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}";
    let run = |words: &[&str]| bench.run(words);
    assert_eq!(run(&["create", "refused", "--size", "1", "--description", evil]).status.code(), Some(64));
    // No server of today takes that; one of yesterday may have.
    let told = serde_json::to_string(evil).unwrap().trim_matches('"').to_owned();
    let reword = Fault::Reword("harmless", told);
    let fault = reword.clone();
    bench.server.faults(move |_| fault.clone());
    assert!(run(&["create", "evil", "--size", "1", "--description", "harmless"]).status.success());
    assert!(run(&["acquire", "--info", "harmless", "evil"]).status.success());
    let mut waiter = bench.start(&["run", "-v", "evil", "--", "true"]);
    let said = says(&mut waiter.0.stderr.take().unwrap(), clean);
    drop(waiter);
    let event = serde_json::json!({"kind": "held", "at": "2026-01-01T10:20:30Z", "lock": evil, "number": 5, "info": evil,
        "owner": evil, "reason": evil});
    let shown = [said, text(&run(&["status"]).stdout), text(&run(&["status", "evil"]).stdout)];
    bench.server.faults(move |request| {
        if request.path != "/v1/events" {
            return reword.clone();
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let stream = format!("{head}id: 1-2\nevent: held\ndata: {event}\n\n");
        let first = request.header("last-event-id") != Some("1-2");
        Fault::Instead(if first { Reply::Raw(stream) } else { refusal(ErrorCode::NotAllowed) })
    });
    let watched = text(&run(&["watch"]).stdout);
    for text in shown.iter().chain([&watched]) {
        assert!(text.contains(clean), "{text:?}");
        for raw in ['\u{1b}', '\u{202e}', '\u{2066}', '\u{200f}', '\u{9b}', '\u{7}'] {
            assert!(!text.contains(raw), "{raw:?} in {text:?}");
        }
    }
}

#[test]
fn says_what_it_waits_for() {
    let bench = Bench::new();
    let other = bench.server.occupy("a");
    let number = bench.server.lock("a").holders[0].number;
    let mut waiter = bench.start(&["run", "-v", "a", "--", "true"]);
    let mut stderr = waiter.0.stderr.take().unwrap();
    let mut said = says(&mut stderr, "somebody else");
    bench.server.vacate(&other);
    assert_eq!(waiter.code(), Some(0));
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("waiting for `a`: place 1"), "{said}");
    assert!(said.contains(&format!("held by #{number} somebody else")), "{said}");
    assert!(said.contains("acquired `"), "{said}");
}
