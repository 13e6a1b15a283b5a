"""kill -9 in the middle of everything: no holder lost, no waiter lost, order kept, never more than size."""

import json
import random
import select
import socket
import threading
import time

import pytest

from harness import judge
from harness.wait import until
from harness.wire import NAME, Closed, Connection, get

ROUNDS = 15
SIZE = 3
CLIENTS = 12


def test_a_client_that_a_kill_cuts_off_is_refused_at_once(make_server):
    """A client that connects again within microseconds finds no socket that a dying process has yet to close."""
    server = make_server()
    for _ in range(5):
        server.start()
        connections = [socket.create_connection(server.at, 10) for _ in range(300)]
        for one in connections:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(4096)
        poll = select.poll()
        for one in connections:
            poll.register(one, select.POLLIN | select.POLLRDHUP)
        server.process.kill()
        assert poll.poll(10_000), "somebody is cut off"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.at, 10).close()
        server.process.wait()
        for one in connections:
            one.close()


def test_seven_holders_and_fifty_waiters(make_server, connect, report):
    server = make_server({"DEFAULT_LOCK_SIZE": 7}).start()
    asker = connect(server)
    holders = [asker.take(f"holder {i}") for i in range(7)]
    queued = [asker.query(f"waiter {i}") for i in range(50)]
    before = [connect(server).wait(ticket) for ticket in queued[:25]]

    spent = server.restart()
    report(f"from the start of the process to its ready line, with 57 tickets: {spent * 1000:.0f} ms")
    for lost in before:
        with pytest.raises((Closed, ConnectionResetError)):
            lost.answer()

    asker = connect(server)
    assert [asker.get(ticket) for ticket in holders] == [True] * 7
    waiters = [connect(server).wait(ticket) for ticket in queued]
    # Half of them had not been heard of: they keep their places, and are dormant until they call.
    until(lambda: not any(ticket["dormant"] for ticket in queue(server)), 10, "all have called again")
    for place, waiter in enumerate(waiters):
        assert not any(later.ready() for later in waiters[place:]), f"more than 7 hold, at place {place}"
        assert asker.release(holders.pop(0)) is True
        assert waiter.answer() == [True, True]
        holders.append(queued[place])
    assert [asker.get(ticket) for ticket in holders] == [True] * 7
    assert [asker.release(ticket) for ticket in holders] == [True] * 7


def queue(server):
    return json.loads(get(server.at, "/v1/locks/DefaultLock").body)["queue"]


class Client(threading.Thread):
    """Asks, waits, works and releases until told to stop; calls again when the server was killed under a call."""

    def __init__(self, server, number, stopping, acknowledged):
        super().__init__(daemon=True)
        self.server, self.number, self.stopping, self.acknowledged = server, number, stopping, acknowledged
        self.random = random.Random(number)
        self.jobs, self.error, self.connection, self.doing = [], None, None, "nothing"

    def run(self):
        try:
            while not self.stopping.is_set():
                self.one_job()
        except Exception as error:  # told to the test, which fails with it
            self.error = f"client {self.number} while it {self.doing}: {error!r}"

    def call(self, method, *params):
        """Call until there is an answer: a killed server refuses connections, or closes them."""
        deadline = time.monotonic() + 60
        while True:
            try:
                if self.connection is None:
                    self.connection = Connection(self.server.at, timeout=30)
                asked = time.monotonic()
                return asked, self.connection.call(method, NAME, *params)
            except (OSError, Closed):
                if self.connection:
                    self.connection.close()
                self.connection = None
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)

    def one_job(self):
        self.doing = "asked"
        asked, (done, ticket) = self.call("query_lock", f"client {self.number}")
        assert done is True, ticket
        queried = time.monotonic()
        self.acknowledged.release()
        self.doing = f"waited with {ticket}"
        deadline = queried + 90
        while self.call("get_lock", ticket)[1] != [True, True]:
            assert time.monotonic() < deadline, "a ticket that was acknowledged was never granted"
        got = time.monotonic()
        self.doing = f"held {ticket}"
        for _ in range(self.random.randrange(1, 4)):
            time.sleep(self.random.uniform(0.002, 0.02))  # the work
            assert self.call("get_lock", ticket)[1] == [True, True], "a permit that was acknowledged is gone"
        left = time.monotonic()
        self.doing = f"released {ticket}"
        answer = self.call("release_lock", ticket)[1]
        # False: an earlier try was done and its answer lost.
        assert answer in ([True, True], [True, False]), answer
        self.jobs.append(judge.Job(ticket[:8], asked, queried, got, left))


@pytest.mark.timeout(400)
def test_killed_again_and_again_under_load(make_server, report):
    config = {"DEFAULT_LOCK_SIZE": SIZE, "DEFAULT_LOCK_GRACE_TIME": 5, "LONG_POLL": 5, "LOGLEVEL": "info"}
    server = make_server(config).start()
    stopping, acknowledged = threading.Event(), threading.Semaphore(0)
    clients = [Client(server, number, stopping, acknowledged) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    rng, kills = random.Random(2), []
    for _ in range(ROUNDS):
        # A round lasts some jobs; when a ticket whose answer was lost is in the way, some seconds.
        deadline = time.monotonic() + 5
        for _ in range(rng.randrange(5, 40)):
            acknowledged.acquire(timeout=max(0, deadline - time.monotonic()))
        killed = time.monotonic()
        server.restart()
        kills.append((killed, time.monotonic()))
    stopping.set()
    deadline = time.monotonic() + 120
    for client in clients:
        client.join(max(0, deadline - time.monotonic()))
    failed = [client for client in clients if client.error or client.is_alive()]
    errors = [client.error or f"client {client.number} still {client.doing}" for client in failed]
    assert not errors, "\n".join(errors)
    jobs = [job for client in clients for job in client.jobs]
    report(f"{ROUNDS} times kill -9 under load: {len(jobs)} jobs of {CLIENTS} clients through a lock of {SIZE}")
    assert len(jobs) > 5 * ROUNDS
    judge.check(jobs, SIZE, kills)
