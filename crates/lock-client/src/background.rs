//! Work that nobody waits for: what was dropped is cancelled or released.

use std::future::Future;
use tokio::sync::watch;

/// Counts what runs in the background.
#[derive(Debug)]
pub(crate) struct Background {
    running: watch::Sender<usize>,
}

impl Default for Background {
    fn default() -> Self {
        Self { running: watch::Sender::new(0) }
    }
}

struct Running(watch::Sender<usize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Background {
    /// Runs it on the current runtime. Without one it cannot run: the server ends the ticket when its lease is over.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            tracing::debug!("dropped outside of a runtime: the ticket ends with its lease");
            return;
        };
        self.running.send_modify(|running| *running += 1);
        let running = Running(self.running.clone());
        runtime.spawn(async move {
            work.await;
            drop(running);
        });
    }

    /// Returns when nothing runs.
    pub(crate) async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}
