"""0.36's module against this server, and against a stand-in that answers what 0.36 was recorded to answer."""

from __future__ import annotations

import base64
import http.server
import json
import re
import threading
import time
import xmlrpc.client
from collections.abc import Iterator
from typing import Any

import pytest

import lockcli
from conftest import ROOT, MakeServer, Running, wait_until

FIXTURE = ROOT / "crates" / "lockserver" / "tests" / "fixtures" / "transcripts.json"
RECORDED: dict[str, str] = {entry["case"]: entry["response"] for entry in json.loads(FIXTURE.read_text())}
EXAMPLE = ROOT / "target" / "published" / "lockserver-0.36" / "README"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Old(http.server.ThreadingHTTPServer):
    """0.36's answers for a lock of size 1: the first query holds, until it is released."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), OldHandler)
        self.queue: list[str] = []
        self.calls: list[str] = []
        self.authorization: set[str | None] = set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/RPC2"

    def answer(self, method: str, params: tuple[Any, ...]) -> str:
        """The recorded answer to this call."""
        self.calls.append(method)
        if params[0] != "DefaultLock":
            return RECORDED[f"{method} no such lock"]
        if method == "query_lock":
            answer = RECORDED["query_lock with info"]
            ticket = f"6828d194-146e-4fd0-89ae-{len(self.calls):012}"
            self.queue.append(ticket)
            return UUID.sub(ticket, answer)
        first = self.queue[:1] == [params[1]]
        if method == "get_lock":
            return RECORDED["get_lock granted" if first else "get_lock queued behind others"]
        if first:
            self.queue.pop(0)
        return RECORDED["release_lock held" if first else "release_lock still queued"]


class OldHandler(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Old

    def do_POST(self) -> None:
        """A call."""
        self.server.authorization.add(self.headers["Authorization"])
        body = self.rfile.read(int(self.headers["Content-Length"]))
        params, method = xmlrpc.client.loads(body)
        self.send("text/xml", self.server.answer(str(method), params))

    def do_GET(self) -> None:
        """The page, at every path."""
        self.server.calls.append("page")
        self.send("text/html", "<html><head></head><body><pre>\n<pre></body></html>")

    def send(self, kind: str, text: str) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def old() -> Iterator[Old]:
    with Old() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_example_of_0_36(server: Running) -> None:
    """As its README has it, with `print` as Python 3 wants it, this server's address, and a job that is not that hard."""
    text = EXAMPLE.read_text()
    lines = text[text.index("  #!/usr/bin/python\n") : text.index("\n4. LICENSE")].splitlines()
    code = "\n".join(line[2:] for line in lines)
    code = re.sub(r"print (\".*?\")", r"print(\1)", code)
    assert "import lockcli" in code
    assert code.count("print(") == 5
    said: list[str] = []

    class Time:
        @staticmethod
        def sleep(_: float) -> None:
            assert server.holding() == 1

    # It forgot to import time.
    exec(code.replace("http://lockserver.my.url.com:9090/RPC2", server.rpc), {"time": Time, "print": said.append})
    assert said == ["lock queried", "lock acquired", "lock released"]
    assert server.idle()


def test_query_wait_release(server: Running) -> None:
    lock = lockcli.Lock(server.rpc, "DefaultLock")
    assert lock.lock_wait() is False
    assert lock.lock_release() is False
    assert lock.lock_query("from node1") is True
    assert lock.lock_wait() is True
    assert lock.lock_wait() is True
    assert server.admin.lock("DefaultLock").holders[0].info == "from node1"
    assert lock.lock_release() is True
    assert lock.lock_release() is False
    # By the names that 0.36 gave to the parameters.
    assert lockcli.Lock(XMLRPC_SERVER=server.rpc, lock_name="DefaultLock").lock_query(info="", retries=1)


def test_waits_on_the_server(server: Running) -> None:
    first, second = (lockcli.Lock(server.rpc, "DefaultLock") for _ in range(2))
    assert first.lock_query()
    assert first.lock_wait()
    assert second.lock_query()
    got: list[bool] = []
    threading.Thread(target=lambda: got.append(second.lock_wait()), daemon=True).start()
    server.wait_queued(1)
    assert first.lock_release()
    wait_until(lambda: got == [True], "the turn of the second")
    assert second.lock_release()


def test_waits_on_the_server_without_long_poll(make_server: MakeServer) -> None:
    server = make_server({"LONG_POLL": 0})
    test_waits_on_the_server(server)


@pytest.mark.parametrize("long_poll", [0, 1])
def test_a_query_that_has_ended(make_server: MakeServer, long_poll: int) -> None:
    server = make_server({"LONG_POLL": long_poll})
    with lockcli.Lock(server.rpc, "DefaultLock"):
        lock = lockcli.Lock(server.rpc, "DefaultLock")
        assert lock.lock_query()
        server.admin.revoke("DefaultLock", server.admin.lock("DefaultLock").queue[0].number)
        # 0.36 waited for ever.
        assert lock.lock_wait() is False
        assert lock.lock_release() is False
        assert lock.lock_query()
        waiting = threading.Thread(target=lock.lock_wait)
        waiting.start()
        wait_until(lambda: server.queued() == 1, "a waiter")
        server.admin.revoke("DefaultLock", server.admin.lock("DefaultLock").queue[0].number)
        waiting.join(60)
        assert not waiting.is_alive()


def test_no_such_lock(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lockcli.Lock(server.rpc, "nope")
    begin = time.monotonic()
    assert lock.lock_query(retries=2) is False
    assert 1 <= time.monotonic() - begin < 60
    assert lock.lock_query(retries=0) is False
    monkeypatch.setattr(lockcli, "_PAUSE_S", 0.01)
    with pytest.raises(lockcli.NotAcquired), lock:
        pass


def test_with(server: Running) -> None:
    with lockcli.Lock(server.rpc, "DefaultLock") as lock:
        assert server.holding() == 1
    assert server.idle()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    assert server.idle()


def test_a_server_that_is_restarted(server: Running) -> None:
    holder, waiter = (lockcli.Lock(server.rpc, "DefaultLock") for _ in range(2))
    assert holder.lock_query()
    assert holder.lock_wait()
    assert waiter.lock_query()
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(waiter.lock_wait()))
    thread.start()
    server.wait_queued(1)
    server.kill()
    server.start()
    server.wait_queued(1)
    assert holder.lock_release()
    thread.join(60)
    assert got == [True]


def test_against_0_36(old: Old) -> None:
    first, second = (lockcli.Lock(old.url, "DefaultLock") for _ in range(2))
    assert first.lock_query("one")
    assert first.lock_wait()
    assert second.lock_query("two")
    got: list[bool] = []
    thread = threading.Thread(target=lambda: got.append(second.lock_wait()))
    thread.start()
    wait_until(lambda: old.calls.count("get_lock") >= 3, "polling")
    assert not got
    assert first.lock_release()
    thread.join(60)
    assert got == [True]
    assert second.lock_release(retries=1)
    # Asked once whether it is a newer server.
    assert old.calls.count("page") == 1
    assert lockcli.Lock(old.url, "nope").lock_query(retries=1) is False
    with lockcli.Lock(old.url, "DefaultLock"):
        assert len(old.queue) == 1
    assert old.queue == []


def test_user_and_password(old: Old) -> None:
    url = old.url.replace("http://", "http://ci:top%20secret@")
    with lockcli.Lock(url, "DefaultLock"):
        pass
    assert old.authorization == {"Basic " + base64.b64encode(b"ci:top secret").decode()}


def test_interrupted_while_waiting(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with lockcli.Lock(server.rpc, "DefaultLock"):
        lock = lockcli.Lock(server.rpc, "DefaultLock")

        def interrupt(*_: object) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(lock, "lock_wait", interrupt)
        with pytest.raises(KeyboardInterrupt), lock:
            pass
        assert server.queued() == 0
    assert server.idle()


def test_the_password_is_not_told(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lockcli.Lock(old.url.replace("http://", "http://ci:SECRET@").replace("/RPC2", "/nowhere"), "DefaultLock")
    monkeypatch.setattr(OldHandler, "do_POST", lambda self: self.send_error(403))
    with pytest.raises(xmlrpc.client.ProtocolError) as raised:
        lock.lock_query()
    assert "SECRET" not in f"{raised.value!r} {raised.value.url} {lock._proxy!r}"


def test_a_server_that_is_gone_at_the_end_of_with(server: Running) -> None:
    lock = lockcli.Lock(server.rpc, "DefaultLock")
    with pytest.raises(ZeroDivisionError), lock:
        server.kill()
        raise ZeroDivisionError
    assert lock.lock_release() is False
    server.start()
    server.admin.revoke("DefaultLock", server.admin.lock("DefaultLock").holders[0].number)
    server.admin.restore("DefaultLock")
    with pytest.raises(OSError, match="refused"), lock:
        server.kill()
    server.start()


def test_lost_meanwhile(server: Running) -> None:
    lock = lockcli.Lock(server.rpc, "DefaultLock")
    with pytest.raises(lockcli.Ended, match="the lock was lost before"), lock:
        server.admin.revoke("DefaultLock", server.admin.lock("DefaultLock").holders[0].number)
    assert lock.lock_release() is False
