//! The names a configuration may use, and the one that was probably meant instead of another.

use super::section::Strict;

/// The names of `[general]`, those of 0.36 first.
const GENERAL: [&str; 19] = [
    "SERVER",
    "PORT",
    "LOG_FILE",
    "LOGLEVEL",
    "LIFECYCLE_PERIOD",
    "DEFAULT_LOCK",
    "DEFAULT_LOCK_SIZE",
    "DEFAULT_LOCK_GRACE_TIME",
    "DEFAULT_LOCK_EXPIRATION_TIME",
    "DEFAULT_LOCK_MAX_LOCK_TIME",
    "STORE",
    "LONG_POLL",
    "LOG_FORMAT",
    "MAX_WAITING",
    "AUDIT_LOG",
    "TRUSTED_PROXIES",
    "ALLOWED_HOSTS",
    "ALLOWED_ORIGINS",
    "ON_DOUBT",
];

/// So many of them are 0.36's.
const OLD: usize = 10;

/// The names that a section may use which 0.36 had not.
pub(super) struct Names {
    names: &'static [&'static str],
    /// What the section is called in a message.
    pub(super) place: &'static str,
}

/// Those of `[lock NAME]`.
const LOCK: Names = Names {
    names: &[
        "SIZE",
        "SLOTS",
        "GRACE_TIME",
        "EXPIRATION_TIME",
        "MAX_LOCK_TIME",
        "MAX_HOLD_TIME",
        "MAX_TTL",
        "LOCK_DELAY",
        "MAX_QUEUE",
        "DESCRIPTION",
    ],
    place: "a lock section",
};

/// Those of `[key NAME]`.
const KEY: Names =
    Names { names: &["SECRET_HASH", "SECRET_FILE", "LOCKS", "RIGHTS", "MAX_PRIORITY"], place: "a key's section" };

/// Those of `[anonymous]`.
const ANONYMOUS: Names = Names { names: &["RIGHTS", "LOCKS", "MAX_PRIORITY"], place: "[anonymous]" };

/// Those of `[tls]`.
const TLS: Names = Names { names: &["CERT", "KEY", "CLIENT_CA"], place: "[tls]" };

/// Those of `[fleetlock]`.
const FLEETLOCK: Names = Names { names: &["PREFIX"], place: "[fleetlock]" };

/// Those of `[terraform]`.
const TERRAFORM: Names = Names { names: &["LOCKS"], place: "[terraform]" };

/// The names of such a section.
pub(super) const fn of(section: &Strict) -> &'static Names {
    match section {
        Strict::Lock(_) => &LOCK,
        Strict::Key(_) => &KEY,
        Strict::Anonymous => &ANONYMOUS,
        Strict::Tls => &TLS,
        Strict::Fleetlock => &FLEETLOCK,
        Strict::Terraform => &TERRAFORM,
    }
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
const SECTIONS: [&str; 8] = ["general", "lock", "key", "anonymous", "tls", "fleetlock", "terraform", "etcd"];

/// A name of `[general]` as it is documented, whatever its case.
pub(super) fn general_name(text: &str) -> Option<&'static str> {
    GENERAL.into_iter().find(|name| name.eq_ignore_ascii_case(text))
}

/// Whether 0.36 has this documented name: then its values are read as 0.36 read them.
pub(super) fn is_old(name: &str) -> bool {
    GENERAL[..OLD].contains(&name)
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
    if text.chars().count() > COMPARED_CHARS_MAX {
        return None;
    }
    names
        .iter()
        .map(|name| (strsim::osa_distance(text, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn close_by_beginning(text: &str, names: &[&'static str]) -> Option<&'static str> {
    if text.chars().count() > COMPARED_CHARS_MAX {
        return None;
    }
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(text, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.9)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
