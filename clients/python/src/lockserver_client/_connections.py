"""Connections: what is made of an address, and what httpx's exceptions mean."""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
from importlib import metadata

import httpx

from ._plan import NoReply, on_the_way
from ._settings import Core, Trust
from .errors import ConfigurationError

#: The longest answer that is read: far above a full list of locks.
ANSWER_BYTES = 256 * 1024 * 1024
#: Idle connections are closed before the server does it, after 15 minutes.
IDLE_S = 300.0
#: Idle connections that are kept for each server.
IDLE_MAX = 64

log = logging.getLogger("lockserver_client")

_SECRETS = re.compile(r"(/v1/tickets/|[?&]request_id=)[^/?&#\s\"']+")


def _without_secrets(record: logging.LogRecord) -> bool:
    """What httpx logs has each URL, what httpcore logs each header.

    The id of a ticket is a secret there: any reader of it can release the ticket.
    """
    with contextlib.suppress(Exception):
        said = record.getMessage()
        if "/v1/" in said:
            record.msg, record.args = _SECRETS.sub(r"\1...", said), ()
    return True


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_without_secrets)

__version__ = metadata.version("lockserver-client")

#: One connection, used by one exchange at a time. httpx's own pool looks at every connection for every request, which takes
#: most of the time when a thousand tasks wait at once.
ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S)


def headers(core: Core) -> dict[str, str]:
    """What every request says."""
    authorization = {} if core.key is None else {"Authorization": f"Bearer {core.key}"}
    return {"User-Agent": f"lockserver-client-python/{__version__}", "Accept": "application/json", **authorization}


def timeout(core: Core, seconds: float) -> httpx.Timeout:
    """The bounds of one exchange."""
    return httpx.Timeout(seconds, connect=min(core.connect_timeout_s, seconds))


def tls_context(trust: Trust) -> ssl.SSLContext:
    """The authorities that the machine trusts, not those that a package brought along, and what is said beside them."""
    context = ssl.create_default_context()
    path = trust.ca
    try:
        if path is not None:
            context.load_verify_locations(path)
        path = trust.cert
        if path is not None:
            context.load_cert_chain(path, trust.cert_key)
    except OSError as error:
        # An error of ssl is one, too.
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    return context


def _distrusts(error: BaseException | None) -> bool:
    """Whether a certificate is behind it. httpx and httpcore wrap what ssl raised."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error is not None


def is_dead(error: Exception) -> bool:
    """Whether a connection that had been made does not work any more."""
    made = isinstance(error, (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.TimeoutException))
    return made and not isinstance(error, httpx.ConnectTimeout)


#: Nothing was sent to the server. A proxy that opens no way to it is among them.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


def failed(error: Exception, through: str = "") -> NoReply:
    """What an exception of httpx means; `through` names the proxy that it may be of."""
    arrived = not isinstance(error, _UNSENT)
    if isinstance(error, httpx.TimeoutException):
        return NoReply(on_the_way(through, "no answer in time" if arrived else "no connection in time"), arrived)
    return NoReply(on_the_way(through, str(error) or type(error).__name__), arrived, _distrusts(error))


class Body:
    """A body that is read in pieces, within bounds of size and time."""

    def __init__(self, until: float) -> None:
        self.data = bytearray()
        self.until = until

    def add(self, piece: bytes, now: float) -> None:
        """One more piece. Raises httpx's errors if it is too much, or too late."""
        self.data += piece
        if len(self.data) > ANSWER_BYTES:
            raise httpx.DecodingError("an answer without end")
        if now > self.until:
            raise httpx.ReadTimeout("the answer comes too slowly")


def retry_after(response: httpx.Response) -> float | None:
    """What the server asks for."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isdigit() else None
