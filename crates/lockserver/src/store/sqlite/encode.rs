//! Changes as statements, one to one.

use super::columns::{Statements, Table, Writer};
use super::fault::Fault;
use super::words::{names_to_text, slot_names_to_text, slots_to_text, starts_to_text};
use crate::store::codec::{self, Scalar};
use lock_core::{
    Capacity, Change, Lease, LockRecord, Meta, Permits, RequestScope, Settings, State, TemplateRecord, TicketRecord,
    Until, Uptime, Withdrawn, WithheldName, Withholding,
};
use rusqlite::Connection;

macro_rules! with_settings {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            ", size, names, tags, pick, grace_ms, expiration_ms, max_lock_ms, max_hold_ms, max_ttl_ms, lock_delay_ms, max_queue, \
             max_per_owner, min_hold_ms, description, ",
            $after
        )
    };
}

pub(super) const LOCKS: Table = Table {
    name: "locks",
    key: "name",
    columns: with_settings!(
        "name",
        "template, retiring, paused, pause_reason, pause_by, pause_until_service_ms, pause_until_at_ms, outside_in_use, \
          outside_reported_at_ms, outside_until_at_ms, slot_names, revision"
    ),
};
pub(super) const FILE_VALUES: Table =
    Table { name: "file_values", key: "lock", columns: with_settings!("lock", "paused") };
pub(super) const TEMPLATES: Table =
    Table { name: "templates", key: "pattern", columns: with_settings!("pattern", "paused") };
pub(super) const TICKETS: Table = Table {
    name: "tickets",
    key: "number",
    columns: "number, id, lock, owner, client, info, permits, priority, seq, request_id, asked_ttl_ms, \
              asked_max_hold_ms, holder, lease, queue_lease, max_hold_ms, acknowledged, lease_began_uptime_ms, state, dormant, ended_as, \
              ended_service_ms, reason, token, slots, slot_names, hold_until_service_ms, created_at_ms, granted_at_ms, held_at_ms, \
              ended_at_ms, more",
};
pub(super) const WITHHOLDINGS: Table = Table {
    name: "withholdings",
    key: "number",
    columns: "number, lock, slots, slot_names, all_permits, cause, ended_as, reason, until_service_ms, until_at_ms, awaited, \
              awaited_names",
};
pub(super) const WITHHELD_NAMES: Table =
    Table { name: "withheld_names", key: "name", columns: "name, until_service_ms" };
pub(super) const WITHDRAWALS: Table = Table {
    name: "withdrawals",
    // A key of several columns, one of which may be NULL: see `scope_row`.
    key: "lock",
    columns: "lock, others, owner, request_id, until_service_ms",
};

/// The texts of the statements; made once.
pub(super) struct Encoder {
    locks: Statements,
    file_values: Statements,
    templates: Statements,
    tickets: Statements,
    withholdings: Statements,
    withheld_names: Statements,
    withdrawals: Statements,
}

impl Encoder {
    pub(super) fn new() -> Self {
        Self {
            locks: LOCKS.statements(),
            file_values: FILE_VALUES.statements(),
            templates: TEMPLATES.statements(),
            tickets: TICKETS.statements_if_same("id"),
            withholdings: WITHHOLDINGS.statements(),
            withheld_names: WITHHELD_NAMES.statements(),
            withdrawals: WITHDRAWALS.statements(),
        }
    }

    /// Applies a change within the transaction that is open.
    pub(super) fn apply(&self, connection: &Connection, change: &Change) -> Result<(), Fault> {
        match change {
            Change::Meta(meta) => put_meta(connection, meta),
            Change::PutLock(lock) => self.put_lock(connection, lock),
            Change::DeleteLock(name) => {
                delete(connection, &self.file_values, name)?;
                delete(connection, &self.locks, name)
            }
            Change::PutTemplate(template) => template_row(template).execute(connection, &self.templates.put),
            Change::DeleteTemplate(prefix) => delete(connection, &self.templates, prefix),
            Change::PutTicket(ticket) => match ticket_row(ticket).change(connection, &self.tickets.put)? {
                0 => Err(Fault::Value(format!("table tickets, row number = {}: it is another ticket", ticket.number))),
                _ => Ok(()),
            },
            Change::DeleteTicket { number, id } => {
                let mut row = Writer::default();
                row.number(*number);
                row.scalar(id);
                row.execute(connection, &self.tickets.delete)
            }
            Change::PutWithholding(withholding) => {
                withholding_row(withholding).execute(connection, &self.withholdings.put)
            }
            Change::DeleteWithholding(number) => {
                let mut row = Writer::default();
                row.number(*number);
                row.execute(connection, &self.withholdings.delete)
            }
            Change::PutWithheldName(WithheldName { name, until }) => {
                let mut row = Writer::default();
                row.scalar(name);
                row.number(*until);
                row.execute(connection, &self.withheld_names.put)
            }
            Change::DeleteWithheldName(name) => delete(connection, &self.withheld_names, name),
            Change::PutWithdrawn(Withdrawn { scope, until }) => {
                let mut row = scope_row(scope);
                row.number(*until);
                row.execute(connection, &self.withdrawals.put)
            }
            Change::DeleteWithdrawn(scope) => scope_row(scope).execute(
                connection,
                "DELETE FROM withdrawals WHERE lock = ?1 AND others IS ?2 AND owner IS ?3 AND request_id = ?4",
            ),
        }
    }

    fn put_lock(&self, connection: &Connection, lock: &LockRecord) -> Result<(), Fault> {
        let mut row = Writer::default();
        row.scalar(&lock.name);
        settings(&mut row, &lock.settings);
        row.scalar_or_null(lock.template.as_ref());
        row.flag(lock.retiring);
        row.flag(lock.pause.is_some());
        row.scalar_or_null(lock.pause.as_ref().map(|pause| &pause.reason));
        row.scalar_or_null(lock.pause.as_ref().and_then(|pause| pause.by.as_ref()));
        let (service, wall) = match lock.pause.as_ref().and_then(|pause| pause.until) {
            Some(Until::Service(until)) => (Some(until), None),
            Some(Until::Wall(until)) => (None, Some(until)),
            None => (None, None),
        };
        row.number_or_null(service);
        row.number_or_null(wall);
        row.number_or_null(lock.outside.map(|outside| outside.in_use.into()));
        row.number_or_null(lock.outside.map(|outside| outside.reported_at));
        row.number_or_null(lock.outside.and_then(|outside| outside.until));
        row.owned(slot_names_to_text(&lock.slot_names));
        row.number(lock.revision);
        row.execute(connection, &self.locks.put)?;
        let Some(file) = &lock.file else {
            return delete(connection, &self.file_values, &lock.name);
        };
        let mut row = Writer::default();
        row.scalar(&lock.name);
        settings(&mut row, &file.settings);
        row.flag(file.paused);
        row.execute(connection, &self.file_values.put)
    }
}

fn delete(connection: &Connection, table: &Statements, key: &impl Scalar) -> Result<(), Fault> {
    let mut row = Writer::default();
    row.scalar(key);
    row.execute(connection, &table.delete)
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
    row.number(meta.dormant_to);
    row.execute(
        connection,
        "UPDATE meta SET service_ms = ?1, last_token = ?2, last_number = ?3, last_seq = ?4, last_revision = ?5, \
         downtime_ms = ?6, monotonic_ms = ?7, doubt_at_ms = ?8, starts = ?9, dormant_to = ?10",
    )
}

/// The fourteen columns of settings.
fn settings<'a>(row: &mut Writer<'a>, settings: &'a Settings) {
    row.number(settings.size().into());
    match &settings.capacity {
        Capacity::Size(_) => row.null(),
        Capacity::Named(names) => row.owned(names_to_text(names)),
    }
    match settings.tags.is_empty() {
        true => row.null(),
        false => row.owned(codec::to_text(&settings.tags)),
    }
    row.scalar(&settings.pick);
    row.number(settings.grace);
    row.number_or_null(settings.expiration);
    row.number_or_null(settings.max_lock);
    row.number_or_null(settings.max_hold);
    row.number_or_null(settings.max_ttl);
    row.number(settings.lock_delay);
    row.number(settings.max_queue.into());
    row.number_or_null(settings.max_per_owner.map(u64::from));
    row.number(settings.min_hold);
    row.scalar(&settings.description);
}

fn template_row(template: &TemplateRecord) -> Writer<'_> {
    let mut row = Writer::default();
    row.scalar(&template.prefix);
    settings(&mut row, &template.settings);
    row.flag(template.paused);
    row
}

/// The columns of a withdrawal's key.
fn scope_row(RequestScope { lock, others, owner, id }: &RequestScope) -> Writer<'_> {
    let mut row = Writer::default();
    row.scalar(lock);
    match others.is_empty() {
        true => row.null(),
        false => row.owned(codec::to_text(others)),
    }
    row.scalar_or_null(owner.as_ref());
    row.scalar(id);
    row
}

fn ticket_row(ticket: &TicketRecord) -> Writer<'_> {
    let mut row = Writer::default();
    row.number(ticket.number);
    row.scalar(&ticket.id);
    row.scalar(&ticket.lock);
    row.scalar_or_null(ticket.owner.as_ref());
    row.scalar(&ticket.from);
    row.scalar(&ticket.info);
    match ticket.permits {
        Permits::Count(count) => row.number(count.into()),
        Permits::All => row.text("all"),
    }
    row.signed(ticket.priority.into());
    row.number(ticket.seq);
    row.scalar_or_null(ticket.request.as_ref().map(|request| &request.id));
    row.number_or_null(ticket.request.as_ref().and_then(|request| request.asked_ttl));
    row.number_or_null(ticket.request.as_ref().and_then(|request| request.asked_max_hold));
    row.scalar_or_null(ticket.holder.as_ref());
    match ticket.lease {
        Lease::OfLock => row.text("of_lock"),
        Lease::Given(ms) => row.number(ms),
        Lease::Never => row.text("never"),
    }
    row.scalar(&ticket.queue_lease);
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
    match &ticket.more {
        Some(more) => row.owned(codec::to_text(more)),
        None => row.null(),
    }
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
    row.scalar(how);
    row.number(*at);
    row.scalar_or_null(reason.as_ref());
}

fn withholding_row(withholding: &Withholding) -> Writer<'_> {
    let mut row = Writer::default();
    row.number(withholding.number);
    row.scalar(&withholding.lock);
    row.owned(slots_to_text(&withholding.slots));
    row.owned(names_to_text(&withholding.slot_names));
    row.flag(withholding.all);
    row.scalar(&withholding.cause);
    row.scalar_or_null(withholding.how.as_ref());
    row.scalar_or_null(withholding.reason.as_ref());
    row.number_or_null(withholding.until);
    row.number_or_null(withholding.until_wall);
    row.number(withholding.awaited.into());
    row.owned(names_to_text(&withholding.awaited_names));
    row
}
