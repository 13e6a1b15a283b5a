"""Answers that come before the end of their request: the next request on the connection works, or the answer said that it ends."""

import json

import pytest

from harness.wire import Connection

BODY = json.dumps({"info": "x" * 400}).encode()
LARGE = b"x" * 200_000

# What is refused.
REFUSED = {
    "no such path": ("POST", "/v1/nothing", [], BODY),
    "a method that is not for this path": ("PATCH", "/v1/status", [], BODY),
    "no such lock": ("POST", "/v1/locks/nope/tickets", [], BODY),
    "an unknown parameter": ("POST", "/v1/locks/open/tickets?forse", [], BODY),
    "no id of a ticket": ("POST", "/v1/tickets/zzz/renew", [], BODY),
    "no right": ("PUT", "/v1/locks/open", [], BODY),
    "a wrong name of the server": ("POST", "/v1/locks/open/tickets", ["Host: elsewhere.test"], BODY),
    "a body that is too large": ("POST", "/v1/locks/open/tickets", [], LARGE),
    "no FleetLock": ("POST", "/v1/pre-reboot", [], BODY),
    "a state of Terraform": ("POST", "/v1/terraform/nope", [], BODY),
    "XML-RPC that is too large": ("POST", "/RPC2", [], LARGE),
    "a wrong path of XML-RPC": ("POST", "/RPC3", [], BODY),
}


def goes_on(connection, answer):
    """The answer said that the connection ends, or the next request on it works."""
    if answer.headers.get("connection", "").lower() == "close":
        return False
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.read().status in (200, 401), "the next request on a connection that was to go on"
    return True


@pytest.mark.parametrize("what", REFUSED)
def test_the_next_request_works_or_the_answer_said_close(make_server, what):
    method, path, more, body = REFUSED[what]
    server = make_server(sections="[lock open]\nSIZE=1\n").start()
    for late, expect in ((False, False), (True, False), (True, True)):
        host = [] if any(line.startswith("Host") for line in more) else ["Host: localhost"]
        asks = ["Expect: 100-continue"] if expect else []
        lines = [f"{method} {path} HTTP/1.1", *host, *more, *asks, f"Content-Length: {len(body)}"]
        head = "\r\n".join([*lines, "", ""]).encode()
        for _ in range(5):
            with Connection(server.at) as connection:
                connection.send(head if late else head + body)
                if late and not expect and not connection.ready(0.05):
                    # A server that reads before it answers waits for this.
                    connection.send(body)
                answer = connection.read()
                if answer.status == 100:
                    connection.send(body)
                    answer = connection.read()
                assert answer.status >= 400 or path == "/RPC2", answer.headers
                went_on = goes_on(connection, answer)
                if not late and len(body) < 1000:
                    assert went_on, "a short body that was there is no reason to end a connection"
