"""Keys as an operator makes them, and calls that send one."""

import re
import subprocess

from .paths import binary
from .wire import http, request

NONE = "[anonymous]\nRIGHTS=none\n"


def new_key(name, **settings):
    """`lockserver key new`: the secret, and the section to paste, with other settings where some are given."""
    made = subprocess.run([binary(), "key", "new", name], capture_output=True, text=True, timeout=30, check=True)
    secret, _, rest = made.stdout.partition("\n")
    section = rest[rest.index(f"[key {name}]"):]
    assert re.fullmatch(r"lsk_[A-Za-z0-9_-]{43}", secret) and secret not in rest
    for setting, value in settings.items():
        section = re.sub(rf"^{setting}=.*$", f"{setting}={value}", section, flags=re.M)
    return secret, section


def ask(server, secret=None, path="/v1/locks", method="GET", body="", headers=()):
    """Status and body of one call of the JSON API."""
    key = [f"Authorization: Bearer {secret}"] if secret else []
    length = [f"Content-Length: {len(body.encode())}"] if body else []
    response = http(server.at, request(body, [*key, *length, *headers], method, path, length=False))
    return response.status, response.text
