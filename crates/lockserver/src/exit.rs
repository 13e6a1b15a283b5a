//! Exit codes, after sysexits(3), so that scripts and supervisors can tell what is wrong.

/// Stopped in order.
pub const OK: u8 = 0;
/// EX_USAGE: the command line is wrong.
pub const USAGE: u8 = 64;
/// EX_UNAVAILABLE: the address cannot be listened on.
pub const NO_SOCKET: u8 = 69;
/// EX_SOFTWARE: an impossible state; the log says which. The store is as the last commit left it.
pub const IMPOSSIBLE: u8 = 70;
/// EX_CANTCREAT: what a command was to write is there already, or cannot be written.
pub const CANNOT_CREATE: u8 = 73;
/// EX_IOERR: the store cannot be used, or is damaged.
pub const STORE: u8 = 74;
/// EX_TEMPFAIL: a server uses the store.
pub const IN_USE: u8 = 75;
/// EX_CONFIG: the configuration has errors.
pub const CONFIG: u8 = 78;
