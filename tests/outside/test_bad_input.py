"""What no sane client sends. Each time the server answers or closes in time, and goes on serving others."""

import gzip
import random

import pytest

from harness.wire import Closed, Connection, call_body, http, request, statistics

LIMIT = 64 * 1024
QUERY = call_body("query_lock", "DefaultLock", "valid")


@pytest.fixture
def still_serves(server):
    """Judged at the end of each test: another client is served as ever, and only its ticket was made."""
    yield server
    with Connection(server.at, timeout=5) as connection:
        assert connection.release(connection.take("still served"))


def attempt(server, data, timeout=15):
    """Send bytes and take whatever comes until the server closes or has answered."""
    with Connection(server.at, timeout) as connection:
        connection.send(data)
        try:
            return connection.read()
        except (Closed, ConnectionResetError):
            return None


def call_with(value):
    """A call whose info is this piece of XML."""
    return (f"<?xml version='1.0'?><methodCall><methodName>query_lock</methodName><params><param><value>DefaultLock"
            f"</value></param><param>{value}</param></params></methodCall>")


# Ten times ten times ten ...: eleven lines that would grow to a hundred gigabytes.
BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))

FAULTS = {
    "body over the limit": "<a>" + "x" * LIMIT + "</a>",
    "body far over the limit": "x" * (8 * LIMIT),
    "a DTD": "<!DOCTYPE a><methodCall><methodName>query_lock</methodName></methodCall>",
    "an entity bomb": f'<!DOCTYPE a [<!ENTITY e0 "lol">{BOMB}]>' + call_with("<value>&e11;</value>").split("?>", 1)[1],
    "an external entity": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                          + call_with("<value>&x;</value>").split("?>", 1)[1],
    "an undefined entity": call_with("<value>&nothing;</value>"),
    "deep nesting": call_with("<value>" + "<array><data><value>" * 700 + "</value></data></array>" * 700 + "</value>"),
    "an int that is none": call_with("<value><int>seven</int></value>"),
    "no method name": "<methodCall><params/></methodCall>",
    "wrong nesting": "<methodCall><methodName>query_lock</params></methodCall>",
    "NUL bytes": "<methodCall>\0\0</methodCall>",
    "only blanks": " " * 1000,
}


@pytest.mark.parametrize("body", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_with_status_200(still_serves, body):
    response = attempt(still_serves, request(body))
    assert response is not None, "closed without an answer"
    text = response.fault()
    assert len(text) < 500 and "root:" not in text
    assert statistics(still_serves.at)["Query locks"] == 0


def test_a_body_that_only_claims_to_be_too_large(still_serves):
    data = request(b"", [f"Content-Length: {10**12}", "Content-Type: text/xml"], length=False)
    assert attempt(still_serves, data).fault()


def test_bytes_that_are_no_utf_8(still_serves):
    attempt(still_serves, request(QUERY.replace(b"valid", b"\xff\xfe\xfa"))).fault()


def test_gzip(still_serves):
    packed = gzip.compress(QUERY)
    answer = attempt(still_serves, request(packed, ["Content-Encoding: gzip"])).value()
    assert answer[0] is True
    with Connection(still_serves.at) as connection:
        assert connection.get(answer[1]) and connection.release(answer[1])


BAD_GZIP = {
    "a bomb": gzip.compress(b"<a>" + b" " * 10**8 + b"</a>"),
    "cut off": gzip.compress(QUERY)[:-12],
    "none at all": b"no gzip",
}


@pytest.mark.parametrize("packed", BAD_GZIP.values(), ids=BAD_GZIP.keys())
def test_bad_gzip(still_serves, packed):
    assert attempt(still_serves, request(packed, ["Content-Encoding: gzip"])).fault()


def test_cut_at_every_byte(still_serves):
    whole = request(QUERY)
    for offset in range(len(whole)):
        with Connection(still_serves.at) as connection:
            connection.send(whole[:offset])
    # Nothing of them arrived whole, so nothing was done.
    assert statistics(still_serves.at)["Query locks"] == 0


def test_noise(still_serves):
    rng = random.Random(20)
    noise = [rng.randbytes(rng.randrange(1, 2000)) for _ in range(100)]
    tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200)
    noise += [tls_hello, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 500]
    for data in noise:
        with Connection(still_serves.at, timeout=15) as connection:
            connection.send(data)
            connection.socket.shutdown(1)
            connection.eof()


def test_damaged_requests(server):
    """A valid request with some bytes changed: answered or closed, whatever it has become."""
    rng = random.Random(21)
    whole = request(QUERY)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with Connection(server.at, timeout=15) as connection:
            connection.send(bytes(data))
            connection.socket.shutdown(1)
            assert not connection.eof().startswith(b"HTTP/1.1 5")
    # What still was a call may hold the lock now; new ones are taken all the same.
    with Connection(server.at) as connection:
        assert connection.query("still served")


HEADS = {
    "a very long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "very many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n",
    "a very long header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 1_000_000 + b"\r\n\r\n",
    "two lengths": b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
    "a length that is none": b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    "length and chunks": b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
                         b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    "an unknown version": b"POST /RPC2 HTTP/7.3\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("data", HEADS.values(), ids=HEADS.keys())
def test_bad_heads(still_serves, data):
    response = attempt(still_serves, data)
    assert response is None or response.status < 500


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FROB", "HEAD", "GET"])
@pytest.mark.parametrize("path", ["/", "/RPC2", "/nothing/here", "/%00", "/../../etc/passwd", "*"])
def test_other_methods_and_paths(still_serves, method, path):
    response = http(still_serves.at, request(b"", method=method, path=path, length=False), head_only=method == "HEAD")
    assert 200 <= response.status < 500
    if method == "HEAD":
        assert response.body == b""
    if (method, path) in {("GET", "/"), ("HEAD", "/")}:
        assert response.status == 200
    assert b"root:" not in response.body
