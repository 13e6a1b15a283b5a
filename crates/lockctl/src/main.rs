//! The `lockctl` binary.

fn main() {}
