//! The locks, all or nothing: one ticket, which has its place in all of their queues.

use super::busy::{blocking, explained, in_their_way};
use super::environment::BETWEEN_LOCKS;
use super::outer::VARIABLE;
use super::plan::{Want, Wish, names};
use super::signals::Signals;
use crate::exit::{BY_SIGNAL, Failure, NO_SERVER};
use crate::say::{clean, say, say_raw};
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

/// Takes all of them, or none.
pub(crate) async fn obtain(
    client: &Client,
    wants: &[Want],
    wish: &Wish,
    verbose: bool,
    signals: &mut Signals,
) -> Result<Held, Failure> {
    let outcome = tokio::select! {
        outcome = take(client, wants, &wish.options, verbose) => outcome,
        number = signals.next_ending() => Err(Failure::silent(BY_SIGNAL.saturating_add(number))),
    };
    if let Err(failure) = &outcome {
        // Where nobody answers, nobody will be told in time either.
        client.drain_background(if failure.code == NO_SERVER { DRAIN_WITHIN / 3 } else { DRAIN_WITHIN }).await;
    }
    outcome
}

async fn take(client: &Client, wants: &[Want], options: &AcquireOptions, verbose: bool) -> Result<Held, Failure> {
    let place = RefCell::new(None);
    let begin = Instant::now();
    let own = Cell::new(our_own(wants).filter(|_| !verbose));
    let locks = wants.iter().map(|want| (want.lock.clone(), want.permits)).collect();
    let acquire = client.acquire_all_watched(&locks, options, |ticket| {
        if let Some(lock) = own.take() {
            say(&format!(
                "waiting for `{}`, which the outer run holds: without more permits this never ends",
                clean(lock)
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
            () = progress(client, wants, &place, begin, quiet, &written) => unreachable!("it has no end"),
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
        Err(error) => return Err(explained(client, wants, error).await),
    };
    if !verbose {
        return Ok(held);
    }
    let waited = begin.elapsed().as_secs_f64();
    say(&format!("acquired `{}` after {waited:.1} s", clean(&names(wants))));
    Ok(held)
}

/// Says where we are: every second on a terminal, else once. First it is quiet for a while.
async fn progress(
    client: &Client,
    wants: &[Want],
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
            let (all, blocking) = blocking(client, wants, Some(mine)).await;
            let ahead = all.iter().filter_map(|lock| lock.queue.iter().position(|other| other.number == mine)).max();
            if let (Some(ahead), Some(ticket)) = (ahead, place.borrow_mut().as_mut()) {
                ticket.ahead = ahead as u64;
            }
            if !blocking.is_empty() {
                holders = in_their_way(wants, &blocking);
            }
        }
        let ahead = place.borrow().as_ref().map_or(0, |ticket| ticket.ahead);
        let text = format!(
            "waiting for `{}`: place {}, {:.0} s; {holders}{}",
            clean(&names(wants)),
            ahead + 1,
            begin.elapsed().as_secs_f64(),
            if our_own(wants).is_some() { "; one of them is the outer run" } else { "" },
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

/// A lock that, as the environment says, a run holds which we run inside of.
fn our_own(wants: &[Want]) -> Option<&str> {
    std::env::var_os(VARIABLE)?;
    let held = std::env::var("LOCK_NAME").ok()?;
    let ours = |want: &&Want| held.split(BETWEEN_LOCKS).any(|name| name == want.lock);
    wants.iter().find(ours).map(|want| want.lock.as_str())
}
