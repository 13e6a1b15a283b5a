//! A run that is ended by a signal leaves no process behind, and no directory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn nothing_of_a_run_is_left_when_it_is_terminated_or_killed() {
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
        let directory = children.iter().find_map(|pid| directory_of(*pid)).expect("one of them is etcd");
        let killed = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status();
        assert!(killed.expect("there is kill").success());
        run.wait().expect("it ends");
        until(&format!("its children end after SIG{signal}"), || {
            !children.iter().any(|child| Path::new(&format!("/proc/{child}")).exists())
        });
        if signal == "KILL" {
            // Nobody was there to do that.
            std::fs::remove_dir_all(&directory).expect("it can be removed");
        }
        assert!(!Path::new(&directory).exists(), "{directory} is left after SIG{signal}");
    }
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
