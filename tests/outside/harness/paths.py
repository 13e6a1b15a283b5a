"""Where things are: the clone, the binary under test, the published client, the transcripts of 0.36."""

import os
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
OUTSIDE = ROOT / "tests" / "outside"
CLIENTS = OUTSIDE / "clients"
TRANSCRIPTS = ROOT / "crates" / "lockserver" / "tests" / "fixtures" / "transcripts.json"
PUBLISHED = ROOT / "target" / "published"


def binary(profile="debug"):
    """The server to test: LOCKSERVER_BIN, or what cargo built last with that profile."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get("LOCKSERVER_BIN", target / profile / "lockserver"))
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no server binary at {path}: run `cargo build`, or name one in LOCKSERVER_BIN")
    return str(path)


def lockctl(profile="debug"):
    """The command line to test: LOCKCTL_BIN, or what cargo built last with that profile."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get("LOCKCTL_BIN", target / profile / "lockctl"))
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no lockctl at {path}: run `cargo build`, or name one in LOCKCTL_BIN")
    return str(path)
