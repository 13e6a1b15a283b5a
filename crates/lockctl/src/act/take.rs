//! `acquire`, `renew`, `release`: for scripts that keep the ticket themselves.

use super::{changed, done};
use crate::cli::{Acquire, Release, Renew};
use crate::exit::Failure;
use crate::local;
use crate::run::{self, Signals, Want};
use crate::show;
use lock_client::{Client, ReleaseOptions};
use std::time::Duration;

/// Takes locks, all or nothing, and prints the ticket. If it cannot be printed, nobody could release it: then it is given back.
pub(super) async fn acquire(
    client: &Client,
    servers: &str,
    is_local: bool,
    asked: Acquire,
    patience: Duration,
    json: bool,
) -> Result<u8, Failure> {
    let wants = Want::parse_all(&asked.locks)?;
    run::check_selection(&wants, &asked.waiting)?;
    let locks: Vec<&str> = wants.iter().map(|want| want.lock.as_str()).collect();
    local::prepare(client, is_local, &locks, asked.waiting.size).await?;
    let wish = run::wish(&asked.waiting, asked.ttl, run::info(None), patience);
    let mut signals = Signals::ending()?;
    let held = run::obtain(client, &wants, &wish, asked.verbose, &mut signals).await;
    let held = held.map_err(|failure| wish.with_conflict_code(failure))?;
    let mut ticket = held.ticket().clone();
    ticket.id = Some(held.id().to_owned());
    let printed =
        if json { show::out_json(&ticket, false) } else { show::out(&run::exports(&ticket, &wants, servers)) };
    if let Err(failure) = printed {
        // Why it cannot be printed matters more than that it could not be given back either.
        let _ = held.release().await;
        return Err(failure);
    }
    let _ = held.into_ticket();
    Ok(0)
}

pub(super) async fn renew(client: &Client, asked: Renew, json: bool) -> Result<u8, Failure> {
    let ticket = client.renew(&asked.ticket, asked.ttl).await?;
    changed(json, &ticket, || show::ticket(&ticket))
}

/// Releases a ticket by its id, or one's own by its number.
pub(super) async fn release(client: &Client, asked: Release, json: bool) -> Result<u8, Failure> {
    match asked.number {
        Some(number) => client.revoke(&asked.ticket, number, None).await?,
        None => {
            let options = ReleaseOptions { keep: asked.keep, withhold: asked.withhold };
            client.release_with(&asked.ticket, &options).await?;
        }
    }
    done(json, "released")
}
