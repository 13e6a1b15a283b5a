//! The lock that a local run names: made by its first use, and of the size that was said last.

use super::NAME;
use crate::exit::Failure;
use crate::say::{clean, say};
use lock_client::api::{ErrorCode, LockPatch, LockSettings};
use lock_client::{Client, Error, Guarded};

/// Sees to it that these locks are there. `size`: what the command line says, for one lock.
pub(crate) async fn prepare(client: &Client, is_local: bool, locks: &[&str], size: Option<u32>) -> Result<(), Failure> {
    if let Some(size) = size {
        if locks.len() > 1 {
            return Err(Failure::usage("--size is for one lock: with several nobody knows of which"));
        }
        if !is_local {
            // The same line is for both: what holds for all machines is not for one of them to say.
            say(&format!(
                "--size {size} has no effect here: it is for --local, and on this server administrators set the size of a lock"
            ));
        }
    }
    if !is_local {
        return Ok(());
    }
    for lock in locks {
        prepare_one(client, lock, size).await?;
    }
    Ok(())
}

async fn prepare_one(client: &Client, lock: &str, size: Option<u32>) -> Result<(), Failure> {
    let now = match client.lock(lock).await {
        Ok(now) => now,
        Err(error) if error.code() == Some(ErrorCode::UnknownLock) => {
            let settings = LockSettings { size: Some(size.unwrap_or(1)), ..LockSettings::default() };
            match client.create(lock, &settings).await {
                Ok(_) => return Ok(()),
                // By somebody who was quicker.
                Err(error) if error.code() == Some(ErrorCode::LockExists) => client.lock(lock).await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    };
    let Some(size) = size.filter(|size| *size != now.size) else { return Ok(()) };
    if now.settings.slots.is_some_and(|names| !names.is_empty()) {
        let text = format!(
            "the permits of `{}` have names, and those say how many there are: leave out --size, or use `lockctl resize --{NAME}`",
            clean(lock)
        );
        return Err(Failure::usage(text));
    }
    let patch = LockPatch { size: Some(size), ..LockPatch::default() };
    match client.change(lock, &patch, Guarded::default()).await {
        Ok(_) => {
            say(&format!("`{}` has {size} permits from now on, before it had {}", clean(lock), now.size));
            Ok(())
        }
        // Somebody waits for more than that; who holds stays in any case.
        Err(Error::Refused(problem)) if problem.code == ErrorCode::WouldEndTickets => {
            let text = format!(
                "`{}` has {} permits, and somebody waits for more than {size}: wait until that is over, or change it with \
                 `lockctl resize --{NAME} --force`",
                clean(lock),
                now.size
            );
            Err(Failure::usage(text))
        }
        Err(error) => Err(error.into()),
    }
}
