//! Server-Sent Events: bytes in, frames out (WHATWG HTML, section 9.2).

/// The longest frame that is read.
const FRAME_BYTES: usize = 1024 * 1024;

/// One event of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The last id that the stream named.
    pub(crate) id: Option<String>,
    /// Its kind; empty for `message`.
    pub(crate) event: String,
    /// Its lines of data.
    pub(crate) data: String,
}

/// A frame that is too long to be one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Puts frames together from chunks that end anywhere.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    frame: Frame,
    has_data: bool,
    begun: bool,
    seen: Option<String>,
}

impl Parser {
    /// The frames that this chunk completes.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Vec<Frame>, TooLong> {
        self.buffer.extend_from_slice(chunk);
        let mut frames = Vec::new();
        // A CR at the very end may be half of a CR LF: it stays until more comes.
        while let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            let pair = self.buffer[end] == b'\r';
            if pair && end + 1 == self.buffer.len() {
                break;
            }
            let next = if pair && self.buffer[end + 1] == b'\n' { end + 2 } else { end + 1 };
            let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            self.buffer.drain(..next);
            frames.extend(self.line(&line));
        }
        if self.buffer.len() + self.frame.data.len() > FRAME_BYTES {
            return Err(TooLong);
        }
        Ok(frames)
    }

    /// The id of the last frame that was complete, with or without data: what to resume from.
    pub(crate) fn seen(&self) -> Option<&str> {
        self.seen.as_deref()
    }

    fn line(&mut self, line: &str) -> Option<Frame> {
        let line = if self.begun { line } else { line.trim_start_matches('\u{feff}') };
        self.begun = true;
        if line.is_empty() {
            self.seen.clone_from(&self.frame.id);
            let frame = Frame { id: self.frame.id.clone(), ..Frame::default() };
            let mut full = std::mem::replace(&mut self.frame, frame);
            full.data.pop();
            return std::mem::take(&mut self.has_data).then_some(full);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.frame.event),
            "data" => {
                self.has_data = true;
                self.frame.data.push_str(value);
                self.frame.data.push('\n');
            }
            // Comments, `retry`, and fields that do not exist.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: Option<&str>, event: &str, data: &str) -> Frame {
        Frame { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn frames_whatever_the_chunks() {
        let stream = "\u{feff}: hello\n\nid: 7-1\nevent: held\ndata: {\"a\":\ndata: 1}\n\n: beat\n\ndata:x\r\n\r\nid: 7-3\rdata:  y\r\rretry: 5\n\nevent: reset\ndata\n\n";
        let expected = [
            frame(Some("7-1"), "held", "{\"a\":\n1}"),
            frame(Some("7-1"), "", "x"),
            frame(Some("7-3"), "", " y"),
            frame(Some("7-3"), "reset", ""),
        ];
        for size in [1, 2, 3, 7, 1000] {
            let mut parser = Parser::default();
            let frames: Vec<Frame> =
                stream.as_bytes().chunks(size).flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(frames, expected, "in chunks of {size}");
        }
    }

    #[test]
    fn a_frame_without_end_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(&vec![b'x'; FRAME_BYTES]), Ok(Vec::new()));
        assert_eq!(parser.push(b"x"), Err(TooLong));
    }
}
