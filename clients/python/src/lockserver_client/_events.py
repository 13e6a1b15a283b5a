"""The stream of events: connects again by itself and goes on where it was."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections import deque
from collections.abc import Iterator
from types import TracebackType

import httpx

from . import _clock, _connections
from ._plan import Call, NoReply, on_the_way
from ._send import pause, problem_in
from ._settings import Core
from ._sse import Frame, Parser, TooLongError
from ._sync import Runner
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
        """What an answer means that is no stream. Raises if it is not worth another try."""
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
        """Why there is no stream. Raises if that is not worth another try."""
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
    """End the connection of a stream under whoever reads from it: closing alone does not wake a reader."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Events(Iterator[Event]):
    """An iterator over events. One thread at a time."""

    def __init__(self, runner: Runner, lock: str | None, last_id: str | None) -> None:
        self._runner = runner
        self._follower = Follower(runner.core, lock, last_id)
        self._open: tuple[str, httpx.Client, httpx.Response, Iterator[bytes]] | None = None
        self._closed = False

    @property
    def last_id(self) -> str | None:
        """The id of the last event that was told: to go on from there later."""
        return self._follower.last_id

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        while not self._closed:
            event = self._follower.next()
            if event is not None:
                return event
            if self._open is None:
                self._connect()
                continue
            server, _, _, pieces = self._open
            try:
                what = self._follower.feed(next(pieces))
            except StopIteration:
                what = "the stream ended"
            except httpx.HTTPError as error:
                what = _connections.failed(error).what
            except Exception:
                if self._closed:  # by another thread, in the midst of this
                    break
                raise
            if what is not None and not self._closed:
                self._drop()
                time.sleep(self._follower.pause([(server, what)]))
        raise StopIteration

    def _connect(self) -> None:
        core, tried, problem = self._runner.core, [], None
        call = self._follower.call()
        for place in core.in_turn():
            server, connection = core.servers[place], self._runner.connection(place)
            through = self._runner.through[place]
            refused: NoReply | Problem | str
            try:
                request = connection.build_request(
                    "GET", server.base + call.target(), headers=call.all_headers(), timeout=stream_timeout(core)
                )
                response = connection.send(request, stream=True)
                if self._follower.is_stream(server.name, response):
                    core.preferred = place
                    self._open = (server.name, connection, response, response.iter_bytes())
                    return
                refused = self._follower.refused(server.name, response.status_code, response.read(), through)
            except httpx.HTTPError as error:
                refused = _connections.failed(error, through)
            except BaseException:
                connection.close()
                raise
            connection.close()
            problem = refused if isinstance(refused, Problem) else problem
            tried.append((server.name, self._follower.why(server.name, refused)))
        time.sleep(self._follower.pause(tried, problem))

    def _drop(self) -> None:
        if self._open is not None:
            _, connection, response, _ = self._open
            self._open = None
            response.close()
            connection.close()

    def close(self) -> None:
        """End the stream. A thread that waits for the next event is told that there is none."""
        self._closed = True
        if self._open is not None:
            wake(self._open[2])
        self._drop()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
