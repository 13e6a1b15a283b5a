"""The JSON API over a plain socket, from the network or as an administrator."""

import json
import os
import socket

from .wire import Connection


class Api:
    """One connection that speaks JSON. Every answer that is no success must be a problem of RFC 9457."""

    def __init__(self, at, timeout=30):
        self.connection = Connection(at, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def ask(self, method, path, body=None, headers=()):
        """Send a request and do not wait for its answer."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}", *headers]
        self.connection.send("\r\n".join([*lines, "", ""]).encode() + data)
        return self

    def answer(self):
        """The status and the value of the answer to `ask`."""
        response = self.connection.read()
        value = json.loads(response.body) if response.body else None
        if response.status >= 400:
            assert response.headers["content-type"] == "application/problem+json", response.headers
            assert value["status"] == response.status and value["code"], value
        return response.status, value

    def call(self, method, path, body=None, headers=()):
        """One request and its answer."""
        return self.ask(method, path, body, headers).answer()

    def ok(self, method, path, body=None, status=200):
        """One request that must succeed; the value of its answer."""
        got, value = self.call(method, path, body)
        assert got == status, value
        return value

    def take(self, lock, **body):
        """A ticket that is held at once."""
        return self.ok("POST", f"/v1/locks/{lock}/tickets", body, 201)

    def release(self, ticket):
        """Give a ticket back."""
        return self.ok("DELETE", f"/v1/tickets/{ticket['id']}")


class Admin(Api):
    """The same over the administrators' socket of a server. Its path may be longer than an address of a Unix socket."""

    def __init__(self, server, timeout=30):
        directory = os.open(server.directory, os.O_RDONLY)
        try:
            self.connection = Connection.__new__(Connection)
            self.connection.buffer = b""
            self.connection.socket = socket.socket(socket.AF_UNIX)
            self.connection.socket.settimeout(timeout)
            self.connection.socket.connect(f"/proc/self/fd/{directory}/admin.sock")
        finally:
            os.close(directory)
