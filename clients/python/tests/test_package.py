"""What was built: tested as it is installed, from the wheel."""

from __future__ import annotations

import pathlib
import re
import sys
from importlib import metadata

import lockcli
import lockserver_client
from conftest import ROOT


def test_it_is_the_installed_package() -> None:
    for module in (lockcli, lockserver_client):
        place = pathlib.Path(module.__file__ or "")
        assert "site-packages" in place.parts
        assert (place.parent / "py.typed").exists()


def test_httpx_is_the_only_dependency() -> None:
    needs = metadata.requires("lockserver-client") or []
    assert [re.split(r"[<>=!~ ;\[]", one)[0] for one in needs] == ["httpx"]


def test_the_version_is_that_of_the_workspace() -> None:
    found = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)
    assert found is not None
    expected = found[1].replace("-alpha.", "a").replace("-beta.", "b").replace("-rc.", "rc")
    assert lockserver_client.__version__ == metadata.version("lockserver-client") == expected


def test_lockcli_needs_nothing_but_the_standard_library() -> None:
    text = pathlib.Path(lockcli.__file__ or "").read_text()
    imported = re.findall(r"^(?:from|import) (\w+)", text, re.M)
    if sys.version_info >= (3, 10):
        assert set(imported) <= sys.stdlib_module_names
    assert "httpx" not in imported


def test_everything_exported_is_there_and_described() -> None:
    for name in lockserver_client.__all__:
        thing = getattr(lockserver_client, name)
        assert name == "__version__" or name == "Permits" or thing.__doc__, name


def test_one_licence() -> None:
    assert (ROOT / "clients" / "python" / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
