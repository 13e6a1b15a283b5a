//! On a terminal: a shell with job control on a pty, and `lockctl` as one of its jobs.

use crate::bench::{Bench, group_is_gone};
use faults::until;
use rustix::process::{Pid, ioctl_tiocsctty, setsid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

/// An interactive shell on a terminal of its own.
struct Shell {
    terminal: File,
    process: Child,
    shown: Arc<Mutex<String>>,
}

impl Shell {
    fn start(bench: &Bench) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut command = Command::new("bash");
        command
            .args(["--norc", "--noprofile", "-i"])
            .current_dir(bench.path(""))
            .stdin(open())
            .stdout(open())
            .stderr(open());
        command.env("LOCK_SERVER", bench.server.url()).env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl")).env("PS1", "$ ");
        command.env_remove("PROMPT_COMMAND").env("HISTFILE", "");
        let session = || {
            setsid()?;
            ioctl_tiocsctty(std::io::stdin().as_fd())?;
            Ok(())
        };
        // SAFETY: two system calls, nothing that allocates or takes a lock.
        #[expect(unsafe_code, reason = "a session of its own needs code between fork and exec")]
        unsafe {
            command.pre_exec(session);
        }
        let process = command.spawn().unwrap();
        let mut reader = File::from(master.try_clone().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        });
        Self { terminal: File::from(master), process, shown }
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the terminal shows this, and forgets what it showed until then.
    fn shows(&self, text: &str) {
        until(&format!("{text:?} on the terminal"), || {
            let mut shown = self.shown.lock().unwrap();
            let end = shown.find(text)? + text.len();
            shown.drain(..end);
            Some(())
        });
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn foreground(bench: &Bench, name: &str) -> (Pid, i32) {
    let pid = bench.pid(name);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (pid, fields[5].parse().unwrap())
}

/// Waits until this process has become `sleep`. A shell that is just starting a program may forget the INT of a Ctrl-C (dash
/// does): then the shell and the program run on, with and without lockctl.
fn sleeps(pid: Pid) {
    let name = format!("/proc/{}/comm", pid.as_raw_nonzero());
    until("the command sleeps", || (std::fs::read_to_string(&name).ok()? == "sleep\n").then_some(()));
}

#[test]
fn the_command_has_the_terminal_and_the_keys() {
    let bench = Bench::new();
    let mut shell = Shell::start(&bench);
    shell.types("$LOCKCTL run a -- sh -c 'echo $$ > parent; read line; echo \"got:$line\"; exec sleep 1000'\n");
    let (pid, group) = foreground(&bench, "parent");
    assert_eq!(group, pid.as_raw_nonzero().get(), "the command's group is in the foreground");
    shell.types("words\n");
    shell.shows("got:words");
    sleeps(pid);
    shell.types("\x03");
    // Typed ahead: the shell gets it, though it has the terminal only later.
    shell.types("echo \"status $? end\"\n");
    shell.shows("status 130 end");
    assert!(group_is_gone(pid));
    assert_eq!(bench.server.living(), 0);
}

#[test]
fn a_terminal_without_a_width() {
    let bench = Bench::new();
    let other = bench.server.occupy("a");
    let number = bench.server.lock("a").holders[0].number;
    let mut shell = Shell::start(&bench);
    let size = rustix::termios::tcgetwinsize(&shell.terminal).unwrap();
    assert_eq!(size.ws_col, 0, "as serial lines and some containers have it");
    shell.types("$LOCKCTL run -v a -- true\n");
    shell.shows("waiting for `a`: place 1");
    shell.shows(&format!("held by #{number} somebody else"));
    bench.server.vacate(&other);
    shell.shows("acquired `");
}

#[test]
fn stopped_and_continued_by_the_shell() {
    let bench = Bench::new();
    let mut shell = Shell::start(&bench);
    shell.types("$LOCKCTL run a -- sh -c 'echo $$ > parent; read line; echo \"got:$line\"'\n");
    let (pid, _) = foreground(&bench, "parent");
    shell.types("\x1a");
    shell.shows("Stopped");
    // The shell has the terminal again.
    shell.types("echo \"shell $((1+1)) here\"\n");
    shell.shows("shell 2 here");
    shell.types("fg\n");
    until("the command has it again", || {
        let (_, group) = foreground(&bench, "parent");
        (group == pid.as_raw_nonzero().get()).then_some(())
    });
    shell.types("words\n");
    shell.shows("got:words");
    shell.types("echo \"status $? end\"\n");
    shell.shows("status 0 end");
}

#[test]
fn in_the_background_and_in_a_pipeline() {
    let bench = Bench::new();
    let mut shell = Shell::start(&bench);
    shell.types("$LOCKCTL run a -- sh -c 'echo $$ > parent; read line; echo \"got:$line\" > got' &\n");
    let (pid, group) = foreground(&bench, "parent");
    assert_ne!(group, pid.as_raw_nonzero().get(), "it does not take the terminal from the shell");
    until("it asks for the terminal", || {
        shell.types("jobs\n");
        let shown = shell.shown.lock().unwrap().clone();
        std::thread::sleep(std::time::Duration::from_millis(100));
        shown.contains("Stopped").then_some(())
    });
    shell.types("fg\n");
    shell.types("words\n");
    assert_eq!(bench.file("got"), "got:words\n");
    // Ctrl-C in a pipeline, where the command does not have the terminal.
    shell.types("$LOCKCTL run b -- sh -c 'echo $$ > second; exec sleep 1000' | cat\n");
    let second = bench.pid("second");
    sleeps(second);
    shell.types("\x03");
    until("the command has ended", || group_is_gone(second).then_some(()));
    shell.types("echo \"alive $((2+2)) end\"\n");
    shell.shows("alive 4 end");
    until("both are released", || (bench.server.living() == 0).then_some(()));
}
