//! Changes by administrators.

use super::{changed, done};
use crate::cli::{Create, Delete, Pause, Resize, Restore, Revoke};
use crate::exit::{CONFLICT, Failure, IMPOSSIBLE};
use crate::say;
use crate::show::{self, Style};
use lock_client::api::{Lock, LockPatch, LockSettings, Reloaded, Seconds};
use lock_client::{Client, Guarded};
use std::time::Duration;

fn shown(lock: &Lock, json: bool) -> Result<u8, Failure> {
    changed(json, lock, || show::all_locks(Style::of_stdout(), std::slice::from_ref(lock)))
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
        slots: asked.slots,
        grace_time_s: asked.grace_time.map_or(default.grace_time_s, Seconds::from),
        expiration_time_s: or_never(asked.expiration_time, default.expiration_time_s),
        max_lock_time_s: or_never(asked.max_lock_time, default.max_lock_time_s),
        max_hold_time_s: or_never(asked.max_hold_time, default.max_hold_time_s),
        max_ttl_s: or_never(asked.max_ttl, default.max_ttl_s),
        lock_delay_s: asked.lock_delay.map_or(default.lock_delay_s, Seconds::from),
        max_queue: asked.max_queue.unwrap_or(default.max_queue),
        description: asked.description,
    };
    shown(&client.create(&asked.lock, &settings).await?, json)
}

pub(super) async fn resize(client: &Client, asked: Resize, json: bool) -> Result<u8, Failure> {
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
    let patch = LockPatch { size: asked.size, slots: asked.slots, ..LockPatch::default() };
    shown(&client.change(&asked.lock, &patch, asked.force.guarded()).await?, json)
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

pub(super) async fn restore(client: &Client, asked: Restore, json: bool) -> Result<u8, Failure> {
    client.restore(&asked.lock, asked.number).await?;
    done(json, &format!("the withheld permits of `{}` can be given again", asked.lock))
}

pub(super) async fn revoke(client: &Client, asked: Revoke, json: bool) -> Result<u8, Failure> {
    client.revoke(&asked.lock, asked.number, asked.reason.as_deref()).await?;
    done(json, &format!("ticket {} of `{}` has ended", asked.number, asked.lock))
}

pub(super) async fn delete(client: &Client, asked: Delete, json: bool) -> Result<u8, Failure> {
    client.delete(&asked.lock, asked.force.guarded()).await?;
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
