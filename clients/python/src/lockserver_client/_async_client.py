"""The client for asyncio programs."""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, cast

import httpx

from . import _calls, _limited, _settings
from ._acquire import DEFAULT_TTL_S, Wanted
from ._async import AsyncRunner
from ._async_admin import AsyncAdministration
from ._async_events import AsyncEvents
from ._async_held import AsyncHeld, Holding, take
from ._lease import OnLost
from ._limited import F
from ._settings import Retry
from ._types import History, Lock, Locks, Permits, Status, Ticket
from .errors import Busy


class AsyncClient(AsyncAdministration):
    """A client of one lockserver, or of several that serve the same locks. Tasks of one event loop share it.

    `servers`: `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`, one or several, tried in turn; otherwise LOCK_SERVER, else
    those of lockctl's files `client.conf`, else http://127.0.0.1:9090. The key is the secret `key`, or in `key_file`,
    LOCK_KEY_FILE, LOCK_KEY or the file that `client.conf` names. `timeout_s` is how long a server may take to answer, beside the
    time that it is asked to wait. `tls` replaces the authorities that the machine trusts, and what LOCK_CA, LOCK_CERT and
    `client.conf` say.
    `transport` is for tests.
    """

    def __init__(
        self,
        servers: str | Iterable[str] | None = None,
        *,
        key: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        timeout_s: float = 10.0,
        connect_timeout_s: float = 5.0,
        retry: Retry | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._core = _settings.core(servers, key, key_file, timeout_s, connect_timeout_s, retry)
        self._runner = AsyncRunner(self._core, transport, tls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(server.name for server in self._core.servers)}>"

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for what runs in the background, and close the connections that are idle. What is held stays held."""
        await self._runner.close()

    def hold(
        self,
        lock: str | Mapping[str, Permits],
        permits: Permits = 1,
        *,
        wait_s: float | None = None,
        ttl_s: float | None = DEFAULT_TTL_S,
        info: str | None = None,
        priority: int = 0,
        max_hold_s: float | None = None,
        supersede: str | None = None,
        keep_s: float | None = None,
        slots: Iterable[str] = (),
        tags: Iterable[str] = (),
        on_lost: OnLost | None = None,
    ) -> Holding:
        """Take permits of a lock, and renew them until they are released: `async with client.hold("san-ssh") as held:`.

        Of several locks, all or nothing: `hold({"san-ssh": 1, "licence": 2})`. No two who want the same ones wait for each
        other, in whichever order they name them. `held.locks` has what is held of each.
        Waits for ever, or `wait_s` seconds; whatever ends the wait, no ticket is left behind. `ttl_s` is how long the server
        keeps them for us without a heartbeat (`None`: what the lock says). `info` is shown to everybody who looks; by default
        host, script and process. `priority` -100 to 100, higher goes first. The server ends the hold after `max_hold_s`.
        With a word to `supersede` by, what the same key or address has queued for the same locks with that word ends (`Gone`,
        with `ended_as` "superseded"). If all goes well, nobody is given the permits for another `keep_s` after the block.
        `slots` names the slots to have, `tags` what those must have that are given; both are for one lock.
        `on_lost` is called when the permits are lost, by another task; if it is a coroutine function, it is awaited there.

        Raises `TimedOut`, or `Busy` if `wait_s` is 0; as every call.
        """
        wanted = Wanted(lock, permits, wait_s, ttl_s, info, priority, max_hold_s, supersede, keep_s, tuple(slots), tuple(tags))
        return take(self._runner, wanted, on_lost)

    async def try_hold(
        self,
        lock: str | Mapping[str, Permits],
        permits: Permits = 1,
        *,
        ttl_s: float | None = DEFAULT_TTL_S,
        info: str | None = None,
        max_hold_s: float | None = None,
        supersede: str | None = None,
        keep_s: float | None = None,
        slots: Iterable[str] = (),
        tags: Iterable[str] = (),
        on_lost: OnLost | None = None,
    ) -> AsyncHeld | None:
        """As `hold` without waiting: `None` if it is not free now."""
        try:
            return await self.hold(
                lock,
                permits,
                wait_s=0,
                ttl_s=ttl_s,
                info=info,
                max_hold_s=max_hold_s,
                supersede=supersede,
                keep_s=keep_s,
                slots=slots,
                tags=tags,
                on_lost=on_lost,
            )
        except Busy:
            return None

    def limited(
        self,
        lock: str | Mapping[str, Permits],
        permits: Permits = 1,
        *,
        wait_s: float | None = None,
        ttl_s: float | None = DEFAULT_TTL_S,
        info: str | None = None,
        priority: int = 0,
        max_hold_s: float | None = None,
        supersede: str | None = None,
        keep_s: float | None = None,
        slots: Iterable[str] = (),
        tags: Iterable[str] = (),
        on_lost: OnLost | None = None,
    ) -> Callable[[F], F]:
        """A decorator: each call of the coroutine function holds permits while it runs. The arguments are those of `hold`."""
        # They are looked at once for each call.
        wanted_slots, wanted_tags = tuple(slots), tuple(tags)

        def decorate(function: F) -> F:
            _limited.check_async(function)

            @functools.wraps(function)
            async def call(*args: Any, **named: Any) -> Any:
                async with self.hold(
                    lock,
                    permits,
                    wait_s=wait_s,
                    ttl_s=ttl_s,
                    info=info,
                    priority=priority,
                    max_hold_s=max_hold_s,
                    supersede=supersede,
                    keep_s=keep_s,
                    slots=wanted_slots,
                    tags=wanted_tags,
                    on_lost=on_lost,
                ):
                    result = await function(*args, **named)
                    if _limited.is_unfinished(result):
                        raise _limited.too_late(function)
                    return result

            return cast(F, call)

        return decorate

    async def locks(self) -> Locks:
        """All locks with their holders and queues."""
        return await self._runner.run(_calls.locks(self._core))

    async def lock(self, lock: str) -> Lock:
        """One lock with its holders and its queue."""
        return await self._runner.run(_calls.lock(self._core, lock))

    async def history(self, lock: str) -> History:
        """The last hour and day of a lock: use, queue, waiting and holding times, and its last events."""
        return await self._runner.run(_calls.history(self._core, lock))

    async def status(self) -> Status:
        """The state of the server."""
        return await self._runner.run(_calls.status(self._core))

    async def my_tickets(self) -> list[Ticket]:
        """The live tickets of this key, or of this address without one; without their ids."""
        return await self._runner.run(_calls.my_tickets(self._core))

    async def ticket(self, ticket_id: str) -> Ticket:
        """A ticket as it is, by its secret id."""
        return await self._runner.run(_calls.ticket(self._core, ticket_id))

    async def renew(self, ticket_id: str, ttl_s: float | None = None) -> Ticket:
        """Renew a ticket by its secret id, with a new lease from now on if one is given. A `Held` does this by itself."""
        return await self._runner.run(_calls.renew(self._core, ticket_id, ttl_s))

    async def release(self, ticket_id: str, *, keep_s: float | None = None, withhold: str | None = None) -> None:
        """Release a ticket by its secret id, or withdraw it from the queue. Nobody is given its permits for another `keep_s`.

        `withhold` says why they are broken: then nobody is given them until an administrator restores them.
        """
        await self._runner.run(_calls.release(self._core, ticket_id, keep_s=keep_s, withhold=withhold))

    async def verify(self, lock: str, token: int) -> bool:
        """Whether a holder has this fencing token now."""
        return await self._runner.run(_calls.verify(self._core, lock, token))

    def events(self, lock: str | None = None, last_id: str | None = None) -> AsyncEvents:
        """Every change from now on, or after `last_id` (the `as_of` of what was read before). `lock` may end in `*`.

        An asynchronous iterator that has no end: it connects again by itself and goes on where it was. An event of kind `reset`
        says that some are missing: read the locks again. Use it with `async with`, or `aclose()` it.
        """
        return AsyncEvents(self._runner, lock, last_id)
