"""The version: that of the workspace while this is part of it, that of PKG-INFO in an unpacked source archive."""

from __future__ import annotations

import pathlib
import re

_HERE = pathlib.Path(__file__).resolve().parent
_SHORT = {"alpha": "a", "beta": "b", "rc": "rc"}


def python_version(version: str) -> str:
    """A semantic version as Python writes it (PEP 440): 1.0.0-alpha.1 is 1.0.0a1."""
    found = re.fullmatch(r"(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.(\d+))?", version)
    if found is None:
        raise RuntimeError(f"version {version!r} has no form that Python knows: 1.2.3 or 1.2.3-alpha.4")
    release, stage, number = found.groups()
    return release if stage is None else f"{release}{_SHORT[stage]}{number}"


def _read() -> str:
    archive = _HERE / "PKG-INFO"
    if archive.exists():
        found = re.search(r"^Version: (\S+)$", archive.read_text("utf-8"), re.M)
        if found is None:
            raise RuntimeError(f"{archive} names no version")
        return found[1]
    workspace = _HERE.parents[1] / "Cargo.toml"
    if not workspace.exists():
        raise RuntimeError(
            f"{workspace} is not there, which has the version: build clients/python within a clone of lockserver, or from a "
            "source archive (sdist) of lockserver-client, not from a copy of this directory alone"
        )
    found = re.search(r'^\[workspace\.package\]\n(?:[^\[].*\n)*?version = "([^"]+)"', workspace.read_text("utf-8"), re.M)
    if found is None:
        raise RuntimeError(f"{workspace} names no version in [workspace.package]")
    return python_version(found[1])


__version__ = _read()
