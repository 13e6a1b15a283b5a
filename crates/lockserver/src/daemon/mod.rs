//! The life of the server: start, reload, orderly stop.

mod admin;
mod manager;
mod reload;
mod signals;
mod sockets;

use crate::audit::{Act, Audit, Opened, Who};
use crate::config::{Config, Loaded, Problem, Problems, Sources};
use crate::engine::{self, Fatal, Handle, Running};
use crate::http::connection::{self, Limits};
use crate::http::{App, ReloadRequest, Service, router};
use crate::log::{self, LogHandle};
use crate::os::{self, HeldHangup};
use crate::{exit, say, store};
use lock_core::ConfigureMode;
use lock_core::limits::{ADMIN_CONNECTIONS_MAX, OPEN_FILES_MIN};
use reload::{Outlets, Reload};
use signals::{Signal, Signals};
use sockets::Given;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// What ended the server before its time, with its exit code. Everything was said already.
struct Ended(u8);

/// How long the end waits for the last lines of the audit log.
const AUDIT_CLOSE_TIME: Duration = Duration::from_secs(5);
/// Requests for a reload that may wait for their turn.
const RELOADS_WAITING_MAX: usize = 16;

/// Serves until it is told to stop, administrators on this socket or on one in the runtime directory. A SIGHUP that came
/// while it was `held` is a reload. Returns the exit code.
///
/// # Safety
/// To be called while the process has one thread: it takes variables out of the environment.
#[expect(unsafe_code, reason = "only the caller knows whether there are other threads")]
#[must_use]
pub unsafe fn run(sources: &Sources, admin_socket: Option<&Path>, held: HeldHangup) -> u8 {
    let started = Instant::now();
    // SAFETY: the caller's promise, and no thread was started so far.
    let given = unsafe { Given::take(admin_socket) };
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
    match config.audit.as_ref().map(Opened::open).transpose() {
        Ok(opened) => audit.switch(opened),
        Err(error) => {
            tracing::error!("{error}");
            return exit::CONFIG;
        }
    }
    let open_files = os::raise_open_files().unwrap_or_else(|error| {
        tracing::warn!("the limit of open files stays as it is: {error}");
        1024
    });
    if open_files < OPEN_FILES_MIN {
        tracing::error!(
            "{open_files} open files are too few, {OPEN_FILES_MIN} are needed, and one more for each client; raise the hard \
             limit (LimitNOFILE= of the systemd unit, 'ulimit -Hn' in a start script)"
        );
        return exit::CONFIG;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("the threads of the server cannot be started: {error}");
            return exit::IMPOSSIBLE;
        }
    };
    let result = runtime.block_on(serve(sources, loaded, given, (started, held), log, open_files, audit.clone()));
    // A reload may hang on a disk that does not answer; the end does not wait for it.
    runtime.shutdown_background();
    audit.close(AUDIT_CLOSE_TIME);
    match result {
        Ok(()) => exit::OK,
        Err(Ended(code)) => code,
    }
}

/// Adds to what is wrong with a configuration what the start would find: `check-config` and the start agree.
///
/// # Errors
/// As given, or that the start would refuse it.
pub fn judge(loaded: Result<Loaded, Problems>) -> Result<Loaded, Problems> {
    let Loaded { config, warnings, tls } = loaded?;
    match config.audit.as_ref().map(Opened::try_open).transpose() {
        Ok(_) => Ok(Loaded { config, warnings, tls }),
        Err(error) => {
            Err(Problems { errors: vec![Problem { file: None, line: None, text: error.to_string() }], warnings })
        }
    }
}

async fn serve(
    sources: &Sources,
    loaded: Loaded,
    given: Given<'_>,
    (started, held): (Instant, HeldHangup),
    log: LogHandle,
    open_files: u64,
    audit: Audit,
) -> Result<(), Ended> {
    let config = &loaded.config;
    // Before anything is announced: a signal that comes from now on is not lost.
    let mut signals =
        Signals::new().map_err(|error| ended(exit::IMPOSSIBLE, "signals cannot be waited for", &error))?;
    drop(held);
    let Given { admin_socket, manager, sockets } = given;
    let listener = sockets::listen(config, sockets, &manager).await;
    let listener = listener.map_err(|error| ended(exit::NO_SOCKET, "cannot listen", &error))?;
    let (address, addresses) = (listener.local_addr(), listener.addresses());
    let (handle, mut running) = start_engine(config, audit.clone())?;
    handle.metrics().config_applied();
    let store_warnings = store::weaknesses(&config.store);
    for warning in &store_warnings {
        tracing::warn!("{warning}");
    }

    let (stop, stopping) = watch::channel(false);
    let listens_on: Vec<_> = addresses.iter().map(|address| address.ip().to_canonical()).collect();
    let loopback = reload::only_this_machine(&listens_on);
    let (live, live_now) = watch::channel(reload::live(config, &listens_on));
    let (tls, tls_now) = watch::channel(loaded.tls.as_ref().map(|tls| Arc::clone(tls.server())));
    let admin = admin::open(admin_socket)
        .map_err(|error| ended(exit::NO_SOCKET, "cannot listen for administrators", &error))?;
    let (configured, configured_now) = watch::channel(reload::configured(&loaded, loopback));
    for warning in &configured_now.borrow().warnings {
        tracing::warn!("{warning}");
    }
    let (reload_sender, mut reloads) = mpsc::channel(RELOADS_WAITING_MAX);
    let service = Service {
        started,
        store: config.store.to_string(),
        store_warnings,
        admin_socket: admin.as_ref().map(|admin| admin.path().to_owned()),
        configured: configured_now,
        reload: reload_sender.clone(),
    };
    let app = App::new(handle.clone(), live_now, stopping.clone(), service);
    let limits = Limits::default().with_open_files(open_files);
    let router = router(app);
    let mut serving_admin = None;
    if let Some(admin) = admin {
        tracing::info!("administrators connect to the Unix socket {}", admin.path().display());
        let limits = Limits { connections: ADMIN_CONNECTIONS_MAX, ..limits };
        serving_admin = Some(tokio::spawn(connection::serve_local(
            admin,
            router.clone(),
            limits,
            handle.metrics().clone(),
            stopping.clone(),
        )));
    }
    let metrics = handle.metrics().clone();
    let mut serving = tokio::spawn(connection::serve_tls(listener, router, limits, metrics, stopping, tls_now));

    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let places: Vec<_> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
    let status = format!("serves on {}, store {}", places.join(" and "), config.store);
    tracing::info!("lockserver {} {status}", env!("LOCKSERVER_VERSION"));
    announce(scheme, &address);
    manager.ready(&status);
    let watching = tokio::spawn(manager.clone().watch(handle.clone()));

    let outlets = Outlets { live, tls, configured, log };
    let mut reload = Reload::new(sources.clone(), loaded.config, listens_on, handle.clone(), outlets);
    // Apart, so that a signal to stop is heard while a reload takes its time.
    let told = manager.clone();
    tokio::spawn(async move {
        while let Some(answer) = reloads.recv().await {
            told.reloading();
            let outcome = reload.run().await;
            let refused = if outcome.is_err() { "; the last reload was refused, the log says why" } else { "" };
            told.ready(&format!("{status}{refused}"));
            // Whoever asked may be gone; the outcome is in the log too.
            drop(answer.send(outcome));
        }
    });
    let result = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                // If as many wait already as may, what this one would read is read by them.
                Signal::Reload => reload_by_signal(&reload_sender, &audit),
                Signal::Stop(name) => {
                    tracing::info!("{name}: stopping; who waits is answered, tickets stay in the store");
                    break Ok(());
                }
            },
            ended = running.ended() => break Err(engine_ended(ended)),
            cut = &mut serving => {
                tracing::error!("the connections ended by themselves: {cut:?}");
                break Err(Ended(exit::IMPOSSIBLE));
            }
        }
    };
    manager.stopping();
    stop.send_replace(true);
    if result.is_ok() {
        match serving.await {
            Ok(0) => {}
            Ok(cut) => tracing::warn!("{cut} connections did not take their answer in time and were cut"),
            Err(error) => tracing::error!("the connections ended by themselves: {error}"),
        }
        if let Some(serving) = serving_admin {
            drop(serving.await);
        }
        handle.close();
        running.ended().await.map_err(|fatal| engine_ended(Err(fatal)))?;
        tracing::info!("stopped");
    }
    watching.abort();
    result
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

fn start_engine(config: &Config, audit: Audit) -> Result<(Handle, Running), Ended> {
    let store = store::open(&config.store).map_err(|error| ended(exit::STORE, "the store cannot be used", &error))?;
    engine::start_audited(store, config.definitions.clone(), ConfigureMode::Apply, audit, config.pause_in_doubt)
        .map_err(|error| ended(exit::STORE, "the store cannot be used", &error))
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

/// The one line on standard output, for whoever started the server and waits for it.
fn announce(scheme: &str, address: &std::net::SocketAddr) {
    // Nobody may be reading any more.
    say::done(format_args!("lockserver ready on {scheme}://{address}"));
}
