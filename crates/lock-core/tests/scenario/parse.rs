//! Script lines into commands.

use super::{Act, Actor, Stage};
use lock_core::{
    Asked, Caller, Capacity, Command, ConfigureMode, Definition, Force, IfBusy, Lease, LockName, Ms, NewTicket, Patch,
    Permits, Pick, Precondition, Prefix, QueueLease, ReleaseTarget, Restored, Selection, Settings, SlotName, SlotTags,
    Tag, Target, TicketId, TicketsAfter, ToWithhold,
};
use std::sync::Arc;

/// Words after the verb: `name=value` and bare ones.
struct Options<'a>(Vec<&'a str>);

impl<'a> Options<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        let found = |word: &&'a str| word.split_once('=').filter(|(key, _)| *key == name);
        self.0.iter().find_map(found).map(|(_, value)| value)
    }

    fn has(&self, word: &str) -> bool {
        self.0.contains(&word)
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        let parse = |value: &str| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number"));
        self.value(name).map(parse)
    }

    fn time(&self, name: &str) -> Option<Ms> {
        self.value(name).map(millis)
    }

    /// Zero means never.
    fn limit(&self, name: &str) -> Option<Option<Ms>> {
        self.time(name).map(|time| Some(time).filter(|time| *time > 0))
    }

    fn text(&self, name: &str) -> Option<Arc<str>> {
        self.value(name).map(Arc::from)
    }
}

/// Seconds, with up to three places after the point.
pub(super) fn millis(text: &str) -> Ms {
    let seconds: f64 = text.parse().unwrap_or_else(|_| panic!("{text} are no seconds"));
    (seconds * 1000.0).round() as Ms
}

fn lock(name: &str) -> LockName {
    LockName::new(name).unwrap_or_else(|why| panic!("{name}: {why}"))
}

impl Stage {
    pub(super) fn parse(&mut self, text: &str) -> Act {
        let words: Vec<&str> = text.split_whitespace().collect();
        let rest = |from: usize| Options(words[from.min(words.len())..].to_vec());
        let by = |caller, command| Act::Tell("admin".to_owned(), caller, Box::new(command));
        let admin = |command| by(Caller::server().clone(), command);
        match words[0] {
            "restart" => return Act::Restart(rest(1).number("copied")),
            "crash" => return Act::Crash,
            "gap" => return Act::Gap,
            "show" => return Act::Show(words[1].to_owned(), rest(2).0.iter().map(|w| (*w).to_owned()).collect()),
            "measure" => return Act::Measure(words[1].to_owned()),
            "lock" => return admin(put(words[1], &rest(2))),
            "patch" => return admin(patch(words[1], &rest(2))),
            "delete" => {
                return admin(Command::DeleteLock {
                    name: lock(words[1]),
                    precondition: precondition(&rest(2)),
                    force: force(&rest(2)),
                });
            }
            "revoke" => {
                let caller = Caller { admin: !rest(2).has("user"), ..caller(&rest(2)) };
                let revoke = Command::Revoke {
                    lock: lock(words[1]),
                    number: self.number(words[2]),
                    reason: rest(2).text("reason").unwrap_or_else(|| Arc::from("")),
                    only: rest(2).value("state").map(stage),
                };
                return by(caller, revoke);
            }
            "restore" => {
                let which = match (rest(2).value("slots"), words.get(2)) {
                    (Some(names), _) => Restored::Slots(slot_names(names)),
                    (None, Some(name)) => Restored::Number(self.number(name)),
                    (None, None) => Restored::All,
                };
                return admin(Command::Restore { lock: lock(words[1]), which });
            }
            "withhold" => {
                let what = match rest(2).value("slots") {
                    Some(names) => ToWithhold::Slots(slot_names(names)),
                    None => ToWithhold::Count(words[2].parse().expect("a number")),
                };
                let reason = rest(2).text("reason").unwrap_or_else(|| Arc::from(""));
                let lasts = rest(2).time("for");
                return admin(Command::Withhold { lock: lock(words[1]), what, reason, lasts });
            }
            "outside" => {
                let lasts = rest(2).time("for").unwrap_or(300_000);
                let report = words[2].parse().ok().map(|in_use| (in_use, lasts));
                return admin(Command::Outside { lock: lock(words[1]), report });
            }
            "view" => {
                return admin(Command::ViewLock {
                    name: lock(words[1]),
                    tickets: 1000,
                    after: TicketsAfter::default(),
                });
            }
            "locks" => return admin(Command::ListLocks { after: None, limit: 100, tickets: 10, among: None }),
            "mine" => {
                return by(caller(&rest(1)), Command::ListMine { after: 0, tickets: 1000 });
            }
            "verify" => {
                return admin(Command::Verify { lock: lock(words[1]), token: words[2].parse().expect("a token") });
            }
            "file" | "file-of-many" => {
                let mode = match words[0] {
                    "file" => ConfigureMode::Apply,
                    _ => ConfigureMode::CreateMissing,
                };
                let sections = text[words[0].len()..].split(',').map(str::trim);
                let definitions = sections.filter(|section| !section.is_empty()).map(definition).collect();
                return admin(Command::Configure { definitions, mode });
            }
            _ => {}
        }
        self.parse_client(words[0], words[1], &rest(2), words.get(2).copied())
    }

    fn number(&self, name: &str) -> u64 {
        let found = self.names.iter().rfind(|(_, known)| *known == name);
        found.map_or(u64::MAX, |(number, _)| *number)
    }

    fn parse_client(&mut self, name: &str, verb: &str, options: &Options<'_>, first: Option<&str>) -> Act {
        let known: Option<&Actor> = self.actors.get(name);
        let id = known.map_or(TicketId(u128::MAX), |actor| actor.id);
        let caller = match known {
            Some(actor) if options.value("key").is_none() && options.value("from").is_none() => actor.caller.clone(),
            _ => caller(options),
        };
        let get = |renew, wait| Command::Get { lock: options.value("lock").map(lock), id, renew, wait };
        let command = match verb {
            "asks" | "takes" => {
                self.ids += 1;
                let id = TicketId(self.ids);
                Command::Acquire(ask(first.expect("a lock"), id, verb == "takes", options))
            }
            "gets" => get(true, options.has("wait")),
            "reads" => get(false, false),
            "waits" => get(false, true),
            "renews" => Command::Renew { id, ttl: options.time("ttl") },
            "hangs-up" => return Act::HangUp(name.to_owned()),
            "stops-waiting" => Command::EndWait { id, lost: options.has("lost") },
            "releases" => Command::Release {
                target: match (options.text("request"), options.text("holder")) {
                    (Some(request), _) => {
                        let mut names = first.expect("a lock").split(',').map(lock);
                        ReleaseTarget::Request(names.next().expect("a lock"), names.collect(), request)
                    }
                    (_, Some(holder)) => ReleaseTarget::Holder(lock(first.expect("a lock")), holder),
                    _ => ReleaseTarget::Id(options.value("lock").map(lock), id),
                },
                queued: !options.has("only-held"),
                keep: options.time("keep"),
                withhold: options.text("broken"),
            },
            "undelivered" => Command::Undelivered {
                id,
                activity_seq: known.expect("has a ticket").activity_seq,
                made: options.has("made"),
            },
            other => panic!("{other} is no verb"),
        };
        Act::Tell(name.to_owned(), caller, Box::new(command))
    }
}

fn caller(options: &Options<'_>) -> Caller {
    Caller {
        owner: options.text("key"),
        admin: options.has("admin"),
        from: options.text("from").unwrap_or_else(|| Arc::from("host")),
        locks: options.text("only").map(|only| Arc::from([Target::Lock(LockName::new(&only).expect("a name"))])),
    }
}

/// One lock, or several with what is asked of each: `san`, `san=1,tape=all`.
fn ask(locks: &str, id: TicketId, claim: bool, options: &Options<'_>) -> NewTicket {
    let permits = |text: &str| match text {
        "all" => Permits::All,
        count => Permits::Count(count.parse().unwrap_or_else(|_| panic!("{count} is no number of permits"))),
    };
    let named = options.value("slots").map_or(1, |names| names.split('+').count() as u32);
    let alone = options.value("permits").map_or(Permits::Count(named), permits);
    let mut all = locks.split(',').map(|text| match text.split_once('=') {
        Some((name, count)) => Asked { lock: lock(name), permits: permits(count) },
        None => Asked { lock: lock(text), permits: alone },
    });
    let first = all.next().expect("a lock");
    NewTicket {
        lock: first.lock,
        permits: first.permits,
        others: all.collect(),
        id,
        priority: options.number("priority").unwrap_or(0),
        info: options.text("info").unwrap_or_else(|| Arc::from("")),
        lease: match options.time("ttl") {
            Some(ttl) => Lease::Given(ttl),
            None if options.has("leaseless") => Lease::Never,
            None => Lease::OfLock,
        },
        queue_lease: match options.has("xml") {
            true => QueueLease::Expiration,
            false => QueueLease::Minute,
        },
        max_hold: options.time("hold"),
        request_id: options.text("request"),
        holder: options.text("holder"),
        supersede: options.text("supersede"),
        selection: match (options.value("slots"), options.value("tags")) {
            (Some(names), _) => Some(Selection::Slots(slot_names(names))),
            (None, Some(all)) => Some(Selection::Tags(all.split('+').map(tag).collect())),
            (None, None) => None,
        },
        if_busy: match (options.has("try"), options.has("wait")) {
            (true, _) => IfBusy::Refuse,
            (_, true) => IfBusy::Wait,
            _ => IfBusy::Queue,
        },
        claim,
    }
}

fn slot_names(names: &str) -> Vec<SlotName> {
    let name = |name: &str| {
        let name = name.split_once('{').map_or(name, |(name, _)| name);
        SlotName::new(name).unwrap_or_else(|why| panic!("{name}: {why}"))
    };
    names.split('+').map(name).collect()
}

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// The tags of `a{fast,big}+b`.
fn slot_tags(names: &str) -> SlotTags {
    let tagged = names.split('+').filter_map(|name| name.strip_suffix('}')?.split_once('{'));
    tagged.map(|(name, tags)| (SlotName::new(name).expect("a name"), tags.split(',').map(tag).collect())).collect()
}

fn capacity(options: &Options<'_>) -> Option<Capacity> {
    let named = |names: &str| Capacity::Named(slot_names(names));
    options.value("names").map(named).or_else(|| options.number("size").map(Capacity::Size))
}

fn changes(options: &Options<'_>) -> Patch {
    Patch {
        capacity: capacity(options),
        tags: options.value("names").map(slot_tags),
        pick: options.value("pick").map(|word| Pick::from_word(word).expect("first or lru")),
        grace: options.time("grace"),
        expiration: options.limit("expiration"),
        max_lock: options.limit("max_lock"),
        max_hold: options.limit("max_hold"),
        max_ttl: options.limit("max_ttl"),
        lock_delay: options.time("delay"),
        max_queue: options.number("max_queue"),
        max_per_owner: options.number("cap").map(|cap| Some(cap).filter(|cap| *cap > 0)),
        min_hold: options.time("min_hold"),
        description: options.text("description"),
        pause: match options.text("pause") {
            Some(reason) => Some(Some((reason, options.time("for")))),
            None => options.has("resume").then_some(None),
        },
    }
}

fn settings(options: &Options<'_>) -> Settings {
    let defaults = Settings::new(1);
    let set = changes(options);
    Settings {
        capacity: set.capacity.unwrap_or(defaults.capacity),
        tags: set.tags.unwrap_or(defaults.tags),
        pick: set.pick.unwrap_or(defaults.pick),
        grace: set.grace.unwrap_or(defaults.grace),
        expiration: set.expiration.unwrap_or(defaults.expiration),
        max_lock: set.max_lock.unwrap_or(defaults.max_lock),
        max_hold: set.max_hold.unwrap_or(defaults.max_hold),
        max_ttl: set.max_ttl.unwrap_or(defaults.max_ttl),
        lock_delay: set.lock_delay.unwrap_or(defaults.lock_delay),
        max_queue: set.max_queue.unwrap_or(defaults.max_queue),
        max_per_owner: set.max_per_owner.unwrap_or(defaults.max_per_owner),
        min_hold: set.min_hold.unwrap_or(defaults.min_hold),
        description: set.description.unwrap_or(defaults.description),
    }
}

fn precondition(options: &Options<'_>) -> Precondition {
    match options.number("revision") {
        Some(revision) => Precondition::Revision(revision),
        None if options.has("absent") => Precondition::Absent,
        None => Precondition::None,
    }
}

fn force(options: &Options<'_>) -> Force {
    Force { force: options.has("force"), expect_tickets: options.number("expect") }
}

fn put(name: &str, options: &Options<'_>) -> Command {
    Command::PutLock {
        name: lock(name),
        settings: settings(options),
        precondition: precondition(options),
        force: force(options),
    }
}

fn patch(name: &str, options: &Options<'_>) -> Command {
    Command::PatchLock {
        name: lock(name),
        patch: changes(options),
        precondition: precondition(options),
        force: force(options),
    }
}

fn definition(section: &str) -> Definition {
    let words: Vec<&str> = section.split_whitespace().collect();
    let options = Options(words[1..].to_vec());
    Definition {
        target: match words[0].ends_with('*') {
            true => Target::Template(Prefix::from_pattern(words[0]).expect("a pattern")),
            false => Target::Lock(lock(words[0])),
        },
        settings: settings(&options),
        paused: options.has("paused"),
    }
}

fn stage(word: &str) -> lock_core::Stage {
    let all = [lock_core::Stage::Queued, lock_core::Stage::Granted, lock_core::Stage::Held];
    all.into_iter().find(|stage| stage.as_str() == word).unwrap_or_else(|| panic!("{word} is no stage"))
}
