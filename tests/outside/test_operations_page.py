"""docs/operations.md: its commands against a real server on a bad day, and against none; its words about options, its links."""

import json
import re
import shlex
import subprocess

import pytest

from harness.keys import new_key
from harness.lines import lines
from harness.paths import ROOT, binary, lockctl
from harness.recipe import Host, ReadersServer, matches
from test_recipes import WORKED

PAGE = ROOT / "docs" / "operations.md"
TEXT = PAGE.read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```\n(?:```text\n(.*?)^```$)?", TEXT, re.M | re.S)
PROGRAMS = {"lockctl": lockctl, "lockserver": binary}
CONFIG = "[general]\nSERVER=127.0.0.1\n\n[lock san-ssh]\nSIZE=7\nLOCK_DELAY=600\n"
#: A server without the lock of the page.
ANOTHER = "[general]\nSERVER=127.0.0.1\nDEFAULT_LOCK=\n\n[lock another]\nSIZE=1\n"
#: It looks at files, or asks the kernel, and needs neither a lock nor a server.
OFFLINE = ("lockserver ", "ss ")
#: The name of a command, and nothing to type.
NAMED = ("lockctl run",)


def anchor(heading):
    """How a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def headings(path):
    """The anchors of a page."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
    return [anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)]


@pytest.fixture
def machine(tmp_path):
    """A machine of its own, without a server."""
    host = Host(tmp_path)
    (host.bin / "lockserver").symlink_to(binary())
    (tmp_path / "server").mkdir()
    yield host
    host.close()


@pytest.fixture
def host(machine, tmp_path):
    """With the server of the page; its administrators' socket is where the page expects it."""
    server = ReadersServer(tmp_path / "server", CONFIG, machine.prefix).start()
    yield machine
    server.stop()
    server.check_log()


def bad_day(host):
    """One holder of two permits, a withheld one, one who waits for all of them, one behind, and a pause. The holder's number."""
    def ask(path, *more):
        url = f"http://localhost/v1/locks/san-ssh{path}"
        status, said = host.run(["curl", "-fsS", "--unix-socket", "/run/lockserver/admin.sock", url, *more])
        assert status == 0, said
        return json.loads(said) if said else None

    held = ask("/tickets", "-d", '{"permits": 2, "info": "backup of db1"}')["number"]
    lost = ask("/tickets", "-d", "{}")["number"]
    ask(f"/tickets/{lost}", "-X", "DELETE")
    ask("/tickets", "-d", '{"permits": "all", "queue": true, "info": "upgrade"}')
    ask("/tickets", "-d", '{"queue": true, "info": "one more"}')
    ask("", "-X", "PATCH", "-d", '{"paused": true, "reason": "firmware", "until_s": 3600}')
    return str(held)


@pytest.mark.root
@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_of_commands_as_written(host, number):
    commands, output = BLOCKS[number]
    held = bad_day(host)
    status, said = host.run(["bash", "-euo", "pipefail", "-c", commands.replace("4711", held)])
    assert status == 0, f"{commands}\nended with {status}:\n{said}"
    wanted = output.replace("4711", held)
    assert matches(said, wanted), f"{commands}\nprinted\n{said}\nand the page says\n{wanted}"


# What of the bad day answers each of the questions.
ANSWERS = {
    "Why is this paused, by whom, and until when?": r"^paused by uid:\d+ for .*: firmware",
    "Where does host db1 hold, and where does it wait?": r"san-ssh +\d+ +held .* backup of db1",
    "Why does my job wait?": r"^paused by .* for .*: firmware",
    "What hangs?": r"HELD FOR",
    "How do I end all of a dead pipeline?": r"^1 ticket of `san-ssh` ended$",
    "Which lock is the bottleneck?": r"WAITING FOR",
    "What changed in the last hour?": r"ended .* revoked .* by uid:\d+",
    "What happens if I resize it?": r"^at least 2 must come back before anybody is let in$",
    "Which clients had it before?": r"ended .* revoked",
    "Is the server well?": r"^lockserver \S+ serves, up ",
}


@pytest.mark.root
def test_ten_questions_at_night_have_an_answer(host):
    bad_day(host)
    section = re.search(r"^## Ten questions at night\n(.*?)^## ", TEXT, re.M | re.S).group(1)
    asked = re.findall(r"^\| (.+?) \| (.+?) \| `(lockctl [^`]+)`.*\|$", section, re.M)
    assert {question for question, _, _ in asked} == set(ANSWERS) and len(asked) == 10
    for question, _, command in asked:
        status, said = host.run(shlex.split(command))
        assert status == 0, f"{question}: {command} ended with {status}:\n{said}"
        assert re.search(ANSWERS[question], said, re.M), f"{question}: {command} printed\n{said}"


def written_commands():
    """Every call of ours on the page, in blocks and in sentences."""
    lines = [line for commands, _ in BLOCKS for line in commands.splitlines()]
    lines += re.findall(r"`((?:lockctl|lockserver) [^`]+)`", re.sub(r"^```.*?^```$", "", TEXT, flags=re.M | re.S))
    return sorted({line for line in lines if line.split()[0] in PROGRAMS})


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
def test_no_command_works_without_its_lock(machine, tmp_path, there):
    machine.stand_in("./job.sh", WORKED)
    secret, _ = new_key("client")
    (tmp_path / "FILE").write_text(f"{secret}\n")
    (tmp_path / "FILE").chmod(0o600)
    server = ReadersServer(tmp_path / "server", ANOTHER, machine.prefix)
    if there == "no lock":
        server.start()
    tried = 0
    try:
        for line in sorted({*written_commands(), *(line for commands, _ in BLOCKS for line in lines(commands))}):
            if line.startswith(OFFLINE) or line in NAMED or there == "no lock" and "san-ssh" not in line:
                continue
            status, said = machine.run(["bash", "-c", line], 150, LOCK_CONNECT_TIMEOUT="0.2")
            assert status != 0 and (said or "curl -s" in line), f"{line}\nended with {status}: {said}"
            assert not (tmp_path / "worked").exists(), f"{line}\nworks without its {there[3:]}"
            tried += 1
    finally:
        server.stop()
    assert tried >= 12


@pytest.mark.parametrize("line", written_commands())
def test_a_command_has_its_options(line):
    program, *words = shlex.split(re.split(r"[|>]|&&", line)[0])
    words = words[:words.index("--")] if "--" in words else words
    options = [word for word in words if word.startswith("-")]
    commands = subprocess.run([PROGRAMS[program](), "--help"], capture_output=True, text=True, timeout=20, check=True).stdout
    named = [word for word in words if re.search(rf"^  {re.escape(word)} ", commands, re.M)]
    shown = subprocess.run([PROGRAMS[program](), *named[:1], "--help"], capture_output=True, text=True, timeout=20, check=True)
    assert named or program == "lockserver", f"{line}: there is no such command"
    for option in options:
        assert re.search(rf"(^|[ ,]){re.escape(option)}\b", shown.stdout, re.M), f"{line}: there is no {option}"


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", TEXT)
    assert len(links) > 60
    for name, place in links:
        target = PAGE.parent / name if name else PAGE
        assert target.is_file(), f"there is no {name}"
        assert not place or place in headings(target), f"{name or PAGE.name} has no #{place}"


def test_the_table_leads_to_every_symptom():
    section = re.search(r"^## Symptoms\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S).group(1)
    symptoms = re.findall(r"^### (.+)$", section, re.M)
    rows = re.findall(r"^\| .+ \|$", TEXT[:TEXT.index("\n## ")], re.M)
    table = [link for row in rows for link in re.findall(r"\[([^]]+)\]\(#([^)]+)\)", row)]
    assert sorted(name for name, _ in table) == sorted(symptoms) and len(symptoms) >= 15
    assert all(place == anchor(name) for name, place in table)
    for name in symptoms:
        text = re.search(rf"^### {re.escape(name)}\n(.*?)(?=^### |\Z)", section, re.M | re.S).group(1)
        assert "**See**" in text and re.search(r"\*\*Do\*\*|\| do \|", text), f"{name}: how to see it, what to do"
