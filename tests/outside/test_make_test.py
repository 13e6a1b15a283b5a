"""`make test` itself: one red stage hides no other, and CI can run it as on a machine that has built nothing before."""

import os
import pathlib
import shutil
import subprocess

import pytest

from harness.paths import ROOT


@pytest.fixture
def clone(tmp_path):
    """A directory with our scripts, and programs that stand in for cargo and the others; a function that runs one of the scripts."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    stand_ins = tmp_path / "stand-ins"
    for path, text in ((stand_ins / "cargo", CARGO), (tmp_path / "target/venv/bin/python", PYTEST),
                       *((tmp_path / "scripts" / name, "#!/bin/sh\n") for name in ("setup-tests", "test-python", "test-node", "instructions", "words"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def run(script, **more):
        # Not what we are run by ourselves: a make within make, for one, says which directory it enters.
        inherited = ("CI_BARE", "CARGO_HOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
        env = {name: value for name, value in os.environ.items() if name not in inherited}
        env.update(PATH=f"{stand_ins}:{env['PATH']}", **more)
        done = subprocess.run([tmp_path / script], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=100)
        table = done.stdout[done.stdout.rindex("=== stages,"):].splitlines()[1:] if "=== stages," in done.stdout else []
        return done, {line.split()[-1]: line.split("  ")[0].rstrip() for line in table[:-1]}, table[-1:]

    return run


CARGO = """#!/bin/sh
case " $FAILS " in *" $1 "*) echo 'test some::thing ... FAILED'; exit 101 ;; esac
echo "test result: ok. of $*"
"""
# A test that leaves a process behind, which has its output open.
PYTEST = """#!/bin/sh
case " $FAILS " in *" outside "*) [ "$6" != '' ] || { sleep 300 & echo $! >left; echo 'FAILED x.py::y'; exit 1; } ;; esac
"""
ALL = ["setup", "format", "words", "lints", "build", "tools", "outside", "outside-root", "outside-alone", "python", "node",
       "instructions", "cargo"]


def test_all_stages_in_one_table(clone):
    done, stages, end = clone("scripts/test")
    assert (done.returncode, end) == (0, [f"{len(ALL)} passed, 0 failed"]), done.stdout + done.stderr
    assert list(stages) == ALL and set(stages.values()) == {"passed"}
    # The last words of a runner are near the end, and no test of cargo keeps another from running.
    assert "test result: ok. of test --workspace --no-fail-fast\n" in done.stdout[-700:]


@pytest.mark.parametrize("fails", ["fmt", "clippy", "outside", "test"])
def test_a_red_stage_hides_no_other(clone, tmp_path, fails):
    done, stages, end = clone("scripts/test", FAILS=fails)
    if fails == "outside":
        os.kill(int((tmp_path / "left").read_text()), 9)
    red = {"fmt": ["format"], "clippy": ["lints"], "outside": ["outside-alone"], "test": ["cargo"]}[fails]
    assert done.returncode == 1 and end == [f"{len(ALL) - len(red)} passed, {len(red)} failed"], done.stdout + done.stderr
    assert list(stages) == ALL and [name for name, how in stages.items() if how == "failed"] == red
    again = done.stdout[done.stdout.index("=== what failed, once more"):]
    assert ("FAILED x.py::y" if fails == "outside" else "test some::thing ... FAILED") in again


def test_what_was_not_built_was_not_run(clone):
    done, stages, _ = clone("scripts/test", FAILS="build")
    assert done.returncode == 1 and list(stages) == ALL
    assert [name for name, how in stages.items() if how.startswith("not run")] == ["tools", "outside", "outside-root", "outside-alone", "python", "node", "instructions"]
    assert (stages["build"], stages["cargo"]) == ("failed", "passed")


def test_the_fast_part_as_well(clone):
    done, stages, end = clone("scripts/check", FAILS="fmt")
    assert (done.returncode, end) == (1, ["3 passed, 1 failed"])
    assert stages == {"format": "failed", "words": "passed", "lints": "passed", "cargo": "passed"}


def test_ci_runs_it_as_on_a_bare_machine(clone, tmp_path):
    (tmp_path / "Makefile").write_text('test:\n\t@echo "home=$$CARGO_HOME pip=$$PIP_NO_CACHE_DIR"; ls -A "$$CARGO_HOME"; exit $$STATUS\n')
    for status in ("0", "3"):
        done, _, _ = clone(".ci/run", CI_BARE="1", STATUS=status)
        home, pip = done.stdout.split()
        assert (done.returncode == 0) == (status == "0") and pip == "pip=1", done
        assert home != "home=" and not pathlib.Path(home.removeprefix("home=")).exists(), "it was empty, and it is gone"
    done, _, _ = clone(".ci/run", STATUS="0", PIP_NO_CACHE_DIR="")
    assert done.stdout.splitlines()[0] == "home= pip="
