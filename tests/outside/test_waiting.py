"""get_lock of a queued ticket: answered the moment its turn comes, or false after LONG_POLL seconds."""

import time
import xmlrpc.client

from harness.wait import soon


def test_the_answer_comes_with_the_turn(server, connect):
    holder, waiter = connect(server), connect(server)

    def turn():
        held, queued = holder.take(), waiter.query()
        waiter.wait(queued)
        assert not waiter.ready(0.5)
        begin = time.monotonic()
        assert holder.release(held)
        assert waiter.answer() == [True, True]
        spent = time.monotonic() - begin
        assert waiter.release(queued)
        return spent

    soon(0.2, turn)


def test_false_after_long_poll_seconds(make_server, connect):
    server = make_server({"LONG_POLL": 1}).start()
    connect(server).take()
    waiter = connect(server)
    queued = waiter.query()
    for _ in range(2):
        begin = time.monotonic()
        assert waiter.get(queued) is False
        assert 0.9 < time.monotonic() - begin < 15, "not the 20 s of the default"


def test_long_poll_0_answers_at_once(make_server, connect):
    server = make_server({"LONG_POLL": 0}).start()
    connect(server).take()
    waiter = connect(server)
    queued = waiter.query()

    def answer():
        begin = time.monotonic()
        assert waiter.get(queued) is False
        return time.monotonic() - begin

    soon(0.2, answer)


def test_nothing_waits_for_a_ticket_that_cannot_get_anything(server, connect):
    connection = connect(server)
    ticket = connection.take()
    assert connection.release(ticket)
    begin = time.monotonic()
    for unknown in (ticket, "zzz", 5, "", "6828d194-146e-4fd0-89ae-e65baab506fd"):
        assert connection.get(unknown) is False
        assert connection.release(unknown) is False
    assert connection.call("get_lock", "Nope", "x") == [False, "lock does not exist"]
    assert time.monotonic() - begin < 15, "one that waits takes 20 s"


def test_first_come_first_served(make_server, connect):
    server = make_server({"DEFAULT_LOCK_SIZE": 3}).start()
    asker = connect(server)
    holders = [asker.take() for _ in range(3)]
    queued = [asker.query(f"waiter {i}") for i in range(20)]
    waiters = [connect(server).wait(ticket) for ticket in reversed(queued)][::-1]
    for place, (ticket, waiter) in enumerate(zip(queued, waiters)):
        assert asker.release(holders.pop(0))
        assert waiter.answer() == [True, True]
        assert not any(later.ready() for later in waiters[place + 1:])
        holders.append(ticket)


def test_two_requests_for_one_ticket_get_the_same_answer(server, connect):
    holder, first, second = connect(server), connect(server), connect(server)
    held, queued = holder.take(), first.query()
    first.wait(queued)
    second.wait(queued)
    assert not first.ready(0.3)
    assert holder.release(held)
    assert (first.answer(), second.answer()) == ([True, True], [True, True])


def test_a_grant_that_nobody_claims_goes_to_the_next(make_server, connect):
    server = make_server({"DEFAULT_LOCK_GRACE_TIME": 1}).start()
    connection = connect(server)
    absent = connection.query("asks and never comes")
    waiting = connection.query("waits")
    begin = time.monotonic()
    assert connection.get(waiting) is True
    assert 0.5 < time.monotonic() - begin < 9, "not the 10 s of the default"
    assert connection.release(waiting)
    # It went to the end of the queue, not away.
    assert connection.get(absent) is True


def test_a_holder_that_never_renews_is_lost(make_server, connect):
    server = make_server({"DEFAULT_LOCK_MAX_LOCK_TIME": 1}).start()
    connection = connect(server)
    silent, waiting = connection.take(), connection.query()
    assert connection.get(waiting) is True
    assert connection.get(silent) is False
    assert connection.release(silent) is False


def test_the_client_of_python_3(server):
    with xmlrpc.client.ServerProxy(server.url) as proxy:
        done, ticket = proxy.query_lock("DefaultLock", "from Python 3")
        assert done is True
        assert proxy.get_lock("DefaultLock", ticket) == [True, True]
        assert proxy.release_lock("DefaultLock", ticket) == [True, True]
        assert proxy.release_lock("DefaultLock", ticket) == [True, False]
        assert proxy.query_lock("Nope") == [False, "lock does not exist"]
        assert "get_lock" in proxy.system.listMethods()
