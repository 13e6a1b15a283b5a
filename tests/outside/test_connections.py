"""Connections that dawdle, and very many of them: others are served all the while."""

import resource
import time

import pytest

from harness.wire import Connection, call_body, request

QUERY = request(call_body("query_lock", "DefaultLock", "slow"))


def seconds_until_closed(server, data, at_once):
    """Send `at_once` bytes, then one byte a second, until the server closes; what it said, and after how long."""
    with Connection(server.at, timeout=40) as connection:
        connection.send(data[:at_once])
        begin = time.monotonic()
        for offset in range(at_once, len(data)):
            if connection.ready(1) or not connection.send(data[offset:offset + 1]) or time.monotonic() - begin > 35:
                break
        return connection.eof(), time.monotonic() - begin


def test_slow_headers_are_cut(server):
    said, spent = seconds_until_closed(server, QUERY, 1)
    assert 5 < spent < 30, f"closed after {spent:.1f} s"
    assert b"<boolean>1" not in said


def test_a_slow_body_is_cut(server):
    said, spent = seconds_until_closed(server, QUERY, QUERY.index(b"\r\n\r\n") + 5)
    assert 5 < spent < 30, f"closed after {spent:.1f} s"
    assert b"<boolean>1" not in said


@pytest.mark.alone
@pytest.mark.parametrize("begin", ["", "POST /RPC2 HT"], ids=["silent", "in the middle of the headers"])
def test_ten_thousand_connections(server, connect, run_client, report, begin):
    count = 10_000
    crowd = run_client("idle.py", *server.at, count, begin)
    early = connect(server)
    assert early.release(early.take("before them"))
    crowd.expect(f"open {count}")
    start = time.monotonic()
    late = connect(server)
    assert late.release(late.take("among them"))
    spent = time.monotonic() - start
    report(f"connect + ask + wait + release beside {count} idle connections: {spent * 1000:.1f} ms")
    assert spent < 2
    assert early.release(early.take("still connected"))
    crowd.finish()
    assert late.release(late.take("after them"))


def test_the_limit_of_open_files_is_raised(make_server):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    server = make_server(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))).start()
    with open(f"/proc/{server.pid}/limits") as limits:
        line = next(line for line in limits if line.startswith("Max open files"))
    soft = int(line.split()[3])
    assert soft == hard, line
