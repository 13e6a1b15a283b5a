//! Rows as records. Whatever does not mean exactly one record is refused: a guess could let too many in.

use super::columns::{Reader, Unreadable, read_all};
use super::encode::{
    FILE_VALUES, LOCKS, TEMPLATES, TICKETS, WITHDRAWALS, WITHHELD_NAMES, WITHHOLDINGS, prefix, ticket_id,
};
use super::fault::Fault;
use super::words::{names_from_text, slot_names_from_text, slots_from_text, starts_from_text};
use lock_core::{
    Capacity, EndedAs, FileValues, Lease, LockName, LockRecord, Meta, Pause, Permits, QueueLease, RequestKey,
    RequestScope, Settings, Snapshot, State, TemplateRecord, TicketId, TicketRecord, Until, Uptime, Withdrawn,
    WithheldCause, WithheldName, Withholding,
};
use rusqlite::Connection;
use std::collections::{HashMap, HashSet};

/// Everything in the database but whether the counters restart, and the identity of the file it was last written in.
pub(super) fn snapshot(connection: &Connection) -> Result<(Snapshot, String), Fault> {
    let (meta, file) = meta(connection)?;
    let mut files: HashMap<LockName, FileValues> =
        read_all(connection, &FILE_VALUES, file_values)?.into_iter().collect();
    let locks = read_all(connection, &LOCKS, |row| lock(row, &mut files))?;
    if let Some(name) = files.keys().next() {
        return Err(Fault::Value(format!("table file_values, row lock = {name:?}: there is no such lock")));
    }
    let tickets = read_all(connection, &TICKETS, ticket)?;
    // The index that keeps the ids apart may itself be damaged.
    let ids: HashSet<TicketId> = tickets.iter().map(|ticket| ticket.id).collect();
    if ids.len() != tickets.len() {
        return Err(Fault::Value("table tickets: two rows have the same id".to_owned()));
    }
    let snapshot = Snapshot {
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
    Ok((snapshot, file))
}

fn meta(connection: &Connection) -> Result<(Meta, String), Fault> {
    let table = super::columns::Table {
        name: "meta",
        key: "only",
        columns: "service_ms, last_token, last_number, last_seq, last_revision, downtime_ms, monotonic_ms, doubt_at_ms, \
                  starts, file",
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
                starts: row.word(starts_from_text)?,
            },
        };
        Ok((meta, row.text()?.to_owned()))
    })?;
    rows.pop().ok_or_else(|| Fault::Value("table meta has no row".to_owned()))
}

fn settings(row: &mut Reader<'_>) -> Result<Settings, Unreadable> {
    let size = row.number()?;
    let capacity = match row.word_or_null(names_from_text)? {
        None => Capacity::Size(size),
        Some(names) if names.len() == size as usize => Capacity::Named(names),
        Some(names) => return Err(format!("size is {size}, but names has {}", names.len()).into()),
    };
    Ok(Settings {
        capacity,
        grace: row.number()?,
        expiration: row.number_or_null()?,
        max_lock: row.number_or_null()?,
        max_hold: row.number_or_null()?,
        max_ttl: row.number_or_null()?,
        lock_delay: row.number()?,
        max_queue: row.number()?,
        description: row.shared()?,
    })
}

fn file_values(row: &mut Reader<'_>) -> Result<(LockName, FileValues), Unreadable> {
    Ok((row.lock_name()?, FileValues { settings: settings(row)?, paused: row.flag()? }))
}

fn lock(row: &mut Reader<'_>, files: &mut HashMap<LockName, FileValues>) -> Result<LockRecord, Unreadable> {
    let name = row.lock_name()?;
    let settings = settings(row)?;
    let template = row.word_or_null(prefix)?;
    let retiring = row.flag()?;
    let pause = match (row.flag()?, row.shared_or_null()?, row.number_or_null()?, row.number_or_null()?) {
        (true, Some(reason), None, None) => Some(Pause { reason, until: None }),
        (true, Some(reason), Some(until), None) => Some(Pause { reason, until: Some(Until::Service(until)) }),
        (true, Some(reason), None, Some(until)) => Some(Pause { reason, until: Some(Until::Wall(until)) }),
        (false, None, None, None) => None,
        _ => {
            return Err("paused, pause_reason, pause_until_service_ms and pause_until_at_ms contradict each other"
                .to_owned()
                .into());
        }
    };
    let slot_names = row.word(slot_names_from_text)?;
    let revision = row.number()?;
    Ok(LockRecord { file: files.remove(&name), name, settings, template, retiring, pause, slot_names, revision })
}

fn template(row: &mut Reader<'_>) -> Result<TemplateRecord, Unreadable> {
    Ok(TemplateRecord { prefix: row.word(prefix)?, settings: settings(row)?, paused: row.flag()? })
}

fn ticket(row: &mut Reader<'_>) -> Result<TicketRecord, Unreadable> {
    Ok(TicketRecord {
        number: row.number()?,
        id: row.word(read_ticket_id)?,
        lock: row.lock_name()?,
        owner: row.shared_or_null()?,
        from: row.shared()?,
        info: row.shared()?,
        permits: row.number_or_word(Permits::Count, |word| (word == "all").then_some(Permits::All))?,
        priority: row.number()?,
        seq: row.number()?,
        request: request(row)?,
        holder: row.shared_or_null()?,
        lease: row.number_or_word(Lease::Given, |word| match word {
            "of_lock" => Some(Lease::OfLock),
            "never" => Some(Lease::Never),
            _ => None,
        })?,
        queue_lease: row.word(|word| match word {
            "minute" => Ok(QueueLease::Minute),
            "expiration" => Ok(QueueLease::Expiration),
            _ => Err(format!("{word:?} is neither 'minute' nor 'expiration'")),
        })?,
        max_hold: row.number_or_null()?,
        acknowledged: row.flag()?,
        lease_began: row.number()?,
        state: state(row)?,
        token: row.number_or_null()?,
        slots: row.word(slots_from_text)?,
        slot_names: row.slot_names()?,
        hold_until: row.number_or_null()?,
        created_at: row.number()?,
        granted_at: row.number_or_null()?,
        held_at: row.number_or_null()?,
        ended_at: row.number_or_null()?,
    })
}

/// Only the one way of writing that the encoder uses, so that two texts are two tickets. The text is a secret and stays
/// out of the error.
fn read_ticket_id(text: &str) -> Result<TicketId, String> {
    let id = uuid::Uuid::try_parse(text).map(|uuid| TicketId(uuid.as_u128()));
    id.ok().filter(|id| ticket_id(*id) == text).ok_or_else(|| "not a UUID in lower case with hyphens".to_owned())
}

fn request(row: &mut Reader<'_>) -> Result<Option<RequestKey>, Unreadable> {
    match (row.shared_or_null()?, row.number_or_null()?, row.number_or_null()?) {
        (Some(id), asked_ttl, asked_max_hold) => Ok(Some(RequestKey { id, asked_ttl, asked_max_hold })),
        (None, None, None) => Ok(None),
        _ => Err("asked_ttl_ms or asked_max_hold_ms without request_id".to_owned().into()),
    }
}

fn ended_as(word: &str) -> Result<EndedAs, String> {
    EndedAs::from_word(word).ok_or_else(|| format!("{word:?} is no way to end"))
}

fn withheld_cause(word: &str) -> Result<WithheldCause, String> {
    WithheldCause::from_word(word).ok_or_else(|| format!("{word:?} does not name a cause to withhold permits"))
}

fn state(row: &mut Reader<'_>) -> Result<State, Unreadable> {
    let word = row.word(|word| match word {
        "queued" | "granted" | "held" | "ended" => Ok(word.to_owned()),
        _ => Err(format!("{word:?} is no state of a ticket")),
    })?;
    let dormant = row.flag()?;
    match (word.as_str(), dormant, row.word_or_null(ended_as)?, row.number_or_null()?, row.shared_or_null()?) {
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
        lock: row.lock_name()?,
        slots: row.word(slots_from_text)?,
        slot_names: row.slot_names()?,
        all: row.flag()?,
        how: row.word(ended_as)?,
        until: row.number()?,
        cause: row.word(withheld_cause)?,
        reason: row.shared_or_null()?,
    })
}

fn withheld_name(row: &mut Reader<'_>) -> Result<WithheldName, Unreadable> {
    Ok(WithheldName { name: row.lock_name()?, until: row.number()? })
}

fn withdrawn(row: &mut Reader<'_>) -> Result<Withdrawn, Unreadable> {
    let (lock, owner, id) = (row.lock_name()?, row.shared_or_null()?, row.shared()?);
    Ok(Withdrawn { scope: RequestScope { lock, owner, id }, until: row.number()? })
}
