//! The module's behaviour through its front door: trees of files in, configuration or messages out.

mod cluster;
mod documented;
mod keys;
mod legacy;
mod places;
mod robust;
mod sources;
mod strict;

use super::*;
use crate::tls::authority::Authority;
use lock_core::{LockName, Prefix, Settings, Target};
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// A file system of its own, an environment of its own.
struct Host {
    root: tempfile::TempDir,
    sources: Sources,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let sources =
            Sources { root: root.path().to_owned(), config: None, environment: Vec::new(), overrides: Vec::new() };
        Self { root, sources }.env("STATE_DIRECTORY", "/state")
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.sources.environment.push((name.into(), value.into()));
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        self.sources.load()
    }

    fn config(&self) -> Config {
        self.load().unwrap().config
    }

    /// Its problems as lines, without the part of the paths that differs from run to run.
    fn lines(&self, problems: &[Problem]) -> Vec<String> {
        let root = self.root.path().display().to_string();
        problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.lines(&self.load().unwrap().warnings)
    }

    fn errors(&self) -> Vec<String> {
        self.lines(&self.load().unwrap_err().errors)
    }
}

/// A host with this `/etc/lockserver.conf`.
fn host(text: impl AsRef<[u8]>) -> Host {
    Host::new().file("etc/lockserver.conf", text)
}

/// A `[tls]` section whose files are there, the folder that they are in, and the section as it is printed.
fn tls_section() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test");
    let (cert, key) = authority.issue(&["localhost"]).write(folder.path());
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, &authority.pem).unwrap();
    let section = format!("[tls]\nCERT={}\nKEY={}\nCLIENT_CA={}\n", cert.display(), key.display(), ca.display());
    (folder, section)
}

/// The settings of a lock.
fn lock(config: &Config, name: &str) -> Option<Settings> {
    definition(config, &Target::Lock(LockName::new(name).unwrap())).map(|definition| definition.settings)
}

fn template(config: &Config, pattern: &str) -> Option<Settings> {
    definition(config, &Target::Template(Prefix::from_pattern(pattern).unwrap())).map(|definition| definition.settings)
}

fn definition(config: &Config, target: &Target) -> Option<Definition> {
    config.definitions.iter().find(|definition| definition.target == *target).cloned()
}
