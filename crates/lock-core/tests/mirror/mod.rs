//! A store as a map: it gets every change and gives back what is left. What a real store must do, in 60 lines.

use lock_core::{
    Change, Continuity, Key, Meta, Ms, Snapshot, State, StepContext, Table, TicketId, TicketRecord, invariants,
};
use std::collections::{BTreeMap, BTreeSet};

/// Records by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mirror {
    meta: Meta,
    records: BTreeMap<Key, Change>,
}

impl Mirror {
    /// One commit. At most one change of each key is allowed in it.
    pub(crate) fn commit(&mut self, changes: Vec<Change>) {
        let mut keys = BTreeSet::new();
        for change in changes {
            let key = change.key();
            assert!(keys.insert(key.clone()), "two changes of {key:?} in one commit");
            match change {
                Change::Meta(meta) => self.meta = meta,
                change if change.is_deletion() => drop(self.records.remove(&key)),
                put => drop(self.records.insert(key, put)),
            }
        }
        assert!(keys.is_empty() || keys.contains(&Key::Meta), "a commit without the clock and the counters");
    }

    /// What is stored, sorted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { meta: self.meta, ..self.records.values().cloned().collect() };
        snapshot.read_dormancy();
        snapshot.sort();
        snapshot
    }

    /// Commits a step of this table and checks everything that is true after any step: the invariants, that the store has
    /// what the table has, and that a table loaded from it has it too. Deferred changes are left out.
    pub(crate) fn commit_step(&mut self, table: &mut Table) -> Result<(), String> {
        let before = self.meta;
        self.commit(table.take_changes());
        let rising = |was: Meta, is: Meta| {
            was.last_token <= is.last_token && was.last_number <= is.last_number && was.last_seq <= is.last_seq
        };
        if !rising(before, self.meta) {
            return Err(format!("rule 10: a counter fell from {before:?} to {:?}", self.meta));
        }
        // Time alone needs no commit; the engine saves the clock now and then.
        self.commit(vec![table.clock_change()]);
        invariants::check(table)?;
        self.has_all_of(table)?;
        self.survives_a_crash()
    }

    /// Writes deferred changes, as before an orderly stop. Then the store has what the table has to the last bit.
    pub(crate) fn write_deferred(&mut self, table: &mut Table) -> Result<(), String> {
        self.commit_step(table)?;
        while table.has_deferred_changes() {
            let mut changes = table.take_deferred_changes();
            changes.push(table.clock_change());
            self.commit(changes);
        }
        self.has_all_of(table)
    }

    /// The store equals the table, but for that clients know of their tickets, and that only while the table still has some
    /// of it to write.
    fn has_all_of(&self, table: &Table) -> Result<(), String> {
        let (stored, mut is) = (self.snapshot(), table.snapshot());
        if table.has_deferred_changes() {
            let noted: BTreeMap<TicketId, (bool, Ms)> =
                stored.tickets.iter().map(|ticket| (ticket.id, (ticket.acknowledged, ticket.lease_began))).collect();
            for ticket in &mut is.tickets {
                let &(acknowledged, lease_began) = noted.get(&ticket.id).ok_or("a ticket is not stored")?;
                ticket.acknowledged &= acknowledged;
                ticket.lease_began = lease_began;
            }
        }
        if stored == is { Ok(()) } else { Err(differs(&stored, &is)) }
    }

    /// A load gives back what is stored; and in the first step after a crash nobody whose client may not know of its ticket
    /// stands in the way of others, while nobody loses what its client may have been told it holds.
    fn survives_a_crash(&self) -> Result<(), String> {
        let stored = self.snapshot();
        let mut loaded = Table::load(stored.clone(), 0, &Continuity::None).map_err(|why| why.to_string())?;
        if loaded.snapshot() != stored {
            return Err("a loaded table differs from its store".to_owned());
        }
        loaded.begin_step(self.meta.service_ms);
        loaded.expire(StepContext { now: self.meta.service_ms, wall: 0, is_connected: &|_| true });
        let mut after = self.clone();
        after.commit(loaded.take_changes());
        after.has_all_of(&loaded)?;
        invariants::check(&loaded)?;
        let before: BTreeMap<TicketId, &TicketRecord> =
            stored.tickets.iter().map(|ticket| (ticket.id, ticket)).collect();
        for is in after.snapshot().tickets.iter().filter(|ticket| ticket.is_live()) {
            let was = before[&is.id];
            if !is.acknowledged && matches!(is.state, State::Queued { dormant: false } | State::Granted) {
                return Err(format!("after a crash a ticket that nobody may know of is in the way: {is:?}"));
            }
            if was.state == State::Held && is.state != State::Held {
                return Err(format!("after a crash a holder has lost its permit: {is:?}"));
            }
            if was.seq != is.seq {
                return Err(format!("after a crash a ticket has lost its place: {was:?} {is:?}"));
            }
        }
        Ok(())
    }
}

/// Where two snapshots differ first; whole ones may fill a disk.
pub(crate) fn differs(stored: &Snapshot, is: &Snapshot) -> String {
    let lines = |snapshot: &Snapshot| format!("{snapshot:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (stored, is) = (lines(stored), lines(is));
    let first = stored.iter().zip(&is).take_while(|(a, b)| a == b).count();
    let around = |lines: &[String]| lines[first.saturating_sub(20)..(first + 12).min(lines.len())].join("\n");
    format!("expected\n{}\nand it is\n{}", around(&stored), around(&is))
}
