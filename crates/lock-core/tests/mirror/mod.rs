//! A store as a map: it gets every change and gives back what is left. What a real store must do, in 60 lines.

use lock_core::{Change, Key, Meta, Snapshot, Table, invariants};
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
                Change::DeleteLock(_)
                | Change::DeleteTemplate(_)
                | Change::DeleteTicket(_)
                | Change::DeleteClosure(_)
                | Change::DeleteClosedName(_)
                | Change::DeleteWithdrawn(_) => drop(self.records.remove(&key)),
                put => drop(self.records.insert(key, put)),
            }
        }
        assert!(keys.is_empty() || keys.contains(&Key::Meta), "a commit without the clock and the counters");
    }

    /// What is stored, sorted.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { meta: self.meta, ..Snapshot::default() };
        for record in self.records.values().cloned() {
            match record {
                Change::PutLock(lock) => snapshot.locks.push(lock),
                Change::PutTemplate(template) => snapshot.templates.push(template),
                Change::PutTicket(ticket) => snapshot.tickets.push(ticket),
                Change::PutClosure(closure) => snapshot.closures.push(closure),
                Change::PutClosedName(closed) => snapshot.closed_names.push(closed),
                Change::PutWithdrawn(withdrawn) => snapshot.withdrawn.push(withdrawn),
                other => panic!("{other:?} is not a record"),
            }
        }
        snapshot.sort();
        snapshot
    }

    /// Commits a step of this table and checks everything that is true after any step: the invariants, that the store has
    /// what the table has, and that a table loaded from it has it too.
    pub(crate) fn settle(&mut self, table: &mut Table) -> Result<(), String> {
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
        let stored = self.snapshot();
        if stored != table.snapshot() {
            return Err(differs(&stored, &table.snapshot()));
        }
        let loaded = Table::load(stored.clone(), 0).map_err(|why| why.to_string())?;
        if loaded.snapshot() != stored {
            return Err("a loaded table differs from its store".to_owned());
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
