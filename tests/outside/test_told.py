"""A client that was told *held* holds, however its connection ends: in every protocol, at every byte of the answer.

Each case has a lock of its own (of a template), whose permit is free. It asks for it, reads so many bytes of the answer, and ends
the connection in some way. Then the permit is its for its lease: the answer was written, so it may have been read, and nothing
that a connection does afterwards proves otherwise. (Who read nothing at all may have been faster than the answer, or not.)
"""

import itertools
import json
import os
import random
import re
import signal
import socket
import struct

import pytest

from harness import frames
from harness.api import Api
from harness.tls import Authority, SecureApi
from harness.wait import until

SECTIONS = "[lock t-*]\nSIZE=1\nGRACE_TIME=1\nMAX_LOCK_TIME=600\n[lock fleetlock-*]\nSIZE=1\n[terraform]\nLOCKS=t-*\n"
NOTHING_LINGERS = struct.pack("ii", 1, 0)
_names = itertools.count(1)


def reset(raw):
    """RST, at once."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOTHING_LINGERS)
    raw.close()


def close(raw):
    """As programs end: FIN, or RST if something was left unread."""
    raw.close()


def shut(raw):
    """Both directions are shut down before."""
    raw.shutdown(socket.SHUT_RDWR)
    raw.close()


def half(raw):
    """First the sending side, then all of it, with a reset."""
    raw.shutdown(socket.SHUT_WR)
    reset(raw)


WAYS = {way.__name__: way for way in (reset, close, shut, half)}


def http(method, path, body=None, headers=()):
    """A request of HTTP/1."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + data


def rpc(method, *words):
    """A call of XML-RPC."""
    params = "".join(f"<param><value><string>{word}</string></value></param>" for word in words)
    call = f"<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>"
    return http("POST", "/RPC2", call.encode(), ["Content-Type: text/xml"])


def end_of_http(buffer):
    """How many of these bytes one answer of HTTP/1 has; 0 while it is not there."""
    head, end, _ = buffer.partition(b"\r\n\r\n")
    if not end:
        return 0
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head + b"\r\n")
    size = len(head) + 4 + int(length.group(1) if length else 0)
    return size if len(buffer) >= size else 0


class Client:
    """One connection, read byte by byte as far as is wanted."""

    def __init__(self, at, context=None, alpn=None):
        self.raw = socket.create_connection(at, 30)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.raw
        if context:
            context.set_alpn_protocols([alpn or "http/1.1"])
            self.socket = context.wrap_socket(self.raw, server_hostname=at[0])
            self.raw = self.socket
        self.end_of, self.read_of = end_of_http, len

    def answer(self):
        """One whole answer."""
        buffer = b""
        while not self.end_of(buffer):
            data = self.socket.recv(65536)
            assert data, buffer
            buffer += data
        return buffer

    def call(self, data):
        """A request and its whole answer."""
        self.socket.sendall(data)
        return self.answer()

    def take(self, data, count):
        """A request, and so many bytes of its answer; all of it without a number, and how many that were."""
        self.socket.sendall(data)
        if count is None:
            answer = self.answer()
            assert b"HTTP/1.1 4" not in answer and b"problem+json" not in answer and b"<boolean>0" not in answer, answer
            return len(answer)
        buffer = b""
        # Some answers are shorter by a digit or two.
        while self.read_of(buffer) < count and not self.end_of(buffer):
            data = self.socket.recv(count - self.read_of(buffer))
            assert data, buffer
            buffer += data
        return count


class Http2(Client):
    """The same over HTTP/2; requests are of HTTP/1 and translated."""

    def __init__(self, at, context):
        super().__init__(at, context, "h2")
        self.host, self.stream = at[0], -1
        self.socket.sendall(frames.PREFACE + frames.frame(frames.SETTINGS))
        self.end_of = lambda buffer: frames.answer(buffer, self.stream)[1]
        self.read_of = self.read_of_stream

    def read_of_stream(self, buffer):
        """How many bytes of the answer these are; before it comes what the connection has to say."""
        begin, _ = frames.answer(buffer, self.stream)
        return 0 if begin is None else len(buffer) - begin

    def translated(self, data):
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split()
        named = (line.lower().split(": ", 1) for line in lines)
        kept = [(name, value) for name, value in named if name not in ("host", "content-length")]
        self.stream += 2
        return frames.request(self.stream, method, path, self.host, body, kept)

    def call(self, data):
        return super().call(self.translated(data))

    def take(self, data, count):
        return super().take(self.translated(data), count)


# How a permit is asked for: what comes before on the same connection, and the request whose answer says *held*.

def acquire(client, lock):
    """JSON: the answer alone names the ticket."""
    return http("POST", f"/v1/locks/{lock}/tickets", {"ttl_s": 600})


def acquire_again(client, lock):
    """JSON, with a request_id."""
    return http("POST", f"/v1/locks/{lock}/tickets", {"ttl_s": 600, "request_id": f"{lock}-{random.randbytes(12).hex()}"})


def queried(client, lock):
    """A ticket that was granted and not claimed yet."""
    return re.search(rb"[0-9a-f]{8}-[0-9a-f-]{27}", client.call(rpc("query_lock", lock, "told"))).group().decode()


def get_lock(client, lock):
    """XML-RPC."""
    return rpc("get_lock", lock, queried(client, lock))


def claim(client, lock):
    """JSON: a read that claims a grant."""
    return http("GET", f"/v1/tickets/{queried(client, lock)}")


def fleetlock(client, lock):
    """FleetLock."""
    wanted = {"client_params": {"id": "node", "group": lock.removeprefix("fleetlock-")}}
    return http("POST", "/v1/pre-reboot", wanted, ["fleet-lock-protocol: true"])


def terraform(client, lock):
    """A state lock of Terraform."""
    return http("LOCK", f"/v1/terraform/{lock}", {"ID": "state", "Who": "told"})


ASKING = {ask.__name__: ask for ask in (acquire, acquire_again, get_lock, claim, fleetlock, terraform)}


class Case:
    """What one client does, on a lock of its own."""

    def __init__(self, ask, way, used=True, count=None):
        self.ask, self.way, self.used, self.count = ask, way, used, count
        self.lock = f"{'fleetlock-' if ask == 'fleetlock' else 't-'}{next(_names)}"

    def __repr__(self):
        return f"{self.ask} on a {'used' if self.used else 'fresh'} connection, {self.way} after {self.count} bytes"

    def run(self, client):
        """Does it; how many bytes it has read."""
        if self.used:
            client.call(http("GET", "/healthz"))
            client.call(http("GET", "/healthz"))
        read = client.take(ASKING[self.ask](client, self.lock), self.count)
        WAYS[self.way](client.raw)
        return read


def connections(api):
    """How many connections the server has."""
    api.ask("GET", "/metrics")
    return int(re.search(r"(?m)^lockserver_connections (\d+)", api.connection.read().text).group(1))


def judge(api, cases, report):
    """A client that has read something of its answer has its permit, now that the server has seen the end of every connection."""
    until(lambda: connections(api) == 1, 60, "the server has seen the end of all connections but this one")
    locks, cursor = {}, ""
    while cursor is not None:
        page = api.ok("GET", f"/v1/locks?tickets=1{cursor}")
        locks.update((one["name"], one["holders"]) for one in page["locks"])
        cursor = f"&cursor={page['next']}" if page.get("next") else None
    state = {name: holders[0]["state"] for name, holders in locks.items() if holders}
    read = [case for case in cases if case.count != 0]
    lost = [case for case in read if state.get(case.lock) != "held"]
    assert not lost, f"{len(lost)} of {len(read)} lost: {lost[:5]}"
    report(f"0 of {len(read)} lost")


@pytest.fixture
def plain(make_server):
    """A server without TLS."""
    return make_server(sections=SECTIONS, store="memory").start()


@pytest.fixture
def secure(make_server, tmp_path):
    """A server with TLS, and who vouches for it."""
    authority = Authority(tmp_path / "authority")
    server = make_server(sections=SECTIONS, store="memory")
    identity = authority.issue("server", f"IP:{server.address}")
    server.configure({}, SECTIONS + "[tls]\nCERT={}\nKEY={}\n".format(*identity))
    return server.start(), authority


def test_at_every_byte_of_the_answer(plain, report):
    """The whole length, in the way that lost it always: a reset on a used connection."""
    cases = [Case("acquire", "reset")]
    length = cases[0].run(Client(plain.at))
    cases += [Case("acquire", "reset", count=count) for count in range(0, length + 1)]
    cases += [Case("acquire", "close", count=count) for count in range(1, length + 1, 7)]
    for case in cases[1:]:
        case.run(Client(plain.at))
    with Api(plain.at) as api:
        judge(api, cases, report)


@pytest.mark.parametrize("ask", ASKING)
def test_in_every_protocol(plain, ask, report):
    cases = []
    for way, used in itertools.product(WAYS, (False, True)):
        cases += [Case(ask, way, used) for _ in range(12)]
        cases += [Case(ask, way, used, count) for count in (0, 1, 9, 40, 90)]
    for case in cases:
        case.run(Client(plain.at))
    with Api(plain.at) as api:
        judge(api, cases, report)


def acquire_waiting(client, lock):
    """JSON: the permit is another one's still."""
    return http("POST", f"/v1/locks/{lock}/tickets", {"ttl_s": 600, "wait_s": 30})


def claim_waiting(client, lock):
    """JSON: a place in the queue first."""
    return http("GET", f"/v1/tickets/{queried(client, lock)}?wait_s=30")


@pytest.mark.parametrize("ask", [acquire_waiting, claim_waiting, get_lock], ids=lambda ask: ask.__name__)
def test_who_waited(plain, ask, report):
    """The answer comes when somebody else gives back; of two that wait for one ticket the other one has gone before."""
    cases = []
    with Api(plain.at) as api:
        for way, count, two in itertools.product(WAYS, (1, 60, None), (False, True)):
            case = Case("acquire", way, True, count)
            before = api.ok("POST", f"/v1/locks/{case.lock}/tickets", {"ttl_s": 600}, 201)["id"]
            client, other = Client(plain.at), Client(plain.at)
            request = ask(client, case.lock)
            client.socket.sendall(request)
            until(lambda case=case: [one.get("expires_in_s") for one in api.ok("GET", f"/v1/locks/{case.lock}")["queue"]] == [None],
                  20, "it waits")
            if two and ask is not acquire_waiting:
                other.socket.sendall(request)
            reset(other.raw)
            api.ok("DELETE", f"/v1/tickets/{before}")
            client.take(b"", count)
            WAYS[way](client.raw)
            cases.append(case)
        judge(api, cases, report)


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_over_tls(secure, version, report):
    server, authority = secure
    context = authority.context()
    client = Http2 if version == "2" else Client
    cases = []
    for ask, way, used in itertools.product(("acquire", "acquire_again", "get_lock", "fleetlock"), WAYS, (False, True)):
        cases += [Case(ask, way, used) for _ in range(4)] + [Case(ask, way, used, count) for count in (1, 20)]
    for case in cases:
        case.run(client(server.at, context))
    with SecureApi(server, authority.context()) as api:
        judge(api, cases, report)


def test_a_stream_that_is_reset_after_its_answer(secure, report):
    """HTTP/2: the client has read its answer, resets the stream all the same, and goes on with the connection."""
    server, authority = secure
    context = authority.context()
    client, cases = Http2(server.at, context), []
    for _ in range(50):
        case = Case("acquire", "reset")
        client.take(acquire(client, case.lock), None)
        client.socket.sendall(frames.frame(frames.RST_STREAM, 0, client.stream, (8).to_bytes(4, "big")))
        cases.append(case)
    client.call(http("GET", "/healthz"))
    reset(client.raw)
    with SecureApi(server, authority.context()) as api:
        judge(api, cases, report)


def test_the_client_is_killed_after_it_has_read(plain, report):
    cases = [Case(ask, "close", used) for ask in ("acquire", "get_lock", "fleetlock") for used in (False, True)
             for _ in range(8)]
    for case in cases:
        child = os.fork()
        if child == 0:
            # Nothing of pytest runs in here: it ends by a signal in any case.
            try:
                client = Client(plain.at)
                case.way = "killed"
                WAYS["killed"] = lambda _: os.kill(os.getpid(), signal.SIGKILL)
                case.run(client)
            finally:
                os._exit(1)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, case
    with Api(plain.at) as api:
        judge(api, cases, report)
