//! The server itself in this process, on a port of its own: its engine with a store in memory, its routes, its connections.

use lock_api::{ConfigurationStatus, Reloaded};
use lock_core::limits::WAITING_REQUESTS_MAX;
use lock_core::{ConfigureMode, Definition, Prefix, Settings, Target};
use lockserver::access::{Access, Digest, Grants, Key, KeyName, Patterns};
use lockserver::engine::{self, Handle};
use lockserver::http::connection::{self, Limits, Listener};
use lockserver::http::{App, AuthSettings, Configured, Live, ReloadRequest, Service, router};
use lockserver::store::MemoryStore;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Not that of a test: a server outlives the test's futures.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads for servers"));

/// Until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handle: Handle,
    stop: watch::Sender<bool>,
    _settings: (watch::Sender<Live>, watch::Sender<Configured>),
}

impl Server {
    pub(crate) fn start() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        RUNTIME.spawn(async move { sender.send(Self::serve().await) });
        receiver.recv().expect("a server starts")
    }

    async fn serve() -> Self {
        let definitions = ["a*", "b*", "taken*"].map(|pattern| Definition {
            target: Target::Template(Prefix::from_pattern(pattern).expect("a pattern")),
            settings: Settings::new(1),
            paused: false,
        });
        let store = Box::new(MemoryStore::default());
        let (handle, _) = engine::start(store, definitions.into(), ConfigureMode::Apply).expect("memory works");
        let (live, live_now) = watch::channel(Live {
            long_poll: Duration::from_secs(20),
            max_waiting: WAITING_REQUESTS_MAX,
            fleetlock_prefix: "fleetlock-".into(),
            terraform_locks: Patterns::new(Vec::new()),
            auth: Arc::new(auth()),
        });
        let (stop, stopping) = watch::channel(false);
        let status = ConfigurationStatus { files: Vec::new(), loaded_at: "then".into(), refused: None };
        let (configured, configured_now) = watch::channel(Configured { status, warnings: Vec::new() });
        let (reload, mut reloads) = mpsc::channel::<ReloadRequest>(1);
        tokio::spawn(async move {
            while let Some(answer) = reloads.recv().await {
                // The client may be gone.
                drop(answer.send(Ok(Reloaded::default())));
            }
        });
        let service = Service {
            store_warnings: Vec::new(),
            started: Instant::now(),
            store: "memory".into(),
            admin_socket: None,
            configured: configured_now,
            cluster: None,
            reload,
        };
        let router = router(App::new(handle.clone(), live_now, stopping.clone(), service));
        let listener = Listener::bind("127.0.0.1", 0).await.expect("a port on loopback");
        let address = listener.local_addr();
        tokio::spawn(connection::serve(listener, router, Limits::default(), handle.metrics().clone(), stopping, None));
        Self { address, handle, stop, _settings: (live, configured) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.handle.close();
    }
}

/// Everybody may do everything, with one of these secrets or without.
fn auth() -> AuthSettings {
    let key = |secret: &str| Key {
        name: KeyName::new(secret).expect("a name"),
        secrets: vec![Digest::of(secret)],
        grants: Grants::everything(),
    };
    let keys = ["secret", "secret-1", "secret-2"].map(key).into();
    let access = Access::new(keys, Grants::everything()).expect("each has its own secret");
    AuthSettings { access, ..AuthSettings::default() }
}
