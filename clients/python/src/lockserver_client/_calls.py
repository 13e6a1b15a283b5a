"""Every call of the API but the two that take time: `acquire` and `events`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from ._plan import Call, Plan
from ._send import ask, send
from ._settings import ONCE, Core, Retry
from ._types import History, Lock, Locks, Released, Reloaded, Status, Ticket, Tickets
from .errors import Gone, NotAHolder, UnknownTicket


def path(lock: str, more: str = "") -> str:
    """The path of a lock, or of something that belongs to it."""
    # A segment of dots alone would be taken for steps up, and be gone before it is sent.
    name = lock.replace(".", "%2E") if lock in (".", "..") else quote(lock, safe="")
    return f"/v1/locks/{name}{more}"


def of_ticket(ticket_id: str, more: str = "") -> str:
    """The path of a ticket, by its secret id."""
    return f"/v1/tickets/{quote(ticket_id, safe='')}{more}"


def renewal(ticket_id: str, ttl_s: float | None = None, retry: Retry | None = None, timeout_s: float | None = None,
            until: float | None = None) -> Call:  # fmt: skip
    """A heartbeat."""
    body = None if ttl_s is None else {"ttl_s": ttl_s}
    return Call("POST", of_ticket(ticket_id, "/renew"), body=body, retry=retry, timeout_s=timeout_s, until=until)


def renew_once(core: Core, ticket_id: str, timeout_s: float) -> Plan[tuple[float, Ticket]]:
    """One round of renewing, each server within `timeout_s`."""
    return ask(core, renewal(ticket_id, None, ONCE, min(timeout_s, core.timeout_s)))


def locks(core: Core) -> Plan[Locks]:
    """All locks, however many pages the server makes of them."""
    page = first = (yield from send(core, Call("GET", "/v1/locks"))).read(Locks)
    found = list(first.locks)
    while page.next is not None:
        page = (yield from send(core, Call("GET", "/v1/locks", params=(("cursor", page.next),)))).read(Locks)
        found += page.locks
    return Locks(locks=found, as_of=first.as_of)


def lock(core: Core, name: str) -> Plan[Lock]:
    """One lock."""
    return (yield from send(core, Call("GET", path(name)))).read(Lock)


def history(core: Core, name: str) -> Plan[History]:
    """The past of a lock."""
    return (yield from send(core, Call("GET", path(name, "/history")))).read(History)


def status(core: Core) -> Plan[Status]:
    """The state of the server."""
    return (yield from send(core, Call("GET", "/v1/status"))).read(Status)


def my_tickets(core: Core) -> Plan[list[Ticket]]:
    """The caller's tickets."""
    asked: tuple[tuple[str, str], ...] = (("mine", "true"),)
    page = (yield from send(core, Call("GET", "/v1/tickets", params=asked))).read(Tickets)
    found = list(page.tickets)
    while page.next is not None:
        more = Call("GET", "/v1/tickets", params=(*asked, ("cursor", page.next)))
        page = (yield from send(core, more)).read(Tickets)
        found += page.tickets
    return found


def ticket(core: Core, ticket_id: str) -> Plan[Ticket]:
    """A ticket as it is."""
    return (yield from ask(core, Call("GET", of_ticket(ticket_id))))[1]


def renew(core: Core, ticket_id: str, ttl_s: float | None) -> Plan[Ticket]:
    """Renew a ticket."""
    return (yield from ask(core, renewal(ticket_id, ttl_s)))[1]


def verify(core: Core, name: str, token: int) -> Plan[bool]:
    """Whether a holder has this token now."""
    try:
        answer = yield from send(core, Call("GET", path(name, "/verify"), params=(("token", str(token)),)))
    except NotAHolder:
        return False
    # Whatever answers every request with 200 confirms nothing.
    holder = answer.read(Ticket)
    if name not in holder.locks or holder.token != token:
        raise answer.not_lockserver("a ticket of another lock or token")
    return True


def release(core: Core, ticket_id: str, retry: Retry | None = None, timeout_s: float | None = None,
            until: float | None = None, keep_s: float | None = None, withhold: str | None = None) -> Plan[None]:  # fmt: skip
    """End a ticket by its id."""
    params: tuple[tuple[str, str], ...] = () if keep_s is None else (("keep_s", f"{keep_s:.3f}"),)
    params += () if withhold is None else (("withhold", withhold),)
    call = Call("DELETE", of_ticket(ticket_id), params, retry=retry, timeout_s=timeout_s, until=until)
    (yield from send(core, call)).read(Released)


def cancel(core: Core, names: tuple[str, ...], request_id: str, retry: Retry, until: float) -> Plan[None]:
    """End the ticket that a request for these locks made or is about to make. If there is none, that is a success."""
    where = path(names[0], "/tickets") if len(names) == 1 else "/v1/tickets"
    locks = () if len(names) == 1 else tuple(("lock", name) for name in names)
    params: tuple[tuple[str, str], ...] = (("request_id", request_id), *locks)
    try:
        (yield from send(core, Call("DELETE", where, params, retry=retry, until=until))).read(Released)
    except (Gone, UnknownTicket):
        pass


def revoke(core: Core, name: str, number: int, reason: str | None, state: str | None) -> Plan[None]:
    """End somebody's ticket, if it is in that state."""
    params = tuple((key, value) for key, value in (("reason", reason), ("state", state)) if value is not None)
    (yield from send(core, Call("DELETE", path(name, f"/tickets/{number}"), params))).read(Ticket)


def _guarded(method: str, name: str, body: Mapping[str, object] | None, force: bool, expect: int | None,
             revision: int | None, repeatable: bool = True) -> Call:  # fmt: skip
    """A change that may end tickets, or that may meet another administrator's."""
    params = ((("force", "true"),) if force else ()) + (() if expect is None else (("expect_tickets", str(expect)),))
    headers = () if revision is None else (("If-Match", json.dumps(str(revision))),)
    # With a revision it would meet its own change when it is sent a second time.
    return Call(method, path(name), params, headers, body, repeatable and revision is None)


def create(core: Core, name: str, settings: Mapping[str, object]) -> Plan[Lock]:
    """Make a lock that must not exist yet."""
    call = Call("PUT", path(name), headers=(("If-None-Match", "*"),), body=settings, repeatable=False)
    return (yield from send(core, call)).read(Lock)


def replace(core: Core, name: str, settings: Mapping[str, object], force: bool, expect: int | None,
            revision: int | None) -> Plan[Lock]:  # fmt: skip
    """Make a lock or replace all its settings."""
    return (yield from send(core, _guarded("PUT", name, settings, force, expect, revision))).read(Lock)


def change(core: Core, name: str, changes: Mapping[str, object], force: bool, expect: int | None,
           revision: int | None) -> Plan[Lock]:  # fmt: skip
    """Change some settings of a lock."""
    return (yield from send(core, _guarded("PATCH", name, changes, force, expect, revision))).read(Lock)


def delete(core: Core, name: str, force: bool, expect: int | None, revision: int | None) -> Plan[None]:
    """Delete a lock."""
    answer = yield from send(core, _guarded("DELETE", name, None, force, expect, revision, repeatable=False))
    if not answer.is_empty():
        raise answer.not_lockserver("a body where none was expected")


def withhold(core: Core, name: str, wanted: Mapping[str, object]) -> Plan[Lock]:
    """Withhold permits. Sent a second time it would withhold twice as many."""
    return (yield from send(core, Call("POST", path(name, "/withheld"), body=wanted, repeatable=False))).read(Lock)


def report(core: Core, name: str, in_use: int, until_s: float) -> Plan[Lock]:
    """Report how many permits are in use in all."""
    body = {"in_use": in_use, "until_s": until_s}
    return (yield from send(core, Call("PUT", path(name, "/outside"), body=body))).read(Lock)


def unreport(core: Core, name: str) -> Plan[None]:
    """Take the report back."""
    answer = yield from send(core, Call("DELETE", path(name, "/outside")))
    # Without a body if the lock was idle, and went with that.
    if not answer.is_empty():
        answer.read(Lock)


def restore(core: Core, name: str, number: int | None, slots: Iterable[str] | None) -> Plan[None]:
    """Restore withheld permits."""
    params: tuple[tuple[str, str], ...] = () if number is None else (("number", str(number)),)
    params += () if slots is None else (("slots", ",".join(slots)),)
    answer = yield from send(core, Call("DELETE", path(name, "/withheld"), params))
    # Without a body if the lock was being removed and went with that.
    if not answer.is_empty():
        answer.read(Lock)


def reload(core: Core) -> Plan[Reloaded]:
    """Read the configuration again."""
    return (yield from send(core, Call("POST", "/v1/reload"))).read(Reloaded)
