//! The rules of lockserver, and nothing else.

pub mod limits;
mod name;
mod record;
mod settings;

pub use name::{LockName, NameError, Prefix, SlotName};
pub use record::{
    Change, ClosedName, Closure, EndedAs, FileValues, Key, Lease, LockRecord, Meta, Pause, Permits, QueueLease,
    RequestKey, RequestScope, SlotRanges, Snapshot, State, TemplateRecord, TicketId, TicketRecord, WallMs, Withdrawn,
};
pub use settings::{Capacity, Definition, Settings, Target};

/// Milliseconds of service time (rule 9): the time during which the service ran. Both a moment and a duration.
pub type Ms = u64;
