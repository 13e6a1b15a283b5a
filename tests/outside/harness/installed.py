"""A package that is installed in a Debian system: what it said, and its server at work."""

import re

from .wait import until

LOG = "/var/log/lockserver/lockserver.out"
CONF = "/etc/lockserver/lockserver.conf"


def install(system, name="lockserver_*.deb"):
    """dpkg without anybody to answer a question: one that is asked fails the test. What it said."""
    return system.shell(f"dpkg --install /mnt/{name} </dev/null")


def pid(system):
    """The server's process, as its start script sees it."""
    return re.search(r"\(pid (\d+)\)", system.run("/etc/init.d/lockserver", "status"))[1]


def starts(system, log=LOG):
    """How often the server has become ready."""
    return len(re.findall(r"^lockserver ready on ", system.path(log).read_text(), re.M))


def holds_and_releases(system, lock="DefaultLock"):
    """lockctl, without a word about which server."""
    assert system.run("lockctl", "run", lock, "--", "echo", "at", "work") == "at work\n"


def started(calls):
    """What of the calls to systemctl does something to the service: the verb and the units."""
    verbs = {"start", "stop", "restart", "try-restart", "reload", "enable", "disable", "preset"}
    words = [[word for word in call.split() if not word.startswith("-")] for call in calls]
    # deb-systemd-helper asks for the presets of Debian with this root; it changes links only.
    return [" ".join(one) for one, call in zip(words, calls) if one and one[0] in verbs and "--root=/" not in call]


def acquire(system):
    """Hold DefaultLock for ten minutes; the ticket."""
    return re.search(r"^export LOCK_TICKET=([0-9a-f-]{36})$", system.run("lockctl", "acquire", "--ttl", "600", "DefaultLock"), re.M)[1]


def port_is_taken(system):
    """Wait until somebody listens on the port of the server."""
    ask = ["perl", "-MIO::Socket::INET", "-e", 'exit !IO::Socket::INET->new("127.0.0.1:9090")']
    until(lambda: system.status(*ask)[0] == 0, 20, "somebody who listens on port 9090")
