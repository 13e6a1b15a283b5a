"""Every Python example of the documentation is run, as it stands, with the addresses of a server of the test."""

from __future__ import annotations

import contextlib
import pathlib
import re
from typing import Callable

import pytest

from conftest import ROOT, MakeServer, Script, wait_until
from lockserver_client import errors

PAGES = [ROOT / "clients" / "python" / "README.md", ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(code, id=f"{page.relative_to(ROOT)}:{place}")
    for page in PAGES
    for place, code in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.M | re.S), 1)
]
SECTIONS = "[lock san-ssh]\nSIZE=7\n[lock licence]\nSIZE=3\n[lock api]\nSIZE=20\n[lock deploy-*]\nSIZE=1\n"


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


#: What an example prints only when it has what it asks for.
WORK = ("at work", "answer of", "deploying", "step ", "slot")


def no_work(out: str) -> None:
    """Nothing was done as if the lock were held."""
    assert not any(word in out for word in WORK), out


def adapted(code: str, url: str, directory: object) -> str:
    """The example with the addresses of a test."""
    return code.replace("http://127.0.0.1:9090", url).replace("/run/lockserver/admin.sock", f"{directory}/admin.sock")


#: This one makes its lock itself.
MAKES = "admin.create("


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_fails_where_its_lock_is_not(
    make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path, code: str
) -> None:
    server = make_server(config={"DEFAULT_LOCK": "Other"})
    if MAKES in code:
        server.admin.create("ports", {"size": 1})
    status, out, err = script(adapted(code, server.url, server.process.directory), cwd=tmp_path).end()
    assert status != 0, out
    assert err
    no_work(out)


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_fails_where_no_server_is(
    make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path, code: str
) -> None:
    server = make_server(sections=SECTIONS)
    server.kill()
    status, out, err = script(adapted(code, server.url, server.process.directory), cwd=tmp_path).end()
    assert status != 0, out
    assert err
    no_work(out)


@pytest.mark.parametrize(
    "code", [example for example in EXAMPLES if "try_hold" not in str(example) and MAKES not in str(example)]
)
def test_an_example_fails_when_its_lock_is_deleted_meanwhile(
    make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path, code: str
) -> None:
    server = make_server(sections=SECTIONS)
    name = next(one for one in ("san-ssh", "DefaultLock", "api") if one in code)
    held = server.admin.hold(name, "all", ttl_s=600)
    waiter = script(adapted(code, server.url, server.process.directory), cwd=tmp_path)
    wait_until(lambda: server.admin.lock(name).queued == 1, "the example waits")
    server.admin.delete(name, force=True)
    status, out, err = waiter.end()
    assert status != 0, out
    assert err
    no_work(out)
    with contextlib.suppress(errors.LeaseLost):
        held.release()


#: Said before a method is called, which then waits for a line: what is done to the lock in between was done in time.
PAUSE = """
import lockserver_client
def pausing(method):
    def paused(*arguments, **options):
        print("now", flush=True)
        input()
        return method(*arguments, **options)
    return paused
lockserver_client.Client.{0} = pausing(lockserver_client.Client.{0})
"""
#: Those that do not wait: before which of their calls the lock goes.
BETWEEN = [
    pytest.param(example.values[0], lock, method, id=f"{example.id}-{method}")
    for example in EXAMPLES
    for mark, lock, methods in (("try_hold(", "deploy-web", ["lock"]), (MAKES, "ports", ["change", "hold", "delete"]))
    for method in methods
    if mark in str(example.values[0])
]


@pytest.mark.parametrize(("code", "lock", "method"), BETWEEN)
def test_an_example_that_does_not_wait_fails_when_its_lock_is_deleted_meanwhile(
    make_server: MakeServer, script: Callable[..., Script], tmp_path: pathlib.Path, code: str, lock: str, method: str
) -> None:
    server = make_server(sections=SECTIONS)
    # Until the test ends: a hold that nobody has any more is given back.
    held = server.admin.hold(lock, "all", ttl_s=600) if MAKES not in code else None
    run = script(PAUSE.format(method) + adapted(code, server.url, server.process.directory), cwd=tmp_path)
    assert run.line() == "now"
    server.admin.delete(lock, force=True)
    status, out, err = run.end(answer="\n")
    assert status != 0, out
    assert err
    no_work(out)
    with contextlib.suppress(errors.LeaseLost):
        if held:
            held.release()


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
