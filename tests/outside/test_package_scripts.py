"""take-over and the scripts of the packages where nobody can read what they say; test_deb.py and test_rpm.py have them in their packages."""

import pytest

from harness.machine import PACKAGING, UNREAD, Machine

UNREADABLE = 73
# What scripts of the packages call. Each says something before it acts, as the real ones may.
STAND_INS = {
    "invoke-rc.d": """echo stopping; echo stopping >&2; echo "${0##*/} $*" >>/run/calls
        [ "$1" = lockd ] || exit 0
        kill $(cat /run/lockd.pid); while grep -q . /proc/$(cat /run/lockd.pid)/cmdline; do sleep 0.1; done""",
    "systemctl": 'echo "Created symlink" >&2; echo "${0##*/} $*" >>/run/calls',
    "update-rc.d": 'echo "warning" >&2; echo "${0##*/} $*" >>/run/calls',
    "deb-systemd-helper": "exit 1",
    # No package has the files.
    "dpkg-query": "exit 1",
}
# A server of 0.36 as far as a look at its process and its pid file goes.
OLD = "mkfifo /run/never; echo $$ >/run/lockd.pid; read -r nothing </run/never"
CONF, KEPT = "/etc/lockserver/lockserver.conf", "/etc/lockserver/from-0.36"


class Packaged(Machine):
    """A machine with the scripts of the packages, an /etc that they may change, and a lockserver 0.36 that runs."""

    def __init__(self, directory):
        super().__init__(directory, ["dash"])
        self("sh", "-c", "cp -a /etc /run/etc 2>/dev/null; mount --bind /run/etc /etc && ln -s /run /var/run")
        user, group = ("65534", "65534") if self.others else ("0", "0")
        self.put("/etc/passwd", f"root:x:0:0::/:/bin/sh\nlockserver:x:{user}:{group}::/var/lib/lockserver:/bin/sh\n")
        self.put("/etc/group", f"root:x:0:\nlockserver:x:{group}:\n")
        for name, text in STAND_INS.items():
            self.put(f"/run/bin/{name}", f"#!/bin/sh\n{text}\n", "755")
        # Theirs is below /usr, where nothing can be put here.
        scripts = {"take-over": PACKAGING / "take-over"}
        scripts.update({f"{kind}-{path.name}": path for kind in ("deb", "rpm") for path in (PACKAGING / kind).iterdir() if "." not in path.name})
        for name, path in scripts.items():
            self.put(f"/run/usr/libexec/lockserver/{name}", path.read_text().replace("/usr/", "/run/usr/"), "755")
        self("sh", "-c", "mkdir /run/usr/bin && ln -s /run/program/lockserver /run/usr/bin/lockserver")
        self.put("/etc/init.d/lockd", "#!/bin/sh\nDAEMON_NAME=lockd\nDAEMON=/usr/local/bin/lockserver\n", "755")
        self.put("/etc/init.d/lockserver", "#!/bin/sh\n", "755")
        self.put("/etc/logrotate.d/lockserver", "/srv/lock.log { weekly }\n")
        self.put("/var/log/lockserver.log", "old\n")
        self.configure()

    def put(self, path, text, mode="644"):
        """Write a file."""
        write = 'mkdir -p "${1%/*}"; printf "%s" "$2" >"$1"; chmod "$3" "$1"'
        self("sh", "-c", write, "sh", path, text, mode)

    def configure(self, line=""):
        """Write the configuration, which only root can read at first."""
        self.put(CONF, f"[general]\nSERVER=127.0.0.1\nLOG_FILE=/var/log/lockserver.log\n{line}\n", "600")

    def start_old(self):
        """Start the server of 0.36."""
        self.put("/run/old/lockserver", f"#!/bin/sh\n{OLD}\n", "755")
        self("sh", "-c", "/run/old/lockserver >/dev/null 2>&1 & until [ -s /run/lockd.pid ]; do sleep 0.1; done")
        self.old = self("cat", "/run/lockd.pid").strip()

    def old_runs(self):
        """Whether 0.36 runs, and with it its start script is in its place."""
        look = f"if grep -q lockserver /proc/{self.old}/cmdline; then echo runs; fi; ls /etc/init.d/lockd || :"
        said = self("sh", "-c", f"{{ {look}; }} 2>/dev/null").split()
        assert said in ([], ["runs", "/etc/init.d/lockd"]), said
        return said != []

    def packaged(self, kind, name, *words, code=0, descriptors=(1, 2)):
        """Run a script of the packages whose words nobody can read."""
        command = ["env", "PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", f"/run/usr/libexec/lockserver/{name}", *words]
        return self.unread(kind, *command, code=code, descriptors=descriptors)

    def calls(self):
        """What the stand-ins were told."""
        return self("sh", "-c", "cat /run/calls 2>/dev/null || :").splitlines()

    def was_taken_over(self):
        """All that take-over does is done."""
        assert not self.old_runs()
        self("sh", "-c", f"[ -f {KEPT}/lockd ] && [ ! -x {KEPT}/lockd ] && [ ! -e /run/lockd.pid ]")
        assert self("stat", "-c", "%U", "/var/log/lockserver.log").strip() == self("id", "-nu", "lockserver").strip()
        assert self("cat", f"{KEPT}/handed-over") == "/var/log/lockserver.log\n"
        assert self("stat", "-c", "%G %A", CONF).split()[1][4] == "r"
        assert "update-rc.d lockd remove" in self.calls()
        return True


@pytest.fixture
def packaged(tmp_path, as_root):
    """One such machine."""
    machine = Packaged(tmp_path)
    yield machine
    machine.close()


@pytest.mark.root
@pytest.mark.parametrize("kind", UNREAD)
class TestUnread:
    """Words that nobody can read, in each way that there is."""

    def test_take_over_goes_through(self, packaged, kind):
        packaged.start_old()
        assert packaged.packaged(kind, "take-over", "--first", descriptors=[2]) == "was running\n"
        assert packaged.was_taken_over()

    def test_a_result_of_take_over_that_nobody_can_read_is_an_error_after_all_work(self, packaged, kind):
        packaged.start_old()
        said = packaged.packaged(kind, "take-over", "--first", code=UNREADABLE, descriptors=[1])
        assert "cannot be written to standard output: it was running" in said and "SERVER is honoured now" in said
        assert packaged.was_taken_over()
        # There is nothing to tell of a machine without 0.36.
        packaged.packaged(kind, "take-over")

    def test_take_over_leaves_036_where_it_must(self, packaged, kind):
        packaged.start_old()
        packaged.configure("PORT=seventy")
        assert packaged.packaged(kind, "take-over", descriptors=[2]) == "goes on\n"
        packaged.packaged(kind, "take-over", code=UNREADABLE)
        assert packaged.old_runs()

    def test_a_deb_is_installed(self, packaged, kind):
        packaged.start_old()
        packaged.packaged(kind, "deb-preinst", "install")
        packaged("test", "-f", f"{KEPT}/logrotate", "-a", "-f", f"{KEPT}/init.d-lockserver")
        packaged.put("/etc/init.d/lockserver", "#!/bin/sh\n", "755")
        packaged.packaged(kind, "deb-postinst", "configure", "")
        assert packaged.was_taken_over()
        assert packaged.calls()[-2:] == ["update-rc.d lockserver defaults", "invoke-rc.d lockserver start"]

    def test_a_deb_is_upgraded(self, packaged, kind):
        packaged("rm", "/etc/init.d/lockd")
        packaged("touch", "/run/lockserver-stays-stopped")
        packaged.packaged(kind, "deb-postinst", "configure", "1.0")
        assert packaged.calls() == ["update-rc.d lockserver defaults"]
        packaged.packaged(kind, "deb-postinst", "configure", "1.0")
        assert packaged.calls()[-1] == "invoke-rc.d lockserver restart"
        # A server that does not start is told, and the installation is fine.
        packaged.put("/run/bin/invoke-rc.d", "#!/bin/sh\nexit 1\n", "755")
        packaged.packaged(kind, "deb-postinst", "configure", "1.0")
        packaged.configure("PORT=seventy")
        packaged.packaged(kind, "deb-postinst", "configure", "1.0")

    def test_an_rpm_is_installed_and_upgraded(self, packaged, kind):
        packaged.start_old()
        packaged("mkdir", "-p", "/run/systemd/system")
        packaged.packaged(kind, "rpm-post", "1")
        assert packaged.was_taken_over()
        assert packaged.calls()[-1] == "systemctl enable --now lockserver.service"
        packaged.configure("PORT=seventy")
        packaged.packaged(kind, "rpm-postun", "1")


# Exchanges the log for a link, when it has been looked at: what somebody else would do who may write where it is.
EXCHANGE = """#!/bin/sh
said=$(/usr/bin/stat "$@") || exit
[ "$3" != /var/log/lockserver.log ] || ln -sf /run/victim "$3"
echo "$said"
"""


@pytest.mark.root
class TestLinks:
    """A link in the place of the log gives nothing away of what it leads to."""

    def test_one_that_is_there_is_left_alone(self, packaged):
        packaged.put("/run/victim", "theirs\n")
        packaged("ln", "-sf", "/run/victim", "/var/log/lockserver.log")
        before = self.owners(packaged)
        packaged("sh", "/run/usr/libexec/lockserver/take-over")
        assert self.owners(packaged) == before

    def test_one_that_comes_between_look_and_chown(self, packaged):
        packaged.put("/run/victim", "theirs\n")
        packaged.put("/run/bin/stat", EXCHANGE, "755")
        before = self.owners(packaged)[0]
        packaged("env", "PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "/run/usr/libexec/lockserver/take-over")
        victim, link = self.owners(packaged)
        # Without another user there is nobody to give it to.
        given = link != before or not packaged.others
        assert victim == before and given, "the link itself was given away, and not what it leads to"

    @staticmethod
    def owners(packaged):
        """Whose the file that the link leads to is, and whose the link."""
        return packaged("stat", "-c", "%u", "/run/victim", "/var/log/lockserver.log").split()
