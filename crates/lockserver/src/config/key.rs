//! `[key NAME]` and `[anonymous]`: who may do what.

use super::document::Document;
use super::patterns::patterns;
use super::problem::{Place, Report};
use super::secret_file::read_secret_file;
use super::section::{Options, Raw, Strict};
use super::value::{list, quote, whole_signed};
use crate::access::{Access, Digest, Grants, Key, KeyName, Patterns, Right, Rights, SecretError};
use lock_core::limits::{KEY_SECRETS_MAX, KEYS_MAX, PRIORITY_MAX, PRIORITY_MIN};
use std::path::Path;

/// All keys, and what is allowed without one. `certificates`: clients may show one.
pub(super) fn check(document: &Document, certificates: bool, report: &mut Report) -> Access {
    let mut keys = Vec::new();
    let mut anonymous = None;
    let mut a_key: Option<&Place> = None;
    for (section, (place, options)) in &document.sections {
        let mut section_of = Section { place, options, report };
        match section {
            Strict::Key(name) => {
                let secrets = section_of.secrets(name, certificates);
                let grants = section_of.grants([Right::Use, Right::Observe].into_iter().collect());
                keys.push(Key { name: name.clone(), secrets, grants });
                a_key.get_or_insert(place);
            }
            Strict::Anonymous => anonymous = Some(section_of.anonymous()),
            Strict::Lock(_) | Strict::Tls | Strict::Fleetlock | Strict::Terraform | Strict::Etcd | Strict::Cluster => {}
        }
    }
    if keys.len() > KEYS_MAX {
        report
            .error(&Place::elsewhere(""), format!("{} keys are too many; a server has at most {KEYS_MAX}", keys.len()));
    }
    if let (Some(place), None) = (a_key, &anonymous) {
        let text = "[anonymous] is missing: once there is a key, it must say what clients without one may do. Add one \
                    of these, each two lines: '[anonymous]' and 'RIGHTS=none', which admits only clients with a key; \
                    or '[anonymous]' and 'RIGHTS=use, observe', which serves clients without one as before";
        report.error(place, text);
    }
    let Some(anonymous) = anonymous else {
        return Access::open();
    };
    Access::new(keys, anonymous).unwrap_or_else(|(one, other)| {
        let text = format!("the keys {one} and {other} have the same secret; make a new one for one of them");
        report.error(a_key.expect("two keys"), text);
        Access::open()
    })
}

struct Section<'a> {
    place: &'a Place,
    options: &'a Options,
    report: &'a mut Report,
}

impl Section<'_> {
    /// The value of a setting if it is there and good.
    fn read<T>(&mut self, name: &str, read: impl FnOnce(&Raw) -> Result<T, String>) -> Option<T> {
        let raw = self.options.get(name)?;
        read(raw).map_err(|error| self.report.error(&raw.place, error)).ok()
    }

    fn grants(&mut self, default: Rights) -> Grants {
        Grants {
            rights: self.read("RIGHTS", |raw| rights(&raw.text)).unwrap_or(default),
            locks: self.read("LOCKS", |raw| patterns(&raw.text)).unwrap_or_else(Patterns::all),
            max_priority: self.read("MAX_PRIORITY", |raw| priority(&raw.text)).unwrap_or(0),
        }
    }

    fn anonymous(&mut self) -> Grants {
        let Some(raw) = self.options.get("RIGHTS") else {
            self.report.error(self.place, "RIGHTS is missing; write none, observe, or use, observe");
            return self.grants(Rights::NONE);
        };
        let grants = self.grants(Rights::NONE);
        if grants.rights.has(Right::Admin) {
            let text = "clients without a key cannot have the right admin; use the Unix socket on the server's own \
                        machine";
            self.report.error(&raw.place, text);
        }
        grants
    }

    fn secrets(&mut self, name: &KeyName, certificates: bool) -> Vec<Digest> {
        let mut secrets = self.read("SECRET_HASH", |raw| hashes(&raw.text)).unwrap_or_default();
        secrets.extend(self.read("SECRET_FILE", |raw| secret_file(&raw.text)).unwrap_or_default());
        let said = self.options.contains_key("SECRET_HASH") || self.options.contains_key("SECRET_FILE");
        if !said && !certificates {
            let text = "the key has no secret: write SECRET_HASH= or SECRET_FILE=. (A key without one is for client \
                        certificates, which need CLIENT_CA= in [tls].)";
            self.report.error(self.place, text);
        }
        if said && !name.may_have_secret() {
            let text = "a name with ':' is for client certificates; a key with a secret needs a name without ':'";
            self.report.error(self.place, text);
        }
        if secrets.len() > KEY_SECRETS_MAX {
            let text = format!("{} secrets are too many; a key has at most {KEY_SECRETS_MAX}", secrets.len());
            self.report.error(self.place, text);
        }
        secrets
    }
}

/// What a key may do.
///
/// # Errors
/// Which word is not a right.
pub fn rights(text: &str) -> Result<Rights, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Rights::NONE);
    }
    let words = "write use, observe, admin, some of them with commas between, or none";
    list(text)?
        .into_iter()
        .map(|word| Right::from_word(word).ok_or_else(|| format!("{} is not a right; {words}", quote(word))))
        .collect()
}

fn priority(text: &str) -> Result<i8, String> {
    whole_signed(text)
        .filter(|n| (i64::from(PRIORITY_MIN)..=i64::from(PRIORITY_MAX)).contains(n))
        .and_then(|n| i8::try_from(n).ok())
        .ok_or_else(|| format!("{} is not a priority; write {PRIORITY_MIN} to {PRIORITY_MAX}", quote(text)))
}

fn hashes(text: &str) -> Result<Vec<Digest>, String> {
    // Not with the text in the message: it may be the secret itself.
    list(text)?.into_iter().map(|one| Digest::parse(one).map_err(|error| error.to_string())).collect()
}

/// The secrets, or their digests, one a line; lines that begin with `#` are comments.
fn secret_file(text: &str) -> Result<Vec<Digest>, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        // Not with the text: it may be the secret itself.
        return Err("it is not an absolute path; begin it with /".to_owned());
    }
    let content = read_secret_file(path).map_err(|error| format!("{} cannot be read: {error}", quote(text)))?;
    let lines = content.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| -> Result<Digest, SecretError> { Digest::parse_or_of(line) };
    let secrets: Vec<Digest> =
        lines.map(read).collect::<Result<_, _>>().map_err(|error| format!("in {}: {error}", quote(text)))?;
    if secrets.is_empty() {
        return Err(format!("{} contains no secret; write one on each line", quote(text)));
    }
    Ok(secrets)
}
