//! The names a configuration may use, and the one that was probably meant instead of another.

use super::section::Strict;
use super::{cluster, etcd, general, lock, setting};

/// The names of `[general]`.
static GENERAL: [&str; 20] = setting::names(&general::GENERAL);

/// The names that a section may use which 0.36 had not.
pub(super) struct Names {
    names: &'static [&'static str],
    /// What the section is called in a message.
    pub(super) place: &'static str,
}

/// The names of such a section.
pub(super) const fn of(section: &Strict) -> Names {
    const LOCK: [&str; 13] = setting::names(&lock::LOCK);
    const CLUSTER: [&str; 4] = setting::names(&cluster::CLUSTER);
    const ETCD: [&str; 7] = setting::names(&etcd::ETCD);
    let (names, place): (&[&str], _) = match section {
        Strict::Lock(_) => (&LOCK, "a lock section"),
        Strict::Key(_) => (&["SECRET_HASH", "SECRET_FILE", "LOCKS", "RIGHTS", "MAX_PRIORITY"], "a key's section"),
        Strict::Anonymous => (&["RIGHTS", "LOCKS", "MAX_PRIORITY"], "[anonymous]"),
        Strict::Tls => (&["CERT", "KEY", "CLIENT_CA"], "[tls]"),
        Strict::Fleetlock => (&["PREFIX"], "[fleetlock]"),
        Strict::Terraform => (&["LOCKS"], "[terraform]"),
        Strict::Etcd => (&ETCD, "[etcd]"),
        Strict::Cluster => (&CLUSTER, "[cluster]"),
    };
    Names { names, place }
}

impl Names {
    /// A name as it is documented, whatever its case.
    pub(super) fn find(&self, text: &str) -> Option<&'static str> {
        self.names.iter().copied().find(|name| name.eq_ignore_ascii_case(text))
    }

    /// `; did you mean X?` for a name that there is not, or nothing.
    pub(super) fn did_you_mean(&self, text: &str) -> String {
        let upper = text.to_uppercase();
        let meant = upper.strip_prefix("DEFAULT_LOCK_").and_then(|name| self.find(name));
        question(meant.or_else(|| nearest(&upper, self.names)).map(str::to_owned))
    }
}

/// Words that sections begin with.
const SECTIONS: [&str; 9] = ["general", "lock", "key", "anonymous", "tls", "fleetlock", "terraform", "etcd", "cluster"];

/// A name of `[general]` as it is documented, whatever its case.
pub(super) fn general_name(text: &str) -> Option<&'static str> {
    GENERAL.into_iter().find(|name| name.eq_ignore_ascii_case(text))
}

/// `; did you mean X?` for a name that `[general]` does not have, or nothing.
pub(super) fn did_you_mean_general(text: &str) -> String {
    let upper = text.to_uppercase();
    let of_a_lock = format!("DEFAULT_LOCK_{upper}");
    let meant = general_name(&of_a_lock).or_else(|| nearest(&upper, &GENERAL));
    question(meant.map(str::to_owned))
}

/// The name of `[general]` that differs from this one in a letter or two: an environment holds other programs' names
/// too, so a vaguer likeness says nothing there.
pub(super) fn almost_general(text: &str) -> Option<&'static str> {
    close_by_letters(text, &GENERAL)
}

/// The word that a section's first word was probably meant to be.
pub(super) fn almost_section(word: &str) -> Option<&'static str> {
    nearest(&word.to_lowercase(), &SECTIONS)
}

fn question(meant: Option<String>) -> String {
    meant.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// Nobody mistypes a name at this length, and comparing is quadratic.
const COMPARED_CHARS_MAX: usize = 64;

fn nearest(text: &str, names: &[&'static str]) -> Option<&'static str> {
    close_by_letters(text, names).or_else(|| close_by_beginning(text, names))
}

fn close_by_letters(text: &str, names: &[&'static str]) -> Option<&'static str> {
    let compared = names.iter().filter(|_| text.chars().count() <= COMPARED_CHARS_MAX);
    compared
        .map(|name| (strsim::osa_distance(text, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn close_by_beginning(text: &str, names: &[&'static str]) -> Option<&'static str> {
    let compared = names.iter().filter(|_| text.chars().count() <= COMPARED_CHARS_MAX);
    compared
        .map(|name| (strsim::jaro_winkler(text, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.9)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
