//! A server in this process, and a client that speaks HTTP in bytes.

use lock_api::ConfigurationStatus;
use lock_core::limits::WAITING_REQUESTS_MAX;
use lock_core::{ConfigureMode, Definition, LockName, Prefix, Settings, Target};
use lockserver::access::Patterns;
use lockserver::engine::{self, Handle};
use lockserver::http::connection::{self, Limits, Listener, LocalListener, Responder};
use lockserver::http::{App, AuthSettings, Configured, Live, ReloadRequest, Service, router};
use lockserver::store::{MemoryStore, Store};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};

/// Far more than anything here takes, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it came in time")
}

/// A server with the locks `one` (size 1), `two` (size 2), and the template `job-*` (size 1).
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) admin: PathBuf,
    pub(crate) reloads: mpsc::Receiver<ReloadRequest>,
    stop: watch::Sender<bool>,
    handle: Handle,
    kept: (watch::Sender<Live>, watch::Sender<Configured>, tempfile::TempDir),
}

fn definition(target: Target, size: u32) -> Definition {
    Definition { target, settings: Settings::new(size), paused: false }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(AuthSettings::default()).await
    }

    /// With keys, or other settings of who may do what.
    pub(crate) async fn start_with(auth: AuthSettings) -> Self {
        Self::start_on(Box::new(MemoryStore::default()), auth).await
    }

    /// With a store of the test's own.
    pub(crate) async fn start_on(store: Box<dyn Store>, auth: AuthSettings) -> Self {
        Self::start_around(store, auth, |responder, _| responder).await
    }

    /// With something of the test's own around the router.
    pub(crate) async fn start_around(
        store: Box<dyn Store>,
        auth: AuthSettings,
        around: impl FnOnce(Responder, &Handle) -> Responder,
    ) -> Self {
        let definitions = vec![
            definition(Target::Lock(LockName::new("one").unwrap()), 1),
            definition(Target::Lock(LockName::new("two").unwrap()), 2),
            definition(Target::Template(Prefix::from_pattern("job-*").unwrap()), 1),
        ];
        let (handle, _running) = engine::start(store, definitions, ConfigureMode::Apply).expect("memory works");
        let directory = tempfile::tempdir().expect("a directory");
        let admin = directory.path().join("admin.sock");
        let (live, live_now) = watch::channel(Live {
            long_poll: Duration::from_secs(20),
            max_waiting: WAITING_REQUESTS_MAX,
            fleetlock_prefix: "fleetlock-".into(),
            terraform_locks: Patterns::all(),
            auth: Arc::new(auth),
        });
        let (stop, stopping) = watch::channel(false);
        let status = ConfigurationStatus { files: vec!["test.conf".into()], loaded_at: "then".into(), refused: None };
        let (configured, configured_now) = watch::channel(Configured { status, warnings: vec!["mind the gap".into()] });
        let (reload, reloads) = mpsc::channel(1);
        let service = Service {
            store_warnings: Vec::new(),
            started: Instant::now(),
            store: "memory".into(),
            admin_socket: Some(Arc::from(admin.as_path())),
            configured: configured_now,
            cluster: None,
            reload,
        };
        let responder = around(router(App::new(handle.clone(), live_now, stopping.clone(), service)), &handle);
        let listener = Listener::bind("127.0.0.1", 0).await.expect("a port");
        let address = listener.local_addr();
        let local = LocalListener::bind(&admin).expect("a socket");
        let (limits, metrics) = (Limits::default(), handle.metrics().clone());
        tokio::spawn(connection::serve(listener, responder.clone(), limits, metrics.clone(), stopping.clone(), None));
        tokio::spawn(connection::serve(local, responder, limits, metrics, stopping, None));
        Self { address, admin, reloads, stop, handle, kept: (live, configured, directory) }
    }

    /// The engine's handle.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// As a reload would, changes who may do what.
    pub(crate) fn reload(&self, auth: AuthSettings) {
        self.kept.0.send_modify(|live| live.auth = Arc::new(auth));
    }

    /// Tells everybody that the server stops.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn open(&self, method: &str, path: &str, headers: &[&str], body: &str) -> BufReader<TcpStream> {
        let stream = within(TcpStream::connect(self.address)).await.expect("connect");
        send(stream, method, path, headers, body).await
    }

    /// A request from the network and its answer.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        read(self.open(method, path, headers, body).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.call("POST", path, &["Content-Type: application/json"], body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &[], "").await
    }

    /// An administrator's request over the Unix socket.
    pub(crate) async fn admin(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let stream = within(UnixStream::connect(&self.admin)).await.expect("connect");
        read(send(stream, method, path, headers, body).await).await
    }

    /// A ticket that is held at once; the id.
    pub(crate) async fn take(&self, lock: &str) -> String {
        let answer = self.post(&format!("/v1/locks/{lock}/tickets"), "").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.id()
    }

    /// A lock as everybody sees it.
    pub(crate) async fn lock(&self, lock: &str) -> Value {
        self.get(&format!("/v1/locks/{lock}")).await.ok()
    }

    /// Waits until a lock looks so.
    pub(crate) async fn until(&self, lock: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let view = self.lock(lock).await;
            if is_so(&view) {
                return view;
            }
            assert!(Instant::now() < deadline, "never came: {what}: {view}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.close();
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> BufReader<S> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    within(stream.write_all(request.as_bytes())).await.expect("sent");
    BufReader::new(stream)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Reads the answer of a connection that closes after it.
pub(crate) async fn read<S: AsyncRead + Unpin>(mut stream: BufReader<S>) -> Answer {
    let mut text = String::new();
    within(stream.read_to_string(&mut text)).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// The next line of a stream without its end.
pub(crate) async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    within(stream.read_line(&mut line)).await.expect("a line");
    line.trim_end().to_owned()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .find_map(|(is, value)| is.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The code of a problem, which must be one in every respect.
    pub(crate) fn code(&self) -> String {
        let problem = self.json();
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["retryable"].is_boolean() && !problem["title"].as_str().unwrap().is_empty());
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{self:?}");
        problem["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) fn detail(&self) -> String {
        self.json()["detail"].as_str().expect("a detail").to_owned()
    }
}

/// What differs from run to run, as a word.
pub(crate) fn redact(mut value: Value) -> Value {
    fn go(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    let changes = name.ends_with("_at")
                        || name.ends_with("_since")
                        || matches!(name.as_str(), "id" | "number" | "token" | "expires_in_s" | "as_of" | "revision");
                    if changes && !field.is_null() {
                        *field = format!("<{name}>").into();
                    } else {
                        go(field);
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(go),
            _ => {}
        }
    }
    go(&mut value);
    value
}
