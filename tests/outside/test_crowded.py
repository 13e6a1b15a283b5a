"""More connections than the server has files for: nobody harms anybody who comes from elsewhere."""

import contextlib
import json
import resource
import threading
import time

import pytest

from harness.api import Api
from harness.keys import NONE, ask, new_key
from harness.wait import until
from harness.wire import Connection, call_body, request

FILES = 256
QUERY = request(call_body("query_lock", "DefaultLock", "beside a crowd"))
ELSEWHERE = "127.0.0.2"


def files(count):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


class Crowd:
    """Connections from one address, each opened anew when it was closed, that have sent `begin` and say no more."""

    def __init__(self, at, begin, count):
        self.at, self.begin, self.wanted = at, begin, count
        self.over = threading.Event()
        self.opened = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with contextlib.ExitStack() as stack:
            kept = [None] * self.wanted
            at = 0
            while not self.over.is_set():
                if kept[at] is not None:
                    kept[at].close()
                with contextlib.suppress(OSError):
                    kept[at] = stack.enter_context(Connection(self.at, timeout=20, source=ELSEWHERE))
                    kept[at].send(self.begin)
                    self.opened += 1
                at = (at + 1) % self.wanted

    def __enter__(self):
        self.thread.start()
        until(lambda: self.opened > self.wanted, 60, "the crowd is there")
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join(60)


@pytest.mark.parametrize("begin", [b"", b"P", QUERY[:60]], ids=["silent", "one byte", "half a head"])
def test_a_crowd_that_only_connects_leaves_room_for_others(make_server, begin):
    server = make_server(preexec=files(FILES)).start()
    with Api(server.at) as early:
        held = early.take("DefaultLock")
        with Crowd(server.at, begin, 2 * FILES):
            for _ in range(50):
                with Connection(server.at, timeout=20) as connection:
                    connection.send(QUERY)
                    assert connection.read().status == 200
            assert early.ok("POST", f"/v1/tickets/{held['id']}/renew")["state"] == "held", "the connection was kept"


def test_waiting_clients_leave_room_for_renewals(make_server):
    (hostile, section), (own, other) = new_key("hostile"), new_key("own")
    locks = "[lock theirs]\nSIZE=1\n[lock ours]\nSIZE=1\n"
    server = make_server(sections=NONE + section + other + locks, preexec=files(FILES)).start()
    status, text = ask(server, own, "/v1/locks/ours/tickets", "POST")
    assert status == 201, text
    assert ask(server, hostile, "/v1/locks/theirs/tickets", "POST")[0] == 201
    wait = request(b'{"wait_s": 60}', [
        f"Authorization: Bearer {hostile}", "Content-Type: application/json", "Content-Length: 14",
    ], "POST", "/v1/locks/theirs/tickets", length=False)
    with contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(2 * FILES):
            with contextlib.suppress(OSError):
                crowd.append(stack.enter_context(Connection(server.at, timeout=20, source=ELSEWHERE)))
                crowd[-1].send(wait)
        until(lambda: any(one.ready(0) for one in crowd), 20, "some are refused")
        ticket = json.loads(text)["id"]
        for _ in range(20):
            status, answer = ask(server, own, f"/v1/tickets/{ticket}/renew", "POST")
            assert status == 200, answer
        view = json.loads(ask(server, own, "/v1/locks/theirs")[1])
        assert 50 < view["queued"] < FILES * 3 // 4, "the others wait on"


def test_with_too_few_files_the_server_does_not_start(make_server):
    server = make_server(preexec=files(16)).spawn()
    begin = time.monotonic()
    assert server.ended() == 78
    assert time.monotonic() - begin < 20
    assert "open files" in server.log() and "128" in server.log() and "LimitNOFILE" in server.log()
