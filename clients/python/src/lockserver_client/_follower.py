"""Where a reader of the stream of events is, and what to do when it breaks."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import deque

import httpx

from . import _clock
from ._plan import Call, NoReply, on_the_way
from ._send import pause, problem_in
from ._settings import Core
from ._sse import Frame, Parser, TooLongError
from ._types import Event, Problem, read
from .errors import Distrust, NotLockserver, Unreachable, from_problem

#: The server writes at least a comment every 15 s: three of them missed are the end of a connection.
SILENCE_S = 45.0


def event_of(frame: Frame) -> Event | None:
    """The event of a frame; nothing if it is none that can be read."""
    if frame.event == "reset":
        return Event("reset", id=frame.id)
    try:
        value = json.loads(frame.data)
        return read(Event, {**value, "id": frame.id})
    except (ValueError, TypeError):
        return None


class Follower:
    """Where a reader of the stream is, and what to do when it breaks: shared by threads and asyncio."""

    def __init__(self, core: Core, lock: str | None, last_id: str | None) -> None:
        self.core, self.lock = core, lock
        self.resume_from = self.last_id = last_id
        self.ready: deque[Event] = deque()
        self.parser = Parser()
        self.failures, self.failing_since = 0, 0.0

    def call(self) -> Call:
        """The request for the stream."""
        params = () if self.lock is None else (("lock", self.lock),)
        headers = [("Accept", "text/event-stream")]
        if self.resume_from is not None:
            headers.append(("Last-Event-ID", self.resume_from))
        self.parser = Parser()
        return Call("GET", "/v1/events", params, tuple(headers))

    def next(self) -> Event | None:
        """The next event that is here."""
        if not self.ready:
            return None
        event = self.ready.popleft()
        self.last_id = event.id or self.last_id
        return event

    def feed(self, data: bytes) -> str | None:
        """Bytes of the stream; what is wrong with them, if something is."""
        try:
            frames = self.parser.feed(data)
        except TooLongError:
            return "an event without end"
        self.ready.extend(event for event in map(event_of, frames) if event is not None)
        self.resume_from = self.parser.seen or self.resume_from
        self.failures = 0
        return None

    def refused(self, server: str, status: int, body: bytes, through: str) -> Problem | str:
        """Return the meaning of an answer without a stream. Raise if another try is not worth it."""
        problem = problem_in(body)
        if problem is not None:
            if not problem.retryable:
                raise from_problem(problem)
            return problem
        what = on_the_way(through, f"HTTP status {status}")
        if status < 500:
            raise NotLockserver(server, what)
        return what

    def is_stream(self, server: str, response: httpx.Response) -> bool:
        """Whether the stream begins here. Raises if what answered does not speak lockserver's API."""
        if not response.is_success:
            return False
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise NotLockserver(server, "no stream of events")
        return True

    def why(self, server: str, came: NoReply | Problem | str) -> str:
        """Return why the stream is missing. Raise if another try is not worth it."""
        if isinstance(came, NoReply):
            if came.distrust:
                raise Distrust(server, came.what)
            return came.what
        return came.detail if isinstance(came, Problem) else came

    def pause(self, tried: list[tuple[str, str]], problem: Problem | None = None) -> float:
        """How long to wait before the next try. Raises when it was tried enough."""
        now = _clock.now()
        if self.failures == 0:
            self.failing_since = now
        self.failures += 1
        seconds = pause(self.core.retry, self.failures, now - self.failing_since, None)
        if seconds is None:
            self.failures = 0
            raise from_problem(problem) if problem else Unreachable(tuple(tried))
        return seconds


def stream_timeout(core: Core) -> httpx.Timeout:
    """The bounds of a stream: it is never silent for long."""
    return httpx.Timeout(SILENCE_S, connect=core.connect_timeout_s)


def wake(response: httpx.Response) -> None:
    """End the connection of a stream under the thread that reads from it: closing alone wakes a task, but no thread."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
