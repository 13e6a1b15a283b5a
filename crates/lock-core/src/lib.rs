//! The rules of lockserver, and nothing else: counting locks, queues, leases and fencing tokens.
//!
//! There is no clock in here, no randomness, no channel, no file and no protocol. Time, ids and the knowledge whether a
//! client is still connected are arguments; what must be stored and told comes out as values. So every run can be
//! repeated exactly, and the tests drive years of service time in a second.
//!
//! Look first at [`Table`], whose documentation gives the order of calls, then at [`Command`], and then at the durable
//! [`record`](Change)s. The rules are numbered as in `docs/rules.md`; each test names the rule it is about.

mod bits;
mod caps;
mod change;
mod command;
mod continuity;
mod event;
pub mod invariants;
pub mod limits;
mod name;
mod network;
mod part;
mod queue;
mod ranges;
mod record;
mod rising;
mod selection;
mod settings;
mod shared_texts;
mod shares;
mod slots;
mod table;
pub mod text;
mod timers;
mod uptime;
mod view;

pub use change::{LockChange, SettingValue, between};
pub use command::{
    Asked, Caller, Command, ConfigureMode, ConfigureReport, Force, IfBusy, NewTicket, Outcome, Patch, Precondition,
    Rejection, ReleaseTarget, Restored, ToWithhold,
};
pub use continuity::Continuity;
pub use event::{Event, EventKind, Transition, Withheld};
pub use name::{LockName, NameError, Prefix, SlotName, Tag};
pub use network::{network, network_name};
pub use part::PartRef;
pub use record::{
    Change, EndedAs, FileValues, Key, Lease, LockRecord, Meta, More, Outside, Part, Pause, Permits, QueueLease,
    RequestKey, RequestScope, SlotRanges, Snapshot, Stage, State, TemplateRecord, TicketId, TicketRecord, Until,
    Withdrawn, WithheldCause, WithheldName, Withholding,
};
pub use selection::{Pick, Selection, SlotTags};
pub use settings::{Capacity, Definition, Settings, Target};
pub(crate) use shares::QuotaOwner;
pub use shares::Shares;
pub use table::{LoadError, StepContext, Table};
pub use uptime::{CLOCK_LAG_MAX_MS, Starts, Uptime};
pub use view::{
    LockView, LocksPage, Moment, PartView, Statistics, TicketView, TicketsAfter, TicketsPage, Usage, UsageTotals,
};

/// Milliseconds of service time (rule 9): the time during which the service ran. Both a moment and a duration.
pub type Ms = u64;

/// Wall time in milliseconds since the Unix epoch. Only shown (rule 9), but for the end of a pause ([`Until`]).
pub type WallMs = u64;
