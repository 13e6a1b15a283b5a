"""What files say of the server to use: `client.conf` of a machine and of a user, as lockctl reads them.

The names are those of the variables. Arguments and the environment come before the user's file, and that before the machine's.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
from dataclasses import dataclass

from .errors import ConfigurationError

#: Below the root of the system.
OF_MACHINE = "etc/lockserver/client.conf"
#: Below the user's settings.
OF_USER = "lockserver/client.conf"
#: The largest file that is read.
BYTES_MAX = 64 * 1024

#: What may stand in a file.
NAMES = ("LOCK_CA", "LOCK_CERT", "LOCK_CERT_KEY", "LOCK_CONNECT_TIMEOUT", "LOCK_KEY_FILE", "LOCK_SERVER")
_PATHS = ("LOCK_CA", "LOCK_CERT", "LOCK_CERT_KEY", "LOCK_KEY_FILE")

_UNITS = {"ms": 0.001, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS |= {name + plural: _UNITS[name[0]] for name in ("second", "minute", "hour", "day") for plural in ("", "s")}
_PART = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([a-zA-Z]*)", re.ASCII)
#: The longest time, as in every program of ours.
_TIME_MAX = 3_200_000_000.0


def seconds(text: str) -> float:
    """`30`, `0.5`, `5m` or `1h30m` in seconds."""
    parts = list(_PART.finditer(text.strip()))
    units = [part[2].lower() for part in parts]
    is_whole = bool(parts) and "".join(part[0] for part in parts) == text.strip()
    if is_whole and (units == [""] or all(unit in _UNITS for unit in units)):
        total = sum(float(part[1]) * _UNITS.get(unit, 1.0) for part, unit in zip(parts, units))
        if total <= _TIME_MAX:
            return total
    raise ValueError("a time from 0 is expected, such as 30 or 0.5 (seconds), 5m or 1h30m")


@dataclass(frozen=True)
class Files:
    """What the files say together."""

    servers: str | None = None
    key_file: str | None = None
    ca: str | None = None
    cert: str | None = None
    cert_key: str | None = None
    connect_timeout_s: float | None = None


def of_user() -> str | None:
    """Where this user's settings are."""
    home = os.environ.get("HOME")
    folder = os.environ.get("XDG_CONFIG_HOME") or (os.path.join(home, ".config") if home else None)
    return folder if folder and os.path.isabs(folder) else None


def read(root: str = "/", user: str | None = None) -> Files:
    """Read the files below these two folders. One that is not there says nothing."""
    values: dict[str, str] = {}
    for folder, name in ((user, OF_USER), (root, OF_MACHINE)):
        if folder is None:
            continue
        path = os.path.join(folder, name)
        text = _text_of(path)
        values = {**(_settings_of(text, path) if text is not None else {}), **values}
    if ("LOCK_CERT" in values) != ("LOCK_CERT_KEY" in values):
        raise ConfigurationError(
            "LOCK_CERT and LOCK_CERT_KEY belong together: one of them stands in client.conf without the other"
        )
    within = values.get("LOCK_CONNECT_TIMEOUT")
    return Files(
        servers=values.get("LOCK_SERVER"),
        key_file=values.get("LOCK_KEY_FILE"),
        ca=values.get("LOCK_CA"),
        cert=values.get("LOCK_CERT"),
        cert_key=values.get("LOCK_CERT_KEY"),
        connect_timeout_s=None if within is None else seconds(within),
    )


def _settings_of(text: str, path: str) -> dict[str, str]:
    """The settings of one file, each of which could be used."""
    values: dict[str, str] = {}
    for place, whole in enumerate(text.split("\n"), 1):
        line = whole.strip()
        if not line or line[0] in "#;":
            continue
        name, equals, value = line.partition("=")
        name, value = name.strip(), _unquoted(value.strip())
        why: str | None
        if not equals:
            why = "a line is NAME=VALUE, such as LOCK_SERVER=https://lock.example.com:9090"
        elif name in values:
            why = f"{name} stands there twice; remove one"
        elif not value:
            why = f"{name} has no value; write one, or remove the line"
        else:
            why = _wrong(name, value)
        if why:
            raise ConfigurationError(f"{path}:{place}: {why}")
        values[name] = value
    return values


def _wrong(name: str, value: str) -> str | None:
    """What is wrong with a setting, if anything is."""
    if name == "LOCK_KEY":
        # Not with the secret in the message.
        return "a secret does not stand here: put it into a file of its own, and name that by LOCK_KEY_FILE"
    if name not in NAMES:
        near = difflib.get_close_matches(name.upper(), NAMES, 1, 0.75)
        return f"there is no setting {name}; " + (f"did you mean {near[0]}?" if near else f"known are {', '.join(NAMES)}")
    if name in _PATHS and not os.path.isabs(value):
        return f"{name}: `{value}` is not an absolute path; begin it with /"
    if name == "LOCK_CONNECT_TIMEOUT":
        try:
            seconds(value)
        except ValueError as error:
            return f"{name}: {error}"
    return None


def _unquoted(value: str) -> str:
    """A value as some write it for a shell."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _text_of(path: str) -> str | None:
    """The text of a file that not everybody may write: else anybody could have our key sent to a server of theirs."""
    try:
        # Looked at before it is opened: to open a pipe would wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ConfigurationError(f"{path}: it is not a file")
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if os.name == "posix" and status.st_mode & 0o002:
                raise ConfigurationError(f"{path}: everybody on this machine may write it; chmod o-w {path}")
            data = file.read(BYTES_MAX + 1)
            if len(data) > BYTES_MAX:
                raise ConfigurationError(f"{path}: it has more than {BYTES_MAX} bytes")
            return data.decode()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        # A folder that we may not enter has nothing for us: that of a server's configuration, say.
        try:
            os.stat(path)
        except OSError:
            return None
        raise ConfigurationError(f"{path}: it cannot be read: permission denied") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: it cannot be read: {error}") from None
