//! The core's records, field by field: serde reads and writes those of the core by these. A field that is new there does not
//! compile until it is here.
//!
//! Only what is marked `default` may be missing. A field that is new takes that, so that records of earlier versions can be
//! read.

use super::json::{self, Json};
use lock_core::{
    Capacity, EndedAs, FileValues, Lease, LockName, LockRecord, Meta, More, Ms, Outside, Part, Pause, Permits, Pick,
    Prefix, QueueLease, RequestKey, RequestScope, Selection, Settings, SlotName, SlotRanges, SlotTags, Starts, State,
    Tag, TemplateRecord, TicketId, TicketRecord, Until, Uptime, WallMs, Withdrawn, WithheldCause, WithheldName,
    Withholding,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// The form of a type of the core in JSON: `field: type = "its name there, if it is another one", default;`
macro_rules! mirrors {
    ($($of:ident = $name:literal { $($field:ident: $type:ty $(= $rename:literal)? $(, $default:ident)?;)* })*) => {$(
        const _: () = {
            #[derive(Serialize, Deserialize)]
            #[serde(remote = $name, deny_unknown_fields)]
            struct Mirror {
                $(#[serde(with = "json" $(, rename = $rename)? $(, $default)?)] $field: $type,)*
            }
            mirrored!($of by Mirror);
        };
    )*};
}

macro_rules! mirrored {
    ($($of:ident by $mirror:ident),*) => {$(
        impl Json for $of {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $mirror::serialize(self, to)
            }

            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $mirror::deserialize(from)
            }
        }
    )*};
}

mirrors! {
    Meta = "Meta" {
        service_ms: Ms;
        last_token: u64;
        last_number: u64;
        last_seq: u64;
        last_revision: u64;
        uptime: Uptime, default;
        dormant_to: u64, default;
    }
    Uptime = "Uptime" {
        downtime_ms: Ms, default;
        monotonic_ms: u64, default;
        starts: Starts, default;
        doubt_at: WallMs = "doubt_at_ms", default;
    }
    LockRecord = "LockRecord" {
        name: LockName;
        settings: Settings;
        file: Option<FileValues> = "from_file", default;
        template: Option<Prefix>, default;
        retiring: bool, default;
        pause: Option<Pause>, default;
        outside: Option<Outside>, default;
        slot_names: Vec<(u32, SlotName)>, default;
        revision: u64;
    }
    FileValues = "FileValues" {
        settings: Settings;
        paused: bool, default;
    }
    Pause = "Pause" {
        reason: Arc<str>;
        by: Option<Arc<str>>, default;
        until: Option<Until>, default;
    }
    Outside = "Outside" {
        in_use: u32;
        reported_at: WallMs = "reported_at_ms";
        until: Option<WallMs> = "until_at_ms", default;
    }
    Settings = "Settings" {
        capacity: Capacity;
        tags: SlotTags, default;
        pick: Pick, default;
        grace: Ms = "grace_ms";
        expiration: Option<Ms> = "expiration_ms";
        max_lock: Option<Ms> = "max_lock_ms";
        max_hold: Option<Ms> = "max_hold_ms";
        max_ttl: Option<Ms> = "max_ttl_ms";
        lock_delay: Ms = "lock_delay_ms";
        max_queue: u32;
        max_per_owner: Option<u32>, default;
        min_hold: Ms = "min_hold_ms", default;
        description: Arc<str>, default;
    }
    TemplateRecord = "TemplateRecord" {
        prefix: Prefix = "name";
        settings: Settings;
        paused: bool, default;
    }
    // The dump leaves out what is secret of it: `store_commands/dump/json.rs`.
    TicketRecord = "TicketRecord" {
        id: TicketId;
        number: u64;
        lock: LockName;
        owner: Option<Arc<str>>;
        from: Arc<str>;
        info: Arc<str>;
        permits: Permits;
        priority: i8;
        seq: u64;
        request: Option<Box<RequestKey>>;
        holder: Option<Arc<str>>;
        lease: Lease;
        queue_lease: QueueLease;
        max_hold: Option<Ms> = "max_hold_ms";
        acknowledged: bool, default;
        lease_began: Ms = "lease_began_uptime_ms", default;
        state: State;
        token: Option<u64>;
        slots: SlotRanges;
        slot_names: Vec<SlotName>, default;
        hold_until: Option<Ms> = "hold_until_service_ms";
        created_at: WallMs = "created_at_ms";
        granted_at: Option<WallMs> = "granted_at_ms", default;
        held_at: Option<WallMs> = "held_at_ms", default;
        ended_at: Option<WallMs> = "ended_at_ms", default;
        more: Option<Box<More>>, default;
    }
    More = "More" {
        supersede: Option<Arc<str>>, default;
        superseded_by: Option<u64>, default;
        not_before: Option<Ms> = "not_before_service_ms", default;
        ended_by: Option<Arc<str>>, default;
        selection: Option<Arc<Selection>>, default;
        parts: Vec<Part>, default;
    }
    Part = "Part" {
        lock: LockName;
        permits: Permits;
        slots: SlotRanges, default;
        slot_names: Vec<SlotName>, default;
        not_before: Option<Ms> = "not_before_service_ms", default;
    }
    RequestKey = "RequestKey" {
        id: Arc<str>;
        asked_ttl: Option<Ms> = "asked_ttl_ms", default;
        asked_max_hold: Option<Ms> = "asked_max_hold_ms", default;
    }
    Withholding = "Withholding" {
        number: u64;
        lock: LockName;
        slots: SlotRanges;
        slot_names: Vec<SlotName>, default;
        all: bool = "all_permits";
        cause: WithheldCause;
        how: Option<EndedAs> = "ended_as";
        reason: Option<Arc<str>>, default;
        until: Option<Ms> = "until_service_ms";
        until_wall: Option<WallMs> = "until_at_ms", default;
        awaited: u32, default;
        awaited_names: Vec<SlotName>, default;
    }
    WithheldName = "WithheldName" {
        name: LockName;
        until: Ms = "until_service_ms";
    }
    Withdrawn = "Withdrawn" {
        scope: RequestScope;
        until: Ms = "until_service_ms";
    }
    RequestScope = "RequestScope" {
        lock: LockName;
        others: Box<[LockName]>, default;
        owner: Option<Arc<str>>;
        id: Arc<str>;
    }
}

mirrored!(Selection by SelectionJson, Until by UntilJson, Capacity by CapacityJson, Permits by PermitsJson, Lease by LeaseJson, State by StateJson);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Selection", rename_all = "snake_case")]
enum SelectionJson {
    Slots(#[serde(with = "json")] Vec<SlotName>),
    Tags(#[serde(with = "json")] Vec<Tag>),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Until")]
enum UntilJson {
    #[serde(rename = "service_ms")]
    Service(Ms),
    #[serde(rename = "at_ms")]
    Wall(WallMs),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Capacity", rename_all = "snake_case")]
enum CapacityJson {
    Size(u32),
    #[serde(rename = "slots")]
    Named(#[serde(with = "json")] Vec<SlotName>),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Permits", rename_all = "snake_case")]
enum PermitsJson {
    Count(u32),
    All,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Lease", rename_all = "snake_case")]
enum LeaseJson {
    OfLock,
    #[serde(rename = "given_ms")]
    Given(Ms),
    Never,
}

/// The braces let serde refuse unknown fields in those without any.
#[derive(Serialize, Deserialize)]
#[serde(remote = "State", tag = "state", rename_all = "snake_case", deny_unknown_fields)]
enum StateJson {
    Queued {
        #[serde(default)]
        dormant: bool,
    },
    Granted {},
    Held {},
    Ended {
        #[serde(rename = "ended_as", with = "json")]
        how: EndedAs,
        #[serde(rename = "ended_service_ms")]
        at: Ms,
        #[serde(with = "json", default)]
        reason: Option<Arc<str>>,
    },
}
