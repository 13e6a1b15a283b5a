//! The JSON API through the real router, over real sockets.

mod administration;
mod bundle_events;
mod bundles;
mod description;
mod errors;
mod events;
mod harness;
mod keys;
mod metrics;
mod others;
mod page;
mod promises;
mod reads;
mod refused_rules;
mod rights;
mod rules_13_to_18;
mod standing;
mod tickets;
mod transfer;
mod unread;
