"""Plans: what a client does, without doing it.

A plan is a generator. It yields what is to be done (an exchange with a server, a pause) and is sent what came of it, so the
same plan serves threads (`_sync`) and asyncio (`_async`), and tests that do neither.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar, Union
from urllib.parse import quote, urlencode

from ._settings import Retry

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A request that can be sent to any server."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    #: Twice is as good as once. If not, it is repeated only if it certainly did nothing.
    repeatable: bool = True
    #: How long the server is asked to wait before it answers, and when the wait is over for us (by `_clock`): a later try asks
    #: for what is left.
    waits_s: float = 0.0
    wait_ends: float | None = None
    #: Instead of the client's.
    retry: Retry | None = None
    timeout_s: float | None = None
    #: No try lasts longer than until then (by `_clock`).
    until: float | None = None

    def target(self) -> str:
        """Path and query."""
        params = (*self.params, ("wait_s", f"{self.waits_s:.3f}")) if self.waits_s > 0 else self.params
        return f"{self.path}?{urlencode(params, quote_via=quote)}" if params else self.path

    def sent_at(self, now: float) -> Call:
        """As it is to be sent at that moment: it waits no longer than is left."""
        if self.wait_ends is None or now + self.waits_s <= self.wait_ends:
            return self
        return replace(self, waits_s=max(0.0, self.wait_ends - now))

    def content(self) -> bytes | None:
        """The body on the wire."""
        return None if self.body is None else json.dumps(self.body).encode()

    def all_headers(self) -> dict[str, str]:
        """Its own headers, and what its body needs."""
        return {**dict(self.headers), **({} if self.body is None else {"Content-Type": "application/json"})}


@dataclass
class Trace:
    """What became of the tries of a call, also if it fails in the end."""

    #: One may have arrived without an answer.
    unsure: bool = False


@dataclass(frozen=True)
class Exchange:
    """To do: send a call to a server and read the whole answer."""

    server: int
    call: Call
    timeout_s: float


@dataclass(frozen=True)
class Pause:
    """To do: wait."""

    seconds: float


@dataclass(frozen=True)
class CleanUp:
    """To do: carry this out to its end, even if the caller is being cancelled. Its errors are nobody's."""

    plan: Plan[None]


@dataclass(frozen=True)
class Reply:
    """What a server answered, and when the request was sent (by `_clock`)."""

    sent: float
    status: int
    retry_after_s: float | None
    body: bytes
    #: The proxy on the way, in words.
    through: str = ""


@dataclass(frozen=True)
class NoReply:
    """No answer, and whether the request may have arrived."""

    what: str
    arrived: bool
    #: There is no trust between the server and us: trying again does not help.
    distrust: bool = False


def on_the_way(through: str, what: str) -> str:
    """What happened on the way to a server. Where there is a proxy, that may have failed, and not the server."""
    return f"{through}: {what}" if through else what


Effect = Union[Exchange, Pause, CleanUp]
Came = Union[Reply, NoReply, None]
Plan = Generator[Effect, Came, T]


def exchange(server: int, call: Call, timeout_s: float) -> Plan[Reply | NoReply]:
    """One request to one server."""
    came = yield Exchange(server, call, timeout_s)
    return NoReply("nothing", arrived=True) if came is None else came
