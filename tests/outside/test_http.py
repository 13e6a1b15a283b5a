"""The ways of HTTP that real clients use: old versions, chunks, keep-alive, pipelines, encodings."""

import pytest

from harness.wire import Closed, call_body, decode, http, request

QUERY = call_body("query_lock", "DefaultLock", "x")


def made(response):
    """The answer is a ticket."""
    done, ticket = response.value()
    return done is True and len(ticket) == 36


def test_many_calls_on_one_connection(server, connect):
    connection = connect(server)
    for _ in range(100):
        assert connection.release(connection.take())


def test_a_pipeline_is_answered_in_order(server, connect):
    connection = connect(server)
    connection.send(request(QUERY) + request("garbage") + request(call_body("query_lock", "Nope")) + request(QUERY))
    assert made(connection.read())
    assert connection.read().fault()
    assert connection.read().value() == [False, "lock does not exist"]
    assert made(connection.read())


def test_http_1_0_closes(server, connect):
    connection = connect(server)
    connection.send(request(QUERY, version="1.0"))
    assert made(connection.read())
    with pytest.raises(Closed):
        connection.read()


def test_http_1_0_keeps_alive_when_asked(server, connect):
    connection = connect(server)
    for _ in range(3):
        connection.send(request(QUERY, ["Connection: keep-alive"], version="1.0"))
        assert made(connection.read())


def test_connection_close(server, connect):
    connection = connect(server)
    connection.send(request(QUERY, ["Connection: close"]))
    assert made(connection.read())
    with pytest.raises(Closed):
        connection.read()


def test_chunks(server):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (QUERY[:7], QUERY[7:50], QUERY[50:]))
    head = request(b"", ["Transfer-Encoding: chunked", "Content-Type: text/xml"], length=False)
    assert made(http(server.at, head + chunks + b"0\r\n\r\n"))


def test_too_many_chunks(server):
    head = request(b"", ["Transfer-Encoding: chunked", "Content-Type: text/xml"], length=False)
    assert http(server.at, head + b"400\r\n%s\r\n" % (b"x" * 1024) * 100 + b"0\r\n\r\n").fault()


def test_expect_100_continue(server, connect):
    connection = connect(server)
    whole = request(QUERY, ["Expect: 100-continue"])
    head, body = whole[:-len(QUERY)], whole[-len(QUERY):]
    connection.send(head)
    assert connection.read().status == 100
    connection.send(body)
    assert made(connection.read())


@pytest.mark.parametrize("content_type", ["text/xml", "text/xml; charset=utf-8", "application/xml",
                                          "application/x-www-form-urlencoded", None])
@pytest.mark.parametrize("path", ["/RPC2", "/"])
def test_any_content_type_on_both_paths(server, content_type, path):
    lines = [f"Content-Length: {len(QUERY)}"] + ([f"Content-Type: {content_type}"] if content_type else [])
    assert made(http(server.at, request(b"", lines, path=path, length=False) + QUERY))


def test_byte_by_byte(server, connect):
    connection = connect(server)
    for byte in request(QUERY):
        connection.send(bytes([byte]))
    assert made(connection.read())


ENCODINGS = {
    "declared latin-1": "<?xml version='1.0' encoding='iso-8859-1'?>{}".format,
    "a byte order mark": "\ufeff<?xml version='1.0'?>{}".format,
    "declared utf-16": "\ufeff<?xml version='1.0' encoding='utf-16'?>{}".format,
    "no declaration": "{}".format,
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_encodings(server, name):
    codec = "latin-1" if "latin" in name else "utf-16-le" if "16" in name else "utf-8"
    call = ("<methodCall><methodName>query_lock</methodName><params><param><value>DefaultLock</value></param>"
            "<param><value>caf\u00e9</value></param></params></methodCall>")
    done, ticket = http(server.at, request(ENCODINGS[name](call).encode(codec))).value()
    assert done is True
    page = http(server.at, request(b"", ["Accept: text/plain"], "GET", "/", length=False)).text
    assert f"[Lock {ticket[:8]}] (caf\u00e9)" in page


def test_the_answer_says_what_it_is(server):
    response = http(server.at, request(QUERY))
    assert response.version == "HTTP/1.1"
    assert response.headers["content-type"].split(";")[0] == "text/xml"
    assert int(response.headers["content-length"]) == len(response.body)
    assert decode(response.body)
