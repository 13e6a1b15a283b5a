//! A member of etcd.

use super::{Process, free_port, own_address, program};
use crate::http::{Outcome, call};
use hyper::Method;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

#[derive(Debug)]
pub(crate) struct Member {
    name: String,
    pub(super) client: SocketAddr,
    peer: SocketAddr,
    directory: PathBuf,
    pub(crate) process: Process,
}

impl Member {
    pub(super) fn new(directory: &Path, number: usize) -> io::Result<Self> {
        let address = own_address(number);
        Ok(Self {
            name: format!("m{number}"),
            client: free_port(address)?,
            peer: free_port(address)?,
            directory: directory.to_owned(),
            process: Process::default(),
        })
    }

    /// As etcd wants its members listed.
    pub(super) fn in_cluster(&self) -> String {
        format!("{}=http://{}", self.name, self.peer)
    }

    pub(super) fn start(&mut self, cluster: &str) -> io::Result<()> {
        let (client, peer) = (format!("http://{}", self.client), format!("http://{}", self.peer));
        let data = self.directory.join(&self.name);
        let mut command = Command::new(program("ETCD", &["target/etcd/usr/bin/etcd"], "etcd"));
        command.arg("--name").arg(&self.name).arg("--data-dir").arg(data);
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        command.args(["--initial-cluster", cluster, "--initial-cluster-state", "new", "--logger", "zap"]);
        command.args(["--heartbeat-interval", "50", "--election-timeout", "500"]);
        self.process.start(&mut command, &self.directory.join(format!("{}.log", self.name)))
    }

    /// Whether it has a leader.
    pub(super) async fn is_healthy(&self) -> bool {
        let answer = call(self.client, Method::GET, "/health", None, Duration::from_secs(2)).await;
        matches!(answer, Outcome::Answered(200, body) if body["health"] == "true")
    }
}
