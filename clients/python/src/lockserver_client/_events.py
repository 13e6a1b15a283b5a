# Generated from _async_events.py by generate.py: change that, not this.
"""The stream of events: connects again by itself and goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType

import httpx

from . import _connections
from ._follower import Follower, stream_timeout, wake
from ._plan import NoReply
from ._sync import Runner
from ._types import Event, Problem


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
                what = self._follower.feed(pieces.__next__())
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
