//! Who did what: events carry what of a lock has changed, and the administrator who did it.

use lock_core::{
    Caller, Command, ConfigureMode, Continuity, Definition, EndedAs, Event, EventKind, Force, IfBusy, LockName,
    NewTicket, Patch, Permits, Precondition, Restored, Settings, Snapshot, StepContext, Table, Target, TicketId,
    Transition,
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
            EventKind::PermitsWithheld => "withheld".to_owned(),
            EventKind::PermitsRestored => "restored".to_owned(),
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
        capacity: Some(lock_core::Capacity::Size(3)),
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
    assert_eq!(told(&rig.act(&ops(), &revoke)), ["1 revoked by ops"]);
    // What follows from it is nobody's: the next one is granted its permit because it was the next.
    let restored = rig.act(&ops(), &Command::Restore { lock: name(), which: Restored::All });
    assert_eq!(told(&restored), ["restored by ops", "2 Granted by nobody"]);
    let release = Command::Release {
        target: lock_core::ReleaseTarget::Id(None, TicketId(2)),
        queued: true,
        keep: None,
        withhold: None,
    };
    assert_eq!(told(&rig.act(&Caller::anonymous("192.0.2.1"), &release)), ["2 released by nobody"]);
}

#[test]
fn a_ticket_that_no_longer_fits_or_loses_its_lock_ends_by_the_author_of_the_change() {
    let mut rig = Rig::new();
    rig.take(1, 1, IfBusy::Refuse);
    rig.take(2, 2, IfBusy::Queue);
    let smaller = Patch { capacity: Some(lock_core::Capacity::Size(1)), ..Patch::default() };
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
