//! Who may compute next: handshakes of TLS cost a core for a millisecond each, for every client.
//!
//! A step of a handshake takes a turn. There are fewer turns at a time than cores, so that a flood of handshakes leaves
//! the others to those who are connected; and networks take turns, so that it leaves the next turn to a newcomer.

use super::crowd::Network;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::oneshot;

/// The turns that there are at a time.
pub(super) struct Turns(Mutex<State>);

struct State {
    free: usize,
    waiting: HashMap<Network, VecDeque<oneshot::Sender<Turn>>>,
    /// Networks with somebody who waits; the next one first.
    order: VecDeque<Network>,
}

/// One's turn, until it is dropped.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// Half of the cores, at least one.
    pub(super) fn of_this_machine() -> Arc<Self> {
        Self::new(std::thread::available_parallelism().map_or(1, |cores| cores.get() / 2))
    }

    pub(super) fn new(turns: usize) -> Arc<Self> {
        let state = State { free: turns.max(1), waiting: HashMap::new(), order: VecDeque::new() };
        Arc::new(Self(Mutex::new(state)))
    }

    pub(super) async fn turn(self: &Arc<Self>, network: Network) -> Turn {
        let waiting = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn(Arc::clone(self));
            }
            let (sender, waiting) = oneshot::channel();
            let State { waiting: all, order, .. } = &mut *state;
            let queue = all.entry(network).or_default();
            if queue.is_empty() {
                order.push_back(network);
            }
            queue.push_back(sender);
            waiting
        };
        // Its sender stays in the queue until it is used.
        waiting.await.expect("the queue lives as long as who waits in it")
    }

    /// Takes a turn for each step of this, and none while it waits for something else.
    pub(super) async fn paced<F: Future>(self: &Arc<Self>, network: Network, steps: F) -> F::Output {
        let mut steps = pin!(steps);
        loop {
            let turn = self.turn(network).await;
            let step = poll_fn(|context| Poll::Ready(steps.as_mut().poll(context))).await;
            drop(turn);
            if let Poll::Ready(done) = step {
                return done;
            }
            // What it waits for wakes this task.
            let mut woken = false;
            poll_fn(|_| if std::mem::replace(&mut woken, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one who waits, in the order of networks.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.lock();
        let State { free, waiting, order } = &mut *state;
        while let Some(network) = order.pop_front() {
            let queue = waiting.get_mut(&network).expect("each network in the order has a queue");
            // A client that gave up costs its network no turn.
            let next = std::iter::from_fn(|| queue.pop_front()).find(|next| !next.is_closed());
            if queue.is_empty() {
                waiting.remove(&network);
            } else {
                order.push_back(network);
            }
            if next.is_some() {
                return next;
            }
        }
        *free += 1;
        None
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(next) = self.0.next() {
            // What comes back from somebody who gave up just now is dropped, and so passed on.
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;

    fn network(n: u8) -> Network {
        Some(IpAddr::from([192, 0, 2, n]))
    }

    #[tokio::test]
    async fn networks_take_turns_and_who_gave_up_costs_none() {
        let turns = Turns::new(1);
        let held = turns.turn(network(1)).await;
        let (told, mut order) = mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for (n, name) in [(1, 1), (1, 2), (1, 3), (2, 4), (3, 5), (2, 6)] {
            let (turns, told) = (Arc::clone(&turns), told.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = turns.turn(network(n)).await;
                told.send(name).unwrap();
            }));
            tokio::task::yield_now().await;
        }
        tasks[1].abort();
        tokio::task::yield_now().await;
        drop((held, told));
        let mut seen = Vec::new();
        while let Some(name) = order.recv().await {
            seen.push(name);
        }
        assert_eq!(seen, [1, 4, 5, 3, 6], "a flood of one network delays another's newcomer by one turn");
        let state = turns.lock();
        assert!(state.free == 1 && state.waiting.is_empty() && state.order.is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_more_steps_at_a_time_than_turns() {
        let (turns, running, most) = (Turns::new(2), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                let (turns, running, most) = (Arc::clone(&turns), Arc::clone(&running), Arc::clone(&most));
                tokio::spawn(async move {
                    let mut left = 20;
                    let steps = poll_fn(|context| {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        left -= 1;
                        context.waker().wake_by_ref();
                        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
                    });
                    turns.paced(network(n % 5), steps).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 2);
        assert_eq!(turns.lock().free, 2);
    }
}
