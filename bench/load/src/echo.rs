//! The limits of this machine: a server that answers what it was sent, over bare hyper and over bare TCP.

use crate::child::Process;
use crate::fault::Fault;
use crate::http::Client;
use crate::peer::{Cycle, Lock, Peer, Waits};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a request to the echo has in it: as much as one to lockserver.
const BODY: &str = r#"{"wait_s": 60}"#;

/// Serves until it is killed. Its first line says where.
pub(crate) async fn serve(tcp: bool) -> Result<(), Fault> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that goes is no fault.
        if tcp {
            tokio::spawn(async move { drop(echo_tcp(stream).await) });
        } else {
            let serving =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(async move { drop(serving.await) });
        }
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<hyper::body::Bytes>>, hyper::Error> {
    Ok(Response::new(Full::new(request.into_body().collect().await?.to_bytes())))
}

async fn echo_tcp(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

/// One of both, as a process of its own.
#[derive(Debug)]
pub(crate) struct Echo {
    process: Process,
    at: SocketAddr,
    tcp: bool,
}

impl Echo {
    /// Starts it.
    pub(crate) fn start(tcp: bool, home: &Path) -> Result<Self, Fault> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(if tcp { "echo-tcp" } else { "echo" });
        let (process, line) = Process::start_and_read(&command, &home.join("echo.log"))?;
        Ok(Self { process, at: line.parse()?, tcp })
    }
}

impl Peer for Echo {
    fn process(&self) -> &Process {
        &self.process
    }

    fn client(&self, _lock: Lock, requests: u8) -> Waits<'_, Box<dyn Cycle>> {
        Box::pin(async move {
            if self.tcp {
                let stream = TcpStream::connect(self.at).await?;
                stream.set_nodelay(true)?;
                return Ok(Box::new(Tcp { stream, requests }) as Box<dyn Cycle>);
            }
            Ok(Box::new(Http { client: Client::open(self.at).await?, requests }) as Box<dyn Cycle>)
        })
    }
}

struct Http {
    client: Client,
    requests: u8,
}

impl Cycle for Http {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            for _ in 1..self.requests {
                self.client.ask("POST", "/", "application/json", BODY).await?.good()?;
            }
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(async { self.client.ask("DELETE", "/", "", "").await?.good().map(drop) })
    }
}

struct Tcp {
    stream: TcpStream,
    requests: u8,
}

impl Tcp {
    async fn ask(&mut self) -> Result<(), Fault> {
        let mut buffer = [0; 128];
        self.stream.write_all(&[b'x'; 128]).await?;
        self.stream.read_exact(&mut buffer).await?;
        Ok(())
    }
}

impl Cycle for Tcp {
    fn take(&mut self) -> Waits<'_, ()> {
        Box::pin(async {
            for _ in 1..self.requests {
                self.ask().await?;
            }
            Ok(())
        })
    }

    fn give_back(&mut self) -> Waits<'_, ()> {
        Box::pin(self.ask())
    }
}
