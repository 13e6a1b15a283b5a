"""What packaging/ has for init systems: the units judged by systemd, the scripts by shells and shellcheck, and the SysV script run."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from harness.machine import PACKAGING, SYSV, UNREAD, Machine, run
from harness.paths import ROOT, binary

UNITS = ["lockserver.service", "lockserver.socket"]
OPENRC = PACKAGING / "openrc" / "lockserver"
FAILED, USAGE, NOT_ALLOWED, NOT_INSTALLED, NOT_CONFIGURED, NOT_RUNNING = 1, 2, 4, 5, 6, 7
# Of status alone.
UNKNOWN = 4


@pytest.fixture
def units(tmp_path):
    """The units, with the server under test in the place of an installed one."""
    for name in UNITS:
        text = (PACKAGING / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/usr/bin/lockserver", binary()))
    return tmp_path


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_the_units(units, unit):
    # They are in one directory, which is where one that names the other is looked for.
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    assert run("systemd-analyze", "verify", "--recursive-errors=one", units / unit, env=env) == ""


def test_the_service_is_locked_in(units):
    # Tenths: exposure below 2.0.
    run("systemd-analyze", "security", "--offline=true", "--threshold=19", units / "lockserver.service")


def test_the_service_has_bounds_and_leaves_no_secrets_in_core_files():
    service = sections((PACKAGING / "systemd" / "lockserver.service").read_text())["Service"]
    assert {name: service[name] for name in ("LimitCORE", "MemoryMax", "LimitNOFILE", "StateDirectoryMode", "UMask")} == {
        "LimitCORE": "0", "MemoryMax": "2G", "LimitNOFILE": "65536", "StateDirectoryMode": "0700", "UMask": "0027"}


def sections(text):
    """The settings of a unit, by section."""
    found, names = {}, None
    for line in text.splitlines():
        if line.startswith("["):
            names = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            name, value = line.split("=", 1)
            names[name] = value
    return found


def test_the_drop_ins_of_the_documentation_are_good(units):
    """Each [Service] and [Socket] block of the page, as a drop-in, beside the unit itself."""
    blocks = (ROOT / "docs" / "start-scripts.md").read_text().split("```ini\n")[1:]
    texts = [block.split("```")[0] for block in blocks]
    drop_ins = [text for text in texts if set(sections(text)) <= {"Service", "Socket"}]
    assert len(drop_ins) >= 3
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"}
    for text in drop_ins:
        unit = "lockserver.socket" if "Socket" in sections(text) else "lockserver.service"
        directory = units / f"{unit}.d"
        directory.mkdir()
        (directory / "override.conf").write_text(text)
        assert run("systemd-analyze", "verify", "--recursive-errors=one", units / unit, env=env) == "", text
        shutil.rmtree(directory)


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"], ["bash", "--posix"]], ids=" ".join)
@pytest.mark.parametrize("script", [SYSV, OPENRC], ids=["sysv", "openrc"])
def test_shells_can_read_the_scripts(script, shell):
    run(*shell, "-n", script)


def test_shellcheck_finds_nothing():
    run("shellcheck", SYSV)
    # openrc-run reads the variables, and is a shell that knows what this one does not say: nothing more is left out.
    run("shellcheck", "--shell=sh", "--exclude=SC2034", OPENRC)
    run("shellcheck", "--shell=sh", "--exclude=SC2034", PACKAGING / "openrc" / "lockserver.confd")


TOOL = "/usr/sbin/start-stop-daemon"
HOW = {"dash": (["dash"], []), "busybox": (["busybox", "sh"], []), "plain sh": (["dash"], [TOOL, "/usr/bin/flock"])}


@pytest.fixture(params=list(HOW))
def machine(request, tmp_path, as_root):
    """One for each way to run the script; without start-stop-daemon and flock it is on its own."""
    shell, without = HOW[request.param]
    machine = Machine(tmp_path, shell, [path for path in without if os.path.exists(path)])
    yield machine
    machine.close()


ASK = "curl -sS -m 10 http://127.0.0.1:9090/healthz"


@pytest.mark.root
def test_the_sysv_script_starts_and_stops(machine):
    machine.script("status", code=3)
    assert "does not run" in machine.script("stop")
    machine.script("reload", code=NOT_RUNNING)
    machine.script("try-restart")
    machine.script("status", code=3)
    assert "started" in machine.script("start")
    # It has waited until the server serves.
    machine("sh", "-c", ASK)
    pid = machine.pid()
    assert f"runs (pid {pid})" in machine.script("status")
    assert f"runs already (pid {pid})" in machine.script("start")
    # As its own user, in its own session, with files that only it may write.
    assert machine("readlink", f"/proc/{pid}/exe").strip() == "/run/program/lockserver"
    assert machine("ps", "-o", "sid=", "-p", pid).split() == [pid]
    owner = machine("stat", "-c", "%U", "/var/lib/lockserver/lockserver.db").strip()
    assert machine("ps", "-o", "user=", "-p", pid).split() == [owner]
    assert machine("stat", "-c", "%U %a", "/run/lockserver.pid").split() == ["root", "644"]
    assert machine("stat", "-c", "%U %a", "/run/lockserver/admin.sock").split() == [owner, "660"]
    assert machine("stat", "-c", "%U %a", "/var/log/lockserver/lockserver.out").split() == [owner, "640"]
    machine.script("reload")
    machine("sh", "-c", "until grep -q reloaded: /var/log/lockserver/lockserver.out; do sleep 0.1; done")
    machine.script("restart")
    assert machine.pid() != pid
    machine("sh", "-c", ASK)
    assert "stopped" in machine.script("stop")
    machine.script("status", code=3)
    machine("test", "!", "-e", "/run/lockserver.pid")


@pytest.mark.root
def test_the_sysv_script_leaves_alone_what_it_must(machine):
    machine.script("start")
    pid = machine.pid()
    # A broken configuration ends no server that runs.
    machine("sh", "-c", "echo PORT=seventy >>/run/program/lockserver.conf")
    for word in ("restart", "reload", "force-reload", "try-restart"):
        assert "seventy" in machine.script(word, code=NOT_CONFIGURED)
        assert machine.pid() == pid
    machine("kill", "-9", pid)
    machine.wait_gone(pid)
    assert "is there" in machine.script("status", code=1)
    assert "seventy" in machine.script("start", code=NOT_CONFIGURED)
    # Another process has the number by now.
    machine("sh", "-c", "sleep 1000 >/run/other 2>&1 & echo $! >/run/lockserver.pid")
    other = machine.pid()
    machine.script("status", code=1)
    machine.script("stop")
    machine("kill", "-0", other)
    machine.script("frobnicate", code=USAGE)
    machine.script(code=USAGE)
    machine("umount", "/run/program/lockserver")
    machine.script("start", code=NOT_INSTALLED)


@pytest.mark.root
def test_two_starts_at_once_are_one_server(machine):
    printed = machine.at_once("start")
    pid = machine.pid()
    assert sorted(printed) == [f"lockserver: runs already (pid {pid})\n", f"lockserver: started (pid {pid})\n"]
    assert machine.servers() == [pid]
    # The server does not hold the script's lock, nor does anything of it stay but a file that only root may hold.
    assert "lockserver.pid" not in machine("ls", "-l", f"/proc/{pid}/fd")
    assert machine("sh", "-c", "find /run -maxdepth 1 -name 'lockserver.pid.*' -printf '%f %U %m\n'") in ("lockserver.pid.lock 0 600\n", "")
    machine.script("status")
    assert "stopped" in machine.script("stop")
    assert machine.servers() == []


@pytest.mark.root
def test_two_restarts_at_once_leave_one_server(machine):
    machine.script("start")
    for printed in machine.at_once("restart"):
        assert "stopped" in printed and "started" in printed
    assert machine.servers() == [machine.pid()]
    machine("sh", "-c", ASK)
    for printed in machine.at_once("reload"):
        assert "reads its configuration again" in printed
    assert sorted(machine.at_once("stop")) == ["lockserver: does not run\n", "lockserver: stopped\n"]
    assert machine.servers() == []


@pytest.mark.root
def test_a_script_waits_for_another_only_so_long_and_not_for_a_dead_one(machine):
    machine.stand_in("exec sleep 1000\n", START_TIMEOUT=1000, LOCK_TIMEOUT=1)
    starting = shlex.join([*machine.shell, "/run/script", "start"])
    machine("sh", "-c", f"{starting} >/run/out 2>&1 & echo $! >/run/starting; until [ -s /run/lockserver.pid ]; do sleep 0.1; done")
    pid = machine.pid()
    for word in ("start", "stop", "restart", "try-restart", "reload"):
        assert "under way" in machine.script(word, code=FAILED)
    assert machine.pid() == pid
    machine("sh", "-c", "echo LOCK_TIMEOUT=30 >>/etc/default/lockserver; kill -9 $(cat /run/starting)")
    assert "does not run" in machine.script("stop")
    machine("test", "!", "-e", "/run/lockserver.pid")


@pytest.mark.root
def test_everybody_may_ask_for_the_status(machine):
    def status(says, code, *before):
        for user in machine.others or [[]]:
            assert says in machine(*before, *user, *machine.shell, "/run/script", "status", code=code)

    status("does not run", 3)
    machine("sh", "-c", f"umask 077; exec {shlex.join(machine.shell)} /run/script start")
    pid = machine.pid()
    status(f"runs (pid {pid})", 0)
    for user in machine.others:
        for word in ("start", "stop", "restart", "reload"):
            machine(*user, *machine.shell, "/run/script", word, code=NOT_ALLOWED)
    # What cannot be told is not guessed; root alone can always tell.
    if machine.others:
        machine("chmod", "600", "/run/lockserver.pid")
        status("only root can see", UNKNOWN)
        machine("chmod", "644", "/run/lockserver.pid")
        machine("chmod", "600", "/run/default/lockserver")
        machine("mv", "/run/lockserver.pid", "/run/kept")
        status("only root can see", UNKNOWN)
        machine("mv", "/run/kept", "/run/lockserver.pid")
        machine("chmod", "644", "/run/default/lockserver")
        # The server's user sees his own, so this is for the first alone.
        hidden = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\""
        assert "only root can see" in machine("unshare", "--mount", "sh", "-c", hidden, "sh", *machine.others[0], *machine.shell,
                                           "/run/script", "status", code=UNKNOWN)
    # Another process has the number by now, or none.
    machine("sh", "-c", "sleep 1000 >/run/other 2>&1 & cp -p /run/lockserver.pid /run/kept; echo $! >/run/lockserver.pid")
    status("is there", 1)
    machine("cp", "/run/kept", "/run/lockserver.pid")
    machine("kill", "-9", pid)
    machine.wait_gone(pid)
    status("is there", 1)


@pytest.mark.root
def test_a_fifo_in_the_place_of_the_output_holds_nobody_up(machine):
    out = "/var/log/lockserver/lockserver.out"
    machine("sh", "-c", f"mkdir -p /var/log/lockserver && chmod 777 /var/log/lockserver && mkfifo -m 666 {out}")
    assert "not a regular file" in machine.script("start", code=NOT_CONFIGURED)
    machine("test", "!", "-e", "/run/lockserver.pid")
    # Put there by the server's user while the script waits; it keeps its time.
    machine("rm", out)
    machine.stand_in(f"rm {out}; mkfifo {out}; exec sleep 1000\n", START_TIMEOUT=2)
    assert "not ready after 2 s" in machine.script("start", code=FAILED)
    machine("test", "-p", out)


@pytest.mark.root
@pytest.mark.parametrize("kind", UNREAD)
def test_words_that_nobody_can_read_cost_nothing(machine, kind):
    def script(word, code=0):
        machine.unread(kind, *machine.shell, "/run/script", word, code=code)

    def one_server():
        """Its pid; it serves."""
        assert machine.servers() == [machine.pid()]
        machine("sh", "-c", ASK)
        return machine.pid()

    script("status", code=3)
    script("reload", code=NOT_RUNNING)
    script("start")
    pid = one_server()
    for word in ("start", "status", "reload"):
        script(word)
        assert one_server() == pid
    for word in ("restart", "try-restart"):
        before = one_server()
        script(word)
        assert one_server() != before
    script("frobnicate", code=USAGE)
    pid = one_server()
    machine("sh", "-c", "cp /run/program/lockserver.conf /run/good; echo PORT=seventy >>/run/program/lockserver.conf")
    script("restart", code=NOT_CONFIGURED)
    assert one_server() == pid
    script("stop")
    script("stop")
    assert machine.servers() == []
    script("start", code=NOT_CONFIGURED)
    machine("cp", "/run/good", "/run/program/lockserver.conf")
    script("restart")
    one_server()
    # What the server's own output is does not depend on the script's.
    machine("grep", "-q", "^lockserver ready on ", "/var/log/lockserver/lockserver.out")


def settings_of_the_page():
    """The names in the table of docs/start-scripts.md."""
    table = (ROOT / "docs" / "start-scripts.md").read_text().split("| name | default | |\n")[1].split("\n\n")[0]
    return [name for row in table.splitlines() for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])]


@pytest.mark.root
def test_an_empty_setting_of_the_sysv_script_is_as_one_that_is_not_set(machine):
    names = settings_of_the_page()
    assert {"DAEMON", "STOP_TIMEOUT", "MAX_OPEN_FILES", "OUTPUT"} < set(names)
    needed = machine("cat", "/etc/default/lockserver")

    def write(text):
        machine("sh", "-c", 'printf "%s" "$1" >/etc/default/lockserver', "sh", text)

    def values(text, *before):
        """What all of them are in the end, with these settings."""
        show = "".join(f'printf "%s\\n" "{name}=${name}"; ' for name in names)
        write(f"{text}\ntrap '{show}' EXIT\n")
        said = machine(*before, *machine.shell, "/run/script", "status", code=3)
        return {line for line in said.splitlines() if "=" in line}

    unset = values("")
    assert len(unset) == len(names) and "DAEMON=/usr/bin/lockserver" in unset and "OUTPUT=/var/log/lockserver/lockserver.out" in unset
    assert values("".join(f"{name}=\n" for name in names)) == unset
    assert values(f"unset {' '.join(names)}\n") == unset
    for name in names:
        assert values(f"{name}=\n") == unset, name
    # Nor does the environment of who calls set any.
    assert values("", "env", *[f"{name}=7" for name in names]) == unset

    # What the test itself needs stays set; all others are empty under a server that runs, and it is started again.
    write(needed)
    machine.script("start")
    kept = re.findall(r"^([A-Z_]+)=", needed, re.M)
    write(needed + "".join(f"{name}=\n" for name in names if name not in kept or name == "START_TIMEOUT"))
    pid = machine.pid()
    machine.script("restart")
    assert machine.pid() != pid and machine.servers() == [machine.pid()]
    machine.script("stop")
    assert machine.servers() == []


OPENRC_SETTINGS = sorted(set(re.findall(r'^: "\$\{(\w+):?=', OPENRC.read_text(), re.M)))


def openrc(shell, before, after, **options):
    """Read OpenRC's script as openrc-run does, between two texts of shell; what is printed."""
    return run(*shell, "-c", f"RC_SVCNAME=lockserver\n{before}\n. {shlex.quote(str(OPENRC))}\n{after}\n", **options)


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"], ["bash", "--posix"]], ids=" ".join)
def test_an_empty_setting_of_openrc_is_as_one_that_is_not_set(shell):
    show = "".join(f'printf "%s\\n" "{name}=${name}"\n' for name in OPENRC_SETTINGS)
    unset = openrc(shell, "", show)
    assert "supervisor=supervise-daemon\n" in unset and "lockserver_start_timeout=60\n" in unset
    # Each setting of its file is one of the script, but for what OpenRC itself reads.
    named = set(re.findall(r"^#(\w+)=", (PACKAGING / "openrc" / "lockserver.confd").read_text(), re.M))
    assert named - {"command_args"} < set(OPENRC_SETTINGS)
    assert openrc(shell, "".join(f"{name}=\n" for name in OPENRC_SETTINGS), show) == unset
    for name in OPENRC_SETTINGS:
        assert openrc(shell, f"{name}=\n", show) == unset, name
    assert "supervisor=\n" in openrc(shell, "supervisor=none\n", show)


@pytest.mark.parametrize("shell", [["dash"], ["busybox", "sh"]], ids=" ".join)
def test_a_helper_of_openrc_whose_words_nobody_reads_stops_no_start(shell, tmp_path):
    """A stand-in for checkpath, which says what it makes."""
    (tmp_path / "checkpath").write_text("#!/bin/sh\necho making >&2 2>/dev/null\nexit 0\n")
    (tmp_path / "checkpath").chmod(0o755)
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = f"RC_SVCNAME=lockserver; . {shlex.quote(str(OPENRC))}; output_log={tmp_path}/log; : >$output_log; start_pre && : >{tmp_path}/done"
    subprocess.run([*shell, "-c", script], stdout=writer, stderr=writer, env=env, timeout=60)
    os.close(writer)
    assert (tmp_path / "done").exists()
