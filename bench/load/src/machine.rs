//! The machine, the versions and the command, without which a number says nothing.

use crate::Arguments;
use crate::fault::Fault;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Which versions of crates this program is made of.
const LOCKED: &str = include_str!("../../../Cargo.lock");

/// The first line that a program prints.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let out = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The file system of that directory. A flush in memory costs nothing, so a store there says nothing.
pub(crate) fn file_system(directory: &Path) -> Result<String, Fault> {
    let path = directory.display().to_string();
    let kind =
        first_line("findmnt", &["-n", "-o", "FSTYPE", "-T", &path]).ok_or("findmnt does not know the file system")?;
    if ["tmpfs", "ramfs"].contains(&kind.as_str()) {
        return Err(format!(
            "{path} is in memory ({kind}), where a flush costs nothing: choose a --directory on a disk"
        )
        .into());
    }
    Ok(kind)
}

fn value_in(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
}

/// The program and its version: some say in the same line how they were built.
fn version(program: &str, line: &str) -> String {
    let number = line.split([' ', '=']).find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    format!("{program} {}", number.unwrap_or(line))
}

/// The version of throttle, which does not tell it: cargo notes what it has installed beside the programs.
fn throttle() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let folder = std::env::split_paths(&path).find(|folder| folder.join("throttle").exists())?;
    let noted = fs::read_to_string(folder.parent()?.join(".crates.toml")).ok()?;
    let line = noted.lines().find(|line| line.starts_with("\"throttle-server "))?;
    Some(line.split(['"', '(']).nth(1)?.trim().to_owned())
}

/// What stands above the numbers.
pub(crate) fn preface(arguments: &Arguments, disk: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = value_in("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0) * 1024.0 / 1e9;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let mut text = format!(
        "# Benchmarks\n\n\
         The figures are medians of {} rounds of {} s, in which the peers take turns. Restarts and takeovers are measured once. A *cycle* takes a\n\
         lock and gives it back. An *echo* only returns what it was sent. Clients and servers share the processors. CPU is the server's for a cycle.\n\
         Times are in us.\n\n\
         | | |\n| --- | --- |\n\
         | machine | {}, {cores} cores, {memory:.0} GB, {disk} |\n\
         | system | {system}, Linux {} |\n\
         | command | `BENCH_ROUNDS={} BENCH_SECONDS={} make bench` |\n",
        arguments.rounds,
        arguments.seconds,
        value_in("/proc/cpuinfo", "model name"),
        kernel.trim(),
        arguments.rounds,
        arguments.seconds,
    );
    let mut versions = Vec::new();
    for (which, binary) in arguments.lockservers() {
        versions.extend(first_line(&binary.display().to_string(), &["--version"]).map(|line| line + &which));
    }
    for program in ["redis-server", "etcd", "postgres", "flock"] {
        versions.extend(first_line(program, &["--version"]).map(|line| version(program, &line)));
    }
    versions.extend(throttle());
    let locked = LOCKED.split_once("name = \"heavy\"\nversion = \"").and_then(|(_, rest)| rest.split('"').next());
    versions.push(format!("heavy {}", locked.unwrap_or("unknown")));
    let _ = writeln!(text, "| versions | {} |", versions.join(", "));
    text.push_str(
        "| lockserver | `LOGLEVEL=warning`. sqlite and etcd flush each grant |\n\
         | Redis | `--save ''`, flushed: `--appendonly yes --appendfsync always`. Own locks by `SET NX PX` and a script, one lock by `BLPOP` |\n\
         | etcd | one member, its lock service over gRPC, flushed. `etcdctl lock` is a process for each cycle |\n\
         | PostgreSQL | `pg_advisory_lock`, prepared, in memory |\n\
         | throttle | one peer for each client, in memory |\n",
    );
    text
}
