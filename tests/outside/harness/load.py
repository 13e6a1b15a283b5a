"""A steady load of new clients, each request on a connection of its own, and everything that went wrong with one."""

import asyncio
import json
import threading
import time
import uuid

from .judge import Job
from .wire import call_body, decode, request

PATIENCE_S = 30


class Cut(Exception):
    """A connection that ended before its answer was complete."""


class Load(threading.Thread):
    """So many clients a second, in turn with XML-RPC and with JSON: take a permit, work, give it back."""

    def __init__(self, at, lock, rate, work=0.02):
        super().__init__(daemon=True)
        self.at, self.lock, self.rate, self.work = at, lock, rate, work
        self.stopping = threading.Event()
        self.jobs, self.refused, self.cut, self.errors = [], [], [], []
        self.begun = self.told_to_repeat = 0

    def run(self):
        asyncio.run(self._all())

    async def _all(self):
        clients, begin = set(), time.monotonic()
        while not self.stopping.is_set():
            await asyncio.sleep(max(0, begin + self.begun / self.rate - time.monotonic()))
            self.begun += 1
            one = self._json if self.begun % 2 else self._xmlrpc
            clients.add(asyncio.create_task(self._client(one, self.begun)))
            clients = {client for client in clients if not client.done()}
        await asyncio.gather(*clients)

    async def _client(self, one, number):
        try:
            await one(f"client {number}")
        except Exception as error:  # told to the test, which fails with it
            self.errors.append(f"client {number}: {error!r}")

    async def _once(self, data):
        """One request on a new connection; the status and the body of its answer."""
        try:
            reader, writer = await asyncio.open_connection(*self.at)
        except ConnectionError as error:
            self.refused.append((time.time(), repr(error)))
            raise Cut from error
        began = time.time()
        try:
            writer.write(data)
            answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        except ConnectionError as error:
            self.cut.append((began, time.time()))
            raise Cut from error
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if not lengths or len(body) != int(lengths[0]):
            self.cut.append((began, time.time()))
            raise Cut
        return int(head.split()[1]), body

    async def _until_answered(self, data):
        """Repeats a request whose connection was cut; its every answer counts."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._once(data)
            except Cut:
                assert time.monotonic() < deadline, "cut again and again"
                await asyncio.sleep(0.01)

    async def _json(self, name):
        def ask(method, path, body=None):
            data = b"" if body is None else json.dumps(body).encode()
            lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}", "Connection: close"]
            return self._until_answered("\r\n".join([*lines, "", ""]).encode() + data)

        body = {"request_id": str(uuid.uuid4()), "wait_s": 20, "info": name}
        deadline, asked = time.monotonic() + PATIENCE_S, time.time()
        while True:
            status, answer = await ask("POST", f"/v1/locks/{self.lock}/tickets", body)
            # 200: the repeated request finds what the first one made.
            if status in (200, 201):
                break
            # A server that stops, and leaves nothing behind; as lock-client does it.
            assert status == 503 and json.loads(answer)["retryable"], answer
            assert time.monotonic() < deadline, answer
            self.told_to_repeat += 1
        got = time.time()
        await asyncio.sleep(self.work)
        left = time.time()
        status, answer = await ask("DELETE", f"/v1/tickets/{json.loads(answer)['id']}")
        assert status == 200, answer
        self.jobs.append(Job(name, asked, got, got, left))

    async def _xmlrpc(self, name):
        async def call(method, *params):
            data = request(call_body(method, self.lock, *params), ["Connection: close"])
            status, body = await self._until_answered(data)
            assert status == 200, body
            return decode(body)

        deadline, asked = time.monotonic() + PATIENCE_S, time.time()
        while True:
            done, ticket = await call("query_lock", name)
            if done:
                break
            assert time.monotonic() < deadline, ticket
            self.told_to_repeat += 1
        queried = time.time()
        while await call("get_lock", ticket) != [True, True]:
            assert time.monotonic() < deadline, "a ticket that was told was not granted"
        got = time.time()
        await asyncio.sleep(self.work)
        left = time.time()
        # False: an earlier try was done and its answer lost.
        assert await call("release_lock", ticket) in ([True, True], [True, False])
        self.jobs.append(Job(name, asked, queried, got, left))
