//! Why a request is no call: plain English, with the place where it is known.

use std::fmt;

/// A place in the text of a request, as XML parsers count: lines from 1, columns from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 0, in characters.
    pub column: usize,
}

impl Position {
    /// The place of byte `offset` in `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before: &str = text.get(..offset).unwrap_or(text);
        let start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        // A carriage return counts unless a line feed follows: DOS, Unix and old Mac line ends are one line end each.
        let returns = before.matches('\r').count() - before.matches("\r\n").count();
        Self { line: 1 + before.matches('\n').count() + returns, column: before[start..].chars().count() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why [`decode`](super::decode) did not find a call. The texts are made for a fault: they name the place and quote only
/// bounded pieces of the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Nothing, or white space only.
    #[error("empty body")]
    Empty,
    /// More bytes than a body may have.
    #[error("the body has {bytes} bytes, {max} at most are allowed")]
    TooLong { bytes: usize, max: usize },
    /// The XML declaration names an encoding nobody knows.
    #[error("unknown character encoding '{0}' in the XML declaration; use UTF-8")]
    UnknownEncoding(String),
    /// The bytes are not text in the encoding that holds.
    #[error("the body is not {encoding}: byte {byte} does not fit; send UTF-8, or declare the encoding that it has")]
    NotText {
        encoding: &'static str,
        /// Offset in the body, from 0.
        byte: usize,
    },
    /// Not XML.
    #[error("not well-formed XML at {at}: {what}")]
    NotWellFormed { at: Position, what: String },
    /// A document type, whose entities could make much of little.
    #[error("a document type declaration (<!DOCTYPE) at {at} is refused; leave it out")]
    Doctype { at: Position },
    /// XML of another kind.
    #[error("this is no methodCall but <{0}>")]
    NotMethodCall(String),
    /// A call that is not as XML-RPC wants it.
    #[error("not XML-RPC at {at}: {what}")]
    NotXmlRpc { at: Position, what: String },
    /// Over one of our bounds.
    #[error("too much at {at}: {what}")]
    OverBound { at: Position, what: String },
}

/// What a message quotes: at most the first 80 characters, in one line, so that nobody can write a line of our log.
pub(super) fn quote(text: &str) -> String {
    const MAX: usize = 80;
    let mut out: String = text.chars().take(MAX).map(|c| if lock_core::text::is_unsafe(c) { ' ' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_all_line_ends_and_characters() {
        let text = "a\r\nb\rc\né<";
        let at = |offset| Position::of(text, offset).to_string();
        assert_eq!(at(0), "line 1, column 0");
        assert_eq!(at(1), "line 1, column 1");
        assert_eq!(at(3), "line 2, column 0");
        assert_eq!(at(5), "line 3, column 0");
        assert_eq!(at(7), "line 4, column 0");
        assert_eq!(at(9), "line 4, column 1");
        assert_eq!(at(99), "line 4, column 2");
    }
}
