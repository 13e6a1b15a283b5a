"""A machine that is only namespaces, for scripts of packaging/ that start and stop servers."""

import pathlib
import shlex
import subprocess

from .paths import ROOT, binary

PACKAGING = ROOT / "packaging"
SYSV = PACKAGING / "sysv" / "lockserver"

# What takes no word: how a shell makes it, and where its output goes then. The pipe has had a reader, which is gone before anything is
# written.
UNREAD = {
    "full disk": ("", "/dev/full"),
    "gone reader": ("rm -f /run/gone; mkfifo /run/gone; exec 3<>/run/gone 4>/run/gone 3<&-; ", "&4"),
    "closed descriptor": ("", "&-"),
}


def run(*command, code=0, **options):
    """A command, judged by its exit code; what it printed."""
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **options)
    assert done.returncode == code, f"{shlex.join(map(str, command))}: {done.returncode}\n{done.stdout}"
    return done.stdout


class Machine:
    """A machine for the SysV script: namespaces of its own with empty /run, /var and /etc/default, the script and the server."""

    def __init__(self, directory, shell, without=()):
        self.directory, self.shell = directory, shell
        # Without another user to become (in a user namespace there is only root) it runs as root; a package's test does better.
        becomes = subprocess.run(["setpriv", "--reuid=65534", "true"], capture_output=True).returncode == 0
        user, group = ("nobody", "nogroup") if becomes else ("root", "root")
        # How to run something as somebody else, and as the server's user.
        self.others = [["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] for uid in (1, 65534) if becomes]
        (directory / "lockserver.conf").write_text("[general]\nSERVER=127.0.0.1\nPORT=9090\n")
        (directory / "default").write_text(
            f"DAEMON=/run/program/lockserver\nDAEMON_USER={user}\nDAEMON_GROUP={group}\nSTART_TIMEOUT=30\n"
            "DAEMON_ARGS='--config /run/program/lockserver.conf'\n")
        setup = [
            "ip link set lo up", "mount -t tmpfs tmpfs /run", "mount -t tmpfs tmpfs /var", "mkdir -p /var/lib /var/log",
            "mkdir /run/program /run/default", "touch /run/program/lockserver", f"mount --bind {binary()} /run/program/lockserver",
            f"cp {directory}/lockserver.conf /run/program/", f"cp {directory}/default /run/default/lockserver",
            "mount --bind /run/default /etc/default", f"cp {SYSV} /run/script",
            *[f"mount --bind /dev/null {path}" for path in without], "echo up", "exec cat",
        ]
        self.keeper = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
                                        " && ".join(setup)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.keeper.stdout.readline() == "up\n", "no namespaces for the test: it needs root, or scripts/as-root"
        children = pathlib.Path(f"/proc/{self.keeper.pid}/task/{self.keeper.pid}/children").read_text().split()
        self.inside = ["nsenter", "--target", children[0], "--net", "--mount", "--pid"]

    def __call__(self, *command, code=0):
        """Run a command on it."""
        return run(*self.inside, *command, code=code, cwd="/")

    def wait_gone(self, pid):
        """Wait until a killed process has ended: nobody waits for it, so it stays a zombie. Its program is gone a moment earlier."""
        self("sh", "-c", f"while grep -qv ') [ZX] ' /proc/{pid}/stat 2>/dev/null; do sleep 0.1; done")

    def unread(self, kind, *command, descriptors=(1, 2), code=0):
        """Run a command whose words on these descriptors nobody can read; kind is one of UNREAD. What it printed on the other one."""
        before, where = UNREAD[kind]
        to = " ".join(f"{descriptor}>{where}" for descriptor in descriptors)
        return self("sh", "-c", f'{before}exec "$@" {to}', "sh", *command, code=code)

    def script(self, *words, code=0):
        """Run the script."""
        return self(*self.shell, "/run/script", *words, code=code)

    def at_once(self, *words):
        """Run the script twice at the same time; both have to succeed. What each of them printed."""
        one = shlex.join([*self.shell, "/run/script", *words])
        self("sh", "-c", f"{one} >/run/one 2>&1 & one=$!; {one} >/run/two 2>&1 & two=$!; wait $one && wait $two")
        return [self("cat", f"/run/{name}") for name in ("one", "two")]

    def servers(self):
        """The pids of all servers that live on it; nobody there waits for the dead."""
        return self("sh", "-c", "pgrep -x -r D,R,S,T lockserver || :").split()

    def stand_in(self, text, **settings):
        """Replace the server by a script of this text."""
        (self.directory / "stand-in").write_text("#!/bin/sh\n" + text)
        settings = {"DAEMON": "/run/program/stand-in", **settings}
        (self.directory / "more").write_text("".join(f"{name}={shlex.quote(str(value))}\n" for name, value in settings.items()))
        self("install", "-m", "755", self.directory / "stand-in", "/run/program/stand-in")
        self("sh", "-c", f"cat {self.directory}/more >>/etc/default/lockserver")

    def pid(self):
        """What its pidfile says."""
        return self("cat", "/run/lockserver.pid").strip()

    def close(self):
        """End everything that runs on it."""
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stdin.close()
        self.keeper.stdout.close()
