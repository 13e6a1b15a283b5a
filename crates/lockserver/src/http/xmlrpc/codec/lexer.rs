//! XML to the few tokens that the grammar of XML-RPC needs. What `quick-xml` leaves to its caller is checked here: characters
//! that XML does not allow, references, attributes, the place of the declaration, document types.

use lock_core::limits::XMLRPC_ATTRIBUTES_MAX;
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::escape::unescape;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};

use super::error::{DecodeError, Position, quote};
use super::{is_xml_char, is_xml_space};

/// A piece of a document. Comments and processing instructions are no pieces: text goes on behind them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A start tag; `<a/>` is one and its end.
    Open(String),
    /// The end tag that belongs to the innermost open element.
    Close,
    /// Characters, with references resolved and line ends made `\n`.
    Text {
        chars: String,
        /// Written as they are, not as a reference or a CDATA section: only such white space may stand outside the root.
        plain: bool,
    },
    /// The end of the document.
    End,
}

impl Token {
    /// White space between elements, which means nothing.
    pub(super) fn is_blank(&self) -> bool {
        matches!(self, Self::Text { chars, plain: true } if chars.chars().all(is_xml_space))
    }
}

/// Reads a document token by token.
pub(super) struct Lexer<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Where the last token begins, in bytes.
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer for a document without a byte order mark.
    pub(super) fn new(text: &'a str) -> Result<Self, DecodeError> {
        // A mark here would be a second one, which quick-xml would pass over without counting it.
        let forbidden = text.char_indices().find(|(at, c)| !is_xml_char(*c) || (*at == 0 && *c == '\u{feff}'));
        if let Some((at, c)) = forbidden {
            let what = format!("the character U+{:04X} is not allowed there", u32::from(c));
            return Err(DecodeError::NotWellFormed { at: Position::of(text, at), what });
        }
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.enable_all_checks(true);
        config.expand_empty_elements = true;
        Ok(Self { text, reader, at: 0 })
    }

    /// Where the last token begins.
    pub(super) fn position(&self) -> Position {
        Position::of(self.text, self.at)
    }

    /// An error at the last token: not XML.
    pub(super) fn not_well_formed(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::NotWellFormed { at: self.position(), what: what.into() }
    }

    pub(super) fn next(&mut self) -> Result<Token, DecodeError> {
        loop {
            self.at = offset(self.reader.buffer_position());
            let event = self.reader.read_event().map_err(|error| {
                let at = Position::of(self.text, offset(self.reader.error_position()));
                DecodeError::NotWellFormed { at, what: quote(&reason(&error)) }
            })?;
            return Ok(match event {
                Event::Start(start) => {
                    self.check_attributes(&start)?;
                    Token::Open(start.name().as_ref().to_owned())
                }
                Event::End(_) => Token::Close,
                Event::Text(text) => {
                    if text.contains("]]>") {
                        return Err(self.not_well_formed("']]>' within text; write it as ']]&gt;'"));
                    }
                    Token::Text { chars: text.xml10_content().into_owned(), plain: true }
                }
                Event::CData(text) => Token::Text { chars: text.xml10_content().into_owned(), plain: false },
                Event::GeneralRef(reference) => Token::Text { chars: self.resolve(&reference)?.into(), plain: false },
                Event::Decl(declaration) => {
                    self.check_declaration(&declaration)?;
                    continue;
                }
                Event::DocType(_) => return Err(DecodeError::Doctype { at: self.position() }),
                Event::Comment(_) | Event::PI(_) => continue,
                // Cannot come: the reader makes a start and an end of it.
                Event::Empty(_) => return Err(self.not_well_formed("an unexpected empty element")),
                Event::Eof => Token::End,
            });
        }
    }

    fn resolve(&self, reference: &BytesRef<'_>) -> Result<char, DecodeError> {
        if reference.is_char_ref() {
            let resolved = reference.resolve_char_ref().ok().flatten().filter(|c| is_xml_char(*c));
            return resolved
                .ok_or_else(|| self.not_well_formed(format!("'&{};' is no character of XML", quote(reference))));
        }
        match &**reference {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            name => {
                Err(self.not_well_formed(format!("unknown entity '&{};'; a bare '&' is written '&amp;'", quote(name))))
            }
        }
    }

    /// Attributes mean nothing in XML-RPC, and still have to be XML.
    fn check_attributes(&self, start: &BytesStart<'_>) -> Result<(), DecodeError> {
        for (i, attribute) in start.attributes().enumerate() {
            if i == XMLRPC_ATTRIBUTES_MAX {
                let what = format!("an element may have {XMLRPC_ATTRIBUTES_MAX} attributes");
                return Err(DecodeError::OverBound { at: self.position(), what });
            }
            let attribute = attribute.map_err(|error| self.not_well_formed(quote(&error.to_string())))?;
            if attribute.value.contains('<') {
                return Err(self.not_well_formed("'<' within an attribute; write it as '&lt;'"));
            }
            unescape(&attribute.value).map_err(|error| self.not_well_formed(quote(&error.to_string())))?;
        }
        Ok(())
    }

    fn check_declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), DecodeError> {
        if self.at != 0 {
            return Err(
                self.not_well_formed("an XML declaration must be the very beginning, without a blank before it")
            );
        }
        declaration.version().map(drop).map_err(|error| self.not_well_formed(quote(&reason(&error))))
    }
}

fn offset(position: u64) -> usize {
    // Positions are offsets within a text in memory.
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// What a reader's error says, without the class that `DecodeError` names already.
fn reason(error: &Error) -> String {
    match error {
        Error::Syntax(error) => error.to_string(),
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "a '&' without its ';'; a bare '&' is written '&amp;'".to_owned()
        }
        Error::IllFormed(error) => error.to_string(),
        other => other.to_string(),
    }
}
