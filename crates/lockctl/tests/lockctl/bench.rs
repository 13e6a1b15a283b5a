//! A place to run `lockctl` in: a directory, an environment without surprises, a server.

use faults::{Faulty, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process, test_kill_process_group};
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// A server and a directory.
pub(crate) struct Bench {
    pub(crate) server: Faulty,
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { server: Faulty::start(), folder: tempfile::tempdir().unwrap() }
    }

    /// A file in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `lockctl` with these words, in the directory.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lockctl"));
        command.args(words).current_dir(self.folder.path()).stdin(Stdio::null());
        let names = ["LOCK_KEY", "LOCK_KEY_FILE", "LOCK_TICKET", "NO_COLOR", "LOCK_NAME", "LOCK_TOKEN", "LOCK_INHERIT"];
        for name in names {
            command.env_remove(name);
        }
        // Neither the settings nor the time zone of the user of the tests.
        command.env("HOME", self.folder.path()).env_remove("XDG_CONFIG_HOME").env("TZ", "UTC0");
        command.env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl"));
        command.env("LOCK_SERVER", self.server.url());
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a script of `sh`, in which `$LOCKCTL` is it, to its end.
    pub(crate) fn script(&self, text: &str) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", text]).env("LOCKCTL", env!("CARGO_BIN_EXE_lockctl")).env("LOCK_SERVER", self.server.url());
        command.output().unwrap()
    }

    /// Starts it.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Waits until the file is there and ends in a line; its text.
    pub(crate) fn file(&self, name: &str) -> String {
        until(name, || fs::read_to_string(self.path(name)).ok().filter(|text| text.ends_with('\n')))
    }

    /// Waits for a pid in a file.
    pub(crate) fn pid(&self, name: &str) -> Pid {
        Pid::from_raw(self.file(name).trim().parse().unwrap()).unwrap()
    }
}

/// A process that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its exit status, when it has ended.
    pub(crate) fn code(&mut self) -> Option<i32> {
        until("the end of lockctl", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Whether nothing of the group runs. Zombies, which nobody may be there to bury, do not count.
pub(crate) fn group_is_gone(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return true;
    }
    let members = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let text = fs::read_to_string(entry.path().join("stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        (fields.get(2)?.parse() == Ok(group.as_raw_nonzero().get())).then(|| fields[0].to_owned())
    });
    members.collect::<Vec<_>>().iter().all(|state| state == "Z")
}

/// Whether this process runs.
pub(crate) fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
        && fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
            .is_ok_and(|text| !text.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a process that has ended wrote to its pipes.
pub(crate) fn output_of(running: &mut Running) -> (String, String) {
    let mut told = (String::new(), String::new());
    running.0.stdout.take().unwrap().read_to_string(&mut told.0).unwrap();
    running.0.stderr.take().unwrap().read_to_string(&mut told.1).unwrap();
    told
}
