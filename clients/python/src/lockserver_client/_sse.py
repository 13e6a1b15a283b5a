"""Server-Sent Events: bytes in, frames out (HTML Standard, section 9.2)."""

from __future__ import annotations

from dataclasses import dataclass

#: The longest frame that is read.
FRAME_BYTES = 1024 * 1024


class TooLongError(Exception):
    """A frame that is too long to be one."""


@dataclass(frozen=True)
class Frame:
    """One event of the stream: the last id that was named, its kind, its lines of data."""

    id: str | None
    event: str
    data: str


class Parser:
    """Puts frames together from pieces that end anywhere."""

    def __init__(self) -> None:
        #: The id of the last frame that was complete, with or without data: what to resume from.
        self.seen: str | None = None
        self._id: str | None = None
        self._event, self._data = "", list[str]()
        self._rest, self._size = b"", 0
        self._after_cr, self._begun = False, False

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that this piece completes. Raises `TooLongError`."""
        if not piece:
            return []
        half = self._after_cr and piece.startswith(b"\n")
        self._after_cr = piece.endswith(b"\r")
        piece = piece[1:] if half else piece
        *lines, self._rest = (self._rest + piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        found = [self._line(line.decode("utf-8", "replace")) for line in lines]
        if len(self._rest) + self._size > FRAME_BYTES:
            raise TooLongError
        return [frame for frame in found if frame is not None]

    def _line(self, line: str) -> Frame | None:
        if not self._begun:
            self._begun, line = True, line.lstrip("\ufeff")
        if not line:
            self.seen = self._id
            frame = Frame(self._id, self._event, "\n".join(self._data)) if self._data else None
            self._event, self._data, self._size = "", [], 0
            return frame
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "id" and "\0" not in value:
            self._id = value
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
            self._size += len(value)
        return None
