//! Words for people, on standard error. They are not what the program is for: a disk that is full, a reader that is gone or that
//! reads no more must neither end us nor hold us up while a lease is ours. So another thread writes them, and what it cannot
//! write, or not in time, is lost.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// How many words may wait; more than anybody reads.
const WAITING: usize = 256;
/// How long the end of the program waits for what is still to be written.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

/// Clients write names and words for people: without control characters they cannot steer a terminal, and without those that
/// turn the direction of writing they cannot make a line look like another one.
pub(crate) fn clean(text: &str) -> String {
    lock_client::api::text::clean(text).into_owned()
}

enum Message {
    Text(String),
    /// Everything before it is written.
    Done(SyncSender<()>),
}

fn writer() -> Option<&'static SyncSender<Message>> {
    static WRITER: OnceLock<Option<SyncSender<Message>>> = OnceLock::new();
    let start = || {
        let (sender, receiver) = sync_channel(WAITING);
        std::thread::Builder::new().name("words".to_owned()).spawn(move || write(&receiver)).ok()?;
        Some(sender)
    };
    WRITER.get_or_init(start).as_ref()
}

fn write(receiver: &Receiver<Message>) {
    while let Ok(message) = receiver.recv() {
        match message {
            // Each in one call, so that what others write there does not stand within. There is nobody to tell that it fails.
            Message::Text(text) => drop(std::io::stderr().write_all(text.as_bytes())),
            Message::Done(done) => drop(done.send(())),
        }
    }
}

pub(crate) fn say(line: &str) {
    say_raw(format!("lockctl: {line}\n"));
}

/// Says these very characters.
pub(crate) fn say_raw(text: String) {
    if let Some(writer) = writer() {
        let _ = writer.try_send(Message::Text(text));
    }
}

/// Waits for what was said, if it can be written at all.
pub(crate) fn flush() {
    let (done, heard) = sync_channel(1);
    if writer().is_some_and(|writer| writer.try_send(Message::Done(done)).is_ok()) {
        let _ = heard.recv_timeout(FLUSH_WITHIN);
    }
}
