"""Getting permits: one ticket, waited for in slices, and nothing left behind when it is given up."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Union

from . import _calls, _clock
from ._plan import Call, CleanUp, Pause, Plan, Trace
from ._send import ask, jitter, send
from ._settings import ONCE, Core, Retry
from ._types import Lock, Permits, Problem, Ticket
from .errors import (
    ApiError,
    Gone,
    LimitReached,
    LockserverError,
    NotLockserver,
    TimedOut,
    UnknownTicket,
    from_problem,
)

#: The lease that is asked for when nobody says.
DEFAULT_TTL_S = 60.0
#: How long one request waits on the server: below the idle limits of proxies and firewalls.
SLICE_S = 25.0
#: A request says how long it waits in milliseconds.
SHORTEST_WAIT_S = 0.001
#: An answer that comes sooner did not wait; asking again at once would be a storm.
TOO_SOON_S = 0.2
#: Pause in that case, and before a lost ticket is asked for anew.
PAUSE_S = 1.0
#: First and longest pause while the server has no room for another request that waits: a grant in it must be seen before its
#: grace is over (GRACE_TIME, 10 s by default).
NO_ROOM_FIRST_S, NO_ROOM_PAUSE_S = 0.5, 2.0
#: How much longer than `wait_s` servers are asked that do not answer.
SLACK_S = 5.0
#: How long we ask whether a lock is paused for which we have waited in vain.
LOOK_S = 1.0
#: How long a cancel is tried.
CANCEL_S = 3.0
#: Letters that are not seen, which Python takes for printable and the server refuses.
UNSEEN = "\u115f\u1160\u3164\uffa0"
#: A lock, or several with the permits of each.
Locks = Union[str, Mapping[str, Permits]]
#: The longest `info` by default; the server takes 4,096 bytes.
INFO_BYTES = 200


class Notes(Protocol):
    """Cleans up if we cannot do it: told before there may be a ticket, and when there is none any more."""

    def asks(self, request_id: str) -> None:
        """From now on there may be a ticket."""

    def made(self, ticket_id: str | None) -> None:
        """There is one, with this id."""

    def over(self) -> None:
        """There is nothing more to do."""


@dataclass(frozen=True)
class Wanted:
    """What to ask for. `wait_s` of `None` is for ever, 0 not at all."""

    lock: Locks
    permits: Permits = 1
    wait_s: float | None = None
    ttl_s: float | None = None
    info: str | None = None
    priority: int = 0
    max_hold_s: float | None = None
    supersede: str | None = None
    #: Asked for by the release, if all went well.
    keep_s: float | None = None
    #: Exactly the slots of these names, or slots that have all of these tags.
    slots: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Before anything is sent: what is no JSON would otherwise fail in the midst of it, and what says so would not help.
        if isinstance(self.lock, Mapping):
            if not self.lock:
                raise ValueError("name a lock, at least one")
            if self.permits != 1:
                raise TypeError("permits stand beside each of several locks: {'a': 1, 'b': 2}")
            # What somebody changes later was not asked for.
            object.__setattr__(self, "lock", dict(self.lock))
        for lock, permits in self.wanted().items():
            if not isinstance(lock, str):
                raise TypeError(f"the name of a lock is a str, not {type(lock).__name__}: {lock!r}")
            if not isinstance(permits, (int, str)):
                raise TypeError(f"permits are an int or a str, not {type(permits).__name__}: {permits!r}")
        for name in ("wait_s", "ttl_s", "max_hold_s", "keep_s"):
            seconds = getattr(self, name)
            if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float))):
                raise TypeError(f"{name} is a number of seconds, not {type(seconds).__name__}: {seconds!r}")
            if seconds is not None and not seconds >= 0:
                raise ValueError(f"{name} is a number of seconds from 0, not {seconds!r}")

    def wanted(self) -> Mapping[str, Permits]:
        """The locks, with the permits of each."""
        return self.lock if isinstance(self.lock, Mapping) else {self.lock: self.permits}

    def names(self) -> tuple[str, ...]:
        """The names of the locks."""
        return tuple(self.wanted())

    def path(self) -> str:
        """Where it is asked for."""
        names = self.names()
        return _calls.path(names[0], "/tickets") if len(names) == 1 else "/v1/tickets"

    def body(self, request_id: str) -> dict[str, object]:
        """The body of the request."""
        body: dict[str, object] = {
            "info": who() if self.info is None else self.info,
            "priority": self.priority,
            "request_id": request_id,
            "queue": self.wait_s is None or self.wait_s > 0,
        }
        for name, seconds in (("ttl_s", self.ttl_s), ("max_hold_s", self.max_hold_s)):
            if seconds is not None:
                body[name] = round(seconds, 3)
        wanted = self.wanted()
        if len(wanted) > 1:
            body["locks"] = dict(wanted)
        else:
            (permits,) = wanted.values()
            # One for each slot that is named, unless somebody says another number.
            if not self.slots or permits != 1:
                body["permits"] = permits
        if self.slots:
            body["slots"] = list(self.slots)
        if self.tags:
            body["tags"] = list(self.tags)
        if self.supersede is not None:
            body["supersede"] = self.supersede
        return body

    def left(self, begin: float) -> float | None:
        """What is left of the wait: nothing if that is less than a request can say, such as an error of rounding."""
        if self.wait_s is None:
            return None
        left = self.wait_s - (_clock.now() - begin)
        return left if left >= SHORTEST_WAIT_S else 0.0

    def until(self, begin: float) -> float | None:
        """When it is given up although no server answers."""
        return None if self.wait_s is None else begin + self.wait_s + SLACK_S


def who() -> str:
    """Host, process and script, for those who look who holds."""
    script = os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] not in ("", "-c", "-m") else "python"
    # A name of a file may have bytes that are no text.
    text = f"{socket.gethostname()} {script}[{os.getpid()}]".encode("utf-8", "replace")[:INFO_BYTES].decode("utf-8", "ignore")
    return "".join(letter if letter.isprintable() and letter not in UNSEEN else "?" for letter in text)


def cancel(core: Core, locks: tuple[str, ...], request_id: str, ticket_id: str | None, within_s: float = CANCEL_S) -> Plan[None]:
    """End the ticket of a request, also if that is still on its way.

    By its id where that is known: a key that may not use the lock any more can still give back what it was given.
    """
    until, retry = _clock.now() + within_s, Retry(within_s=within_s)
    if ticket_id is None:
        yield from _calls.cancel(core, locks, request_id, retry, until)
        return
    try:
        yield from _calls.release(core, ticket_id, retry, until=until)
    except (Gone, UnknownTicket):
        pass


def acquire(core: Core, wanted: Wanted, notes: Notes | None = None) -> Plan[tuple[float, Ticket]]:
    """A ticket that is held, with its id, and when the request was sent that surely shows it to be held."""
    begin = _clock.now()
    while True:
        attempt = _Attempt(core, wanted, begin, notes)
        if notes is not None:
            notes.asks(attempt.request_id)
        try:
            return (yield from attempt.run())
        except GeneratorExit:
            raise
        except LockserverError as error:
            left = wanted.left(begin)
            if attempt.had_a_place and _is_lost(error) and (left is None or left >= PAUSE_S):
                # The server forgot a ticket that we still want: it could not be reached for long, or lost its memory.
                yield Pause(jitter(PAUSE_S))
                continue
            if attempt.may_be_left(error):
                yield CleanUp(attempt.cancel())
            if notes is not None:
                notes.over()
            raise
        except BaseException:
            yield CleanUp(attempt.cancel())
            if notes is not None:
                notes.over()
            raise


class _Attempt:
    """One ticket that we try to get."""

    def __init__(self, core: Core, wanted: Wanted, begin: float, notes: Notes | None) -> None:
        self.core, self.wanted, self.begin, self.notes = core, wanted, begin, notes
        self.request_id = secrets.token_hex(16)
        self.ticket_id: str | None = None
        self.had_a_place = False
        self.trace, self.until = Trace(), wanted.until(begin)
        self.wait_ends = None if wanted.wait_s is None else begin + wanted.wait_s

    def run(self) -> Plan[tuple[float, Ticket]]:
        path, body = self.wanted.path(), self.wanted.body(self.request_id)
        sent, ticket = yield from ask(self.core, Call("POST", path, body=body, until=self.until), self.trace)
        self.ticket_id = ticket.id
        if self.notes is not None:
            self.notes.made(ticket.id)
        self.had_a_place, no_room = ticket.state == "held", NO_ROOM_FIRST_S
        while ticket.state != "held":
            if ticket.state == "ended":
                raise _ended(ticket)
            self.had_a_place = True
            left = self.wanted.left(self.begin)
            if left == 0:
                raise self.timed_out(ticket, (yield from self.paused()))
            wait = SLICE_S if left is None else min(left, SLICE_S)
            path = _calls.of_ticket(self.id_of(ticket))
            asked = _clock.now()
            try:
                call = Call("GET", path, waits_s=wait, wait_ends=self.wait_ends, until=self.until)
                sent, ticket = yield from ask(self.core, call)
            except LimitReached:
                # The server has no room for another request that waits. The place in the queue is ours all the same: we keep
                # it with a heartbeat, look, and try again later.
                lives = NO_ROOM_PAUSE_S if ticket.ttl_s is None else ticket.ttl_s / 4
                yield Pause(min(jitter(no_room), wait, lives))
                no_room = min(2 * no_room, NO_ROOM_PAUSE_S)
                yield from ask(self.core, _calls.renewal(self.id_of(ticket), until=self.until))
                sent, ticket = yield from ask(self.core, Call("GET", path, until=self.until))
                continue
            if ticket.state == "queued" and _clock.now() - asked < min(TOO_SOON_S, wait):
                yield Pause(min(jitter(PAUSE_S), wait))
        if ticket.ttl_s is not None and _clock.now() - sent > ticket.ttl_s / 8:
            # The grant came late in its request, so its lease may have begun long after that was sent: a renewal tells how
            # long it surely lasts.
            sent, ticket = yield from ask(self.core, _calls.renewal(self.id_of(ticket), until=self.until))
        self.id_of(ticket)
        return sent, ticket

    def cancel(self) -> Plan[None]:
        return cancel(self.core, self.wanted.names(), self.request_id, self.ticket_id)

    def may_be_left(self, error: LockserverError) -> bool:
        """Whether there may be a ticket: after a place, or a try that may have arrived, whatever is answered later."""
        if isinstance(error, (Gone, UnknownTicket)):
            return False
        if isinstance(error, ApiError) and error.status >= 500:
            return True
        return self.had_a_place or self.trace.unsure or isinstance(error, NotLockserver)

    def id_of(self, ticket: Ticket) -> str:
        if ticket.id is None:
            raise NotLockserver(", ".join(one.name for one in self.core.servers), "a ticket without its id")
        return ticket.id

    def paused(self) -> Plan[str]:
        """The locks that are paused, by whom and why, if we may look and are told soon."""
        until = _clock.now() + LOOK_S
        found: list[str] = []
        for name in self.wanted.names():
            call = Call("GET", _calls.path(name), retry=ONCE, timeout_s=min(self.core.timeout_s, LOOK_S), until=until)
            try:
                lock = (yield from send(self.core, call)).read(Lock)
            except LockserverError:
                continue
            if lock.paused:
                by = f" by {lock.paused_by}" if lock.paused_by else ""
                left = "" if lock.pause_ends_in_s is None else f" for another {lock.pause_ends_in_s:.0f} s"
                reason = f": {lock.pause_reason}" if lock.pause_reason else ""
                found.append(f"; {name!r} is paused{by}{left}{reason}")
        return "".join(found)

    def timed_out(self, ticket: Ticket, paused: str) -> TimedOut:
        waited = _clock.now() - self.begin
        names = ", ".join(self.wanted.names())
        place = f"{ticket.ahead} ahead in the queue" if ticket.ahead else "first in the queue"
        text = f"timed out after {waited:.1f} s waiting for {names!r}, {place}{paused}"
        return TimedOut(Problem("timed_out", 409, "timed out", text, retryable=True))


def _is_lost(error: LockserverError) -> bool:
    if isinstance(error, Gone):
        return error.ended_as in ("expired", "lost")
    return isinstance(error, UnknownTicket)


def _ended(ticket: Ticket) -> LockserverError:
    text = f"ticket {ticket.number} of {ticket.lock_names!r} has ended"
    if ticket.ended_by:
        text = f"{text}, ended by {ticket.ended_by}"
    if ticket.reason:
        text = f"{text}: {ticket.reason}"
    return from_problem(Problem("gone", 410, "gone", text, ended_as=ticket.ended_as))
