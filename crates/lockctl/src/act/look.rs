//! `status`: the locks, the places of a holder, and the server; and the likely meaning of an unknown lock name.

use super::told;
use crate::cli::{History, Status};
use crate::exit::Failure;
use crate::nearest::nearest;
use crate::server::Servers;
use crate::show::{self, Style};
use lock_client::Client;
use lock_client::api::{ErrorCode, Event, Ticket, Tickets};
use std::collections::BTreeSet;

pub(super) async fn status(client: &Client, servers: &Servers, asked: Status, json: bool) -> Result<u8, Failure> {
    let style = Style::of_stdout();
    if asked.server_itself {
        let status = client.status().await?;
        return told(json, &status, || show::server(style, &status, servers));
    }
    if asked.names {
        let names: Vec<String> = client.overview().await?.locks.into_iter().map(|lock| lock.name).collect();
        return told(json, &names, || names.iter().map(|name| format!("{}\n", crate::say::clean(name))).collect());
    }
    if let Some(text) = &asked.holder {
        return holders(client, text, json).await;
    }
    match asked.lock {
        Some(name) => {
            let lock = client.lock(&name).await?;
            told(json, &lock, || show::one_lock(style, &lock))
        }
        None => {
            let all = client.locks().await?;
            told(json, &all, || show::all_locks(style, &all.locks))
        }
    }
}

/// The last events, of one lock with its times or of all locks in the order in which they happened.
pub(super) async fn history(client: &Client, asked: History, json: bool) -> Result<u8, Failure> {
    let names = match &asked.lock {
        Some(name) => vec![name.clone()],
        None => client.overview().await?.locks.into_iter().map(|lock| lock.name).collect(),
    };
    let mut histories = Vec::new();
    for name in &names {
        match client.history(name).await {
            Ok(history) => histories.push(history),
            // Gone since the list was made.
            Err(error) if asked.lock.is_none() && error.code() == Some(ErrorCode::UnknownLock) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut events: Vec<Event> = histories.iter_mut().flat_map(|one| std::mem::take(&mut one.events)).collect();
    events.retain(|event| show::since(&event.at).is_none_or(|age| age <= asked.since));
    events.sort_by_key(|event| show::instant(&event.at));
    let times = asked.lock.is_some().then(|| histories.pop()).flatten();
    told(json, &events, || show::history(Style::of_stdout(), &events, times.as_ref()))
}

/// The holders and waiters of all locks that fit a text.
async fn holders(client: &Client, text: &str, json: bool) -> Result<u8, Failure> {
    let locks = client.locks().await?.locks;
    let wanted = text.to_lowercase();
    let all = locks.into_iter().flat_map(|lock| lock.holders.into_iter().chain(lock.queue));
    let mut found: Vec<Ticket> = all.filter(|ticket| is_meant(ticket, &wanted)).collect();
    // A bundle is in each of its locks, and is one ticket.
    let mut seen = BTreeSet::new();
    found.retain(|ticket| seen.insert(ticket.number));
    let found = Tickets { tickets: found, next: None };
    told(json, &found, || match found.tickets.as_slice() {
        [] => {
            format!("no holder or waiter has `{}` in its info, key, address or slot\n", crate::say::clean(text))
        }
        tickets => show::tickets(Style::of_stdout(), &tickets.iter().collect::<Vec<_>>()),
    })
}

/// Whether the ticket's words, key, address or slots contain this text in small letters.
fn is_meant(ticket: &Ticket, wanted: &str) -> bool {
    let texts = [Some(&ticket.info), ticket.owner.as_ref(), Some(&ticket.from)].into_iter().flatten();
    let slots = ticket.locks.values().flat_map(|part| &part.slot_names);
    texts.chain(slots).any(|text| text.to_lowercase().contains(wanted))
}

/// The same failure with the name of the lock, and what may have been meant by it. A client that may not look hears nothing of others.
pub(super) async fn suggest(client: &Client, failure: Failure, lock: Option<&str>) -> Failure {
    let Some(lock) = failure.lock().or(lock).map(str::to_owned) else { return failure };
    let names: Vec<String> = match client.overview().await {
        Ok(all) => all.locks.into_iter().map(|lock| lock.name).collect(),
        Err(_) => Vec::new(),
    };
    let meant = nearest(&lock, names.iter().map(String::as_str)).map(str::to_owned);
    failure.no_lock(&lock, meant.as_deref())
}
