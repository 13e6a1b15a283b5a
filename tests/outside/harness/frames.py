"""HTTP/2 in frames, as far as a test needs it: one request after another, headers without any compression (RFC 9113, 7541)."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS = 0, 1, 3, 4
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    """One frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def text(value):
    """A string of HPACK that is not compressed; short ones only."""
    assert len(value) < 127
    return bytes([len(value)]) + value.encode()


def request(stream, method, path, host, body=b"", headers=()):
    """The frames of a request."""
    pairs = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *headers]
    block = b"".join(b"\x10" + text(name) + text(value) for name, value in pairs)
    head = frame(HEADERS, END_HEADERS | (0 if body else END_STREAM), stream, block)
    return head + (frame(DATA, END_STREAM, stream, body) if body else b"")


def answer(buffer, stream):
    """Where the answer on this stream begins in these bytes and where it ends; `None` for what is not there yet."""
    at, begin = 0, None
    while len(buffer) - at >= 9:
        end = at + 9 + int.from_bytes(buffer[at:at + 3], "big")
        kind, flags, of = buffer[at + 3], buffer[at + 4], int.from_bytes(buffer[at + 5:at + 9], "big")
        if of == stream and begin is None:
            begin = at
        if end > len(buffer):
            break
        at = end
        if of == stream and kind in (DATA, HEADERS) and flags & END_STREAM:
            return begin, at
    return begin, None
