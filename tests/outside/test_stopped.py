"""A process that stood still (SIGSTOP, a suspended machine) forgets nobody who was alive all the while."""

import os
import signal
import threading
import time

import pytest

from harness.wait import until
from harness.wire import Connection, statistics

STOP_SECONDS = float(os.environ.get("LOCKSERVER_STOP_SECONDS", 8))


class Client(threading.Thread):
    """Polls get_lock until it has its permit, then renews twice a second until it shall leave."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.connection = Connection(server.at, timeout=STOP_SECONDS + 60)
        self.ticket = self.connection.query(name)
        self.renewals, self.lost = 0, False
        self.leaving, self.granted = threading.Event(), threading.Event()
        self.start()

    def run(self):
        while not self.connection.get(self.ticket):
            pass  # LONG_POLL is over, asked again at once
        self.granted.set()
        while not self.leaving.wait(0.5):
            if self.connection.get(self.ticket) is not True:
                self.lost = True
                return
            self.renewals += 1

    def leave(self):
        self.leaving.set()
        self.join(30)
        assert not self.lost and self.connection.release(self.ticket)


@pytest.mark.timeout(STOP_SECONDS + 120)
def test_nobody_alive_is_lost(make_server):
    short = {"DEFAULT_LOCK_MAX_LOCK_TIME": 5, "DEFAULT_LOCK_EXPIRATION_TIME": 5, "DEFAULT_LOCK_GRACE_TIME": 5}
    server = make_server({"DEFAULT_LOCK_SIZE": 2, **short}).start()
    holders = [Client(server, f"holder {i}") for i in range(2)]
    waiters = [Client(server, f"waiter {i}") for i in range(5)]
    until(lambda: all(holder.renewals >= 2 for holder in holders), 10, "renewals before the stop")

    server.signal(signal.SIGSTOP)
    time.sleep(STOP_SECONDS)  # the machine is suspended
    server.signal(signal.SIGCONT)

    # Longer than any lease, so that what was wrongly cut short shows.
    before = [holder.renewals for holder in holders]
    until(lambda: any(holder.lost for holder in holders) or
          all(holder.renewals >= count + 14 for holder, count in zip(holders, before)), 40, "renewals after the stop")
    assert not any(holder.lost for holder in holders)
    assert not any(waiter.granted.is_set() for waiter in waiters), "more than 2 hold"
    seen = statistics(server.at)
    assert (seen["Locks expired"], seen["Locks forgotten"]) == (0, 0)

    holders[0].leave()
    for place, waiter in enumerate(waiters):
        assert waiter.granted.wait(10)
        assert not any(later.granted.is_set() for later in waiters[place + 1:])
        waiter.leave()
    holders[1].leave()
