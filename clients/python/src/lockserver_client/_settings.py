"""Which servers, and with which key: from arguments, from the environment, and from files."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from . import _files
from .errors import ConfigurationError

#: Where a server is when nobody says where.
DEFAULT = "http://127.0.0.1:9090"


@dataclass(frozen=True)
class Address:
    """Where a server is: what every path is put behind, and the Unix socket if it is one."""

    name: str
    base: str
    socket: str | None = None


def address(text: str) -> Address:
    """Read `http://HOST:PORT`, `https://HOST:PORT`, `HOST:PORT`, `unix:/PATH` or `/PATH`."""

    def wrong(why: str) -> ConfigurationError:
        return ConfigurationError(f"{text!r} is not a server address: {why}; write http://HOST:PORT or unix:/PATH")

    trimmed = text.strip()
    if trimmed.startswith(("unix:", "/")):
        path = trimmed[5:] if trimmed.startswith("unix:") else trimmed
        path = path[2:] if path.startswith("//") else path
        if not path.startswith("/"):
            raise wrong("the path is not absolute")
        return Address(trimmed, "http://localhost", path)
    url = trimmed if "://" in trimmed else f"http://{trimmed}"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise wrong(str(error)) from None
    if "@" in parts.netloc:
        # Not in the message: there may be a secret in it.
        raise ConfigurationError(f"the address of {host} has a user in it: give the secret as `key` or in LOCK_KEY_FILE")
    if parts.scheme not in ("http", "https"):
        raise wrong("only http, https and unix are known")
    if not host:
        raise wrong("there is no host in it")
    if parts.query or parts.fragment:
        raise wrong("it ends in a query")
    return Address(trimmed, url.rstrip("/"))


def addresses(servers: str | Iterable[str] | None, own: str | None = None) -> tuple[Address, ...]:
    """The servers of the argument, else of LOCK_SERVER, else our own, else the default. Commas separate several in one text."""
    if servers is None:
        servers = os.environ.get("LOCK_SERVER", "").strip() or own or DEFAULT
    texts = [servers] if isinstance(servers, str) else list(servers)
    found = tuple(address(one) for text in texts for one in text.split(",") if one.strip())
    if not found:
        raise ConfigurationError("no server address was given; write http://HOST:PORT or unix:/PATH")
    return found


def _read_key(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o007:
                raise ConfigurationError(
                    f"{path}: others can read this key (mode {stat.S_IMODE(mode):04o}); run chmod 600 {path}"
                )
            text = file.read(64 * 1024).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: the key cannot be read: {error}") from None
    if not text:
        raise ConfigurationError(f"{path}: there is no key in it")
    return text


def key(given: str | None, file: str | os.PathLike[str] | None) -> str | None:
    """The key: the argument, else its file, else LOCK_KEY_FILE, else LOCK_KEY."""
    if given is None and file is None:
        file = os.environ.get("LOCK_KEY_FILE") or None
        given = None if file else os.environ.get("LOCK_KEY") or None
    secret = given.strip() if given is not None else _read_key(os.fspath(file)) if file is not None else None
    if secret is not None and (not secret or not all("!" <= letter <= "~" for letter in secret)):
        raise ConfigurationError("the key is empty, or has characters that keys do not have: is it the right file?")
    return secret


@dataclass(frozen=True)
class Retry:
    """How often and how long a call is repeated. A pause is drawn between half of a growing step and the whole of it."""

    #: Rounds through all servers, the first one included.
    rounds: int = 12
    #: No new round begins later than this after the first.
    within_s: float = 30.0
    #: First step.
    first_s: float = 0.1
    #: Longest step.
    longest_s: float = 5.0


@dataclass(frozen=True)
class Trust:
    """Files of certificates (PEM): authorities beside those of the machine, and what a server that asks for it is shown."""

    ca: str | None = None
    cert: str | None = None
    cert_key: str | None = None


#: One round, no more.
ONCE = Retry(rounds=1, within_s=0.0)


@dataclass
class Core:
    """What every call of a client needs to know."""

    servers: tuple[Address, ...]
    key: str | None = field(repr=False)
    timeout_s: float
    connect_timeout_s: float
    retry: Retry
    trust: Trust = Trust()
    #: Place of the server that answered last: it is tried first.
    preferred: int = 0

    def in_turn(self) -> list[int]:
        """The places of the servers, beginning with the one that answered last."""
        count = len(self.servers)
        return [(self.preferred + turn) % count for turn in range(count)]


def core(
    servers: str | Iterable[str] | None,
    given: str | None,
    file: str | os.PathLike[str] | None,
    timeout_s: float,
    connect_timeout_s: float,
    retry: Retry | None,
) -> Core:
    """What the arguments of a client, the environment and the files say together, in this order.

    A key and a certificate of a file are shown to the servers only that would be asked if nobody named others.
    """

    def variable(name: str) -> str | None:
        return os.environ.get(name) or None

    files = _files.read(user=_files.of_user())
    if servers is not None and not isinstance(servers, str):
        servers = tuple(servers)
    found = addresses(servers, files.servers)
    is_own = {one.name for one in found} <= {one.name for one in addresses(files.servers or DEFAULT)}
    secret = key(given, file)
    if secret is None and is_own and files.key_file is not None:
        secret = key(None, files.key_file)
    cert, cert_key = variable("LOCK_CERT"), variable("LOCK_CERT_KEY")
    if (cert is None) != (cert_key is None):
        raise ConfigurationError("LOCK_CERT and LOCK_CERT_KEY belong together: one of them is set without the other")
    if cert is None and is_own:
        cert, cert_key = files.cert, files.cert_key
    trust = Trust(variable("LOCK_CA") or files.ca, cert, cert_key)
    within_s, text = files.connect_timeout_s, variable("LOCK_CONNECT_TIMEOUT")
    if text is not None:
        try:
            within_s = _files.seconds(text)
        except ValueError as error:
            raise ConfigurationError(f"LOCK_CONNECT_TIMEOUT: {error}") from None
    if retry is None:
        # As many rounds as the time allows.
        retry = Retry() if within_s is None else Retry(rounds=sys.maxsize, within_s=within_s)
    return Core(found, secret, timeout_s, connect_timeout_s, retry, trust)
