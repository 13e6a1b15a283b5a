"""Nobody is told what is not durable, seen from outside: no answer leaves before the flush of what it tells."""

import pytest

from harness.api import Api
from harness.calls import FLUSHES, read, traced
from harness.wait import until
from harness.wire import NAME

# How long each flush takes at least, and a time that is surely shorter.
FLUSH_US, LESS_S = 500_000, 0.25


def is_log(call):
    return call.about.endswith(".db-wal")


def is_answer(call):
    return call.about.startswith(("socket:", "TCP:")) and call.name in ("write", "writev", "sendto", "sendmsg") and "HTTP/1.1 2" in call.text


def judge(record, answers):
    """Between two answers the log is written and flushed, in this order, and nothing of it waits for its flush as the answer leaves."""
    calls = read(record)
    left = [call for call in calls if is_answer(call)]
    assert len(left) >= answers, calls
    before = -1
    for answer in left:
        written = [call for call in calls if is_log(call) and call.name == "pwrite64" and before < call.began < answer.began]
        assert written, f"nothing was written for {answer}: {calls}"
        flushed = [
            call
            for call in calls
            if is_log(call) and call.name in FLUSHES.split(",") and call.over is not None
            and written[-1].over < call.began and call.over <= answer.began and "= 0" in call.text
        ]
        assert flushed, f"it leaves before the flush: {answer}: {calls}"
        before = answer.began


@pytest.fixture
def fresh(make_server):
    """A server with a lock of 1, on a disk that was written before."""
    server = make_server().start()
    with Api(server.at) as api:
        api.release(api.take(NAME))
    return server


def test_answers_of_the_json_api_leave_after_the_flush(fresh):
    with traced(fresh) as record, Api(fresh.at) as api:
        for _ in range(5):
            ticket = api.take(NAME)
            api.release(ticket)
    judge(record, answers=10)


def test_answers_over_xml_rpc_leave_after_the_flush(fresh, connect):
    with traced(fresh) as record:
        client = connect(fresh)
        for number in range(5):
            ticket = client.query(f"number {number}")
            assert client.get(ticket) is True
            assert client.release(ticket) is True
    judge(record, answers=15)


def slow(server):
    """Every flush of the server takes half a second."""
    return traced(server, "-e", f"inject={FLUSHES}:delay_enter={FLUSH_US}")


def test_a_grant_waits_for_a_slow_flush(fresh, connect):
    with Api(fresh.at) as one, Api(fresh.at) as two:
        held = one.take(NAME)
        # They wait in requests, and the release grants the first.
        two.ask("POST", f"/v1/locks/{NAME}/tickets", {"wait_s": 30})
        until(lambda: one.ok("GET", f"/v1/locks/{NAME}")["queue"], 10, "the second one queues")
        old = connect(fresh)
        queued = connect(fresh).query("over XML-RPC")
        old.wait(queued)
        with slow(fresh):
            one.ask("DELETE", f"/v1/tickets/{held['id']}")
            assert not two.connection.ready(LESS_S) and not one.connection.ready(), "told before it is durable"
            assert one.answer()[0] == 200
            status, second = two.answer()
            assert status == 201
            two.ask("DELETE", f"/v1/tickets/{second['id']}")
            assert not old.ready(LESS_S) and not two.connection.ready(), "told before it is durable"
            assert two.answer()[0] == 200
            assert old.answer() == [True, True]
        assert old.release(queued) is True
