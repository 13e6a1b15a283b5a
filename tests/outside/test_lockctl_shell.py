"""`eval "$(lockctl acquire ...)"` in every shell: without the lock it is a failure, and nothing of an earlier hold is left."""

import re
import shutil
import subprocess

import pytest

from harness.ctl import environment, run
from harness.paths import ROOT

SHELLS = {"bash": ["bash"], "dash": ["dash"], "busybox": ["busybox", "sh"]}
NOWHERE = "http://127.0.0.1:1"
STALE = {"LOCK_TICKET": "stale", "LOCK_TOKEN": "9", "LOCK_NAME": "other", "LOCK_SLOT_NAMES": "x"}


@pytest.fixture(params=SHELLS)
def shell(request):
    words = SHELLS[request.param]
    program = shutil.which(words[0])
    assert program, f"{words[0]} is missing: make test installs it"

    def sh(at, script, **more):
        return subprocess.run([program, *words[1:], "-c", script], env=environment(at, **{**STALE, **more}), capture_output=True, text=True,
                              timeout=60, check=False)
    return sh


def test_without_the_lock_it_is_a_failure(server, shell):
    taken = run(server, "acquire", "DefaultLock")
    assert taken.returncode == 0
    cases = [
        (server, "-n DefaultLock", 75), (server, "-w 0.2 DefaultLock", 75), (server, "-n -E 9 DefaultLock", 9),
        # -E 0 is for those who start commands.
        (server, "-n -E 0 DefaultLock", 75),
        (server, "nowhere", 78), (server, "DefaultLock=7", 78), (server, "--frob DefaultLock", 64), (server, "", 64),
        (server, "--key-file /nonexistent DefaultLock", 64), (NOWHERE, "-n DefaultLock", 69),
        (server, "--ttl 0.1 DefaultLock", 64),
    ]
    for at, words, status in cases:
        take = f'eval "$(lockctl acquire {words} 2>/dev/null)"'
        done = shell(at, f"set -e; {take}; echo work")
        assert (done.returncode, done.stdout) == (status, ""), (words, done)
        done = shell(at, f"{take} || exit; echo work")
        assert (done.returncode, done.stdout) == (status, ""), (words, done)
        done = shell(at, f'{take}; echo "$? [$LOCK_TICKET$LOCK_TOKEN$LOCK_NAME$LOCK_SLOT_NAMES] $LOCK_SERVER"')
        _, _, left = done.stdout.partition(" ")
        assert done.stdout.startswith(f"{status} []"), (words, done)
        assert left.strip().endswith(environment(at)["LOCK_SERVER"]), "where the server is may be the user's own setting"


def test_without_lockctl_it_is_a_failure(server, shell, tmp_path):
    (tmp_path / "lockctl").write_text("#!/bin/sh\n")
    for path in (tmp_path / "nothing", tmp_path):
        for script in ('hold=$(lockctl acquire DefaultLock) && eval "$hold" || exit; echo work',
                       'set -e; hold=$(lockctl acquire DefaultLock); eval "$hold"; echo work'):
            done = shell(server, script, PATH=str(path))
            assert done.returncode in (126, 127) and done.stdout == "", (script, done)


def test_killed_before_it_could_say_anything_it_is_a_failure_too(server, shell):
    assert run(server, "acquire", "DefaultLock").returncode == 0
    # Killed while it waits: what it has printed is a failure by itself.
    script = """
        lockctl acquire DefaultLock >out 2>/dev/null & pid=$!
        while [ ! -s out ]; do sleep 0.05; done
        kill -9 $pid; wait $pid
        set -e; eval "$(cat out)"; echo work
    """
    done = shell(server, f"cd {server.directory}; {script}")
    assert done.returncode != 0 and done.stdout == "", done


def waiting_forms():
    """How README, the recipes and all other pages call `lockctl run` where it waits: options and permits, each way once."""
    text = "\n".join(page.read_text() for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    found = re.findall(r"""lockctl run ((?:-\S+ (?:\d+ |"[^"$]*" )?)*)[a-z][\w-]*(=\w+)? -- """, text, re.I)
    forms = sorted({(options, permits) for options, permits in found if not {"-n", "--local"} & set(options.split())})
    assert ("", "") in forms and ("", "=all") in forms and ("-w 600 ", "") in forms, forms
    return [f"lockctl run {options}DefaultLock{permits} -- echo work" for options, permits in forms]


def test_a_lock_that_is_deleted_meanwhile_is_not_got(server, shell):
    import threading

    from harness.wait import until
    for script in ('set -e; eval "$(lockctl acquire DefaultLock)"; echo work', *waiting_forms()):
        assert run("unix:/proc/self/cwd/admin.sock", "create", "x", "--size", "10", cwd=server.directory).returncode == 0
        assert run(server, "acquire", "x=all").returncode == 0
        found = []
        waiter = threading.Thread(target=lambda script=script, found=found: found.append(shell(server, script.replace("DefaultLock", "x"))))
        waiter.start()
        until(lambda: "1 queued" in run(server, "status", "x").stdout, 20, "it waits")
        assert run("unix:/proc/self/cwd/admin.sock", "delete", "x", "--force", cwd=server.directory).returncode == 0
        waiter.join(60)
        (done,) = found
        assert done.returncode in (76, 78) and "work" not in done.stdout, (script, done)


def test_with_the_lock_it_goes_on(server, shell):
    script = 'set -e; eval "$(lockctl acquire -w 20 DefaultLock)"; echo "$LOCK_NAME $LOCK_SLOT [$LOCK_SLOT_NAMES]"; lockctl release'
    done = shell(server, script)
    assert (done.returncode, done.stdout) == (0, "DefaultLock 0 []\nreleased\n"), done
