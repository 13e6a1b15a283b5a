//! etcd: members, and what may be asked of them beside keys and values.

use super::disk::SmallDisk;
use super::{Cut, Host, Network, Process, program, until};
use crate::http::{Outcome, call};
use hyper::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a member that works hard may take for an answer.
const BUSY: Duration = Duration::from_secs(10);

/// All members.
#[derive(Debug)]
pub(crate) struct Etcd {
    pub(crate) members: Vec<Member>,
    pub(super) network: Network,
    /// That of the first member, if it has one of its own.
    disk: Option<SmallDisk>,
}

#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    host: Host,
    client: SocketAddr,
    peer: SocketAddr,
    home: PathBuf,
    pub(crate) process: Process,
}

impl Etcd {
    /// `small_disk`: the first member is to keep its data on a disk that can be full.
    pub(crate) fn new(network: &Network, directory: &Path, members: usize, small_disk: bool) -> io::Result<Self> {
        let member = |number| Member::new(network.host()?, directory, number);
        let members: Vec<Member> = (0..members).map(member).collect::<Result<_, _>>()?;
        let disk = small_disk.then(|| SmallDisk::mount(&members[0].home)).transpose()?;
        Ok(Self { members, network: network.clone(), disk })
    }

    /// Whether the disk of a member can be full.
    pub(crate) fn has_small_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Whether packets between its members can be dropped.
    pub(crate) fn has_packets(&self) -> bool {
        self.members.len() > 1 && self.network.has_packets()
    }

    /// Whether what a member sends can be late.
    pub(crate) fn has_slowness(&self) -> bool {
        self.network.has_slowness()
    }

    /// Drops packets between this member and the others: requests are what it sends, and answers what it is sent. Servers
    /// reach it, and it them.
    pub(crate) fn cut_off(&mut self, member: usize, what: Cut) -> io::Result<()> {
        let own = self.members[member].host.address();
        for other in (0..self.members.len()).filter(|other| *other != member) {
            if matches!(what, Cut::Requests | Cut::Everything) {
                self.members[other].host.stop_hearing(own)?;
            }
            if matches!(what, Cut::Answers | Cut::Everything) {
                let of_other = self.members[other].host.address();
                self.members[member].host.stop_hearing(of_other)?;
            }
        }
        Ok(())
    }

    /// What this member sends is late.
    pub(crate) fn slow(&mut self, member: usize) -> io::Result<()> {
        self.members[member].host.slow()
    }

    /// Leaves the first member no room on its disk.
    pub(crate) fn fill_disk(&self) -> io::Result<()> {
        self.disk.as_ref().map_or(Ok(()), SmallDisk::fill)
    }

    /// Where clients reach the members.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.members.iter().map(|member| member.client).collect()
    }

    /// Gives room back, lets packets through, lets go on what stands still, and starts what does not run.
    pub(crate) fn mend(&mut self) -> io::Result<()> {
        self.disk.as_ref().map_or(Ok(()), SmallDisk::empty)?;
        let cluster: Vec<String> = self.members.iter().map(Member::in_cluster).collect();
        for member in &mut self.members {
            member.host.mend()?;
            member.process.signal(Signal::CONT);
            if !member.process.runs() {
                member.start(&cluster.join(","))?;
            }
        }
        Ok(())
    }

    pub(crate) async fn wait_until_well(&self) -> io::Result<()> {
        for member in &self.members {
            until("etcd is healthy", || member.is_healthy()).await?;
        }
        Ok(())
    }

    /// The member that leads the others.
    pub(crate) async fn leader(&self) -> Option<usize> {
        for (number, member) in self.members.iter().enumerate() {
            if let Some(answer) = member.ask("maintenance/status", &json!({})).await
                && answer["leader"] == answer["header"]["member_id"]
            {
                return Some(number);
            }
        }
        None
    }

    /// Has it forget all revisions but the present one.
    pub(crate) async fn compact(&self) {
        if let Some(answer) = self.members[0].ask("kv/range", &json!({ "key": "AA==" })).await {
            let revision = answer["header"]["revision"].clone();
            self.members[0].ask("kv/compaction", &json!({ "revision": revision, "physical": true })).await;
        }
    }
}

impl Member {
    fn new(host: Host, directory: &Path, number: usize) -> io::Result<Self> {
        Ok(Self {
            name: format!("m{number}"),
            client: host.at(2379)?,
            peer: host.at(2380)?,
            host,
            home: directory.join(format!("m{number}")),
            process: Process::default(),
        })
    }

    /// As etcd wants its members listed.
    fn in_cluster(&self) -> String {
        format!("{}=http://{}", self.name, self.peer)
    }

    fn start(&mut self, cluster: &str) -> io::Result<()> {
        let (client, peer) = (format!("http://{}", self.client), format!("http://{}", self.peer));
        let data = self.home.join("data");
        let mut command = self.host.command(program("ETCD", &["target/etcd/usr/bin/etcd"], "etcd"));
        command.arg("--name").arg(&self.name).arg("--data-dir").arg(data);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap"]);
        // As etcd has it without flags: a shorter time makes a busy machine elect again and again, and each of etcd's leaders
        // begins all leases anew.
        command.args(["--heartbeat-interval", "100", "--election-timeout", "1000"]);
        self.process.start(&mut command, &self.home.with_extension("log"))
    }

    /// Whether it has a leader.
    async fn is_healthy(&self) -> bool {
        let answer = call(self.client, Method::GET, "/health", None, Duration::from_secs(2)).await;
        matches!(answer, Outcome::Answered(200, body) if body["health"] == "true")
    }

    /// Has it give back what it does not need any more; it answers nobody meanwhile.
    pub(crate) async fn defragment(&self) {
        self.ask("maintenance/defragment", &json!({})).await;
    }

    /// By its gateway for JSON. Nothing if it does not answer, or refuses.
    async fn ask(&self, path: &str, body: &Value) -> Option<Value> {
        let answer = call(self.client, Method::POST, &format!("/v3/{path}"), Some(body), BUSY).await;
        match answer {
            Outcome::Answered(200, answer) => Some(answer),
            _ => None,
        }
    }
}
