//! The log: one line an event, in 0.36's form or as JSON, to standard error or a file.
//!
//! Everything is written with `tracing`; this module is its only subscriber. Spans are not shown: an event carries what
//! it needs as fields. A line is written at once, by the thread that logs it, and a log that cannot be written never
//! stops the server: the line is lost, counted, and reported when writing works again.

mod line;
mod output;
mod patience;

use output::Output;
use patience::Patience;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// How much is logged; 0.36's words of LOGLEVEL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything of ours, and what the libraries say while debugging.
    Superdebug,
    /// What each request does.
    Debug,
    /// What an operator wants to have on record.
    #[default]
    Info,
    /// What an operator should look at.
    Warning,
    /// What does not work.
    Error,
}

impl Level {
    const ALL: [Self; 5] = [Self::Superdebug, Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// The word of LOGLEVEL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Superdebug => "superdebug",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level of this name, whatever its case. `warn` is what many programs call a warning.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name.eq_ignore_ascii_case("warn") { "warning" } else { name };
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// The most detailed level shown of our own crates.
    fn of_ours(self) -> LevelFilter {
        match self {
            Self::Superdebug => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warning => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }

    /// The most detailed level shown of other crates: their debugging is of no use to who debugs lock traffic.
    fn of_others(self) -> LevelFilter {
        match self {
            Self::Superdebug => LevelFilter::DEBUG,
            Self::Debug | Self::Info | Self::Warning => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }

    fn shows(self, metadata: &Metadata<'_>) -> bool {
        let ours = is_ours(metadata.target());
        *metadata.level() <= if ours { self.of_ours() } else { self.of_others() }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// 0.36's: `[INFO] 2026-11-23 02:14:18,512 lock created with name DefaultLock`, in local time, then ` key=value` for
    /// each field.
    #[default]
    Classic,
    /// One object a line: `time` (RFC 3339, UTC), `level` (the words of LOGLEVEL), `message`, `target`, and the fields.
    Json,
}

impl Format {
    /// The word of LOG_FORMAT.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Json => "json",
        }
    }

    /// The format of this name, whatever its case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Classic, Self::Json].into_iter().find(|format| format.name().eq_ignore_ascii_case(name))
    }
}

/// Whether a target belongs to the product.
fn is_ours(target: &str) -> bool {
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    matches!(name, "lockserver" | "lock_core" | "lock_api" | "lock_client" | "lockctl")
}

/// Logs for the whole process from now on. A file that cannot be opened costs one warning: standard error is used
/// instead.
///
/// # Panics
/// If the process has a subscriber already: a second log would never show anything.
#[must_use]
pub fn init(level: Level, format: Format, file: Option<&Path>) -> LogHandle {
    let (layer, handle) = new(level, format, file);
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).expect("the log is set up once in a process");
    handle
}

/// A log that is not the process's: the caller puts the layer on a subscriber of its own.
#[must_use]
pub fn new(level: Level, format: Format, file: Option<&Path>) -> (LogLayer, LogHandle) {
    with_clock(level, format, file, line::Clock::system(), Box::new(Patience::with(std::io::stderr())))
}

fn with_clock(
    level: Level,
    format: Format,
    file: Option<&Path>,
    clock: line::Clock,
    standard_error: Box<dyn std::io::Write + Send>,
) -> (LogLayer, LogHandle) {
    let mut output = Output::new(standard_error, clock.clone(), format);
    output.open(file);
    let shared = Arc::new(Shared { level: AtomicU8::new(level as u8), output: Mutex::new(output), clock });
    (LogLayer(shared.clone()), LogHandle(shared))
}

#[derive(Debug)]
struct Shared {
    /// A [`Level`]; apart from the output, so that an event that is not shown takes no lock.
    level: AtomicU8,
    output: Mutex<Output>,
    clock: line::Clock,
}

impl Shared {
    fn level(&self) -> Level {
        Level::ALL.get(usize::from(self.level.load(Ordering::Relaxed))).copied().unwrap_or(Level::Info)
    }

    /// A thread that panicked while it wrote has at worst left half a line.
    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns events into lines.
#[derive(Debug)]
pub struct LogLayer(Arc<Shared>);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked again after each change of the level, see `LogHandle::set`.
        if self.0.level().shows(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.0.level().shows(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let level = self.0.level();
        Some(level.of_ours().max(level.of_others()))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Everything that runs foreign code, as the fields' own formatting, runs before the lock is taken.
        let record = line::Record::new(self.0.clock.now(), event);
        self.0.output().write(&record);
    }
}

/// Changes the log while the server runs.
#[derive(Debug, Clone)]
pub struct LogHandle(Arc<Shared>);

impl LogHandle {
    /// Opens the file anew, after a program such as logrotate has renamed it. If that fails, the old file is kept and a
    /// line says so; if standard error had to be used, it still is.
    pub fn reopen(&self) {
        self.0.output().reopen();
    }

    /// Changes everything at once. The same file as before is opened anew, as with [`LogHandle::reopen`]; another one that
    /// cannot be opened costs one warning: standard error is used instead.
    pub fn set(&self, level: Level, format: Format, file: Option<&Path>) {
        {
            let mut output = self.0.output();
            output.set_format(format);
            output.open(file);
        }
        self.0.level.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }

    /// Lines lost since writing worked the last time.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.0.output().lost()
    }
}

#[cfg(test)]
mod tests;
