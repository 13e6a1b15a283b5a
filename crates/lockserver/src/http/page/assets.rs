//! What the page is made of beside its documents: in the binary, the same for everybody, without any data.

use super::super::shrink;
use flate2::Compression;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::{LazyLock, OnceLock};

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) body: &'static str,
    shrunk: OnceLock<Vec<u8>>,
}

impl Asset {
    /// As gzip, made when it is first asked for; `None` if that is no smaller.
    pub(super) fn shrunk(&'static self) -> Option<&'static [u8]> {
        let shrunk = self.shrunk.get_or_init(|| shrink::gzip(self.body.as_bytes(), Compression::best()));
        (shrunk.len() < self.body.len()).then_some(shrunk)
    }
}

macro_rules! asset {
    ($name:literal, $kind:literal) => {
        Asset { name: $name, kind: $kind, body: include_str!(concat!("assets/", $name)), shrunk: OnceLock::new() }
    };
}

const SCRIPT: usize = 2;
static ALL: [Asset; 18] = [
    asset!("page.css", "text/css; charset=utf-8"),
    asset!("icon.svg", "image/svg+xml"),
    asset!("main.js", "text/javascript; charset=utf-8"),
    asset!("api.js", "text/javascript; charset=utf-8"),
    asset!("live.js", "text/javascript; charset=utf-8"),
    asset!("words.js", "text/javascript; charset=utf-8"),
    asset!("draw.js", "text/javascript; charset=utf-8"),
    asset!("overview.js", "text/javascript; charset=utf-8"),
    asset!("find.js", "text/javascript; charset=utf-8"),
    asset!("lock.js", "text/javascript; charset=utf-8"),
    asset!("plots.js", "text/javascript; charset=utf-8"),
    asset!("seats.js", "text/javascript; charset=utf-8"),
    asset!("log.js", "text/javascript; charset=utf-8"),
    asset!("ask.js", "text/javascript; charset=utf-8"),
    asset!("act.js", "text/javascript; charset=utf-8"),
    asset!("many.js", "text/javascript; charset=utf-8"),
    asset!("settings.js", "text/javascript; charset=utf-8"),
    asset!("withhold.js", "text/javascript; charset=utf-8"),
];

/// The file of that name.
pub(super) fn find(name: &str) -> Option<&'static Asset> {
    ALL.iter().find(|asset| asset.name == name)
}

/// The scripts, for a browser to fetch all at once.
pub(super) fn scripts() -> impl Iterator<Item = &'static str> + Clone {
    ALL[SCRIPT..].iter().map(|asset| asset.name)
}

/// Changes with each of them.
pub(super) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut digest = Sha256::new();
        for asset in &ALL {
            digest.update(asset.name);
            digest.update(asset.body);
        }
        digest.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
    });
    &VERSION
}
