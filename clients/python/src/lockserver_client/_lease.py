"""What is known about a lease, and when to renew it: shared by threads and asyncio, which only wait and send."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from . import _calls, _clock
from ._plan import Plan
from ._send import jitter
from ._settings import Core, Retry
from ._types import Part, Permits, Ticket
from .errors import ApiError, Gone, LeaseLost, LockserverError, UnknownTicket

#: What is told when a lease is lost. To asyncio it may return something that can be awaited.
OnLost = Callable[[LeaseLost], object]

log = logging.getLogger("lockserver_client")

#: How often a holder without a lease asks whether it still holds.
LOOK_S = 60.0
#: How often a sleeper looks at the clock: timers stand still while the machine sleeps.
WAKE_S = 0.5
#: The shortest time that a renewal may take.
SHORTEST_S = 0.2
#: How long a release is tried; after a loss, or when nobody waits for it, only shortly.
RELEASE_S = 10.0
RELEASE_LOST_S = 2.0
#: A lease counts as lost this part of it, and no more than that many seconds, before it ends: so that the program has heard
#: of it before the server can give the permits away, even if this machine is busy.
MARGIN_PART, MARGIN_S = 1 / 16, 1.0


class Lease:
    """A held ticket, and until when it is surely held: counted from when the last answered renewal was *sent*."""

    def __init__(self, core: Core, sent: float, ticket: Ticket, keep_s: float | None = None) -> None:
        self.core, self.ticket = core, ticket
        #: What is asked for by its release, if all went well.
        self.keep_s = keep_s
        self.id = ticket.id or ""
        # One assignment each, so threads need no lock, and a forked child cannot inherit one that is taken.
        self._proof = (sent, ticket.ttl_s, _lasts(ticket))
        self._lost: LeaseLost | None = None
        #: What the server said to the last renewal, if it refused.
        self._refused = ""
        #: It is being released, and: it was, so it cannot be lost any more.
        self._ending = self._released = False
        self._due = self._next()
        self.attempts = 0

    @property
    def ttl_s(self) -> float | None:
        """The lease that was given."""
        return self._proof[1]

    def left(self) -> float | None:
        """Seconds for which it is surely held; `None` if the lease does not end."""
        sent, _, lasts = self._proof
        return None if lasts is None else max(0.0, sent + lasts - min(lasts * MARGIN_PART, MARGIN_S) - _clock.now())

    def _is_last(self) -> bool:
        """Renewing does not help any more. On the way a lease may have lost a little; the longest hold takes more of it."""
        _, ttl, lasts = self._proof
        return lasts is not None and (ttl is None or lasts < ttl * 7 / 8)

    @property
    def lost(self) -> LeaseLost | None:
        """Why it is lost, if it is. Once lost it stays lost."""
        if self._lost is None and not self._released and self.left() == 0:
            why = f"the server refused to renew it: {self._refused}" if self._refused else ""
            if self._is_last():
                why = "it was held for as long as it may be held"
            self.lose(LeaseLost(self.ticket.lock_names, self.ticket.token, why=why))
        return self._lost

    def lose(self, why: LeaseLost) -> LeaseLost:
        """It is lost; the first reason stays."""
        if self._lost is None:
            self._lost = why
        return self._lost

    def _next(self) -> float:
        sent, ttl, _ = self._proof
        return sent + (LOOK_S if ttl is None else ttl / 4)

    def is_due(self) -> bool:
        """Whether it is time for a renewal."""
        return _clock.now() >= self._due

    def sleep_s(self) -> float:
        """How long there is nothing to do, at most `WAKE_S`."""
        left = self.left()
        return max(0.0, min(self._due - _clock.now(), WAKE_S, WAKE_S if left is None else left))

    def renewal(self) -> Plan[LockserverError | None]:
        """One try to renew, all servers in turn; what it failed of."""
        # Each server has its part of a quarter of the lease, so that one that hangs does not use it up.
        self._due = float("inf")
        ttl, servers = self.ttl_s, len(self.core.servers)
        share = self.core.timeout_s if ttl is None else max(ttl / 4 / servers, SHORTEST_S)
        try:
            sent, ticket = yield from _calls.renew_once(self.core, self.id, share)
        except (Gone, UnknownTicket) as error:
            if not self._ending:
                self.lose(LeaseLost(self.ticket.lock_names, self.ticket.token, error.problem))
            return error
        except LockserverError as error:
            log.debug("a renewal of %r failed: %s", self.ticket.lock_names, error)
            self._refused = str(error) if isinstance(error, ApiError) else ""
            step = LOOK_S if ttl is None else ttl / 16
            self._due = _clock.now() + jitter(min(max(step, SHORTEST_S), LOOK_S / 12))
            return error
        self._refused = ""
        if self.lost is None and sent >= self._proof[0]:
            self._proof = (sent, ticket.ttl_s, _lasts(ticket))
        self._due = self._next()
        return None

    def release(self, keep_s: float | None = None, withhold: str | None = None) -> Plan[LeaseLost | None]:
        """Give it back; nobody is given it for another `keep_s`, or until it is restored if it is broken.

        What is returned or raised: it was lost; it could not be given back.
        """
        lost = self.lost
        if lost is not None and lost.problem is not None:
            return lost
        within = RELEASE_S if lost is None else RELEASE_LOST_S
        retry = Retry(rounds=self.core.retry.rounds if lost is None else 1, within_s=within)
        self._ending = True
        try:
            yield from _calls.release(
                self.core, self.id, retry, min(within, self.core.timeout_s), keep_s=keep_s, withhold=withhold
            )
        except (Gone, UnknownTicket) as error:
            return self.lose(LeaseLost(self.ticket.lock_names, self.ticket.token, error.problem))
        except LockserverError:
            if lost is None:
                raise
        else:
            self._released = True
        finally:
            self._ending = self._released
        return lost

    def release_quietly(self, within_s: float = RELEASE_LOST_S) -> Plan[None]:
        """Give it back, if that is quickly done."""
        until = _clock.now() + within_s
        try:
            yield from _calls.release(self.core, self.id, Retry(rounds=1), min(within_s, self.core.timeout_s), until)
        except LockserverError as error:
            log.debug("%r was not released and ends with its lease: %s", self.ticket.lock_names, error)


def _lasts(ticket: Ticket) -> float | None:
    """For how long it is held without another heartbeat: the lease, or what is left of the longest hold."""
    return min((one for one in (ticket.ttl_s, ticket.expires_in_s) if one is not None), default=None)


def warn_unreleased(lock: str, error: LockserverError) -> None:
    """Say that a release failed after the work was done: that alone is no reason to call it failed."""
    level = logging.ERROR if isinstance(error, ApiError) else logging.WARNING
    log.log(level, "%r was not released and ends with its lease: %s", lock, error)


class HeldTicket:
    """What both kinds of `Held` tell."""

    _lease: Lease
    #: The process that holds it.
    _pid: int

    @property
    def ticket(self) -> Ticket:
        """The ticket as it was when it was granted."""
        return self._lease.ticket

    @property
    def id(self) -> str:
        """The secret with which it is renewed and released."""
        return self._lease.id

    @property
    def locks(self) -> dict[str, Part]:
        """What is held of each lock, by their names."""
        return self.ticket.locks

    @property
    def lock(self) -> str:
        """The lock; of several their names, with commas between."""
        return self.ticket.lock_names

    @property
    def number(self) -> int:
        """The ticket's public number."""
        return self.ticket.number

    @property
    def permits(self) -> Permits:
        """How many permits. Of several locks, as what follows: `locks` has it of each."""
        return self._only().permits

    @property
    def token(self) -> int:
        """The fencing token: send it along with what you do to the resource."""
        return self.ticket.token or 0

    @property
    def slots(self) -> list[int]:
        """Which permits, from 0: the first 1,000; `slot_ranges` has all of them."""
        return self._only().slots

    @property
    def slot_ranges(self) -> str:
        """Which permits, all of them: `0-2,7`."""
        return self._only().slot_ranges

    @property
    def slot_names(self) -> list[str]:
        """Their names in the order of `slot_ranges`, if the lock's slots have names."""
        return self._only().slot_names

    def _only(self) -> Part:
        """Of one lock."""
        if len(self.locks) != 1:
            raise AttributeError(f"several locks are held: `locks` has permits and slots of each: {self.lock}")
        (part,) = self.locks.values()
        return part

    @property
    def ttl_s(self) -> float | None:
        """The lease; `None` if it does not end."""
        return self._lease.ttl_s

    @property
    def remaining_s(self) -> float | None:
        """Seconds for which it is surely held, without another renewal; `None` if the lease does not end."""
        return self._lease.left()

    @property
    def lost(self) -> LeaseLost | None:
        """Why the permits are not surely ours any more; `None` while they are."""
        if self._pid != os.getpid():
            return LeaseLost(self.lock, self.token, why="the parent process holds it, from before the fork")
        return self._lease.lost

    def check(self) -> None:
        """Raise `LeaseLost` if it is lost."""
        lost = self.lost
        if lost is not None:
            raise lost

    def __repr__(self) -> str:
        slots = "; ".join(part.slot_ranges for part in self.locks.values())
        return f"<{type(self).__name__} of {self.lock!r} number {self.number} slots {slots} token {self.token}>"
