//! `watch`: every change as it happens.

use crate::exit::Failure;
use crate::show::{self, Style};
use lock_client::{Client, Update};
use serde_json::json;

/// Prints until it is ended from outside, or until no server can be reached any more.
pub(super) async fn watch(client: &Client, lock: Option<&str>, json: bool) -> Result<u8, Failure> {
    // So that nothing between reading the locks and following them is missed, the stream begins where the list ends.
    let as_of = match lock {
        Some(name) => client.lock(name).await?.as_of,
        None => client.locks().await?.as_of,
    };
    let style = Style::of_stdout();
    let mut events = client.events(lock, Some(&as_of));
    loop {
        match events.next().await? {
            Update::Event { event, .. } if json => show::out_json(&event, true)?,
            Update::Event { event, .. } => show::out(&show::event(style, &event))?,
            Update::Reset if json => show::out_json(&json!({"kind": "reset"}), true)?,
            Update::Reset => show::out("-- some events are missing here --\n")?,
        }
    }
}
