//! `set`: changes of a lock's settings, as the configuration file writes them.

use super::changed;
use crate::cli::{Set, Slot, seconds};
use crate::exit::Failure;
use crate::nearest::nearest;
use crate::show::{self, Style};
use lock_client::Client;
use lock_client::api::{LockPatch, Pick, Seconds};

const NAMES: [&str; 13] = [
    "size",
    "slots",
    "pick",
    "grace-time",
    "expiration-time",
    "max-lock-time",
    "max-hold-time",
    "max-ttl",
    "lock-delay",
    "max-queue",
    "max-per-owner",
    "min-hold-time",
    "description",
];

pub(super) async fn set(client: &Client, asked: Set, json: bool) -> Result<u8, Failure> {
    let patch = patch(&asked.settings)?;
    let lock = client.change(&asked.lock, &patch, asked.force.guarded()).await?;
    changed(json, &lock, || show::all_locks(Style::of_stdout(), std::slice::from_ref(&lock)))
}

fn patch(settings: &[String]) -> Result<LockPatch, Failure> {
    let mut patch = LockPatch::default();
    let mut seen = Vec::new();
    for text in settings {
        let wrong = |why: &str| Failure::usage(format!("`{text}`: {why}"));
        let Some((name, value)) = text.split_once('=') else {
            return Err(wrong("write SETTING=VALUE, such as max-hold-time=10m"));
        };
        let name = name.trim().to_lowercase().replace('_', "-");
        if seen.contains(&name) {
            return Err(wrong("this setting is given twice"));
        }
        put(&mut patch, &name, value.trim()).map_err(|why| wrong(&why))?;
        seen.push(name);
    }
    Ok(patch)
}

fn put(patch: &mut LockPatch, name: &str, value: &str) -> Result<(), String> {
    // What has no value has its default again.
    let time = || -> Result<Option<Option<Seconds>>, String> {
        if value.is_empty() { Ok(Some(None)) } else { seconds(value).map(|time| Some(Some(Seconds::from(time)))) }
    };
    let number = || value.parse::<u32>().map_err(|_| "a whole number from 1 is expected".to_owned());
    match name {
        "size" => patch.size = Some(number()?),
        "slots" => {
            let slots: Vec<Slot> = value.split(',').map(str::parse).collect::<Result<_, _>>()?;
            if slots.iter().any(|slot| slot.name.is_empty()) {
                return Err("names with one comma between them are expected".to_owned());
            }
            // As they stand there: a name without braces has no tags.
            patch.tags = Some(Some(super::admin::tags(&slots)));
            patch.slots = Some(super::admin::names(&slots));
        }
        "pick" => {
            patch.pick = Some(match value {
                "" => None,
                "first" => Some(Pick::First),
                "lru" => Some(Pick::Lru),
                _ => return Err("first or lru is expected".to_owned()),
            });
        }
        "grace-time" => patch.grace_time_s = time()?,
        "expiration-time" => patch.expiration_time_s = time()?,
        "max-lock-time" => patch.max_lock_time_s = time()?,
        "max-hold-time" => patch.max_hold_time_s = time()?,
        "max-ttl" => patch.max_ttl_s = time()?,
        "lock-delay" => patch.lock_delay_s = time()?,
        "max-queue" => patch.max_queue = Some(if value.is_empty() { None } else { Some(number()?) }),
        "max-per-owner" => patch.max_per_owner = Some(if value.is_empty() { None } else { Some(number()?) }),
        "min-hold-time" => patch.min_hold_time_s = time()?,
        "description" => patch.description = Some(Some(value.to_owned())),
        other => {
            return Err(match nearest(other, NAMES) {
                Some(known) => format!("there is no setting {other}; did you mean {known}?"),
                None => format!("there is no setting {other}; known are {}", NAMES.join(", ")),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_as_a_file_writes_them() {
        let words = ["MAX_HOLD_TIME=10m", "size=3", "description=disks of db1", "max-ttl=", "lock-delay=0"];
        let patch = patch(&words.map(str::to_owned)).unwrap();
        let body = serde_json::to_value(&patch).unwrap();
        let wanted = serde_json::json!({
            "max_hold_time_s": 600, "size": 3, "description": "disks of db1", "max_ttl_s": null, "lock_delay_s": 0,
        });
        assert_eq!(body, wanted);
        let patch = super::patch(&["max-per-owner=2", "min-hold-time=1h"].map(str::to_owned)).unwrap();
        assert_eq!(
            serde_json::to_value(&patch).unwrap(),
            serde_json::json!({"max_per_owner": 2, "min_hold_time_s": 3600})
        );
        let patch = super::patch(&["slots=a, b".to_owned()]).unwrap();
        assert_eq!(patch.slots, Some(vec!["a".to_owned(), "b".to_owned()]));
        let patch = super::patch(&["slots=a {x y},b", "pick=lru"].map(str::to_owned)).unwrap();
        let wanted = serde_json::json!({"slots": ["a", "b"], "tags": {"a": ["x", "y"]}, "pick": "lru"});
        assert_eq!(serde_json::to_value(&patch).unwrap(), wanted);
    }

    #[test]
    fn the_help_lists_every_setting() {
        let command = crate::cli::plain_command();
        let help = command.find_subcommand("set").unwrap().get_after_help().unwrap().to_string();
        for name in NAMES {
            assert!(help.contains(name), "{name} is missing: {help}");
        }
    }

    #[test]
    fn mistakes_are_told_with_what_was_meant() {
        for (words, why) in [
            (&["size"][..], "write SETTING=VALUE"),
            (&["size=x"], "a whole number from 1"),
            (&["max-hold-tiem=1"], "did you mean max-hold-time?"),
            (&["colour=red"], "known are size"),
            (&["size=1", "SIZE=2"], "twice"),
            (&["max-ttl=soon"], "a time from 0 is expected"),
            (&["slots=a,,b"], "one comma"),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            let said = format!("{:?}", patch(&words).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }
}
