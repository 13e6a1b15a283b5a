"""What `make run` prints to try works at the first try, and so does lockctl beside it."""

import os
import re
import socket
import subprocess

import pytest

from harness.paths import ROOT, binary, lockctl
from harness.server import READY
from harness.wait import until


def free_port():
    """A port that was free a moment ago; scripts/run prints it before the server could choose one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def running(tmp_path):
    """scripts/run with the built binary; what it printed."""
    # STATE is relative, as its default is.
    state = os.path.relpath(tmp_path / "state", ROOT)
    env = {**os.environ, "LOCKSERVER_BIN": binary(), "LOCKCTL_BIN": lockctl(), "PORT": str(free_port()), "STATE": state}
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        process = subprocess.Popen([str(ROOT / "scripts" / "run")], env=env, stdout=out, stderr=err)
    try:
        said = until(lambda: (tmp_path / "out").read_text() if READY.search((tmp_path / "out").read_text())
                     or process.poll() is not None else "", 20, "the ready line")
        assert READY.search(said), said + (tmp_path / "err").read_text()
        yield said
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_three_things_to_try(running):
    commands = re.findall(r"^\d\. .*:\n +(.+)$", running, re.M)
    assert len(commands) == 3
    outs = []
    for command in commands:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, (command, done.stderr)
        outs.append(done.stdout)
    page, held, ran = outs
    assert 'Lock "DefaultLock"' in page and 'Lock "san-ssh"' in page
    assert re.fullmatch(r"[0-9a-f-]{36} \[True, True\]\n", held)
    assert re.fullmatch(r"slot 0, token \d+\n", ran)


def test_lockctl_run_gives_slot_and_token(running):
    """The words of the README, typed as they are."""
    typed = "lockctl run -w 10 DefaultLock -- sh -c 'echo $LOCK_SLOT $LOCK_TOKEN'"
    address, port = READY.search(running).groups()
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    env |= {"LOCK_SERVER": f"http://{address}:{port}", "PATH": f"{os.path.dirname(lockctl())}:{env['PATH']}"}
    tokens = []
    for _ in range(2):
        done = subprocess.run(["bash", "-c", typed], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and done.stderr == ""
        slot, token = re.fullmatch(r"(\d+) (\d+)\n", done.stdout).groups()
        assert slot == "0", "given back, it is the first one again"
        tokens.append(int(token))
    assert tokens[0] < tokens[1]
