//! The async Rust client of lockserver, over its JSON API.
//!
//! ```no_run
//! # async fn example() -> Result<(), lock_client::Error> {
//! use lock_client::{AcquireOptions, Client};
//!
//! let client = Client::builder().server("http://127.0.0.1:9090").build()?;
//! let held = client.acquire("san-ssh", &AcquireOptions::default()).await?;
//! tokio::select! {
//!     () = work(held.ticket().token) => held.release().await?,
//!     lost = held.lost() => eprintln!("stop working: {lost}"),
//! }
//! # Ok(())
//! # }
//! # async fn work(_token: Option<u64>) {}
//! ```
//!
//! What it promises: a request is repeated only when that is safe, always with the same `request_id`; what is given up is
//! cancelled by that `request_id`, so no answer lost on the way takes a second permit or leaves one behind; a [`Held`] renews
//! itself, knows until when it surely holds, and gives back when it is dropped.
//!
//! In reading order: `builder`, `address`, `send` (one call: servers in turn, repeats), `calls` (every call of the API),
//! `acquire`, `held`, `events`.
#![warn(missing_docs)]

mod acquire;
mod address;
mod background;
mod boot_time;
mod builder;
mod calls;
mod error;
mod events;
mod held;
mod key;
mod proxy;
mod retry;
mod send;
mod silence;
mod sse;
mod tls;

pub use acquire::AcquireOptions;
pub use boot_time::BootTime;
pub use builder::{Builder, Client};
pub use calls::{Guarded, ReleaseOptions, Restore};
pub use error::{Error, Tried};
pub use events::{Events, Update};
pub use held::{Held, Lease, Lost};
pub use lock_api as api;
pub use retry::Retry;
pub use silence::{Patience, Silence};
