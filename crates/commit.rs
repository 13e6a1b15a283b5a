//! The build script of both programs: what `--version` says, which is the version and the commit it was built from.
//!
//! The commit is taken from LOCKSERVER_COMMIT, else, in a release build inside this project's own git repository, from git. A
//! development build without that variable names none: to be right it would have to be built anew after every commit.
//! An archive without .git names none either. `-modified` behind it: what was built is not what that commit has.

use std::path::Path;
use std::process::Command;

pub(crate) fn main() {
    println!("cargo::rerun-if-changed=../commit.rs");
    println!("cargo::rerun-if-env-changed=LOCKSERVER_COMMIT");
    let version = variable("CARGO_PKG_VERSION");
    let given = Some(variable("LOCKSERVER_COMMIT")).filter(|given| !given.is_empty());
    if let Some(given) = &given {
        let hash = given.trim_end_matches("-modified");
        let is_hash = (7..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(
            is_hash,
            "LOCKSERVER_COMMIT={given} is no commit: write 7 to 64 hexadecimal digits, and -modified if need be"
        );
    }
    let commit = given.or_else(|| (variable("PROFILE") == "release").then(from_git).flatten());
    let text = commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=LOCKSERVER_VERSION={text}");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// What both programs are made of, seen from the crate.
const BUILT: [&str; 4] = ["../../crates", "../../Cargo.toml", "../../Cargo.lock", "../../rust-toolchain.toml"];

/// The commit that is checked out, and whether what is built differs from it, if the repository is this project's: an unpacked archive may lie in somebody else's.
fn from_git() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != Path::new("../..").canonicalize().ok()? {
        return None;
    }
    // HEAD changes with the branch, its log with each commit.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // Of what is built: a change elsewhere makes no other program.
    let mut status = vec!["status", "--porcelain", "--untracked-files=no", "--"];
    status.extend(BUILT);
    for path in BUILT.iter().filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    let modified = git(&status).is_none_or(|changed| !changed.is_empty());
    Some(if modified { format!("{commit}-modified") } else { commit })
}

fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}
