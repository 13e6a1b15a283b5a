"""Parts by themselves: addresses, keys, frames of the event stream, pauses."""

from __future__ import annotations

import functools
import pathlib
import pickle
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from test_wire import RELEASED, TICKET, Fake, client

from lockserver_client import AsyncClient, Client, _settings, errors
from lockserver_client._acquire import who
from lockserver_client._send import pause
from lockserver_client._settings import Retry, address, addresses
from lockserver_client._sse import FRAME_BYTES, Frame, Parser, TooLongError


@pytest.mark.parametrize(
    ("text", "base", "socket"),
    [
        ("http://127.0.0.1:9090", "http://127.0.0.1:9090", None),
        ("http://127.0.0.1:9090/", "http://127.0.0.1:9090", None),
        ("https://locks.example.org/prefix/", "https://locks.example.org/prefix", None),
        ("locks.example.org:9090", "http://locks.example.org:9090", None),
        ("[::1]:9090", "http://[::1]:9090", None),
        ("unix:/run/lockserver/admin.sock", "http://localhost", "/run/lockserver/admin.sock"),
        ("unix:///run/admin.sock", "http://localhost", "/run/admin.sock"),
        ("/run/admin.sock", "http://localhost", "/run/admin.sock"),
    ],
)
def test_addresses(text: str, base: str, socket: str | None) -> None:
    found = address(text)
    assert (found.base, found.socket) == (base, socket)


@pytest.mark.parametrize(
    "text", ["unix:admin.sock", "ftp://locks", "http://", "http://locks:port", "http://locks/?a=b", "", " , "]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="address"):
        Client(text)


def test_a_secret_in_an_address_is_not_told() -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        Client("http://ci:SECRET@locks")
    assert "SECRET" not in str(raised.value)


def test_servers_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCK_SERVER", raising=False)
    assert [one.base for one in addresses(None)] == ["http://127.0.0.1:9090"]
    monkeypatch.setenv("LOCK_SERVER", "one:1, two:2")
    assert [one.base for one in addresses(None)] == ["http://one:1", "http://two:2"]
    assert [one.base for one in addresses(["three:3"])] == ["http://three:3"]


def test_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    for name in ("LOCK_KEY", "LOCK_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert _settings.key(None, None) is None
    file = tmp_path / "key"
    file.write_text("lsk_file\n")
    file.chmod(0o600)
    assert _settings.key("lsk_given", None) == "lsk_given"
    assert _settings.key(None, file) == "lsk_file"
    monkeypatch.setenv("LOCK_KEY", "lsk_environment")
    assert _settings.key(None, None) == "lsk_environment"
    monkeypatch.setenv("LOCK_KEY_FILE", str(file))
    assert _settings.key(None, None) == "lsk_file"
    assert _settings.key("lsk_given", None) == "lsk_given"
    file.chmod(0o640)
    assert _settings.key(None, file) == "lsk_file"
    for mode in (0o604, 0o644, 0o641):
        file.chmod(mode)
        with pytest.raises(errors.ConfigurationError, match="others can read this key"):
            _settings.key(None, None)
    file.chmod(0o600)
    for text in ("", "\n", "two words", "ü"):
        file.write_text(text)
        with pytest.raises(errors.ConfigurationError):
            _settings.key(None, file)
    with pytest.raises(errors.ConfigurationError, match="cannot be read"):
        _settings.key(None, tmp_path / "none")


def test_who_is_text_whatever_the_script_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("job-\udcff.py", "two\nlines", "ü" * 500):
        monkeypatch.setattr(sys, "argv", [name])
        said = who()
        assert said.isprintable()
        assert 1 <= len(said.encode()) <= 200


@pytest.mark.parametrize("name", ["wait_s", "ttl_s", "max_hold_s", "keep_s"])
def test_what_is_no_time_is_said_before_anything_is_sent(name: str) -> None:
    fake = Fake((201, TICKET))
    wrong: list[tuple[Any, type[Exception], str]] = [
        ("5", TypeError, ""),
        (True, TypeError, ""),
        ([1], TypeError, ""),
        (-1, ValueError, " from 0"),
        (float("nan"), ValueError, " from 0"),
    ]
    for value, kind, bound in wrong:
        options: dict[str, Any] = {name: value}
        with pytest.raises(kind, match=f"{name} is a number of seconds{bound}, not "):
            client(fake).hold("san", **options)
    assert fake.requests == []


def test_a_client_says_whose_it_is() -> None:
    assert repr(Client(["http://one", "unix:/run/x"], key="lsk_secret")) == "<Client of http://one, unix:/run/x>"
    assert repr(AsyncClient("http://one")) == "<AsyncClient of http://one>"


@pytest.mark.parametrize(
    ("status", "code", "detail", "said"),
    [
        (
            409,
            "busy",
            'no permit is free now: held by #7 x; ask again later, or say how long to wait: {"wait_s": 30}',
            "no permit is free now: held by #7 x; ask again later, or say how long to wait: wait_s=30",
        ),
        (
            404,
            "unknown_lock",
            "lock does not exist; GET /v1/locks lists those there are, and an administrator makes one with PUT",
            "there is no lock 'a b'; locks() lists those there are",
        ),
    ],
)
def test_what_the_server_says_is_said_in_words_of_python(status: int, code: str, detail: str, said: str) -> None:
    fake = Fake((status, {"code": code, "status": status, "detail": detail}))
    with pytest.raises(errors.ApiError) as raised:
        client(fake).hold("a b", wait_s=0)
    assert str(raised.value) == str(pickle.loads(pickle.dumps(raised.value))) == said


def test_a_proxy_that_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    for proxy in ("socks5://127.0.0.1:1", "gopher://127.0.0.1:1"):
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(errors.ConfigurationError, match="ALL_PROXY"):
            Client("http://locks.example.org").status()


class Later:
    """Objects that are called like functions that do their work later."""

    class Coroutine:
        """A coroutine function."""

        async def __call__(self) -> None:
            """Nothing."""

    class Generator:
        """A generator function."""

        def __call__(self) -> Iterator[int]:
            """Nothing."""
            yield 1

    async def stream(self) -> AsyncIterator[int]:
        """Nothing."""
        yield 1


def test_limited_refuses_what_it_cannot_limit() -> None:
    async def coroutine() -> None:
        pass

    late: list[Any] = [Later.Coroutine(), Later.Generator(), Later().stream, coroutine, functools.partial(coroutine)]
    for function in late:
        with pytest.raises(TypeError, match="after its permits"):
            Client("http://one").limited("san")(function)
    plain: list[Any] = [Later.Generator(), Later().stream, len]
    for function in plain:
        with pytest.raises(TypeError, match="not a coroutine function"):
            AsyncClient("http://one").limited("san")(function)
    AsyncClient("http://one").limited("san")(Later.Coroutine())
    # What cannot be seen before it is called.
    fake = Fake((201, TICKET), (200, RELEASED))
    with pytest.raises(TypeError, match="after its permits"):
        made: Any = lambda: coroutine()  # noqa: E731
        client(fake).limited("san")(made)()
    assert [one.method for one in fake.requests] == ["POST", "DELETE"]


STREAM = (
    b"\xef\xbb\xbf: hello\n\nid: 7-1\nevent: held\ndata: {\"a\":\ndata: 1}\n\n: beat\n\ndata:x\r\n\r\nid: 7-3\rdata:  y\r\r"
    b"retry: 5\n\nevent: reset\ndata\n\n"
)  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_whatever_the_pieces(size: int) -> None:
    parser = Parser()
    frames = [frame for at in range(0, len(STREAM), size) for frame in parser.feed(STREAM[at : at + size])]
    assert frames == [Frame("7-1", "held", '{"a":\n1}'), Frame("7-1", "", "x"), Frame("7-3", "", " y"), Frame("7-3", "reset", "")]
    assert parser.seen == "7-3"


def test_a_frame_without_end() -> None:
    parser = Parser()
    parser.feed(b"x" * FRAME_BYTES)
    with pytest.raises(TooLongError):
        parser.feed(b"x")
    with pytest.raises(TooLongError):
        Parser().feed(b"data: " + b"x" * FRAME_BYTES + b"\ndata: x\n")


def test_pauses_grow_to_a_bound_and_end() -> None:
    retry = Retry()
    for rounds in range(1, 12):
        step = min(0.1 * 2 ** (rounds - 1), retry.longest_s)
        found = pause(retry, rounds, 0, None)
        assert found is not None
        assert step / 2 <= found <= step
    assert pause(retry, 12, 0, None) is None
    assert pause(retry, 10_000, 0, None) is None
    assert pause(retry, 1, 30, None) is None
    assert pause(retry, 1, 0, 2) == 2
    assert pause(retry, 1, 0, 900) == retry.longest_s
