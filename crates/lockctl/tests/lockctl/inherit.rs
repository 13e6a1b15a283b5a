//! `run --inherit`: what a run around this one holds is not asked for again, if that is true.

use crate::bench::{Bench, Running, is_alive, text};
use faults::{Fault, Reply, refusal, until};
use lock_client::api::ErrorCode;
use rustix::process::getpgid;
use std::process::Output;

/// Tickets that were asked for.
fn asked(bench: &Bench) -> usize {
    bench
        .server
        .requests()
        .iter()
        .filter(|request| request.method == "POST" && request.path.ends_with("/tickets"))
        .count()
}

/// Runs it to its end, with these variables.
fn run_with(bench: &Bench, words: &[&str], variables: &[(&str, &str)]) -> Output {
    bench.command(words).envs(variables.iter().copied()).output().unwrap()
}

fn token(bench: &Bench, lock: &str) -> String {
    bench.server.lock(lock).holders[0].token.unwrap().to_string()
}

#[test]
fn a_run_inside_of_a_run_is_a_part_of_it() {
    let bench = Bench::new();
    let script = "echo $$ > outer; exec \"$LOCKCTL\" run -n -v --inherit a -- sh -c \
        'echo $$ > inner; echo \"$LOCK_NAME $LOCK_TOKEN $LOCK_SLOT [$LOCK_TICKET]\"; exec sleep 1000'";
    let mut running = bench.start(&["run", "--kill-after", "0", "--export-ticket", "a", "--", "sh", "-c", script]);
    let inner = bench.pid("inner");
    assert_eq!(bench.pid("outer"), inner, "it has become the command");
    assert_eq!(getpgid(Some(inner)), Ok(inner), "in the group of the outer run");
    assert_eq!((asked(&bench), bench.server.living()), (1, 1));
    let token = token(&bench, "a");
    bench.server.revoke_all("a");
    assert_eq!(running.code(), Some(76));
    until("the inner command is gone", || (!is_alive(inner)).then_some(()));
    let output = crate::bench::output_of(&mut running);
    assert_eq!(output.0, format!("a {token} 0 []\n"));
    assert!(output.1.starts_with("lockctl: an outer run holds it"), "{}", output.1);
}

#[test]
fn its_status_and_its_failures_are_those_of_the_command() {
    let bench = Bench::new();
    for (inner, code) in
        [("sh -c 'exit 17'", 17), ("sh -c 'kill -TERM $$'", 143), ("/no/such", 127), ("/etc/passwd", 126)]
    {
        let script = format!("\"$LOCKCTL\" run -n --inherit a -- {inner}");
        assert_eq!(bench.run(&["run", "a", "--", "sh", "-c", &script]).status.code(), Some(code), "{inner}");
    }
}

#[test]
fn without_the_option_or_with_another_lock_a_ticket_is_taken() {
    let bench = Bench::new();
    for (options, variable, code) in
        [("", "", 75), ("", "1", 0), ("", "0", 75), ("--inherit", "0", 0), ("--inherit", "", 0)]
    {
        let script = format!("\"$LOCKCTL\" run -n {options} a -- true");
        let output = run_with(&bench, &["run", "a", "--", "sh", "-c", &script], &[("LOCK_INHERIT", variable)]);
        // The outer one has nothing to inherit.
        assert_eq!(output.status.code(), Some(code), "{options} {variable}: {}", text(&output.stderr));
    }
    let before = asked(&bench);
    let script = "\"$LOCKCTL\" run -n --inherit b -- sh -c 'echo $LOCK_NAME'";
    let output = bench.run(&["run", "a", "--", "sh", "-c", script]);
    assert_eq!((text(&output.stdout).as_str(), asked(&bench) - before), ("b\n", 2));
}

#[test]
fn a_hold_that_is_over_is_not_inherited() {
    let bench = Bench::new();
    let id = bench.server.occupy("a");
    let old = token(&bench, "a");
    bench.server.vacate(&id);
    let url = bench.server.url();
    let variables = [("LOCK_NAME", "a"), ("LOCK_TOKEN", old.as_str()), ("LOCK_SERVER", url.as_str())];
    let words = ["run", "-n", "-v", "--inherit", "a", "--", "sh", "-c", "echo $LOCK_TOKEN"];
    let output = run_with(&bench, &words, &variables);
    assert_ne!(text(&output.stdout).trim(), old);
    assert!(text(&output.stderr).contains("the outer hold of `a` in the environment is over"));
    assert_eq!(asked(&bench), 1);
    // The next holder is not passed.
    let _other = bench.server.occupy("a");
    assert_eq!(run_with(&bench, &words, &variables).status.code(), Some(75));
}

#[test]
fn a_hold_on_another_server_says_nothing() {
    let (here, there) = (Bench::new(), Bench::new());
    let _id = here.server.occupy("a");
    // A number that happens to be a holder's here.
    let (token, url) = (token(&here, "a"), there.server.url());
    let variables = [("LOCK_NAME", "a"), ("LOCK_TOKEN", token.as_str()), ("LOCK_SERVER", url.as_str())];
    let at_here = ["run", "-n", "--inherit", "--server", &here.server.url(), "a", "--", "true"];
    assert_eq!(run_with(&there, &at_here, &variables).status.code(), Some(75));
    let of_here = [variables[0], variables[1], ("LOCK_SERVER", at_here[4])];
    assert_eq!(run_with(&there, &at_here, &of_here).status.code(), Some(0), "or this shows nothing");
}

#[test]
fn a_hold_of_fewer_permits_is_not_enough() {
    let bench = Bench::new();
    assert!(bench.run(&["create", "n", "--size", "3"]).status.success());
    for (outer, inner, tickets) in [("n", "n=2", 2), ("n=2", "n", 1), ("n=2", "n=2", 1), ("n=all", "n=3", 1)] {
        let before = asked(&bench);
        let script = format!("\"$LOCKCTL\" run -n --inherit {inner} -- true");
        let output = bench.run(&["run", outer, "--", "sh", "-c", &script]);
        assert!(output.status.success(), "{outer} {inner}: {}", text(&output.stderr));
        assert_eq!(asked(&bench) - before, tickets, "{outer} {inner}");
    }
    let script = "\"$LOCKCTL\" run -n --inherit n=all -- true";
    assert_eq!(bench.run(&["run", "n", "--", "sh", "-c", script]).status.code(), Some(75));
}

#[test]
fn a_run_between_passes_it_on() {
    let bench = Bench::new();
    let inner = "\"$LOCKCTL\" run -n --inherit a -- sh -c 'echo \"$LOCK_NAME $LOCK_TOKEN\"'";
    let between = format!("echo $LOCK_TOKEN; \"$LOCKCTL\" run b -- sh -c '{}'", inner.replace('\'', r"'\''"));
    let output = bench.run(&["run", "a", "--", "sh", "-c", &between]);
    let said = text(&output.stdout);
    let (token, told) = said.split_once('\n').unwrap();
    assert_eq!(told, format!("a {token}\n"), "{}", text(&output.stderr));
    assert_eq!(asked(&bench), 2);
}

#[test]
fn only_what_is_missing_is_taken() {
    let bench = Bench::new();
    let inner =
        "\"$LOCKCTL\" run -n --inherit b a --export-ticket -- sh -c 'echo \"$LOCK_NAME $LOCK_TOKEN $LOCK_TICKET\"'";
    let output = bench.run(&["run", "a", "--", "sh", "-c", &format!("echo $LOCK_TOKEN; {inner}")]);
    let said = text(&output.stdout);
    let (token, told) = said.split_once('\n').unwrap();
    let words: Vec<&str> = told.split_whitespace().collect();
    assert_eq!(words[0], "b;a", "{}", text(&output.stderr));
    assert!(words[1].ends_with(&format!(";{token}")), "{told}");
    assert_eq!(words[2].len(), 36, "the one ticket of the inner run, and not that of the outer one: {told}");
    assert_eq!((asked(&bench), bench.server.living()), (2, 0));
}

#[test]
fn where_nobody_can_say_whether_it_is_live_nothing_runs() {
    let bench = Bench::new();
    let url = bench.server.url();
    let variables = [("LOCK_NAME", "a"), ("LOCK_TOKEN", "5"), ("LOCK_SERVER", url.as_str())];
    let words = ["run", "-n", "--inherit", "a", "--", "sh", "-c", "echo ran"];
    bench.server.faults(|request| match request.path.ends_with("/verify") {
        true => Fault::Instead(Reply::Silence),
        false => Fault::None,
    });
    let output = run_with(&bench, &words, &variables);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(69), ""));
    // A key that may not ask takes a ticket as always.
    bench.server.faults(|request| match request.path.ends_with("/verify") {
        true => Fault::Instead(refusal(ErrorCode::NotAllowed)),
        false => Fault::None,
    });
    let mut running = Running(bench.command(&words).envs(variables).spawn().unwrap());
    assert_eq!(running.code(), Some(0));
    assert_eq!(asked(&bench), 1);
}
