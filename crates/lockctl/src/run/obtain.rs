//! The locks, one after another in the order of their names, so that two such calls cannot wait for each other.

use super::busy::{explained, in_the_way};
use super::environment::BETWEEN_LOCKS;
use super::outer::VARIABLE;
use super::plan::{Want, Wish};
use super::signals::Signals;
use crate::exit::{BY_SIGNAL, Failure, LOST, NO_SERVER};
use crate::say::{clean, say, say_raw};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use lock_client::api::Ticket;
use lock_client::{AcquireOptions, Client, Held};
use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::Instant;

/// How long what is given up may take.
const DRAIN_WITHIN: Duration = Duration::from_secs(3);
/// How long nothing is said on a terminal, unless somebody wants to hear: most waits are over by then.
const QUIET: Duration = Duration::from_secs(2);
/// How often the line on a terminal is written, and how often we ask who holds.
const TICK: Duration = Duration::from_secs(1);
const ASK_EVERY: u32 = 5;

/// Takes all of them. They come back in the order in which they were wanted.
pub(crate) async fn obtain(
    client: &Client,
    wants: &[Want],
    wish: &Wish,
    verbose: bool,
    signals: &mut Signals,
) -> Result<Vec<Held>, Failure> {
    let mut order: Vec<usize> = (0..wants.len()).collect();
    order.sort_by_key(|&place| &wants[place].lock);
    let begin = Instant::now();
    let mut taken: Vec<(usize, Held)> = Vec::new();
    for place in order {
        let want = &wants[place];
        let options = AcquireOptions {
            permits: want.permits,
            wait: wish.options.wait.map(|wait| wait.saturating_sub(begin.elapsed())),
            ..wish.options.clone()
        };
        let outcome = tokio::select! {
            outcome = take(client, want, &options, verbose) => outcome.map_err(|failure| failure.about(&want.lock)),
            number = signals.next_ending() => Err(Failure::silent(BY_SIGNAL.saturating_add(number))),
            lost = any_lost(&taken) => Err(Failure::new(LOST, lost)),
        };
        match outcome {
            Ok(held) => taken.push((place, held)),
            Err(failure) => {
                drop(taken);
                // Where nobody answers, nobody will be told in time either.
                client.drain_background(if failure.code == NO_SERVER { DRAIN_WITHIN / 3 } else { DRAIN_WITHIN }).await;
                return Err(failure);
            }
        }
    }
    taken.sort_by_key(|(place, _)| *place);
    Ok(taken.into_iter().map(|(_, held)| held).collect())
}

/// Returns when one that we have is lost while we wait for another.
async fn any_lost(taken: &[(usize, Held)]) -> String {
    let loss = |held| async move { (Held::ticket(held), held.lost().await) };
    let mut losses: FuturesUnordered<_> = taken.iter().map(|(_, held)| loss(held)).collect();
    match losses.next().await {
        Some((ticket, lost)) => format!("`{}` was lost while we waited: {lost}", ticket.lock),
        None => std::future::pending().await,
    }
}

async fn take(client: &Client, want: &Want, options: &AcquireOptions, verbose: bool) -> Result<Held, Failure> {
    let place = RefCell::new(None);
    let begin = Instant::now();
    let own = Cell::new(!verbose && is_our_own(&want.lock));
    let acquire = client.acquire_watched(&want.lock, options, |ticket| {
        if own.take() {
            say(&format!(
                "waiting for `{}`, which the run that this one is inside of holds: without more permits this has no end",
                clean(&want.lock)
            ));
        }
        *place.borrow_mut() = Some(ticket.clone());
    });
    let terminal = std::io::stderr().is_terminal();
    let outcome = if verbose || terminal {
        // Somebody who looks at a terminal is told by and by; others only if they want to be.
        let quiet = if verbose { Duration::ZERO } else { QUIET };
        let written = Cell::new(false);
        let outcome = tokio::select! {
            outcome = acquire => outcome,
            () = progress(client, &want.lock, &place, begin, quiet, &written) => unreachable!("it has no end"),
        };
        if terminal && written.get() {
            say_raw("\r\x1b[K".to_owned());
        }
        outcome
    } else {
        acquire.await
    };
    let held = match outcome {
        Ok(held) => held,
        Err(error) => return Err(explained(client, &want.lock, error).await),
    };
    if !verbose {
        return Ok(held);
    }
    let waited = begin.elapsed().as_secs_f64();
    say(&format!("`{}` is ours after {waited:.1} s", clean(&want.lock)));
    Ok(held)
}

/// Says where we are: every second on a terminal, else once. First it is quiet for a while.
async fn progress(
    client: &Client,
    lock: &str,
    place: &RefCell<Option<Ticket>>,
    begin: Instant,
    quiet: Duration,
    written: &Cell<bool>,
) {
    let terminal = std::io::stderr().is_terminal();
    let mut holders = "held by somebody".to_owned();
    tokio::time::sleep(quiet).await;
    for tick in 0_u32.. {
        tokio::time::sleep(if tick == 0 { TICK / 10 } else { TICK }).await;
        let Some(ticket) = place.borrow().clone() else { continue };
        if tick % ASK_EVERY == 0 {
            let mine = ticket.number;
            if let Ok(now) = client.lock(lock).await {
                let ahead = now.queue.iter().position(|other| other.number == mine);
                if let (Some(ahead), Some(ticket)) = (ahead, place.borrow_mut().as_mut()) {
                    ticket.ahead = ahead as u64;
                }
                holders = in_the_way(&now);
            }
        }
        let ahead = place.borrow().as_ref().map_or(0, |ticket| ticket.ahead);
        let text = format!(
            "waiting for `{}`: place {}, {:.0} s; {holders}{}",
            clean(lock),
            ahead + 1,
            begin.elapsed().as_secs_f64(),
            if is_our_own(lock) { "; one of them is the run that this one is inside of" } else { "" },
        );
        written.set(true);
        if terminal {
            // A terminal that does not know its width says 0.
            let width = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| size.ws_col);
            let width = if width == 0 { 80 } else { width };
            let line: String = format!("lockctl: {text}").chars().take(usize::from(width.max(20)) - 1).collect();
            say_raw(format!("\r\x1b[K{line}"));
        } else if tick == 0 {
            say(&text);
        }
    }
}

/// Whether the environment says that we run inside of a run that holds this lock.
fn is_our_own(lock: &str) -> bool {
    let inside = std::env::var_os(VARIABLE).is_some();
    inside && std::env::var("LOCK_NAME").is_ok_and(|names| names.split(BETWEEN_LOCKS).any(|name| name == lock))
}
