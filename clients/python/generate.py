"""Make the threaded half of the client from the asyncio one: `target/python/tools/bin/python clients/python/generate.py`.

With `--check` nothing is written; it fails if what is there is not what it would write.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import unasync

PACKAGE = pathlib.Path(__file__).resolve().parent / "src" / "lockserver_client"
#: `_async_NAME.py` is written by hand, and `_NAME.py` generated. The other modules of both halves do different things.
MODULES = ("admin", "client", "events")
#: Names, beside those that unasync knows.
NAMES = {
    "AsyncAdministration": "Administration",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncClient": "Client",
    "AsyncEvents": "Events",
    "AsyncHeld": "Held",
    "AsyncRunner": "Runner",
    "Holding": "Held",
    "_async": "_sync",
    "_async_held": "_held",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
    "asyncio": "time",
    "check_async": "check",
    **{f"_async_{module}": f"_{module}" for module in MODULES},
}
#: What comments and docstrings say otherwise, in this order.
TEXT = {
    "for asyncio programs": "for programs with threads",
    "Tasks of one event loop share it": "Threads may share it",
    "Wait for what runs in the background, and close the connections that are idle. What is held stays held.": (
        "Close the connections that are idle. What is held stays held and goes on being renewed."
    ),
    "by another task; if it is a coroutine function, it is awaited there": "by another thread",
    "coroutine function": "function",
    "An asynchronous iterator": "An iterator",
    "`async with": "`with",
    "`aclose()`": "`close()`",
    " task": " thread",
}
LEFT_OVER = re.compile(r"async|await|coroutine|aclose|event loop|\btask", re.IGNORECASE)


def ruff(name: str, text: str, *command: str) -> str:
    """A file of that name as ruff writes it."""
    words = (sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", "--stdin-filename", str(PACKAGE / name), "-")
    return subprocess.run(words, input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout  # noqa: S603


def generated(module: str) -> str:
    """The threaded module."""
    source, name = f"_async_{module}.py", f"_{module}.py"
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copy(PACKAGE / source, directory)
        unasync.unasync_files([copy], [unasync.Rule(f"/{source}", f"/{name}", NAMES)])
        text = pathlib.Path(directory, name).read_text("utf-8")
    for before, after in TEXT.items():
        text = text.replace(before, after)
    left = LEFT_OVER.search(text)
    if left is not None:
        raise SystemExit(f"generate: {name} would still say {left[0]!r}: add to NAMES or TEXT in {__file__}")
    text = f"# Generated from {source} by generate.py: change that, not this.\n{text}"
    return ruff(name, ruff(name, text, "check", "--select", "I", "--fix"), "format")


def main() -> None:
    """Write the modules, or only compare them."""
    stale = []
    for module in MODULES:
        path, text = PACKAGE / f"_{module}.py", generated(module)
        if path.read_text("utf-8") == text:
            continue
        if sys.argv[1:] == ["--check"]:
            stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        raise SystemExit(f"generate: not as generated: {', '.join(stale)}; run {sys.executable} {__file__}")


if __name__ == "__main__":
    main()
