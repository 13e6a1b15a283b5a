"""What the environment decides: who gets a request and the secret in it."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
from typing import Any, Callable

import pytest

from conftest import ROOT, Running, Script
from lockserver_client import AsyncClient, Client, Retry, _proxy, errors

CASES = json.loads((ROOT / "crates" / "lock-client" / "tests" / "fixtures" / "proxies.json").read_text())


def test_the_environment_decides_who_gets_request_and_secret() -> None:
    """The cases of the Rust client."""
    assert len(CASES) > 30
    for case in CASES:
        if "wrong" in case:
            with pytest.raises(errors.ConfigurationError, match=case["wrong"]):
                _proxy.choose(case["server"], case["environment"])
        else:
            chosen = _proxy.choose(case["server"], case["environment"])
            assert (chosen.url if chosen else None) == case.get("proxy"), case


@pytest.mark.parametrize("no_proxy", ["", "localhost,[::1]", "fe80::/10", "*", "10.0.0.0/8, .example.org:80"])
def test_no_variable_keeps_a_client_from_this_machine(server: Running, monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with Client(server.url) as client:
        assert client.lock("DefaultLock").size == 1
    assert server.admin.lock("DefaultLock").size == 1


def test_a_proxy_is_asked_for_others_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    asked.append(connection.recv(4096).splitlines()[0])
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

        proxy = threading.Thread(target=serve, daemon=True)
        proxy.start()
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "elsewhere.example.org")

        async def look() -> None:
            async with AsyncClient("http://locks.example.org:9090") as client:
                await client.locks()

        with pytest.raises(errors.NotLockserver):
            Client("http://locks.example.org:9090").locks()
        with pytest.raises(errors.NotLockserver):
            asyncio.run(look())
        proxy.join(60)
    assert asked == [b"GET http://locks.example.org:9090/v1/locks HTTP/1.1"] * 2


def every_way(server: str, lock: str) -> list[errors.LockserverError]:
    """What a release comes to, with threads and with asyncio, and a stream of events."""

    async def release() -> None:
        async with AsyncClient(server, retry=Retry(rounds=1)) as client:
            await client.release(lock)

    client = Client(server, retry=Retry(rounds=1))
    found: list[errors.LockserverError] = []
    for call in (lambda: client.release(lock), lambda: asyncio.run(release()), lambda: next(client.events())):
        with pytest.raises(errors.LockserverError) as raised:
            call()
        found.append(raised.value)
    return found


def test_a_proxy_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("http_proxy", "http://me:SECRET@127.0.0.1:1")
    for error in every_way("http://locks.example.org:9090", "id"):
        assert isinstance(error, errors.Unreachable)
        assert "http://locks.example.org:9090: through the proxy http://127.0.0.1:1 (variable http_proxy): " in str(error)
        assert "SECRET" not in str(error)
        assert not error.may_have_taken_effect
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(6):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

        threading.Thread(target=serve, daemon=True).start()
        proxy = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("http_proxy", proxy)
        for error in every_way("http://locks.example.org:9090", "id"):
            assert isinstance(error, errors.NotLockserver)
            assert f"through the proxy http://{proxy} (variable http_proxy): HTTP status 403" in str(error)
        # No way to a server with TLS: the request cannot have arrived.
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        for error in every_way("https://locks.example.org", "id"):
            assert isinstance(error, errors.Unreachable)
            assert f"through the proxy http://{proxy} (variable HTTPS_PROXY): 403 Forbidden" in str(error)
            assert not error.may_have_taken_effect


@pytest.mark.parametrize("name", ["LOCK_SERVER", "LOCK_KEY", "LOCK_KEY_FILE", "http_proxy", "NO_PROXY"])
def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    with Client() as client:
        assert "127.0.0.1:9090" in str(client._core.servers)
        assert client._core.key is None


WORK = """
import logging, sys, time
from lockserver_client import Client
logging.basicConfig(level=logging.DEBUG)
with Client(sys.argv[1]).hold("DefaultLock", ttl_s=3, wait_s=30, on_lost=lambda lost: print(lost, file=sys.stderr)) as held:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        held.check()
        logging.getLogger("lockserver_client").warning("at work")
        time.sleep(0.01)
open(sys.argv[2], "w").write("done")
"""


@pytest.mark.parametrize("where", ["full", "gone"])
def test_words_that_cannot_be_written_cost_no_hold(server: Running, tmp_path: pathlib.Path, where: str) -> None:
    """Standard error on a full disk, or a reader of it that is gone: the work is done, renewed, given back, and a success."""
    done = tmp_path / "done"
    command = [sys.executable, "-c", WORK, server.url, str(done)]
    if where == "full":
        with open("/dev/full", "w") as full:
            process = subprocess.Popen(command, stderr=full)
    else:
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert process.stderr is not None
        process.stderr.close()
    process.wait(60)
    assert done.read_text() == "done"
    assert process.returncode in (0, 120), "120: Python says by itself that standard error could not be written at the end"
    assert server.idle()


def test_the_module_says_where_to_go_also_to_nobody() -> None:
    with open("/dev/full", "w") as full:
        done: Any = subprocess.run([sys.executable, "-m", "lockserver_client"], stderr=full, timeout=60, check=False)
    assert done.returncode in (64, 120)


def test_a_client_of_a_test(script: Callable[..., Script], server: Running) -> None:
    """`lockcli` takes no proxy either: its requests and secrets go where its URL says."""
    code = "import lockcli, sys\nlock = lockcli.Lock(sys.argv[1], 'DefaultLock')\n"
    code += "print(lock.lock_query('x') and lock.lock_wait())"
    env = {**os.environ, "http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"}
    assert script(code, server.rpc, env=env).end() == (0, "True\n", "")
