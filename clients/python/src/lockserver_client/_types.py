"""What the server tells, as objects. Fields that a newer server adds are passed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, TypeVar, Union

T = TypeVar("T")

#: How many permits: a number from 1, or every one and nobody beside.
Permits = Union[int, Literal["all"]]


class Settings(TypedDict, total=False):
    """Settings of a lock. `size` and `slots` exclude each other; times are seconds, `None` is never."""

    size: int
    slots: list[str]
    #: Tags of these slots, by their names.
    tags: dict[str, list[str]] | None
    #: Which of the slots that fit is given: the lowest, or the one that has been unused for longest.
    pick: Literal["first", "lru"]
    grace_time_s: float
    expiration_time_s: float | None
    max_lock_time_s: float | None
    max_hold_time_s: float | None
    max_ttl_s: float | None
    lock_delay_s: float
    max_queue: int
    #: Most permits of one owner, a key or without one an address, at a time.
    max_per_owner: int | None
    #: How long after their claim permits are not given again.
    min_hold_time_s: float
    description: str


class Changes(Settings, total=False):
    """Changes of a lock: what is left out stays as it is."""

    paused: bool
    reason: str
    until_s: float


def _object(cls: type[Any], default: Any = dataclasses.MISSING) -> Any:
    return field(default=default, metadata={"read": lambda value: read(cls, value)})


def _list(cls: type[Any]) -> Any:
    return field(default_factory=list, metadata=_each(cls))


def _whole_list(cls: type[Any]) -> Any:
    """A list that every answer of lockserver has."""
    return field(metadata=_each(cls))


def _each(cls: type[Any]) -> dict[str, Any]:
    return {"read": lambda value: [read(cls, one) for one in value]}


def _whole_dict(cls: type[Any]) -> Any:
    """Objects by their names, which every answer of lockserver has."""

    def read_each(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"a {cls.__name__} of each name is expected")
        return {name: read(cls, one) for name, one in value.items()}

    return field(metadata={"read": read_each})


def _named(name: str) -> Any:
    return field(default="", metadata={"name": name})


def read(cls: type[T], value: object) -> T:
    """An object of a dataclass of this file from the JSON that the server sent.

    Raises TypeError if that is something else.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"a {cls.__name__} is expected to be a JSON object")
    found = {}
    for one in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = one.metadata.get("name", one.name)
        if name in value:
            reader = one.metadata.get("read")
            found[one.name] = value[name] if reader is None or value[name] is None else reader(value[name])
    return cls(**found)


@dataclass(frozen=True)
class Part:
    """What a ticket has of one of its locks, or asks for."""

    permits: Permits
    #: The first 1,000; `slot_ranges` has all of them: `0-2,7`.
    slots: list[int] = field(default_factory=list)
    slot_ranges: str = ""
    #: The names of its slots in the order of `slot_ranges`, if the lock's slots have names.
    slot_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ticket:
    """One request for permits. `id` is secret, only its maker is told; `number` is public.

    That of one lock has `lock`, `permits`, `slots`, `slot_ranges` and `slot_names` beside `locks`; one of several has `locks`
    alone.
    """

    number: int
    state: str
    #: What it has of each of its locks, by their names.
    locks: dict[str, Part] = _whole_dict(Part)
    lock: str | None = None
    permits: Permits | None = None
    slots: list[int] | None = None
    slot_names: list[str] | None = None
    token: int | None = None
    ahead: int = 0
    dormant: bool = False
    priority: int = 0
    info: str = ""
    owner: str | None = None
    #: The address of its client; `from` on the wire.
    from_: str = _named("from")
    created_at: str | None = None
    granted_at: str | None = None
    held_at: str | None = None
    ended_at: str | None = None
    expires_at: str | None = None
    expires_in_s: float | None = None
    ttl_s: float | None = None
    ended_as: str | None = None
    reason: str | None = None
    id: str | None = field(default=None, repr=False)
    slot_ranges: str | None = None
    #: Further locks of it, which we may not see.
    locks_unseen: int = 0
    #: Who ended it, if an administrator did.
    ended_by: str | None = None
    #: Which slots it asks for: `{"slots": [...]}` or `{"tags": [...]}`; `None` for any.
    selection: Mapping[str, list[str]] | None = None
    #: The word with which it supersedes queued tickets, and the number of the ticket that superseded it.
    supersede: str | None = None
    superseded_by: int | None = None

    @property
    def lock_names(self) -> str:
        """The names of its locks, with commas between."""
        return ", ".join(self.locks)


@dataclass(frozen=True)
class Withholding:
    """Permits that nobody may be given for now."""

    number: int
    slots: list[int]
    slot_names: list[str]
    #: How the ticket ended that had them; `None` if they are withheld by somebody's word.
    ended_as: str | None = None
    #: `None`: until they are restored.
    ends_in_s: float | None = None
    slot_ranges: str = ""
    #: Why: `lost_holder`, `cooldown`, `broken`, `admin`, `outside`.
    cause: str = "lost_holder"
    #: The reason that was given when they were withheld, or when the ticket was ended.
    reason: str | None = None
    #: So many more, or the slots of these names, are withheld as they come back.
    awaited: int = 0
    awaited_names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outside:
    """What was last reported of a lock's permits that are in use in all."""

    in_use: int
    reported_at: str
    #: How long it still counts; `None` once it is stale.
    ends_in_s: float | None = None


@dataclass(frozen=True)
class Lock:
    """A lock as it is. `as_of` is the last event that this includes: give it to `events` as `last_id`."""

    name: str
    size: int
    free: int
    in_use: int
    withheld: int
    holding: int
    queued: int
    paused: bool
    revision: int
    as_of: str
    settings: Settings
    pause_reason: str | None = None
    #: Who paused it: the name of a key, or an address without one; `None` if the configuration did.
    paused_by: str | None = None
    pause_ends_in_s: float | None = None
    retiring: bool = False
    template: str | None = None
    overridden: list[str] = field(default_factory=list)
    #: The same with what the configuration says (`from_`) and what counts (`to`); `None` for a lock that is not in it.
    configuration: list[LockChange] | None = field(
        default=None,
        metadata={"read": lambda value: None if value is None else [read(LockChange, one) for one in value]},
    )
    holders: list[Ticket] = _list(Ticket)
    queue: list[Ticket] = _list(Ticket)
    withholdings: list[Withholding] = _list(Withholding)
    statistics: Mapping[str, int] = field(default_factory=dict)
    #: Permits that were granted and whose client was not told yet.
    granted: int = 0
    #: When the ticket that is in line longest was made, and when the first of the holders got its permits.
    waiting_since: str | None = None
    holding_since: str | None = None
    #: How long one more request would wait.
    expected_wait_s: float | None = None
    #: How it is, in one sentence for people: why one has to wait, and what a newcomer has to expect.
    why: str = ""
    #: Of `queued` those that a sum over all locks leaves out: tickets for several locks, which count for the first of them.
    queued_elsewhere: int = 0
    outside: Outside | None = _object(Outside, None)


@dataclass(frozen=True)
class Usage:
    """The numbers of a lock after a change."""

    size: int
    free: int
    in_use: int
    holding: int
    queued: int
    granted: int = 0
    withheld: int = 0
    paused: bool = False
    waiting_since: str | None = None
    holding_since: str | None = None
    expected_wait_s: float | None = None
    queued_elsewhere: int = 0


@dataclass(frozen=True)
class Locks:
    """All locks, in the order of their names."""

    locks: list[Lock] = _whole_list(Lock)
    as_of: str = ""
    #: Where the next page begins; the client has read them all.
    next: str | None = None


@dataclass(frozen=True)
class Tickets:
    """A list of tickets."""

    tickets: list[Ticket] = _whole_list(Ticket)
    next: str | None = None


@dataclass(frozen=True)
class Released:
    """The answer to the end of a ticket by its owner: whether this request ended it, and the ticket if it did."""

    released: bool
    ticket: Ticket | None = _object(Ticket, None)


@dataclass(frozen=True)
class Configuration:
    """The files of the server's configuration, and what came of them."""

    files: list[str]
    loaded_at: str
    refused: str | None = None


@dataclass(frozen=True)
class You:
    """The caller, as the server sees it: its key, its address, what it may do and with which locks."""

    key: str | None = None
    from_: str = _named("from")
    rights: list[str] = field(default_factory=list)
    locks: list[str] = field(default_factory=list)
    keys: bool = False


@dataclass(frozen=True)
class Leader:
    """The server that has the locks, where several share a store."""

    name: str
    #: Since when it leads, by its own clock.
    since: str
    #: Where the other servers reach it; `None` if it does not say.
    url: str | None = None


@dataclass(frozen=True)
class Standby:
    """A server that would take over from the leader."""

    name: str
    #: How many seconds its clock is ahead of the leader's; negative if it is behind.
    clock_ahead_s: float
    #: Where the other servers reach it; `None` if it does not say.
    url: str | None = None


@dataclass(frozen=True)
class Status:
    """The state of the server."""

    version: str
    uptime_s: float
    role: str
    store: str
    ready: bool
    configuration: Configuration = _object(Configuration)
    trouble: str | None = None
    warnings: list[str] = field(default_factory=list)
    limits: Mapping[str, int] = field(default_factory=dict)
    you: You = _object(You, You())
    #: Who leads, where several servers share a store; `None` if nobody does or it is not known.
    leader: Leader | None = _object(Leader, None)
    #: Who stands by, as the leader knows it.
    standbys: list[Standby] = _list(Standby)


@dataclass(frozen=True)
class Reloaded:
    """What a reload of the configuration did."""

    created: list[str]
    changed: list[str]
    retired: list[str]
    refused: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class LockChange:
    """One thing about a lock that is another now: a setting by its name in `settings`, or `paused`, or `retiring`.

    `None` is never.
    """

    setting: str
    #: What it was; `from` on the wire.
    from_: bool | float | str | None = field(default=None, metadata={"name": "from"})
    to: bool | float | str | None = None


@dataclass(frozen=True)
class Event:
    """A change. Of kind `reset`: events are missing here, read the locks again; it is about no lock."""

    kind: str
    at: str = ""
    lock: str = ""
    number: int | None = None
    info: str | None = None
    owner: str | None = None
    token: int | None = None
    waited_s: float | None = None
    held_s: float | None = None
    #: How the ticket ended; of withheld permits, how the ticket ended that had them.
    ended_as: str | None = None
    #: Somebody's words: why the ticket was ended, the lock was paused, or permits are withheld.
    reason: str | None = None
    #: Its place in the stream, to resume from.
    id: str | None = None
    #: The numbers of its lock after it.
    usage: Usage | None = _object(Usage, None)
    #: What of the lock is another now, for `lock_changed`.
    changes: list[LockChange] = _list(LockChange)
    #: When what began with this ends by itself: a pause, or the withholding of permits.
    until: str | None = None
    #: Why permits are withheld, for `permits_withheld` and `permits_restored`, and the number of that withholding.
    cause: str | None = None
    withholding: int | None = None
    #: How many permits it has more or fewer now, and the names of their slots, at most 100.
    permits: int | None = None
    slot_names: list[str] = field(default_factory=list)
    #: Who did it, where it was no client to its own ticket: the name of a key, or an address without one.
    by: str | None = None
    #: The address of the ticket's client; `from` on the wire.
    from_: str = _named("from")


@dataclass(frozen=True)
class Percentiles:
    """How long something took, in seconds; right to within 20 %."""

    count: int = 0
    p50_s: float | None = None
    p90_s: float | None = None
    p99_s: float | None = None


@dataclass(frozen=True)
class Past:
    """A time, with a value for each step, and `None` for a step that the server did not see."""

    step_s: float
    begin: str | None = None
    size: list[int | None] = field(default_factory=list)
    in_use: list[float | None] = field(default_factory=list)
    in_use_max: list[int | None] = field(default_factory=list)
    queued_max: list[int | None] = field(default_factory=list)
    #: Share of the time, 0 to 1, in which no permit was left.
    full: list[float | None] = field(default_factory=list)
    waits: Percentiles = _object(Percentiles, Percentiles())
    holds: Percentiles = _object(Percentiles, Percentiles())


@dataclass(frozen=True)
class History:
    """The last hour and day of a lock, and its last events. Nothing is known from before `since`."""

    lock: str
    hour: Past = _object(Past)
    day: Past = _object(Past)
    events: list[Event] = _list(Event)
    as_of: str = ""
    since: str | None = None


@dataclass(frozen=True)
class Problem:
    """Why the server said no (RFC 9457)."""

    code: str
    status: int
    title: str = ""
    detail: str = ""
    retryable: bool = False
    may_have_taken_effect: bool = False
    #: The lock that refused, of a request for several.
    lock: str | None = None
    ended_as: str | None = None
    would_end: int | None = None
    tickets: list[Ticket] = _list(Ticket)
    next: str | None = None
