"""Root and the user of the server in one directory: what the one leaves behind, or may not give away, keeps the other from nothing."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from harness.api import Api
from harness.ctl import environment
from harness.paths import binary, lockctl
from harness.server import Server

NOBODY, IN_USE, UNAVAILABLE = 65534, 69, 69


def become():
    """Be the user of the server. In a user namespace there is only root, which stays what it is: less is shown then."""
    with contextlib.suppress(OSError):
        os.setgid(NOBODY)
        os.setgroups([])
        os.setuid(NOBODY)


@pytest.fixture
def place(as_root, monkeypatch):
    """The server's own directory, of another user than root; with the programs where that user may run them."""
    with tempfile.TemporaryDirectory() as found:
        found = pathlib.Path(found)
        found.chmod(0o755)
        monkeypatch.setenv("LOCKSERVER_BIN", str(shutil.copy(binary(), found / "lockserver")))
        monkeypatch.setenv("LOCKCTL_BIN", str(shutil.copy(lockctl(), found / "lockctl")))
        directory = found / "state"
        directory.mkdir(mode=0o755)
        with contextlib.suppress(OSError):
            os.chown(directory, NOBODY, NOBODY)
        yield directory


class WithSocket(Server):
    """A server whose administrators' socket has a name that no other one on the machine has: the kernel lists them by name."""

    @property
    def socket_name(self):
        """The file, in the server's directory."""
        return f"{self.directory.parent.name}.sock"

    def command(self):
        return [self.socket_name if word == "admin.sock" else word for word in super().command()]

    def start_as(self, user):
        """Start it as this user: `become`, or None for root."""
        self.preexec = user
        self.config_path.chmod(0o644)
        return self.start()

    def lockctl(self, user):
        """What `lockctl status` says to this user by the socket."""
        return subprocess.run([lockctl(), "--server", f"unix:/proc/self/cwd/{self.socket_name}", "status"], cwd=self.directory,
                              env=environment(), preexec_fn=user, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.root
def test_a_dead_socket_of_root_is_replaced_and_a_live_one_is_not(place):
    first = WithSocket(place)
    path = place / first.socket_name
    try:
        first.start_as(None)
        assert first.lockctl(None).returncode == 0 and path.stat().st_uid == 0
        # The user of the server may not ask whether somebody answers; the kernel says that somebody listens.
        second = subprocess.run([binary(), "--config", first.config_path, "--port", "0", "--store", "memory",
                                 "--admin-socket", first.socket_name], cwd=place, preexec_fn=become, capture_output=True, text=True,
                                timeout=60, check=False)
        assert second.returncode == IN_USE and "another server answers on this socket" in second.stderr, second
        first.kill()
        assert path.stat().st_uid == 0, "it was left behind"
        said = first.lockctl(become)
        owner = place.stat().st_uid
        words = "Permission denied (os error 13): it belongs to user 0, group 0, mode 0660; ask for the right to use it, or name " \
            "another server"
        assert said.returncode == UNAVAILABLE and (words in said.stderr or owner == 0), said
        first.start_as(become)
        assert path.stat().st_uid == owner
        assert first.lockctl(become).returncode == 0
        first.stop()
        assert not path.exists()
    finally:
        if first.process.poll() is None:
            first.kill()
    first.check_log()


@pytest.mark.root
def test_root_that_may_not_give_its_files_away_serves_all_the_same(place):
    """As on a network file system: the files stay root's, which is said, and nothing else is different."""
    server = Server(place, prefix=["setpriv", "--bounding-set=-chown", "--inh-caps=-chown"])
    try:
        server.start()
        with Api(server.at) as api:
            held = api.take("DefaultLock", ttl_s=600)
        for name in ("lockserver.db", "lockserver.db.lock"):
            said = f"{place}/{name} still belongs to root, because it cannot be given to the owner of its directory: " in server.log()
            assert said or place.stat().st_uid == 0
            assert (place / name).stat().st_uid == 0
        server.stop()
        server.start()
        with Api(server.at) as api:
            api.release(held)
        server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
    server.check_log()
