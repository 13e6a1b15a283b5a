//! `check`: a line and an exit status as Icinga and Nagios read them (the guidelines of the monitoring plugins).

use crate::cli::{Check, Connection, Threshold};
use crate::exit::Failure;
use crate::say::clean;
use crate::show::{self, human};
use lock_client::Client;
use lock_client::api::Lock;
use std::time::Duration;

const OK: u8 = 0;
const WARNING: u8 = 1;
const CRITICAL: u8 = 2;
pub(crate) const UNKNOWN: u8 = 3;

/// The letters of the plugins for what other commands have other words for.
pub(super) fn prepare(asked: &Check, connection: &mut Connection) {
    if let Some(server) = &asked.hostname {
        connection.server = server.split(',').map(str::to_owned).collect();
    }
    if asked.timeout.is_some() {
        connection.connect_timeout = asked.timeout;
    }
}

pub(super) async fn check(client: &Client, asked: &Check) -> Result<u8, Failure> {
    let lock = client.lock(&asked.lock).await?;
    let (code, line) = judged(&lock, asked);
    show::out(&line)?;
    Ok(code)
}

/// What keeps us from looking, on standard output, where it is read.
pub(super) fn unknown(failure: &Failure) -> Result<u8, Failure> {
    show::out(&format!("LOCK UNKNOWN - {}\n", one_line(failure.text())))?;
    Ok(UNKNOWN)
}

/// What stands behind the bar is read as performance data.
fn one_line(text: &str) -> String {
    clean(text).replace('|', "/")
}

fn judged(lock: &Lock, asked: &Check) -> (u8, String) {
    let for_how_long = |time: &Option<String>| time.as_deref().and_then(show::since);
    let (waiting, holding) = (for_how_long(&lock.waiting_since), for_how_long(&lock.holding_since));
    let value = if asked.holding { holding } else { waiting }.unwrap_or_default().as_secs_f64();
    let exceeds = |threshold: &Option<Threshold>| threshold.as_ref().is_some_and(|one| one.is_exceeded(value));
    let (code, word) = if exceeds(&asked.critical) {
        (CRITICAL, "CRITICAL")
    } else if exceeds(&asked.warning) {
        (WARNING, "WARNING")
    } else {
        (OK, "OK")
    };
    let said = |time: Option<Duration>| time.map_or_else(|| "nobody".to_owned(), human);
    let mut text = format!(
        "{}: {} of {} in use, {} waiting, the longest for {}, oldest holder {}",
        lock.name,
        lock.in_use,
        lock.size,
        lock.queued,
        said(waiting),
        said(holding)
    );
    if lock.paused {
        let reason = lock.pause_reason.as_deref().filter(|reason| !reason.is_empty());
        text.push_str(&reason.map_or_else(|| ", paused".to_owned(), |reason| format!(", paused: {reason}")));
    }
    if lock.withheld > 0 {
        text.push_str(&format!(", {} withheld", lock.withheld));
    }
    let limits = |is_judged: bool| {
        let text = |one: &Option<Threshold>| one.as_ref().filter(|_| is_judged).map_or("", Threshold::text).to_owned();
        format!("{};{}", text(&asked.warning), text(&asked.critical))
    };
    let seconds = |time: Option<Duration>| format!("{:.3}", time.unwrap_or_default().as_secs_f64());
    let data = format!(
        "'oldest'={}s;{};0; 'holding'={}s;{};0; 'queued'={};;;0; 'in_use'={};;;0;{} 'withheld'={};;;0;{}",
        seconds(waiting),
        limits(!asked.holding),
        seconds(holding),
        limits(asked.holding),
        lock.queued,
        lock.in_use,
        lock.size,
        lock.withheld,
        lock.size,
    );
    (code, format!("LOCK {word} - {}|{data}\n", one_line(&text)))
}
