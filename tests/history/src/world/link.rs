//! The network between two processes, which can be cut. What was sent meanwhile arrives afterwards, as it does where packets
//! are sent again: late, one after the other as they were sent, and perhaps after another server leads.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Everything does.
    Nothing,
    /// Requests arrive, and answers do not.
    Answers,
    /// Requests do not arrive; earlier ones are answered.
    Requests,
    /// Nothing does.
    Everything,
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) at: SocketAddr,
    cut: watch::Sender<Cut>,
}

impl Link {
    /// A link by this address of our own to that one, until the runtime ends.
    pub(super) async fn open(at: SocketAddr, to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let at = listener.local_addr()?;
        let (cut, seen) = watch::channel(Cut::Nothing);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, to, seen.clone()));
            }
        });
        Ok(Self { at, cut })
    }

    /// Where the other side is reached.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(crate) fn cut(&self, what: Cut) {
        self.cut.send_replace(what);
    }
}

/// What was read when; nothing at the end.
type Read = (Instant, Vec<u8>);

async fn pass(near: TcpStream, to: SocketAddr, cut: watch::Receiver<Cut>) {
    // A server that does not run refuses, and so does this by closing.
    let Ok(far) = TcpStream::connect(to).await else { return };
    for stream in [&near, &far] {
        // Without it answers would only be slower.
        let _ = stream.set_nodelay(true);
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let ((ask, asked), (answer, answered)) = (unbounded_channel(), unbounded_channel());
    tokio::spawn(read(near_in, ask));
    tokio::spawn(read(far_in, answer));
    tokio::spawn(write(asked, far_out, cut.clone(), |cut| matches!(cut, Cut::Nothing | Cut::Answers)));
    write(answered, near_out, cut, |cut| matches!(cut, Cut::Nothing | Cut::Requests)).await;
}

async fn read(mut from: OwnedReadHalf, to: UnboundedSender<Read>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await.unwrap_or(0);
        if to.send((Instant::now(), buffer[..length].to_vec())).is_err() || length == 0 {
            return;
        }
    }
}

/// Writes what was read. What a cut has kept is as late as the first of it: a request arrives before the sender's giving it up
/// does, so that its receiver works on it.
async fn write(
    mut from: UnboundedReceiver<Read>,
    mut to: OwnedWriteHalf,
    mut cut: watch::Receiver<Cut>,
    passes: fn(Cut) -> bool,
) {
    let (mut late, mut since) = (Duration::ZERO, Instant::now());
    while let Some((at, bytes)) = from.recv().await {
        if at < since {
            sleep_until(at + late).await;
        }
        if !passes(*cut.borrow()) {
            if cut.wait_for(|cut| passes(*cut)).await.is_err() {
                return;
            }
            since = Instant::now();
            late = since - at;
        }
        if bytes.is_empty() || to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
