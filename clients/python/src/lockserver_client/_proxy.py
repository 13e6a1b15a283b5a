"""Which proxy leads to a server, by the variables of the environment that curl(1) reads.

Proxies learn every request and the secret in it, so this is decided here and not by a library. The rules are those of lockctl.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from ._settings import Address
from .errors import ConfigurationError

#: What hosts files call the addresses of loopback.
_THIS_MACHINE = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
_NUMBERS = re.compile(r"[0-9][0-9a-fx.]*", re.IGNORECASE)
_PORT = re.compile(r"(.*\]|[^:]*):([0-9]{1,5})")


class Proxy(NamedTuple):
    """A proxy, and the variable that names it."""

    url: str
    variable: str

    def words(self) -> str:
        """How messages name it: without user and password."""
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = "" if parts.port is None else f":{parts.port}"
        return f"through the proxy {parts.scheme.lower()}://{host}{port} (variable {self.variable})"


def of_environment(server: Address) -> Proxy | None:
    """The proxy for this server, if there is one. Unix sockets have none."""
    return None if server.socket is not None else choose(server.base, os.environ)


def choose(server: str, environment: Mapping[str, str]) -> Proxy | None:
    """The same for a URL. A variable that is empty is not there."""

    def variable(name: str) -> tuple[str, str] | None:
        value = environment.get(name, "").strip()
        return (name, value) if value else None

    def both(name: str) -> tuple[str, str] | None:
        return variable(name) or variable(name.upper())

    parts = urlsplit(server)
    https = parts.scheme.lower() == "https"
    host = _host(parts.hostname or "")
    port = parts.port or (443 if https else 80)
    excepted = both("no_proxy")
    if _is_this_machine(host) or _passes_by(excepted[1] if excepted else "", host, port):
        return None
    # In a CGI program HTTP_PROXY is what the client's header `Proxy` says.
    own = variable("http_proxy") if not https and variable("REQUEST_METHOD") else both("https_proxy" if https else "http_proxy")
    chosen = own or both("all_proxy")
    return None if chosen is None else _address(*chosen)


def _address(name: str, value: str) -> Proxy:
    def wrong(why: str) -> ConfigurationError:
        # Without the value: there may be a password in it.
        return ConfigurationError(f"the proxy in the variable {name} cannot be used: {why}")

    url = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise wrong("it is not an address such as http://proxy.example.com:3128") from None
    if parts.scheme.lower() not in ("http", "https"):
        raise wrong("only proxies of http and https are known")
    if not host or any(letter.isspace() for letter in url):
        raise wrong("it is not an address such as http://proxy.example.com:3128")
    return Proxy(url, name)


def _host(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        # What looks like a number is one to the resolver, too: 127.1 is 127.0.0.1.
        found = ipaddress.ip_address(socket.inet_aton(bare) if _NUMBERS.fullmatch(bare) else bare)
    except (ValueError, OSError):
        return bare.rstrip(".").lower()
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found


def _is_this_machine(host: ipaddress.IPv4Address | ipaddress.IPv6Address | str) -> bool:
    """What is sent to it never leaves this machine."""
    if isinstance(host, str):
        return host in _THIS_MACHINE or host.endswith(".localhost")
    # Connected to, an address that stands for none is loopback.
    return host.is_loopback or host.is_unspecified


def _passes_by(excepted: str, host: ipaddress.IPv4Address | ipaddress.IPv6Address | str, port: int) -> bool:
    """Whether NO_PROXY has this host.

    `*` has all; names have what is below them too, with or without a dot before; an address may be one of a network; with a port
    an entry is for that port only.
    """
    for entry in re.split(r"[,\s]+", excepted):
        if entry == "*":
            return True
        found = _PORT.fullmatch(entry)
        name, its_port = (found[1], int(found[2])) if found else (entry, port)
        if name and its_port == port and _has(name, host):
            return True
    return False


def _has(entry: str, host: ipaddress.IPv4Address | ipaddress.IPv6Address | str) -> bool:
    if isinstance(host, str):
        name = entry.strip(".").lower()
        return bool(name) and (host == name or host.endswith(f".{name}"))
    if entry.startswith("[") != entry.endswith("]"):
        return False
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False
    return network.version == host.version and host in network
