//! Faults that are aimed at what a leader must not do: to answer when it may be deposed, to write when it is, and to take for
//! failed what may be done.

use super::{Strike, stop};
use crate::history::SECOND;
use crate::world::Cut;
use rustix::process::Signal;
use std::io;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a fault waits for a client that is about to renew late.
const FOR_THE_LATE: Duration = Duration::from_secs(8);
/// A client that was silent for that long has less of its lease left than a leader takes to be missed.
const SILENT: u64 = 5 * SECOND;
/// Whatever its clients have asked it is answered by then.
const QUIET_MS: (u64, u64) = (150, 400);

/// How a leader is cut off from etcd.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// Connections stay, and what was sent arrives afterwards.
    Links,
    /// Nothing answers, so that connections die and new ones are not made.
    Packets,
}

impl Strike<'_> {
    /// Cuts it off until another one leads, and a while longer. Its clients go on asking it.
    pub(super) async fn cut_leader(&mut self, leader: usize, what: Cut, by: By) -> io::Result<()> {
        let since = self.shared.now();
        match by {
            By::Links => self.pair.cut_from_etcd(leader, what),
            By::Packets => self.pair.drop_to_etcd(leader, what)?,
        }
        if what == Cut::Answers {
            // Its requests arrive: the next leader may load the table, and this one end a ticket before that.
            self.pair.wait_until_leads(1 - leader).await?;
        } else {
            self.until_taken_over(leader, since).await?;
        }
        self.pass(0, 1500).await;
        Ok(())
    }

    /// Leaves it alone with its companions, so that it has nothing to commit and no reason to look for etcd. What it answers
    /// once its lease may be over is wrong as soon as the other one lets somebody in.
    pub(super) async fn cut_quiet_leader(&mut self, leader: usize) -> io::Result<()> {
        self.set_apart(leader).await;
        let since = self.shared.now();
        self.pair.cut_from_etcd(leader, if self.random.percent(50) { Cut::Everything } else { Cut::Requests });
        self.until_taken_over(leader, since).await?;
        self.pass(500, 1500).await;
        Ok(())
    }

    /// The same with one that stands still, and finds what its companions have asked when it goes on.
    pub(super) async fn stop_quiet_leader(&mut self, leader: usize) -> io::Result<()> {
        self.set_apart(leader).await;
        let since = self.shared.now();
        self.pair.servers[leader].process.signal(Signal::STOP);
        self.until_taken_over(leader, since).await?;
        self.pass(200, 1000).await;
        self.pair.servers[leader].process.signal(Signal::CONT);
        self.pass(200, 1000).await;
        Ok(())
    }

    async fn set_apart(&mut self, leader: usize) {
        self.shared.set_apart(Some(leader));
        self.pair.from_other[leader].cut(Cut::Everything);
        let (from, until) = QUIET_MS;
        self.pass(from, until).await;
    }

    /// Keeps what it writes on the way until another one leads and has let clients in, and lets it arrive then. What etcd has
    /// after that shows when the next one loads it, so the other one is killed.
    pub(super) async fn late_writes(&mut self, leader: usize) -> io::Result<()> {
        let since = self.shared.now();
        self.pair.cut_from_etcd(leader, Cut::Requests);
        self.until_taken_over(leader, since).await?;
        self.pass(100, 800).await;
        self.pair.cut_from_etcd(leader, Cut::Nothing);
        self.pass(20, 200).await;
        self.kill_leader(Some(1 - leader)).await;
        Ok(())
    }

    /// etcd does what it asks and it never hears of that, until it gives up; then another one leads, or it does so again.
    pub(super) async fn swallow_answers(&mut self, known: Option<usize>) -> io::Result<()> {
        let leader = known.unwrap_or(0);
        self.pair.cut_from_etcd(leader, Cut::Answers);
        // It gives up a second before its lease ends.
        sleep(self.lease.saturating_sub(Duration::from_secs(1)) + self.random.ms(50, 400)).await;
        if self.random.percent(50) {
            self.kill_leader(known).await;
        } else if self.random.percent(50) {
            stop(&mut self.pair.servers[leader].process, self.lease).await;
        }
        Ok(())
    }

    /// Kills it when clients that renew late have little of their leases left. They rely on it that the next leader gives them
    /// their full time.
    pub(super) async fn kill_leader_as_leases_end(&mut self, known: Option<usize>) -> io::Result<()> {
        let begun = Instant::now();
        while !self.shared.somebody_is_late(SILENT) && begun.elapsed() < FOR_THE_LATE {
            sleep(Duration::from_millis(20)).await;
        }
        self.kill_leader(known).await;
        self.pair.wait_until_leads(1 - known.unwrap_or(0)).await
    }
}
