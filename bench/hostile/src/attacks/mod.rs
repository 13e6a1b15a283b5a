//! The attacks: each within what its key, or its address, is allowed.

mod connections;
mod reads;
mod shares;

use crate::client::{Answer, Client, Fault};
use crate::setting::Setting;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// One way to do one's worst.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attack {
    /// What it is called.
    pub(crate) name: &'static str,
    /// What it does, for the table.
    pub(crate) about: &'static str,
    /// What is there before.
    pub(crate) setting: Setting,
    /// Does it, until it is dropped.
    run: fn(Hostile) -> Work,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// All of them.
pub(crate) fn all() -> Vec<Attack> {
    let nothing = Attack {
        name: "nothing",
        about: "for comparison",
        setting: Setting::default(),
        run: |_| Box::pin(std::future::pending()),
    };
    [vec![nothing], reads::all(), connections::all(), shares::all()].concat()
}

/// Carries one out for that long, and tells what it got done.
pub(crate) async fn run(attack: Attack, client: Client, time: Duration) -> String {
    let done = Arc::new(Done::default());
    let work = (attack.run)(Hostile { client, done: Arc::clone(&done) });
    tokio::select! {
        () = work => {}
        () = sleep(time) => {}
    }
    done.to_string()
}

/// What it got done.
#[derive(Debug, Default)]
struct Done {
    answered: AtomicU64,
    refused: AtomicU64,
    hung_up: AtomicU64,
    cut: AtomicU64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts =
            [(&self.answered, "done"), (&self.refused, "refused"), (&self.hung_up, "hung up"), (&self.cut, "cut")];
        let told: Vec<String> = parts
            .iter()
            .map(|(count, what)| (count.load(Ordering::Relaxed), what))
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        f.write_str(&told.join(", "))
    }
}

/// The client, and what it got done.
#[derive(Debug, Clone)]
struct Hostile {
    client: Client,
    done: Arc<Done>,
}

/// After a refusal or a broken connection: an attacker who spins harms itself only.
const AGAIN: Duration = Duration::from_millis(20);

impl Hostile {
    fn count(&self, answer: &Answer) -> bool {
        let refused = answer.refused();
        let count = if refused { &self.done.refused } else { &self.done.answered };
        count.fetch_add(1, Ordering::Relaxed);
        !refused
    }

    fn hung_up(&self) {
        self.done.hung_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Does something again and again, so many at a time; what fails is counted as cut by the server.
    async fn again<F, R>(self, at_a_time: usize, one: F)
    where
        F: Fn(Self, usize) -> R + Clone + Send + 'static,
        R: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for number in 0..at_a_time {
            let (one, hostile) = (one.clone(), self.clone());
            tasks.spawn(async move {
                loop {
                    if one(hostile.clone(), number).await.is_err() {
                        hostile.done.cut.fetch_add(1, Ordering::Relaxed);
                        sleep(AGAIN).await;
                    }
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}
