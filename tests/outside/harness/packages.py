"""The packages as scripts/packages makes them from the programs under test, once a run of the tests."""

import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile

from .paths import PUBLISHED, ROOT, binary, lockctl
from .published import old_config

OUT = ROOT / "target" / "packages"
# Where the tests keep theirs, so that those of a release stay.
KEPT = ROOT / "target" / "test-packages"


def _fingerprint():
    """Changes with anything that goes into a package."""
    digest = hashlib.sha256()
    names = ["packaging", "docs", "scripts", "crates/lockserver/Cargo.toml", "crates/lockctl/Cargo.toml", "CHANGELOG.md", "README.md",
             "SECURITY.md", "LICENSE"]
    files = [path for name in names for path in ([ROOT / name] if (ROOT / name).is_file() else sorted((ROOT / name).rglob("*")))]
    for path in [*files, pathlib.Path(binary()), pathlib.Path(lockctl())]:
        if path.is_file():
            status = path.stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _run(*command, **options):
    done = subprocess.run([str(one) for one in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=900, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def _programs(folder):
    """Both programs in one directory, whatever they are called and wherever they are."""
    folder.mkdir()
    for name, path in (("lockserver", binary()), ("lockctl", lockctl())):
        (folder / name).symlink_to(os.path.abspath(path))
    return folder


def _higher(package, folder):
    """The same package with a higher version, for an upgrade."""
    _run("dpkg-deb", "--raw-extract", package, folder)
    control = folder / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*$", r"\g<0>.1", control.read_text(), flags=re.M))
    higher = KEPT / "higher.deb"
    _run("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", folder, higher)


def built():
    """The directory with the packages of the server and of the client, higher.deb, higher.rpm and the archives; SHA256SUMS is of those as made."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        now, stamp = _fingerprint(), KEPT / "made-from"
        if not stamp.exists() or stamp.read_text() != now:
            for old in [*KEPT.glob("*.*"), *KEPT.glob("SHA256SUMS")]:
                old.unlink()
            work = KEPT / "work"
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            env = {**os.environ, "BINARIES": str(_programs(work / "programs")), "PACKAGES": str(work / "out"), "QUICK": "1"}
            _run(ROOT / "scripts" / "packages", "rpm", cwd=ROOT, env={**env, "REVISION": "2"})
            shutil.copy(*(work / "out").glob("lockserver-[0-9]*.rpm"), KEPT / "higher.rpm")
            shutil.rmtree(work / "out")
            _run(ROOT / "scripts" / "packages", cwd=ROOT, env=env)
            for made in (work / "out").iterdir():
                if made.is_file():
                    shutil.copy(made, KEPT / made.name)
            _higher(one("deb"), work / "higher")
            shutil.rmtree(work)
            stamp.write_text(now)
    return KEPT


def one(ending, package="lockserver"):
    """The package of that kind, under the name that it was made with."""
    (found,) = [path for path in KEPT.glob(f"{package}[-_][0-9]*.{ending}")]
    return found


def unpacked_archive(directory, package="lockserver"):
    """The archive's only folder, unpacked."""
    with tarfile.open(one("tar.gz", package)) as archive:
        archive.extractall(directory)
    (folder,) = directory.iterdir()
    return folder


def output(*command, binary=False):
    """What a program of this machine prints."""
    done = subprocess.run([str(one) for one in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=60, check=True)
    return done.stdout if binary else done.stdout.decode()


def member(archive, name):
    """A text file inside an uncompressed archive of tar."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        return files.extractfile(name).read().decode()


# In both packages, at the same place.
EVERYWHERE = {
    **{f"/usr/bin/{name}": "-rwxr-xr-x" for name in ("lockserver", "lockctl")},
    "/usr/libexec/lockserver/take-over": "-rwxr-xr-x",
    **{name: "-rw-r--r--" for name in (
        "/usr/lib/systemd/system/lockserver.service", "/usr/lib/systemd/system/lockserver.socket", "/etc/logrotate.d/lockserver",
        "/usr/share/man/man8/lockserver.8.gz", "/usr/share/man/man8/lockserver-check-config.8.gz", "/usr/share/man/man1/lockctl.1.gz",
        "/usr/share/man/man1/lockctl-run.1.gz", "/usr/share/bash-completion/completions/lockserver",
        "/usr/share/bash-completion/completions/lockctl", "/usr/share/fish/vendor_completions.d/lockserver.fish",
        "/usr/share/fish/vendor_completions.d/lockctl.fish", "/usr/share/doc/lockserver/examples/lockserver.conf",
        "/usr/share/doc/lockserver/monitoring/prometheus.yml", "/usr/share/doc/lockserver/monitoring/lockserver.rules.yml",
        "/usr/share/doc/lockserver/monitoring/grafana-dashboard.json", "/usr/share/doc/lockserver/examples/openrc-lockserver", "/usr/share/doc/lockserver/examples/openrc-lockserver.confd")},
}


def deb_files(package="lockserver"):
    """Each file of the .deb: name -> (type and mode, owner/group)."""
    lines = [line.split(None, 5) for line in output("dpkg-deb", "--contents", one("deb", package)).splitlines()]
    return {words[5].removeprefix("."): (words[0], words[1].replace("0/0", "root/root")) for words in lines}


def rpm_files(package="lockserver"):
    """Each file of the .rpm: (name, type and mode, owner:group, flags)."""
    form = "[%{FILENAMES}|%{FILEMODES:perms}|%{FILEUSERNAME}:%{FILEGROUPNAME}|%{FILEFLAGS:fflags}\\n]"
    return [tuple(line.split("|")) for line in output("rpm", "--query", "--package", "--queryformat", form, one("rpm", package)).splitlines()]


def python2():
    """A Python 2.7 of this machine and the directory that it is in, to run 0.36 itself; None without one outside of /usr."""
    found = json.loads((PUBLISHED / "state.json").read_text())["python2"]
    place = pathlib.Path(found).resolve().parent.parent if found else None
    return (found, str(place)) if place and pathlib.Path("/usr") not in [place, *place.parents] else None


def install_036(system, python2):
    """What `setup.py install` of 0.36 leaves on a machine, and its server started by its own start script.

    Without a Python 2.7 something of the same name stands in: it listens, and ends when it is told to.
    """
    source = PUBLISHED / "lockserver-0.36"
    for name in ("lockserver", "lockcli.py", "config.py", "rpcweb.py"):
        system.put(f"/usr/local/bin/{name}", (source / name).read_text(), 0o755)
    system.put("/etc/init.d/lockd", (source / "lockd").read_text(), 0o755)
    system.put("/etc/logrotate.d/lockserver", (source / "etc" / "lockserver").read_text())
    if not system.path("/etc/lockserver/lockserver.conf").exists():
        system.put("/etc/lockserver/lockserver.conf", old_config().read_text())
    if python2:
        system.run("ln", "-s", python2, "/usr/bin/python")
    else:
        system.put("/usr/bin/python", STAND_IN, 0o755)
    system.run("update-rc.d", "lockd", "defaults")
    system.run("/etc/init.d/lockd", "start")


def recording_systemd(system):
    """Make the system believe that systemd runs; a function that gives what systemctl was told since the last time."""
    system.put("/usr/bin/systemctl", RECORDER, 0o755)
    system.run("mkdir", "-p", "/run/systemd/system")
    calls = system.path("/tmp") / "systemctl.calls"

    def told():
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return lines

    return told


# Every unit is enabled, and active unless the test has said otherwise in /tmp/is-active.
RECORDER = """#!/bin/sh
echo "$*" >>/tmp/systemctl.calls
case "$*" in *is-enabled*) echo enabled ;; *is-active*) cat /tmp/is-active 2>/dev/null || echo active ;; esac
exit 0
"""
STAND_IN = """#!/usr/bin/perl
use Socket;
socket(my $s, PF_INET, SOCK_STREAM, 0); setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
bind($s, sockaddr_in(9090, INADDR_ANY)) or die; listen($s, 5); open(my $log, '>>', '/var/log/lockserver.log');
print $log "[INFO] stand-in\\n"; close($log); while (accept(my $c, $s)) { close($c); }
"""
