"""One call: the servers in turn, and again after a pause while that is safe and useful."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import unquote

from . import _clock
from ._plan import Call, NoReply, Pause, Plan, Reply, Trace, exchange, on_the_way
from ._settings import Core, Retry
from ._types import Problem, Ticket, read
from .errors import Distrust, LockserverError, NotLockserver, Unreachable, from_problem

T = TypeVar("T")

#: The shortest time that a try may take.
SHORTEST_S = 0.1


@dataclass(frozen=True)
class Answer:
    """A 2xx answer, and when the request that was answered was sent."""

    sent: float
    server: str
    status: int
    body: bytes
    through: str = ""

    def read(self, cls: type[T]) -> T:
        """The body as an object."""
        try:
            return read(cls, json.loads(self.body))
        except (ValueError, TypeError) as error:
            raise self.not_lockserver(f"a body that was not expected: {error}") from None

    def is_empty(self) -> bool:
        """Whether it is the answer of a server that has nothing to tell: 204, and no body."""
        return self.status == 204 and not self.body

    def not_lockserver(self, what: str) -> NotLockserver:
        """What answered does not speak lockserver's API."""
        return NotLockserver(self.server, on_the_way(self.through, what))


def jitter(step: float) -> float:
    """Between half of it and the whole: many clients of a server that comes back do not all arrive at once."""
    return step * random.uniform(0.5, 1.0)


def pause(retry: Retry, rounds: int, spent: float, server_asks: float | None) -> float | None:
    """The pause after that many rounds, `spent` after the first began; `None` when it is enough."""
    step = retry.first_s * 2.0 ** min(rounds - 1, 40)
    found = min(max(server_asks or 0.0, jitter(step)), retry.longest_s)
    return found if rounds < retry.rounds and spent + found <= retry.within_s else None


def problem_in(body: bytes) -> Problem | None:
    """The problem that an answer is, if it is one of lockserver."""
    try:
        return read(Problem, json.loads(body))
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class _Again:
    """An exchange that failed and may be worth another try."""

    what: str
    arrived: bool
    problem: Problem | None = None
    asks_s: float | None = None
    distrust: bool = False


def _naming(problem: Problem, path: str) -> Problem:
    """The same with the name of the lock that there is not."""
    if problem.code != "unknown_lock" or not path.startswith("/v1/locks/"):
        return problem
    name = unquote(path.split("/")[3])
    return replace(problem, detail=problem.detail.replace("lock does not exist", f"there is no lock {name!r}", 1))


def _judge(server: str, path: str, came: Reply | NoReply) -> Answer | _Again | LockserverError:
    if isinstance(came, NoReply):
        return _Again(came.what, came.arrived, distrust=came.distrust)
    if 200 <= came.status < 300:
        return Answer(came.sent, server, came.status, came.body, came.through)
    problem = problem_in(came.body)
    if problem is not None:
        if came.status == 503 and problem.retryable:
            return _Again(problem.detail, problem.may_have_taken_effect, problem, came.retry_after_s)
        return from_problem(_naming(problem, path))
    if came.status in (502, 503, 504):
        # A proxy between, or a server that is being replaced. Whether the request went further is not known.
        return _Again(on_the_way(came.through, f"HTTP status {came.status}"), True, None, came.retry_after_s)
    return NotLockserver(server, on_the_way(came.through, f"HTTP status {came.status}"))


def _bounded(call: Call, timeout: float, servers: int) -> float:
    """How long the next try may take: what the server is asked to wait, and its part of what else is left for so many."""
    if call.until is not None:
        left = call.until - _clock.now() - call.waits_s
        timeout = min(timeout, max(left / servers, SHORTEST_S))
    return call.waits_s + timeout


def send(core: Core, call: Call, trace: Trace | None = None) -> Plan[Answer]:
    """Send until somebody answers, as long as repeating is safe."""
    retry, begin, rounds = call.retry or core.retry, _clock.now(), 0
    timeout = core.timeout_s if call.timeout_s is None else call.timeout_s
    trace = trace or Trace()
    while True:
        tried: list[tuple[str, str]] = []
        refused: Problem | None = None
        asks: float | None = None
        trusted = False
        for turn, place in enumerate(core.in_turn()):
            server = core.servers[place].name
            now = call.sent_at(_clock.now())
            seconds = _bounded(now, timeout, len(core.servers) - turn)
            judged = _judge(server, call.path, (yield from exchange(place, now, seconds)))
            if not isinstance(judged, _Again):
                core.preferred = place
                if isinstance(judged, LockserverError):
                    raise judged
                return judged
            trace.unsure |= judged.arrived
            trusted |= not judged.distrust
            tried.append((server, judged.what))
            refused = judged.problem or refused
            asks = asks if judged.asks_s is None else judged.asks_s
            if judged.arrived and not call.repeatable:
                raise from_problem(refused) if refused else Unreachable(tuple(tried), trace.unsure)
        if not trusted:
            raise Distrust(*tried[0])
        rounds += 1
        rest = pause(retry, rounds, _clock.now() - begin, asks)
        if rest is None or (call.until is not None and _clock.now() + rest >= call.until):
            raise from_problem(refused) if refused else Unreachable(tuple(tried), trace.unsure)
        yield Pause(rest)


def ask(core: Core, call: Call, trace: Trace | None = None) -> Plan[tuple[float, Ticket]]:
    """Send what is answered with a ticket. With it, when that was sent."""
    answer = yield from send(core, call, trace)
    return answer.sent, answer.read(Ticket)
