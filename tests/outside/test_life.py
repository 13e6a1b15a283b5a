"""From the signal to the end: everybody who waits is answered, the exit code says how it went."""

import signal
import time

import pytest

from harness.wire import get


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everybody_who_waits_gets_an_answer(make_server, connect, number):
    server = make_server().start()
    holder = connect(server)
    held = holder.take()
    queued = [holder.query(f"waiter {i}") for i in range(20)]
    waiters = [connect(server).wait(ticket) for ticket in queued]
    assert not any(waiter.ready() for waiter in waiters) and not waiters[-1].ready(0.3)
    begin = time.monotonic()
    server.signal(number)
    assert [waiter.answer() for waiter in waiters] == [[True, False]] * 20
    assert time.monotonic() - begin < 15, "they did not wait for their 20 s"
    assert server.ended(10) == 0
    # Everybody is where they were.
    server.start()
    asker = connect(server)
    assert asker.get(held) is True
    first = connect(server).wait(queued[0])
    assert asker.release(held) and first.answer() == [True, True]


def test_idle_connections_do_not_hold_it_up(server, connect):
    idle = [connect(server) for _ in range(20)]
    idle[0].query()
    idle[1].send(b"POST /RPC2 HTTP/1.1\r\nHost")
    server.signal(signal.SIGTERM)
    assert server.ended(12) == 0


def test_a_second_signal_while_it_stops(server):
    server.signal(signal.SIGTERM)
    server.signal(signal.SIGTERM)
    server.ended(12)


def test_memory_forgets(make_server, connect):
    server = make_server(store="memory").start()
    ticket = connect(server).take()
    server.stop()
    server.start()
    assert connect(server).get(ticket) is False


def test_sqlite_remembers(make_server, connect):
    server = make_server({"DEFAULT_LOCK_SIZE": 2}).start()
    connection = connect(server)
    ticket, given_back = connection.take("i hold"), connection.take("over")
    assert connection.release(given_back)
    server.stop()
    server.start()
    connection = connect(server)
    assert connection.get(ticket) is True
    assert connection.release(given_back) is False
    assert f"[Lock {ticket[:8]}] (i hold)" in get(server.at).text
