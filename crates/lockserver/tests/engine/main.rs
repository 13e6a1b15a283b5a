//! The engine's promises, one by one: queues, terms, receipts, waiting, the clock. No threads; time is an argument.

mod combining;
mod held_back;
mod in_flight;
mod looks;
mod metrics;
mod receipts;
mod request_queue;
mod rig;
mod standby;
mod standing;
mod steps;
mod terms;
mod waiting;
