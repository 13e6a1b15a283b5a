//! The other commands.

use crate::bench::{Bench, text};
use faults::{Fault, Reply};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

fn said(bench: &Bench, words: &[&str]) -> String {
    let output = bench.run(words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn json(bench: &Bench, words: &[&str]) -> serde_json::Value {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    serde_json::from_str(&said(bench, &words)).unwrap()
}

#[test]
fn acquire_and_release_in_a_script() {
    let bench = Bench::new();
    let script = "eval \"$($LOCKCTL acquire -w 5 'a lock')\" && echo \"$LOCK_NAME $LOCK_SLOT\" \
        && $LOCKCTL verify \"$LOCK_NAME\" $LOCK_TOKEN && $LOCKCTL renew --ttl 90 && $LOCKCTL release";
    let output = bench.script(script);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    let number = |word: &str| -> u64 {
        let rest = out.split_once(word).unwrap_or_else(|| panic!("{word}: {out}")).1;
        rest.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{word}: {out}"))
    };
    let (token, ticket) = (number("\ntoken "), number("\nticket "));
    let expected = format!(
        "a lock 0\ntoken {token} of `a lock` is a holder's now\nticket {ticket} of `a lock`: held, lease waits\nreleased\n"
    );
    assert_eq!(out.replace("lease 1 min 30 s", "lease waits"), expected);
    assert_eq!(bench.server.living(), 0);
    let ticket = json(&bench, &["acquire", "b"]);
    assert_eq!((ticket["lock"].as_str(), ticket["token"].as_u64()), (Some("b"), Some(token + 1)));
    assert_eq!(json(&bench, &["release", "b", "--number", &ticket["number"].to_string()])["done"], true);
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn status_for_people_and_for_programs() {
    let bench = Bench::new();
    assert_eq!(said(&bench, &["status"]), "there is no lock\n");
    let ids = [bench.server.occupy("a"), bench.server.occupy("a")];
    said(&bench, &["pause", "b", "--reason", "later"]);
    let table = said(&bench, &["status"]);
    let lines: Vec<Vec<&str>> =
        table.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect()).collect();
    let headings = ["LOCK", "SIZE", "FREE", "HELD", "QUEUED", "WAITING FOR", "HELD FOR", "STATE", "HOLDERS"];
    assert_eq!(lines[0], headings, "what no lock has is left out: {table}");
    assert_eq!(lines[1][..5], ["a", "1", "0", "1", "1"]);
    assert!(lines[1][5].ends_with(" s") && lines[1][6].ends_with(" s"), "{table}");
    assert_eq!(lines[1][7..], [format!("#{} somebody else", bench.server.lock("a").holders[0].number)]);
    assert_eq!(lines[2], ["b", "1", "1", "0", "0", "paused by 127.0.0.1: later"]);
    let one = said(&bench, &["status", "a"]);
    for part in [
        "a  1 permit, 0 free, 1 held, 1 queued\n",
        "Holders\n",
        "NUMBER  SLOTS ",
        "TOKEN  HELD FOR  SINCE",
        " UTC ",
        "Queue\nPLACE",
        "WAITING FOR",
        "somebody else",
    ] {
        assert!(one.contains(part), "{part}: {one}");
    }
    assert!(!one.contains('\x1b') && !ids.iter().any(|id| one.contains(id)), "{one}");
    assert_eq!(json(&bench, &["status"])["locks"].as_array().unwrap().len(), 2);
    assert_eq!(json(&bench, &["status", "a"])["queued"], 1);
    let mut status = json(&bench, &["status", "--server-itself"]);
    assert_eq!(status["role"], "leader");
    assert!(said(&bench, &["status", "--server-itself"]).starts_with("lockserver "));
    // Who may not see the files is not told that there is none.
    assert!(said(&bench, &["status", "--server-itself"]).contains("\nconfiguration: no file, applied "));
    for (locks, shown) in [("*", "no file"), ("a", "its files are shown to administrators")] {
        let mut seen = status.clone();
        seen["you"] =
            serde_json::json!({"key": "ops", "from": "", "rights": ["admin"], "locks": [locks], "keys": true});
        bench.server.faults(move |_| Fault::Instead(Reply::json(200, &seen)));
        let told = said(&bench, &["status", "--server-itself"]);
        assert!(told.contains(&format!("\nconfiguration: {shown}, applied ")), "{told}");
    }
    // One that has been there for longer.
    (status["version"], status["uptime_s"]) = ("1.0.0".into(), 90_061.into());
    bench.server.faults(move |_| Fault::Instead(Reply::json(200, &status)));
    assert!(said(&bench, &["status", "--server-itself"]).starts_with("lockserver 1.0.0 serves, up 1 d 1 h"));
}

#[test]
fn who_leads() {
    let bench = Bench::new();
    let alone = json(&bench, &["status", "--server-itself"]);
    assert!(!said(&bench, &["status", "--server-itself"]).contains(" leads "), "nobody else could");
    let standby = |leader: serde_json::Value| {
        let mut status = alone.clone();
        (status["role"], status["leader"]) = ("standby".into(), leader);
        bench.server.faults(move |_| Fault::Instead(Reply::json(200, &status)));
        said(&bench, &["status", "--server-itself"])
    };
    let of = |url: serde_json::Value| serde_json::json!({"name": "locks2\u{1b}", "url": url, "since": "2026-05-04T03:02:01Z"});
    let told = standby(of("http://locks2:9090".into()));
    assert!(told.lines().next().unwrap().contains(", standby, "), "{told}");
    assert!(told.contains("\nlocks2\u{fffd} at http://locks2:9090 leads since 2026-05-04 03:02:01 UTC\n"), "{told}");
    assert!(standby(of(serde_json::Value::Null)).contains("\nlocks2\u{fffd} leads since 2026-05-04 03:02:01 UTC\n"));
    assert!(standby(serde_json::Value::Null).contains("\nno leader is known\n"));
}

#[test]
fn administrators() {
    let bench = Bench::new();
    let words = ["create", "n", "--slots", "x,y", "--max-hold-time", "5", "--lock-delay", "60"];
    assert!(said(&bench, &words).contains('n'));
    let put = bench.server.asked(|request| request.method == "PUT");
    let body: serde_json::Value = serde_json::from_str(&put.body).unwrap();
    assert_eq!(body["slots"], serde_json::json!(["x", "y"]));
    assert_eq!(body["max_hold_time_s"], 5);
    assert_eq!(put.header("if-none-match"), Some("*"));
    said(&bench, &["resize", "n", "5", "--force", "--expect-tickets", "2"]);
    let patch = bench.server.asked(|request| request.method == "PATCH");
    assert_eq!(patch.body, r#"{"size":5}"#);
    assert_eq!((patch.parameter("force"), patch.parameter("expect_tickets")), (Some("true"), Some("2")));
    said(&bench, &["pause", "n", "--reason", "disk", "--for", "60"]);
    let pause = bench.server.requests().pop().unwrap();
    assert_eq!(pause.body, r#"{"paused":true,"reason":"disk","until_s":60}"#);
    said(&bench, &["resume", "n"]);
    assert_eq!(bench.server.requests().pop().unwrap().body, r#"{"paused":false}"#);
    let _ = bench.server.occupy("n");
    let number = bench.server.lock("n").holders[0].number.to_string();
    said(&bench, &["revoke", "n", &number, "--reason", "gone"]);
    assert_eq!(bench.server.requests().pop().unwrap().parameter("reason"), Some("gone"));
    said(&bench, &["restore", "n", "--number", &number]);
    assert_eq!(bench.server.requests().pop().unwrap().parameter("number"), Some(number.as_str()));
    said(&bench, &["delete", "n"]);
}

#[test]
fn names_of_permits_are_not_lost_by_the_way() {
    let bench = Bench::new();
    said(&bench, &["create", "n", "--slots", "x,y"]);
    let refused = bench.run(&["resize", "n", "3"]);
    assert_eq!(refused.status.code(), Some(78));
    let words = text(&refused.stderr);
    for part in ["the permits of `n` have names", "--slots x,y", "--force drops them"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let patches =
        || bench.server.requests().into_iter().filter(|request| request.method == "PATCH").collect::<Vec<_>>();
    assert!(patches().is_empty(), "nothing was changed");
    said(&bench, &["resize", "n", "--slots", "x,y,z"]);
    assert_eq!(patches().pop().unwrap().body, r#"{"slots":["x","y","z"]}"#);
    said(&bench, &["resize", "n", "3", "--force"]);
    assert_eq!(patches().pop().unwrap().body, r#"{"size":3}"#);
    said(&bench, &["resize", "n", "4"]);
    assert_eq!(patches().len(), 3, "without names a number is enough");
    for words in [&["resize", "n"][..], &["resize", "n", "3", "--slots", "a,b,c"]] {
        assert_eq!(bench.run(words).status.code(), Some(64), "{words:?}");
    }
}

#[test]
fn a_reload_says_what_it_did() {
    let bench = Bench::new();
    assert_eq!(said(&bench, &["reload"]), "the configuration was read again and is in force\nno lock has changed\n");
    assert!(bench.server.requests().pop().unwrap().is("POST", "/v1/reload"));
    let answer =
        r#"{"created":["a","b-*"],"changed":["c"],"retired":["d\u202e"],"refused":[],"warnings":["PORT: restart"]}"#;
    bench.server.faults(move |_| Fault::Instead(Reply::Body(200, "application/json", answer.to_owned())));
    let output = bench.run(&["reload"]);
    assert_eq!(output.status.code(), Some(0));
    let expected = "the configuration was read again and is in force\nmade: a, b-*\nchanged: c\nretired: d\u{fffd}\n";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "lockctl: warning: PORT: restart\n");
    let told = json(&bench, &["reload"]);
    assert_eq!(told, serde_json::from_str::<serde_json::Value>(answer).unwrap());
    let answer = answer.replace(r#""refused":[]"#, r#""refused":["e: too many locks"]"#);
    bench.server.faults(move |_| Fault::Instead(Reply::Body(200, "application/json", answer.clone())));
    let output = bench.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("lockctl: not applied: e: too many locks\n"), "{}", text(&output.stderr));
}

#[test]
fn watch_follows() {
    let bench = Bench::new();
    let begin = bench.server.locks().as_of;
    bench.server.faults(move |request| {
        if request.path != "/v1/events" {
            return Fault::None;
        }
        let event = r#"{"kind":"held","at":"2026-01-01T10:20:30.5Z","lock":"a","number":5,"token":9,"waited_s":2}"#;
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let first = request.header("last-event-id") == Some(begin.as_str());
        let refusal = faults::refusal(lock_client::api::ErrorCode::NotAllowed);
        let stream = format!("{head}id: 1-2\nevent: held\ndata: {event}\n\nevent: reset\ndata: {{}}\n\n");
        Fault::Instead(if first { Reply::Raw(stream) } else { refusal })
    });
    let output = bench.run(&["watch", "a"]);
    assert_eq!(output.status.code(), Some(77), "the refusal after it ends it");
    let expected =
        "2026-01-01 10:20:30 UTC  held           a  #5  waited 2 s  token 9\n-- some events are missing here --\n";
    assert_eq!(text(&output.stdout), expected);
    let output = bench.run(&["watch", "--json", "a"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines[0]["kind"].as_str(), lines[1]["kind"].as_str()), (Some("held"), Some("reset")));
}

/// All commands, as `lockctl --help` lists them.
fn commands(bench: &Bench) -> Vec<String> {
    let help = said(bench, &["--help"]);
    let list = help.split("\nOptions:\n").next().and_then(|before| before.split_once("\n\nHold a lock:\n")).unwrap().1;
    let words = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = words.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    assert!(names.len() >= 17 && names.contains(&"man".to_owned()), "{names:?}");
    names
}

#[test]
fn a_manual_page_for_every_command() {
    let bench = Bench::new();
    said(&bench, &["man", "share/man/man1"]);
    let page = |name: &str| std::fs::read_to_string(bench.path("share/man/man1").join(name)).unwrap();
    let whole = page("lockctl.1");
    for command in commands(&bench).iter().filter(|name| *name != "help") {
        assert!(whole.contains(&format!("lockctl\\-{command}(1)")), "{command}");
        let one = page(&format!("lockctl-{command}.1"));
        let title = format!(".TH lockctl-{command} 1");
        assert!(one.contains(&title) && one.contains(".SH OPTIONS"), "{command}: {one}");
    }
    let run = page("lockctl-run.1");
    let synopsis = run.split(".SH").find(|part| part.starts_with(" SYNOPSIS")).unwrap();
    assert!(synopsis.contains(r"lockctl run [OPTIONS] <LOCK[=PERMITS]>... \-\- <COMMAND>..."), "{synopsis}");
    for part in [
        "conflict\\-exit\\-code",
        ".SH EXAMPLES",
        "lockctl run \\-w 5m san\\-ssh",
        ".SH ENVIRONMENT",
        "LOCK_SLOT_NAMES",
        ".SH FILES",
        "/etc/lockserver/client.conf",
        ".SH EXIT STATUS",
        ".SH SEE ALSO",
        "\\fBlockctl\\-release\\fR(1)",
    ] {
        assert!(run.contains(part), "{part}: {run}");
    }
    assert!(page("lockctl-check.1").contains("CRITICAL"));
    // What stands below the options in the help: the ranges of check, the settings of set. Statuses have their section.
    for (command, words) in [("check", "a range of the monitoring plugins"), ("set", "Settings: size, slots (names")] {
        let one = page(&format!("lockctl-{command}.1"));
        let description = one.split(".SH").find(|part| part.starts_with(" DESCRIPTION")).unwrap();
        assert!(description.contains(words), "{command}: {description}");
    }
    assert!(!page("lockctl-acquire.1").contains("Exit status: that of"), "twice");
    assert!(run.contains("connect\\-timeout"));
    for alone in ["man", "completions"] {
        let one = page(&format!("lockctl-{alone}.1"));
        let help = said(&bench, &[alone, "--help"]);
        for option in ["--server", "--cert", "--connect", "--json", "LOCK_"] {
            let has = |text: &str| text.replace("\\-", "-").contains(option);
            assert!(!has(&one) && !has(&help), "{alone} knows {option}: {one}\n{help}");
        }
        assert!(
            one.contains(&format!("lockctl {alone} <")) && help.contains(&format!("Usage: lockctl {alone} <")),
            "{one}"
        );
    }
    // A script may give them to every command all the same.
    said(&bench, &["man", "again", "--server", "http://127.0.0.1:1", "--json"]);
}

#[test]
fn completions_know_every_command() {
    let bench = Bench::new();
    let commands = commands(&bench);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = said(&bench, &["completions", shell]);
        for command in &commands {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
    // As bash does it when somebody types `lockctl re` and presses Tab.
    let script = "source <($LOCKCTL completions bash) && COMP_WORDS=(lockctl \"$1\" $2) && COMP_CWORD=$3 \
        && _lockctl lockctl \"${COMP_WORDS[$COMP_CWORD]}\" lockctl && echo \"${COMPREPLY[*]}\"";
    for (first, second, place, expected) in [
        ("re", "", "1", "renew release resize resume restore revoke reload"),
        ("run", "--kill", "2", "--kill-after"),
        ("status", "--server-i", "2", "--server-itself"),
        ("status", "--connect", "2", "--connect-timeout"),
        ("man", "--", "2", "--help --version"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script, "bash", first, second, place]).env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl"));
        let output = bash.output().unwrap();
        assert_eq!(text(&output.stdout), format!("{expected}\n"), "{}", text(&output.stderr));
    }
    // Names of locks come from the server.
    let _ids = ["a one", "b-two"].map(|name| bench.server.occupy(&name.replace(' ', "%20")));
    let script = "lockctl() { \"$LOCKCTL\" \"$@\"; }; source <(lockctl completions bash) && COMP_WORDS=(lockctl status \"$1\") \
        && COMP_CWORD=2 && _lockctl_with_locks lockctl \"$1\" status && printf '%s;' \"${COMPREPLY[@]}\"";
    for (typed, expected) in [("", "a one;b-two;"), ("b-", "b-two;")] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", script, "bash", typed]).env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl"));
        let output = bash.env("LOCK_SERVER", bench.server.url()).output().unwrap();
        assert!(text(&output.stdout).ends_with(expected), "{}{}", text(&output.stdout), text(&output.stderr));
    }
    assert!(said(&bench, &["completions", "zsh"]).contains(":_lockctl_locks' \\\n"));
    assert!(said(&bench, &["completions", "fish"]).contains("lockctl status --names"));
}

#[test]
fn the_key_comes_from_a_file_or_the_environment() {
    let bench = Bench::new();
    std::fs::write(bench.path("key"), "secret-1\n").unwrap();
    let everybody = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(bench.path("key"), everybody).unwrap();
    let refused = bench.run(&["status", "--key-file", "key"]);
    assert_eq!(refused.status.code(), Some(64), "{}", text(&refused.stderr));
    std::fs::set_permissions(bench.path("key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    said(&bench, &["status", "--key-file", "key"]);
    assert_eq!(bench.server.requests().pop().unwrap().header("authorization"), Some("Bearer secret-1"));
    assert!(bench.command(&["status"]).env("LOCK_KEY", "secret-2").output().unwrap().status.success());
    assert_eq!(bench.server.requests().pop().unwrap().header("authorization"), Some("Bearer secret-2"));
    assert_eq!(bench.run(&["status", "--key-file", "none"]).status.code(), Some(64));
}
