//! The configuration file against live changes (design, section 5).

use super::{Lock, StepContext, Table, Template, Timer};
use crate::change::Condition;
use crate::command::{ConfigureMode, ConfigureReport, Outcome, Rejection};
use crate::limits::{LOCKS_MAX, TTL_MAX_MS};
use crate::{Definition, FileValues, Key, LockName, Pause, Prefix, Settings, Target, TemplateRecord, Until};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sets one value after the file: an unchanged file value leaves a live change alone, a changed one wins.
fn merge<T: PartialEq + Clone>(live: &mut T, before: Option<&T>, file: &T) -> bool {
    if before == Some(file) {
        return false;
    }
    let changed = live != file;
    *live = file.clone();
    changed
}

/// Merges every setting. Destructured, so that a new one cannot be forgotten.
fn merge_settings(live: &mut Settings, before: Option<&Settings>, file: &Settings) -> bool {
    let Settings {
        capacity,
        tags,
        pick,
        grace,
        expiration,
        max_lock,
        max_hold,
        max_ttl,
        lock_delay,
        max_queue,
        max_per_owner,
        min_hold,
        description,
    } = live;
    let changed = [
        merge(capacity, before.map(|b| &b.capacity), &file.capacity),
        merge(tags, before.map(|b| &b.tags), &file.tags),
        merge(pick, before.map(|b| &b.pick), &file.pick),
        merge(grace, before.map(|b| &b.grace), &file.grace),
        merge(expiration, before.map(|b| &b.expiration), &file.expiration),
        merge(max_lock, before.map(|b| &b.max_lock), &file.max_lock),
        merge(max_hold, before.map(|b| &b.max_hold), &file.max_hold),
        merge(max_ttl, before.map(|b| &b.max_ttl), &file.max_ttl),
        merge(lock_delay, before.map(|b| &b.lock_delay), &file.lock_delay),
        merge(max_queue, before.map(|b| &b.max_queue), &file.max_queue),
        merge(max_per_owner, before.map(|b| &b.max_per_owner), &file.max_per_owner),
        merge(min_hold, before.map(|b| &b.min_hold), &file.min_hold),
        merge(description, before.map(|b| &b.description), &file.description),
    ];
    changed.contains(&true)
}

/// Names of the settings that differ from what the file last set.
pub(super) fn overridden(live: &Settings, file: &Settings) -> Vec<&'static str> {
    [
        ("size", live.capacity != file.capacity),
        ("tags", live.tags != file.tags),
        ("pick", live.pick != file.pick),
        ("grace_time", live.grace != file.grace),
        ("expiration_time", live.expiration != file.expiration),
        ("max_lock_time", live.max_lock != file.max_lock),
        ("max_hold_time", live.max_hold != file.max_hold),
        ("max_ttl", live.max_ttl != file.max_ttl),
        ("lock_delay", live.lock_delay != file.lock_delay),
        ("max_queue", live.max_queue != file.max_queue),
        ("max_per_owner", live.max_per_owner != file.max_per_owner),
        ("min_hold_time", live.min_hold != file.min_hold),
        ("description", live.description != file.description),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

impl Table {
    pub(super) fn configure(
        &mut self,
        at: StepContext<'_>,
        definitions: &[Definition],
        mode: ConfigureMode,
    ) -> Outcome {
        let mut report = ConfigureReport::default();
        // A section that cannot be applied is there nevertheless: what it names is left alone and does not retire.
        let mut named = (BTreeSet::new(), BTreeSet::new());
        let mut fine: Vec<&Definition> = Vec::new();
        for definition in definitions {
            match &definition.target {
                Target::Template(prefix) => named.0.insert(prefix.clone()),
                Target::Lock(name) => named.1.insert(name.clone()),
            };
            match super::admin::check_settings(&definition.settings) {
                Ok(()) => fine.push(definition),
                Err(why) => report.refused.push(format!("{}: {why}", name_of(&definition.target))),
            }
        }
        // Templates first: a lock whose section is gone may fit one.
        for definition in &fine {
            if let Target::Template(prefix) = &definition.target {
                self.configure_template(prefix, definition, mode, &mut report);
            }
        }
        if mode == ConfigureMode::Apply {
            self.drop_templates(&named.0, &mut report);
        }
        for definition in &fine {
            if let Target::Lock(name) = &definition.target {
                self.configure_lock(at, name, definition, mode, &mut report);
            }
        }
        if mode == ConfigureMode::Apply {
            let others: Vec<LockName> = self.locks.keys().filter(|name| !named.1.contains(*name)).cloned().collect();
            for name in others {
                self.configure_unnamed(at, &name, &mut report);
            }
        }
        Outcome::Configured(report)
    }

    fn configure_template(
        &mut self,
        prefix: &Prefix,
        definition: &Definition,
        mode: ConfigureMode,
        report: &mut ConfigureReport,
    ) {
        let record =
            TemplateRecord { prefix: prefix.clone(), settings: definition.settings.clone(), paused: definition.paused };
        match self.templates.get_mut(prefix) {
            Some(template) if template.record == record || mode == ConfigureMode::CreateMissing => return,
            Some(template) => {
                template.record = record;
                report.changed.push(prefix.pattern());
            }
            None => {
                // One that returns may find locks that were left alone meanwhile.
                let of_it = |lock: &&Lock| lock.record.template.as_ref() == Some(prefix);
                let instances = self.locks.values().filter(of_it).count();
                self.templates.insert(prefix.clone(), Template { record, instances });
                report.created.push(prefix.pattern());
            }
        }
        self.mark(Key::Template(prefix.clone()));
    }

    fn drop_templates(&mut self, named: &BTreeSet<Prefix>, report: &mut ConfigureReport) {
        let gone: Vec<Prefix> = self.templates.keys().filter(|prefix| !named.contains(*prefix)).cloned().collect();
        for prefix in gone {
            self.templates.remove(&prefix);
            self.mark(Key::Template(prefix.clone()));
            report.retired.push(prefix.pattern());
        }
    }

    fn configure_lock(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        definition: &Definition,
        mode: ConfigureMode,
        report: &mut ConfigureReport,
    ) {
        let file = FileValues { settings: definition.settings.clone(), paused: definition.paused };
        if self.locks.contains_key(name) {
            if mode == ConfigureMode::Apply {
                self.apply_file(at, name, file, None, report);
            }
            return;
        }
        if self.locks.len() >= LOCKS_MAX {
            let full = Rejection::LimitReached { what: "locks of the server", max: LOCKS_MAX as u64 };
            report.refused.push(format!("{name}: {full}"));
            return;
        }
        self.insert_lock(at, name, file.settings.clone(), file.paused, Some(file), None);
        // A lock of this name was deleted a moment ago: its holders may still be at work, so nobody is let in yet.
        if !definition.paused
            && let Some(withheld) = self.withheld_names.get(name).cloned()
        {
            let reason = Arc::from("a lock of this name was deleted while in use");
            let until = Until::Service(withheld.until.min(self.now() + TTL_MAX_MS));
            self.set_pause(name, Some(Pause { reason, by: None, until: Some(until) }));
        }
        report.created.push(name.to_string());
    }

    /// A lock without a section of its own: an instance follows its template, others that came from a file retire.
    fn configure_unnamed(&mut self, at: StepContext<'_>, name: &LockName, report: &mut ConfigureReport) {
        if self.lock(name).record.file.is_none() {
            return;
        }
        if let Some(prefix) = self.matching_template(name.as_str()).cloned() {
            let template = &self.templates[&prefix].record;
            let file = FileValues { settings: template.settings.clone(), paused: template.paused };
            self.apply_file(at, name, file, Some(prefix), report);
            return;
        }
        self.set_template(name, None);
        let was = Condition::of(&self.lock(name).record);
        let lock = self.lock_mut(name);
        if !lock.record.retiring {
            lock.record.retiring = true;
            self.mark(Key::Lock(name.clone()));
            self.emit_change(at, name, &was);
            report.retired.push(name.to_string());
        }
        self.reap_if_idle(at, name);
    }

    fn apply_file(
        &mut self,
        at: StepContext<'_>,
        name: &LockName,
        file: FileValues,
        template: Option<Prefix>,
        report: &mut ConfigureReport,
    ) {
        self.set_template(name, template);
        let was = Condition::of(&self.lock(name).record);
        let lock = self.lock_mut(name);
        let before = lock.record.file.replace(file.clone());
        let back = std::mem::replace(&mut lock.record.retiring, false);
        let mut settings = lock.record.settings.clone();
        let changed = merge_settings(&mut settings, before.as_ref().map(|b| &b.settings), &file.settings);
        let pauses = file.paused && before.as_ref().is_none_or(|before| !before.paused);
        if before.as_ref() != Some(&file) {
            self.mark(Key::Lock(name.clone()));
        }
        // Only the file's own pause ends with the file's size 0; an administrator's stays.
        let of_file = self.lock(name).record.pause.as_ref() == Some(&super::acquire::file_pause());
        let resumes = of_file && !file.paused && before.is_some_and(|before| before.paused);
        if pauses || resumes {
            self.set_pause(name, pauses.then(super::acquire::file_pause));
        }
        if changed || back || pauses || resumes {
            report.changed.push(name.to_string());
            self.set_settings(at, name, settings, &was);
        } else {
            self.reap_if_idle(at, name);
        }
    }

    fn set_template(&mut self, name: &LockName, template: Option<Prefix>) {
        let before = self.lock(name).record.template.clone();
        if before == template {
            return;
        }
        if let Some(of) = before.and_then(|before| self.templates.get_mut(&before)) {
            of.instances -= 1;
        }
        if let Some(of) = template.as_ref().and_then(|prefix| self.templates.get_mut(prefix)) {
            of.instances += 1;
        }
        self.timers.cancel(&Timer::Instance(name.clone()));
        if template.is_none() {
            self.discharge_instance(name);
        }
        self.lock_mut(name).record.template = template;
        self.charge_instance(name);
        self.mark(Key::Lock(name.clone()));
    }
}

fn name_of(target: &Target) -> String {
    match target {
        Target::Lock(name) => name.to_string(),
        Target::Template(prefix) => prefix.pattern(),
    }
}
