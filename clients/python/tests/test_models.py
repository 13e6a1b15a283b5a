"""The semaphore tests of kazoo (Python) and Curator (Java), as far as their subjects mean something here, written anew.

kazoo: basic, non-blocking, non-blocking release, holders, cancel, multiple acquire and release, handle session loss,
inconsistent max leases. Curator's InterProcessSemaphoreV2: simple, many, acquire, release, cancel while waiting, lost session,
timeout, interleaving, several permits at once, growing and shrinking.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Running, silence
from lockserver_client import Client, Held, LeaseLost, TimedOut, errors


def test_basic(server: Running, client: Client) -> None:
    """One takes it, another waits, gets it when the first leaves, with a higher token."""
    first = client.hold("DefaultLock")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(client.hold, "DefaultLock")
        server.wait_queued(1)
        assert not second.done()
        first.release()
        held = second.result(60)
    assert held.token > first.token
    held.release()


def test_non_blocking(server: Running, client: Client) -> None:
    a, b = client.try_hold("two"), client.try_hold("two")
    assert a is not None
    assert b is not None
    assert client.try_hold("two") is None
    a.release()
    c = client.try_hold("two")
    assert c is not None
    assert c.slots == a.slots
    for one in (b, c):
        one.release()
    assert server.idle("two")


def test_non_blocking_release(server: Running, client: Client) -> None:
    """A failed try leaves nothing that a release could take away from the holder."""
    held = client.hold("DefaultLock")
    assert client.try_hold("DefaultLock") is None
    assert server.holding() == 1
    held.release()
    held.release()
    assert server.idle()


def test_holders(server: Running, client: Client) -> None:
    assert client.lock("five").holders == []
    names = ["one", "two", "three"]
    held = [client.hold("five", info=name) for name in names]
    assert [ticket.info for ticket in client.lock("five").holders] == names
    for one in held:
        one.release()
    assert client.lock("five").holders == []


def test_cancel(server: Running, client: Client) -> None:
    """A waiter is taken out of the queue by somebody else, and hears it; the next one gets the permit."""
    first = client.hold("DefaultLock")
    with ThreadPoolExecutor(2) as pool:
        second = pool.submit(client.hold, "DefaultLock", info="second")
        server.wait_queued(1)
        third = pool.submit(client.hold, "DefaultLock", info="third")
        server.wait_queued(2)
        server.admin.revoke("DefaultLock", client.lock("DefaultLock").queue[0].number, "not today")
        with pytest.raises(errors.Gone, match="not today"):
            second.result(60)
        first.release()
        third.result(60).release()


def test_many_acquire_and_release(server: Running, client: Client) -> None:
    """Thirty threads, five times each, through a lock of five."""
    guard, first_five = threading.Lock(), threading.Barrier(5)
    inside = most = entered = 0

    def work(_: int) -> int:
        nonlocal inside, most, entered
        for _again in range(5):
            with client.hold("five"):
                with guard:
                    inside += 1
                    entered += 1
                    most, is_first = max(most, inside), entered <= 5
                if is_first:
                    first_five.wait(60)
                with guard:
                    inside -= 1
        return 5

    with ThreadPoolExecutor(30) as pool:
        assert sum(pool.map(work, range(30))) == 150
    assert most == 5
    assert server.idle("five")


def test_lost_session(server: Running, client: Client) -> None:
    """A client that loses its session is out and hears it, and the next one is in."""
    first = client.hold("DefaultLock", ttl_s=1)
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(client.hold, "DefaultLock", ttl_s=60)
        server.wait_queued(1)
        silence(first)
        held = second.result(60)
    assert first.lost is not None
    with pytest.raises(LeaseLost):
        first.release()
    # The late release took nothing from the second.
    assert client.verify("DefaultLock", held.token)
    assert not client.verify("DefaultLock", first.token)
    held.release()


def test_timeout(server: Running, client: Client) -> None:
    held = client.hold("DefaultLock")
    begin = time.monotonic()
    with pytest.raises(TimedOut):
        client.hold("DefaultLock", wait_s=1)
    assert 1 <= time.monotonic() - begin < 60
    assert server.queued() == 0
    held.release()
    client.hold("DefaultLock", wait_s=1).release()


def test_several_permits_at_once(server: Running, client: Client) -> None:
    """A big request is not starved by small ones that come after it."""
    small = client.hold("five", 2)
    order: list[str] = []

    def take(name: str, permits: int) -> None:
        with client.hold("five", permits, info=name):
            order.append(name)

    with ThreadPoolExecutor(2) as pool:
        big = pool.submit(take, "big", 5)
        server.wait_queued(1, "five")
        little = pool.submit(take, "little", 1)
        server.wait_queued(2, "five")
        assert client.try_hold("five", 1) is None
        small.release()
        big.result(60)
        little.result(60)
    assert order == ["big", "little"]


def test_growing_and_shrinking(server: Running, client: Client) -> None:
    """A size that changes while clients hold and wait."""
    held: list[Held] = [client.hold("two"), client.hold("two")]
    with ThreadPoolExecutor(1) as pool:
        third = pool.submit(client.hold, "two")
        server.wait_queued(1, "two")
        server.admin.change("two", {"size": 3})
        held.append(third.result(60))
    server.admin.change("two", {"size": 1})
    assert all(one.lost is None for one in held)
    held.pop().release()
    held.pop().release()
    assert client.try_hold("two") is None
    held.pop().release()
    client.hold("two", wait_s=0).release()


def test_chosen_one_disappears(server: Running, client: Client) -> None:
    """The next in line gives up in the moment of its turn: the permit is not lost, whichever was first."""
    for _ in range(10):
        first = client.hold("DefaultLock")
        with ThreadPoolExecutor(3) as pool:
            impatient = pool.submit(client.hold, "DefaultLock", info="impatient")
            server.wait_queued(1)
            patient = pool.submit(client.hold, "DefaultLock", wait_s=60)
            server.wait_queued(2)
            number = server.admin.lock("DefaultLock").queue[0].number
            both = threading.Barrier(2)

            def give_up(number: int = number, both: threading.Barrier = both) -> None:
                both.wait(60)
                with contextlib.suppress(errors.UnknownTicket, errors.Gone):
                    server.admin.revoke("DefaultLock", number)

            gave_up = pool.submit(give_up)
            both.wait(60)
            first.release()
            gave_up.result(60)
            with contextlib.suppress(errors.Gone, LeaseLost):
                impatient.result(60).release()
            patient.result(60).release()
    assert server.idle()
