//! Lines, and what becomes of them while the disk is full.

use super::*;
use lock_core::{EndedAs, EventKind, LockName, SlotName, Transition, Withheld, WithheldCause};
use serde_json::Value;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);

/// A disk with room for so many bytes.
#[derive(Debug, Clone)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Disk {
    fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), room))))
    }

    fn opened(&self) -> Opened {
        Opened::with(Place::Journal, Box::new(self.clone()))
    }

    fn make_room(&self, room: usize) {
        self.0.lock().unwrap().1 = room;
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| line.into())).collect()
    }

    fn words(&self) -> Vec<String> {
        self.lines().iter().map(|line| line["audit"].as_str().unwrap_or("no line").to_owned()).collect()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (text, room) = &mut *self.0.lock().unwrap();
        let fits = bytes.len().min(*room);
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        text.extend_from_slice(&bytes[..fits]);
        *room -= fits;
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

fn caller(owner: Option<&str>, from: &str) -> Caller {
    Caller { owner: owner.map(Arc::from), ..Caller::anonymous(from) }
}

fn event(number: u64, owner: Option<&str>, transition: Transition) -> Event {
    let kind = EventKind::Ticket {
        number,
        info: Arc::from("backup of \u{202e}db1\n"),
        owner: owner.map(Arc::from),
        from: Arc::from("192.0.2.1"),
        transition,
    };
    Event { at: 1_777_863_721_042, lock: LockName::new("san").unwrap(), template: None, kind, by: None }
}

fn ended(how: EndedAs, reason: Option<&str>, held: Option<u64>) -> Transition {
    Transition::Ended { how, reason: reason.map(Arc::from), held }
}

#[test]
fn what_happens_to_a_ticket_for_several_locks_has_one_line() {
    let disk = Disk::with_room(usize::MAX);
    let audit = Audit::default();
    audit.switch(Some(disk.opened()));
    let of = |lock: &str, number: u64, transition: Transition| Event {
        lock: LockName::new(lock).unwrap(),
        ..event(number, None, transition)
    };
    let granted = Transition::Granted { token: 7, waited: 0 };
    let events = [
        of("a", 1, granted.clone()),
        of("b", 1, granted.clone()),
        of("c", 1, granted.clone()),
        of("a", 1, Transition::Held),
        of("b", 1, Transition::Held),
        of("b", 2, granted),
        of("a", 1, ended(EndedAs::Released, None, Some(5))),
        of("b", 1, ended(EndedAs::Released, None, Some(5))),
        of("b", 2, ended(EndedAs::Released, None, Some(5))),
    ];
    let by = || caller(None, "192.0.2.1");
    audit.events(&events, &[(6..8, by()), (8..9, by())]);
    audit.close(PATIENCE);
    let lines = disk.lines();
    let told: Vec<String> = lines[1..lines.len() - 1]
        .iter()
        .map(|line| format!("{} {} {}{}", line["audit"], line["number"], line["lock"], line["locks"]))
        .collect();
    assert_eq!(
        told,
        [
            "\"granted\" 1 null[\"a\",\"b\",\"c\"]",
            "\"granted\" 2 \"b\"null",
            "\"released\" 1 null[\"a\",\"b\"]",
            "\"released\" 2 \"b\"null",
        ]
    );
}

#[test]
fn the_lines_of_tickets() {
    let disk = Disk::with_room(usize::MAX);
    let audit = Audit::default();
    audit.switch(Some(disk.opened()));
    let events = [
        event(1, None, Transition::Queued),
        event(1, None, Transition::Granted { token: 7, waited: 1500 }),
        event(1, None, Transition::Held),
        event(1, None, ended(EndedAs::Released, None, Some(2250))),
        event(2, Some("ci"), ended(EndedAs::Revoked, Some("its host is gone"), Some(0))),
        event(3, Some("ci"), ended(EndedAs::Lost, None, Some(1000))),
        event(4, None, ended(EndedAs::Cancelled, None, None)),
        event(5, None, Transition::Lapsed),
    ];
    audit.events(&events, &[(3..4, caller(None, "192.0.2.1")), (4..5, caller(Some("ops"), "192.0.2.9"))]);
    audit.close(PATIENCE);
    let mine = r#""lock":"san","number":N,"key":K,"from":"192.0.2.1""#;
    let info = r#""info":"backup of \u202edb1\n"}"#;
    let line = |word: &str, number: u64, key: &str, rest: &str| {
        let mine = mine.replace('N', &number.to_string()).replace('K', key);
        format!("{{\"time\":\"2026-05-04T03:02:01.042Z\",\"audit\":\"{word}\",{mine},{rest}{info}\n")
    };
    let wanted = [
        line("granted", 1, "null", r#""token":7,"waited_s":1.5,"#),
        line("released", 1, "null", r#""held_s":2.25,"by_key":null,"by_from":"192.0.2.1","#),
        line(
            "ended",
            2,
            "\"ci\"",
            r#""ended_as":"revoked","held_s":0,"by_key":"ops","by_from":"192.0.2.9","why":"its host is gone","#,
        ),
        line("ended", 3, "\"ci\"", r#""ended_as":"lost","held_s":1,"#),
        line("ended", 4, "null", r#""ended_as":"cancelled","why":"its client had gone before the answer","#),
        line("lapsed", 5, "null", ""),
    ];
    let text = disk.text();
    assert!(text.contains(&wanted.concat()), "{text}");
    assert_eq!(disk.words().first().unwrap(), "opened");
    assert_eq!(disk.words().last().unwrap(), "closed");
    assert_eq!(audit.counts(), Counts { written: 8, lost: 0, waiting: 0 });
}

#[test]
fn the_lines_of_withheld_permits() {
    let disk = Disk::with_room(usize::MAX);
    let audit = Audit::default();
    audit.switch(Some(disk.opened()));
    let lost = Withheld {
        number: 7,
        cause: WithheldCause::LostHolder,
        permits: 2,
        slot_names: Vec::new(),
        how: Some(EndedAs::Lost),
        reason: None,
        until: Some(1_777_863_781_042),
    };
    let admin = Withheld {
        number: 8,
        cause: WithheldCause::Admin,
        permits: 2,
        slot_names: ["a", "b\""].map(|name| SlotName::new(name).unwrap()).to_vec(),
        how: None,
        reason: Some(Arc::from("no ping")),
        until: None,
    };
    let of = |kind| Event { kind, ..event(1, None, Transition::Held) };
    let events = [
        of(EventKind::PermitsWithheld(Box::new(lost.clone()))),
        of(EventKind::PermitsWithheld(Box::new(admin.clone()))),
        of(EventKind::PermitsRestored(Box::new(admin))),
        of(EventKind::ReportStale),
        of(EventKind::PermitsRestored(Box::new(lost))),
    ];
    audit.events(&events, &[(1..2, caller(Some("ops"), "192.0.2.9")), (2..3, caller(None, "uid:0"))]);
    audit.close(PATIENCE);
    let line = |word: &str, rest: &str| {
        format!("{{\"time\":\"2026-05-04T03:02:01.042Z\",\"audit\":\"{word}\",\"lock\":\"san\",{rest}}}\n")
    };
    let slots = r#""withholding":8,"cause":"admin","permits":2,"slot_names":["a","b\""],"#;
    let wanted = [
        line(
            "withheld",
            r#""withholding":7,"cause":"lost_holder","permits":2,"ended_as":"lost","until":"2026-05-04T03:03:01.042Z""#,
        ),
        line("withheld", &format!(r#"{slots}"by_key":"ops","by_from":"192.0.2.9","why":"no ping""#)),
        line("restored", &format!(r#"{slots}"by_key":null,"by_from":"uid:0","why":"no ping""#)),
        line("restored", r#""withholding":7,"cause":"lost_holder","permits":2,"ended_as":"lost""#),
    ];
    let text = disk.text();
    assert!(text.contains(&wanted.concat()), "{text}");
}

#[test]
fn the_lines_of_acts_and_refusals() {
    let disk = Disk::with_room(usize::MAX);
    let audit = Audit::default();
    audit.act(act("before it is on"));
    audit.switch(Some(disk.opened()));
    audit.act(act("PATCH /v1/locks/{lock}"));
    audit.refused(Refused {
        who: Who { key: None, from: Arc::from("192.0.2.1") },
        request: "DELETE /v1/locks/{lock}/tickets/{number}".into(),
        lock: LockName::new("san").ok(),
        number: Some(7),
        status: 401,
        why: "no \"key\"".into(),
        unlisted: 3,
    });
    audit.close(PATIENCE);
    let lines: Vec<String> = disk.text().lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect();
    assert_eq!(
        lines[1..3],
        [
            r#""audit":"act","request":"PATCH /v1/locks/{lock}","lock":"san","key":"ops","from":"192.0.2.9","change":{"size":3},"done":true,"status":200}"#,
            r#""audit":"refused","request":"DELETE /v1/locks/{lock}/tickets/{number}","lock":"san","number":7,"key":null,"from":"192.0.2.1","status":401,"why":"no \"key\"","unlisted":3}"#,
        ]
    );
}

fn act(request: &str) -> Act {
    let who = Who { key: Some(Arc::from("ops")), from: Arc::from("192.0.2.9") };
    let change = Some("{\"size\":3}".to_owned());
    Act { who, request: request.into(), lock: LockName::new("san").ok(), change, done: Some(true), status: Some(200) }
}

#[test]
fn a_full_disk_keeps_lines_waiting_and_what_finds_no_room_is_counted() {
    let disk = Disk::with_room(150);
    let audit = Audit::default();
    audit.switch(Some(disk.opened()));
    let grant = |number| event(number, None, Transition::Granted { token: number, waited: 0 });
    audit.events(&[grant(1)], &[]);
    until("the disk is full, in the middle of a line", || disk.text().len() == 150);
    let many: Vec<Event> = (2..AUDIT_LINES_WAITING_MAX as u64 + 1000).map(grant).collect();
    audit.events(&many, &[]);
    let lost = audit.counts().lost;
    assert!((1..1000).contains(&lost), "{lost}");
    let refused = Refused {
        who: Who { key: None, from: Arc::from("192.0.2.1") },
        request: "GET".into(),
        lock: None,
        number: None,
        status: 403,
        why: String::new(),
        unlisted: 0,
    };
    audit.refused(refused);
    assert_eq!(audit.counts().lost, lost + 1);
    disk.make_room(usize::MAX);
    until("all is written", || audit.counts().waiting == 0);
    audit.act(act("after"));
    audit.close(PATIENCE);
    let lines = disk.lines();
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["number"].as_u64()).collect();
    let kept = many.len() as u64 + 1 - lost;
    assert_eq!(numbers, (1..=kept).collect::<Vec<_>>(), "in order, each once");
    assert!(lines[1].is_string(), "the line that was torn ends where the next one begins: {}", lines[1]);
    let words = disk.words();
    assert_eq!(words[words.len() - 3..], ["lost", "act", "closed"]);
    assert_eq!(lines[lines.len() - 3]["lines"], lost + 1);
    assert_eq!(audit.counts().written as usize, lines.len() - 1);
}

#[test]
fn refusals_leave_room_for_grants() {
    let disk = Disk::with_room(1);
    let audit = Audit::default();
    audit.switch(Some(disk.opened()));
    until("the disk is full", || disk.text().len() == 1);
    let refused = Refused {
        who: Who { key: None, from: Arc::from("192.0.2.1") },
        request: "GET".into(),
        lock: None,
        number: None,
        status: 403,
        why: String::new(),
        unlisted: 0,
    };
    for _ in 0..AUDIT_LINES_WAITING_MAX {
        audit.refused(refused.clone());
    }
    let lost = audit.counts().lost;
    assert!(lost > 0 && audit.counts().waiting <= REFUSALS_WAITING_MAX);
    audit.events(&[event(1, None, Transition::Granted { token: 1, waited: 0 })], &[]);
    assert_eq!(audit.counts().lost, lost, "there was room for this one");
    audit.close(PATIENCE);
    let counts = audit.counts();
    assert_eq!((counts.written, counts.waiting), (0, 0), "it ends all the same, and what it had is lost");
    assert!(counts.lost >= REFUSALS_WAITING_MAX as u64);
}

#[test]
fn another_place_takes_what_the_first_could_not() {
    let (full, roomy) = (Disk::with_room(1), Disk::with_room(usize::MAX));
    let audit = Audit::default();
    audit.switch(Some(full.opened()));
    until("the disk is full", || full.text().len() == 1);
    audit.act(act("moved"));
    audit.switch(Some(roomy.opened()));
    until("it is written", || roomy.words().len() == 3);
    assert_eq!(roomy.words(), ["opened", "act", "opened"]);
    audit.switch(None);
    audit.act(act("when it is off"));
    audit.close(PATIENCE);
    assert_eq!(roomy.words(), ["opened", "act", "opened", "closed"]);
    audit.switch(Some(roomy.opened()));
    audit.close(PATIENCE);
    assert_eq!(roomy.words()[4..], ["opened", "closed"], "it may begin again");
}

#[test]
fn files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    for round in 1..=2 {
        let audit = Audit::default();
        audit.switch(Some(Opened::open(&Place::File(path.clone())).unwrap()));
        audit.close(PATIENCE);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2 * round, "at its end");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640, 0);
    for bad in ["no/such/audit.log", "."] {
        let error = Opened::open(&Place::File(directory.path().join(bad))).unwrap_err().to_string();
        assert!(error.contains(bad) && error.contains("AUDIT_LOG"), "{error}");
    }
}
