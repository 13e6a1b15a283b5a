"""A Debian system of its own for a test: files from debootstrap, processes and a network that end with it.

The base is made once, in target/debian, from the mirror and the release that this machine installs from. Each test gets a layer of
its own above it in memory, in namespaces of its own, so that nothing it does reaches the machine or another test.
"""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess

from .paths import ROOT

CACHE = ROOT / "target" / "debian"
# Beyond the essential packages: what ours depends on, and what proves its logrotate file.
EXTRA = "adduser,logrotate"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}

# Process 1 of the system: it waits until its standard input ends, which is when the test ends, however it ends. The others then end
# with it. It leaves no zombies of those whose parents are gone.
BOOT = """
set -e
mount -t tmpfs -o size=900m tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind "$3" "$1/root/mnt"
for more in "${@:4}"; do
    mkdir -p "$1/root$more"
    mount --bind "$more" "$1/root$more"
done
ip link set lo up
# Said from inside: before that its root is still the machine's.
exec chroot "$1/root" /bin/sh -c 'echo ready; exec env --ignore-signal=CHLD cat'
"""


class NoDebian(AssertionError):
    """A Debian system cannot be made here; the text says why."""


def own_mirror():
    """Where this machine gets Debian's packages from: a URL, from its apt sources."""
    folder = pathlib.Path("/etc/apt")
    files = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]
    text = "\n".join(path.read_text(errors="replace") for path in files if path.is_file())
    found = re.findall(r"^(?:URIs:|deb(?: \[[^]]*\])?) *(https?://\S+?/debian/?)(?:\s|$)", text, re.M)
    if not found:
        raise NoDebian("the apt sources of this machine name no mirror of Debian (a URL that ends in /debian)")
    return found[0]


def own_release():
    """The code name of this machine's Debian."""
    text = pathlib.Path("/etc/os-release").read_text()
    found = re.search(r"^VERSION_CODENAME=(\w+)$", text, re.M)
    if not re.search(r"^ID=debian$", text, re.M) or not found:
        raise NoDebian("this machine is no Debian: /etc/os-release says so")
    return found[1]


def base():
    """The directory with the base system; the first call makes it, in half a minute."""
    everybody = pathlib.Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    if os.geteuid() != 0 or not everybody:
        raise NoDebian("debootstrap makes files of several owners: only root may, outside of user namespaces. Run these tests as root")
    release = own_release()
    target = CACHE / f"{release}-{EXTRA.replace(',', '-')}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            being_made = CACHE / "being-made"
            shutil.rmtree(being_made, ignore_errors=True)
            with open(CACHE / "debootstrap.log", "w") as log:
                done = subprocess.run(["debootstrap", "--variant=minbase", f"--include={EXTRA}", release, str(being_made), own_mirror()],
                                      stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=600)
            if done.returncode != 0:
                raise NoDebian("debootstrap failed; is the mirror in reach? " + (CACHE / "debootstrap.log").read_text()[-2000:])
            shutil.rmtree(being_made / "var/cache/apt/archives")
            being_made.rename(target)
    return target


class Debian:
    """One system: run commands in it, look at its files. `packages` is its /mnt; `more` are directories to have as they are here."""

    def __init__(self, scratch, packages, more=()):
        scratch.mkdir()
        self.scratch = scratch
        isolate = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", "--propagation", "private"]
        command = [*isolate, "bash", "-c", BOOT, "boot", scratch, base(), packages, *more]
        self.process = subprocess.Popen([str(one) for one in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        said = self.process.stdout.readline()
        if said != "ready\n":
            raise NoDebian("no namespaces or no overlay here: " + self.process.communicate()[1])
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.first = children[0]
        # The one that can be reached from here.
        self.root = pathlib.Path(f"/proc/{self.first}/root")
        # Without an init system Debian's tools start nothing unless they are told that they may.
        self.put("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 0\n", 0o755)
        self.put("/etc/hosts", "127.0.0.1 localhost\n")

    def close(self):
        """End it, with all its processes."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process.stderr.close()

    def _enter(self, command, inside, check, timeout):
        where = ["--root", "--wd"] if inside else []
        enter = ["nsenter", "--target", self.first, "--mount", "--pid", "--net", "--ipc", "--uts", *where, "--"]
        done = subprocess.run([*enter, *map(str, command)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", env=ENVIRONMENT, timeout=timeout)
        if check:
            assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done

    def run(self, *command, check=True, timeout=120):
        """Run a command in the system; what it wrote on both outputs."""
        return self._enter(command, True, check, timeout).stdout

    def status(self, *command, timeout=120):
        """Run a command in the system; its exit status and what it wrote."""
        done = self._enter(command, True, False, timeout)
        return done.returncode, done.stdout

    def beside(self, *command, timeout=120):
        """Run a program of this machine in the system's namespaces, with the machine's files; {root} is where the system's are."""
        command = [str(word).replace("{root}", f"{self.scratch}/root") for word in command]
        return self._enter(command, False, True, timeout).stdout

    def shell(self, script, **options):
        """Run a script of sh in the system."""
        return self.run("sh", "-ec", script, **options)

    def path(self, name):
        """A file of the system, by its absolute name. Links are followed as they are meant inside, not to files of this machine."""
        path = self.root
        for part in pathlib.PurePath(name).parts[1:]:
            path = path / part
            if path.is_symlink():
                target = os.readlink(path)
                path = self.path(target) if target.startswith("/") else path.parent / target
        return path

    def put(self, name, text, mode=0o644, owner="root:root"):
        """Write a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self.run("chown", owner, name)

    def files(self):
        """Every file with its type, mode and owner, and the accounts: what must be the same before and after."""
        find = r"find / -xdev \( -path /proc -o -path /mnt -o -path /tmp \) -prune -o -printf '%p %M %u:%g %l\n'"
        listed = [line.rstrip() for line in self.shell(find).splitlines()]
        accounts = [line for name in ("passwd", "group", "shadow", "gshadow") for line in self.path(f"/etc/{name}").read_text().splitlines()]
        return {line for line in listed if not TRACES.match(line)} | set(accounts)


# What every installation and every account leaves behind, whatever the package: logs, backups of the tables, dpkg's own.
TRACES = re.compile(r"/(var/lib/dpkg/|var/log/(dpkg|alternatives)\.log|etc/(passwd|group|shadow|gshadow|subuid|subgid)- "
                    r"|etc/\.pwd\.lock |var/cache/|var/lib/logrotate/)")
