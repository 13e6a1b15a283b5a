//! Which store a command is about.

use super::Failed;
use crate::cli::Cli;
use crate::config::read_store;
use crate::exit;
use crate::store::StoreChoice;
use std::path::{Path, PathBuf};

/// What is done to files only.
const NOT_ETCD: &str = "the store is in etcd, and not in a file: 'etcdctl snapshot save FILE' saves it, and \
                        'lockserver store copy' copies it \
                        to a file and back while no server uses it";

/// The store that was named, else the server's: that of `--store`, which needs no configuration, or of the configuration.
pub(super) fn choose(cli: &Cli, named: Option<&str>) -> Result<StoreChoice, Failed> {
    if let Some(text) = named.or(cli.store.as_deref()) {
        return parse(cli, text);
    }
    let loaded = cli.sources().load().map_err(|problems| {
        let hint = "the configuration cannot be used, so the server's store is not known; --store sqlite:PATH names it";
        Failed::new(exit::CONFIG, format!("{problems}\n{hint}"))
    })?;
    Ok(loaded.config.store)
}

/// As in the setting `STORE`, but a file may be named alone and from here: an operator's shell has a working directory.
/// How to come to etcd is in the configuration.
pub(super) fn parse(cli: &Cli, text: &str) -> Result<StoreChoice, Failed> {
    let has_kind = text == "memory" || text.starts_with("sqlite:") || text.starts_with("etcd:");
    let text = if has_kind { text.to_owned() } else { format!("sqlite:{text}") };
    let absolute =
        |path: &str| std::path::absolute(path).map_err(|error| format!("{path:?} is not the path of a file: {error}"));
    match read_store(&text, absolute) {
        Ok(Some(StoreChoice::Etcd(_))) => in_etcd(cli, text),
        Ok(Some(choice)) => Ok(choice),
        Ok(None) => unreachable!("a path follows its kind"),
        Err(why) => Err(Failed::new(exit::USAGE, why)),
    }
}

/// A store in etcd with what `[etcd]` says, as a server with this `STORE` would come to it.
fn in_etcd(cli: &Cli, text: String) -> Result<StoreChoice, Failed> {
    let mut sources = cli.sources();
    sources.overrides = vec![("--store", text.into())];
    let loaded = sources.load().map_err(|problems| {
        let hint = "the configuration cannot be used, so the way to etcd ([etcd]) is not known";
        Failed::new(exit::CONFIG, format!("{problems}\n{hint}"))
    })?;
    Ok(loaded.config.store)
}

/// The file of a store that has one.
pub(super) fn file(choice: StoreChoice) -> Result<PathBuf, Failed> {
    match choice {
        StoreChoice::Sqlite(path) => Ok(path),
        StoreChoice::Etcd(_) => Err(Failed::new(exit::USAGE, NOT_ETCD)),
        StoreChoice::Memory => Err(Failed::new(
            exit::USAGE,
            "the store is memory: only the server's process has it, and there is nothing to save, check or restore",
        )),
    }
}

/// A file that is not there is a mistake here: only a server makes a new store.
pub(super) fn existing(path: &Path) -> Result<(), Failed> {
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(Failed::new(exit::STORE, format!("the store {} cannot be found: {error}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::EtcdPlace;
    use clap::Parser as _;

    #[test]
    fn stores_as_they_are_typed() {
        let cli = Cli::parse_from(["lockserver", "--config", "/dev/null"]);
        let parse = |text: &str| parse(&cli, text);
        let etcd = StoreChoice::Etcd(Box::new(EtcdPlace::of(vec!["http://h1:2379".to_owned()])));
        assert_eq!(parse("etcd:http://h1").unwrap(), etcd);
        let file = |path: &str| StoreChoice::Sqlite(PathBuf::from(path));
        for (text, expected) in [
            ("memory", StoreChoice::Memory),
            ("sqlite:/a/b.db", file("/a/b.db")),
            ("/a/b.db", file("/a/b.db")),
            ("/a/b:c.db", file("/a/b:c.db")),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(parse("sqlite:b.db").unwrap(), StoreChoice::Sqlite(here.join("b.db")));
        assert_eq!(parse("./memory").unwrap(), StoreChoice::Sqlite(here.join("memory")));
        for bad in ["", "sqlite:", "sqlite::memory:", "etcd:h1", "a\nb", "a/"] {
            assert_eq!(parse(bad).unwrap_err().code, exit::USAGE, "{bad:?}");
        }
    }
}
