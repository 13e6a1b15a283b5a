//! The processes that are measured: started here, ended here, and what they cost.

use crate::fault::Fault;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start; one with a million tickets takes its time.
const START_TIME: Duration = Duration::from_secs(300);
/// How long it may take to stop before it is killed.
const STOP_TIME: Duration = Duration::from_secs(60);

/// A running server; dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts it. What it says on standard error is in that file. It ends with this program, however that ends.
    pub(crate) fn start(command: &Command, log: &Path) -> Result<Self, Fault> {
        Self::spawn(command, log, false)
    }

    /// Starts it and reads the first line that it prints.
    pub(crate) fn start_and_read(command: &Command, log: &Path) -> Result<(Self, String), Fault> {
        let mut process = Self::spawn(command, log, true)?;
        let out = process.child.stdout.take().ok_or("no standard output")?;
        // A silent process is ended with `process`, and with it the thread.
        let (say, hear) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(out).read_line(&mut line);
            let _ = say.send(read.map(|_| line));
        });
        let line =
            hear.recv_timeout(START_TIME).map_err(|_| format!("{command:?} did not start in {START_TIME:?}"))??;
        if line.is_empty() {
            return Err(format!("{command:?} did not start: {}", fs::read_to_string(log)?).into());
        }
        Ok((process, line.trim().to_owned()))
    }

    fn spawn(command: &Command, log: &Path, read: bool) -> Result<Self, Fault> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                bound.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            bound.current_dir(directory);
        }
        let out = if read { Stdio::piped() } else { log.try_clone()?.into() };
        let child = bound.stdin(Stdio::null()).stdout(out).stderr(log).spawn()?;
        Ok(Self { child })
    }

    /// Waits until something listens there.
    pub(crate) fn wait_for(&mut self, at: SocketAddr, log: &Path) -> Result<(), Fault> {
        let end = Instant::now() + START_TIME;
        while std::net::TcpStream::connect(at).is_err() {
            if !self.runs() || Instant::now() > end {
                return Err(format!("it does not listen: {}", fs::read_to_string(log)?).into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end in order.
    pub(crate) fn ask_to_end(&self) -> std::io::Result<ExitStatus> {
        Command::new("kill").arg(self.pid().to_string()).stderr(Stdio::null()).status()
    }

    /// Seconds of processor time that it and its children have used.
    pub(crate) fn cpu_s(&self) -> f64 {
        cpu_s(self.pid())
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) * 1024.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let asked = self.ask_to_end();
        let end = Instant::now() + STOP_TIME;
        while asked.is_ok() && Instant::now() < end && self.runs() {
            thread::sleep(Duration::from_millis(10));
        }
        self.kill();
    }
}

fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // User and system time, its own and of those of its children that have ended (proc(5)).
    let ticks: f64 = (11..15).filter_map(|at| fields.get(at)?.parse::<f64>().ok()).sum();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    ticks / 100.0 + children.split_whitespace().filter_map(|one| one.parse().ok()).map(cpu_s).sum::<f64>()
}

/// A port that nobody has now, for servers that cannot choose one themselves.
pub(crate) fn free_port() -> Result<u16, Fault> {
    Ok(free_ports(1)?[0])
}

/// So many of them, no two the same.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>, Fault> {
    let listeners = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
    Ok(listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<std::io::Result<_>>()?)
}
