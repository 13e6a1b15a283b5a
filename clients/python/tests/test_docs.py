"""Every Python example of the documentation is run, as it stands, with the addresses of a server of the test."""

from __future__ import annotations

import pathlib
import re
from typing import Callable

import pytest

from conftest import ROOT, MakeServer, Script

PAGES = [ROOT / "clients" / "python" / "README.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}:{place}")
    for page in PAGES
    for place, code in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S), 1)
]
SECTIONS = "[lock san-ssh]\nSIZE=7\n[lock api]\nSIZE=20\n[lock deploy-*]\nSIZE=1\n"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("code", EXAMPLES)
def test_example(make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path, code: str) -> None:
    server = make_server(sections=SECTIONS)
    code = code.replace("http://127.0.0.1:9090", server.url)
    code = code.replace("/run/lockserver/admin.sock", f"{server.process.directory}/admin.sock")
    status, out, err = script(code, cwd=tmp_path).end()
    assert status == 0, err
    assert out
    assert not err
    assert all(lock.holding == lock.queued == 0 for lock in server.admin.locks().locks)


def test_the_examples_of_the_modules(make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path) -> None:
    import lockcli
    import lockserver_client

    server = make_server(sections=SECTIONS)
    for module in (lockcli, lockserver_client):
        code = re.search(r"\n\n((?:    .*\n|\n)+)", f"{module.__doc__}\n")
        assert code is not None
        text = re.sub(r"^    ", "", code[1], flags=re.M).replace("http://127.0.0.1:9090", server.url)
        status, out, err = script(text, cwd=tmp_path).end()
        assert (status, err) == (0, "")
        assert out.startswith("at work")
