//! The settings of lock sections.

use super::setting::Setting;
use super::value::{join, quote, seconds, seconds_text, whole};
use lock_core::limits::{
    GRACE_MIN_MS, LOCK_TICKETS_MAX, PERMITS_MAX, SLOT_NAMES_MAX, SLOT_TAGS_MAX, TEXT_BYTES_MAX, TTL_MAX_MS, TTL_MIN_MS,
};
use lock_core::{Capacity, Definition, Ms, Pick, Settings, SlotName, SlotTags, Tag};
use std::collections::HashSet;
use std::sync::Arc;

/// A setting of a lock's section.
type Lock = Setting<Settings, Definition>;

/// In the order in which they are printed and documented. Those that few locks have are printed if they have them.
pub(super) static LOCK: [Lock; 13] = [
    Lock::new("SIZE", "1")
        .read(|lock, value| value.put(&mut lock.capacity, |text| size(text).map(Capacity::Size)))
        .print(|lock| match lock.settings.capacity {
            Capacity::Size(size) if !lock.paused => Some(size.to_string()),
            _ => None,
        })
        .doc("Permits, 1 to 1000000"),
    Lock::new("SLOTS", "")
        .read(|lock, value| {
            let mut both = (lock.capacity.clone(), std::mem::take(&mut lock.tags));
            value.put(&mut both, |text| slots(text).map(|(names, tags)| (Capacity::Named(names), tags)));
            (lock.capacity, lock.tags) = both;
        })
        .print(|lock| match &lock.settings.capacity {
            Capacity::Named(names) => Some(join(&names.iter().map(|name| with_tags(lock, name)).collect::<Vec<_>>())),
            Capacity::Size(_) => None,
        })
        .doc("Names of the permits, instead of `SIZE`, and their tags: `SLOTS=port-a, gpu-1 {a100 nvlink}`"),
    Lock::new("PICK", "first")
        .read(|lock, value| {
            value.put(&mut lock.pick, |text| {
                Pick::from_word(text).ok_or_else(|| format!("{} is neither first nor lru", quote(text)))
            });
        })
        .print(|lock| Some(lock.settings.pick).filter(|pick| *pick != Pick::First).map(|pick| pick.as_str().to_owned()))
        .doc("Of the slots that fit with the fewest tags, `first` gives the lowest, `lru` the longest unused"),
    Lock::new("GRACE_TIME", "10")
        .read(|lock, value| {
            value.put(&mut lock.grace, |text| time(text, GRACE_MIN_MS, "a grant waits at least 1 second"));
        })
        .print(|lock| Some(seconds_text(lock.settings.grace)))
        .doc("How long a grant waits to be claimed. At least 1"),
    Lock::new("EXPIRATION_TIME", "300")
        .read(|lock, value| value.put(&mut lock.expiration, time_or_never))
        .print(|lock| Some(seconds_text(lock.settings.expiration.unwrap_or(0))))
        .doc("How long a query over XML-RPC may queue without a heartbeat. 0: for ever"),
    Lock::new("MAX_LOCK_TIME", "300")
        .read(|lock, value| value.put(&mut lock.max_lock, time_or_never))
        .print(|lock| Some(seconds_text(lock.settings.max_lock.unwrap_or(0))))
        .doc("The lease of a holder that asks for none. 0: for ever"),
    Lock::new("MAX_HOLD_TIME", "0")
        .read(|lock, value| value.put(&mut lock.max_hold, time_or_never))
        .print(|lock| lock.settings.max_hold.map(seconds_text))
        .doc("Longest time to hold a permit, whatever is renewed. 0: for ever"),
    Lock::new("MAX_TTL", "")
        .read(|lock, value| {
            let least = "a lease has at least 1 second";
            value.put(&mut lock.max_ttl, |text| time(text, TTL_MIN_MS, least).map(Some));
        })
        .print(|lock| lock.settings.max_ttl.map(seconds_text))
        .doc("Longest lease that a client may ask for. Without it 3600, or a longer `MAX_LOCK_TIME`"),
    Lock::new("LOCK_DELAY", "0")
        .read(|lock, value| value.put(&mut lock.lock_delay, |text| time(text, 0, "")))
        .print(|lock| Some(lock.settings.lock_delay).filter(|delay| *delay > 0).map(seconds_text))
        .doc("How long permits are withheld after their holder was lost or ended. Never after a release"),
    Lock::new("MAX_QUEUE", "100000")
        .read(|lock, value| value.put(&mut lock.max_queue, |text| number(text, LOCK_TICKETS_MAX as u64, "")))
        .print(|lock| {
            Some(lock.settings.max_queue).filter(|max| *max as usize != LOCK_TICKETS_MAX).map(|max| max.to_string())
        })
        .doc("Tickets that may queue, from 1"),
    Lock::new("MAX_PER_OWNER", "")
        .read(|lock, value| {
            value.put(&mut lock.max_per_owner, |text| {
                number(text, u64::from(PERMITS_MAX), "; leave it out for no cap").map(Some)
            });
        })
        .print(|lock| lock.settings.max_per_owner.map(|cap| cap.to_string()))
        .doc("Most permits of one key, or of one address without a key. A waiter at the cap is passed over"),
    Lock::new("MIN_HOLD_TIME", "0")
        .read(|lock, value| value.put(&mut lock.min_hold, |text| time(text, 0, "")))
        .print(|lock| Some(lock.settings.min_hold).filter(|time| *time > 0).map(seconds_text))
        .doc(
            "For this time after its claim a permit is not given again. So at most `SIZE` holds begin in any such \
              time",
        ),
    Lock::new("DESCRIPTION", "")
        .read(|lock, value| value.put(&mut lock.description, description))
        .print(|lock| Some(lock.settings.description.to_string()).filter(|text| !text.is_empty()))
        .doc("For people, at most 1024 bytes"),
];

/// A time of at least `min`, `TTL_MAX_MS` at most. `why` explains the lower bound.
fn time(text: &str, min: Ms, why: &str) -> Result<Ms, String> {
    let days = TTL_MAX_MS / 86_400_000;
    match seconds(text)? {
        ms if ms < min => Err(format!("{} is too short; {why}", quote(text))),
        ms if ms > TTL_MAX_MS => {
            Err(format!("{} is too long; at most {} seconds ({days} days)", quote(text), TTL_MAX_MS / 1000))
        }
        ms => Ok(ms),
    }
}

/// Zero is never.
fn time_or_never(text: &str) -> Result<Option<Ms>, String> {
    time(text, 0, "").map(|ms| (ms > 0).then_some(ms))
}

/// A whole number from 1. `zero` is added to the message when it is 0.
fn number(text: &str, max: u64, zero: &str) -> Result<u32, String> {
    let number = whole(text)?;
    match u32::try_from(number) {
        Ok(0) => Err(format!("{} is too small; 1 to {max}{zero}", quote(text))),
        Ok(small) if number <= max => Ok(small),
        _ => Err(format!("{} is too large; 1 to {max}", quote(text))),
    }
}

pub(super) fn size(text: &str) -> Result<u32, String> {
    number(text, u64::from(PERMITS_MAX), "; to stop all grants, pause the lock while the server runs")
}

fn description(text: &str) -> Result<Arc<str>, String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!("{} bytes are too many; {TEXT_BYTES_MAX} are allowed", text.len()));
    }
    if text.contains(lock_core::text::is_unsafe) {
        return Err(format!("{} contains control characters", quote(text)));
    }
    Ok(Arc::from(text))
}

/// A name and its tags, as they are written.
fn with_tags(lock: &Definition, name: &SlotName) -> String {
    match lock.settings.tags.iter().find(|(of, _)| of == name) {
        Some((_, tags)) => format!("{name} {{{}}}", tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")),
        None => name.to_string(),
    }
}

fn tags(name: &str, text: &str) -> Result<Vec<Tag>, String> {
    let mut tags: Vec<Tag> = Vec::new();
    for word in text.split_whitespace() {
        let tag = Tag::new(word).map_err(|error| format!("the tag {} of {}: {error}", quote(word), quote(name)))?;
        if tags.contains(&tag) {
            return Err(format!("{} has the tag {} twice; remove one", quote(name), quote(word)));
        }
        tags.push(tag);
    }
    match tags.len() {
        0 => Err(format!("there are braces without a tag after {}; write one, or leave them out", quote(name))),
        many if many > SLOT_TAGS_MAX => Err(format!("{} has more than {SLOT_TAGS_MAX} tags", quote(name))),
        _ => Ok(tags),
    }
}

fn slots(text: &str) -> Result<(Vec<SlotName>, SlotTags), String> {
    if text.is_empty() {
        return Err("the value is empty; write names with commas between them, or SIZE instead".to_owned());
    }
    let (mut names, mut all_tags) = (Vec::new(), SlotTags::new());
    let mut seen = HashSet::new();
    for name in text.split(',') {
        let name = name.trim();
        if name.is_empty() {
            return Err("there is a comma without a name; write names with one comma between them".to_owned());
        }
        let (name, own) = match name.strip_suffix('}').and_then(|name| name.rsplit_once('{')) {
            Some((name, own)) => (name.trim_end(), Some(own)),
            None => (name, None),
        };
        let slot = SlotName::new(name).map_err(|error| format!("{}: {error}", quote(name)))?;
        if !seen.insert(name) {
            return Err(format!("{} is named twice; remove one", quote(name)));
        }
        if let Some(own) = own {
            all_tags.push((slot.clone(), tags(name, own)?));
        }
        names.push(slot);
        if names.len() > SLOT_NAMES_MAX {
            return Err(format!("there are more than {SLOT_NAMES_MAX} names; without names write SIZE instead"));
        }
    }
    Ok((names, all_tags))
}
