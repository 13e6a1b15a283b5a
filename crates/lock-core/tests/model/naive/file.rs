//! The configuration file against live changes, and a restart (design, section 5; rule 9).

use super::{Naive, Words};
use lock_core::*;
use std::sync::Arc;

impl Naive {
    pub(super) fn configure(&mut self, definitions: &[Definition], mode: ConfigureMode) -> Words {
        let apply = mode == ConfigureMode::Apply;
        let fine = |definition: &&Definition| definition.settings.size() > 0;
        for definition in definitions.iter().filter(fine) {
            let Target::Template(prefix) = &definition.target else {
                continue;
            };
            let present = self.templates.iter().any(|template| template.prefix == *prefix);
            if apply || !present {
                self.templates.retain(|template| template.prefix != *prefix);
                self.templates.push(TemplateRecord {
                    prefix: prefix.clone(),
                    settings: definition.settings.clone(),
                    paused: definition.paused,
                });
            }
        }
        let names = |target: &Target| definitions.iter().any(|definition| definition.target == *target);
        if apply {
            self.templates.retain(|template| names(&Target::Template(template.prefix.clone())));
        }
        for definition in definitions.iter().filter(fine) {
            let Target::Lock(name) = &definition.target else {
                continue;
            };
            let file = FileValues { settings: definition.settings.clone(), paused: definition.paused };
            if !self.has_lock(name) {
                self.insert(name, file.settings.clone(), file.paused, Some(file), None);
                let withheld =
                    self.withheld_names.iter().find(|withheld| withheld.name == *name).map(|withheld| withheld.until);
                if let (Some(until), false) = (withheld, definition.paused) {
                    self.lock(name).rec.pause = Some(Pause {
                        reason: Arc::from("a lock of this name was deleted while in use"),
                        by: None,
                        until: Some(Until::Service(until)),
                    });
                }
            } else if apply {
                self.follow(name, file, None);
            }
        }
        if apply {
            let mut others: Vec<LockName> = self.locks.iter().map(|lock| lock.rec.name.clone()).collect();
            others.retain(|name| !names(&Target::Lock(name.clone())));
            others.sort();
            others.into_iter().for_each(|name| self.unnamed(&name));
        }
        "configured".into()
    }

    pub(super) fn unnamed(&mut self, name: &LockName) {
        if self.lock(name).rec.file.is_none() {
            return;
        }
        if let Some(template) = self.template_of(name).cloned() {
            let file = FileValues { settings: template.settings.clone(), paused: template.paused };
            self.follow(name, file, Some(&template));
            return;
        }
        let lock = self.lock(name);
        lock.rec.template = None;
        lock.idle_until = None;
        lock.rec.retiring = true;
        self.reap_if_idle(name);
    }

    pub(super) fn follow(&mut self, name: &LockName, file: FileValues, template: Option<&TemplateRecord>) {
        let lock = self.lock(name);
        let prefix = template.map(|template| template.prefix.clone());
        if lock.rec.template != prefix {
            lock.idle_until = None;
            lock.rec.template = prefix;
        }
        lock.rec.retiring = false;
        let before = lock.rec.file.replace(file.clone());
        let mut live = lock.rec.settings.clone();
        macro_rules! follow {
            ($($field:ident)*) => {$(
                if before.as_ref().is_none_or(|before| before.settings.$field != file.settings.$field) {
                    live.$field = file.settings.$field.clone();
                }
            )*};
        }
        follow!(capacity grace expiration max_lock max_hold max_ttl lock_delay max_queue max_per_owner min_hold tags pick description);
        if file.paused && before.as_ref().is_none_or(|before| !before.paused) {
            lock.rec.pause = Some(size_0());
        } else if !file.paused && before.is_some_and(|before| before.paused) && lock.rec.pause == Some(size_0()) {
            lock.rec.pause = None;
        }
        self.set(name, live);
    }

    /// The table is loaded: what is not stored starts anew (rule 9). `start`: and so does the process. Of more starts than
    /// are kept, `kept` tells which ones those are.
    pub(crate) fn restart(&mut self, start: bool, kept: &[Ms]) {
        self.fresh = Some(start);
        let now = self.now();
        if start && self.starts.last() != Some(&now) {
            self.starts.push(now);
        }
        if self.starts.len() > Starts::MAX {
            assert!(
                kept.len() <= Starts::MAX && kept.iter().all(|at| self.starts.contains(at)),
                "{kept:?} of {:?}",
                self.starts
            );
            assert_eq!(kept.last(), self.starts.last());
            self.starts = kept.to_vec();
        }
        self.floor = 0;
        self.absent.clear();
        let ids: Vec<TicketId> = self.tickets.iter().map(|ticket| ticket.rec.id).collect();
        for id in ids {
            let ticket = self.ticket(id);
            ticket.waiting = 0;
            ticket.restored = true;
            ticket.life = 0;
            self.restart_lease(id);
            // What a second start finds unheard of goes on from there.
            let began = self.find(id).expect("a ticket").rec.lease_began;
            let second = self.starts.iter().copied().filter(|at| *at > began).nth(1);
            if let (true, Some(second)) = (start, second) {
                let now = self.now();
                let ticket = self.ticket(id);
                ticket.until = ticket.until.map(|until| until - (now - second));
            }
        }
        let ended = |record: &TicketRecord| match record.state {
            State::Ended { at, .. } => Some((at, record.number)),
            _ => None,
        };
        for lock in &mut self.locks {
            lock.used.clear();
            let lru = lock.rec.settings.pick == Pick::Lru;
            let own = self.tickets.iter().map(|ticket| &ticket.rec).filter(|rec| lru && rec.is_of(&lock.rec.name));
            for (rec, last) in own.filter_map(|rec| Some((rec, ended(rec)?))) {
                for slot in super::listed(rec.part(&lock.rec.name).expect("a ticket of the lock").slots) {
                    let used = lock.used.entry(slot).or_default();
                    *used = last.max(*used);
                }
            }
        }
        let idle_until = Some(self.now() + 60_000);
        let names: Vec<LockName> = self.locks.iter().map(|lock| lock.rec.name.clone()).collect();
        for name in names {
            let counts = self.idle(&name) && self.lock(&name).rec.template.is_some();
            self.lock(&name).idle_until = idle_until.filter(|_| counts);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            meta: self.meta,
            locks: self.locks.iter().map(|lock| lock.rec.clone()).collect(),
            templates: self.templates.clone(),
            tickets: self.tickets.iter().map(|ticket| ticket.rec.clone()).collect(),
            withholdings: self.withholdings.clone(),
            withheld_names: self.withheld_names.clone(),
            withdrawn: self.withdrawn.clone(),
            restart_counters: false,
            lost_commits: false,
        };
        snapshot.sort();
        snapshot
    }
}

/// The pause of a lock that has size 0 in the file.
pub(super) fn size_0() -> Pause {
    Pause { reason: Arc::from("size 0 in the configuration"), by: None, until: None }
}
