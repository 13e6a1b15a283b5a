"""The examples of the pages that have no test of their own, as a reader types them: each works, and none that needs a lock or a
server does anything without it."""

import itertools
import json
import os
import re
import socket
import subprocess
import uuid

import pytest

from harness.etcd import Etcd
from harness.lines import blocks, is_assignment, lines
from harness.paths import ROOT, binary
from harness.recipe import Host, ReadersServer
from harness.wait import until
from test_recipes import STAND_INS, WORKED

API, LOCKCTL, BACKUP, AVAILABILITY = "docs/api.md", "docs/lockctl.md", "docs/backup.md", "docs/high-availability.md"
INSTALL = "docs/install.md"
#: What runs the commands of the other pages.
OTHERS = {
    "README.md": "test_readme.py",
    "docs/recipes.md": "test_recipes.py",
    "docs/operations.md": "test_operations_page.py",
    "docs/security.md": "test_security_page.py",
    "docs/start-scripts.md": "test_start_scripts_page.py",
    "clients/python/README.md": "../../scripts/test-python",
}
CONFIG = """[general]
SERVER=0.0.0.0
DEFAULT_LOCK=

[lock san-ssh]
SIZE=7

[lock report]
SIZE=1

[lock deploy-*]
SIZE=1

[lock ports]
SLOTS=port-a, port-b

[lock licence]
SIZE=10

[lock stage]
SIZE=1
"""
ADMIN = ["curl", "-fsS", "--unix-socket", "/run/lockserver/admin.sock"]
#: The etcd of backup.md.
MEMBERS = "etcd:http://etcd1:2379,http://etcd2:2379,http://etcd3:2379"
#: Of lockctl.md what needs neither a lock nor a server.
OFFLINE = ("lockctl man", "lockctl completions")
#: What needs a server, and no lock.
WITHOUT_A_LOCK = r"lockctl (status( --holder \w+| --names| --server-itself)?|create .*|reload)\s*(#|$)"


def test_every_page_with_commands_is_run():
    pages = [path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "clients/python/README.md"]
             if "```sh\n" in path.read_text()]
    assert {str(path.relative_to(ROOT)) for path in pages} == {API, LOCKCTL, BACKUP, AVAILABILITY, *OTHERS}
    assert all((ROOT / "tests/outside" / test).is_file() for test in OTHERS.values())


@pytest.fixture
def host(tmp_path):
    """A machine with stand-ins for the commands of the examples."""
    host = Host(tmp_path)
    for name in ("ssh", "nightly-report", "./deploy.sh", "cargo"):
        host.stand_in(name, STAND_INS[name])
    (tmp_path / "server").mkdir()
    yield host
    host.close()


@pytest.fixture
def server(host, tmp_path):
    """The server of these pages."""
    server = ReadersServer(tmp_path / "server", CONFIG, host.prefix).start()
    yield server
    server.stop()
    server.check_log()


class Reader:
    """Somebody who types the lines of api.md, and puts in what the server has answered."""

    def __init__(self, host):
        self.host, self.names, self.ticket = host, [], None

    def ask(self, path, *more):
        """Ask the server beside the page."""
        status, said = self.host.run([*ADMIN, f"http://localhost{path}", *more])
        assert status == 0, said
        return json.loads(said) if said else None

    def prepare(self, line):
        """What the reader of this line has: its lock, a ticket of its own, the next page. The line with it."""
        known = [lock["name"] for lock in self.ask("/v1/locks?tickets=0")["locks"]]
        if "san-ssh" not in known:
            self.ask("/v1/locks/san-ssh", "-X", "PUT", "-d", '{"size": 7}')
        if line.endswith("/locks/san-ssh -X DELETE"):
            # It deletes a lock that is idle, with nothing withheld.
            for ticket in self.ask("/v1/locks/san-ssh")["holders"]:
                self.ask(f"/v1/locks/san-ssh/tickets/{ticket['number']}", "-X", "DELETE")
            self.ask("/v1/locks/san-ssh/withheld", "-X", "DELETE")
            self.ticket = None
        if re.search(r"\$ID|/17\?|token=77", line) and not self.ticket:
            status, said = self.host.run(["curl", "-fsS", "http://127.0.0.1:9090/v1/locks/san-ssh/tickets", "-d", "{}"])
            assert status == 0, said
            self.ticket = json.loads(said)
        names = {"RID": uuid.uuid4().hex}
        if self.ticket:
            names["ID"] = self.ticket["id"]
            line = line.replace("/17?", f"/{self.ticket['number']}?").replace("token=77", f"token={self.ticket['token']}")
        if "$NEXT" in line:
            names["NEXT"] = self.next_of(re.search(r"\$S(/\S+?)[?&]cursor=", line)[1])
        return line, names

    def next_of(self, question):
        """The word with which the listing goes on: of a page as short as may be."""
        paths = {"/v1/tickets?mine": ("/v1/tickets?mine&limit=1", 2), "/v1/locks?tickets=0": ("/v1/locks?tickets=0&limit=1", 0),
                 "/v1/locks/san-ssh": ("/v1/locks/san-ssh?tickets=1", 2)}
        path, tickets = paths[question]
        for _ in range(tickets):
            self.host.run(["curl", "-fsS", "http://127.0.0.1:9090/v1/locks/san-ssh/tickets", "-d", "{}"])
        status, said = self.host.run(["curl", "-fsS", f"http://127.0.0.1:9090{path}"])
        assert status == 0, said
        return json.loads(said)["next"]

    def words(self, line, names):
        """The line as bash runs it, with all names before it."""
        values = "".join(f"{name}={value}\n" for name, value in names.items())
        return ["bash", "-c", "".join(f"{name}\n" for name in self.names) + values + line]

    def type(self, line):
        """Run one line. What it printed, and its status."""
        if is_assignment(line):
            self.names.append(line)
            return 0, ""
        line, names = self.prepare(line)
        if "/v1/events" in line:
            return self.follow(line, names)
        status, said = self.host.run(self.words(line, names))
        if "DELETE" in line and self.ticket:
            self.ticket = None
        found = re.search(r'^\{"id":"([^"]+)"', said)
        if found and not self.ticket:
            self.ticket = json.loads(said)
        return status, said

    def follow(self, line, names):
        """A stream has no end: one event of it is enough. It shows what happens once it is open."""
        seen = self.host.directory / "events"
        process = self.host.start(self.words(f"exec >{seen} 2>&1\nexec {line}", names))
        sizes = itertools.cycle((1, 2))

        def shown():
            self.ask("/v1/locks/deploy-web", "-X", "PUT", "-d", json.dumps({"size": next(sizes)}))
            return seen.exists() and "\nevent: " in "\n" + seen.read_text()

        try:
            until(shown, 60, "the stream shows a change")
        finally:
            process.kill()
            process.communicate()
        return 0, seen.read_text()


@pytest.mark.root
def test_every_call_of_the_api_page_as_written(host, server):
    reader = Reader(host)
    count = 0
    for block in blocks(API):
        for line in lines(block):
            status, said = reader.type(line)
            assert status == 0, f"{line}\nended with {status}:\n{said}"
            count += 1
    assert count > 30


def needs_a_lock(line):
    """Whether a call is about one lock or ticket, and does not make it."""
    makes = re.search(r"/locks/[\w-]+ -X PUT", line)
    return bool(re.search(r"locks/|\$ID|\"locks\"|&lock=", line)) and not makes


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
def test_no_call_of_the_api_page_works_without_its_lock(host, tmp_path, there):
    server = ReadersServer(tmp_path / "server", "[general]\nDEFAULT_LOCK=\n[lock another]\nSIZE=1\n", host.prefix)
    if there == "no lock":
        server.start()
    reader = Reader(host)
    names = {"ID": str(uuid.uuid4()), "RID": uuid.uuid4().hex, "NEXT": "x"}
    tried = 0
    try:
        for line in [line for block in blocks(API) for line in lines(block)]:
            if is_assignment(line):
                reader.names.append(line)
            elif there == "no server" or needs_a_lock(line):
                status, said = host.run(reader.words(line, names))
                assert status != 0, f"{line}\nis a success without its {there[3:]}:\n{said}"
                tried += 1
    finally:
        server.stop()
    assert tried > 20


def of_lockctl(tmp_path):
    """The commands of lockctl.md: a line each, or a script. Files of the system are those of the test."""
    for block in blocks(LOCKCTL):
        block = re.sub(r"/usr/local/share/man/man1|/etc/bash_completion.d", str(tmp_path / "system"), block)
        yield from [block] if "eval" in block else lines(block)


def about_a_ticket(host, command):
    """The command with a ticket that there is, where the page names one by its number, token or words."""
    if not re.search(r"san-ssh (17|77)\b|ci-8123", command):
        return command
    status, said = host.run(["curl", "-fsS", "http://127.0.0.1:9090/v1/locks/san-ssh/tickets", "-d", '{"info": "ci-8123"}'])
    assert status == 0, said
    ticket = json.loads(said)
    return command.replace("san-ssh 17", f"san-ssh {ticket['number']}").replace("san-ssh 77", f"san-ssh {ticket['token']}")


@pytest.mark.root
def test_every_command_of_the_lockctl_page_as_written(host, server, tmp_path):
    (tmp_path / "system").mkdir()
    said = {}
    for command in of_lockctl(tmp_path):
        status, said[command] = host.run(["bash", "-c", about_a_ticket(host, command)])
        assert status == 0, f"{command}\nended with {status}:\n{said[command]}"
    assert len(said) >= 24
    files = [path.name for path in (tmp_path / "system").iterdir()]
    assert {"lockctl.1", "lockctl-run.1", "lockctl"} <= set(files), files
    (script,) = [text for command, text in said.items() if "eval" in command]
    assert script.splitlines()[-1] == "released", script


@pytest.mark.root
def test_the_check_prints_the_line_of_the_page(host, server):
    for _ in range(2):
        assert host.run(["curl", "-fsS", "http://127.0.0.1:9090/v1/locks/san-ssh/tickets", "-d", "{}"])[0] == 0
    (command,) = [line for block in blocks(LOCKCTL) for line in lines(block) if line.startswith("lockctl check")]
    (shown,) = blocks(LOCKCTL, "text")
    status, said = host.run(["bash", "-c", command])
    words, numbers = shown.strip().removesuffix(" ...").split("|")
    assert status == 0 and said.startswith(words[:words.index("oldest holder")]), said
    assert re.findall(r"'\w+'", said.split("|")[1])[:3] == re.findall(r"'\w+'", numbers), said


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
def test_no_command_of_the_lockctl_page_works_without_its_lock(host, tmp_path, there):
    for job in ("ssh", "nightly-report", "./deploy.sh"):
        host.stand_in(job, WORKED)
    server = ReadersServer(tmp_path / "server", "[general]\nDEFAULT_LOCK=\n[lock another]\nSIZE=1\n", host.prefix)
    if there == "no lock":
        server.start()
    tried = 0
    try:
        for command in of_lockctl(tmp_path):
            # With --local there is a server and a lock by itself.
            if command.startswith(OFFLINE) or "--local" in command or there == "no lock" and re.match(WITHOUT_A_LOCK, command):
                continue
            status, said = host.run(["bash", "-c", command], 150, LOCK_CONNECT_TIMEOUT="0.2")
            assert status != 0 and said, f"{command}\nended with {status}: {said}"
            assert not (tmp_path / "worked").exists(), f"{command}\nworks without its {there[3:]}"
            tried += 1
    finally:
        server.stop()
    assert tried >= 16


@pytest.mark.root
def test_the_commands_about_several_servers_as_written(host, server):
    (block,) = blocks(AVAILABILITY)
    for line in lines(block.replace("locks1.example.org", "lock.example.com")):
        status, said = host.run(["bash", "-c", line])
        assert status == 0 and "lockserver" in said or '"role"' in said, f"{line}\nended with {status}:\n{said}"
    server.stop()
    for line in lines(block.replace("locks1.example.org", "lock.example.com")):
        assert host.run(["bash", "-c", line])[0] != 0, line


@pytest.mark.root
def test_the_question_after_an_installation_fails_without_a_server(host, server):
    asked = re.findall(r"^    (?:docker exec \S+ )?(lockctl .*)$", (ROOT / INSTALL).read_text(), re.M)
    assert len(asked) == 2
    for line in asked:
        status, said = host.run(["bash", "-c", line])
        assert status == 0 and "san-ssh" in said, f"{line}\nended with {status}:\n{said}"
    server.stop()
    for line in asked:
        status, said = host.run(["bash", "-c", line], LOCK_CONNECT_TIMEOUT="0.2")
        assert status != 0 and said, f"{line}\nis a success without a server: {said}"


@pytest.fixture
def etcd(tmp_path):
    """An etcd of one member."""
    one = Etcd(tmp_path / "etcd").start()
    yield one
    one.close()


def test_the_commands_about_backups_as_written(make_server, etcd, tmp_path):
    server = make_server({"DEFAULT_LOCK": ""}, "[lock san-ssh]\nSIZE=7\n").start()
    bin_path, backups, elsewhere = tmp_path / "bin", tmp_path / "backups", tmp_path / "srv"
    for folder in (bin_path, backups, elsewhere):
        folder.mkdir()
    (bin_path / "lockserver").symlink_to(binary())
    # The disk has died: there is no store when the service is stopped.
    (bin_path / "systemctl").write_text(f'#!/bin/sh\ntest "$2" = lockserver\n[ "$1" = start ] || rm -f {server.directory}/lockserver.db*\n')
    (bin_path / "jq").write_text("#!/bin/sh\nexec python3 -c 'import json, sys; print([lock[\"name\"] for lock in json.load(sys.stdin)[\"locks\"]])'\n")
    for stand_in in ("systemctl", "jq"):
        (bin_path / stand_in).chmod(0o755)
    env = {**os.environ, "PATH": f"{bin_path}:{os.environ['PATH']}", "LOCKSERVER_STORE": server.store}
    done = []
    for block in blocks(BACKUP):
        if "systemctl stop" in block or "copy" in block:
            server.stop()
        for line in lines(block):
            for old, new in ((MEMBERS, etcd.store), ("/var/backups", str(backups)), ("/var/lib/lockserver", str(server.directory)),
                             ("/srv/lockserver", str(elsewhere))):
                line = line.replace(old, new)
            if "copy etcd:" in line:
                (server.directory / "lockserver.db").unlink()
            ran = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, timeout=60)
            assert ran.returncode == 0, f"{line}\nended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
            done.append(line)
    assert len(done) >= 10
    server.start()


def test_no_command_about_backups_works_without_its_store(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "lockserver").symlink_to(binary())
    env = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "LOCKSERVER_STORE": f"sqlite:{tmp_path}/store/lockserver.db"}
    for folder in ("store", "backups", "srv"):
        (tmp_path / folder).mkdir()
    with socket.socket() as nobody:
        # Nobody listens here.
        nobody.bind(("127.0.0.1", 0))
        etcd = f"etcd:http://127.0.0.1:{nobody.getsockname()[1]}"
        commands = [line.split(" | ")[0] for block in blocks(BACKUP) for line in lines(block) if "lockserver store" in line]
        for line in commands:
            for old, new in ((MEMBERS, etcd), ("/var/backups", f"{tmp_path}/backups"), ("/var/lib/lockserver", f"{tmp_path}/store"),
                             ("/srv/lockserver", f"{tmp_path}/srv")):
                line = line.replace(old, new)
            ran = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, timeout=60)
            assert ran.returncode != 0 and ran.stderr, f"{line}\nended with {ran.returncode}:\n{ran.stdout}{ran.stderr}"
    left = [path for folder in ("store", "backups", "srv") for path in (tmp_path / folder).iterdir()]
    assert len(commands) >= 8 and left == [], left


@pytest.mark.parametrize("page", ["docs/configuration.md", "docs/protocols.md", AVAILABILITY])
def test_the_configurations_of_a_page_are_good(tmp_path, page):
    secret = tmp_path / "cluster.secret"
    secret.write_text("a secret of at least 16 bytes\n")
    secret.chmod(0o600)
    found = blocks(page, "ini")
    assert found
    for block in found:
        config = tmp_path / "lockserver.conf"
        config.write_text(block.replace("/etc/lockserver/cluster.secret", str(secret)))
        ran = subprocess.run([binary(), "check-config", "--config", config], capture_output=True, text=True, timeout=20)
        assert ran.returncode == 0, f"{block}\n{ran.stdout}{ran.stderr}"
