"""The client module of lockserver 0.36, for Python 3: `Lock` with `lock_query`, `lock_wait` and `lock_release`.

    import lockcli
    lock = lockcli.Lock("http://127.0.0.1:9090/RPC2", "DefaultLock")
    if not (lock.lock_query("i queried a lock") and lock.lock_wait()):
        raise SystemExit("no lock, no work")
    print("at work")
    lock.lock_release()

It works with the servers that 0.36's worked with, and with 0.36 itself. New programs should use `lockserver_client`: it renews
what it holds.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import time
import xmlrpc.client
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

__all__ = ["Ended", "Lock", "NotAcquired"]

_log = logging.getLogger("lockcli")

#: Seconds between two tries, as in 0.36.
_PAUSE_S = 1.0
#: `get_lock` that was answered sooner did not wait on the server.
_SOON_S = 0.5
#: How long the server is asked to wait where its own LONG_POLL is 0.
_WAIT_S = 20
#: Calls in a row that `lock_wait` makes while no server answers.
_TRIES = 10
#: Time for an answer about a ticket, beside the time to wait.
_ANSWER_S = 10.0


class NotAcquired(Exception):
    """`with` did not get the lock."""


class Ended(Exception):
    """At the end of `with` the lock was not ours any more: somebody else may have had it meanwhile."""


class Lock:
    """A lock of a server: `Lock("http://HOST:9090/RPC2", "DefaultLock")`.

    The URL may be `https`, and may name a user and a password: `http://ci:SECRET@HOST:9090/RPC2`. One thread at a time. With
    `with` it queries, waits and releases; `NotAcquired` is raised if it does not get the lock, `Ended` if it was lost meanwhile.
    """

    # The names of 0.36, for those who give them by name.
    def __init__(self, XMLRPC_SERVER: str, lock_name: str) -> None:  # noqa: N803
        # Without the user in the URL: exceptions of xmlrpc name it.
        url, authorization = _without_user(XMLRPC_SERVER)
        self._proxy = xmlrpc.client.ServerProxy(url, headers=authorization)
        self._lockname = lock_name
        self._lock_id: str | None = None
        self._tickets = _Tickets(XMLRPC_SERVER)

    def lock_query(self, info: Any = "", retries: int = 10) -> bool:
        """Ask for the lock. False if the server said no `retries` times, a second apart (there is no such lock)."""
        for left in range(retries, 0, -1):
            answer: Any = None
            try:
                answer = self._proxy.query_lock(self._lockname, info)
            except ConnectionRefusedError:
                # Nothing was asked yet. 0.36 gave up here.
                if left == 1:
                    raise
            if answer is not None and answer[0]:
                self._lock_id = answer[1]
                return True
            if left > 1:
                time.sleep(_PAUSE_S)
        return False

    def lock_wait(self) -> bool:
        """Wait until we have the lock, or renew it. False if nothing was asked for, or if our query has ended.

        The server is asked to wait, and a server that is down for a few seconds is waited for. A server of 0.36 is asked once a
        second, and does not tell that a query has ended.
        """
        failures = 0
        while self._lock_id is not None:
            begin = time.monotonic()
            try:
                success, got = _pair(self._proxy.get_lock(self._lockname, self._lock_id))
                if success and got:
                    return True
                waited = time.monotonic() - begin >= _SOON_S
                if self._tickets.has_ended(self._lock_id, 0 if waited else _WAIT_S):
                    self._lock_id = None
                    return False
                failures = 0
            except xmlrpc.client.Fault:
                raise
            except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
                if isinstance(error, xmlrpc.client.ProtocolError) and error.errcode < 500:
                    raise
                failures += 1
                if failures == _TRIES:
                    raise
                self._proxy("close")()
            if time.monotonic() - begin < _SOON_S:
                time.sleep(_PAUSE_S)
        return False

    def lock_release(self, retries: int = 10) -> bool:
        """Give the lock back. False if we did not have it: that is asked `retries` times, a second apart."""
        if self._lock_id is None:
            return False
        for left in range(retries, 0, -1):
            success, released = _pair(self._proxy.release_lock(self._lockname, self._lock_id))
            if success and released:
                self._lock_id = None
                return True
            if left > 1:
                time.sleep(_PAUSE_S)
        return False

    def __enter__(self) -> Lock:
        if not self.lock_query():
            raise NotAcquired(f"{self._lockname}: the server took no query for it")
        try:
            if self.lock_wait():
                return self
        except BaseException:
            self._give_up()
            raise
        raise NotAcquired(f"{self._lockname}: our query has ended")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            released = self.lock_release(retries=1)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as failure:
            # What went wrong inside is what counts.
            if error is None:
                raise
            _log.warning("%r was not released and ends with its time: %s", self._lockname, failure)
            return
        finally:
            self._lock_id = None
        if not released and error is None:
            raise Ended(f"{self._lockname}: the lock was lost before")

    def _give_up(self) -> None:
        """Leave the queue, as far as the server can be told: 0.36 cannot."""
        ticket, self._lock_id = self._lock_id, None
        try:
            if ticket is not None and not self._tickets.cancel(ticket):
                self._proxy.release_lock(self._lockname, ticket)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            pass


def _pair(answer: Any) -> tuple[bool, Any]:
    """The two values of an answer, which Python cannot know to be two."""
    success, value = answer
    return bool(success), value


def _without_user(url: str) -> tuple[str, list[tuple[str, str]]]:
    """The URL without user and password, and the header that says them instead."""
    parts = urlsplit(url)
    user, found, host = parts.netloc.rpartition("@")
    if not found:
        return url, []
    secret = base64.b64encode(unquote(user).encode()).decode()
    return parts._replace(netloc=host).geturl(), [("Authorization", f"Basic {secret}")]


class _Tickets:
    """What XML-RPC does not tell about a ticket, from the JSON API of the same server. 0.36 has none: then nothing is known."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._base = parts.path[: -len("/RPC2")] if parts.path.endswith("/RPC2") else parts.path.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if parts.password:
            self._headers["Authorization"] = f"Bearer {unquote(parts.password)}"
        self._known = True

    def _ask(self, method: str, ticket: str, wait_s: int) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of an answer; 0 if nothing answered."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=wait_s + _ANSWER_S)
        query = f"?wait_s={wait_s}" if wait_s else ""
        try:
            connection.request(method, f"{self._base}/v1/tickets/{quote(ticket, safe='')}{query}", headers=self._headers)
            response = connection.getresponse()
            body = response.read(1024 * 1024)
        except (OSError, http.client.HTTPException):
            return 0, {}
        finally:
            connection.close()
        try:
            value = json.loads(body)
        except ValueError:
            value = None
        return response.status, value if isinstance(value, dict) else {}

    def has_ended(self, ticket: str, wait_s: int) -> bool:
        """Whether the ticket has surely ended. Waits while it is queued, if this server can wait."""
        if not self._known:
            return False
        status, value = self._ask("GET", ticket, wait_s)
        if status == 200 and "state" in value:
            return bool(value["state"] == "ended")
        if value.get("code") in ("gone", "unknown_ticket"):
            return True
        # Silence is a server that is being restarted. What else has no code is no JSON API: 0.36, or something between.
        self._known = status == 0 or "code" in value
        return False

    def cancel(self, ticket: str) -> bool:
        """Withdraw it from the queue; whether that worked."""
        return self._known and self._ask("DELETE", ticket, 0)[0] == 200
