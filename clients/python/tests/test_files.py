"""What `client.conf` of a machine and of a user says."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import pytest
from test_secured import Secured

from conftest import MakeServer
from lockserver_client import Client, _files, _settings, errors
from lockserver_client._settings import Core, Retry, Trust

VARIABLES = ("LOCK_CA", "LOCK_CERT", "LOCK_CERT_KEY", "LOCK_CONNECT_TIMEOUT", "LOCK_KEY", "LOCK_KEY_FILE", "LOCK_SERVER")
Write = Callable[[str, str], pathlib.Path]


@pytest.fixture
def write(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the file of the machine (`etc`) or of the user (`home`); nothing else says anything."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    machine = _files.read
    monkeypatch.setattr(_files, "read", lambda root=str(tmp_path), user=None: machine(root, user))

    def write(whose: str, text: str) -> pathlib.Path:
        path = tmp_path / {"etc": _files.OF_MACHINE, "home": f"home/{_files.OF_USER}"}[whose]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    return write


@pytest.fixture
def secured(make_server: MakeServer, tmp_path: pathlib.Path) -> Secured:
    """A server with keys and TLS."""
    return Secured(make_server, tmp_path)


def core(servers: str | None = None, key: str | None = None, retry: Retry | None = None) -> Core:
    return _settings.core(servers, key, None, 10.0, 5.0, retry)


def test_nothing_is_said(write: Write) -> None:
    found = core()
    assert [one.base for one in found.servers] == [_settings.DEFAULT]
    assert (found.key, found.retry, found.trust) == (None, Retry(), Trust())


def test_the_users_file_comes_before_the_machines_setting_by_setting(
    write: Write, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "key"
    secret.write_text("lsk_file\n")
    secret.chmod(0o600)
    write("etc", "\n# of the site\nLOCK_SERVER = https://a:9090, https://b:9090\nLOCK_CONNECT_TIMEOUT=1m\nLOCK_CA='/ca.pem'\n")
    write("home", f"LOCK_KEY_FILE={secret}\nLOCK_CONNECT_TIMEOUT=5\nLOCK_CERT=/c\nLOCK_CERT_KEY=/k\n")
    found = core()
    assert [one.base for one in found.servers] == ["https://a:9090", "https://b:9090"]
    assert (found.key, found.trust, found.retry.within_s) == ("lsk_file", Trust("/ca.pem", "/c", "/k"), 5.0)
    # A key and a certificate are shown to no server that somebody names, unless it is one of those.
    assert (core("https://b:9090").key, core("https://b:9090").trust) == ("lsk_file", Trust("/ca.pem", "/c", "/k"))
    assert (core("https://elsewhere:9090").key, core("https://elsewhere:9090").trust) == (None, Trust("/ca.pem"))
    assert core("https://elsewhere:9090", key="lsk_given").key == "lsk_given"
    # Arguments and the environment come first.
    assert core(key="lsk_given").key == "lsk_given"
    assert core(retry=Retry(within_s=3)).retry == Retry(within_s=3)
    for name, value in (("KEY", "lsk_environment"), ("CA", "/other.pem"), ("CONNECT_TIMEOUT", "2m"), ("SERVER", "http://c")):
        monkeypatch.setenv(f"LOCK_{name}", value)
    found = core()
    assert [one.base for one in found.servers] == ["http://c"]
    assert (found.key, found.trust, found.retry.within_s) == ("lsk_environment", Trust("/other.pem"), 120.0)
    monkeypatch.setenv("LOCK_CERT", "/c")
    with pytest.raises(errors.ConfigurationError, match="LOCK_CERT_KEY belong together"):
        core()
    monkeypatch.delenv("LOCK_CERT")
    monkeypatch.setenv("LOCK_CONNECT_TIMEOUT", "soon")
    with pytest.raises(errors.ConfigurationError, match=r"LOCK_CONNECT_TIMEOUT: a time from 0 is expected, such as 30"):
        core()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LOCK_SERVRE=http://a", "client.conf:1: there is no setting LOCK_SERVRE; did you mean LOCK_SERVER?"),
        ("\nnonsense=1", "client.conf:2: there is no setting nonsense; known are LOCK_CA, LOCK_CERT, LOCK_CERT_KEY, "),
        ("LOCK_SERVER", "client.conf:1: a line is NAME=VALUE, such as LOCK_SERVER=https://lock.example.com:9090"),
        ("LOCK_SERVER=", "client.conf:1: LOCK_SERVER has no value; write one, or remove the line"),
        ("LOCK_CA=/a\nLOCK_CA=/b", "client.conf:2: LOCK_CA stands there twice; remove one"),
        ("LOCK_KEY_FILE=key", "client.conf:1: LOCK_KEY_FILE: `key` is not an absolute path; begin it with /"),
        ("LOCK_CONNECT_TIMEOUT=soon", "client.conf:1: LOCK_CONNECT_TIMEOUT: a time from 0 is expected"),
        ("LOCK_KEY=lsk_hidden", "client.conf:1: a secret does not stand here"),
        ("LOCK_CERT=/c", "LOCK_CERT and LOCK_CERT_KEY belong together"),
        ("#" * (_files.BYTES_MAX + 1), f"client.conf: it has more than {_files.BYTES_MAX} bytes"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_line(write: Write, text: str, why: str) -> None:
    write("etc", text)
    with pytest.raises(errors.ConfigurationError) as raised:
        Client()
    assert why in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_a_file_that_others_may_write_is_not_believed(write: Write) -> None:
    path = write("home", "LOCK_SERVER=http://a")
    path.chmod(0o666)
    with pytest.raises(errors.ConfigurationError, match="everybody on this machine may write it; chmod o-w "):
        Client()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(errors.ConfigurationError, match="it is not a file"):
        Client()
    path.unlink()
    path.mkdir()
    with pytest.raises(errors.ConfigurationError, match="it is not a file"):
        Client()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), (" 0.5 ", 0.5), ("5m", 300), ("1h30m", 5400), ("1 h 30 min", 5400), ("500ms", 0.5), ("2 Days", 172800)],
)
def test_times(text: str, seconds: float) -> None:
    assert _files.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "+1", "1x", "m", "1m30", "1 2", "inf", "NaN", "1e3", "1..5", ".", "1h-30m"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="a time from 0 is expected"):
        _files.seconds(text)


def test_a_server_with_keys_and_tls_is_found_by_the_file_alone(write: Write, secured: Secured, tmp_path: pathlib.Path) -> None:
    key = tmp_path / "ci.key"
    key.write_text(f"{secured.secret}\n")
    key.chmod(0o600)
    write("etc", f"LOCK_SERVER={secured.url}\nLOCK_KEY_FILE={key}\nLOCK_CA={secured.ca}\n")
    with Client() as client, client.hold("deploy", wait_s=0) as held:
        assert held.lost is None
    write("etc", f"LOCK_SERVER={secured.url}\nLOCK_CA={tmp_path}/none.pem\n")
    with Client() as client, pytest.raises(errors.ConfigurationError, match=r"none\.pem: cannot be read: "):
        client.status()
