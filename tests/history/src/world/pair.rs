//! Two servers that share a store in etcd, and the networks around them.

use super::network::{SWITCH, TO_ETCD};
use super::server::{Server, Standing};
use super::{Cut, Etcd, Link, Network, PATIENCE, until};
use rustix::process::Signal;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) servers: Vec<Server>,
    /// Of each server those to the members of etcd.
    pub(crate) to_etcd: Vec<Vec<Link>>,
    /// Of each server the one by which the other server reaches it.
    pub(crate) from_other: Vec<Link>,
    /// Servers that ended without being told to.
    pub(crate) ended: Vec<String>,
    network: Network,
}

impl Pair {
    /// Two servers with this configuration, over this etcd and in its network.
    pub(crate) async fn new(
        directory: &Path,
        number: usize,
        etcd: &Etcd,
        sections: &str,
        lease_s: u64,
    ) -> io::Result<Self> {
        let network = etcd.network.clone();
        let (mut servers, mut to_etcd, mut from_other) = (Vec::new(), Vec::new(), Vec::new());
        let sections = format!("{sections}[etcd]\nPREFIX=pair{number}/\nLEASE={lease_s}\n");
        for one in 0..2 {
            let mut own = Vec::new();
            for member in etcd.addresses() {
                own.push(Link::open(network.own(TO_ETCD)?, member).await?);
            }
            let store = format!("etcd:{}", own.iter().map(Link::url).collect::<Vec<_>>().join(","));
            let host = network.host()?;
            let at = host.at(9090)?;
            let between = Link::open(network.own(SWITCH)?, at).await?;
            let name = format!("pair{number}-{one}");
            servers.push(Server::new((directory, &name), (host, at), &between.url(), &store, &sections)?);
            to_etcd.push(own);
            from_other.push(between);
        }
        Ok(Self { servers, to_etcd, from_other, ended: Vec::new(), network })
    }

    /// Notes which servers have ended by themselves.
    pub(crate) fn note_ended(&mut self) {
        self.ended.extend(self.servers.iter_mut().filter_map(Server::ended_by_itself));
    }

    /// Kills both servers.
    pub(crate) async fn kill(&mut self) {
        self.note_ended();
        for server in &mut self.servers {
            server.process.kill().await;
        }
    }

    /// Ends every cut, lets go on what stands still, and starts what does not run.
    pub(crate) fn mend(&mut self) -> io::Result<()> {
        self.to_etcd.iter().flatten().chain(&self.from_other).for_each(|link| link.cut(Cut::Nothing));
        self.note_ended();
        for server in &mut self.servers {
            server.host.mend()?;
            server.process.signal(Signal::CONT);
            if !server.process.runs() {
                server.start()?;
            }
        }
        Ok(())
    }

    /// Waits until one server leads and the other one knows it.
    ///
    /// # Errors
    /// Also if one of them ends by itself.
    pub(crate) async fn wait_until_well(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let (first, second) = tokio::join!(self.servers[0].standing(), self.servers[1].standing());
            if matches!((first, second), (Standing::Leads, Standing::StandsBy) | (Standing::StandsBy, Standing::Leads))
            {
                return Ok(());
            }
            self.note_ended();
            if let Some(ended) = self.ended.last() {
                return Err(io::Error::other(ended.clone()));
            }
            if begun.elapsed() > PATIENCE {
                let what = format!(
                    "after {} s it is not so that one server leads and the other one stands by",
                    PATIENCE.as_secs()
                );
                return Err(io::Error::other(what));
            }
            sleep(Duration::from_millis(50)).await;
        }
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

    /// Waits until this server leads.
    pub(crate) async fn wait_until_leads(&self, number: usize) -> io::Result<()> {
        until("the other server leads", || async { self.servers[number].standing().await == Standing::Leads }).await
    }

    pub(crate) fn cut_from_etcd(&self, server: usize, what: Cut) {
        self.to_etcd[server].iter().for_each(|link| link.cut(what));
    }

    /// Whether packets can be dropped.
    pub(crate) fn has_packets(&self) -> bool {
        self.network.has_packets()
    }

    /// Whether what a server sends can be late.
    pub(crate) fn has_slowness(&self) -> bool {
        self.network.has_slowness()
    }

    /// Drops packets between this server and etcd. A link takes what it does not pass on; this answers nothing at all, to
    /// new connections as well.
    pub(crate) fn drop_to_etcd(&mut self, server: usize, what: Cut) -> io::Result<()> {
        let host = &mut self.servers[server].host;
        if matches!(what, Cut::Requests | Cut::Everything) {
            host.stop_reaching(TO_ETCD)?;
        }
        if matches!(what, Cut::Answers | Cut::Everything) {
            host.stop_hearing(TO_ETCD)?;
        }
        Ok(())
    }

    /// What this server sends is late, to etcd and to clients.
    pub(crate) fn slow(&mut self, server: usize) -> io::Result<()> {
        self.servers[server].host.slow()
    }
}
