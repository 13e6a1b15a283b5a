//! Changes by administrators.

use super::{changed, done};
use crate::cli::{Create, Delete, Outside, Pause, Resize, Restore, Slot, Withhold};
use crate::exit::{CONFLICT, Failure, IMPOSSIBLE};
use crate::say;
use crate::show::{self, Style};
use lock_client::api::{self, Lock, LockPatch, LockSettings, Permits, Pick, Reloaded, Seconds, Ticket};
use lock_client::{Client, Guarded};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

fn shown(lock: &Lock, json: bool) -> Result<u8, Failure> {
    changed(json, lock, || show::all_locks(Style::of_stdout(), std::slice::from_ref(lock)))
}

/// The names of slots, as the file takes them.
pub(super) fn names(slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.name.clone()).collect()
}

/// Their tags, of those that have some.
pub(super) fn tags(slots: &[Slot]) -> BTreeMap<String, Vec<String>> {
    let tagged = slots.iter().filter(|slot| !slot.tags.is_empty());
    tagged.map(|slot| (slot.name.clone(), slot.tags.clone())).collect()
}

pub(super) async fn create(client: &Client, asked: Create, json: bool) -> Result<u8, Failure> {
    let default = LockSettings::default();
    // Zero is never, as in the configuration file.
    let or_never = |given: Option<Duration>, default: Option<Seconds>| match given {
        None => default,
        Some(Duration::ZERO) => None,
        Some(given) => Some(Seconds::from(given)),
    };
    let settings = LockSettings {
        size: asked.size,
        tags: asked.slots.as_deref().map(tags).unwrap_or_default(),
        slots: asked.slots.as_deref().map(names),
        pick: if asked.pick == Pick::Lru.as_str() { Pick::Lru } else { Pick::First },
        grace_time_s: asked.grace_time.map_or(default.grace_time_s, Seconds::from),
        expiration_time_s: or_never(asked.expiration_time, default.expiration_time_s),
        max_lock_time_s: or_never(asked.max_lock_time, default.max_lock_time_s),
        max_hold_time_s: or_never(asked.max_hold_time, default.max_hold_time_s),
        max_ttl_s: or_never(asked.max_ttl, default.max_ttl_s),
        lock_delay_s: asked.lock_delay.map_or(default.lock_delay_s, Seconds::from),
        max_queue: asked.max_queue.unwrap_or(default.max_queue),
        max_per_owner: asked.max_per_owner,
        min_hold_time_s: asked.min_hold_time.map_or(default.min_hold_time_s, Seconds::from),
        description: asked.description,
    };
    shown(&client.create(&asked.lock, &settings).await?, json)
}

pub(super) async fn resize(client: &Client, asked: Resize, json: bool) -> Result<u8, Failure> {
    if asked.preview {
        let size = asked.size.or_else(|| u32::try_from(asked.slots.as_ref()?.len()).ok()).unwrap_or_default();
        let lock = client.whole_lock(&asked.lock).await?;
        return changed(json, &json!({"would_end": too_big(&lock, size)}), || resized(&lock, size));
    }
    // A number says nothing about names: the server would drop them all.
    if asked.slots.is_none() && !asked.force.force {
        let now = client.lock(&asked.lock).await?;
        if let Some(names) = now.settings.slots.filter(|names| !names.is_empty()) {
            let text = format!(
                "the permits of `{}` have names, which a number would take away: --slots {} with the names that you want, or the \
                 configuration, changes them; --force drops them",
                asked.lock,
                names.join(","),
            );
            return Err(Failure::new(IMPOSSIBLE, text));
        }
    }
    let patch = LockPatch {
        size: asked.size,
        slots: asked.slots.as_deref().map(names),
        // A number says nothing about tags, which are those of names.
        tags: asked.slots.as_deref().map(tags).filter(|tags| !tags.is_empty()).map(Some),
        ..LockPatch::default()
    };
    shown(&client.change(&asked.lock, &patch, asked.force.guarded()).await?, json)
}

/// Waiters that ask for more than that.
fn too_big(lock: &Lock, size: u32) -> Vec<u64> {
    let wants = |ticket: &Ticket| ticket.locks.get(&lock.name).map(|part| part.permits);
    let is_too_big = |ticket: &&Ticket| matches!(wants(ticket), Some(Permits::Count(count)) if count > size);
    lock.queue.iter().filter(is_too_big).map(|ticket| ticket.number).collect()
}

/// What another size would do.
fn resized(lock: &Lock, size: u32) -> String {
    let out = lock.in_use + lock.withheld;
    let mut text = format!("{}: size {} -> {size}; holders go on\n", say::clean(&lock.name), lock.size);
    let ends = too_big(lock, size);
    if !ends.is_empty() {
        let numbers: Vec<String> = ends.iter().map(|number| format!("#{number}")).collect();
        text.push_str(&format!("these wait for more than {size} and would end: {}\n", numbers.join(", ")));
    }
    let free = u64::from(size).saturating_sub(out);
    match out.saturating_sub(u64::from(size)) {
        0 if lock.paused => text.push_str("it is paused: nobody would be let in\n"),
        0 if free == 0 => text.push_str("none would be free\n"),
        0 => text.push_str(&format!("{free} would be free, and {} wait\n", lock.queued - ends.len() as u64)),
        over => text.push_str(&format!("at least {} must come back before anybody is let in\n", over + 1)),
    }
    text
}

pub(super) async fn pause(client: &Client, asked: Pause, json: bool) -> Result<u8, Failure> {
    let patch = LockPatch {
        paused: Some(true),
        reason: asked.reason,
        until_s: asked.until.map(Seconds::from),
        ..LockPatch::default()
    };
    shown(&client.change(&asked.lock, &patch, Guarded::default()).await?, json)
}

pub(super) async fn resume(client: &Client, lock: &str, json: bool) -> Result<u8, Failure> {
    let patch = LockPatch { paused: Some(false), ..LockPatch::default() };
    shown(&client.change(lock, &patch, Guarded::default()).await?, json)
}

/// Shows the lock as it is then, withholdings and all.
pub(super) async fn withhold(client: &Client, asked: Withhold, json: bool) -> Result<u8, Failure> {
    let until_s = asked.until.map(Seconds::from);
    let what = api::Withhold { permits: asked.permits, slots: asked.slot, reason: asked.reason, until_s };
    shown(&client.withhold(&asked.lock, &what).await?, json)
}

pub(super) async fn outside(client: &Client, asked: Outside, json: bool) -> Result<u8, Failure> {
    match asked.in_use {
        Some(in_use) => {
            let report = api::Report { in_use, until_s: Seconds::from(asked.until) };
            shown(&client.report(&asked.lock, report).await?, json)
        }
        None => {
            client.unreport(&asked.lock).await?;
            done(json, &format!("nothing of `{}` is withheld for outside use", asked.lock))
        }
    }
}

pub(super) async fn restore(client: &Client, asked: Restore, json: bool) -> Result<u8, Failure> {
    let which = match (asked.number, asked.slot) {
        (Some(number), _) => lock_client::Restore::Number(number),
        (None, Some(names)) => lock_client::Restore::Slots(names),
        (None, None) => lock_client::Restore::All,
    };
    // The server answers the same whether it restored some or not. A key that may not look hears that answer.
    let before = client.lock(&asked.lock).await;
    client.restore(&asked.lock, &which).await?;
    match before {
        Ok(before) if !withholds(&before, &which) => {
            let what = if matches!(which, lock_client::Restore::All) { "no permit" } else { "none of them" };
            done(json, &format!("nothing to restore: {what} of `{}` is withheld", asked.lock))
        }
        Ok(_) | Err(_) => done(json, &format!("restored the withheld permits of `{}`", asked.lock)),
    }
}

/// Whether a lock withholds, now or when they come back, some of these.
fn withholds(lock: &Lock, which: &lock_client::Restore) -> bool {
    let has = |one: &api::Withholding, name: &String| one.slot_names.contains(name) || one.awaited_names.contains(name);
    match which {
        lock_client::Restore::All => lock.withheld > 0 || !lock.withholdings.is_empty(),
        lock_client::Restore::Number(number) => lock.withholdings.iter().any(|one| one.number == *number),
        lock_client::Restore::Slots(names) => {
            lock.withholdings.iter().any(|one| names.iter().any(|name| has(one, name)))
        }
    }
}

pub(super) async fn delete(client: &Client, asked: Delete, json: bool) -> Result<u8, Failure> {
    let before = client.lock(&asked.lock).await;
    client.delete(&asked.lock, asked.force.guarded()).await?;
    // An instance is made again by whoever asks for it: that is what a template is for.
    if before.is_ok_and(|lock| lock.configuration.is_some() && lock.template.is_none()) && !json {
        say::say("the configuration has it: the next reload or start makes it again, unless its section is removed");
    }
    done(json, &format!("`{}` is deleted", asked.lock))
}

/// Reads the configuration again, and says what that changed. What could not be applied is no success, though the rest is in force.
pub(super) async fn reload(client: &Client, json: bool) -> Result<u8, Failure> {
    let reloaded = client.reload().await?;
    changed(json, &reloaded, || show::reloaded(&reloaded))?;
    if !json {
        let Reloaded { refused, warnings, .. } = &reloaded;
        for (what, lines) in [("not applied", refused), ("warning", warnings)] {
            for line in lines {
                say::say(&format!("{what}: {}", say::clean(line)));
            }
        }
    }
    Ok(if reloaded.refused.is_empty() { 0 } else { CONFLICT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_size_would_do() {
        let lock = |in_use: u64, queued: &[u32]| -> Lock {
            let ticket = |permits: &u32| {
                json!({"number": permits + 10, "locks": {"n": {"permits": permits}}, "lock": "n", "state": "queued",
                "permits": permits, "slots": [], "slot_names": [], "token": null, "ahead": 0, "dormant": false, "priority": 0, "info": "",
                "owner": null, "from": "", "created_at": "", "granted_at": null, "held_at": null, "ended_at": null,
                "expires_at": null, "expires_in_s": null, "ttl_s": null, "ended_as": null, "reason": null})
            };
            let queue: Vec<_> = queued.iter().map(ticket).collect();
            serde_json::from_value(json!({"name": "n", "size": 5, "free": 0, "in_use": in_use, "withheld": 0,
                "holding": in_use, "queued": queued.len(), "paused": false, "pause_reason": null, "pause_ends_in_s": null,
                "retiring": false, "template": null, "settings": {}, "overridden": [], "revision": 1, "holders": [],
                "queue": queue, "withholdings": [], "statistics": {}, "as_of": "1-1"}))
            .unwrap()
        };
        let begin = |size| format!("n: size 5 -> {size}; holders go on\n");
        assert_eq!(resized(&lock(5, &[1]), 7), begin(7) + "2 would be free, and 1 wait\n");
        assert_eq!(resized(&lock(5, &[]), 5), begin(5) + "none would be free\n");
        let ends = "these wait for more than 3 and would end: #14\n";
        assert_eq!(
            resized(&lock(5, &[4, 1]), 3),
            begin(3) + ends + "at least 3 must come back before anybody is let in\n"
        );
    }
}
