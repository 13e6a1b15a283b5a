"""Plans carried out by asyncio tasks."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import httpx

from . import _clock, _connections, _proxy
from ._plan import Came, CleanUp, Effect, Exchange, NoReply, Pause, Plan, Reply
from ._settings import Core
from .errors import LockserverError

T = TypeVar("T")

#: How often a plan that is carried out to its end begins an exchange anew that a cancel broke off.
STEADFAST = 8


class Steadfast(Coroutine[Any, Any, T]):
    """A coroutine that begins in any case, and hears of a cancel at its first `await` at the earliest.

    A task that is cancelled before its first step would never begin. In a forked child it does not.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work, self._begun, self._pid = work, False, os.getpid()

    def send(self, value: Any) -> Any:
        self._begun = True
        return self._work.send(value)

    def throw(self, *error: Any) -> Any:
        if not self._begun and self._pid == os.getpid():
            self.send(None)
        # In one piece: from 3.12 on three are deprecated.
        return self._work.throw(error[0] if isinstance(error[0], BaseException) else error[1] or error[0]())

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, None, T]:
        return self._work.__await__()


#: What a forked child leaves as it is, for ever.
_left: list[object] = []


class _Ours(Awaitable[T]):
    """Work with a connection, which belongs to the process that began it.

    A forked child has the same sockets, and even the selector of its loop is that of its parent. If the child ends the work in
    order, httpx closes the connection and takes it from the selector, and the parent never hears of its answer. So nothing in it
    is run, not even what collecting the garbage would run.
    """

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work, self._pid = work, os.getpid()

    def __await__(self) -> Generator[Any, Any, T]:
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waits = self._work.send(value) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            value, error = None, None
            try:
                value = yield waits
            except BaseException as raised:
                error = raised
            if self._pid != os.getpid():
                _left.append(self._work)
                raise error or _forked()


def _forked() -> asyncio.CancelledError:
    return asyncio.CancelledError("the parent process began this, before the fork")


class AsyncRunner:
    """Carries plans out. Connections belong to an event loop; another loop gets others, and so does a forked child."""

    def __init__(self, core: Core, transport: httpx.AsyncBaseTransport | None, tls: object) -> None:
        self.core, self.transport, self.tls = core, transport, tls
        self._headers = _connections.headers(core)
        #: The proxy on the way to each server, in words.
        self.through = [""] * len(core.servers)
        self._idle: WeakKeyDictionary[asyncio.AbstractEventLoop, list[deque[httpx.AsyncClient]]] = WeakKeyDictionary()
        self._background: set[asyncio.Task[None]] = set()
        self._pid = os.getpid()

    def _of_loop(self) -> list[deque[httpx.AsyncClient]]:
        if self._pid != os.getpid():
            # As to threads: the parent's connections are dropped, and closed without a word on the wire.
            _left.append(self._background)
            self._idle, self._background, self._pid = WeakKeyDictionary(), set(), os.getpid()
        loop = asyncio.get_running_loop()
        idle = self._idle.get(loop)
        if idle is None:
            # Connections know their loop, so it would never be forgotten. With the last of them their sockets are closed.
            for other in list(self._idle):
                if other.is_closed():
                    self._idle.pop(other, None)
            idle = self._idle[loop] = [deque() for _ in self.core.servers]
        return idle

    def connection(self, server: int) -> httpx.AsyncClient:
        """A connection to that server that nobody else uses."""
        idle = self._of_loop()[server]
        return idle.pop() if idle else self._new(server)

    def _new(self, server: int) -> httpx.AsyncClient:
        if self.tls is None:
            self.tls = _connections.tls_context(self.core.trust)
        address = self.core.servers[server]
        transport = self.transport
        if transport is None and address.socket is not None:
            transport = httpx.AsyncHTTPTransport(uds=address.socket, limits=_connections.ONE, verify=self.tls)  # type: ignore[arg-type]
        proxy = _proxy.of_environment(address) if transport is None else None
        self.through[server] = proxy.words() if proxy else ""
        # What httpx would make of the environment is not left to it: see `_proxy`.
        return httpx.AsyncClient(
            transport=transport,
            proxy=proxy.url if proxy else None,
            trust_env=False,
            verify=self.tls,  # type: ignore[arg-type]
            headers=self._headers,
            limits=_connections.ONE,
        )

    async def drop(self, server: int) -> None:
        """Close the idle connections to that server: one like them is dead, and they may be, too."""
        idle = self._of_loop()[server]
        while idle:
            await idle.pop().aclose()

    async def give_back(self, server: int, connection: httpx.AsyncClient) -> None:
        """The connection may be used again."""
        idle = self._of_loop()[server]
        if len(idle) < _connections.IDLE_MAX:
            idle.append(connection)
        else:
            await connection.aclose()

    async def close(self) -> None:
        """Wait for what runs in the background, and close the connections that nobody uses now."""
        self._of_loop()
        loop = asyncio.get_running_loop()
        # Of a copy: other loops in other threads add theirs meanwhile.
        running = [task for task in list(self._background) if task.get_loop() is loop]
        if running:
            await asyncio.wait(running)
        for server in range(len(self.core.servers)):
            await self.drop(server)

    def in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that is carried out although nobody may be waiting for it."""
        task = asyncio.get_running_loop().create_task(Steadfast(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def to_the_end(self, plan: Plan[T]) -> T:
        """Carry a plan out, to its end even if the caller is cancelled meanwhile, or all tasks are as `asyncio.run` ends."""
        results: list[T] = []
        errors: list[LockserverError] = []
        pid = os.getpid()

        async def carry_out() -> None:
            try:
                results.append(await self.run(plan, STEADFAST, pid))
            except LockserverError as error:
                errors.append(error)

        await asyncio.shield(self.in_background(carry_out()))
        for error in errors:
            raise error
        return results[0]

    async def run(self, plan: Plan[T], steadfast: int = 0, pid: int | None = None) -> T:
        """Carry a plan out. So often a cancel only breaks off what is being done at the moment, which is then begun anew.

        It is the plan of a process. In a forked child it is cancelled at its next step, and does nothing more, not even clean up.
        """
        pid = pid or os.getpid()
        came: Came = None
        cancelled: asyncio.CancelledError | None = None
        error: BaseException | None = None
        while True:
            try:
                effect = plan.send(came) if error is None else plan.throw(error)
            except StopIteration as end:
                if cancelled is not None:
                    raise cancelled from None
                return end.value  # type: ignore[no-any-return]
            came, error = None, None
            try:
                while True:
                    try:
                        came = await self._do(effect, pid)
                        break
                    except asyncio.CancelledError as cancel:
                        if steadfast == 0 or pid != os.getpid():
                            raise
                        steadfast, cancelled = steadfast - 1, cancel
            except BaseException as raised:  # the plan cleans up, also when the task is cancelled
                error = raised

    async def _do(self, effect: Effect, pid: int) -> Came:
        if pid != os.getpid():
            if isinstance(effect, CleanUp):
                return None
            raise _forked()
        if isinstance(effect, Exchange):
            return await _Ours(self._exchange(effect))
        if isinstance(effect, Pause):
            await asyncio.sleep(effect.seconds)
            return None
        try:
            await self.to_the_end(effect.plan)
        except LockserverError as error:
            _connections.log.debug("the ticket was not cancelled and ends with its lease: %s", error)
        return None

    async def _exchange(self, effect: Exchange) -> Reply | NoReply:
        call, base = effect.call, self.core.servers[effect.server].base
        connection = self.connection(effect.server)
        try:
            sent = _clock.now()
            body = _connections.Body(sent + effect.timeout_s)
            async with connection.stream(
                call.method,
                base + call.target(),
                headers=call.all_headers(),
                content=call.content(),
                timeout=_connections.timeout(self.core, effect.timeout_s),
            ) as response:
                async for piece in response.aiter_bytes():
                    body.add(piece, _clock.now())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            await connection.aclose()
            if _connections.is_dead(error):
                await self.drop(effect.server)
            return _connections.failed(error, self.through[effect.server])
        except BaseException:
            await connection.aclose()
            raise
        await self.give_back(effect.server, connection)
        asks, through = _connections.retry_after(response), self.through[effect.server]
        return Reply(sent, response.status_code, asks, bytes(body.data), through)
