"""What `scripts/instructions` makes of its counts. That they are right is what its own stage of `make test` shows."""

import importlib.util
import json
import os
import subprocess

import pytest

from harness.paths import ROOT


@pytest.fixture
def count(tmp_path):
    """The script as a module, with a baseline of its own."""
    spec = importlib.util.spec_from_file_location("count", ROOT / "bench/instructions/count.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.BASELINE = tmp_path / "baseline.json"
    module.ROOT = tmp_path
    return module


@pytest.mark.parametrize("now, said", [(1050, None), (950, None), (1051, "5.1% more"), (949, "5.1% fewer")])
def test_five_per_cent_either_way(count, now, said):
    lines, failures = count.compare({"step": 1000, "codec": 7}, {"step": now, "codec": 7})
    assert len(lines) == 3 and f"{now:,}" in lines[1]
    assert failures == [] if said is None else said in failures[0] and "scripts/instructions --write" in failures[0]


def test_what_has_no_baseline_fails(count):
    _, failures = count.compare({}, {"step": 1})
    assert len(failures) == 1 and "scripts/instructions --write" in failures[0]


def test_writes_the_middle_of_three_and_keeps_other_machines(count, monkeypatch):
    runs = iter([1010, 1000, 1003])
    monkeypatch.setattr(count, "count_all", lambda: dict.fromkeys(count.TIMES, next(runs)))
    monkeypatch.setattr(count, "made_with", lambda: {"rustc": "one"})
    count.write({"other": {"instructions": {}}}, "this")
    written = json.loads(count.BASELINE.read_text())
    assert written == {"other": {"instructions": {}},
                       "this": {"instructions": dict.fromkeys(count.TIMES, 1003), "made_with": {"rustc": "one"}}}


def test_does_not_write_what_is_unsteady(count, monkeypatch):
    runs = iter([1000, 1000, 1021])
    monkeypatch.setattr(count, "count_all", lambda: dict.fromkeys(count.TIMES, next(runs)))
    with pytest.raises(SystemExit, match="differ by more than 2%"):
        count.write({}, "this")
    assert not count.BASELINE.exists()


def test_without_valgrind_it_names_the_package(tmp_path):
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")
    done = subprocess.run(["/bin/bash", ROOT / "scripts/instructions"], env={**os.environ, "PATH": str(tmp_path)}, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1 and "Debian package valgrind" in done.stderr
