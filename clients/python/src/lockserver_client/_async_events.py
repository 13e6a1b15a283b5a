"""The stream of events: connects again by itself and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType

import httpx

from . import _connections
from ._async import AsyncRunner
from ._follower import Follower, stream_timeout, wake
from ._plan import NoReply
from ._types import Event, Problem


class AsyncEvents(AsyncIterator[Event]):
    """An iterator over events. One task at a time."""

    def __init__(self, runner: AsyncRunner, lock: str | None, last_id: str | None) -> None:
        self._runner = runner
        self._follower = Follower(runner.core, lock, last_id)
        self._open: tuple[str, httpx.AsyncClient, httpx.Response, AsyncIterator[bytes]] | None = None
        self._closed = False

    @property
    def last_id(self) -> str | None:
        """The id of the last event that was told: to go on from there later."""
        return self._follower.last_id

    def __aiter__(self) -> AsyncEvents:
        return self

    async def __anext__(self) -> Event:
        while not self._closed:
            event = self._follower.next()
            if event is not None:
                return event
            if self._open is None:
                await self._connect()
                continue
            server, _, _, pieces = self._open
            try:
                what = self._follower.feed(await pieces.__anext__())
            except StopAsyncIteration:
                what = "the stream ended"
            except httpx.HTTPError as error:
                what = _connections.failed(error).what
            except Exception:
                if self._closed:  # by another task, in the midst of this
                    break
                raise
            if what is not None and not self._closed:
                await self._drop()
                await asyncio.sleep(self._follower.pause([(server, what)]))
        raise StopAsyncIteration

    async def _connect(self) -> None:
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
                response = await connection.send(request, stream=True)
                if self._follower.is_stream(server.name, response):
                    core.preferred = place
                    self._open = (server.name, connection, response, response.aiter_bytes())
                    return
                refused = self._follower.refused(server.name, response.status_code, await response.aread(), through)
            except httpx.HTTPError as error:
                refused = _connections.failed(error, through)
            except BaseException:
                await connection.aclose()
                raise
            await connection.aclose()
            problem = refused if isinstance(refused, Problem) else problem
            tried.append((server.name, self._follower.why(server.name, refused)))
        await asyncio.sleep(self._follower.pause(tried, problem))

    async def _drop(self) -> None:
        if self._open is not None:
            _, connection, response, _ = self._open
            self._open = None
            await response.aclose()
            await connection.aclose()

    async def aclose(self) -> None:
        """End the stream. A task that waits for the next event is told that there is none."""
        self._closed = True
        if self._open is not None:
            wake(self._open[2])
        await self._drop()

    async def __aenter__(self) -> AsyncEvents:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()
