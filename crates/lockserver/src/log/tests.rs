//! The log as operators and clients see it.

use super::*;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

/// Stands for standard error; may be full.
#[derive(Clone, Default)]
struct Screen {
    text: Arc<Mutex<Vec<u8>>>,
    full: Arc<AtomicBool>,
}

impl Screen {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.text.lock().unwrap())).unwrap()
    }

    fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }
}

impl io::Write for Screen {
    /// A full one still takes five bytes of a line, as a disk's last block does.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.text.lock().unwrap();
        let full = self.full.load(Ordering::Relaxed);
        let at_line_start = text.last().is_none_or(|last| *last == b'\n');
        if full && !at_line_start {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = if full { bytes.len().min(5) } else { bytes.len() };
        text.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    screen: Screen,
    handle: LogHandle,
    _guard: tracing::subscriber::DefaultGuard,
}

/// A log of this thread, at 2026-11-23 02:14:18.512 in a zone one hour east.
fn log(level: Level, format: Format, file: Option<&Path>) -> Log {
    let screen = Screen::default();
    let time: Timestamp = "2026-11-23T01:14:18.512999Z".parse().unwrap();
    let clock = line::Clock::Fixed(time, TimeZone::fixed(Offset::constant(1)));
    let (layer, handle) = with_clock(level, format, file, clock, Box::new(screen.clone()));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    Log { screen, handle, _guard }
}

fn classic() -> Log {
    log(Level::Superdebug, Format::Classic, None)
}

fn json() -> (Log, impl Fn(&Log) -> serde_json::Value) {
    let read = |log: &Log| {
        let text = log.screen.take();
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    };
    (log(Level::Superdebug, Format::Json, None), read)
}

#[test]
fn a_classic_line_is_0_36s() {
    let log = classic();
    tracing::info!("lock created with name {}", "DefaultLock");
    assert_eq!(log.screen.take(), "[INFO] 2026-11-23 02:14:18,512 lock created with name DefaultLock\n");
}

#[test]
fn classic_levels_have_pythons_names() {
    let log = classic();
    tracing::trace!("a");
    tracing::debug!("b");
    tracing::warn!("c");
    tracing::error!("d");
    let text = log.screen.take();
    let words: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["[DEBUG]", "[DEBUG]", "[WARNING]", "[ERROR]"]);
}

#[test]
fn what_stands_in_the_text_is_a_field_in_json_only() {
    let classic = classic();
    tracing::info!(json.lock = "san", json.ticket = 7_u64, "ticket 7 of lock san ended");
    assert_eq!(classic.screen.take(), "[INFO] 2026-11-23 02:14:18,512 ticket 7 of lock san ended\n");
    drop(classic);
    let (log, read) = json();
    tracing::info!(json.lock = "san", json.ticket = 7_u64, "ticket 7 of lock san ended");
    let line = read(&log);
    assert_eq!((line["lock"].as_str(), line["ticket"].as_u64()), (Some("san"), Some(7)), "{line}");
}

#[test]
fn classic_fields_follow_the_message() {
    let log = classic();
    let error = io::Error::other("no luck");
    tracing::info!(
        number = 7,
        below = -1,
        share = 0.5,
        all = true,
        owner = "ci",
        info = %"backup of db1",
        empty = "",
        quoted = "say \"hi\\\"",
        equals = "a=b",
        error = &error as &dyn std::error::Error,
        "granted"
    );
    let expected = "granted number=7 below=-1 share=0.5 all=true owner=ci info=\"backup of db1\" empty=\"\" \
                    quoted=\"say \\\"hi\\\\\\\"\" equals=\"a=b\" error=\"no luck\"\n";
    assert_eq!(log.screen.take().split_once(",512 ").unwrap().1, expected);
}

#[test]
fn json_has_one_object_a_line() {
    let (log, read) = json();
    tracing::warn!(
        number = 7_u64,
        below = -1,
        share = 0.5,
        nan = f64::NAN,
        all = true,
        owner = "ci \"x\"\n",
        "it's \\ here"
    );
    assert_eq!(
        read(&log),
        serde_json::json!({
            "time": "2026-11-23T01:14:18.512Z", "level": "warning", "message": "it's \\ here",
            "target": "lockserver::log::tests", "number": 7, "below": -1, "share": 0.5, "nan": "NaN", "all": true,
            "owner": "ci \"x\"\n",
        })
    );
    tracing::trace!(level = 1, time = "now", "");
    let line = read(&log);
    assert_eq!(line["level"], "superdebug");
    assert_eq!((&line["level_"], &line["time_"]), (&1.into(), &"now".into()));
}

#[test]
fn a_client_cannot_forge_a_line() {
    let bad = "x\n[INFO] 2026-11-23 02:14:18,512 released\r\u{1b}[2K\0\u{7f}\u{85}\u{2028}\u{202e}\u{9b}";
    let log = classic();
    tracing::info!(info = bad, "queued {bad}");
    let line = log.screen.take();
    let forged =
        "x\\n[INFO] 2026-11-23 02:14:18,512 released\\r\\u{1b}[2K\\u{0}\\u{7f}\\u{85}\\u{2028}\\u{202e}\\u{9b}";
    assert_eq!(line, format!("[INFO] 2026-11-23 02:14:18,512 queued {forged} info=\"{forged}\"\n"));

    // Nor a field of another one's.
    tracing::info!(info = "x owner=root", owner = "ci", "queued");
    assert!(log.screen.take().ends_with("queued info=\"x owner=root\" owner=ci\n"));
    tracing::info!(info = "x\" owner=\"root", "queued");
    assert!(log.screen.take().ends_with("queued info=\"x\\\" owner=\\\"root\"\n"));
    drop(log);

    let (log, read) = json();
    tracing::info!(info = bad, "queued {bad}");
    assert!(!log.screen.text.lock().unwrap().iter().any(|byte| *byte < b'\n' || *byte == 0x1b || *byte == 0x7f));
    assert_eq!(read(&log)["info"], bad);
}

#[test]
fn long_values_are_cut_with_a_mark() {
    let (log, read) = json();
    let long = "ä".repeat(lock_core::limits::LOG_TEXT_BYTES_MAX);
    tracing::info!(info = long, debug = ?long, "{long}{long}");
    let line = read(&log);
    for name in ["info", "debug", "message"] {
        let text = line[name].as_str().unwrap();
        assert!(text.ends_with("ä…"), "{name}");
        assert!(text.len() <= lock_core::limits::LOG_TEXT_BYTES_MAX + '…'.len_utf8(), "{name}: {}", text.len());
    }
}

#[test]
fn levels_show_what_they_should() {
    // Of our crates, and of others: how many of trace, debug, info, warn, error.
    for (level, ours, others) in [
        (Level::Superdebug, "TDIWE", "DIWE"),
        (Level::Debug, "DIWE", "WE"),
        (Level::Info, "IWE", "WE"),
        (Level::Warning, "WE", "WE"),
        (Level::Error, "E", "E"),
    ] {
        let log = log(level, Format::Classic, None);
        let shown = || -> String { log.screen.take().lines().map(|line| line.chars().last().unwrap()).collect() };
        macro_rules! all {
            ($target:literal) => {{
                tracing::trace!(target: $target, "T");
                tracing::debug!(target: $target, "D");
                tracing::info!(target: $target, "I");
                tracing::warn!(target: $target, "W");
                tracing::error!(target: $target, "E");
                shown()
            }};
        }
        assert_eq!(all!("lockserver"), ours, "{level:?}");
        assert_eq!(all!("lockserver::engine"), ours, "{level:?}");
        assert_eq!(all!("lock_core::table"), ours, "{level:?}");
        assert_eq!(all!("hyper::proto"), others, "{level:?}");
        assert_eq!(all!("lockserver_of_somebody_else"), others, "{level:?}");
    }
}

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lockserver.log");
    (directory, path)
}

fn messages(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(|line| line.split_once(",512 ").unwrap().1.to_owned()).collect()
}

#[test]
fn level_format_and_file_change_while_it_runs() {
    let (_directory, path) = directory();
    let log = log(Level::Info, Format::Classic, None);
    let say = || tracing::debug!("a detail");
    say();
    assert_eq!(log.screen.take(), "");
    log.handle.set(Level::Debug, Format::Json, Some(&path));
    say();
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["message"], "a detail");
    log.handle.set(Level::Warning, Format::Classic, None);
    say();
    tracing::warn!("back");
    assert!(log.screen.take().ends_with(" back\n"));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
}

#[test]
fn a_file_is_continued() {
    let (_directory, path) = directory();
    fs::write(&path, "[INFO] 2026-11-23 02:14:17,512 before\n").unwrap();
    let _log = log(Level::Info, Format::Classic, Some(&path));
    tracing::info!("after");
    assert_eq!(messages(&path), ["before", "after"]);
}

#[test]
fn a_file_may_be_cut_while_it_is_open() {
    let (_directory, path) = directory();
    let _log = log(Level::Info, Format::Classic, Some(&path));
    for _ in 0..100 {
        tracing::info!("before");
    }
    // As copytruncate does.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    tracing::info!("after");
    assert_eq!(fs::read(&path).unwrap(), b"[INFO] 2026-11-23 02:14:18,512 after\n");
}

#[test]
fn a_renamed_file_is_let_go_when_asked() {
    let (_directory, path) = directory();
    let old = path.with_extension("log.1");
    let log = log(Level::Info, Format::Classic, Some(&path));
    tracing::info!("one");
    fs::rename(&path, &old).unwrap();
    tracing::info!("two");
    log.handle.reopen();
    tracing::info!("three");
    assert_eq!((messages(&old), messages(&path)), (vec!["one".to_owned(), "two".to_owned()], vec!["three".to_owned()]));

    // A reload with the same file does it too.
    fs::rename(&path, &old).unwrap();
    log.handle.set(Level::Info, Format::Classic, Some(&path));
    tracing::info!("four");
    assert_eq!(messages(&path), ["four"]);
}

#[test]
fn a_file_that_cannot_be_opened_again_is_kept() {
    let (_directory, path) = directory();
    let old = path.with_extension("log.1");
    let log = log(Level::Info, Format::Classic, Some(&path));
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    log.handle.reopen();
    tracing::info!("still here");
    let lines = messages(&old);
    assert!(lines[0].contains("lockserver.log cannot be opened (") && lines[0].contains("open before"), "{lines:?}");
    assert_eq!(lines[1..], ["still here"]);
    assert_eq!(log.screen.take(), "");
}

#[test]
fn a_file_that_cannot_be_opened_costs_one_warning() {
    let (directory, _) = directory();
    let path = directory.path().join("missing/lockserver.log");
    let log = log(Level::Info, Format::Classic, Some(&path));
    tracing::info!("one");
    tracing::info!("two");
    let text = log.screen.take();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("[WARNING] ") && lines[0].contains("missing/lockserver.log cannot be opened"),
        "{text}"
    );
    assert!(lines[0].contains("logging to standard error"), "{text}");
    assert_eq!(lines.len(), 3, "{text}");

    // When the directory is there, asking is enough.
    fs::create_dir(path.parent().unwrap()).unwrap();
    log.handle.reopen();
    tracing::info!("three");
    assert_eq!((messages(&path), log.screen.take()), (vec!["three".to_owned()], String::new()));
}

#[test]
fn a_pipe_that_nobody_reads_does_not_stop_the_server() {
    let (_directory, path) = directory();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let log = log(Level::Info, Format::Classic, Some(&path));
    tracing::info!("here");
    let text = log.screen.take();
    assert!(text.contains("cannot be opened") && text.ends_with(" here\n"), "{text}");
}

#[test]
fn lost_lines_are_counted_and_reported_once() {
    let log = classic();
    tracing::info!("one");
    log.screen.set_full(true);
    for _ in 0..3 {
        tracing::info!("lost");
    }
    assert_eq!(log.handle.lost_lines(), 3);
    log.screen.set_full(false);
    tracing::info!("two");
    tracing::info!("three");
    assert_eq!(log.handle.lost_lines(), 0);
    let text = log.screen.take();
    let lines: Vec<&str> =
        text.lines().map(|line| line.split_once(",512 ").map_or(line, |(_, message)| message)).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!((lines[0], lines[1], lines[3], lines[4]), ("one", "[INFO", "two", "three"));
    assert!(lines[2].starts_with("3 lines of the log were lost: "), "{text}");
}

#[test]
fn a_full_file_system_loses_lines_only() {
    // The system's own full device.
    let full = Path::new("/dev/full");
    let log = log(Level::Info, Format::Classic, Some(full));
    tracing::info!("one");
    tracing::info!("two");
    assert_eq!(log.handle.lost_lines(), 2);
    log.handle.set(Level::Info, Format::Classic, None);
    tracing::info!("three");
    let text = log.screen.take();
    assert!(text.contains("2 lines of the log were lost: ") && text.ends_with(" three\n"), "{text}");
}

#[test]
fn many_threads_do_not_mix_their_lines() {
    let (_directory, path) = directory();
    let (layer, _handle) = new(Level::Info, Format::Json, Some(&path));
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let dispatch = dispatch.clone();
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    for number in 0..200 {
                        tracing::info!(thread, number, text = "x".repeat(500), "line");
                    }
                });
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    let read = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["thread"].as_u64().unwrap();
    let mut counts = [0; 4];
    text.lines().for_each(|line| counts[usize::try_from(read(line)).unwrap()] += 1);
    assert_eq!(counts, [200; 4]);
}

/// In a process of its own: there is one log of a process.
#[test]
fn the_log_of_the_process_shows_every_thread() {
    const FILE: &str = "LOCKSERVER_TEST_LOG_FILE";
    if let Some(path) = std::env::var_os(FILE) {
        let handle = init(Level::Info, Format::Json, Some(Path::new(&path)));
        std::thread::spawn(|| tracing::info!("from a thread")).join().unwrap();
        handle.set(Level::Error, Format::Json, Some(Path::new(&path)));
        tracing::info!("not shown");
        return;
    }
    let (_directory, path) = directory();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["log::tests::the_log_of_the_process_shows_every_thread", "--exact"])
        .env(FILE, &path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(line["message"], "from a thread");
    let time: Timestamp = line["time"].as_str().unwrap().parse().unwrap();
    assert!(Timestamp::now().duration_since(time).as_secs().abs() < 600, "{time}");
}
