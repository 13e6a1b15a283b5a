"""A lease that is lost: its holder learns it before the server could give the permits to somebody else."""

from __future__ import annotations

import signal
import threading

import pytest

from conftest import MakeServer, Running, silence, wait_until
from lockserver_client import Client, LeaseLost, _clock, errors

TTL_S = 2.0


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_a_server_that_is_silent_for_longer_than_the_lease(server: Running, client: Client, how: str) -> None:
    told: list[tuple[float, LeaseLost]] = []
    held = client.hold("DefaultLock", ttl_s=TTL_S, on_lost=lambda lost: told.append((_clock.now(), lost)))
    begin = _clock.now()
    wait_until(lambda: _clock.now() - begin > TTL_S, "a lease of renewals")
    assert held.lost is None
    silent = _clock.now()
    if how == "stopped":
        server.signal(signal.SIGSTOP)
    else:
        server.kill()
    lost = held.wait_lost(60)
    seen = _clock.now()
    assert lost is not None
    assert lost.problem is None
    assert held.lost is lost
    wait_until(lambda: told, "the callback")
    # No renewal that was answered can have been sent after the server fell silent, so its lease ends after this at the earliest,
    # if a server with no pause had gone on counting.
    assert told[0][0] < silent + TTL_S
    assert seen < silent + TTL_S
    assert told[0][1] is lost
    with pytest.raises(LeaseLost):
        held.check()
    if how == "stopped":
        server.signal(signal.SIGCONT)
    else:
        server.start()
    # It stays lost, also if the server kept the ticket, and that is given back.
    with pytest.raises(LeaseLost, match="no renewal was answered"):
        held.release()
    wait_until(server.idle, "nothing held")


def test_it_is_heard_of_before_the_server_ends_it(server: Running, client: Client) -> None:
    """The server goes on after the stop and ends the lease by itself: that event must come after the loss was told."""
    told: list[float] = []
    ended: list[float] = []
    with client.events("DefaultLock", client.locks().as_of) as events:

        def follow() -> None:
            for event in events:
                if event.kind == "ended":
                    assert event.ended_as == "lost"
                    ended.append(_clock.now())
                    return

        # One that never renews, beside one that cannot be told: the callback stops nothing here.
        held = client.hold("DefaultLock", ttl_s=TTL_S, on_lost=lambda _: told.append(_clock.now()))
        silence(held)
        reader = threading.Thread(target=follow, daemon=True)
        reader.start()
        reader.join(60)
    assert told
    assert ended
    assert told[0] < ended[0]
    with pytest.raises(LeaseLost):
        held.release()


def test_short_outages_are_no_loss(server: Running, client: Client) -> None:
    with client.hold("DefaultLock", ttl_s=20, on_lost=lambda lost: pytest.fail(str(lost))) as held:
        held._lease._due = 0.0
        server.kill()
        wait_until(lambda: held._lease._due not in (0.0, float("inf")), "a renewal that failed")
        server.start()
        before = held._lease._proof
        wait_until(lambda: held._lease._proof > before, "a renewal")
        assert held.lost is None
        assert server.holding() == 1
    assert server.idle()


def test_killed_and_started_again_while_waiting(server: Running, client: Client) -> None:
    first = client.hold("DefaultLock", ttl_s=60)
    tokens: list[int] = []

    def wait() -> None:
        with client.hold("DefaultLock") as held:
            tokens.append(held.token)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for place, thread in enumerate(threads, 1):
        thread.start()
        server.wait_queued(place)
    numbers = [ticket.number for ticket in server.admin.lock("DefaultLock").queue]
    for _ in range(2):
        server.kill()
        server.start()
        # The same tickets in the same places.
        assert [ticket.number for ticket in server.admin.lock("DefaultLock").queue] == numbers
        server.wait_queued(5)
    first.release()
    for thread in threads:
        thread.join(60)
    assert len(tokens) == 5
    assert tokens == sorted(tokens)
    assert server.idle()


def test_a_server_that_forgot_who_waits(make_server: MakeServer) -> None:
    server = make_server()
    server.process.store = "memory"
    server.kill()
    server.start()
    client = Client(server.url)
    holder = client.hold("DefaultLock")
    got = threading.Event()

    def wait() -> None:
        with client.hold("DefaultLock"):
            got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    server.wait_queued(1)
    server.kill()
    server.start()
    # The waiter asks anew; nobody remembers the holder.
    assert got.wait(60)
    thread.join(60)
    with pytest.raises(LeaseLost):
        holder.release()


def test_a_server_that_forgot_who_holds(make_server: MakeServer) -> None:
    server = make_server()
    server.process.store = "memory"
    server.kill()
    server.start()
    held = Client(server.url).hold("DefaultLock", ttl_s=2)
    server.kill()
    server.start()
    lost = held.wait_lost(60)
    assert lost is not None
    with pytest.raises(LeaseLost):
        held.release()


def test_raised_at_the_end_of_with(server: Running, client: Client) -> None:
    with pytest.raises(LeaseLost, match="revoked") as lost, client.hold("DefaultLock") as held:
        server.admin.revoke("DefaultLock", held.number, "by hand")
    assert lost.value.problem is not None
    assert lost.value.token == held.token
    # What went wrong inside is what counts.
    with pytest.raises(ZeroDivisionError), client.hold("DefaultLock") as held:
        server.admin.revoke("DefaultLock", held.number)
        raise ZeroDivisionError
    with pytest.raises(LeaseLost), client.hold("DefaultLock", ttl_s=2, max_hold_s=1) as held:
        assert held.wait_lost(60) is not None


def test_a_release_that_cannot_be_told(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    from lockserver_client import Retry

    client = Client(server.url, retry=Retry(rounds=1))
    with client.hold("DefaultLock"):
        server.kill()
    # The work was done while it was held: only a warning.
    assert "was not released and ends with its lease" in caplog.text
    server.start()
    server.admin.revoke("DefaultLock", server.admin.lock("DefaultLock").holders[0].number)
    held = client.hold("DefaultLock")
    server.kill()
    with pytest.raises(errors.Unreachable):
        held.release()
    server.start()


def test_a_callback_that_fails(server: Running, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    def bad(lost: LeaseLost) -> None:
        raise RuntimeError("what the callback did")

    held = client.hold("DefaultLock", ttl_s=1, on_lost=bad)
    server.admin.revoke("DefaultLock", held.number)
    assert held.wait_lost(60) is not None
    wait_until(lambda: "what the callback did" in caplog.text, "the log")


def test_wait_lost_returns_when_it_is_released(client: Client) -> None:
    held = client.hold("DefaultLock")
    waited = threading.Thread(target=held.wait_lost)
    waited.start()
    held.release()
    waited.join(60)
    assert not waited.is_alive()
    assert held.wait_lost() is None


def test_released_is_not_lost(server: Running, client: Client) -> None:
    held = client.hold("DefaultLock", ttl_s=1)
    held.release()
    begin = _clock.now()
    wait_until(lambda: _clock.now() - begin > 1.2, "the end of what was its lease")
    assert held.lost is None
    held.check()


def test_dropped_while_its_callback_runs(server: Running, client: Client) -> None:
    """Nothing is left of it in the list of what is to be given back."""
    from lockserver_client import _janitor

    called, go_on = threading.Event(), threading.Event()

    def callback(_: LeaseLost) -> None:
        called.set()
        go_on.wait(60)

    before = set(_janitor._records)
    held = client.hold("DefaultLock", ttl_s=4, on_lost=callback)
    (ref,) = set(_janitor._records) - before
    server.admin.revoke("DefaultLock", held.number)
    assert called.wait(60)
    record = _janitor._records[ref]
    with pytest.warns(ResourceWarning, match="never released"):
        del held
    wait_until(lambda: not record.mail.empty(), "the word of the janitor")
    go_on.set()
    wait_until(lambda: ref not in _janitor._records, "no record")


def test_one_janitor_for_all_threads() -> None:
    from lockserver_client import _janitor

    kept = dict(_janitor._janitors)
    _janitor._janitors.clear()
    try:
        barrier, found = threading.Barrier(20), list[object]()

        def first() -> None:
            barrier.wait(60)
            found.append(_janitor._the_janitor())

        before = _janitors_at_work()
        threads = [threading.Thread(target=first) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) == 20
        assert len(set(found)) == 1
        wait_until(lambda: _janitors_at_work() == before + 1, "one more thread")
    finally:
        for janitor in _janitor._janitors.values():
            janitor.words.put(None)
        _janitor._janitors.clear()
        _janitor._janitors.update(kept)


def _janitors_at_work() -> int:
    return sum(thread.name == "lockserver janitor" for thread in threading.enumerate())
