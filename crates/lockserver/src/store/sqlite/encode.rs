//! Changes as statements, one to one.

use super::columns::{Table, Writer};
use super::fault::Fault;
use super::words::{names_to_text, slot_names_to_text, slots_to_text, starts_to_text};
use lock_core::{
    Capacity, Change, Lease, LockRecord, Meta, Permits, Prefix, QueueLease, RequestScope, Settings, State,
    TemplateRecord, TicketId, TicketRecord, Until, Uptime, Withdrawn, WithheldName, Withholding,
};
use rusqlite::Connection;

macro_rules! with_settings {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            ", size, names, grace_ms, expiration_ms, max_lock_ms, max_hold_ms, max_ttl_ms, lock_delay_ms, max_queue, \
             description, ",
            $after
        )
    };
}

pub(super) const LOCKS: Table = Table {
    name: "locks",
    key: "name",
    columns: with_settings!(
        "name",
        "template, retiring, paused, pause_reason, pause_until_service_ms, pause_until_at_ms, slot_names, revision"
    ),
};
pub(super) const FILE_VALUES: Table =
    Table { name: "file_values", key: "lock", columns: with_settings!("lock", "paused") };
pub(super) const TEMPLATES: Table =
    Table { name: "templates", key: "pattern", columns: with_settings!("pattern", "paused") };
pub(super) const TICKETS: Table = Table {
    name: "tickets",
    key: "id",
    columns: "number, id, lock, owner, client, info, permits, priority, seq, request_id, asked_ttl_ms, \
              asked_max_hold_ms, holder, lease, queue_lease, max_hold_ms, acknowledged, lease_began_uptime_ms, state, dormant, ended_as, \
              ended_service_ms, reason, token, slots, slot_names, hold_until_service_ms, created_at_ms, granted_at_ms, held_at_ms, \
              ended_at_ms",
};
pub(super) const WITHHOLDINGS: Table = Table {
    name: "withholdings",
    key: "number",
    columns: "number, lock, slots, slot_names, all_permits, ended_as, until_service_ms, cause, reason",
};
pub(super) const WITHHELD_NAMES: Table =
    Table { name: "withheld_names", key: "name", columns: "name, until_service_ms" };
pub(super) const WITHDRAWALS: Table = Table {
    name: "withdrawals",
    key: "lock, request_id, owner IS NULL, ifnull(owner, '')",
    columns: "lock, owner, request_id, until_service_ms",
};

/// The texts of the statements; made once.
pub(super) struct Encoder {
    put_lock: String,
    delete_lock: String,
    put_file_values: String,
    delete_file_values: String,
    put_template: String,
    delete_template: String,
    put_ticket: String,
    delete_ticket: String,
    put_withholding: String,
    delete_withholding: String,
    put_withheld_name: String,
    delete_withheld_name: String,
    put_withdrawal: String,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            put_lock: LOCKS.put(),
            delete_lock: LOCKS.delete(),
            put_file_values: FILE_VALUES.put(),
            delete_file_values: FILE_VALUES.delete(),
            put_template: TEMPLATES.put(),
            delete_template: TEMPLATES.delete(),
            put_ticket: TICKETS.put(),
            delete_ticket: TICKETS.delete(),
            put_withholding: WITHHOLDINGS.put(),
            delete_withholding: WITHHOLDINGS.delete(),
            put_withheld_name: WITHHELD_NAMES.put(),
            delete_withheld_name: WITHHELD_NAMES.delete(),
            put_withdrawal: WITHDRAWALS.put(),
        }
    }

    /// Applies a change within the transaction that is open.
    pub(super) fn apply(&self, connection: &Connection, change: &Change) -> Result<(), Fault> {
        match change {
            Change::Meta(meta) => put_meta(connection, meta),
            Change::PutLock(lock) => self.put_lock(connection, lock),
            Change::DeleteLock(name) => {
                delete_text(connection, &self.delete_file_values, name.as_str())?;
                delete_text(connection, &self.delete_lock, name.as_str())
            }
            Change::PutTemplate(template) => template_row(template, connection, &self.put_template),
            Change::DeleteTemplate(prefix) => delete_text(connection, &self.delete_template, &prefix.pattern()),
            Change::PutTicket(ticket) => ticket_row(ticket).execute(connection, &self.put_ticket),
            Change::DeleteTicket(id) => delete_text(connection, &self.delete_ticket, &ticket_id(*id)),
            Change::PutWithholding(withholding) => {
                withholding_row(withholding).execute(connection, &self.put_withholding)
            }
            Change::DeleteWithholding(number) => {
                let mut row = Writer::default();
                row.number(*number);
                row.execute(connection, &self.delete_withholding)
            }
            Change::PutWithheldName(WithheldName { name, until }) => {
                let mut row = Writer::default();
                row.text(name.as_str());
                row.number(*until);
                row.execute(connection, &self.put_withheld_name)
            }
            Change::DeleteWithheldName(name) => delete_text(connection, &self.delete_withheld_name, name.as_str()),
            Change::PutWithdrawn(Withdrawn { scope: RequestScope { lock, owner, id }, until }) => {
                let mut row = Writer::default();
                row.text(lock.as_str());
                row.text_or_null(owner.as_deref());
                row.text(id);
                row.number(*until);
                row.execute(connection, &self.put_withdrawal)
            }
            Change::DeleteWithdrawn(RequestScope { lock, owner, id }) => {
                let mut row = Writer::default();
                row.text(lock.as_str());
                row.text_or_null(owner.as_deref());
                row.text(id);
                row.execute(connection, "DELETE FROM withdrawals WHERE lock = ?1 AND owner IS ?2 AND request_id = ?3")
            }
        }
    }

    fn put_lock(&self, connection: &Connection, lock: &LockRecord) -> Result<(), Fault> {
        let mut row = Writer::default();
        row.text(lock.name.as_str());
        settings(&mut row, &lock.settings);
        match &lock.template {
            Some(template) => row.owned(template.pattern()),
            None => row.null(),
        }
        row.flag(lock.retiring);
        row.flag(lock.pause.is_some());
        row.text_or_null(lock.pause.as_ref().map(|pause| &*pause.reason));
        let (service, wall) = match lock.pause.as_ref().and_then(|pause| pause.until) {
            Some(Until::Service(until)) => (Some(until), None),
            Some(Until::Wall(until)) => (None, Some(until)),
            None => (None, None),
        };
        row.number_or_null(service);
        row.number_or_null(wall);
        row.owned(slot_names_to_text(&lock.slot_names));
        row.number(lock.revision);
        row.execute(connection, &self.put_lock)?;
        let Some(file) = &lock.file else {
            return delete_text(connection, &self.delete_file_values, lock.name.as_str());
        };
        let mut row = Writer::default();
        row.text(lock.name.as_str());
        settings(&mut row, &file.settings);
        row.flag(file.paused);
        row.execute(connection, &self.put_file_values)
    }
}

/// The text of a ticket's id: a UUID in lower case with hyphens.
pub(super) fn ticket_id(id: TicketId) -> String {
    uuid::Uuid::from_u128(id.0).hyphenated().to_string()
}

/// The pattern of a template, or why it is none.
pub(super) fn prefix(pattern: &str) -> Result<Prefix, String> {
    Prefix::stored(pattern).map_err(|error| format!("no name of a template: {error}"))
}

fn delete_text(connection: &Connection, sql: &str, key: &str) -> Result<(), Fault> {
    connection.prepare_cached(sql)?.execute([key])?;
    Ok(())
}

fn put_meta(connection: &Connection, meta: &Meta) -> Result<(), Fault> {
    let mut row = Writer::default();
    for number in [meta.service_ms, meta.last_token, meta.last_number, meta.last_seq, meta.last_revision] {
        row.number(number);
    }
    let Uptime { downtime_ms, monotonic_ms, starts, doubt_at } = meta.uptime;
    for number in [downtime_ms, monotonic_ms, doubt_at] {
        row.number(number);
    }
    row.owned(starts_to_text(&starts));
    row.execute(
        connection,
        "UPDATE meta SET service_ms = ?1, last_token = ?2, last_number = ?3, last_seq = ?4, last_revision = ?5, \
         downtime_ms = ?6, monotonic_ms = ?7, doubt_at_ms = ?8, starts = ?9",
    )
}

/// The ten columns of settings.
fn settings<'a>(row: &mut Writer<'a>, settings: &'a Settings) {
    row.number(settings.size().into());
    match &settings.capacity {
        Capacity::Size(_) => row.null(),
        Capacity::Named(names) => row.owned(names_to_text(names)),
    }
    row.number(settings.grace);
    row.number_or_null(settings.expiration);
    row.number_or_null(settings.max_lock);
    row.number_or_null(settings.max_hold);
    row.number_or_null(settings.max_ttl);
    row.number(settings.lock_delay);
    row.number(settings.max_queue.into());
    row.text(&settings.description);
}

fn template_row(template: &TemplateRecord, connection: &Connection, sql: &str) -> Result<(), Fault> {
    let mut row = Writer::default();
    row.owned(template.prefix.pattern());
    settings(&mut row, &template.settings);
    row.flag(template.paused);
    row.execute(connection, sql)
}

fn ticket_row(ticket: &TicketRecord) -> Writer<'_> {
    let mut row = Writer::default();
    row.number(ticket.number);
    row.owned(ticket_id(ticket.id));
    row.text(ticket.lock.as_str());
    row.text_or_null(ticket.owner.as_deref());
    row.text(&ticket.from);
    row.text(&ticket.info);
    match ticket.permits {
        Permits::Count(count) => row.number(count.into()),
        Permits::All => row.text("all"),
    }
    row.signed(ticket.priority.into());
    row.number(ticket.seq);
    row.text_or_null(ticket.request.as_ref().map(|request| &*request.id));
    row.number_or_null(ticket.request.as_ref().and_then(|request| request.asked_ttl));
    row.number_or_null(ticket.request.as_ref().and_then(|request| request.asked_max_hold));
    row.text_or_null(ticket.holder.as_deref());
    match ticket.lease {
        Lease::OfLock => row.text("of_lock"),
        Lease::Given(ms) => row.number(ms),
        Lease::Never => row.text("never"),
    }
    row.text(match ticket.queue_lease {
        QueueLease::Minute => "minute",
        QueueLease::Expiration => "expiration",
    });
    row.number_or_null(ticket.max_hold);
    row.flag(ticket.acknowledged);
    row.number(ticket.lease_began);
    state(&mut row, &ticket.state);
    row.number_or_null(ticket.token);
    row.owned(slots_to_text(&ticket.slots));
    row.owned(names_to_text(&ticket.slot_names));
    row.number_or_null(ticket.hold_until);
    row.number(ticket.created_at);
    row.number_or_null(ticket.granted_at);
    row.number_or_null(ticket.held_at);
    row.number_or_null(ticket.ended_at);
    row
}

/// The five columns of the state.
fn state<'a>(row: &mut Writer<'a>, state: &'a State) {
    row.text(match state {
        State::Queued { .. } => "queued",
        State::Granted => "granted",
        State::Held => "held",
        State::Ended { .. } => "ended",
    });
    row.flag(matches!(state, State::Queued { dormant: true }));
    let State::Ended { how, at, reason } = state else {
        return (0..3).for_each(|_| row.null());
    };
    row.text(how.as_str());
    row.number(*at);
    row.text_or_null(reason.as_deref());
}

fn withholding_row(withholding: &Withholding) -> Writer<'_> {
    let mut row = Writer::default();
    row.number(withholding.number);
    row.text(withholding.lock.as_str());
    row.owned(slots_to_text(&withholding.slots));
    row.owned(names_to_text(&withholding.slot_names));
    row.flag(withholding.all);
    row.text(withholding.how.as_str());
    row.number(withholding.until);
    row.text(withholding.cause.as_str());
    row.text_or_null(withholding.reason.as_deref());
    row
}
