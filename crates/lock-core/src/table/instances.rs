//! Instances of templates (rule 12): which template makes one, whose share it is in, and when an idle one goes.

use super::{StepContext, Table};
use crate::command::Rejection;
use crate::limits::{LOCKS_MAX, TEMPLATE_INSTANCES_MAX};
use crate::{FileValues, LockName, Prefix};

impl Table {
    /// The template with the longest prefix of the name (rule 12).
    pub(super) fn matching_template(&self, name: &str) -> Option<&Prefix> {
        (0..=name.len())
            .rev()
            .filter(|&end| name.is_char_boundary(end))
            .find_map(|end| self.templates.get_key_value(&name[..end]).map(|(prefix, _)| prefix))
    }

    /// The template that a lock of this name would be made from, if it may be made now, and others before it.
    pub(super) fn instance_of(&self, name: &LockName, before: &[(LockName, Prefix)]) -> Result<Prefix, Rejection> {
        if let Some(withheld) = self.withheld_names.get(name) {
            return Err(Rejection::NameWithheld(withheld.until - self.now()));
        }
        let prefix = self.matching_template(name.as_str()).ok_or(Rejection::UnknownLock)?.clone();
        if self.locks.len() + before.len() >= LOCKS_MAX {
            return Err(Rejection::LimitReached { what: "locks of the server", max: LOCKS_MAX as u64 });
        }
        let of_it = before.iter().filter(|(_, other)| *other == prefix).count();
        if self.templates[&prefix].instances + of_it >= TEMPLATE_INSTANCES_MAX {
            return Err(Rejection::LimitReached {
                what: "instances of a template",
                max: TEMPLATE_INSTANCES_MAX as u64,
            });
        }
        Ok(prefix)
    }

    /// Makes the lock that a template describes. The caller has looked at the bounds.
    pub(super) fn make_instance(&mut self, at: StepContext<'_>, name: &LockName, prefix: &Prefix) {
        let template = self.templates.get_mut(prefix).expect("matched by name");
        template.instances += 1;
        let values = FileValues { settings: template.record.settings.clone(), paused: template.record.paused };
        self.insert_lock(at, name, values.settings.clone(), values.paused, Some(values), Some(prefix.clone()));
    }

    /// Rule 12: an instance goes when it has been idle for a minute, if it says nothing that its template does not.
    pub(super) fn drop_idle_instance(&mut self, at: StepContext<'_>, name: &LockName) {
        let template = self.lock(name).record.template.clone().and_then(|prefix| self.templates.get(&prefix));
        let record = &self.lock(name).record;
        let equal = template.is_some_and(|template| {
            template.record.settings == record.settings && template.record.paused == record.pause.is_some()
        });
        // Until a report is stale, it says something.
        let equal = equal && record.outside.is_none_or(|outside| outside.until.is_none());
        if equal && self.lock(name).is_idle() {
            self.remove_lock(at, name);
        }
    }

    /// Charges an instance to the owner of a live ticket in it and, when that ticket ends, to the owner of another one: the
    /// owner that made it may have left long ago. An idle instance stays charged to its last owner.
    pub(super) fn charge_instance(&mut self, name: &LockName) {
        let lock = self.lock(name);
        let is_paid = || lock.charged.as_ref().is_some_and(|(number, _)| self.numbers.contains_key(number));
        if lock.record.template.is_none() || is_paid() {
            return;
        }
        let Some(id) = lock.active.values().copied().next().or_else(|| lock.queue.iter().map(|(_, id)| id).next())
        else {
            return;
        };
        self.discharge_instance(name);
        let (number, quota_owner) = (self.ticket(id).number, self.ticket(id).quota_owner());
        *self.instances.entry(quota_owner.clone()).or_default() += 1;
        self.lock_mut(name).charged = Some((number, quota_owner));
    }

    /// Takes the charge back from the owner: the lock goes, or is not an instance any more.
    pub(super) fn discharge_instance(&mut self, name: &LockName) {
        let Some((_, quota_owner)) = self.lock_mut(name).charged.take() else {
            return;
        };
        let count = self.instances.get_mut(&quota_owner).expect("counts each instance");
        *count -= 1;
        if *count == 0 {
            self.instances.remove(&quota_owner);
        }
    }
}
