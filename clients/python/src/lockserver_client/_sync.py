"""Plans carried out by the calling thread."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
from collections import deque
from typing import TypeVar
from weakref import WeakSet

import httpx

from . import _clock, _connections, _proxy
from ._plan import Came, CleanUp, Effect, Exchange, NoReply, Pause, Plan, Reply
from ._settings import Core
from .errors import LockserverError

T = TypeVar("T")


class Runner:
    """Carries plans out, from any number of threads at a time. A forked child starts with connections of its own."""

    def __init__(self, core: Core, transport: httpx.BaseTransport | None, tls: object) -> None:
        self.core, self.transport, self.tls = core, transport, tls
        self._headers = _connections.headers(core)
        #: The proxy on the way to each server, in words.
        self.through = [""] * len(core.servers)
        self._idle: list[deque[httpx.Client]] = [deque() for _ in core.servers]
        self._pid = os.getpid()
        _runners.add(self)

    def connection(self, server: int) -> httpx.Client:
        """A connection to that server that nobody else uses."""
        if self._pid != os.getpid():
            # The parent's connections stay the parent's: dropped here, they are closed without a word on the wire.
            self._idle = [deque() for _ in self.core.servers]
            self._pid = os.getpid()
        try:
            return self._idle[server].pop()
        except IndexError:
            return self._new(server)

    def _new(self, server: int) -> httpx.Client:
        if self.tls is None:
            self.tls = _connections.tls_context(self.core.trust)
        address = self.core.servers[server]
        transport = self.transport
        if transport is None and address.socket is not None:
            transport = httpx.HTTPTransport(uds=address.socket, limits=_connections.ONE, verify=self.tls)  # type: ignore[arg-type]
        proxy = _proxy.of_environment(address) if transport is None else None
        self.through[server] = proxy.words() if proxy else ""
        # What httpx would make of the environment is not left to it: see `_proxy`.
        return httpx.Client(
            transport=transport,
            proxy=proxy.url if proxy else None,
            trust_env=False,
            verify=self.tls,  # type: ignore[arg-type]
            headers=self._headers,
            limits=_connections.ONE,
        )

    def give_back(self, server: int, connection: httpx.Client) -> None:
        """The connection may be used again."""
        idle = self._idle[server]
        if len(idle) < _connections.IDLE_MAX and self._pid == os.getpid():
            idle.append(connection)
        else:
            connection.close()

    def drop(self, server: int) -> None:
        """Close the idle connections to that server: one like them is dead, and they may be, too."""
        idle = self._idle[server]
        with contextlib.suppress(IndexError):
            while self._pid == os.getpid():
                idle.pop().close()

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        for server in range(len(self.core.servers)):
            self.drop(server)

    def run(self, plan: Plan[T]) -> T:
        """Carry a plan out."""
        came: Came = None
        error: BaseException | None = None
        while True:
            try:
                effect = plan.send(came) if error is None else plan.throw(error)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            came, error = None, None
            try:
                came = self._do(effect)
            except BaseException as raised:  # the plan cleans up, also after Ctrl-C
                error = raised

    def _do(self, effect: Effect) -> Came:
        if isinstance(effect, Exchange):
            return self._exchange(effect)
        if isinstance(effect, Pause):
            time.sleep(effect.seconds)
        else:
            self._clean_up(effect)
        return None

    def _clean_up(self, effect: CleanUp) -> None:
        try:
            self.run(effect.plan)
        except LockserverError as error:
            _connections.log.debug("the ticket was not cancelled and ends with its lease: %s", error)

    def _exchange(self, effect: Exchange) -> Reply | NoReply:
        call, base = effect.call, self.core.servers[effect.server].base
        connection = self.connection(effect.server)
        try:
            sent = _clock.now()
            body = _connections.Body(sent + effect.timeout_s)
            with connection.stream(
                call.method,
                base + call.target(),
                headers=call.all_headers(),
                content=call.content(),
                timeout=_connections.timeout(self.core, effect.timeout_s),
            ) as response:
                for piece in response.iter_bytes():
                    body.add(piece, _clock.now())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            connection.close()
            if _connections.is_dead(error):
                self.drop(effect.server)
            return _connections.failed(error, self.through[effect.server])
        # After Ctrl-C in the midst of it the connection is left to the garbage: what would close it may wait for ever, for a lock
        # of its own that it took and did not live to give back.
        self.give_back(effect.server, connection)
        asks, through = _connections.retry_after(response), self.through[effect.server]
        return Reply(sent, response.status_code, asks, bytes(body.data), through)


_runners: WeakSet[Runner] = WeakSet()


@atexit.register
def _at_exit() -> None:
    """Close the idle connections, after all is given back."""
    for runner in list(_runners):
        runner.close()
