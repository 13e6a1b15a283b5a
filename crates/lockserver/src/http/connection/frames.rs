//! Frames of HTTP/2 as they pass by (RFC 9113, 4.1): which there are, and whether one is incomplete. HTTP itself does not
//! tell when the end of a stream was really written, nor how long a frame takes to arrive.

/// Length (3 bytes), type, flags, stream (4).
const HEADER_BYTES: usize = 9;
/// What a client sends before its first frame (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    kind: u8,
    flags: u8,
    /// The stream it is about; 0 for the connection.
    pub(super) stream: u32,
}

impl Frame {
    /// Nothing more is sent on the stream after this.
    pub(super) const fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// How much of a frame has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// Its header. Nothing of it has passed before that says anything.
    Begun,
    Whole,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to pass by before the next header.
    skip: usize,
    header: [u8; HEADER_BYTES],
    /// How many bytes of it are there.
    have: usize,
    current: Option<Frame>,
    /// Headers go on in the next frame.
    headers_open: bool,
}

impl Frames {
    /// From a client: behind its preface.
    pub(super) const fn of_client() -> Self {
        Self { skip: PREFACE_BYTES, ..Self::of_server() }
    }

    pub(super) const fn of_server() -> Self {
        Self { skip: 0, header: [0; HEADER_BYTES], have: 0, current: None, headers_open: false }
    }

    /// These bytes pass by; `seen` is told of each frame that they begin (its header is there), and again of each that they
    /// complete. True if something is whole now that was not before: a frame, but headers only with their last one.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut seen: impl FnMut(Frame, Passed)) -> bool {
        let mut whole = false;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip == 0
                && let Some(frame) = self.current.take()
            {
                if matches!(frame.kind, HEADERS | CONTINUATION) {
                    self.headers_open = frame.flags & END_HEADERS == 0;
                }
                whole |= !self.headers_open;
                seen(frame, Passed::Whole);
            }
            if bytes.is_empty() {
                return whole;
            }
            let taken = (HEADER_BYTES - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_BYTES {
                self.have = 0;
                let [length @ .., kind, flags, a, b, c, d] = self.header;
                self.skip = length.into_iter().fold(0, |length, byte| length << 8 | usize::from(byte));
                // The highest bit means nothing.
                let stream = u32::from_be_bytes([a, b, c, d]) & (u32::MAX >> 1);
                let frame = Frame { kind, flags, stream };
                self.current = Some(frame);
                seen(frame, Passed::Begun);
            }
        }
    }

    /// More must come to complete what has begun.
    pub(super) const fn is_within(&self) -> bool {
        self.skip > 0 || self.have > 0 || self.current.is_some() || self.headers_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RST_STREAM: u8 = 3;

    fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
    }

    #[test]
    fn frames_are_seen_whole_however_they_arrive() {
        let bytes = [
            vec![b'P'; PREFACE_BYTES],
            frame(4, 0, 0, &[]),
            frame(HEADERS, 0, 1, b"head"),
            frame(CONTINUATION, END_HEADERS, 1, &[7; 300]),
            frame(DATA, END_STREAM, 1, b"end"),
            frame(RST_STREAM, 0, 3 | 1 << 31, &[0, 0, 0, 8]),
        ]
        .concat();
        for step in [1, 2, 9, 10, 33, bytes.len()] {
            let (mut frames, mut seen, mut begun) = (Frames::of_client(), Vec::new(), 0);
            assert!(frames.is_within(), "the preface has to come");
            for piece in bytes.chunks(step) {
                frames.pass(piece, |frame, passed| if passed == Passed::Whole { seen.push(frame) } else { begun += 1 });
            }
            assert!(!frames.is_within(), "{step}");
            let kinds: Vec<_> = seen.iter().map(|frame| (frame.kind, frame.stream)).collect();
            assert_eq!(kinds, [(4, 0), (HEADERS, 1), (CONTINUATION, 1), (DATA, 1), (RST_STREAM, 3)], "{step}");
            let ends: Vec<_> = seen.iter().filter(|frame| frame.ends_stream()).map(|frame| frame.kind).collect();
            assert_eq!(ends, [DATA]);
            assert_eq!(begun, seen.len());
        }
    }

    #[test]
    fn what_is_incomplete_is_noticed() {
        let incomplete = [frame(6, 0, 0, &[0; 8])[..16].to_vec(), vec![0], frame(HEADERS, END_STREAM, 1, b"no end")];
        for bytes in incomplete {
            let mut frames = Frames::of_server();
            assert!(!frames.pass(&bytes, |_, _| ()));
            assert!(frames.is_within(), "{bytes:?}");
        }
    }
}
