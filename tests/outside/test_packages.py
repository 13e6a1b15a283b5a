"""The packages: what is in them, what lintian and rpmlint say, and the .deb from its installation to its purge."""

import json
import re
import subprocess
import tarfile

import pytest

from harness import packages
from harness.debian import Debian
from harness.paths import ROOT, binary, lockctl
from harness.wait import until

LOG = "/var/log/lockserver/lockserver.out"
CONF = "/etc/lockserver/lockserver.conf"


@pytest.fixture(scope="module")
def made():
    return packages.built()


@pytest.fixture
def debian(as_root, made, tmp_path):
    """Make a Debian system that ends with the test; the packages are in its /mnt."""
    systems = []

    def make(*more):
        systems.append(Debian(tmp_path / f"debian{len(systems)}", made, more))
        return systems[-1]

    yield make
    for system in systems:
        system.close()


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


@pytest.mark.timeout(900)
class TestContents:
    """What is in the files, without installing them."""

    def test_checksums(self, made):
        sums = (made / "SHA256SUMS").read_text()
        assert len(sums.splitlines()) == 3
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=made, check=True)

    def test_both_packages_have_everything(self, made):
        deb = packages.deb_files()
        rpm = {name: (mode, owner) for name, mode, owner, _ in packages.rpm_files()}
        for name, mode in packages.EVERYWHERE.items():
            assert deb.get(name) == (mode, "root/root"), name
            assert rpm.get(name) == (mode, "root:root"), name
        for found in (deb, {name: what for name, what in rpm.items() if name != CONF}):
            odd = {name: what for name, what in found.items() if what not in
                   [("-rw-r--r--", "root/root"), ("-rwxr-xr-x", "root/root"), ("drwxr-xr-x", "root/root"),
                    ("-rw-r--r--", "root:root"), ("-rwxr-xr-x", "root:root")]}
            assert not odd, "nothing is for others to write, and nothing runs as somebody else"
        for one in ("/usr/share/zsh/vendor-completions/_lockctl", "/etc/init.d/lockserver", "/usr/share/doc/lockserver/copyright",
                    "/usr/share/doc/lockserver/changelog.Debian.gz", "/usr/share/doc/lockserver/NEWS.Debian.gz"):
            assert one in deb
        assert {"/usr/share/zsh/site-functions/_lockctl", "/usr/share/licenses/lockserver/LICENSE"} < rpm.keys()

    def test_every_page_of_the_documentation_is_there(self, made):
        pages = {f"/usr/share/doc/lockserver/{path.name}" for path in (ROOT / "docs").glob("*.md")}
        assert len(pages) > 10
        assert pages < packages.deb_files().keys()
        assert pages < {name for name, *_ in packages.rpm_files()}

    def test_configuration_files_are_marked(self, made):
        """dpkg asks about none that 0.36 had; rpm keeps the one and replaces the other."""
        conffiles = packages.output("dpkg-deb", "--ctrl-tarfile", packages.one("deb"), binary=True)
        listed = packages.member(conffiles, "./conffiles").split()
        assert listed == ["/etc/init.d/lockserver", "/etc/logrotate.d/lockserver"] or \
            listed == ["/etc/logrotate.d/lockserver", "/etc/init.d/lockserver"]
        flags = {name: (mode, owner, flags) for name, mode, owner, flags in packages.rpm_files() if "c" in flags}
        assert flags == {CONF: ("-rw-r-----", "root:lockserver", "cn"), "/etc/logrotate.d/lockserver": ("-rw-r--r--", "root:root", "c")}

    def test_manual_pages_and_completions_are_whole(self, made, tmp_path):
        subprocess.run(["dpkg-deb", "--extract", packages.one("deb"), tmp_path], check=True)
        pages = sorted((tmp_path / "usr/share/man").glob("man?/*.gz"))
        names = {page.name for page in pages}
        assert {"lockserver.8.gz", "lockserver-check-config.8.gz", "lockserver-key-new.8.gz", "lockctl.1.gz", "lockctl-run.1.gz"} <= names
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], capture_output=True, text=True,
                                  env={"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"}, timeout=60)
            assert done.returncode == 0 and done.stderr == "", f"{page.name}: {done.stderr}"
        for program, word in (("lockserver", "check-config"), ("lockctl", "run")):
            for path in (f"bash-completion/completions/{program}", f"zsh/vendor-completions/_{program}",
                         f"fish/vendor_completions.d/{program}.fish"):
                assert word in (tmp_path / "usr/share" / path).read_text()

    def test_archive_says_which_c_library_it_needs(self, made, tmp_path):
        folder = packages.unpacked_archive(tmp_path)
        said = re.search(r"-linux-\w+-(?:glibc(\d+\.\d+)|static)$", folder.name)
        assert said, folder.name
        for program, path in (("lockserver", binary()), ("lockctl", lockctl())):
            needed = re.findall(r"GLIBC_(\d+)\.(\d+)", packages.output("readelf", "--version-info", "--wide", folder / "bin" / program))
            if said[1]:
                assert all((int(a), int(b)) <= tuple(map(int, said[1].split("."))) for a, b in needed)
            else:
                assert not needed
            version = packages.output(folder / "bin" / program, "--version")
            assert version == packages.output(path, "--version") and version.startswith(program)
        for name in ("libexec/take-over", "systemd/lockserver.service", "sysv/lockserver", "openrc/lockserver", "openrc/lockserver.confd",
                     "lockserver.conf", "logrotate", "docs/install.md", "man/man8/lockserver.8.gz", "completions/_lockctl", "LICENSE"):
            assert (folder / name).is_file(), name
        with tarfile.open(packages.one("tar.gz")) as archive:
            assert all(entry.uid == entry.gid == 0 and not entry.mode & 0o022 for entry in archive)

    def test_lintian(self, made):
        done = subprocess.run(["lintian", "--allow-root", "--tag-display-limit", "0", "--fail-on", "error,warning", packages.one("deb")],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr

    def test_every_override_of_lintian_has_its_reason(self, made):
        lines = (ROOT / "packaging/deb/lintian-overrides").read_text().splitlines()
        for above, line in zip(["", *lines], lines):
            assert line.startswith("# ") or above.startswith("# "), line

    def test_rpmlint(self, made):
        done = subprocess.run(["rpmlint", "--config", ROOT / "packaging/rpm/rpmlint.toml", packages.one("rpm")], capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0 and re.search(r"^lockserver\.", done.stdout, re.M) is None, done.stdout + done.stderr

    def test_scripts_are_good_sh(self, made):
        scripts = [ROOT / "packaging/take-over", *(ROOT / "packaging/deb" / name for name in ("preinst", "postinst", "prerm", "postrm")),
                   *(ROOT / "packaging/rpm" / name for name in ("pre", "post", "preun", "postun")), ROOT / "packaging/sysv/lockserver"]
        subprocess.run(["shellcheck", "--shell=sh", *scripts], check=True, timeout=60)
        ours = [path for path in (ROOT / "scripts").iterdir() if "bash" in path.read_text().splitlines()[0]]
        assert len(ours) > 8
        subprocess.run(["shellcheck", "--external-sources", "--severity=warning", *ours], cwd=ROOT, check=True, timeout=60)


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
        assert re.search(r"^lockserver:x:\d+:\d+:lockserver,*:/var/lib/lockserver:/usr/sbin/nologin$", system.run("getent", "passwd"), re.M)
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
        assert "configuration has errors" in said and pid(system) == running
        holds_and_releases(system, "mine")

    def test_over_036(self, debian):
        """Its files, its server started by its own script, its log; afterwards ours, and nobody was asked anything."""
        old = packages.python2()
        system = debian(*([old[1]] if old else []))
        packages.install_036(system, old[0] if old else None)
        config = system.path(CONF).read_bytes()
        until(lambda: system.status("perl", "-MIO::Socket::INET", "-e", 'exit !IO::Socket::INET->new("127.0.0.1:9090")')[0] == 0, 20,
              "the port of the old server")
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
        until(lambda: system.status("perl", "-MIO::Socket::INET", "-e", 'exit !IO::Socket::INET->new("127.0.0.1:9090")')[0] == 0, 20, "port")
        said = install(system)
        assert "did not start: its log says why" in said
        assert system.run("dpkg-query", "-W", "-f", "${Status}", "lockserver") == "install ok installed"


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
        before = system.files()
        system.shell("dpkg-deb --control /mnt/lockserver_*.deb /tmp/control && /tmp/control/preinst install")
        assert not system.path("/etc/logrotate.d/lockserver").exists()
        system.run("/tmp/control/postrm", "abort-install")
        assert system.path("/etc/logrotate.d/lockserver").read_text() == old and system.files() == before


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


class TestDocker:
    """There is no Docker where the tests run: what can be judged without it."""

    def test_what_it_copies_is_there_and_is_a_workspace(self, tmp_path):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        copied = [line.split()[1:] for line in text.splitlines() if line.startswith("COPY ") and "--from" not in line]
        names = [name for line in copied for name in line[:-1]]
        assert {"Cargo.toml", "Cargo.lock", "crates", "packaging/docker/lockserver.conf"} <= set(names)
        for name in names:
            target = tmp_path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-R", ROOT / name, target], check=True)
        # cargo can read it, and build from Cargo.lock as it is.
        subprocess.run(["cargo", "metadata", "--locked", "--offline", "--format-version", "1"], cwd=tmp_path, check=True,
                       stdout=subprocess.DEVNULL, timeout=60)

    def test_its_promises(self):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        last = text[text.rindex("\nFROM "):]
        for line in ("USER 9090:9090", "VOLUME /var/lib/lockserver", "STOPSIGNAL SIGTERM", "HEALTHCHECK ", 'ENTRYPOINT ["/usr/bin/lockserver"]'):
            assert f"\n{line}" in last, line

    def test_its_health_check_tells_life_from_death(self, make_server):
        text = (ROOT / "packaging/docker/Dockerfile").read_text()
        words = re.findall(r'"([^"]+)"', re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.M)[1])
        assert words[0] == "lockctl" and words[2] == "unix:/run/lockserver/admin.sock"
        server = make_server({}, "[anonymous]\nRIGHTS=none\n").start()

        def healthy():
            # The path of a test's directory may be too long for a socket.
            command = [lockctl(), "--server", "unix:/proc/self/cwd/admin.sock", *words[3:]]
            try:
                return subprocess.run(command, cwd=server.directory, capture_output=True, timeout=5).returncode == 0
            except subprocess.TimeoutExpired:
                return False

        assert "--timeout=5s" in text and healthy()
        server.stop()
        assert not healthy()
