//! The engine's promises, one by one: lanes, terms, receipts, waiting, the clock. No threads; time is an argument.

mod lanes;
mod looks;
mod metrics;
mod receipts;
mod rig;
mod standing;
mod steps;
mod terms;
mod waiting;
