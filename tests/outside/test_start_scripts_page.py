"""docs/start-scripts.md: its commands as written, on a machine for the SysV script and against the units and scripts of packaging/."""

import re
import shlex

import pytest

from harness.lines import blocks, lines
from harness.machine import PACKAGING, Machine, run

PAGE = "docs/start-scripts.md"
SYSV, SYSTEMD, OPENRC = "/etc/init.d/lockserver", "systemctl", ("rc-service", "rc-update")


def commands(*programs):
    """The lines of the page with these programs, as words."""
    return [words for block in blocks(PAGE) for words in map(shlex.split, lines(block)) if words[0] in programs]


def test_every_command_is_of_one_of_the_three_init_systems():
    assert len(commands(SYSV, SYSTEMD, *OPENRC)) == sum(len(lines(block)) for block in blocks(PAGE)) == 13


@pytest.mark.root
def test_the_commands_for_sysv_as_written(tmp_path, as_root):
    machine = Machine(tmp_path, ["dash"])
    try:
        found = commands(SYSV)
        # Without a server nothing but a start is a success.
        for _, word in found:
            if word != "start":
                done = machine("sh", "-c", f"dash /run/script {word}; echo status $?")
                assert re.search(r"^status [1-9]", done, re.M), f"{word}: {done}"
        for _, word in found:
            machine.script(word)
        assert {word for _, word in found} == {"start", "reload", "status"}
        assert machine.servers() == [machine.pid()]
        machine.script("stop")
    finally:
        machine.close()


def test_the_commands_for_systemd_fit_the_units(tmp_path):
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("lockserver.service", "lockserver.socket"):
        (units / name).write_text((PACKAGING / "systemd" / name).read_text())
    enabled = 0
    for _, verb, *words in commands(SYSTEMD):
        named = [word if "." in word else f"{word}.service" for word in words if word != "--now"]
        assert named and all((units / name).is_file() for name in named), words
        assert verb in ("enable", "reload", "restart", "start", "stop", "edit")
        if verb == "reload":
            assert all("\nExecReload=" in (units / name).read_text() for name in named)
        if verb == "enable":
            # Without --now, which needs a systemd that runs.
            run("systemctl", f"--root={tmp_path}", "enable", *named)
            links = [path.name for path in (tmp_path / "etc/systemd/system").glob("*.wants/*") if path.is_symlink()]
            assert set(named) <= set(links), links
            enabled += 1
    assert enabled == 2


def test_the_commands_for_openrc_fit_the_script():
    script = (PACKAGING / "openrc" / "lockserver").read_text()
    more = re.search(r'^extra_started_commands="(.*)"$', script, re.M)[1].split()
    found = commands(*OPENRC)
    assert ["rc-update", "add", "lockserver"] in found
    verbs = [words[2] for words in found if words[:2] == ["rc-service", "lockserver"]]
    assert len(verbs) == len(found) - 1 and set(verbs) <= {"start", "stop", "restart", *more}, verbs
