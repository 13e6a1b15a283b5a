"""SIGHUP: the file is read again, all of it or nothing, and the log is opened anew."""

import json
import re
import signal

import pytest

from harness.wait import until

SECTION = "[lock san]\nSIZE={}\nDESCRIPTION=sessions\n"


def test_a_larger_size_grants_at_once(make_server, connect):
    server = make_server(sections=SECTION.format(1)).start()
    asker = connect(server)
    held = asker.take(lock="san")
    queued = [asker.query(lock="san") for _ in range(3)]
    waiters = [connect(server).wait(ticket, lock="san") for ticket in queued]
    server.configure({}, SECTION.format(3))
    server.signal(signal.SIGHUP)
    assert [waiter.answer() for waiter in waiters[:2]] == [[True, True]] * 2
    assert not waiters[2].ready(0.3)
    # Smaller again: nobody is put out, and nobody is let in until enough have left.
    server.configure({}, SECTION.format(1) + "[lock mark]\nSIZE=1\n")
    server.signal(signal.SIGHUP)
    until(lambda: asker.call("query_lock", "mark")[0], 10, "the new lock of the reload")
    assert asker.get(held, lock="san") and asker.get(queued[0], lock="san")
    for ticket in (held, queued[0]):
        assert asker.release(ticket, lock="san")
        assert not waiters[2].ready(0.3)
    assert asker.release(queued[1], lock="san")
    assert waiters[2].answer() == [True, True]


def test_a_broken_file_changes_nothing(make_server, connect):
    server = make_server(sections=SECTION.format(1)).start()
    asker = connect(server)
    held, queued = asker.take(lock="san"), asker.query(lock="san")
    waiter = connect(server).wait(queued, lock="san")
    server.configure({}, SECTION.format(5) + "[lock other]\nSIZE=plenty\n")
    server.signal(signal.SIGHUP)
    until(lambda: "plenty" in server.log(), 10, "the reason in the log")
    assert not waiter.ready(0.3)
    assert asker.call("query_lock", "other") == [False, "lock does not exist"]
    assert asker.release(held, lock="san") and waiter.answer() == [True, True]


def test_a_lock_whose_section_is_gone_finishes_what_it_has(make_server, connect):
    server = make_server(sections=SECTION.format(1)).start()
    asker, waiter = connect(server), connect(server)
    held, queued = asker.take(lock="san"), asker.query(lock="san")
    waiter.wait(queued, lock="san")
    server.configure({}, "[lock mark]\nSIZE=1\n")
    server.signal(signal.SIGHUP)
    until(lambda: asker.call("query_lock", "mark")[0], 10, "the new lock of the reload")
    assert asker.call("query_lock", "san", "too late")[0] is False
    assert asker.release(held, lock="san") and waiter.answer() == [True, True]
    assert waiter.release(queued, lock="san")
    until(lambda: asker.call("get_lock", "san", queued) == [False, "lock does not exist"], 10, "the end of the lock")


def test_the_log_is_opened_anew(make_server):
    server = make_server({"LOG_FILE": "it.log"}).start()
    log, old = server.directory / "it.log", server.directory / "it.log.1"
    assert log.read_text()
    log.rename(old)
    server.signal(signal.SIGHUP)
    until(lambda: log.exists() and log.read_text(), 10, "a new log file with the outcome of the reload")
    size = old.stat().st_size
    before = log.stat().st_size
    server.signal(signal.SIGHUP)
    until(lambda: log.stat().st_size > before, 10, "more in the new log file")
    assert old.stat().st_size == size


def test_copytruncate(make_server, connect):
    server = make_server({"LOG_FILE": "it.log", "LOGLEVEL": "superdebug"}).start()
    log = server.directory / "it.log"
    connection = connect(server)
    assert connection.release(connection.take())
    until(lambda: log.stat().st_size > 0, 10, "something in the log")
    with open(log, "r+b") as file:
        file.truncate(0)
    assert connection.release(connection.take())
    text = until(log.read_bytes, 10, "something in the truncated log")
    assert b"\0" not in text


LINE = re.compile(r"^\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \S")


@pytest.mark.parametrize("log_format", ["classic", "json"])
def test_every_line_has_the_form_of_the_log(make_server, connect, log_format):
    server = make_server({"LOG_FILE": "it.log", "LOG_FORMAT": log_format}).start()
    connection = connect(server)
    assert connection.release(connection.take("two\nlines"))
    server.stop()
    lines = (server.directory / "it.log").read_text().splitlines()
    assert lines
    for line in lines:
        if log_format == "json":
            assert isinstance(json.loads(line), dict)
        else:
            assert LINE.match(line), line
