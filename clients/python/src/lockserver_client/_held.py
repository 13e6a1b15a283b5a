"""Permits that a program with threads holds."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import warnings
import weakref
from types import TracebackType

from . import _janitor
from ._acquire import Wanted, acquire
from ._janitor import ABANDONED, ANSWERED, STOP, Claim, Record
from ._lease import HeldTicket, Lease, OnLost, log, warn_unreleased
from ._sync import Runner
from .errors import LeaseLost, LockserverError


class Held(HeldTicket):
    """Permits that we hold, renewed by a thread of their own every quarter of the lease.

    Used with `with`, they are given back at the end, and `LeaseLost` is raised there if they were lost meanwhile. In a forked
    child they are nobody's: nothing there renews or releases them.
    """

    def __init__(self, runner: Runner, lease: Lease, on_lost: OnLost | None, claim: Claim) -> None:
        self._runner, self._lease = runner, lease
        self._pid = os.getpid()
        self._over = False
        # Whatever interrupts us from here on: with the last of it that knows the claim, the ticket is given back.
        self._claim, record = claim, claim.record
        record.lease, self._told = lease, record.told
        record.keeper = threading.Thread(
            target=_Keeper(runner, lease, record, on_lost).run, name=f"lockserver {lease.ticket.lock_names}", daemon=True
        )
        record.keeper.start()
        self._abandon = weakref.finalize(self, _abandoned, lease, self._pid)
        self._abandon.atexit = False  # type: ignore[misc]

    def wait_lost(self, timeout_s: float | None = None) -> LeaseLost | None:
        """Wait until it is lost, at most `timeout_s` seconds; `None` if it is not. Returns when it is released, too."""
        if self._pid == os.getpid() and not self._over:
            self._told.wait(timeout_s)
        return None if self._over else self.lost

    def release(self, *, keep_s: float | None = None, withhold: str | None = None) -> None:
        """Give the permits back. Again does nothing. Nobody is given them for another `keep_s`, cut to the lock's `max_ttl_s`.

        `withhold` says why they are broken: then nobody is given them until an administrator restores them.

        Raises `LeaseLost` if they were lost, and other errors if no server could be told: then they are free when their lease
        ends.
        """
        lost = self._end(keep_s, withhold)
        if lost is not None:
            raise lost

    def _end(self, keep_s: float | None, withhold: str | None = None) -> LeaseLost | None:
        record = self._claim.record
        try:
            if self._over or self._pid != os.getpid():
                return None
            self._over = True
            self._abandon.detach()
            record.keeper = None
            record.mail.put(STOP)
            lost = self._runner.run(self._lease.release(keep_s, withhold))
        except LockserverError:
            record.over()
            raise
        except BaseException:
            # Not released: another thread does it, and so may the caller.
            self._over = False
            self._claim.abandon()
            raise
        record.over()
        return lost

    def __enter__(self) -> Held:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            lost = self._end(self._lease.keep_s if error is None else None)
        except LockserverError as failure:
            warn_unreleased(self.lock, failure)
            return
        if lost is not None and error is None:
            raise lost


def take(runner: Runner, wanted: Wanted, on_lost: OnLost | None) -> Held:
    """Take permits; whatever interrupts that, they are given back."""
    claim = _janitor.claim(runner, wanted.names())
    try:
        sent, ticket = runner.run(acquire(runner.core, wanted, claim.record))
        return Held(runner, Lease(runner.core, sent, ticket, wanted.keep_s), on_lost, claim)
    except BaseException:
        claim.abandon()
        raise


def _abandoned(lease: Lease, pid: int) -> None:
    """A `Held` is garbage and was never released: its claim is, too."""
    if pid == os.getpid():
        warnings.warn(f"{lease.ticket.lock_names!r} was held and never released", ResourceWarning, stacklevel=2)


class _Keeper:
    """The thread that renews one lease. It knows the lease, not the `Held`: that may become garbage."""

    def __init__(self, runner: Runner, lease: Lease, record: Record, on_lost: OnLost | None) -> None:
        self.runner, self.lease, self.record, self.on_lost = runner, lease, record, on_lost
        self.mail, self.told = record.mail, record.told

    def run(self) -> None:
        try:
            self._keep()
        finally:
            self.told.set()

    def _keep(self) -> None:
        busy = False
        while True:
            lost = self.lease.lost
            if lost is not None:
                self.told.set()
                self._tell(lost)
                self._last_mail()
                return
            if not busy and self.lease.is_due():
                busy = self._start()
            try:
                word = self.mail.get(timeout=max(self.lease.sleep_s(), 0.001))
            except queue.Empty:
                continue
            if word == ABANDONED:
                self.record.give_back()
            if word in (ABANDONED, STOP):
                return
            busy = False

    def _last_mail(self) -> None:
        """It may have been dropped while the callback ran."""
        self.record.keeper = None
        with contextlib.suppress(queue.Empty):
            while True:
                if self.mail.get_nowait() == ABANDONED:
                    self.record.give_back()

    def _start(self) -> bool:
        """Begin a renewal. In a thread: a name server that hangs must not keep us from seeing that the lease is lost."""
        try:
            threading.Thread(target=self._renew, name="lockserver renewal", daemon=True).start()
        except RuntimeError:  # the interpreter is being shut down, or there are too many threads
            self.runner.run(self.lease.renewal())
            return False
        return True

    def _renew(self) -> None:
        try:
            self.runner.run(self.lease.renewal())
        finally:
            self.mail.put(ANSWERED)

    def _tell(self, lost: LeaseLost) -> None:
        if self.on_lost is not None:
            try:
                self.on_lost(lost)
            except Exception:
                log.exception("the callback for the loss of %r failed", lost.lock)
