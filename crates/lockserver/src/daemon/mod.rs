//! The life of the server: start, reload, orderly stop.

mod admin;
mod idle;
mod manager;
mod reload;
mod signals;
mod sockets;

use crate::audit::{Act, Audit, Opened, Who};
use crate::config::{ClusterConfig, Config, Loaded, LogLevel, Problem, Problems, Sources};
use crate::engine::{self, Fatal, Handle, Leader, Running};
use crate::http::connection::{self, Limits, Listener, LocalListener};
use crate::http::{App, Cluster, ReloadRequest, Service, router, stand_by};
use crate::log::{self, LogHandle};
use crate::os::{self, HeldHangup};
use crate::{allocator, exit, say, store};
use lock_core::limits::{ADMIN_CONNECTIONS_MAX, OPEN_FILES_MIN};
use manager::Manager;
use reload::{Outlets, Reload};
use signals::{Signal, Signals};
use sockets::Given;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// What ended the server before its time, with its exit code. Everything was said already.
struct Ended(u8);

/// How long the end waits for the last lines of the audit log.
const AUDIT_CLOSE_TIME: Duration = Duration::from_secs(5);
/// Requests for a reload that may wait for their turn.
const RELOADS_WAITING_MAX: usize = 16;

/// How clients reach the server, and how long it stays: what no file says.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    /// The administrators' socket, if it is not to be in the runtime directory.
    pub admin_socket: Option<&'a Path>,
    /// There is no port: every client comes to that socket.
    pub socket_only: bool,
    /// It ends once nobody has used it for so long.
    pub idle_exit: Option<Duration>,
}

/// Serves until it is told to stop. A SIGHUP that came while it was `held` is a reload. Returns the exit code.
///
/// # Safety
/// To be called while the process has one thread: it takes variables out of the environment.
#[expect(unsafe_code, reason = "only the caller knows whether there are other threads")]
#[must_use]
pub unsafe fn run(sources: &Sources, way: Way<'_>, held: HeldHangup) -> u8 {
    let started = Instant::now();
    // SAFETY: the caller's promise, and no thread was started so far.
    let given = unsafe { Given::take(way) };
    let loaded = match sources.load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            say::plainly(format_args!("{problems}\n"));
            say::complain("the configuration cannot be used; 'lockserver check-config' checks it without starting");
            return exit::CONFIG;
        }
    };
    let config = &loaded.config;
    let log = log::init(config.log.level, config.log.format, config.log.file.as_deref());
    os::ignore_file_size_signal();
    // Before the store is looked at: what ends as it is loaded is written down too.
    let audit = Audit::default();
    let result = prepare(config, &audit).and_then(|(runtime, open_files)| {
        let start = Start { sources, loaded, given, started, held, log, open_files, audit: audit.clone() };
        let result = runtime.block_on(serve(start));
        // A reload may hang on a disk that does not answer; the end does not wait for it.
        runtime.shutdown_background();
        audit.close(AUDIT_CLOSE_TIME);
        result
    });
    match result {
        Ok(()) => exit::OK,
        Err(Ended(code)) => code,
    }
}

/// Opens the audit log, sees to it that there are enough open files, and starts the threads: a runtime, and how many
/// files may be open.
fn prepare(config: &Config, audit: &Audit) -> Result<(Runtime, u64), Ended> {
    match config.audit.as_ref().map(Opened::open).transpose() {
        Ok(opened) => audit.switch(opened),
        Err(error) => {
            tracing::error!("{error}");
            return Err(Ended(exit::CONFIG));
        }
    }
    let open_files = os::raise_open_files().unwrap_or_else(|error| {
        tracing::warn!("the limit of open files stays as it is: {error}");
        1024
    });
    if open_files < OPEN_FILES_MIN {
        tracing::error!(
            "a limit of {open_files} open files is too low: {OPEN_FILES_MIN} are needed, and one more for each \
             client; raise the hard \
             limit (LimitNOFILE= of the systemd unit, 'ulimit -Hn' in a start script)"
        );
        return Err(Ended(exit::CONFIG));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_park(allocator::tidy_up).build();
    let runtime =
        runtime.map_err(|error| ended(exit::IMPOSSIBLE, "the threads of the server cannot be started", &error))?;
    Ok((runtime, open_files))
}

/// Says what the log will not say, at a level that it shows: else an administrator looks for it there in vain.
fn tell_of_log_level(level: LogLevel) {
    let name = level.name();
    let text = format!(
        "LOGLEVEL={name}: this log does not say who pauses, changes and ends what, nor when the server starts, reloads \
         and stops; write LOGLEVEL=info for that, or AUDIT_LOG= for a log of its own"
    );
    match level {
        LogLevel::Superdebug | LogLevel::Debug | LogLevel::Info => {}
        LogLevel::Warning => tracing::warn!("{text}"),
        LogLevel::Error => tracing::error!("{text}"),
    }
}

/// Adds to what is wrong with a configuration what the start would find: `check-config` and the start agree.
///
/// # Errors
/// As given, or that the start would refuse it.
pub fn judge(loaded: Result<Loaded, Problems>) -> Result<Loaded, Problems> {
    let loaded = loaded?;
    match loaded.config.audit.as_ref().map(Opened::try_open).transpose() {
        Ok(_) => Ok(loaded),
        Err(error) => {
            let errors = vec![Problem { file: None, line: None, text: error.to_string() }];
            Err(Problems { errors, warnings: loaded.warnings })
        }
    }
}

/// What the process has before it serves.
struct Start<'a> {
    sources: &'a Sources,
    loaded: Loaded,
    given: Given<'a>,
    started: Instant,
    held: HeldHangup,
    log: LogHandle,
    open_files: u64,
    audit: Audit,
}

/// What runs while it serves, and what makes it stop.
struct Server {
    manager: Manager,
    signals: Signals,
    reloads: mpsc::Sender<ReloadRequest>,
    engine: Handle,
    running: Running,
    stop: watch::Sender<bool>,
    serving: JoinHandle<usize>,
    serving_admin: Option<JoinHandle<usize>>,
    idle_exit: Option<Duration>,
    watching: JoinHandle<()>,
}

async fn serve(start: Start<'_>) -> Result<(), Ended> {
    let mut server = wire(start).await?;
    let result = server.run().await;
    server.stop(result).await
}

/// Opens the sockets and the store, starts what serves, and says that it does.
async fn wire(start: Start<'_>) -> Result<Server, Ended> {
    let Start { sources, loaded, given, started, held, log, open_files, audit } = start;
    let config = &loaded.config;
    // Before anything is announced: a signal that comes from now on is not lost.
    let signals = Signals::new().map_err(|error| ended(exit::IMPOSSIBLE, "signals cannot be waited for", &error))?;
    drop(held);
    let Given { way, manager, sockets } = given;
    let listener = match way.socket_only {
        true => None,
        false => Some(sockets::listen(config, sockets, &manager).await),
    };
    let listener = listener.transpose().map_err(|error| ended(exit::NO_SOCKET, "cannot listen", &error))?;
    let (engine, running) = start_engine(config, audit)?;
    engine.metrics().config_applied();
    engine.metrics().locks.measure_alone(config.metrics_per_instance.clone());
    // The server of one user, which lockctl has started, has no administrator that looks for it.
    if !way.socket_only {
        tell_of_log_level(config.log.level);
    }
    let store_warnings = store::weaknesses(&config.store);
    store_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let admin = admin::open(way.admin_socket);
    let admin = admin.map_err(|error| ended(exit::NO_SOCKET, "cannot listen for administrators", &error))?;
    let addresses = listener.as_ref().map(Listener::addresses).unwrap_or_default();
    let listens_on: Vec<_> = addresses.iter().map(|address| address.ip().to_canonical()).collect();
    let outlets = Outlets::new(&loaded, &listens_on, log);
    outlets.configured.borrow().warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let cluster = config.cluster.as_ref().map(|cluster| join(cluster, &engine));
    let (reloads, reload_requests) = mpsc::channel(RELOADS_WAITING_MAX);
    let service = Service {
        started,
        store: config.store.to_string(),
        store_warnings,
        admin_socket: admin.as_ref().map(|admin| Arc::from(admin.path())),
        configured: outlets.configured.subscribe(),
        reload: reloads.clone(),
        cluster,
    };
    let stop = watch::Sender::new(false);
    let app = App::new(engine.clone(), outlets.live.subscribe(), stop.subscribe(), service);
    tokio::spawn(stand_by(app.clone()));
    let router = router(app);
    let limits = Limits::default().with_open_files(open_files);
    let metrics = engine.metrics();
    let places = places(config, listener.as_ref(), admin.as_ref().map(LocalListener::path));
    let serving_admin = admin.map(|admin| {
        tracing::info!("administrators connect to the Unix socket {}", admin.path().display());
        let connections = if way.socket_only { limits.connections } else { ADMIN_CONNECTIONS_MAX };
        let limits = Limits { connections, ..limits };
        tokio::spawn(connection::serve(admin, router.clone(), limits, metrics.clone(), stop.subscribe(), None))
    });
    let tls = Some(outlets.tls.subscribe());
    let serving = listener.map(|listener| {
        tokio::spawn(connection::serve(listener, router, limits, metrics.clone(), stop.subscribe(), tls))
    });
    // Without a port the socket is what everybody is served on.
    let (serving, serving_admin) = match (serving, serving_admin) {
        (Some(serving), admin) => (serving, admin),
        (None, Some(serving)) => (serving, None),
        (None, None) => unreachable!("a socket that was named is opened, or is an error"),
    };
    let status = announce(config, &places);
    manager.ready(&status);
    let watching = tokio::spawn(manager.clone().watch(engine.clone()));
    let reload = Reload::new(sources.clone(), loaded.config, listens_on, engine.clone(), outlets);
    // Apart, so that a signal to stop is heard while a reload takes its time.
    tokio::spawn(reload.serve(reload_requests, manager.clone(), status));
    let idle_exit = way.idle_exit;
    Ok(Server { manager, signals, reloads, engine, running, stop, serving, serving_admin, idle_exit, watching })
}

impl Server {
    /// Until a signal, or something that ends it before its time.
    async fn run(&mut self) -> Result<(), Ended> {
        let mut idle = pin!(idle::reached(self.idle_exit, self.engine.clone()));
        loop {
            tokio::select! {
                signal = self.signals.next() => match signal {
                    // If as many wait already as may, what this one would read is read by them.
                    Signal::Reload => reload_by_signal(&self.reloads, self.engine.audit()),
                    Signal::Stop(name) => {
                        tracing::info!("{name}: stopping; waiting clients are answered, tickets stay in the store");
                        return Ok(());
                    }
                },
                () = &mut idle => {
                    tracing::info!("nobody has used the server for the time of --idle-exit: stopping");
                    return Ok(());
                }
                ended = self.running.ended() => return Err(engine_ended(ended)),
                cut = &mut self.serving => {
                    tracing::error!("the connections ended by themselves: {cut:?}");
                    return Err(Ended(exit::IMPOSSIBLE));
                }
            }
        }
    }

    /// Answers the connected clients and closes the store, in order unless it ended before its time; passes on how it ended.
    async fn stop(mut self, result: Result<(), Ended>) -> Result<(), Ended> {
        self.manager.stopping();
        self.stop.send_replace(true);
        if result.is_ok() {
            match self.serving.await {
                Ok(0) => {}
                Ok(cut) => tracing::warn!("{cut} connections did not take their answer in time and were cut"),
                Err(error) => tracing::error!("the connections ended by themselves: {error}"),
            }
            if let Some(serving) = self.serving_admin {
                drop(serving.await);
            }
            self.engine.close();
            self.running.ended().await.map_err(|fatal| engine_ended(Err(fatal)))?;
            tracing::info!("stopped");
        }
        self.watching.abort();
        result
    }
}

fn reload_by_signal(reloads: &mpsc::Sender<ReloadRequest>, audit: &Audit) {
    let (answer, outcome) = oneshot::channel();
    if reloads.try_send(answer).is_err() {
        return;
    }
    let audit = audit.clone();
    tokio::spawn(async move {
        let done = outcome.await.ok().map(|outcome| outcome.is_ok());
        let who = Who { key: None, from: Arc::from("signal") };
        audit.act(Act { who, request: "SIGHUP".to_owned(), lock: None, change: None, done, status: None });
    });
}

/// What this server needs to forward requests to the others, and to take theirs.
fn join(config: &ClusterConfig, engine: &Handle) -> Cluster {
    let me = Leader { name: config.name.clone(), url: Some(config.advertise.clone()), since_ms: 0 };
    Cluster::new(me, config.secret.0.clone(), engine.status(), &config.trust)
}

fn start_engine(config: &Config, audit: Audit) -> Result<(Handle, Running), Ended> {
    let store = store::open(&config.store).map_err(|error| ended(exit::STORE, "the store cannot be used", &error))?;
    let started = engine::start_audited(store, config.definitions.clone(), config.mode(), audit, config.pause_in_doubt)
        .map_err(|error| ended(exit::STORE, "the store cannot be used", &error))?;
    // Loading a million tickets takes as much once more.
    allocator::give_back();
    Ok(started)
}

fn ended(code: u8, what: &str, error: &dyn std::error::Error) -> Ended {
    tracing::error!("{what}: {error}");
    Ended(code)
}

fn engine_ended(result: Result<(), Fatal>) -> Ended {
    match result {
        Err(Fatal::Damaged(text)) => {
            tracing::error!("the store is damaged or its device fails, nothing more is written: {text}");
            Ended(exit::STORE)
        }
        Err(Fatal::Impossible(text)) => {
            tracing::error!("{text}");
            Ended(exit::IMPOSSIBLE)
        }
        Ok(()) => Ended(exit::IMPOSSIBLE),
    }
}

/// Where clients find the server, the first place first.
fn places(config: &Config, listener: Option<&Listener>, socket: Option<&Path>) -> Vec<String> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    match (listener, socket) {
        (Some(listener), _) => listener.addresses().iter().map(|address| format!("{scheme}://{address}")).collect(),
        (None, socket) => socket.map(|path| format!("unix:{}", path.display())).into_iter().collect(),
    }
}

/// Says where it serves: in the log, and in one line on standard output for the program that started the server and waits for it.
/// Returns it for the service manager.
fn announce(config: &Config, places: &[String]) -> String {
    let status = format!("serves on {}, store {}", places.join(" and "), config.store);
    tracing::info!("lockserver {} {status}", env!("LOCKSERVER_VERSION"));
    // Nobody may be reading any more.
    say::done(format_args!("lockserver ready on {}", places.first().map_or("", String::as_str)));
    status
}
