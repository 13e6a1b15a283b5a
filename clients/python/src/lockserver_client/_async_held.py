"""Permits that an asyncio program holds."""

from __future__ import annotations

import asyncio
import inspect
import os
import warnings
import weakref
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

from ._acquire import Wanted, acquire
from ._async import AsyncRunner, Steadfast
from ._lease import HeldTicket, Lease, OnLost, log, warn_unreleased
from .errors import LeaseLost, LockserverError


class AsyncHeld(HeldTicket):
    """Permits that we hold, renewed by a task of their own every quarter of the lease.

    Used with `async with`, they are given back at the end, and `LeaseLost` is raised there if they were lost meanwhile.
    In a forked child they are nobody's: nothing there renews or releases them.
    """

    def __init__(self, runner: AsyncRunner, lease: Lease, on_lost: OnLost | None) -> None:
        self._runner, self._lease = runner, lease
        self._pid = os.getpid()
        self._over = False
        self._told = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._state = _State(runner, lease, self._told, on_lost)
        self._task = loop.create_task(Steadfast(self._state.keep()))
        self._abandon = weakref.finalize(self, _abandoned, loop, self._task, lease, self._pid)
        self._abandon.atexit = False  # type: ignore[misc]

    async def wait_lost(self) -> LeaseLost | None:
        """Return when it is lost, or released (then `None`)."""
        if self._pid == os.getpid() and not self._over:
            await self._told.wait()
        return None if self._over else self.lost

    async def release(self, *, keep_s: float | None = None, withhold: str | None = None) -> None:
        """Give the permits back. Again does nothing. Nobody is given them for another `keep_s`, cut to the lock's `max_ttl_s`.

        `withhold` says why they are broken: then nobody is given them until an administrator restores them.

        Raises `LeaseLost` if they were lost, and other errors if no server could be told: then they are free when their lease
        ends.
        """
        lost = await self._end(keep_s, withhold)
        if lost is not None:
            raise lost

    async def _end(self, keep_s: float | None, withhold: str | None = None) -> LeaseLost | None:
        if self._over or self._pid != os.getpid():
            return None
        self._over = self._state.over = True
        self._abandon.detach()
        if self._task is not asyncio.current_task():
            self._task.cancel()
        self._told.set()
        return await self._runner.to_the_end(self._lease.release(keep_s, withhold))

    async def __aenter__(self) -> AsyncHeld:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            lost = await self._end(self._lease.keep_s if error is None else None)
        except LockserverError as failure:
            warn_unreleased(self.lock, failure)
            return
        if lost is not None and error is None:
            raise lost


def _abandoned(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None], lease: Lease, pid: int) -> None:
    """An `AsyncHeld` is garbage and was never released: its keeper gives it back."""
    if pid != os.getpid():
        return
    warnings.warn(f"{lease.ticket.lock_names!r} was held and never released", ResourceWarning, stacklevel=2)
    if not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


class _State:
    """The task that renews one lease. It knows the lease, not the `AsyncHeld`: that may become garbage."""

    def __init__(self, runner: AsyncRunner, lease: Lease, told: asyncio.Event, on_lost: OnLost | None) -> None:
        self.runner, self.lease, self.told, self.on_lost = runner, lease, told, on_lost
        self.over, self.pid = False, os.getpid()

    async def keep(self) -> None:
        renewal: asyncio.Task[LockserverError | None] | None = None
        try:
            while self.pid == os.getpid():
                lost = self.lease.lost
                if lost is not None:
                    self.told.set()
                    await self._tell(lost)
                    return
                if renewal is None and self.lease.is_due():
                    renewal = asyncio.get_running_loop().create_task(self.runner.run(self.lease.renewal()))
                if renewal is None:
                    await asyncio.sleep(self.lease.sleep_s())
                    continue
                await asyncio.wait({renewal}, timeout=self.lease.sleep_s())
                if renewal.done():
                    renewal.result()
                    renewal = None
        except asyncio.CancelledError:
            if not self.over and self.pid == os.getpid():
                # Nobody released it: it was dropped, or its loop ends.
                await self.runner.to_the_end(self.lease.release_quietly())
            raise
        finally:
            if renewal is not None:
                renewal.cancel()
            self.told.set()

    async def _tell(self, lost: LeaseLost) -> None:
        if self.on_lost is not None:
            try:
                told = self.on_lost(lost)
                if inspect.isawaitable(told):
                    await told
            except Exception:
                log.exception("the callback for the loss of %r failed", lost.lock)


class Holding(Coroutine[Any, Any, AsyncHeld]):
    """A request for permits: `async with` it, or await it for an `AsyncHeld` that is released by hand."""

    def __init__(self, take: Callable[[], Coroutine[Any, Any, AsyncHeld]]) -> None:
        self._take = take
        self._held: AsyncHeld | None = None
        self._taking: Coroutine[Any, Any, AsyncHeld] | None = None

    def __await__(self) -> Generator[Any, None, AsyncHeld]:
        return self._take().__await__()

    # For `asyncio.create_task`, which takes coroutines only.
    def send(self, value: Any) -> Any:
        self._taking = self._taking or self._take()
        return self._taking.send(value)

    def throw(self, *error: Any) -> Any:
        self._taking = self._taking or self._take()
        return self._taking.throw(*error)

    def close(self) -> None:
        if self._taking is not None:
            self._taking.close()

    async def __aenter__(self) -> AsyncHeld:
        if self._held is not None:
            raise RuntimeError("this request for permits is in use: ask anew with hold()")
        self._held = await self._take()
        return self._held

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.__aexit__(kind, error, trace)


def take(runner: AsyncRunner, wanted: Wanted, on_lost: OnLost | None) -> Holding:
    """Take permits, once that is awaited or entered."""

    async def taking() -> AsyncHeld:
        sent, ticket = await runner.run(acquire(runner.core, wanted))
        return AsyncHeld(runner, Lease(runner.core, sent, ticket, wanted.keep_s), on_lost)

    return Holding(taking)
