"""The .rpm with its scriptlets, in a system that was made of Debian's packages."""

import pytest

from harness import packages
from harness.installed import CONF, LOG, holds_and_releases, pid, started, starts


@pytest.mark.root
@pytest.mark.timeout(900)
class TestRpm:
    """The .rpm with the scriptlets that it has, in a system that has users and sh, and no systemd."""

    def rpm(self, system, action, *arguments):
        # Nothing else here came by rpm, so nothing can be depended on.
        nodeps = [] if action == "--query" else ["--nodeps"]
        return system.beside("rpm", "--root", "{root}", action, *nodeps, *arguments)

    def file(self, system, name):
        return f"{system.scratch}/root/mnt/{name}" if name else None

    def test_from_installation_to_removal(self, debian):
        system = debian()
        self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        assert self.rpm(system, "--query", "lockserver").startswith("lockserver-")
        changed = [line for line in self.rpm(system, "--verify", "lockserver").splitlines()]
        assert changed == []
        assert system.run("stat", "-c", "%A %U:%G", CONF) == "-rw-r----- root:lockserver\n"
        assert system.run("stat", "-c", "%a %U", "/var/lib/lockserver", "/var/log/lockserver") == "700 lockserver\n750 lockserver\n"
        assert not system.path(LOG).exists(), "a package starts nothing by itself"
        # The way of docs/install.md for SysV.
        system.run("install", "-m", "755", "/usr/share/doc/lockserver/examples/sysv-lockserver", "/etc/init.d/lockserver")
        system.run("/etc/init.d/lockserver", "start")
        first = pid(system)
        holds_and_releases(system)

        system.put(CONF, system.path(CONF).read_text() + "\n[lock mine]\n", 0o640, "root:lockserver")
        self.rpm(system, "--upgrade", self.file(system, "higher.rpm"))
        assert pid(system) != first and starts(system) == 2, "once, by the one that went"
        holds_and_releases(system, "mine")
        running = pid(system)
        self.rpm(system, "--erase", "lockserver")
        assert not system.path(f"/proc/{running}").exists()
        assert "[lock mine]" in system.path(f"{CONF}.rpmsave").read_text()
        assert system.path("/var/lib/lockserver/lockserver.db").exists()
        assert not system.path("/usr/bin/lockserver").exists()

    def test_what_systemd_is_told(self, debian):
        """It is not started by the installation, restarted once by an upgrade if it runs, and stopped by the removal alone."""
        system = debian()
        told = packages.recording_systemd(system)
        self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        assert started(told()) == ["preset lockserver.service"]
        self.rpm(system, "--upgrade", self.file(system, "higher.rpm"))
        assert started(told()) == ["try-restart lockserver.service"]
        self.rpm(system, "--erase", "lockserver")
        assert started(told()) == ["disable lockserver.socket lockserver.service"]

    def test_what_a_removal_leaves(self, debian):
        """User, state and logs; of a package that was never configured no file and no directory else."""
        system = debian()
        # rpm's own database.
        system.run("mkdir", "-p", "/usr/share/licenses", "/usr/libexec")
        before = {line.split()[0] for line in system.files()}
        self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        self.rpm(system, "--erase", "lockserver")
        left = {line.split()[0] for line in system.files()} - before
        ours = sorted(name for name in left if "lockserver" in name and name.startswith("/"))
        assert ours == ["/var/lib/lockserver", "/var/log/lockserver"], left

    def test_over_036_with_a_configuration_that_is_refused(self, debian):
        system = debian()
        packages.install_036(system, None)
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        system.put(CONF, "[general]\nSERVER=0.0.0.0\nDEFAULT_LOCK=rack/1\n")
        said = self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        assert "so 0.36 is left as it is" in said and "lockserver.conf:3: DEFAULT_LOCK" in said
        assert "correct that, then run /usr/libexec/lockserver/take-over and start" in said
        assert system.path(f"/proc/{old_pid}").exists() and system.path("/etc/init.d/lockd").stat().st_mode & 0o111
        system.put(CONF, "[general]\nSERVER=0.0.0.0\n")
        assert "was running\n" in system.run("/usr/libexec/lockserver/take-over")
        assert not system.path(f"/proc/{old_pid}").exists() and not system.path("/etc/init.d/lockd").exists()

    def test_a_file_that_only_root_can_read(self, debian):
        system = debian()
        told = packages.recording_systemd(system)
        self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        system.put("/etc/lockserver/conf.d/mine.conf", "[lock mine]\n", 0o600)
        told()
        said = self.rpm(system, "--upgrade", self.file(system, "higher.rpm"))
        assert "cannot be used by the user lockserver" in said and "mine.conf" in said and started(told()) == []

    def test_over_036(self, debian):
        system = debian()
        packages.install_036(system, None)
        config = system.path(CONF).read_bytes()
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        said = self.rpm(system, "--install", self.file(system, packages.one("rpm").name))
        assert "SERVER is honoured now" in said and not system.path(f"/proc/{old_pid}").exists()
        assert system.path(CONF).read_bytes() == config and system.path(f"{CONF}.rpmnew").exists()
        assert "su lockserver" in system.path("/etc/logrotate.d/lockserver").read_text()
        assert "weekly" in [*system.path("/etc/logrotate.d").glob("lockserver.rpm*")][0].read_text()
        assert system.path("/etc/lockserver/from-0.36/lockd").exists() and not system.path("/etc/init.d/lockd").exists()
        assert system.run("stat", "-c", "%U", "/var/log/lockserver.log") == "lockserver\n"
