//! Raw settings, each with its place, and the sections that 0.36 had not.

use super::problem::Place;
use crate::access::KeyName;
use lock_core::Target;
use std::collections::BTreeMap;

/// A value as it was written.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    /// The text; of a file's `[general]` with its comments and references.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Place,
    /// From the environment or a flag: no comments, no references.
    pub(super) plain: bool,
}

/// A section that 0.36 had not; a mistake in it is an error.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strict {
    /// `[lock NAME]`, also of a template.
    Lock(Target),
    /// `[key NAME]`.
    Key(KeyName),
    /// `[anonymous]`.
    Anonymous,
    /// `[tls]`.
    Tls,
    /// `[fleetlock]`.
    Fleetlock,
    /// `[terraform]`.
    Terraform,
    /// `[etcd]`.
    Etcd,
    /// `[cluster]`.
    Cluster,
}

/// The options of such a section, by their documented names.
pub(super) type Options = BTreeMap<&'static str, Raw>;
