//! The processes of a run: members of etcd, and servers. They keep their addresses over their processes.

mod etcd;
mod link;
mod server;

pub(crate) use etcd::Member;
pub(crate) use link::{Cut, Link};
pub(crate) use server::{Server, Standing};

use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// How long etcd or a server may take until it serves, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Their addresses are behind those of etcd's members and of the servers.
const LINKS: usize = 20;

/// All processes of a run. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) members: Vec<Member>,
    pub(crate) servers: Vec<Server>,
    /// Of each server those to the members.
    pub(crate) links: Vec<Vec<Link>>,
    directory: tempfile::TempDir,
}

impl World {
    /// Starts that many members of etcd, and two servers over them with this configuration.
    pub(crate) async fn start(members: usize, sections: &str, lease_s: u64) -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let members: Vec<Member> =
            (0..members).map(|number| Member::new(directory.path(), number)).collect::<Result<_, _>>()?;
        let (mut links, mut servers) = (Vec::new(), Vec::new());
        for number in 0..2 {
            let mut own = Vec::new();
            for member in &members {
                own.push(Link::open(LINKS + number, member.client).await?);
            }
            let store = format!("etcd:{}", own.iter().map(Link::url).collect::<Vec<_>>().join(","));
            servers.push(Server::new(directory.path(), number, &store, sections, lease_s)?);
            links.push(own);
        }
        let mut world = Self { members, servers, links, directory };
        match world.heal().await {
            Ok(()) => Ok(world),
            Err(error) => Err(io::Error::other(format!("{error}; all logs are in {}", world.keep().display()))),
        }
    }

    /// Starts this member's process.
    pub(crate) fn start_member(&mut self, number: usize) -> io::Result<()> {
        let cluster = self.members.iter().map(Member::in_cluster).collect::<Vec<_>>().join(",");
        self.members[number].start(&cluster)
    }

    /// Starts whatever does not run, and waits until one server leads and the other one knows it.
    pub(crate) async fn heal(&mut self) -> io::Result<()> {
        self.links.iter().flatten().for_each(|link| link.cut(Cut::Nothing));
        for number in 0..self.members.len() {
            self.members[number].process.signal(Signal::CONT);
            if !self.members[number].process.runs() {
                self.start_member(number)?;
            }
        }
        for member in &self.members {
            until("etcd is healthy", || member.is_healthy()).await?;
        }
        for server in &mut self.servers {
            server.process.signal(Signal::CONT);
            if !server.process.runs() {
                server.start()?;
            }
        }
        self.wait_until_well().await
    }

    async fn wait_until_well(&self) -> io::Result<()> {
        until("one server leads and the other one stands by", || async {
            let (first, second) = (self.servers[0].standing().await, self.servers[1].standing().await);
            matches!((first, second), (Standing::Leads, Standing::StandsBy) | (Standing::StandsBy, Standing::Leads))
        })
        .await
    }

    /// Which server leads.
    pub(crate) async fn leader(&self) -> Option<usize> {
        for (number, server) in self.servers.iter().enumerate() {
            if server.standing().await == Standing::Leads {
                return Some(number);
            }
        }
        None
    }

    /// Keeps what the processes have written, and says where.
    pub(crate) fn keep(mut self) -> std::path::PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }
}

/// Asks again and again, until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) -> io::Result<()> {
    let begun = Instant::now();
    while !is().await {
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("not within {} s: {what}", PATIENCE.as_secs())));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A process that is started again and again.
#[derive(Debug, Default)]
pub(crate) struct Process(Option<Child>);

impl Process {
    /// Starts it; what it writes is added to this file.
    fn start(&mut self, command: &mut Command, log: &Path) -> io::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        self.0 = Some(command.spawn()?);
        Ok(())
    }

    /// Whether it runs, or stands still.
    pub(crate) fn runs(&mut self) -> bool {
        self.0.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Sends it a signal, if it runs.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.runs()
            && let Some(pid) =
                self.0.as_ref().and_then(Child::id).and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        {
            kill_process(pid, signal).expect("a child that was not waited for takes signals");
        }
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().await.expect("a child can be killed");
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> io::Result<()> {
        let Some(child) = &mut self.0 else { return Ok(()) };
        let ended = tokio::time::timeout(PATIENCE, child.wait()).await;
        let status = ended.map_err(|_| io::Error::other("it does not end on SIGTERM"))??;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
    }
}

/// A loopback address that no other run on this machine is likely to use, so that a port stays ours while nobody listens.
fn own_address(number: usize) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 130 + u8::try_from(number).expect("a few processes"), high, low.max(1))
}

fn free_port(address: Ipv4Addr) -> io::Result<SocketAddr> {
    TcpListener::bind((address, 0))?.local_addr()
}

/// A program: named by this variable, or at one of these paths, or on the PATH.
fn program(variable: &str, paths: &[&str], name: &str) -> std::path::PathBuf {
    if let Some(named) = std::env::var_os(variable) {
        return named.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Beside this program, which cargo may have put elsewhere than into the project.
    let own = std::env::current_exe().expect("this program is a file");
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    let found = beside.chain(paths.iter().map(|path| root.join(path))).find(|path| path.is_file());
    found.unwrap_or_else(|| name.into())
}
