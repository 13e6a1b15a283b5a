"""Holding, with threads: what is taken, what is refused, what is left behind."""

from __future__ import annotations

import threading
import time

import pytest

from conftest import MakeServer, Running, wait_until
from lockserver_client import Client, TimedOut, errors


def test_takes_and_gives_back(server: Running, client: Client) -> None:
    with client.hold("DefaultLock", info="nightly") as held:
        assert held.lock == "DefaultLock"
        assert held.token > 0
        assert held.slots == [0]
        assert held.lost is None
        assert held.ttl_s == 60
        remaining = held.remaining_s
        assert remaining is not None
        assert 30 < remaining < 60
        assert client.verify("DefaultLock", held.token)
        holder = client.lock("DefaultLock").holders[0]
        assert (holder.number, holder.info, holder.state, holder.id) == (held.number, "nightly", "held", None)
        assert held.id not in repr(held)
        assert held.id not in repr(held.ticket)
    assert server.idle()
    assert not client.verify("DefaultLock", held.token)
    held.release()


def test_info_says_who_by_default(client: Client) -> None:
    with client.hold("DefaultLock"):
        assert "[" in client.lock("DefaultLock").holders[0].info
    with client.hold("DefaultLock", info=""):
        assert client.lock("DefaultLock").holders[0].info == ""


def test_an_error_inside_gives_back_too(server: Running, client: Client) -> None:
    with pytest.raises(ZeroDivisionError), client.hold("DefaultLock"):
        raise ZeroDivisionError
    assert server.idle()


def test_busy_and_timed_out_leave_nothing(server: Running, client: Client) -> None:
    with client.hold("DefaultLock"):
        with pytest.raises(errors.Busy) as busy:
            client.hold("DefaultLock", wait_s=0)
        assert busy.value.status == 409
        assert busy.value.retryable
        assert client.try_hold("DefaultLock") is None
        begin = time.monotonic()
        with pytest.raises(TimedOut, match="timed out after") as timed_out:
            client.hold("DefaultLock", wait_s=0.5)
        assert isinstance(timed_out.value, TimeoutError)
        assert time.monotonic() - begin >= 0.5
        assert server.queued() == 0
    held = client.try_hold("DefaultLock")
    assert held is not None
    held.release()


def test_a_wait_for_a_paused_lock_says_so(server: Running, client: Client) -> None:
    server.admin.change("two", {"paused": True, "reason": "firmware"})
    try:
        by = client.lock("two").paused_by
        assert by
        with pytest.raises(TimedOut, match=f"in the queue; 'two' is paused by {by}: firmware$"):
            client.hold("two", wait_s=0.2)
        with pytest.raises(TimedOut, match=f"in the queue; 'two' is paused by {by}: firmware$"):
            client.hold({"two": 1, "DefaultLock": 1}, wait_s=0.2)
    finally:
        server.admin.change("two", {"paused": False})


def test_waits_for_its_turn(server: Running, client: Client) -> None:
    first = client.hold("DefaultLock")
    got: list[int] = []

    def second() -> None:
        with client.hold("DefaultLock") as held:
            got.append(held.token)

    thread = threading.Thread(target=second)
    thread.start()
    server.wait_queued(1)
    assert not got
    first.release()
    thread.join(60)
    assert got
    assert got[0] > first.token


def test_permits_all_slots_and_priority(server: Running, client: Client) -> None:
    with client.hold("five", permits=3) as three, client.hold("five", 2) as two:
        assert three.slots == [0, 1, 2]
        assert three.slot_ranges == "0-2"
        assert two.slots == [3, 4]
        assert client.try_hold("five") is None
    with client.hold("five", permits="all") as everything:
        assert everything.permits == "all"
        assert client.try_hold("five") is None
    with client.hold("ports") as port:
        assert port.slot_names == ["port-a"]
    order: list[str] = []
    first = client.hold("DefaultLock")

    def wait(name: str, priority: int) -> None:
        with client.hold("DefaultLock", priority=priority):
            order.append(name)

    threads = []
    for place, (name, priority) in enumerate((("low", -5), ("normal", 0), ("high", 5)), 1):
        threads.append(threading.Thread(target=wait, args=(name, priority)))
        threads[-1].start()
        server.wait_queued(place)
    first.release()
    for thread in threads:
        thread.join(60)
    assert order == ["high", "normal", "low"]


def test_what_can_never_be(client: Client) -> None:
    with pytest.raises(errors.UnknownLock):
        client.hold("nope")
    with pytest.raises(errors.TooManyPermits):
        client.hold("two", permits=3)
    with pytest.raises(errors.Invalid):
        client.hold("two", permits=0)
    with pytest.raises(errors.Invalid):
        client.hold("two", ttl_s=0.1)


def test_names_that_need_encoding(server: Running, client: Client) -> None:
    for name in ("a b", "ü", "a;b#", "x+y", "a&b=c", "dots..in"):
        server.admin.create(name, {"size": 1})
        with client.hold(name) as held:
            assert held.lock == name
            assert client.lock(name).holding == 1


def test_renews_itself(server: Running, client: Client) -> None:
    with client.hold("DefaultLock", ttl_s=2) as held:
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() - begin > 5, "more than two leases")
        assert held.lost is None
        assert server.holding() == 1
        held.check()
        assert held.wait_lost(0.1) is None


def test_a_lock_that_has_no_lease(make_server: MakeServer) -> None:
    server = make_server(sections="[lock patient]\nSIZE=1\nMAX_LOCK_TIME=0\n")
    with Client(server.url).hold("patient", ttl_s=None) as held:
        assert held.ttl_s is None
        assert held.remaining_s is None
        assert held.lost is None


def test_limited(server: Running, client: Client) -> None:
    inside, most, guard = 0, 0, threading.Lock()

    @client.limited("two", wait_s=60)
    def work(number: int, *, factor: int = 1) -> int:
        """What it does."""
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        wait_until(lambda: True, "nothing")
        with guard:
            inside -= 1
        return number * factor

    assert work.__doc__ == "What it does."
    results: list[int] = []
    threads = [threading.Thread(target=lambda one=one: results.append(work(one, factor=2))) for one in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == [2 * one for one in range(12)]
    assert 1 <= most <= 2
    assert server.idle("two")

    async def coroutine() -> None:
        pass

    with pytest.raises(TypeError, match="AsyncClient"):
        client.limited("two")(coroutine)


def test_tickets_by_their_id(client: Client) -> None:
    held = client.hold("DefaultLock", ttl_s=30)
    assert client.ticket(held.id).state == "held"
    assert client.renew(held.id, 90).ttl_s == 90
    assert [one.number for one in client.my_tickets()] == [held.number]
    client.release(held.id)
    client.release(held.id)
    with pytest.raises(errors.Gone) as gone:
        client.renew(held.id)
    assert gone.value.ended_as == "released"
    with pytest.raises(errors.UnknownTicket):
        client.ticket("6828d194-146e-4fd0-89ae-e65baab506fd")
    # Its owner ended it, so its end here is no loss.
    held.release()


def test_several_addresses(server: Running) -> None:
    client = Client(["http://127.0.0.1:1", server.url])
    with client.hold("DefaultLock", ttl_s=2) as held:
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() - begin > 3, "more than a lease")
        assert held.lost is None
    assert server.idle()
