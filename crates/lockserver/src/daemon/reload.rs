//! Reload: all or nothing after checking (design, section 5).

use crate::config::{self, Config, Loaded, Sources};
use crate::engine::Handle;
use crate::http::Live;
use crate::log::LogHandle;
use lock_core::{Command, ConfigureMode, Outcome};
use tokio::sync::watch;

/// What a reload reads, and what it changes.
pub(super) struct Reload {
    sources: Sources,
    config: Config,
    engine: Handle,
    live: watch::Sender<Live>,
    log: LogHandle,
}

impl Reload {
    pub(super) fn new(
        sources: Sources,
        config: Config,
        engine: Handle,
        live: watch::Sender<Live>,
        log: LogHandle,
    ) -> Self {
        Self { sources, config, engine, live, log }
    }

    /// Reopens the log, then applies the files as they are now, if they are without error.
    pub(super) async fn run(&mut self) {
        self.log.reopen();
        let Loaded { config, warnings } = match self.sources.load() {
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in &problems.errors {
                    tracing::error!("{problem}");
                }
                tracing::error!("reload refused: the configuration has errors; everything stays as it was");
                return;
            }
        };
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        for text in config::restart_needed(&self.config, &config) {
            tracing::warn!("{text}");
        }
        let definitions = config.definitions.clone();
        let command = Command::Configure { definitions, mode: ConfigureMode::Apply };
        match self.engine.submit(command).await {
            Ok(told) => {
                let Outcome::Configured(report) = told.outcome else { unreachable!("Configure gives a report") };
                self.live.send_replace(Live { long_poll: config.long_poll, max_waiting: config.max_waiting });
                self.log.set(config.log.level, config.log.format, config.log.file.as_deref());
                let (created, changed, retired) = (report.created.len(), report.changed.len(), report.retired.len());
                tracing::info!("reloaded: {created} locks made, {changed} changed, {retired} retired");
                // What needs a restart stays what it is, so that the next reload still says so.
                let Config { server, port, store, .. } = std::mem::replace(&mut self.config, config);
                self.config = Config { server, port, store, ..self.config.clone() };
            }
            Err(failure) => tracing::error!("reload failed, send SIGHUP again later: {failure}"),
        }
    }
}
