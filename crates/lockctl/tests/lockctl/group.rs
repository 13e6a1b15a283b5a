//! The command's group: signals reach it, and it ends with us.

use crate::bench::{Bench, group_is_gone, is_alive};
use faults::until;
use rustix::process::{Pid, Signal, getpgid, kill_process_group};

#[test]
fn signals_go_to_the_whole_group() {
    let signals = [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ];
    for (signal, name) in signals {
        let bench = Bench::new();
        // The grandchild hears it as well.
        let child = format!("trap 'echo child >> heard; exit 0' {name}; echo $$ > child; while :; do sleep 0.05; done");
        // In a pipeline, for a shell has what it starts in the background ignore INT and QUIT.
        let script = format!("trap 'echo parent >> heard; exit 9' {name}; echo $$ > parent; sh -c \"$CHILD\" | cat");
        let mut command = bench.command(&["run", "a", "--", "sh", "-c", &script]);
        command.env("CHILD", child);
        let mut running = crate::bench::Running(command.spawn().unwrap());
        let group = bench.pid("parent");
        assert_eq!(getpgid(Some(group)), Ok(group), "a group of its own");
        assert_eq!(getpgid(Some(bench.pid("child"))), Ok(group));
        running.signal(signal);
        assert_eq!(running.code(), Some(9), "{name}");
        until("both have heard it", || {
            let mut heard: Vec<String> = bench.file("heard").lines().map(str::to_owned).collect();
            heard.sort();
            (heard == ["child", "parent"]).then_some(())
        });
        assert_eq!(bench.server.living(), 0);
    }
}

#[test]
fn a_signal_while_waiting_gives_up_the_place() {
    let bench = Bench::new();
    let _other = bench.server.occupy("b");
    let mut running = bench.start(&["run", "a", "b", "--", "true"]);
    until("it waits for both", || (bench.server.living() == 3).then_some(()));
    running.signal(Signal::TERM);
    assert_eq!(running.code(), Some(143));
    assert_eq!(bench.server.living(), 1);
}

#[test]
fn killed_itself_it_takes_the_group_with_it() {
    let bench = Bench::new();
    let script = "trap '' HUP; (trap '' TERM; echo $$ > parent; sleep 1000) & sleep 1000";
    let mut running = bench.start(&["run", "--kill-after", "0.5", "--ttl", "10", "a", "--", "sh", "-c", script]);
    let group = bench.pid("parent");
    assert!(is_alive(group));
    running.signal(Signal::KILL);
    assert_eq!(running.code(), None);
    until("nothing of the group runs", || group_is_gone(group).then_some(()));
}

#[test]
fn stopped_itself_it_is_replaced_by_the_guard() {
    let bench = Bench::new();
    let running =
        bench.start(&["run", "--kill-after", "0", "--ttl", "3", "a", "--", "sh", "-c", "echo $$ > parent; sleep 1000"]);
    let group = bench.pid("parent");
    running.signal(Signal::STOP);
    until("nothing of the group runs", || group_is_gone(group).then_some(()));
    running.signal(Signal::CONT);
}

#[test]
fn stopped_by_its_command_at_once_it_is_replaced_by_the_guard() {
    let bench = Bench::new();
    // lockctl has had no time to say anything about the command that does this.
    let script = "kill -STOP $PPID; echo $$ > parent; sleep 1000";
    let running = bench.start(&["run", "--kill-after", "0", "--ttl", "3", "a", "--", "sh", "-c", script]);
    let group = bench.pid("parent");
    until("nothing of the group runs", || group_is_gone(group).then_some(()));
    running.signal(Signal::CONT);
}

#[test]
fn stop_and_continue_are_passed_on() {
    let bench = Bench::new();
    let mut running = bench.start(&["run", "a", "--", "sh", "-c", "echo $$ > parent; sleep 1000 & wait"]);
    let group = bench.pid("parent");
    let state = |pid: Pid| {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
        text.rsplit_once(')').unwrap().1.trim_start().chars().next()
    };
    kill_process_group(group, Signal::STOP).unwrap();
    until("it is stopped", || (state(group) == Some('T')).then_some(()));
    assert_ne!(state(running.pid()), Some('T'), "without a terminal we go on and renew");
    running.signal(Signal::CONT);
    until("it goes on", || (state(group) == Some('S')).then_some(()));
    running.signal(Signal::TERM);
    assert_eq!(running.code(), Some(143));
}
