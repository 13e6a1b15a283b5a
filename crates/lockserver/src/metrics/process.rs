//! The process as the kernel sees it (proc(5)). What the kernel does not tell is left out.

use rustix::time::{ClockId, clock_gettime};
use std::fs;

/// Numbers of the process.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) open_fds: Option<u64>,
    pub(super) max_fds: Option<u64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) virtual_bytes: Option<u64>,
    pub(super) threads: Option<u64>,
}

impl Process {
    /// This process, now. Reads files: not for a thread that others wait for.
    pub(super) fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let kilobytes = |name| field(&status, name).map(|kilobytes| kilobytes * 1024);
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            // One of them is the directory itself, opened to count.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as u64),
            max_fds: field(&limits, "Max open files"),
            resident_bytes: kilobytes("VmRSS:"),
            virtual_bytes: kilobytes("VmSize:"),
            threads: field(&status, "Threads:"),
        }
    }
}

/// The first number after this name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let before = Process::look();
        let file = fs::File::open("/proc/self/status").expect("proc is mounted");
        let process = Process::look();
        assert!(process.cpu_seconds > 0.0 && process.cpu_seconds >= before.cpu_seconds);
        assert!(process.open_fds.is_some_and(|count| count >= 4), "{process:?}");
        assert!(process.max_fds >= process.open_fds && process.threads >= Some(1), "{process:?}");
        assert!(process.resident_bytes > Some(1 << 20) && process.virtual_bytes >= process.resident_bytes);
        drop(file);
    }

    #[test]
    fn what_is_not_told_is_left_out() {
        assert_eq!(field("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(field("Max open files            1024   4096   files\n", "Max open files"), Some(1024));
        for text in ["", "VmRSS:", "VmRSS: many", "XVmRSS: 12"] {
            assert_eq!(field(text, "VmRSS:"), None, "{text:?}");
        }
    }
}
