"""The JSON API from outside: curl, a thousand who wait, answers that are lost on the way."""

import json
import re
import resource
import selectors
import signal
import socket
import struct
import subprocess
import threading

import pytest

from harness.api import Admin, Api
from harness.wait import until
from harness.wire import Connection, get, request

CLIENTS = 1000


@pytest.fixture
def api(server):
    """A connection to a server with DefaultLock of size 1."""
    with Api(server.at) as api:
        yield api


def lock(api, name="DefaultLock"):
    """The lock as everybody sees it."""
    return api.ok("GET", f"/v1/locks/{name}")


def test_curl_is_enough(server):
    base = f"http://{server.address}:{server.port}/v1"

    def curl(*arguments):
        done = subprocess.run(["curl", "-sS", "-f", *arguments], capture_output=True, text=True, timeout=30)
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    code, ticket = curl("-d", '{"info": "nightly backup", "ttl_s": 120}', f"{base}/locks/DefaultLock/tickets")
    assert (code, ticket["state"], ticket["ttl_s"]) == (0, "held", 120)
    # 2xx means held: with -f a deploy does not go on.
    code, _ = curl("-X", "POST", f"{base}/locks/DefaultLock/tickets")
    assert code == 22
    code, renewed = curl("-X", "POST", f"{base}/tickets/{ticket['id']}/renew")
    assert (code, renewed["token"]) == (0, ticket["token"])
    code, released = curl("-X", "DELETE", f"{base}/tickets/{ticket['id']}")
    assert (code, released["released"]) == (0, True)


def test_an_administrator_with_curl(server):
    done = subprocess.run(
        ["curl", "-sS", "-f", "--unix-socket", "admin.sock", "-X", "PUT", "-d", '{"slots": ["red", "green"]}',
         "http://localhost/v1/locks/colours"], capture_output=True, text=True, timeout=30, cwd=server.directory)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["size"] == 2
    with Api(server.at) as api:
        assert api.take("colours")["slot_names"] == ["red"]
        assert api.call("DELETE", "/v1/locks/colours")[0] == 403


def test_reload(server):
    with Admin(server) as admin:
        server.configure({}, "[lock added]\nSIZE=3")
        assert admin.ok("POST", "/v1/reload")["created"] == ["added"]
        server.configure({}, "[lock added]\nSIZE=many")
        status, problem = admin.call("POST", "/v1/reload")
        assert (status, problem["code"]) == (409, "configuration_refused") and "many" in problem["detail"]
        assert "many" in admin.ok("GET", "/v1/status")["configuration"]["refused"]
        assert lock(admin, "added")["size"] == 3


def test_the_socket_of_a_killed_server_is_replaced(server):
    server.restart()
    with Admin(server) as admin:
        assert admin.ok("GET", "/v1/status")["ready"] is True
    server.stop()
    assert not (server.directory / "admin.sock").exists()


def test_no_id_is_shown(server, api):
    held, (_, queued) = api.take("DefaultLock"), api.call("POST", "/v1/locks/DefaultLock/tickets", {"queue": True})
    with Admin(server) as admin:
        for one in (api, admin):
            for path in ("/v1/locks", "/v1/locks/DefaultLock", "/v1/tickets?mine"):
                text = json.dumps(one.ok("GET", path))
                assert held["id"] not in text and queued["id"] not in text and '"id"' not in text


def test_who_only_looks_learns_no_id_and_releases_nothing(server, api):
    """What `observe` allows is every GET, and none of them changes a ticket."""
    held, (_, queued) = api.take("DefaultLock"), api.call("POST", "/v1/locks/DefaultLock/tickets", {"queue": True})
    follower = Api(server.at).ask("GET", "/v1/events")
    parts = {"lock": "DefaultLock", "number": str(held["number"]), "id": "00000000-0000-4000-8000-000000000000"}
    with Api(server.at) as looker:
        paths = [path for path, calls in looker.ok("GET", "/openapi.json")["paths"].items() if "get" in calls]
        assert "/v1/locks/{lock}" in paths and "/v1/status" in paths
        for path in paths:
            path = re.sub(r"\{(\w+)\}", lambda part: parts[part.group(1)], path)
            for query in ("", "?mine", f"?token={held['token']}", "?force=true", "?request_id=0123456789abcdef"):
                for method in ("GET", "HEAD"):
                    if path == "/v1/events":
                        continue
                    with Connection(server.at) as connection:
                        connection.send(request(b"", [], method, path + query, length=False))
                        text = connection.read(head_only=method == "HEAD").text
                    assert held["id"] not in text and queued["id"] not in text, path
        for path in ("/", "/RPC2", "/healthz"):
            text = get(server.at, path).text
            assert held["id"] not in text and queued["id"] not in text, path
        # The number is public, and does not end what somebody else holds.
        for path in (f"/v1/locks/DefaultLock/tickets/{held['number']}", f"/v1/tickets/{held['number']}"):
            assert looker.call("DELETE", path)[0] in (403, 404)
    seen = api.ok("GET", f"/v1/tickets/{held['id']}")
    assert (seen["state"], seen["token"]) == ("held", held["token"])
    assert api.ok("GET", f"/v1/tickets/{queued['id']}")["state"] == "queued"
    # What happens is told to everybody, without ids.
    api.release(held)
    api.release(queued)
    stream = b""
    while b'"number":%d' % queued["number"] not in stream.rpartition(b"event: ended")[2]:
        assert follower.connection.ready(20), stream
        stream += follower.connection.socket.recv(65536)
    assert held["id"].encode() not in stream and queued["id"].encode() not in stream
    follower.close()


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_a_thousand_wait_and_are_served_in_order(server, api, report):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CLIENTS)), hard))
    holder = api.take("DefaultLock")
    selector, waiting = selectors.DefaultSelector(), []
    try:
        for number in range(CLIENTS):
            client = Api(server.at, timeout=60)
            # Each keeps its place and asks again when its time to wait is over, as a real client does.
            path = "/v1/locks/DefaultLock/tickets"
            status, ticket = client.call("POST", path, {"queue": True, "info": str(number)})
            assert status == 202
            client.ask("GET", f"/v1/tickets/{ticket['id']}?wait_s=60")
            waiting.append(client)
            client.number, client.ticket = number, ticket
            selector.register(client.connection.socket, selectors.EVENT_READ, client)
        until(lambda: lock(api)["queued"] == CLIENTS, 30, "all wait")
        for number in range(CLIENTS):
            api.release(holder)
            while True:
                ready = [key.data for key, _ in selector.select(timeout=60)]
                assert ready, f"nobody was woken for the turn of {number}"
                answers = [(client, client.answer()[1]) for client in ready]
                for client, ticket in answers:
                    if ticket["state"] == "queued":
                        client.ask("GET", f"/v1/tickets/{ticket['id']}?wait_s=60")
                served = [(client.number, ticket) for client, ticket in answers if ticket["state"] == "held"]
                if served:
                    break
            assert [who for who, _ in served] == [number], "exactly the next one is woken"
            holder = served[0][1]
        api.release(holder)
        assert lock(api)["queued"] == 0
        report(f"{CLIENTS} clients waited over HTTP and were served in order")
    finally:
        selector.close()
        for client in waiting:
            client.close()


class Cutter:
    """A proxy that forwards one request, and cuts its client off: before the request, or before its answer."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = self.listener.getsockname()

    def cut_before_answer(self):
        """Take one client, forward its request, wait for the answer's first byte, and lose it with a reset."""
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.target, 30) as server:
            server.sendall(client.recv(65536))
            # Peeked at: the server's answer is there, and nobody takes it.
            server.recv(1, socket.MSG_PEEK)
            for end in (client, server):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def cut_while_waiting(self, is_queued):
        """Take one client, forward its request, and cut both ends once it is in the queue."""
        client, _ = self.listener.accept()
        with client, socket.create_connection(self.target, 30) as server:
            server.sendall(client.recv(65536))
            until(is_queued, 30, "the request is in the queue")

    def close(self):
        self.listener.close()


@pytest.fixture
def cutter(server):
    """A proxy before the server."""
    cutter = Cutter(server.at)
    yield cutter
    cutter.close()


def lose(cutter, body, how, *arguments):
    """Ask for a permit through the proxy, which loses the answer."""
    thread = threading.Thread(target=how, args=arguments)
    thread.start()
    with Api(cutter.at) as client, pytest.raises(Exception):
        client.call("POST", "/v1/locks/two/tickets", body)
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def two(make_server):
    """A server with a lock of size 2."""
    return make_server(sections="[lock two]\nSIZE=2").start()


@pytest.fixture
def two_api(two):
    """A connection to it."""
    with Api(two.at) as api:
        yield api


@pytest.fixture
def two_cutter(two):
    """A proxy before it."""
    cutter = Cutter(two.at)
    yield cutter
    cutter.close()


def test_a_lost_answer_with_a_request_id_takes_one_permit(two_api, two_cutter):
    body = {"request_id": "f3c1a7e29b5d4860", "wait_s": 5}
    for _ in range(5):
        lose(two_cutter, body, two_cutter.cut_before_answer)
        assert lock(two_api, "two")["in_use"] <= 1
    ticket = two_api.take("two", **body)
    view = lock(two_api, "two")
    assert view["in_use"] == 1 and view["statistics"]["queries"] == 1
    two_api.release(ticket)
    assert lock(two_api, "two")["free"] == 2


def test_a_lost_answer_without_one_leaves_nothing_behind(two, two_api):
    for number in range(1, 6):
        client = Api(two.at)
        client.ok("GET", "/v1/status")
        # The request is on its way when the client goes; nobody is there when its answer is written.
        two.signal(signal.SIGSTOP)
        client.ask("POST", "/v1/locks/two/tickets", {"info": str(number)})
        # A mere close might be that of its sending side: the answer would be written, and count as told.
        client.connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        two.signal(signal.SIGCONT)
        until(lambda: lock(two_api, "two")["statistics"]["queries"] == number, 30, "the request was seen")
        until(lambda: lock(two_api, "two")["in_use"] == 0, 30, "nothing is left of it")
    assert lock(two_api, "two")["free"] == 2


def test_who_is_cut_off_while_waiting_leaves_nothing_behind(two_api, two_cutter):
    first, second = two_api.take("two"), two_api.take("two")
    lose(two_cutter, {"wait_s": 60}, two_cutter.cut_while_waiting, queued_in(two_cutter))
    until(lambda: lock(two_api, "two")["queued"] == 0, 30, "the ticket is gone")
    two_api.release(first)
    two_api.release(second)
    assert lock(two_api, "two")["free"] == 2


def test_who_is_cut_off_while_waiting_finds_its_place_again(two_api, two_cutter):
    first, _ = two_api.take("two"), two_api.take("two")
    body = {"wait_s": 60, "request_id": "f3c1a7e29b5d4860"}
    lose(two_cutter, body, two_cutter.cut_while_waiting, queued_in(two_cutter))
    until(lambda: lock(two_api, "two")["queue"][0]["dormant"], 30, "the server saw it go")
    with Api(two_cutter.target) as client:
        client.ask("POST", "/v1/locks/two/tickets", body)
        until(lambda: not lock(two_api, "two")["queue"][0]["dormant"], 30, "it is back in its place")
        two_api.release(first)
        status, ticket = client.answer()
        assert (status, ticket["state"]) == (201, "held")
    assert lock(two_api, "two")["in_use"] == 2


def queued_in(cutter):
    """Whether somebody is in the queue, asked on a connection of its own."""
    def is_queued():
        with Api(cutter.target) as api:
            return lock(api, "two")["queued"] == 1
    return is_queued
