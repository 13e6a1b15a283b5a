//! One run: two servers, clients, and faults one after the other.

use crate::client::Client;
use crate::etcd::{Cut, Plant};
use crate::network::{LOCKS, Network, poll};
use history::history::{Fault, History, Nanos};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;

/// Virtual time of a run, after which no other fault begins.
const TIME: u64 = 120_000;
/// A fault that is not over by then never will be.
const TOO_LONG: u64 = 120_000;
/// A leader's clients have been answered by then.
const QUIET: u64 = 300;

/// What came of it.
pub(crate) struct Run {
    pub(crate) history: History,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// What some seeds of many must bring about.
pub(crate) const WANTED: [&str; 19] = [
    "leader killed",
    "leader killed, and the next one too",
    "leader terminated",
    "leader frozen",
    "leader frozen for a moment",
    "quiet leader frozen",
    "quiet leader cut off",
    "leader cut off",
    "leader that hears nothing",
    "leader that hears nothing for a while",
    "late commits, and the next leader killed",
    "standby killed",
    "everything cut off from etcd",
    "takeovers",
    "late commits that are refused",
    "commits that nobody answered",
    "leaders that heard nothing and gave up",
    "answers that say that nobody knows",
    "answers lost",
];

/// The run of this seed.
pub(crate) fn run(seed: u64, plant: Plant) -> Run {
    let network = Network::new(seed, plant);
    let faults: Rc<RefCell<Vec<Fault>>> = Rc::default();
    let mut futures: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    let client =
        |number: u32| Client { network: Rc::clone(&network), number, server: number as usize % 2, requests: 0 };
    for number in 0..8 {
        futures.push(Box::pin(client(number).work()));
    }
    futures.push(Box::pin(client(8).resize()));
    for number in 10..13 {
        futures.push(Box::pin(client(number).be_late()));
    }
    for number in 20..22 {
        futures.push(Box::pin(client(number).accompany()));
    }
    for server in 0..2 {
        network.start(server);
    }
    let mut nemesis = Box::pin(Nemesis { network: Rc::clone(&network), faults: Rc::clone(&faults) }.strike());
    loop {
        network.step();
        for future in &mut futures {
            assert!(poll(future.as_mut()).is_none(), "clients work for ever");
        }
        if poll(nemesis.as_mut()).is_some() || network.has_ended() {
            break;
        }
    }
    let (calls, takeovers, ended, counts) = network.take_record();
    let locks = LOCKS.map(|(name, size)| (name.to_owned(), size)).to_vec();
    let faults = faults.borrow().clone();
    Run { history: History { locks, calls, faults, takeovers, ended, ..History::default() }, counts }
}

struct Nemesis {
    network: Rc<Network>,
    faults: Rc<RefCell<Vec<Fault>>>,
}

impl Nemesis {
    async fn strike(self) {
        let network = &self.network;
        let begun = network.stamp();
        self.until_well().await;
        self.note("start", begun, begun);
        while network.now() < TIME {
            network.sleep(network.from(200, 4000)).await;
            let from = network.stamp();
            let Some(leader) = network.leader() else { unreachable!("all is well between two faults") };
            let kind = self.bring_about(leader).await;
            network.set_apart(None);
            for server in 0..2 {
                network.etcd.cut(server, Cut::Nothing);
                network.freeze(server, false);
            }
            network.etcd.deliver();
            (0..2).for_each(|server| network.start(server));
            let mended = network.stamp();
            self.until_well().await;
            network.count(kind);
            self.note(kind, from, mended);
        }
    }

    fn note(&self, kind: &'static str, from: Nanos, mended: Nanos) {
        self.faults.borrow_mut().push(Fault { kind, from, mended, until: self.network.stamp() });
    }

    async fn until_well(&self) {
        let begun = self.network.now();
        while self.network.leader().is_none() {
            assert!(self.network.now() < begun + TOO_LONG, "nobody leads");
            self.network.tick().await;
        }
    }

    async fn until_leads(&self, server: usize) {
        let begun = self.network.now();
        while self.network.leader() != Some(server) {
            assert!(self.network.now() < begun + TOO_LONG, "the other one does not lead");
            self.network.tick().await;
        }
    }

    async fn pass(&self, from: u64, until: u64) {
        self.network.sleep(self.network.from(from, until)).await;
    }

    fn kill(&self, server: usize) {
        self.network.kill(server);
        self.network.taken_over(self.network.stamp());
    }

    async fn bring_about(&self, leader: usize) -> &'static str {
        let (network, other) = (&self.network, 1 - leader);
        match network.from(0, 12) {
            0 => {
                self.kill(leader);
                self.pass(0, 5000).await;
                "leader killed"
            }
            1 => {
                self.kill(leader);
                self.until_leads(other).await;
                network.start(leader);
                self.pass(0, 2000).await;
                self.kill(other);
                self.pass(0, 5000).await;
                "leader killed, and the next one too"
            }
            2 => {
                network.terminate(leader);
                self.pass(0, 1000).await;
                "leader terminated"
            }
            3 => {
                network.freeze(leader, true);
                self.pass(3100, 8000).await;
                "leader frozen"
            }
            4 => {
                network.freeze(leader, true);
                self.pass(10, 1900).await;
                "leader frozen for a moment"
            }
            5 => {
                network.set_apart(Some(leader));
                self.pass(QUIET, 2 * QUIET).await;
                let since = network.stamp();
                network.freeze(leader, true);
                self.until_leads(other).await;
                network.taken_over(since);
                self.pass(100, 1500).await;
                network.freeze(leader, false);
                self.pass(100, 1500).await;
                "quiet leader frozen"
            }
            6 => {
                network.set_apart(Some(leader));
                self.pass(QUIET, 2 * QUIET).await;
                let since = network.stamp();
                network.etcd.cut(leader, Cut::Everything);
                self.until_leads(other).await;
                network.taken_over(since);
                self.pass(100, 2500).await;
                "quiet leader cut off"
            }
            7 => {
                let since = network.stamp();
                network.etcd.cut(leader, Cut::Everything);
                self.until_leads(other).await;
                network.taken_over(since);
                self.pass(0, 2000).await;
                "leader cut off"
            }
            8 => {
                network.etcd.cut(leader, Cut::Answers);
                self.until_leads(other).await;
                self.pass(0, 2000).await;
                "leader that hears nothing"
            }
            9 => {
                network.etcd.cut(leader, Cut::Answers);
                self.pass(50, 3000).await;
                if network.percent(50) {
                    self.kill(leader);
                }
                "leader that hears nothing for a while"
            }
            10 => {
                let since = network.stamp();
                network.etcd.cut(leader, Cut::Everything);
                self.until_leads(other).await;
                network.taken_over(since);
                self.pass(50, 1000).await;
                network.etcd.cut(leader, Cut::Nothing);
                network.etcd.deliver();
                self.pass(0, 100).await;
                self.kill(other);
                "late commits, and the next leader killed"
            }
            11 => {
                network.kill(other);
                self.pass(0, 2000).await;
                "standby killed"
            }
            _ => {
                (0..2).for_each(|server| network.etcd.cut(server, Cut::Everything));
                self.pass(100, 6000).await;
                "everything cut off from etcd"
            }
        }
    }
}
