//! The network between one server and one member of etcd, which can be cut. What was sent meanwhile arrives afterwards, as it
//! does where packets are sent again: late, and perhaps after another server leads.

use super::{free_port, own_address};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Everything does.
    Nothing,
    /// The server asks, is heard, and hears nothing.
    Answers,
    /// Nothing does.
    Everything,
}

#[derive(Debug)]
pub(crate) struct Link {
    at: SocketAddr,
    cut: watch::Sender<Cut>,
}

impl Link {
    /// A link to this address, until the runtime ends. `number`: of its server, as it is among addresses.
    pub(super) async fn open(number: usize, to: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(free_port(own_address(number))?).await?;
        let at = listener.local_addr()?;
        let (cut, seen) = watch::channel(Cut::Nothing);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, to, seen.clone()));
            }
        });
        Ok(Self { at, cut })
    }

    /// Where the server reaches the member.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(crate) fn cut(&self, what: Cut) {
        self.cut.send_replace(what);
    }
}

async fn pass(near: TcpStream, to: SocketAddr, cut: watch::Receiver<Cut>) {
    // A member that does not run refuses, and so does this by closing.
    let Ok(far) = TcpStream::connect(to).await else { return };
    for stream in [&near, &far] {
        // Without it answers would only be slower.
        let _ = stream.set_nodelay(true);
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::spawn(pump(near_in, far_out, cut.clone(), |cut| cut != Cut::Everything));
    pump(far_in, near_out, cut, |cut| cut == Cut::Nothing).await;
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut cut: watch::Receiver<Cut>, passes: fn(Cut) -> bool) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if cut.wait_for(|cut| passes(*cut)).await.is_err() || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
