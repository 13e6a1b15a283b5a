//! The HTTP side of the server: connections, and the faces behind them.
pub mod connection;
