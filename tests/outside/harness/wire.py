"""XML-RPC over a plain socket: bytes in, bytes out, nothing hidden by a library."""

import select
import socket
import xmlrpc.client

NAME = "DefaultLock"
BUSY = [False, "server busy, try again"]


class Closed(Exception):
    """The other side closed the connection before an answer was complete."""


def request(body, headers=(), method="POST", path="/RPC2", version="1.1", length=True):
    """One HTTP request as bytes. `headers` are whole lines."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    if length:
        lines += ["Content-Type: text/xml", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def call_body(method, *params):
    """The XML of one call."""
    return xmlrpc.client.dumps(params, method, allow_none=False).encode()


def decode(body):
    """The value of an answer; a fault is raised as `xmlrpc.client.Fault`."""
    (value,), _ = xmlrpc.client.loads(body)
    return value


class Response:
    """One HTTP answer."""

    def __init__(self, status, version, headers, body):
        self.status, self.version, self.headers, self.body = status, version, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def value(self):
        """The XML-RPC value in it. Whatever happens, the status is 200: old clients die of any other."""
        assert self.status == 200, f"HTTP {self.status}: {self.body[:300]!r}"
        return decode(self.body)

    def fault(self):
        """The fault in it, judged: code 1 and a plain sentence."""
        try:
            value = self.value()
        except xmlrpc.client.Fault as fault:
            assert fault.faultCode == 1 and fault.faultString.strip(), fault
            for foreign in ("<type", "<class", "Traceback", "Error("):
                assert foreign not in fault.faultString, f"not plain English: {fault.faultString!r}"
            return fault.faultString
        raise AssertionError(f"expected a fault, got {value!r}")


class Connection:
    """One connection to the server."""

    def __init__(self, at, timeout=30, source=None):
        self.socket = socket.create_connection(at, timeout, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        """Send bytes; False if the server has already closed: its answer may still be there to read."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed("closed in the middle of an answer" if self.buffer else "closed without an answer")
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        head, self.buffer = self.buffer.split(mark, 1)
        return head

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            body += self._exactly(size)
            self._exactly(2)
            if size == 0:
                return body

    def read(self, head_only=False):
        """Read one answer."""
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if head_only or status.startswith("1") or status in ("204", "304"):
            body = b""
        elif headers.get("transfer-encoding", "") == "chunked":
            body = self._chunks()
        elif "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
        else:
            body = self._rest()
        return Response(int(status), version, headers, body)

    def _rest(self):
        try:
            while True:
                self._more()
        except Closed:
            body, self.buffer = self.buffer, b""
            return body

    def eof(self):
        """Wait until the server closes; what it sent before. A reset counts as closed."""
        try:
            return self._rest()
        except ConnectionResetError:
            return self.buffer

    def ready(self, seconds=0):
        """Whether there is something to read."""
        return bool(self.buffer or select.select([self.socket], [], [], seconds)[0])

    def ask(self, method, *params):
        """Send a call and do not wait for its answer."""
        self.send(request(call_body(method, *params)))
        return self

    def answer(self):
        """The value of the answer to `ask`."""
        return self.read().value()

    def call(self, method, *params):
        """One call and its answer."""
        return self.ask(method, *params).answer()

    # The three calls of 0.36, by the name of the lock that most tests use.

    def query(self, info="", lock=NAME):
        """query_lock that must succeed; the id."""
        done, ticket = self.call("query_lock", lock, info)
        assert done is True, ticket
        return ticket

    def get(self, ticket, lock=NAME):
        """get_lock; whether the ticket holds its permit."""
        done, got = self.call("get_lock", lock, ticket)
        assert done is True, got
        return got

    def take(self, info="", lock=NAME):
        """query_lock and a get_lock that must be granted at once; the id."""
        ticket = self.query(info, lock)
        assert self.get(ticket, lock) is True
        return ticket

    def wait(self, ticket, lock=NAME):
        """Send get_lock and leave its answer for later."""
        return self.ask("get_lock", lock, ticket)

    def release(self, ticket, lock=NAME):
        """release_lock; whether it was granted or held."""
        done, released = self.call("release_lock", lock, ticket)
        assert done is True, released
        return released


def http(at, data, timeout=30, head_only=False):
    """One request on a connection of its own."""
    with Connection(at, timeout) as connection:
        connection.send(data)
        return connection.read(head_only)


def get(at, path="/", headers=()):
    """GET as plain text, as curl would."""
    return http(at, request(b"", ["User-Agent: curl/8.0", "Accept: */*", *headers], "GET", path, length=False))


def statistics(at, lock=NAME):
    """The five counters of a lock, read from the plain page."""
    section = get(at).text.split(f'Lock "{lock}"', 1)[1].split('\nLock "', 1)[0]
    lines = [line.partition(":") for line in section.splitlines()]
    names = ("Query locks", "Locks got", "Locks released", "Locks expired", "Locks forgotten")
    return {name: int(value) for name, _, value in lines if name in names}
