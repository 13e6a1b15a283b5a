//! A run that is ended by a signal leaves no process behind, no network and no directory.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// Network interfaces that every run has, out of the machine's sight.
const OURS: [&str; 2] = ["bridge", "host0"];

#[test]
fn nothing_of_a_run_is_left_when_it_is_terminated_or_killed() {
    let before = interfaces();
    for signal in ["TERM", "INT", "KILL"] {
        let mut run = Command::new(env!("CARGO_BIN_EXE_history"))
            .args(["--members", "1", "--clients", "1", "--minutes", "5"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program of this package runs");
        let pid = run.id();
        until("etcd and both servers run", || children(pid).len() == 3);
        let children = children(pid);
        // A child has not always come to its own program, by way of that which moves it.
        let networks = || children.iter().filter_map(|pid| network_of(*pid)).collect::<BTreeSet<_>>();
        let own = network_of(pid).expect("it runs");
        if can_make_networks() {
            until("each process has a network of its own", || networks().len() == 3 && !networks().contains(&own));
        } else {
            assert_eq!(networks(), BTreeSet::from([own.clone()]));
        }
        let networks = networks();
        assert!(
            interfaces().iter().all(|name| !OURS.contains(&name.as_str()) || before.contains(name)),
            "they are hidden"
        );
        let directory = children.iter().find_map(|pid| directory_of(*pid)).expect("one of them is etcd");
        let killed = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(killed.expect("there is kill").success());
        run.wait().expect("it ends");
        until(&format!("its children end after SIG{signal}"), || {
            !children.iter().any(|child| Path::new(&format!("/proc/{child}")).exists())
        });
        // A network without a process is gone unless it is mounted somewhere.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("there is /proc");
        assert!(!networks.iter().any(|network| mounts.contains(network)), "a network is left after SIG{signal}");
        if signal == "KILL" {
            // Nobody was there to do that.
            std::fs::remove_dir_all(&directory).expect("it can be removed");
        }
        assert!(!Path::new(&directory).exists(), "{directory} is left after SIG{signal}");
    }
}

/// Whether this user can make network namespaces and what is between them.
fn can_make_networks() -> bool {
    let made =
        Command::new("unshare").args(["--net", "ip", "link", "add", "name", "bridge", "type", "bridge"]).output();
    made.expect("there is unshare").status.success()
}

/// The name of its network namespace, as in `net:[4026531840]`.
fn network_of(process: u32) -> Option<String> {
    std::fs::read_link(format!("/proc/{process}/ns/net")).ok()?.to_str().map(str::to_owned)
}

/// Names of the machine's own network interfaces.
fn interfaces() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/self/net/dev").expect("there is /proc");
    table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn children(of: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("there is /proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| parent(*pid) == Some(of)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces in it, and ends with the last bracket.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The directory of the run, in which etcd was told to keep its data.
fn directory_of(process: u32) -> Option<String> {
    let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
    let data = arguments.split('\0').skip_while(|argument| *argument != "--data-dir").nth(1)?;
    Some(Path::new(data).ancestors().nth(2)?.to_str()?.to_owned())
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
