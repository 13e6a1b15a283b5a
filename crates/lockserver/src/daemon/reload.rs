//! Reload: all or nothing after checking (design, section 5).

use super::manager::Manager;
use crate::audit::Opened;
use crate::config::{self, Config, Loaded, Sources};
use crate::engine::Handle;
use crate::http::{AuthSettings, Configured, Live, ReloadRequest};
use crate::log::LogHandle;
use lock_api::{ConfigurationStatus, Reloaded};
use lock_core::{Caller, Command, Outcome};
use rustls::ServerConfig;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What a reload reads, and what it changes.
pub(super) struct Reload {
    sources: Sources,
    /// As the server was started: what needs a restart stays so.
    started: Config,
    config: Config,
    listens_on: Vec<IpAddr>,
    engine: Handle,
    out: Outlets,
}

/// The receivers of new settings.
pub(super) struct Outlets {
    pub(super) live: watch::Sender<Live>,
    pub(super) tls: watch::Sender<Option<Arc<ServerConfig>>>,
    pub(super) configured: watch::Sender<Configured>,
    pub(super) log: LogHandle,
}

impl Outlets {
    /// With what a configuration says that is applied now. `listens_on`: the addresses by which the server can be reached.
    pub(super) fn new(loaded: &Loaded, listens_on: &[IpAddr], log: LogHandle) -> Self {
        Self {
            live: watch::Sender::new(live(&loaded.config, listens_on)),
            tls: watch::Sender::new(loaded.tls.as_ref().map(|tls| Arc::clone(tls.server()))),
            configured: watch::Sender::new(configured(loaded, only_this_machine(listens_on))),
            log,
        }
    }
}

/// What the status shows of a configuration that is applied now.
fn configured(loaded: &Loaded, loopback: bool) -> Configured {
    let exposed = config::exposure(&loaded.config, loopback);
    Configured {
        status: ConfigurationStatus {
            files: loaded.config.files.iter().map(|path| path.display().to_string()).collect(),
            loaded_at: crate::wall::now_timestamp()
                .round(jiff::Unit::Second)
                .unwrap_or(jiff::Timestamp::MAX)
                .to_string(),
            refused: None,
        },
        warnings: loaded.warnings.iter().map(ToString::to_string).chain(exposed).collect(),
    }
}

/// What the protocols go by.
fn live(config: &Config, listens_on: &[IpAddr]) -> Live {
    let Config { access, trusted_proxies, allowed_hosts, allowed_origins, .. } = config.clone();
    let mut own_names = config::own_names(listens_on);
    own_names.push(config.server.trim_end_matches('.').to_lowercase());
    Live {
        long_poll: config.long_poll,
        max_waiting: config.max_waiting,
        fleetlock_prefix: config.fleetlock_prefix.clone(),
        terraform_locks: config.terraform_locks.clone(),
        auth: Arc::new(AuthSettings {
            access,
            trusted_proxies,
            allowed_hosts,
            own_names,
            allowed_origins,
            loopback: only_this_machine(listens_on),
        }),
    }
}

/// Only this machine can reach a server that listens on these addresses.
fn only_this_machine(listens_on: &[IpAddr]) -> bool {
    listens_on.iter().all(IpAddr::is_loopback)
}

impl Reload {
    pub(super) fn new(sources: Sources, config: Config, listens_on: Vec<IpAddr>, engine: Handle, out: Outlets) -> Self {
        // No lock needs a restart, and there may be many.
        let started = Config { definitions: Vec::new(), ..config.clone() };
        Self { sources, started, config, listens_on, engine, out }
    }

    /// Reloads for each request, one after the other; `status` is what the service manager is told in between.
    pub(super) async fn serve(mut self, mut requests: mpsc::Receiver<ReloadRequest>, manager: Manager, status: String) {
        while let Some(answer) = requests.recv().await {
            manager.reloading();
            let outcome = self.run().await;
            let refused = if outcome.is_err() { "; the last reload was refused, the log says why" } else { "" };
            manager.ready(&format!("{status}{refused}"));
            // The client may be gone; the outcome is in the log too.
            drop(answer.send(outcome));
        }
    }

    /// Reopens the log, then applies the files as they are now, if they are without error.
    ///
    /// # Errors
    /// Why everything stayed as it was, for people; the log and the status have it too.
    async fn run(&mut self) -> Result<Reloaded, String> {
        let outcome = self.apply().await;
        if let Err(refused) = &outcome {
            self.engine.metrics().config_refused();
            self.out.configured.send_modify(|configured| configured.status.refused = Some(refused.clone()));
            self.reopen_audit();
        }
        outcome
    }

    /// A program such as logrotate has renamed its file, whatever became of the reload.
    fn reopen_audit(&self) {
        match self.config.audit.as_ref().map(Opened::open).transpose() {
            Ok(None) => {}
            Ok(opened) => self.engine.audit().switch(opened),
            Err(error) => tracing::error!("{error}; the audit log goes on in the file that is open"),
        }
    }

    async fn apply(&mut self) -> Result<Reloaded, String> {
        self.out.log.reopen();
        // Files may be slow to read, or never end.
        let sources = self.sources.clone();
        let loaded = tokio::task::spawn_blocking(move || sources.load()).await.map_err(|error| error.to_string())?;
        let loaded = loaded.map_err(|problems| {
            for problem in &problems.errors {
                tracing::error!("{problem}");
            }
            tracing::error!("reload refused: the configuration has errors; everything stays as it was");
            problems.to_string()
        })?;
        if self.config.access.has_keys() && !loaded.config.access.has_keys() {
            let text = "this would remove the last key and open the server to everybody; if that is meant, restart \
                        the server";
            tracing::error!("reload refused: {text}");
            return Err(text.to_owned());
        }
        let mut now = configured(&loaded, only_this_machine(&self.listens_on));
        let config = loaded.config;
        let audit = config.audit.as_ref().map(Opened::open).transpose().map_err(|error| {
            tracing::error!("reload refused: {error}; everything stays as it was");
            error.to_string()
        })?;
        now.warnings.extend(config::restart_needed(&self.started, &config));
        for warning in &now.warnings {
            tracing::warn!("{warning}");
        }
        let definitions = config.definitions.clone();
        let command = Command::Configure { definitions, mode: config.mode() };
        let told = self.engine.submit(Caller::server(), command).await.map_err(|failure| {
            tracing::error!("reload failed, send SIGHUP again later: {failure}");
            format!("the reload failed, try it again later: {failure}")
        })?;
        let Outcome::Configured(report) = told.outcome else { unreachable!("Configure gives a report") };
        self.out.live.send_replace(live(&config, &self.listens_on));
        self.out.tls.send_replace(loaded.tls.map(|tls| Arc::clone(tls.server())));
        tell_of_tls(&self.config, &config);
        self.out.log.set(config.log.level, config.log.format, config.log.file.as_deref());
        if config.log.level != self.config.log.level {
            super::tell_of_log_level(config.log.level);
        }
        self.engine.audit().switch(audit);
        self.engine.metrics().locks.measure_alone(config.metrics_per_instance.clone());
        let (created, changed, retired) = (report.created.len(), report.changed.len(), report.retired.len());
        tracing::info!("reloaded: {created} locks made, {changed} changed, {retired} retired");
        self.config = config;
        let warnings = now.warnings.clone();
        self.out.configured.send_replace(now);
        self.engine.metrics().config_applied();
        let lock_core::ConfigureReport { created, changed, retired, refused } = report;
        Ok(Reloaded { created, changed, retired, refused, warnings })
    }
}

/// New connections speak TLS from now on, or do so no more: the administrators of clients have to know.
fn tell_of_tls(old: &Config, new: &Config) {
    match (&old.tls, &new.tls) {
        (None, Some(_)) => tracing::warn!("new connections speak TLS from now on: clients must use https://"),
        (Some(_), None) => tracing::warn!("new connections are plain HTTP from now on: [tls] is gone"),
        _ => {}
    }
}
