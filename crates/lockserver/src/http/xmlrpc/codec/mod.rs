//! XML-RPC text to values and back (<http://xmlrpc.com/spec.md>), without any I/O.
//!
//! [`decode`] takes what real clients send: more than the specification allows, as the `xmlrpclib` under 0.36 did, but never
//! a document type, and everything has a bound. [`encode_response`] and [`encode_fault`] write byte for byte what 0.36 wrote.
//! Why this is our own code: `docs/decisions/0001-xmlrpc-codec.md`.
//!
//! Reading order: `value`, `decode` (the grammar) over `lexer` (XML to tokens) over `charset` (bytes to text), `encode`.

mod base64;
mod charset;
mod decode;
mod encode;
mod error;
mod gunzip;
mod lexer;
mod value;

pub use decode::decode;
pub use encode::{encode_fault, encode_response};
pub use error::{DecodeError, Position};
pub use gunzip::{GunzipError, gunzip};
pub use value::{MethodCall, Value};

/// Whether XML 1.0 can carry the character at all, escaped or not (production `Char` of the recommendation).
const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}

/// What XML calls white space; `str::trim` would take more.
const fn is_xml_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}
