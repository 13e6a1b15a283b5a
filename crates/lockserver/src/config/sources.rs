//! Files, environment, flags: where settings come from, and which of them wins.

use super::document::Document;
use super::general::{Draft, GENERAL};
use super::places::Places;
use super::problem::{Place, Problems, Report};
use super::section::{Raw, Strict};
use super::store::default_store;
use super::value::quote;
use super::{LOG_LEVELS, Loaded, LogLevel, cluster, etcd, fleetlock, key, names, read, terraform, tls};
use lock_core::Target;
use lock_core::limits::{CONFIG_BYTES_MAX, CONFIG_FILE_BYTES_MAX, CONFIG_FILES_MAX};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Everything that a configuration is read from. Kept by a running server, which reads it again at a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// The root of the file system, `/`; another one for tests. Paths that settings give are not below it.
    pub root: PathBuf,
    /// `--config`: this file and no other.
    pub config: Option<PathBuf>,
    /// The environment, as [`std::env::vars_os`] gives it.
    pub environment: Vec<(OsString, OsString)>,
    /// The flags that say what a setting says, as `--port`, and their values.
    pub overrides: Vec<(&'static str, OsString)>,
}

const FILES: [&str; 2] = ["etc/lockserver/lockserver.conf", "etc/lockserver.conf"];
const DIRECTORY: &str = "etc/lockserver/conf.d";
const PREFIX: &str = "LOCKSERVER_";

impl Sources {
    /// Reads and checks everything. A later source wins option by option: the files in their order, the environment, the
    /// flags. Without any file these are 0.36's defaults, but on 127.0.0.1.
    ///
    /// # Errors
    /// Every problem that keeps the server from starting, not only the first, and the warnings.
    pub fn load(&self) -> Result<Loaded, Problems> {
        let mut report = Report::default();
        let mut document = Document::default();
        let files = self.read_files(&mut document, &mut report);
        self.read_environment(&mut document, &mut report);
        self.read_overrides(&mut document, &mut report);
        let Draft { mut config, store, store_place, default_lock } = read::general(&document, &mut report);
        let tls;
        (config.tls, tls) = tls::check(&document, &mut report).unzip();
        let certificates = config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        config.access = key::check(&document, certificates, &mut report);
        let default_target = default_lock.name.clone().map(Target::Lock);
        config.definitions = read::locks(default_lock, &document, &mut report);
        config.fleetlock_prefix = fleetlock::check(&document, &mut report);
        config.terraform_locks = terraform::check(&document, &mut report);
        config.files = files;
        match store.map_or_else(|| default_store(&self.root, &self.environment), Ok) {
            Ok(store) => config.store = store,
            Err(error) => report.error(&store_place, error),
        }
        etcd::check(document.sections.get(&Strict::Etcd), &mut config.store, &mut report);
        config.cluster = cluster::check(document.sections.get(&Strict::Cluster), &mut config.store, &mut report);
        let warnings = report.finish()?;
        let places = Places::of(document, default_target);
        Ok(Loaded { config, warnings, tls: tls.flatten(), places })
    }

    /// Reads the files into the document, and says which they were.
    fn read_files(&self, document: &mut Document, report: &mut Report) -> Vec<PathBuf> {
        let candidates = match &self.config {
            Some(config) => vec![config.clone()],
            None => self.default_files(report),
        };
        let mut files = Vec::new();
        let mut room = CONFIG_BYTES_MAX;
        for path in candidates {
            let place = Place::whole_file(&path);
            match read_file(&path, self.config.is_some()) {
                Ok(None) => {}
                Ok(Some(bytes)) if bytes.len() > CONFIG_FILE_BYTES_MAX => {
                    report.error(&place, format!("the file has more than {CONFIG_FILE_BYTES_MAX} bytes"));
                }
                Ok(Some(bytes)) if bytes.len() > room => {
                    report
                        .error(&place, format!("with it, the files have more than {CONFIG_BYTES_MAX} bytes together"));
                    break;
                }
                Ok(Some(bytes)) => {
                    room -= bytes.len();
                    document.add(&path, &bytes, report);
                    files.push(path);
                }
                Err(error) => {
                    let hint = if self.config.is_some() { "; check what --config says" } else { "" };
                    report.error(&place, format!("cannot be read: {error}{hint}"));
                }
            }
        }
        files
    }

    fn default_files(&self, report: &mut Report) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = FILES.iter().map(|file| self.root.join(file)).collect();
        let directory = self.root.join(DIRECTORY);
        let place = Place::whole_file(&directory);
        match list(&directory) {
            Ok(mut more) if more.len() <= CONFIG_FILES_MAX => {
                more.sort();
                files.append(&mut more);
            }
            Ok(_) => report.error(&place, format!("the directory has more than {CONFIG_FILES_MAX} files *.conf")),
            Err(error) if is_missing(&error) => {}
            Err(error) => report.error(&place, format!("cannot be read: {error}")),
        }
        files
    }

    fn read_environment(&self, document: &mut Document, report: &mut Report) {
        for (variable, value) in &self.environment {
            let Some(name) = variable.to_str().and_then(|variable| variable.strip_prefix(PREFIX)) else {
                continue;
            };
            let place = Place::elsewhere(format!("{PREFIX}{name} in the environment"));
            let Some(known) = names::general_name(name).filter(|known| *known == name) else {
                if let Some(meant) = names::almost_general(name) {
                    report.warn(&place, format!("unknown name, ignored; did you mean {PREFIX}{meant}?"));
                }
                continue;
            };
            match value.to_str() {
                // Empty is unset, as in every program of ours: `SERVER=` would serve on all addresses.
                Some("") => {}
                // Kubernetes sets this one beside every service that is called lockserver.
                Some(value) if known == "PORT" && value.contains("://") => {}
                Some(value) => set(document, known, value, place),
                None => report.error(&place, "the value is not UTF-8"),
            }
        }
    }

    fn read_overrides(&self, document: &mut Document, report: &mut Report) {
        for (flag, value) in &self.overrides {
            let setting = GENERAL.iter().find(|setting| setting.flag == *flag).expect("the flag of a setting");
            let place = Place::elsewhere(*flag);
            match value.to_str() {
                // Unlike in a file it does not mean debug.
                Some(level) if setting.name == "LOGLEVEL" && LogLevel::from_name(level).is_none() => {
                    report.error(&place, format!("{} is not a log level; {LOG_LEVELS}", quote(level)));
                }
                Some(text) => set(document, setting.name, text, place),
                None => report.error(&place, "the path is not UTF-8"),
            }
        }
    }
}

fn set(document: &mut Document, name: &str, value: &str, place: Place) {
    document.general.insert(name.to_lowercase(), Raw { text: value.to_owned(), place, plain: true });
}

/// Names of a directory's `*.conf`, hidden ones left out. A file more than allowed is enough to see that.
fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let wanted = |path: &Path| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension() == Some(OsStr::new("conf"))
    };
    let paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    paths.filter(|path| path.as_ref().map_or(true, |path| wanted(path))).take(CONFIG_FILES_MAX + 1).collect()
}

/// At most one byte more than the bound. `None` if a file that need not be there is not.
fn read_file(path: &Path, required: bool) -> io::Result<Option<Vec<u8>>> {
    if !required {
        match fs::metadata(path) {
            // A link that leads nowhere is a file that somebody wanted to be read.
            Err(error) if is_missing(&error) && fs::symlink_metadata(path).is_err() => return Ok(None),
            Err(error) => return Err(error),
            // A pipe in the place of a file would hang the start.
            Ok(metadata) if !metadata.is_file() => return Err(io::Error::other("it is not a file")),
            Ok(_) => {}
        }
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(CONFIG_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
