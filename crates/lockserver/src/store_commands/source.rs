//! A store that is looked into, whether a server uses it or not.

use super::Failed;
use super::which::file;
use crate::store::{EtcdReader, SqliteReader, StoreChoice, StoreError};
use lock_core::Snapshot;

/// See the module.
pub(super) enum Source {
    File(SqliteReader),
    Etcd { reader: EtcdReader, name: String },
}

impl Source {
    pub(super) fn open(choice: StoreChoice) -> Result<Self, Failed> {
        let name = choice.to_string();
        match choice {
            StoreChoice::Etcd(place) => Ok(Self::Etcd { reader: EtcdReader::new(*place), name }),
            StoreChoice::Sqlite(_) | StoreChoice::Memory => Ok(Self::File(SqliteReader::open(&file(choice)?)?)),
        }
    }

    /// As the setting `STORE` is written.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(reader) => format!("sqlite:{}", reader.path().display()),
            Self::Etcd { name, .. } => name.clone(),
        }
    }

    /// The version of the file's tables; records in etcd name their fields, and have none.
    pub(super) fn schema(&self) -> Option<i32> {
        match self {
            Self::File(reader) => Some(reader.schema()),
            Self::Etcd { .. } => None,
        }
    }

    /// Looks for damage that reading does not show: etcd looks after its own files.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::File(reader) => reader.check(),
            Self::Etcd { .. } => Ok(()),
        }
    }

    pub(super) fn load(&self) -> Result<Snapshot, StoreError> {
        match self {
            Self::File(reader) => reader.load(),
            Self::Etcd { reader, .. } => reader.load(),
        }
    }
}
