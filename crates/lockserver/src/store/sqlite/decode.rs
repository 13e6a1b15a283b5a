//! Rows as records. Whatever does not mean exactly one record is refused: a guess could let too many in.

use super::columns::{Reader, Unreadable, read_all};
use super::encode::{FILE_VALUES, LOCKS, TEMPLATES, TICKETS, WITHDRAWALS, WITHHELD_NAMES, WITHHOLDINGS};
use super::fault::Fault;
use super::seen::Seen;
use super::words::{names_from_text, slot_names_from_text, slots_from_text, starts_from_text};
use crate::store::codec;
use lock_core::{
    Capacity, FileValues, Lease, LockName, LockRecord, Meta, Outside, Pause, Permits, RequestKey, RequestScope,
    Settings, Snapshot, State, TemplateRecord, TicketId, TicketRecord, Until, Uptime, Withdrawn, WithheldName,
    Withholding,
};
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// Everything in the database but whether the counters restart, and the identity of the file it was last written in.
pub(super) fn snapshot(connection: &Connection) -> Result<(Snapshot, String), Fault> {
    let (meta, file) = meta(connection)?;
    let mut files: HashMap<LockName, FileValues> =
        read_all(connection, &FILE_VALUES, file_values)?.into_iter().collect();
    let locks = read_all(connection, &LOCKS, |row| lock(row, &mut files))?;
    if let Some(name) = files.keys().next() {
        return Err(Fault::Value(format!("table file_values, row lock = {name:?}: there is no such lock")));
    }
    let (mut names, mut texts) = (Seen::default(), Seen::default());
    let tickets = read_all(connection, &TICKETS, |row| ticket(row, &mut names, &mut texts))?;
    // No index keeps them apart.
    let mut ids: Vec<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::Value("table tickets: two rows have the same id".to_owned()));
    }
    let mut snapshot = Snapshot {
        meta,
        locks,
        templates: read_all(connection, &TEMPLATES, template)?,
        tickets,
        withholdings: read_all(connection, &WITHHOLDINGS, withholding)?,
        withheld_names: read_all(connection, &WITHHELD_NAMES, withheld_name)?,
        withdrawn: read_all(connection, &WITHDRAWALS, withdrawn)?,
        restart_counters: false,
        lost_commits: false,
    };
    snapshot.read_dormancy();
    Ok((snapshot, file))
}

fn meta(connection: &Connection) -> Result<(Meta, String), Fault> {
    let table = super::columns::Table {
        name: "meta",
        key: "only",
        columns: "service_ms, last_token, last_number, last_seq, last_revision, downtime_ms, monotonic_ms, doubt_at_ms, \
                  starts, dormant_to, file",
    };
    let mut rows = read_all(connection, &table, |row| {
        let meta = Meta {
            service_ms: row.number()?,
            last_token: row.number()?,
            last_number: row.number()?,
            last_seq: row.number()?,
            last_revision: row.number()?,
            uptime: Uptime {
                downtime_ms: row.number()?,
                monotonic_ms: row.number()?,
                doubt_at: row.number()?,
                starts: row.parsed(starts_from_text)?,
            },
            dormant_to: row.number()?,
        };
        Ok((meta, row.text()?.to_owned()))
    })?;
    rows.pop().ok_or_else(|| Fault::Value("table meta has no row".to_owned()))
}

fn settings(row: &mut Reader<'_>) -> Result<Settings, Unreadable> {
    let size = row.number()?;
    let capacity = match row.parsed_or_null(names_from_text)? {
        None => Capacity::Size(size),
        Some(names) if names.len() == size as usize => Capacity::Named(names),
        Some(names) => return Err(format!("size is {size}, but names has {}", names.len()).into()),
    };
    Ok(Settings {
        capacity,
        tags: row.parsed_or_null(codec::from_text)?.unwrap_or_default(),
        pick: row.scalar()?,
        grace: row.number()?,
        expiration: row.number_or_null()?,
        max_lock: row.number_or_null()?,
        max_hold: row.number_or_null()?,
        max_ttl: row.number_or_null()?,
        lock_delay: row.number()?,
        max_queue: row.number()?,
        max_per_owner: row.number_or_null()?,
        min_hold: row.number()?,
        description: row.scalar()?,
    })
}

fn file_values(row: &mut Reader<'_>) -> Result<(LockName, FileValues), Unreadable> {
    Ok((row.scalar()?, FileValues { settings: settings(row)?, paused: row.flag()? }))
}

fn lock(row: &mut Reader<'_>, files: &mut HashMap<LockName, FileValues>) -> Result<LockRecord, Unreadable> {
    let name: LockName = row.scalar()?;
    let settings = settings(row)?;
    let template = row.scalar_or_null()?;
    let retiring = row.flag()?;
    let (paused, reason, by) = (row.flag()?, row.scalar_or_null()?, row.scalar_or_null()?);
    let until = match (row.number_or_null()?, row.number_or_null()?) {
        (None, None) => Ok(None),
        (Some(until), None) => Ok(Some(Until::Service(until))),
        (None, Some(until)) => Ok(Some(Until::Wall(until))),
        (Some(_), Some(_)) => Err(()),
    };
    let pause = match (paused, reason, by, until) {
        (true, Some(reason), by, Ok(until)) => Some(Pause { reason, by, until }),
        (false, None, None, Ok(None)) => None,
        _ => {
            return Err(
                "paused, pause_reason, pause_by, pause_until_service_ms and pause_until_at_ms contradict each other"
                    .to_owned()
                    .into(),
            );
        }
    };
    let outside = match (row.number_or_null()?, row.number_or_null()?, row.number_or_null()?) {
        (Some(in_use), Some(reported_at), until) => Some(Outside { in_use, reported_at, until }),
        (None, None, None) => None,
        _ => {
            return Err("outside_in_use, outside_reported_at_ms and outside_until_at_ms contradict each other"
                .to_owned()
                .into());
        }
    };
    let slot_names = row.parsed(slot_names_from_text)?;
    let revision = row.number()?;
    let file = files.remove(&name);
    Ok(LockRecord { name, settings, file, template, retiring, pause, outside, slot_names, revision })
}

fn template(row: &mut Reader<'_>) -> Result<TemplateRecord, Unreadable> {
    Ok(TemplateRecord { prefix: row.scalar()?, settings: settings(row)?, paused: row.flag()? })
}

fn ticket(
    row: &mut Reader<'_>,
    names: &mut Seen<LockName>,
    texts: &mut Seen<Arc<str>>,
) -> Result<TicketRecord, Unreadable> {
    Ok(TicketRecord {
        number: row.number()?,
        id: row.scalar()?,
        lock: row.seen(names)?,
        owner: row.seen_or_null(texts)?,
        from: row.seen(texts)?,
        info: row.seen(texts)?,
        permits: row.number_or_word(Permits::Count, |word| (word == "all").then_some(Permits::All))?,
        priority: row.number()?,
        seq: row.number()?,
        request: request(row)?,
        holder: row.seen_or_null(texts)?,
        lease: row.number_or_word(Lease::Given, |word| match word {
            "of_lock" => Some(Lease::OfLock),
            "never" => Some(Lease::Never),
            _ => None,
        })?,
        queue_lease: row.scalar()?,
        max_hold: row.number_or_null()?,
        acknowledged: row.flag()?,
        lease_began: row.number()?,
        state: state(row)?,
        token: row.number_or_null()?,
        slots: row.parsed(slots_from_text)?,
        slot_names: row.parsed(names_from_text)?,
        hold_until: row.number_or_null()?,
        created_at: row.number()?,
        granted_at: row.number_or_null()?,
        held_at: row.number_or_null()?,
        ended_at: row.number_or_null()?,
        more: row.parsed_or_null(codec::from_text)?,
    })
}

fn request(row: &mut Reader<'_>) -> Result<Option<Box<RequestKey>>, Unreadable> {
    match (row.scalar_or_null()?, row.number_or_null()?, row.number_or_null()?) {
        (Some(id), asked_ttl, asked_max_hold) => Ok(Some(Box::new(RequestKey { id, asked_ttl, asked_max_hold }))),
        (None, None, None) => Ok(None),
        _ => Err("asked_ttl_ms or asked_max_hold_ms without request_id".to_owned().into()),
    }
}

fn state(row: &mut Reader<'_>) -> Result<State, Unreadable> {
    let words = ["queued", "granted", "held", "ended"];
    let known = |word: &str| words.into_iter().find(|known| *known == word);
    let word = row.parsed(|word| known(word).ok_or_else(|| format!("{word:?} is not a state of a ticket")))?;
    let dormant = row.flag()?;
    match (word, dormant, row.scalar_or_null()?, row.number_or_null()?, row.scalar_or_null()?) {
        ("queued", dormant, None, None, None) => Ok(State::Queued { dormant }),
        ("granted", false, None, None, None) => Ok(State::Granted),
        ("held", false, None, None, None) => Ok(State::Held),
        ("ended", false, Some(how), Some(at), reason) => Ok(State::Ended { how, at, reason }),
        _ => Err(format!("dormant, ended_as, ended_service_ms and reason contradict state '{word}'").into()),
    }
}

fn withholding(row: &mut Reader<'_>) -> Result<Withholding, Unreadable> {
    Ok(Withholding {
        number: row.number()?,
        lock: row.scalar()?,
        slots: row.parsed(slots_from_text)?,
        slot_names: row.parsed(names_from_text)?,
        all: row.flag()?,
        cause: row.scalar()?,
        how: row.scalar_or_null()?,
        reason: row.scalar_or_null()?,
        until: row.number_or_null()?,
        until_wall: row.number_or_null()?,
        awaited: row.number()?,
        awaited_names: row.parsed(names_from_text)?,
    })
}

fn withheld_name(row: &mut Reader<'_>) -> Result<WithheldName, Unreadable> {
    Ok(WithheldName { name: row.scalar()?, until: row.number()? })
}

fn withdrawn(row: &mut Reader<'_>) -> Result<Withdrawn, Unreadable> {
    let (lock, others, owner, id) =
        (row.scalar()?, row.parsed_or_null(codec::from_text)?, row.scalar_or_null()?, row.scalar()?);
    let others = others.unwrap_or_default();
    Ok(Withdrawn { scope: RequestScope { lock, others, owner, id }, until: row.number()? })
}
