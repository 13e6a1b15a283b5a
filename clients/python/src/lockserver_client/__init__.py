"""The Python client of lockserver: permits that cap how many of anything run at once, across machines.

    from lockserver_client import Client

    client = Client("http://127.0.0.1:9090")
    with client.hold("san-ssh", wait_s=30) as held:
        print("at work with token", held.token)

What it promises: a request is repeated only when that is safe, with the same `request_id`; what is given up is cancelled by
that `request_id`, so no answer lost on the way takes a second permit or leaves one behind; a `Held` renews itself, knows until
when it surely holds, and gives back at the end of `with`.

In reading order: `_plan` (what a client does, without doing it), `_send` (one call), `_calls`, `_acquire`, `_lease`, then
`_async` and `_sync`, which carry plans out, `_async_held`, `_held` and `_janitor`, `_follower`, and `_async_client`,
`_async_admin` and `_async_events`, from which their twins for threads are generated.
"""

from . import errors
from ._async_client import AsyncClient
from ._async_events import AsyncEvents
from ._async_held import AsyncHeld, Holding
from ._client import Client
from ._connections import __version__
from ._events import Events
from ._held import Held
from ._settings import Retry
from ._types import (
    Changes,
    Configuration,
    Event,
    History,
    Leader,
    Lock,
    LockChange,
    Locks,
    Part,
    Past,
    Percentiles,
    Permits,
    Problem,
    Reloaded,
    Settings,
    Standby,
    Status,
    Ticket,
    Usage,
    Withholding,
    You,
)
from .errors import (
    ApiError,
    Busy,
    ConfigurationError,
    Distrust,
    LeaseLost,
    LockserverError,
    NotLockserver,
    TimedOut,
    Unreachable,
)

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncEvents",
    "AsyncHeld",
    "Busy",
    "Changes",
    "Client",
    "Configuration",
    "ConfigurationError",
    "Distrust",
    "Event",
    "Events",
    "Held",
    "History",
    "Holding",
    "Leader",
    "LeaseLost",
    "Lock",
    "LockChange",
    "Locks",
    "LockserverError",
    "NotLockserver",
    "Part",
    "Past",
    "Percentiles",
    "Permits",
    "Problem",
    "Reloaded",
    "Retry",
    "Settings",
    "Standby",
    "Status",
    "Ticket",
    "TimedOut",
    "Unreachable",
    "Usage",
    "Withholding",
    "You",
    "__version__",
    "errors",
]
