"""The .deb from its installation to its purge, in a Debian system of its own."""

import json
import re

import pytest

from harness import packages
from harness.installed import CONF, LOG, acquire, holds_and_releases, install, pid, port_is_taken, started, starts
from harness.paths import ROOT
from harness.wait import until


@pytest.mark.root
@pytest.mark.timeout(900)
class TestDeb:
    """The .deb in a Debian system without systemd, so by its SysV script."""

    def test_from_installation_to_purge(self, debian):
        system = debian()
        before = system.files()
        said = install(system)
        assert "0.36" not in said
        # It serves this machine and no other, as a user without rights, from a file that others do not read.
        assert system.run("stat", "-c", "%A %U:%G", CONF) == "-rw-r----- root:lockserver\n"
        assert "ready on http://127.0.0.1:9090\n" in system.path(LOG).read_text()
        first = pid(system)
        assert system.run("stat", "-c", "%U:%G", f"/proc/{first}") == "lockserver:lockserver\n"
        assert system.run("stat", "-c", "%a %U", "/var/lib/lockserver", "/var/log/lockserver") == "700 lockserver\n750 lockserver\n"
        assert re.search(r"^lockserver:x:\d+:\d+:[^:]*:/var/lib/lockserver:/usr/sbin/nologin$", system.run("getent", "passwd"), re.M)
        assert system.shell("ls /etc/rc2.d/S??lockserver /etc/rc0.d/K??lockserver").count("\n") == 2
        holds_and_releases(system)

        # A holder outlives a restart; `status` tells by its exit status.
        ticket = acquire(system)
        system.run("/etc/init.d/lockserver", "restart")
        second = pid(system)
        assert second != first
        assert json.loads(system.run("lockctl", "--json", "status", "DefaultLock"))["holders"][0]["state"] == "held"
        system.run("/etc/init.d/lockserver", "stop")
        assert system.status("/etc/init.d/lockserver", "status")[0] == 3
        system.run("/etc/init.d/lockserver", "start")
        system.run("lockctl", "release", ticket)

        # logrotate takes the file that is installed, as it would at night, and the server writes on.
        system.run("logrotate", "--force", "/etc/logrotate.d/lockserver")
        assert system.shell("ls /var/log/lockserver/*.gz").count("\n") == 1
        system.run("/etc/init.d/lockserver", "reload")
        until(lambda: system.path(LOG).read_text(), 10, "a line in the log that was emptied")

        # A removal keeps what is the operator's, and nothing runs any more.
        system.run("dpkg", "--remove", "lockserver")
        assert not system.path(f"/proc/{second}").exists()
        assert system.path(CONF).exists() and system.path("/var/lib/lockserver/lockserver.db").exists()
        assert not system.path("/usr/bin/lockserver").exists()
        system.run("dpkg", "--purge", "lockserver")
        assert system.files() == before

    def test_the_client_alone_and_then_the_server(self, debian):
        system = debian()
        before = {line.split()[0] for line in system.files()}
        install(system, "lockserver-client_*.deb")
        assert system.run("lockctl", "--version").startswith("lockctl ")
        left = {line.split()[0] for line in system.files()} - before
        assert not [name for name in left if name.startswith(("/etc/", "/var/lib/lockserver", "/run/"))], "it sets nothing up"
        system.put("/etc/lockserver/client.conf", "LOCK_SERVER=http://127.0.0.1:9\n")
        code, said = system.status("lockctl", "run", "-n", "DefaultLock", "--", "true")[:2]
        assert code == 69, said
        system.run("rm", "/etc/lockserver/client.conf")
        # The server's package has all of it, and takes its place.
        install(system)
        assert system.status("dpkg-query", "--show", "--showformat", "${db:Status-Status}", "lockserver-client")[1].strip() != "installed"
        holds_and_releases(system)

    def test_a_log_that_grows_fast_does_not_wait_for_the_end_of_the_week(self, debian):
        """logrotate takes the file of the packages, with a smaller limit; all logs have been rotated today."""
        system = debian()
        rotation = (ROOT / "packaging" / "logrotate").read_text()
        assert rotation.count("    maxsize 500M\n") == rotation.count("{") == 2
        system.put("/etc/logrotate.d/lockserver", rotation.replace("maxsize 500M", "maxsize 50k"))
        system.shell("useradd --system --user-group lockserver && install -d -o lockserver -g lockserver /var/log/lockserver")
        sizes = {"/var/log/lockserver.log": 60, "/var/log/lockserver/lockserver.out": 60, "/var/log/lockserver/audit.log": 40}
        # In another hour: within one nothing is rotated twice.
        state, (day, hour) = "logrotate state -- version 2\n", system.run("date", "+%Y-%-m-%-d %H").split()
        for log, size in sizes.items():
            system.put(log, "x" * 1000 * size, owner="lockserver:lockserver")
            state += f'"{log}" {day}-{int(hour == "00")}:0:0\n'
        system.put("/root/state", state)
        system.run("logrotate", "--state", "/root/state", "/etc/logrotate.d/lockserver")
        left = {log: system.path(log).stat().st_size for log in sizes}
        assert left == {log: 0 if size > 50 else 1000 * size for log, size in sizes.items()}
        assert len(system.shell("ls /var/log/lockserver.log-*.gz /var/log/lockserver/*.gz").split()) == 2

    def test_an_upgrade_restarts_once_and_keeps_holders(self, debian):
        system = debian()
        install(system)
        first, ready = pid(system), starts(system)
        acquire(system)
        system.put(CONF, system.path(CONF).read_text() + "\n[lock mine]\nSIZE=3\n", 0o640, "root:lockserver")
        install(system, "higher.deb")
        assert pid(system) != first and starts(system) == ready + 1
        assert "[lock mine]" in system.path(CONF).read_text()
        assert system.status("lockctl", "run", "--wait", "0", "DefaultLock", "--", "true")[0] == 75, "the holder holds"
        holds_and_releases(system, "mine")
        # The same once more changes nothing but the process.
        install(system, "higher.deb")
        holds_and_releases(system, "mine")

        # One that was stopped stays stopped.
        system.run("/etc/init.d/lockserver", "stop")
        install(system, "higher.deb")
        assert system.status("/etc/init.d/lockserver", "status")[0] == 3
        assert not system.path("/run/lockserver-stays-stopped").exists()
        system.run("/etc/init.d/lockserver", "start")

        # With a configuration that the new one could not start with, the old one goes on, and it is said.
        running = pid(system)
        system.put(CONF, "[general]\nSERVER=127.0.0.1\n[lock broken]\nSIZ=3\n", 0o640, "root:lockserver")
        said = install(system, "higher.deb")
        assert "cannot be used by the user lockserver" in said and "SIZ" in said and pid(system) == running
        holds_and_releases(system, "mine")

    def test_a_file_that_only_root_can_read(self, debian):
        system = debian()
        install(system)
        running = pid(system)
        system.put("/etc/lockserver/conf.d/mine.conf", "[lock mine]\n", 0o600)
        said = install(system, "higher.deb")
        assert "cannot be used by the user lockserver" in said and "mine.conf" in said and pid(system) == running
        system.run("chgrp", "lockserver", "/etc/lockserver/conf.d/mine.conf")
        system.run("chmod", "640", "/etc/lockserver/conf.d/mine.conf")
        install(system, "higher.deb")
        assert pid(system) != running
        holds_and_releases(system, "mine")

    def test_an_upgrade_after_a_crash_starts_it(self, debian):
        """Only who stopped it keeps it stopped, and that is said."""
        system = debian()
        install(system)
        crashed = pid(system)
        system.shell(f"kill -9 {crashed}")
        until(lambda: not system.path(f"/proc/{crashed}").exists(), 10, "the end of the server")
        install(system, "higher.deb")
        holds_and_releases(system)
        system.run("/etc/init.d/lockserver", "stop")
        assert "is not started. To start it" in install(system, "higher.deb")

    def test_an_account_or_a_script_that_is_there(self, debian):
        """A group outlives a purge that found it; a user without a group of its name gets one; an init script moves aside."""
        system = debian()
        system.run("groupadd", "--system", "lockserver")
        system.put("/etc/init.d/lockserver", "#!/bin/sh\nexit 0\n", 0o755)
        said = install(system)
        assert "/etc/init.d/lockserver is replaced" in said
        assert system.path("/etc/lockserver/from-0.36/init.d-lockserver").read_text() == "#!/bin/sh\nexit 0\n"
        holds_and_releases(system)
        system.run("dpkg", "--purge", "lockserver")
        assert system.status("getent", "passwd", "lockserver")[0] == 2 and system.status("getent", "group", "lockserver")[0] == 0
        system.run("groupdel", "lockserver")
        system.run("useradd", "--system", "--gid", "nogroup", "lockserver")
        install(system)
        holds_and_releases(system)
        assert "lockserver" in system.run("id", "-nG", "lockserver").split()

    def test_over_036(self, debian):
        """Its files, its server started by its own script, its log; afterwards ours, and nobody was asked anything."""
        old = packages.python2()
        system = debian(*([old[1]] if old else []))
        packages.install_036(system, old[0] if old else None)
        config = system.path(CONF).read_bytes()
        port_is_taken(system)
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        until(lambda: system.path("/var/log/lockserver.log").exists(), 20, "the log of the old server")
        old_log = system.path("/var/log/lockserver.log").read_text()

        said = install(system)
        assert not system.path(f"/proc/{old_pid}").exists(), said
        assert not system.path("/etc/init.d/lockd").exists()
        kept = system.path("/etc/lockserver/from-0.36")
        assert (kept / "lockd").read_text() == (packages.PUBLISHED / "lockserver-0.36/lockd").read_text()
        assert (kept / "lockd").stat().st_mode & 0o111 == 0
        assert "weekly" in (kept / "logrotate").read_text()
        assert system.shell("find /etc -name '[SK][0-9][0-9]lockd'") == ""
        assert "su lockserver" in system.path("/etc/logrotate.d/lockserver").read_text()
        # The file is what it was, and counts.
        assert system.path(CONF).read_bytes() == config
        assert "ready on http://0.0.0.0:9090\n" in system.path(LOG).read_text()
        holds_and_releases(system, "EqlLogic")
        log = system.path("/var/log/lockserver.log")
        assert log.read_text().startswith(old_log) and "serves on http://0.0.0.0:9090" in log.read_text()
        assert system.run("stat", "-c", "%U", "/var/log/lockserver.log") == "lockserver\n"
        for words in ("SERVER is honoured now", "Yours is 0.0.0.0", "/etc/lockserver/from-0.36/lockd", "/usr/local/bin/lockserver of 0.36",
                      "belongs to the user lockserver now", "/etc/logrotate.d/lockserver is replaced"):
            assert words in said, (words, said)
        system.run("logrotate", "--force", "/etc/logrotate.d/lockserver")
        assert "serves on" not in log.read_text()

        # It is said once.
        assert "0.36" not in install(system, "higher.deb").replace("/etc/lockserver/from-0.36", "")
        system.run("dpkg", "--purge", "lockserver")
        left = system.shell("find / -xdev -path /proc -prune -o -path /mnt -prune -o -name '*lock[sd]*' -print | grep -v -e ^/usr/local "
                            "-e /perl -e ^/var/lib/dpkg -e ^/root/ -e ^/usr/share/perl || true").split()
        assert not [name for name in left if "lockserver" in name or name.endswith("lockd")]
        assert system.path("/usr/local/bin/lockserver").exists(), "what the administrator installed is his"

    @pytest.mark.parametrize("line", ["DEFAULT_LOCK=rack/1", "DEFAULT_LOCK_SIZE=-1", "PORT="])
    def test_over_036_with_a_configuration_that_is_refused(self, debian, line):
        """What serves goes on, at the next boot too, until the operator has mended it as he is told to."""
        system = debian()
        packages.install_036(system, None)
        port_is_taken(system)
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        system.put(CONF, f"[general]\nSERVER=0.0.0.0\n{line}\n")
        said = install(system)
        assert "so 0.36 is left as it is" in said and f"lockserver.conf:3: {line.split('=')[0]}" in said and "dpkg-reconfigure" in said
        assert system.path(f"/proc/{old_pid}").exists() and system.path("/etc/init.d/lockd").stat().st_mode & 0o111
        assert system.shell("ls /etc/rc2.d/S*lock*") == "/etc/rc2.d/S01lockd\n"
        assert system.run("dpkg-query", "-W", "-f", "${Status}", "lockserver") == "install ok installed"
        # An upgrade changes nothing, mending and dpkg-reconfigure do.
        assert "so 0.36 is left as it is" in install(system, "higher.deb") and system.path(f"/proc/{old_pid}").exists()
        system.put(CONF, "[general]\nSERVER=0.0.0.0\n")
        said = system.shell("dpkg-reconfigure -fnoninteractive lockserver")
        assert "Yours is 0.0.0.0: all addresses" in said and not system.path(f"/proc/{old_pid}").exists()
        assert not system.path("/etc/init.d/lockd").exists()
        assert system.shell("ls /etc/rc2.d/S*lock*") == "/etc/rc2.d/S01lockserver\n"
        holds_and_releases(system)

    def test_who_backs_out_while_036_goes_on_keeps_it(self, debian):
        system = debian()
        packages.install_036(system, None)
        port_is_taken(system)
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        configuration, rotation = "[general]\nPORT=\n", "/var/log/lockserver.log {\n  weekly\n}\n"
        system.put(CONF, configuration)
        system.put("/etc/logrotate.d/lockserver", rotation)
        system.put("/var/log/lockserver.log", "old\n")
        assert "so 0.36 is left as it is" in install(system)
        system.run("dpkg", "--purge", "lockserver")
        assert system.path(f"/proc/{old_pid}").exists() and system.path("/etc/init.d/lockd").exists()
        assert system.path(CONF).read_text() == configuration
        assert system.path("/etc/logrotate.d/lockserver").read_text() == rotation
        assert "old\n" in system.path("/var/log/lockserver.log").read_text()
        assert not system.path("/etc/lockserver/from-0.36").exists()

    def test_a_log_outside_of_var_log(self, debian):
        """It is handed over, its rotation stays, what the unit needs is said; a purge gives the file back."""
        system = debian()
        packages.install_036(system, None)
        system.put(CONF, "[general]\nSERVER=0.0.0.0\nLOG_FILE=/srv/logs/lock.log\n")
        system.put("/srv/logs/lock.log", "old\n")
        rotation = "/srv/logs/lock.log {\n  daily\n  copytruncate\n}\n"
        system.put("/etc/logrotate.d/lockserver", rotation)
        said = install(system)
        assert "    ReadWritePaths=/srv/logs\n" in said and "write below /var/log only" in said
        assert system.path("/etc/logrotate.d/lockserver-from-0.36").read_text() == rotation
        log = system.path("/srv/logs/lock.log")
        assert log.read_text().startswith("old\n") and "serves on" in log.read_text()
        assert "ReadWritePaths" not in install(system, "higher.deb")
        system.run("dpkg", "--purge", "lockserver")
        assert system.run("stat", "-c", "%U:%G", "/srv/logs/lock.log") == "root:root\n" and "serves on" in log.read_text()
        assert not system.path("/etc/logrotate.d/lockserver-from-0.36").exists()

    def test_a_log_where_everybody_may_write_is_given_to_nobody(self, debian):
        """Between the look at a file and its chown it could be exchanged; so an upgrade says what to do, and a purge leaves it."""
        system = debian()
        packages.install_036(system, None)
        system.put(CONF, "[general]\nSERVER=0.0.0.0\nLOG_FILE=/srv/logs/lock.log\n")
        system.put("/srv/logs/lock.log", "old\n")
        system.run("chmod", "1777", "/srv/logs")
        said = install(system)
        assert "everybody may write to /srv/logs: nothing was changed there" in said
        assert system.run("stat", "-c", "%U:%G", "/srv/logs/lock.log") == "root:root\n"
        system.run("chown", "lockserver", "/srv/logs/lock.log")
        system.shell("mkdir -p /etc/lockserver/from-0.36 && echo /srv/logs/lock.log >/etc/lockserver/from-0.36/handed-over")
        system.run("dpkg", "--purge", "lockserver")
        assert system.run("stat", "-c", "%u", "/srv/logs/lock.log") != "0\n"

    def test_036_under_another_name_and_links_that_lead_nowhere(self, debian):
        system = debian()
        packages.install_036(system, None)
        system.run("/etc/init.d/lockd", "stop")
        system.run("mv", "/etc/init.d/lockd", "/etc/init.d/permits")
        assert system.shell("find /etc/rc?.d -name '[SK]??lockd'")
        said = install(system)
        assert "/etc/init.d/permits looks like a start script of 0.36" in said and "update-rc.d permits remove" in said
        assert system.shell("find /etc/rc?.d -name '[SK]??lockd'") == ""
        holds_and_releases(system, "EqlLogic")

    def test_an_old_server_that_its_script_does_not_know(self, debian):
        """Started by hand it is nobody's to stop: the operator is told which process it is, and that ours did not start."""
        system = debian()
        packages.install_036(system, None)
        old_pid = system.path("/run/lockd.pid").read_text().strip()
        system.run("rm", "/run/lockd.pid")
        said = install(system)
        assert f"process {old_pid} looks like a lockserver 0.36" in said and "did not start: its log says why" in said
        assert system.path(f"/proc/{old_pid}").exists()
        system.shell(f"kill {old_pid}")
        until(lambda: not system.path(f"/proc/{old_pid}").exists(), 10, "the end of the old server")
        system.run("/etc/init.d/lockserver", "start")
        holds_and_releases(system, "EqlLogic")

    def test_what_an_old_configuration_may_hold(self, debian):
        """Listening on localhost is told loudly; a file that only root could read is opened to the group; a strange lockd is left alone."""
        system = debian()
        system.put(CONF, "[general]\nSERVER=localhost\nLOG_FILE=/var/log/other.log\nDEFAULT_LOCK=san\n", 0o600)
        system.put("/etc/init.d/lockd", "#!/bin/sh\n# of something else\nexit 0\n", 0o755)
        said = install(system)
        assert "clients on OTHER machines are REFUSED" in said and "readable by the group lockserver now" in said
        assert system.run("stat", "-c", "%A %U:%G", CONF) == "-rw-r----- root:lockserver\n"
        assert system.path("/etc/init.d/lockd").stat().st_mode & 0o111
        holds_and_releases(system, "san")
        assert "serves on" in system.path("/var/log/other.log").read_text()
        assert system.run("stat", "-c", "%A %U", "/var/log/other.log") == "-rw-r----- lockserver\n"

    def test_somebody_else_has_the_port(self, debian):
        """The package is installed all the same, and it is said that the server does not run."""
        system = debian()
        system.put("/other", packages.STAND_IN, 0o755)
        system.shell("start-stop-daemon --start --background --exec /other")
        port_is_taken(system)
        said = install(system)
        assert "did not start: its log says why" in said
        assert system.run("dpkg-query", "-W", "-f", "${Status}", "lockserver") == "install ok installed"

    @pytest.mark.parametrize("had", [False, True])
    def test_the_archive_as_the_page_says(self, debian, had):
        """The steps of docs/install.md, on an empty machine and on one where 0.36 runs."""
        system = debian()
        steps = re.search(r"(?m)^    (tar xf .*\n(?:    .*\n)+)", (ROOT / "docs/install.md").read_text())[1]
        if had:
            packages.install_036(system, None)
            system.put(CONF, "[general]\nSERVER=0.0.0.0\nDEFAULT_LOCK=mine\n")
            port_is_taken(system)
        said = system.shell("cd /root\n" + steps.replace("tar xf ", "tar xf /mnt/")
                            + "install -m 755 sysv/lockserver /etc/init.d/\nupdate-rc.d lockserver defaults\n/etc/init.d/lockserver start")
        assert ("Yours is 0.0.0.0" in said) == had and ("was running" in said) == had
        assert ("DEFAULT_LOCK=mine" in system.path(CONF).read_text()) == had
        holds_and_releases(system, "mine" if had else "DefaultLock")

    def test_what_systemd_is_told(self, debian):
        """One start, one restart an upgrade, and the socket is left as it is: a systemctl that only writes down stands in."""
        system = debian()
        told = packages.recording_systemd(system)
        install(system)
        assert started(told()) == ["start lockserver.service"]
        enabled = "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants"
        assert system.path(f"{enabled}/lockserver.service").exists()
        install(system, "higher.deb")
        assert started(told()) == ["restart lockserver.service"]
        # What ended by itself is started again, what was stopped is not.
        for state, wanted in (("failed", ["restart lockserver.service"]), ("inactive", [])):
            system.put("/tmp/is-active", f"{state}\n")
            said = install(system, "higher.deb")
            assert started(told()) == wanted and ("is not started. To start it" in said) == (not wanted)
        system.run("dpkg", "--remove", "lockserver")
        assert started(told()) == ["stop lockserver.socket lockserver.service"]
        # Else the start script, which stays as a configuration file, would be a unit.
        assert system.run("readlink", "/etc/systemd/system/lockserver.service") == "/dev/null\n"
        system.run("dpkg", "--purge", "lockserver")
        assert system.shell("find /etc/systemd /var/lib/systemd -name '*lockserver*'") == "" and started(told()) == []

    def test_an_installation_that_fails_gives_back(self, debian):
        """dpkg calls these two when the files cannot be unpacked: logrotate has its old file again."""
        system = debian()
        old = "/var/log/lockserver.log { weekly }\n"
        system.put("/etc/logrotate.d/lockserver", old)
        system.put("/etc/init.d/lockserver", "#!/bin/sh\n", 0o755)
        before = system.files()
        system.shell("dpkg-deb --control /mnt/lockserver_*.deb /tmp/control && /tmp/control/preinst install")
        assert not system.path("/etc/logrotate.d/lockserver").exists()
        system.run("/tmp/control/postrm", "abort-install")
        assert system.path("/etc/logrotate.d/lockserver").read_text() == old and system.files() == before
