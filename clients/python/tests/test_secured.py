"""Against a server that wants keys, over TLS: what the key opens, what it does not, and what happens when it is taken away."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import ssl
import threading
import traceback
import xmlrpc.client
from typing import Any, Callable

import pytest

import lockcli
from conftest import MakeServer, Running, wait_until
from harness.keys import NONE, new_key
from harness.tls import Authority
from lockserver_client import AsyncClient, Client, LeaseLost, errors

TTL_S = 2.0
LOCKS = "[lock deploy]\n[lock other]\n"


class Secured:
    """A server with TLS, the key `ci` for some locks, and one with the right `observe` only."""

    def __init__(self, make_server: MakeServer, directory: pathlib.Path) -> None:
        authority = Authority(directory / "authority")
        cert, private = authority.issue("server", "IP:127.0.0.1")
        self.ca = str(authority.ca)
        self.secret, key = new_key("ci", LOCKS="deploy, DefaultLock", RIGHTS="use, observe")
        self.looks, observer = new_key("dashboard", RIGHTS="observe")
        self.tls = f"[tls]\nCERT={cert}\nKEY={private}\n"
        self.key = key
        self.rest = f"{self.tls}{LOCKS}{NONE}{observer}"
        # Certificates are for the address that every machine has; the port is its own.
        self.general = {"SERVER": "127.0.0.1"}
        self.server: Running = make_server(self.general, f"{self.rest}{key}")
        self.url = f"https://127.0.0.1:{self.server.process.port}"

    def trust(self) -> ssl.SSLContext:
        """What trusts its certificate."""
        return ssl.create_default_context(cafile=self.ca)

    def client(self, key: str | None, **options: Any) -> Client:
        """A client with this key."""
        return Client(self.url, key=key, tls=self.trust(), **options)

    def take_key_away(self) -> None:
        """The key `ci` is taken out of the configuration while the server runs."""
        self.server.process.configure(self.general, self.rest)
        self.server.signal(signal.SIGHUP)

    def narrow_key(self) -> None:
        """The key `ci` is for another lock from now on."""
        self.server.process.configure(self.general, self.rest + self.key.replace("deploy, DefaultLock", "other"))
        self.server.signal(signal.SIGHUP)


@pytest.fixture
def secured(make_server: MakeServer, tmp_path: pathlib.Path) -> Secured:
    """That server."""
    return Secured(make_server, tmp_path)


def test_a_key_opens_what_it_is_for(secured: Secured, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with secured.client(secured.secret) as client:
        with client.hold("deploy", wait_s=0, ttl_s=TTL_S, info="release 7") as held:
            # Renewals carry the key as well.
            before = held._lease._proof[0]
            wait_until(lambda: held._lease._proof[0] > before, "a renewal")
            assert held.lost is None
            assert client.verify("deploy", held.token)
        assert [lock.name for lock in client.locks().locks] == ["DefaultLock", "deploy"]
    file = tmp_path / "ci.key"
    file.write_text(f"{secured.secret}\n")
    file.chmod(0o600)
    monkeypatch.setenv("LOCK_KEY_FILE", str(file))
    monkeypatch.setenv("LOCK_SERVER", secured.url)
    with Client(tls=secured.trust()) as client, client.hold("deploy") as held:
        assert held.lost is None
    wait_until(lambda: secured.server.idle("deploy"), "nothing held")


def test_what_it_is_not_for_is_refused(secured: Secured) -> None:
    refused: list[tuple[str | None, Callable[[Client], object], type[errors.ApiError]]] = [
        (None, lambda client: client.hold("deploy"), errors.Unauthorized),
        ("lsk_" + "x" * 43, lambda client: client.hold("deploy"), errors.Unauthorized),
        ("lsk_" + "x" * 43, lambda client: client.locks(), errors.Unauthorized),
        (secured.looks, lambda client: client.hold("deploy"), errors.NotAllowed),
        (secured.secret, lambda client: client.pause("deploy"), errors.NotAllowed),
        (secured.secret, lambda client: client.hold("other"), errors.ApiError),
    ]
    for key, call, expected in refused:
        with secured.client(key) as client, pytest.raises(expected) as raised:
            call(client)
        assert raised.value.status in (401, 403, 404)
        assert str(raised.value) == raised.value.problem.detail != ""
        text = "".join(traceback.format_exception(raised.type, raised.value, raised.tb)) + repr(vars(client))
        assert key is None or key not in text
    with secured.client(secured.looks) as client, client.events(last_id=client.locks().as_of) as events:
        secured.server.admin.pause("deploy", "works")
        assert next(iter(events)).lock == "deploy"
    assert secured.server.idle("deploy")
    assert secured.server.idle("other")


def test_a_server_that_nobody_vouches_for_gets_no_key(secured: Secured) -> None:
    # The name is judged as well. None of it is tried for longer: it would not help.
    named = secured.url.replace("127.0.0.1", "localhost")
    unknown = [Client(secured.url, key=secured.secret), Client(named, key=secured.secret, tls=secured.trust())]
    for client in unknown:
        with client, pytest.raises(errors.Distrust, match="certificate") as raised:
            client.hold("deploy")
        assert secured.secret not in str(raised.value)
        with client.events() as events, pytest.raises(errors.Distrust, match="certificate"):
            next(events)
    # Of several servers, one that is trusted is enough.
    with Client([named, secured.url], key=secured.secret, tls=secured.trust()) as client, client.hold("deploy") as held:
        assert held.lost is None
    with pytest.raises(errors.Distrust):
        asyncio.run(AsyncClient(secured.url, key=secured.secret).status())


def test_tasks_with_a_key(secured: Secured) -> None:
    async def main() -> None:
        async with AsyncClient(secured.url, key=secured.secret, tls=secured.trust()) as client, client.hold("deploy") as held:
            with pytest.raises(errors.Busy):
                await client.hold("deploy", wait_s=0)
            waiter = asyncio.ensure_future(enter(client))
            await asyncio.to_thread(secured.server.wait_queued, 1, "deploy")
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            await asyncio.to_thread(secured.server.wait_queued, 0, "deploy")
            assert held.lost is None
        async with AsyncClient(secured.url, tls=secured.trust()) as client:
            with pytest.raises(errors.Unauthorized):
                await client.hold("deploy")

    async def enter(client: AsyncClient) -> None:
        async with client.hold("deploy"):
            pytest.fail("it was not free")

    asyncio.run(main())
    assert secured.server.idle("deploy")


def test_a_key_that_is_taken_away(secured: Secured) -> None:
    """Renewals are refused from then on: the holder hears of it before the server's lease ends."""
    ended: list[str | None] = []
    admin = secured.server.admin
    with secured.client(secured.secret) as client, admin.events("deploy", admin.locks().as_of) as events:
        held = client.hold("deploy", ttl_s=TTL_S)
        secured.take_key_away()
        lost = held.wait_lost(60)
        assert lost is not None
        # It is the server that ends it, later.
        assert secured.server.holding("deploy") == 1
        for event in events:
            if event.kind == "ended":
                ended.append(event.ended_as)
                break
        with pytest.raises(LeaseLost):
            held.release()
        with pytest.raises(errors.Unauthorized):
            client.hold("deploy")
    assert ended == ["lost"]


def test_lockcli_with_user_and_password(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", secured.ca)
    url = secured.url.replace("https://", f"https://ci:{secured.secret}@") + "/RPC2"
    first, second = lockcli.Lock(url, "deploy"), lockcli.Lock(url, "deploy")
    assert first.lock_query("first")
    assert first.lock_wait()
    assert second.lock_query("second")
    secured.server.admin.pause("deploy", "works")
    # The second's query is ended by somebody: it hears of that, which takes a call of the JSON API with the same key.
    [waiting] = secured.server.admin.lock("deploy").queue
    secured.server.admin.revoke("deploy", waiting.number, reason="not today")
    assert second.lock_wait() is False
    assert first.lock_release()
    with pytest.raises(xmlrpc.client.ProtocolError) as raised:
        lockcli.Lock(url.replace(secured.secret, "wrong"), "deploy").lock_query()
    assert raised.value.errcode == 401
    with pytest.raises(xmlrpc.client.Fault):
        lockcli.Lock(url, "other").lock_query(retries=1)
    assert secured.server.idle("deploy")


def test_a_key_that_is_narrowed_leaves_nothing_behind(secured: Secured) -> None:
    admin = secured.server.admin
    with secured.client(secured.secret) as client:
        told: list[BaseException] = []
        with admin.hold("deploy", ttl_s=600), client.hold("DefaultLock", ttl_s=4) as held:

            def wait() -> None:
                try:
                    client.hold("deploy", ttl_s=600)
                except errors.ApiError as error:
                    told.append(error)

            waiter = threading.Thread(target=wait)
            waiter.start()
            secured.server.wait_queued(1, "deploy")
            secured.narrow_key()
            waiter.join(60)
            assert isinstance(told[0], errors.NotAllowed)
            assert admin.lock("deploy").queued == 0
            lost = held.wait_lost(60)
            assert lost is not None
            assert "the server refused to renew it: " in str(lost)
            with pytest.raises(LeaseLost):
                held.release()
        assert secured.server.idle("DefaultLock")
