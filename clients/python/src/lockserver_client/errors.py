"""What can go wrong: one exception for each of the server's codes, and a few of the client itself.

`LockserverError` is the base of all. An `ApiError` is the server's word: `str()` is its text for people. A code that this
client does not know yet is a plain `ApiError`.
"""

from __future__ import annotations

from typing import Any

from ._types import Problem, Ticket


class LockserverError(Exception):
    """Base of every error of this library."""


class ConfigurationError(LockserverError, ValueError):
    """An address, a key or a proxy that cannot be one."""


class Unreachable(LockserverError, ConnectionError):
    """No server answered. `tried` has each address with what happened there."""

    def __init__(self, tried: tuple[tuple[str, str], ...], may_have_taken_effect: bool = False) -> None:
        said = "; ".join(f"{server}: {what}" for server, what in tried)
        unsure = "; the request may be in effect all the same" if may_have_taken_effect else ""
        super().__init__(f"no server answered: {said}{unsure}")
        self.tried, self.may_have_taken_effect = tried, may_have_taken_effect

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tried, self.may_have_taken_effect)


class NotLockserver(LockserverError):
    """Something answered that does not speak lockserver's API."""

    def __init__(self, server: str, what: str) -> None:
        super().__init__(f"{server} is not a lockserver, or something between answers for it: {what}")
        self.server, self.what = server, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.server, self.what)


class Distrust(LockserverError):
    """The server's certificate is not trusted. Nothing was sent."""

    def __init__(self, server: str, what: str) -> None:
        super().__init__(f"the TLS connection to {server} failed: {what}")
        self.server, self.what = server, what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.server, self.what)


class LeaseLost(LockserverError):
    """Permits that were held are not ours any more, or not surely: stop working with them.

    `problem` is what the server said when it ended the ticket, or `None` if it renewed the lease no more, refused to or not
    answered: then it may have given the permits to somebody else.
    """

    def __init__(self, lock: str, token: int | None, problem: Problem | None = None, why: str = "") -> None:
        said = why or (_said(problem) if problem else "no renewal was answered before the lease ended")
        super().__init__(f"{lock!r} is lost: {said}")
        self.lock, self.token, self.problem, self.why = lock, token, problem, why

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.lock, self.token, self.problem, self.why)


class ApiError(LockserverError):
    """The server said no; `code` says why for programs, `str()` for people."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(_said(problem))
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problem,)

    @property
    def code(self) -> str:
        """What happened, for programs."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    @property
    def retryable(self) -> bool:
        """Whether the very same request may succeed later."""
        return self.problem.retryable

    @property
    def may_have_taken_effect(self) -> bool:
        """Whether it may be done all the same."""
        return self.problem.may_have_taken_effect

    @property
    def ended_as(self) -> str | None:
        """How the ticket ended, if it did."""
        return self.problem.ended_as

    @property
    def would_end(self) -> int | None:
        """How many tickets would end."""
        return self.problem.would_end

    @property
    def tickets(self) -> list[Ticket]:
        """Some of the tickets that this is about."""
        return self.problem.tickets


class Busy(ApiError):
    """Not free now, and the request did not want to wait."""


class ConfigurationRefused(ApiError):
    """The server's configuration has errors; everything stays as it was."""


class Gone(ApiError):
    """The ticket has ended; `ended_as` says how."""


class Internal(ApiError):
    """The server met an impossible state; its log has more."""


class Invalid(ApiError):
    """The request is wrong; the text says where."""


class LimitReached(ApiError):
    """A bound of the server is reached."""


class LockChanged(ApiError):
    """The lock's settings are not those of the revision that was named."""


class LockExists(ApiError):
    """There is such a lock already."""


class LockRetiring(ApiError):
    """The lock is being removed and takes no new tickets."""


class MethodNotAllowed(ApiError):
    """The method is not for this path."""


class NameWithheld(ApiError):
    """The name of a lock that was deleted while in use is still withheld."""


class NotAHolder(ApiError):
    """The token is not a holder's now."""


class NotAllowed(ApiError):
    """The rights of the key do not reach so far."""


class NotFound(ApiError):
    """There is nothing at this path."""


class Overloaded(ApiError):
    """Too much to do; nothing was done."""


class PayloadTooLarge(ApiError):
    """The request is too large."""


class RequestIdReused(ApiError):
    """The `request_id` was used with other parameters."""


class RequestTimeout(ApiError):
    """The request did not arrive in time."""


class ShuttingDown(ApiError):
    """The server is being stopped; nothing was done."""


class TicketChanged(ApiError):
    """The ticket is not in the state that was named; nothing was done."""


class TimedOut(ApiError, TimeoutError):
    """Not granted within the time that was to be waited. Nothing is left behind."""


class TooManyPermits(ApiError):
    """The lock has fewer permits than were asked for."""


class Unauthorized(ApiError):
    """No key, or not a valid one."""


class Unavailable(ApiError):
    """The server's store does not do its work now."""


class UnknownLock(ApiError):
    """No such lock."""


class UnknownTicket(ApiError):
    """No such ticket, or one that ended more than 10 minutes ago."""


class UnsupportedMediaType(ApiError):
    """The body is of another media type."""


class WouldEndTickets(ApiError):
    """Tickets would end; `force` is needed."""


def _code(cls: type[ApiError]) -> str:
    """The word on the wire: NotAHolder is not_a_holder."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__)[1:]


#: The exception of each code.
BY_CODE = {_code(cls): cls for cls in ApiError.__subclasses__()}


def from_problem(problem: Problem) -> ApiError:
    """The exception of this problem."""
    return BY_CODE.get(problem.code, ApiError)(problem)


#: What the server tells those to do who speak HTTP, and the same for those who call this library.
_ADVICE = (
    ('say how long to wait: {"wait_s": 30}', "say how long to wait: wait_s=30"),
    ("GET /v1/locks lists those there are, and an administrator makes one with PUT", "locks() lists those there are"),
    (
        "repeat with ?force=true, and &expect_tickets=N to end exactly N",
        "repeat with force=True, and expect_tickets=N to end exactly N",
    ),
    ("read it again, and send its ETag as If-Match", "read it again, and try with its revision"),
)


def _said(problem: Problem) -> str:
    text = problem.detail or problem.title or problem.code.replace("_", " ")
    for http, ours in _ADVICE:
        text = text.replace(http, ours)
    if problem.ended_as and problem.ended_as not in text:
        text = f"{text} ({problem.ended_as.replace('_', ' ')})"
    return text
