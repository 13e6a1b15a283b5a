//! Who did what: events carry what of a lock has changed, and the administrator who did it.

use lock_core::{
    Asked, Caller, Capacity, Command, ConfigureMode, Continuity, Definition, EndedAs, Event, EventKind, Force, IfBusy,
    Lease, LockName, NewTicket, Patch, Permits, Precondition, ReleaseTarget, Restored, Settings, SlotName, Snapshot,
    StepContext, Table, Target, TicketId, ToWithhold, Transition, Withheld,
};
use std::sync::Arc;

const WALL: u64 = 1_777_863_721_000;
const FORCE: Force = Force { force: true, expect_tickets: None };

struct Rig(Table, u64);

impl Rig {
    fn new() -> Self {
        let rig = Self(Table::load(Snapshot::default(), 0, &Continuity::None).unwrap(), 0);
        let settings = Settings { lock_delay: 60_000, ..Settings::new(2) };
        let mut rig = rig;
        rig.act(
            Caller::server(),
            &Command::Configure {
                definitions: vec![Definition { target: Target::Lock(name()), settings, paused: false }],
                mode: ConfigureMode::Apply,
            },
        );
        rig
    }

    fn at(&self) -> StepContext<'static> {
        StepContext { now: self.1, wall: WALL + self.1, is_connected: &|_| true }
    }

    fn act(&mut self, caller: &Caller, command: &Command) -> Vec<Event> {
        self.0.apply(self.at(), caller, command).unwrap();
        self.0.take_events()
    }

    fn patch(&mut self, caller: &Caller, patch: Patch) -> Vec<Event> {
        self.act(caller, &Command::PatchLock { name: name(), patch, precondition: Precondition::None, force: FORCE })
    }

    /// So much later.
    fn pass(&mut self, ms: u64) -> Vec<Event> {
        self.1 += ms;
        self.0.begin_step(self.1);
        self.0.expire(self.at());
        self.0.take_events()
    }

    fn take(&mut self, id: u128, permits: u32, if_busy: IfBusy) -> Vec<Event> {
        let new = NewTicket { permits: Permits::Count(permits), if_busy, ..NewTicket::new(name(), TicketId(id)) };
        self.act(&Caller::anonymous("192.0.2.1"), &Command::Acquire(new))
    }
}

fn name() -> LockName {
    LockName::new("san").unwrap()
}

fn ops() -> Caller {
    Caller { owner: Some(Arc::from("ops")), admin: true, ..Caller::anonymous("192.0.2.9") }
}

/// `2 admin no. 7 (a b) until 5 s: reason`
fn in_words(one: &Withheld) -> String {
    let Withheld { number, cause, permits, slot_names, how, reason, until } = one;
    let names: Vec<&str> = slot_names.iter().map(SlotName::as_str).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(" ")) };
    let how = how.map(|how| format!(" after {}", how.as_str())).unwrap_or_default();
    let until = until.map(|until| format!(" until {} s", (until - WALL) / 1000)).unwrap_or_default();
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{permits} {} no. {number}{names}{how}{until}{reason}", cause.as_str())
}

/// `what by whom`, as few words as tell it.
fn told(events: &[Event]) -> Vec<String> {
    let words = |event: &Event| {
        let what = match &event.kind {
            EventKind::LockCreated => "created".to_owned(),
            EventKind::LockChanged { changes, pause } => {
                let words: Vec<String> = changes.iter().map(ToString::to_string).collect();
                let reason = pause.as_ref().map(|pause| format!(" ({})", pause.reason)).unwrap_or_default();
                format!("{}{reason}", words.join(", "))
            }
            EventKind::LockDeleted => "deleted".to_owned(),
            EventKind::PermitsWithheld(one) => format!("withheld {}", in_words(one)),
            EventKind::PermitsRestored(one) => format!("restored {}", in_words(one)),
            EventKind::ReportStale => "stale".to_owned(),
            EventKind::Ticket { number, transition, .. } => match transition {
                Transition::Ended { how, .. } => format!("{number} {}", how.as_str()),
                other => format!("{number} {other:?}").split(' ').take(2).collect::<Vec<_>>().join(" "),
            },
        };
        format!("{what} by {}", event.by.as_deref().unwrap_or("nobody"))
    };
    events.iter().map(words).collect()
}

#[test]
fn changes_of_settings_name_what_was_and_who_did_it() {
    let mut rig = Rig::new();
    let more = Patch {
        capacity: Some(Capacity::Size(3)),
        max_hold: Some(Some(600_000)),
        description: Some(Arc::from("disks")),
        ..Patch::default()
    };
    assert_eq!(
        told(&rig.patch(&ops(), more.clone())),
        ["size 2 -> 3, max_hold_time never -> 600 s, description \"\" -> \"disks\" by ops"]
    );
    assert_eq!(told(&rig.patch(&Caller { admin: true, ..Caller::anonymous("uid:0") }, more)), [" by uid:0"], "nothing");
}

#[test]
fn a_pause_says_why_and_its_end_by_itself_is_nobodys() {
    let mut rig = Rig::new();
    let pause = |reason: &str, lasts| Patch { pause: Some(Some((Arc::from(reason), lasts))), ..Patch::default() };
    assert_eq!(told(&rig.patch(&ops(), pause("firmware", Some(5000)))), ["paused (firmware) by ops"]);
    assert_eq!(told(&rig.pass(5000)), ["resumed by nobody"]);
    rig.patch(&ops(), pause("disk", None));
    let resume = Patch { pause: Some(None), ..Patch::default() };
    assert_eq!(told(&rig.patch(&ops(), resume)), ["resumed by ops"]);
}

#[test]
fn the_end_of_a_ticket_names_its_author() {
    let mut rig = Rig::new();
    assert_eq!(
        told(&rig.take(1, 2, IfBusy::Refuse)),
        ["1 Queued by nobody", "1 Granted by nobody", "1 Held by nobody"]
    );
    rig.take(2, 1, IfBusy::Queue);
    let number = 1;
    let revoke = Command::Revoke { lock: name(), number, reason: Arc::from("gone"), only: None };
    let withheld = "2 lost_holder no. 1 after revoked until 60 s: gone by ops";
    assert_eq!(told(&rig.act(&ops(), &revoke)), ["1 revoked by ops".to_owned(), format!("withheld {withheld}")]);
    // What follows from it is nobody's: the next one is granted its permit because it was the next.
    let restored = rig.act(&ops(), &Command::Restore { lock: name(), which: Restored::All });
    assert_eq!(told(&restored), [format!("restored {withheld}"), "2 Granted by nobody".to_owned()]);
    let released = rig.act(&Caller::anonymous("192.0.2.1"), &release(2, None, None));
    assert_eq!(told(&released), ["2 released by nobody"]);
}

#[test]
fn a_ticket_that_no_longer_fits_or_loses_its_lock_ends_by_the_author_of_the_change() {
    let mut rig = Rig::new();
    rig.take(1, 1, IfBusy::Refuse);
    rig.take(2, 2, IfBusy::Queue);
    let smaller = Patch { capacity: Some(Capacity::Size(1)), ..Patch::default() };
    assert_eq!(told(&rig.patch(&ops(), smaller)), ["size 2 -> 1 by ops", "2 oversized by ops"]);
    let delete = Command::DeleteLock { name: name(), precondition: Precondition::None, force: FORCE };
    assert_eq!(told(&rig.act(&ops(), &delete)), ["1 lock_deleted by ops", "deleted by ops"]);
    assert_eq!(EndedAs::LockDeleted.as_str(), "lock_deleted");
}

#[test]
fn the_configuration_is_an_author_too() {
    let mut rig = Rig::new();
    let settings = Settings { lock_delay: 60_000, ..Settings::new(5) };
    let definition = Definition { target: Target::Lock(name()), settings, paused: false };
    let of = |definitions| Command::Configure { definitions, mode: ConfigureMode::Apply };
    assert_eq!(told(&rig.act(Caller::server(), &of(vec![definition]))), ["size 2 -> 5 by configuration"]);
    rig.take(1, 1, IfBusy::Refuse);
    let gone = rig.act(Caller::server(), &of(Vec::new()));
    assert_eq!(told(&gone), ["its section is gone from the configuration by configuration"]);
}

/// Of what is withheld only, and without the author if that is nobody.
fn of_withheld(events: &[Event]) -> Vec<String> {
    let of = |event: &&Event| matches!(event.kind, EventKind::PermitsWithheld(_) | EventKind::PermitsRestored(_));
    let some: Vec<Event> = events.iter().filter(of).cloned().collect();
    told(&some).into_iter().map(|text| text.trim_end_matches(" by nobody").to_owned()).collect()
}

fn release(id: u128, keep: Option<u64>, withhold: Option<&str>) -> Command {
    let (target, withhold) = (ReleaseTarget::Id(None, TicketId(id)), withhold.map(Arc::from));
    Command::Release { target, queued: false, keep, withhold }
}

#[test]
fn a_withholding_after_a_ticket_begins_and_ends_with_its_cause() {
    let mut rig = Rig::new();
    let client = Caller::anonymous("192.0.2.1");
    // Lost: by nobody, until the delay is over.
    let lease = Lease::Given(1000);
    let new = NewTicket { lease, permits: Permits::Count(2), ..NewTicket::new(name(), TicketId(1)) };
    rig.act(&client, &Command::Acquire(new));
    let lost = "2 lost_holder no. 1 after lost until 61 s";
    assert_eq!(of_withheld(&rig.pass(1000)), [format!("withheld {lost}")]);
    assert_eq!(of_withheld(&rig.pass(60_000)), [format!("restored {lost}")]);
    // A rest that a release asks for.
    rig.take(2, 1, IfBusy::Refuse);
    let rest = "1 cooldown no. 2 after released until 66 s";
    assert_eq!(of_withheld(&rig.act(&client, &release(2, Some(5000), None))), [format!("withheld {rest}")]);
    assert_eq!(of_withheld(&rig.pass(5000)), [format!("restored {rest}")]);
    // Given back as broken: no end, but that somebody restores it.
    rig.take(3, 1, IfBusy::Refuse);
    let broken = "1 broken no. 3 after released: no ping";
    assert_eq!(of_withheld(&rig.act(&client, &release(3, None, Some("no ping")))), [format!("withheld {broken}")]);
    let restore = Command::Restore { lock: name(), which: Restored::Number(3) };
    assert_eq!(of_withheld(&rig.act(&ops(), &restore)), [format!("restored {broken} by ops")]);
    // A permit that nobody withholds tells nothing.
    rig.take(4, 1, IfBusy::Refuse);
    assert_eq!(of_withheld(&rig.act(&client, &release(4, None, None))), [""; 0]);
}

#[test]
fn a_withholding_by_an_administrator_tells_what_comes_and_what_goes() {
    let mut rig = Rig::new();
    let names = ["a", "b", "c"].map(|name| SlotName::new(name).unwrap());
    rig.patch(&ops(), Patch { capacity: Some(Capacity::Named(names.to_vec())), ..Patch::default() });
    rig.take(1, 1, IfBusy::Refuse);
    let withhold = |what, lasts| Command::Withhold { lock: name(), what, reason: Arc::from("disk"), lasts };
    // One of them is held: it is withheld when it comes back, and told of now.
    let two = rig.act(&ops(), &withhold(ToWithhold::Slots(names[..2].to_vec()), None));
    assert_eq!(of_withheld(&two), ["withheld 2 admin no. 2 (a b): disk by ops"]);
    assert_eq!(of_withheld(&rig.act(&Caller::anonymous("192.0.2.1"), &release(1, None, None))), [""; 0]);
    let restore = |which| Command::Restore { lock: name(), which };
    let one = rig.act(&ops(), &restore(Restored::Slots(vec![names[1].clone()])));
    assert_eq!(of_withheld(&one), ["restored 1 admin no. 2 (b): disk by ops"]);
    let rest = rig.act(&ops(), &restore(Restored::Slots(vec![names[0].clone()])));
    assert_eq!(of_withheld(&rest), ["restored 1 admin no. 2 (a): disk by ops"]);
    // By number, with an end: which ones is open until they are free.
    let three = rig.act(&ops(), &withhold(ToWithhold::Count(3), Some(5000)));
    assert_eq!(of_withheld(&three), ["withheld 3 admin no. 3 until 5 s: disk by ops"]);
    assert_eq!(of_withheld(&rig.pass(5000)), ["restored 3 admin no. 3 (a b c) until 5 s: disk"]);
}

#[test]
fn a_report_tells_how_many_more_or_fewer_others_use() {
    let mut rig = Rig::new();
    rig.patch(&ops(), Patch { capacity: Some(Capacity::Size(10)), ..Patch::default() });
    let report = |in_use| Command::Outside { lock: name(), report: Some((in_use, 60_000)) };
    let mut say = |command: &Command| of_withheld(&rig.act(&ops(), command));
    assert_eq!(say(&report(3)), ["withheld 3 outside no. 1 until 60 s by ops"]);
    assert_eq!(say(&report(3)), [""; 0], "the same again");
    assert_eq!(say(&report(8)), ["withheld 5 outside no. 1 until 60 s by ops"]);
    assert_eq!(say(&report(6)), ["restored 2 outside no. 1 until 60 s by ops"]);
    assert_eq!(told(&rig.pass(60_000)), ["restored 6 outside no. 1 by nobody", "stale by nobody"]);
    assert_eq!(of_withheld(&rig.act(&ops(), &report(1))), ["withheld 1 outside no. 2 until 120 s by ops"]);
    let none = Command::Outside { lock: name(), report: None };
    assert_eq!(of_withheld(&rig.act(&ops(), &none)), ["restored 1 outside no. 2 by ops"]);
}

#[test]
fn each_lock_of_a_bundle_tells_of_its_own_withholding() {
    let mut rig = Rig::new();
    let tape = LockName::new("tape").unwrap();
    let settings = Settings { min_hold: 10_000, ..Settings::new(1) };
    let (precondition, force) = (Precondition::None, FORCE);
    rig.act(&ops(), &Command::PutLock { name: tape.clone(), settings, precondition, force });
    let others = vec![Asked { lock: tape, permits: Permits::All }];
    rig.act(&ops(), &Command::Acquire(NewTicket { others, ..NewTicket::new(name(), TicketId(1)) }));
    let revoke = Command::Revoke { lock: name(), number: 1, reason: Arc::from("gone"), only: None };
    let events = rig.act(&ops(), &revoke);
    let of: Vec<(&str, String)> = events.iter().map(|event| event.lock.as_str()).zip(told(&events)).collect();
    assert_eq!(
        of,
        [
            ("san", "1 revoked by ops".to_owned()),
            ("tape", "1 revoked by ops".to_owned()),
            ("san", "withheld 1 lost_holder no. 1 after revoked until 60 s: gone by ops".to_owned()),
            ("tape", "withheld 1 cooldown no. 2 after revoked until 10 s: gone by ops".to_owned()),
        ]
    );
}
