//! Records at the ends of what they may hold.

use lock_core::limits::{COUNTER_MAX, INFO_BYTES_MAX, PERMITS_MAX, TTL_MAX_MS};
use lock_core::{
    Capacity, Change, EndedAs, FileValues, Key, Lease, LockName, LockRecord, Meta, More, Outside, Part, Pause, Permits,
    Pick, Prefix, QueueLease, RequestKey, RequestScope, Selection, Settings, SlotName, SlotRanges, Starts, State, Tag,
    TemplateRecord, TicketId, TicketRecord, Until, Uptime, Withdrawn, WithheldCause, WithheldName, Withholding,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Texts that break careless stores. None is a valid name of everything, so names have their own below.
pub(super) fn texts() -> Vec<Arc<str>> {
    let long = "ä".repeat(INFO_BYTES_MAX / 2);
    [
        "",
        " ",
        "a",
        "NULL",
        "0",
        "-1",
        "'",
        "''",
        "\"",
        "`",
        "\\",
        "a'; DROP TABLE tickets; --",
        "a\nb\r\n\tc",
        "a\0b",
        "\0",
        "größe \u{1f512} \u{202e}",
        "e\u{301}",
        "\u{feff}",
        "\u{10ffff}",
        "{\"a\":[1,2]}",
        "%s?1:a@b$c",
        &long,
    ]
    .map(Arc::from)
    .to_vec()
}

/// Names of locks.
fn names() -> Vec<LockName> {
    ["a", "A", "0", "DefaultLock", "san ssh", "o'neill\"s", "a=b,c", "größe", "a\\b", &"x".repeat(200)]
        .map(|name| LockName::new(name).unwrap())
        .to_vec()
}

fn slot_name(text: &str) -> SlotName {
    SlotName::new(text).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::new(text).unwrap()
}

/// Slot names with what other syntaxes use.
pub(super) fn slot_names() -> Vec<SlotName> {
    vec![slot_name("port a"), slot_name("a=b"), slot_name("x/*?'\""), slot_name("größe"), slot_name(&"y".repeat(200))]
}

fn many_ranges() -> SlotRanges {
    (0..10_000).map(|range| (range * 3, range * 3 + range % 2)).collect()
}

fn settings() -> Vec<Settings> {
    let none = Settings {
        capacity: Capacity::Size(1),
        tags: Vec::new(),
        pick: Pick::First,
        grace: 0,
        expiration: None,
        max_lock: None,
        max_hold: None,
        max_ttl: None,
        lock_delay: 0,
        max_queue: 0,
        max_per_owner: None,
        min_hold: 0,
        description: Arc::from(""),
    };
    let most = Settings {
        capacity: Capacity::Size(PERMITS_MAX),
        tags: Vec::new(),
        pick: Pick::Lru,
        grace: TTL_MAX_MS,
        expiration: Some(COUNTER_MAX),
        max_lock: Some(COUNTER_MAX),
        max_hold: Some(COUNTER_MAX),
        max_ttl: Some(COUNTER_MAX),
        lock_delay: COUNTER_MAX,
        max_queue: u32::MAX,
        max_per_owner: Some(u32::MAX),
        min_hold: COUNTER_MAX,
        description: Arc::from("a\nb 'c'"),
    };
    // All different, so that no two columns can be mixed up.
    let distinct = Settings {
        capacity: Capacity::Named(slot_names()),
        tags: vec![(slot_name("a=b"), vec![tag("a100"), tag("größe")]), (slot_name("gone"), vec![tag("x")])],
        pick: Pick::Lru,
        grace: 11,
        expiration: Some(12),
        max_lock: Some(13),
        max_hold: Some(14),
        max_ttl: Some(15),
        lock_delay: 16,
        max_queue: 17,
        max_per_owner: Some(19),
        min_hold: 20,
        description: Arc::from("18"),
    };
    let zeros =
        Settings { expiration: Some(0), max_lock: Some(0), max_hold: Some(0), max_ttl: Some(0), ..none.clone() };
    let one_name = Settings { capacity: Capacity::Named(vec![slot_name("0")]), ..none.clone() };
    vec![none, most, distinct, zeros, one_name]
}

fn locks() -> Vec<LockRecord> {
    let mut locks = Vec::new();
    let plain = LockRecord {
        name: names()[0].clone(),
        settings: settings()[0].clone(),
        file: None,
        template: None,
        retiring: false,
        pause: None,
        outside: None,
        slot_names: Vec::new(),
        revision: 0,
    };
    let pause =
        |reason: &str, by: Option<&str>, until| Some(Pause { reason: Arc::from(reason), by: by.map(Arc::from), until });
    for (in_use, reported_at, until) in
        [(0, 0, None), (1, 2, Some(3)), (PERMITS_MAX, COUNTER_MAX, Some(COUNTER_MAX)), (7, 0, Some(0))]
    {
        locks.push(LockRecord { outside: Some(Outside { in_use, reported_at, until }), ..plain.clone() });
    }
    locks.push(plain.clone());
    for (number, name) in (1..).zip(names()) {
        locks.push(LockRecord { name, revision: number, ..plain.clone() });
    }
    for settings in settings() {
        locks.push(LockRecord { settings: settings.clone(), ..plain.clone() });
        let file = Some(FileValues { settings, paused: true });
        locks.push(LockRecord { file, retiring: true, revision: COUNTER_MAX, ..plain.clone() });
    }
    for (pause, template) in [
        (pause("", None, None), Some("*")),
        (pause("it's\nbroken", Some("ops"), Some(Until::Service(0))), Some("deploy-*")),
        (pause("it's\nbroken", Some(""), Some(Until::Wall(0))), Some("deploy-*")),
        (pause("x", None, Some(Until::Service(COUNTER_MAX))), Some("o'neill-*")),
        (pause("x", Some("uid:0"), Some(Until::Wall(COUNTER_MAX))), Some("o'neill-*")),
        (None, None),
    ] {
        let template = template.map(|pattern| Prefix::from_pattern(pattern).unwrap());
        let file = Some(FileValues { settings: settings()[2].clone(), paused: false });
        let slot_names = (0..).step_by(7).zip(slot_names()).collect();
        locks.push(LockRecord { pause, template, file, slot_names, ..plain.clone() });
    }
    locks
}

/// A ticket like most.
pub(crate) fn plain_ticket(number: u64) -> TicketRecord {
    TicketRecord {
        id: TicketId(u128::from(number) << 64 | 0x5eed),
        number,
        lock: names()[0].clone(),
        owner: None,
        from: Arc::from("127.0.0.1:1234"),
        info: Arc::from("host1 job 7"),
        permits: Permits::Count(1),
        priority: 0,
        seq: number,
        request: None,
        holder: None,
        lease: Lease::OfLock,
        queue_lease: QueueLease::Minute,
        max_hold: None,
        acknowledged: false,
        lease_began: 0,
        state: State::Queued { dormant: false },
        token: None,
        slots: Vec::new(),
        slot_names: Vec::new(),
        hold_until: None,
        created_at: 1_790_000_000_000,
        granted_at: None,
        held_at: None,
        ended_at: None,
        more: None,
    }
}

fn states() -> Vec<State> {
    let mut states =
        vec![State::Queued { dormant: false }, State::Queued { dormant: true }, State::Granted, State::Held];
    for how in EndedAs::ALL {
        states.push(State::Ended { how, at: 0, reason: None });
        states.push(State::Ended { how, at: COUNTER_MAX, reason: Some(Arc::from("")) });
    }
    states
}

/// A further lock of a bundle: one that has permits, or one that waits.
fn part(at: usize) -> Part {
    let waits = Part {
        lock: names()[at].clone(),
        permits: Permits::All,
        slots: Vec::new(),
        slot_names: Vec::new(),
        not_before: None,
    };
    match at {
        0 => Part {
            permits: Permits::Count(2),
            slots: vec![(4, 4), (9, 9)],
            slot_names: slot_names(),
            not_before: Some(38),
            ..waits
        },
        _ => waits,
    }
}

fn tickets() -> Vec<TicketRecord> {
    // All different, so that no two columns can be mixed up.
    let distinct = TicketRecord {
        owner: Some(Arc::from("owner")),
        from: Arc::from("from"),
        permits: Permits::Count(21),
        priority: 22,
        seq: 23,
        request: Some(Box::new(RequestKey { id: Arc::from("request"), asked_ttl: Some(24), asked_max_hold: Some(25) })),
        holder: Some(Arc::from("holder")),
        lease: Lease::Given(26),
        queue_lease: QueueLease::Expiration,
        max_hold: Some(27),
        acknowledged: true,
        lease_began: 35,
        state: State::Ended { how: EndedAs::Revoked, at: 28, reason: Some(Arc::from("reason")) },
        token: Some(29),
        slots: vec![(0, 3), (7, 7)],
        slot_names: slot_names(),
        hold_until: Some(30),
        created_at: 31,
        granted_at: Some(32),
        held_at: Some(33),
        ended_at: Some(34),
        more: Some(Box::new(More {
            supersede: Some(Arc::from("main")),
            superseded_by: Some(36),
            not_before: Some(37),
            ended_by: Some(Arc::from("ops")),
            selection: Some(Arc::new(Selection::Tags(vec![tag("a100"), tag("'x'")]))),
            parts: vec![part(0), part(1)],
        })),
        ..plain_ticket(20)
    };
    let most = TicketRecord {
        id: TicketId(u128::MAX),
        permits: Permits::Count(PERMITS_MAX),
        priority: i8::MAX,
        seq: COUNTER_MAX,
        request: Some(Box::new(RequestKey { id: Arc::from(""), asked_ttl: None, asked_max_hold: Some(COUNTER_MAX) })),
        lease: Lease::Given(COUNTER_MAX),
        max_hold: Some(COUNTER_MAX),
        token: Some(COUNTER_MAX),
        slots: vec![(0, PERMITS_MAX - 1)],
        hold_until: Some(COUNTER_MAX),
        created_at: COUNTER_MAX,
        granted_at: Some(COUNTER_MAX),
        held_at: Some(COUNTER_MAX),
        ended_at: Some(COUNTER_MAX),
        more: Some(Box::new(More {
            superseded_by: Some(COUNTER_MAX),
            not_before: Some(COUNTER_MAX),
            selection: Some(Arc::new(Selection::Slots(slot_names()))),
            ..More::default()
        })),
        ..plain_ticket(COUNTER_MAX)
    };
    let least = TicketRecord {
        id: TicketId(0),
        permits: Permits::Count(0),
        priority: i8::MIN,
        request: Some(Box::new(RequestKey { id: Arc::from("r"), asked_ttl: Some(0), asked_max_hold: None })),
        lease: Lease::Given(0),
        max_hold: Some(0),
        token: Some(0),
        slots: vec![(0, 0), (2, u32::MAX)],
        hold_until: Some(0),
        created_at: 0,
        granted_at: Some(0),
        held_at: Some(0),
        ended_at: Some(0),
        ..plain_ticket(0)
    };
    let all = TicketRecord { permits: Permits::All, lease: Lease::Never, slots: many_ranges(), ..plain_ticket(21) };
    let mut tickets = vec![distinct, most, least, all];
    // Of those with the same state only one is known, so that the two flags cannot be mixed up.
    for (number, state) in (100..).zip(states()) {
        tickets.push(TicketRecord { state: state.clone(), ..plain_ticket(number) });
        tickets.push(TicketRecord { state, acknowledged: true, ..plain_ticket(number + 50) });
    }
    for (number, text) in (200..).zip(texts()) {
        let request = Some(Box::new(RequestKey { id: text.clone(), asked_ttl: None, asked_max_hold: None }));
        let state = State::Ended { how: EndedAs::Revoked, at: 1, reason: Some(text.clone()) };
        tickets.push(TicketRecord {
            owner: Some(text.clone()),
            from: text.clone(),
            info: text.clone(),
            holder: Some(text.clone()),
            request,
            state,
            more: Some(Box::new(More { supersede: Some(text.clone()), ended_by: Some(text), ..More::default() })),
            ..plain_ticket(number)
        });
    }
    for (number, lock) in (300..).zip(names()) {
        tickets.push(TicketRecord { lock, ..plain_ticket(number) });
    }
    tickets
}

/// A withholding after that end.
pub(super) fn withholding(how: EndedAs) -> Withholding {
    Withholding {
        number: 9,
        lock: names()[0].clone(),
        slots: vec![(1, 2)],
        slot_names: Vec::new(),
        all: false,
        cause: WithheldCause::LostHolder,
        how: Some(how),
        reason: None,
        until: Some(5),
        until_wall: None,
        awaited: 0,
        awaited_names: Vec::new(),
    }
}

fn scope(owner: Option<&str>, id: &str) -> RequestScope {
    RequestScope { lock: names()[0].clone(), others: Box::default(), owner: owner.map(Arc::from), id: Arc::from(id) }
}

/// Every kind of record, at its ends; several may have the same key.
pub(crate) fn all() -> Vec<Change> {
    let metas = [
        Meta::default(),
        Meta {
            service_ms: 1,
            last_token: 2,
            last_number: 3,
            last_seq: 4,
            last_revision: 5,
            uptime: Uptime {
                downtime_ms: 6,
                monotonic_ms: 7,
                starts: Starts::from_all(&[0, 8, 9]).unwrap(),
                doubt_at: 10,
            },
            dormant_to: 2,
        },
        Meta {
            service_ms: COUNTER_MAX,
            last_token: COUNTER_MAX,
            last_number: COUNTER_MAX,
            last_seq: COUNTER_MAX,
            last_revision: COUNTER_MAX,
            uptime: Uptime {
                downtime_ms: COUNTER_MAX,
                monotonic_ms: COUNTER_MAX,
                starts: Starts::from_all(&std::array::from_fn::<u64, { Starts::MAX }, _>(|one| {
                    COUNTER_MAX - 99 + one as u64
                }))
                .unwrap(),
                doubt_at: COUNTER_MAX,
            },
            dormant_to: COUNTER_MAX,
        },
    ];
    let mut all: Vec<Change> = metas.map(Change::Meta).to_vec();
    all.extend(locks().into_iter().map(Change::PutLock));
    for (number, settings) in (0..).zip(settings()) {
        let prefix = Prefix::from_pattern(["*", "a*", "b-*", "o'neill *", "größe.*"][number]).unwrap();
        all.push(Change::PutTemplate(TemplateRecord { prefix, settings, paused: number % 2 == 1 }));
    }
    all.extend(tickets().into_iter().map(Change::PutTicket));
    for (number, how) in (0..).zip(EndedAs::ALL) {
        all.push(Change::PutWithholding(Withholding { number, all: number % 2 == 0, ..withholding(how) }));
    }
    let wide = Withholding {
        number: COUNTER_MAX,
        slots: many_ranges(),
        slot_names: slot_names(),
        ..withholding(EndedAs::Overdue)
    };
    let reason = Some(Arc::from("o'neill\n"));
    all.push(Change::PutWithholding(Withholding { until: Some(COUNTER_MAX), reason, ..wide }));
    // All different, so that no two columns can be mixed up; and every cause.
    let of_admin = Withholding {
        number: 900,
        slots: vec![(1, 2), (4, 4)],
        slot_names: slot_names()[..3].to_vec(),
        cause: WithheldCause::Admin,
        how: None,
        reason: Some(Arc::from("why")),
        until: None,
        until_wall: Some(6),
        awaited: 7,
        awaited_names: slot_names()[3..].to_vec(),
        ..withholding(EndedAs::Lost)
    };
    all.push(Change::PutWithholding(of_admin.clone()));
    for (number, cause) in (901..).zip(WithheldCause::ALL) {
        let (awaited, awaited_names) = (u32::MAX, Vec::new());
        all.push(Change::PutWithholding(Withholding {
            number,
            cause,
            until_wall: None,
            awaited,
            awaited_names,
            ..of_admin.clone()
        }));
    }
    for (until, name) in [0, COUNTER_MAX].into_iter().cycle().zip(names()) {
        all.push(Change::PutWithheldName(WithheldName { name, until }));
    }
    for text in texts() {
        all.push(Change::PutWithdrawn(Withdrawn { scope: scope(None, &text), until: 0 }));
        all.push(Change::PutWithdrawn(Withdrawn { scope: scope(Some(&text), &text), until: COUNTER_MAX }));
        let of_bundle = RequestScope { others: names()[1..].into(), ..scope(Some(&text), &text) };
        all.push(Change::PutWithdrawn(Withdrawn { scope: of_bundle, until: 1 }));
    }
    all
}

/// Records whose keys a careless store takes for the same.
pub(crate) fn alike() -> Vec<Change> {
    let mut all = Vec::new();
    for (until, (owner, id)) in
        (0..).zip([(None, "a"), (Some(""), "a"), (Some("a"), "a"), (Some("A"), "a"), (Some("a\0"), "a"), (None, "a\0")])
    {
        all.push(Change::PutWithdrawn(Withdrawn { scope: scope(owner, id), until }));
    }
    let others: [&[&str]; 6] = [&[], &["b"], &["b", "c"], &["b,c"], &["b\",\"c"], &["null"]];
    for (until, others) in (0..).zip(others) {
        let others = others.iter().map(|name| LockName::new(name).unwrap()).collect();
        all.push(Change::PutWithdrawn(Withdrawn { scope: RequestScope { others, ..scope(None, "b") }, until }));
    }
    for (until, name) in (0..).zip(["a", "A", "ä", "a\u{308}", "Ä", "a.", "0", "00", "0.0", "1e3", "1000"]) {
        let name = LockName::new(name).unwrap();
        all.push(Change::PutWithheldName(WithheldName { name: name.clone(), until }));
        all.push(Change::PutLock(LockRecord { name, ..locks()[0].clone() }));
    }
    for pattern in ["*", "a*", "A*", "%*", "_*"] {
        let prefix = Prefix::from_pattern(pattern).unwrap();
        all.push(Change::PutTemplate(TemplateRecord { prefix, settings: settings()[0].clone(), paused: false }));
    }
    all
}

/// The last change of each key.
pub(super) fn one_of_each_key(changes: &[Change]) -> Vec<Change> {
    let last: BTreeMap<Key, &Change> = changes.iter().map(|change| (change.key(), change)).collect();
    last.into_values().cloned().collect()
}

/// The change that undoes a put; counters cannot be deleted.
pub(super) fn deletion(put: &Change) -> Option<Change> {
    Some(match put.key() {
        Key::Meta => return None,
        Key::Lock(name) => Change::DeleteLock(name),
        Key::Template(prefix) => Change::DeleteTemplate(prefix),
        Key::Ticket(number, id) => Change::DeleteTicket { number, id },
        Key::Withholding(number) => Change::DeleteWithholding(number),
        Key::WithheldName(name) => Change::DeleteWithheldName(name),
        Key::Withdrawn(scope) => Change::DeleteWithdrawn(scope),
    })
}

/// The same values for one key of each kind.
pub(super) fn with_the_same_key(put: &Change) -> Change {
    let mut put = put.clone();
    match &mut put {
        Change::PutLock(lock) => lock.name = names()[0].clone(),
        Change::PutTemplate(template) => template.prefix = Prefix::from_pattern("a*").unwrap(),
        Change::PutTicket(ticket) => {
            ticket.id = TicketId(1);
            ticket.number = 1;
        }
        Change::PutWithholding(withholding) => withholding.number = 1,
        Change::PutWithheldName(withheld) => withheld.name = names()[0].clone(),
        Change::PutWithdrawn(withdrawn) => withdrawn.scope = scope(None, "a"),
        _ => {}
    }
    put
}
