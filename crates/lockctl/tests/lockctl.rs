//! `lockctl` as a process, against a lockserver with faults on demand.

#[path = "lockctl/bench.rs"]
mod bench;
#[path = "lockctl/bundles.rs"]
mod bundles;
#[path = "lockctl/exit.rs"]
mod exit;
#[path = "lockctl/find.rs"]
mod find;
#[path = "lockctl/group.rs"]
mod group;
#[path = "lockctl/inherit.rs"]
mod inherit;
#[path = "lockctl/lease.rs"]
mod lease;
#[path = "lockctl/others.rs"]
mod others;
#[path = "lockctl/terminal.rs"]
mod terminal;
#[path = "lockctl/turns.rs"]
mod turns;
#[path = "lockctl/words.rs"]
mod words;
