"""What nobody holds on to any more is given back, whatever interrupted whom.

Ctrl-C is an exception that may come between any two steps of the main thread, so no `try` is sure to be entered in time. A
`Claim` is there before its ticket is asked for, and only those frames and objects keep it that have a use for the ticket. When
it is dropped, a word falls into a queue (done in C, in one step), and a thread that no signal interrupts gives the ticket back.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref

from . import _acquire, _clock
from ._lease import Lease, log
from ._sync import Runner

#: How long the end of the program waits for all that is given back then.
AT_EXIT_S = 2.0
#: Words for the thread that renews.
STOP, ABANDONED, ANSWERED = "stop", "abandoned", "answered"


class Record:
    """What there is to give back: a request that may have a ticket, and then its lease and the thread that renews it."""

    def __init__(self, runner: Runner, locks: tuple[str, ...]) -> None:
        self.runner, self.locks, self.pid = runner, locks, os.getpid()
        self.request_id: str | None = None
        self.ticket_id: str | None = None
        self.lease: Lease | None = None
        self.keeper: threading.Thread | None = None
        self.mail: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.told = threading.Event()
        self.ref: weakref.ref[Claim] | None = None

    @property
    def done(self) -> bool:
        """There is nothing to give back."""
        return self.request_id is None

    def asks(self, request_id: str) -> None:
        """From now on there may be a ticket."""
        self.ticket_id = None
        self.request_id = request_id

    def made(self, ticket_id: str | None) -> None:
        """There is one, with this id."""
        self.ticket_id = ticket_id

    def over(self) -> None:
        """It was given back, or there is nothing more that could be done."""
        self.request_id = None
        if self.ref is not None:
            _records.pop(self.ref, None)

    def pass_to_keeper(self) -> bool:
        """Leave it to the thread that renews, if that is at work."""
        if self.keeper is None or not self.keeper.is_alive():
            self.mail.put(STOP)
            return False
        self.mail.put(ABANDONED)
        # It says so before it looks into its mail for the last time. If both of us give back, the second does nothing.
        return self.keeper is not None

    def give_back(self, within_s: float = AT_EXIT_S) -> None:
        """Release or cancel, as far as that is quickly done."""
        lease, request_id = self.lease, self.request_id
        if request_id is None:
            return
        try:
            if lease is not None:
                self.runner.run(lease.release_quietly(within_s))
            else:
                self.runner.run(_acquire.cancel(self.runner.core, self.locks, request_id, self.ticket_id, within_s))
        except Exception as error:
            log.debug("%r was not given back and ends with its lease: %s", ", ".join(self.locks), error)
        self.over()


class Claim:
    """Shows that its owner still uses the ticket."""

    __slots__ = ("__weakref__", "_janitor", "record")

    def __init__(self, janitor: _Janitor, record: Record) -> None:
        self.record, self._janitor = record, janitor
        record.ref = weakref.ref(self, janitor.words.put)
        _records[record.ref] = record

    def abandon(self) -> None:
        """Have it given back by another thread."""
        self._janitor.words.put(self.record)


#: All that there is to give back.
_records: dict[weakref.ref[Claim], Record] = {}


class _Janitor:
    """The thread that gives back."""

    def __init__(self) -> None:
        self.words: queue.SimpleQueue[weakref.ref[Claim] | Record | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="lockserver janitor", daemon=True).start()

    def _work(self) -> None:
        while True:
            word = self.words.get()
            if word is None:
                return
            try:
                record = word if isinstance(word, Record) else _records.get(word)
            except TypeError:  # interrupted before it was written down: nothing had been asked for, and the dead have no hash
                continue
            if record is None or record.done or record.pass_to_keeper():
                continue
            try:
                threading.Thread(target=record.give_back, name="lockserver clean-up", daemon=True).start()
            except RuntimeError:  # the interpreter is being shut down, or there are too many threads
                record.give_back()


#: That of this process, by its id: a forked child has none of the threads of its parent.
_janitors: dict[int, _Janitor] = {}


def _the_janitor() -> _Janitor:
    """The one of this process. No lock: a child could inherit it taken, and Ctrl-C may come at any step."""
    pid = os.getpid()
    janitor = _janitors.get(pid)
    if janitor is None:
        made = _Janitor()
        janitor = _janitors.setdefault(pid, made)
        if janitor is not made:
            # Another thread was quicker.
            made.words.put(None)
    return janitor


def claim(runner: Runner, locks: tuple[str, ...]) -> Claim:
    """Before a ticket is asked for."""
    return Claim(_the_janitor(), Record(runner, locks))


@atexit.register
def _at_exit() -> None:
    """What is held or waited for when the interpreter ends is given back, all of it within one time."""
    until = _clock.now() + AT_EXIT_S
    records = [record for record in list(_records.values()) if record.pid == os.getpid() and not record.done]
    kept = [record for record in records if record.pass_to_keeper()]
    for record in records:
        left = until - _clock.now()
        if record not in kept and left > 0:
            record.give_back(left)
    for record in kept:
        record.told.wait(max(0.0, until - _clock.now()))
