"""The way of a new user, in a bare Debian: from the installed package to the first command under a lock, and from README to a job of
CI that nobody runs twice. Every command is one of the pages'. The test adds up what that takes: the time of the machine, and an
estimate for the person, who reads the prose of each passage once and copies each block."""

import re
import time

import pytest
import yaml

from harness.gitlab import HOME, Job, component
from harness.installed import CONF, install
from harness.paths import ROOT
from harness.wait import until

pytestmark = [pytest.mark.root, pytest.mark.timeout(900)]

#: An adult reads 238 words of English a minute (Brysbaert 2019).
WORDS_A_SECOND = 238 / 60
#: To copy a block of commands or settings, to change a name in it, and to look at what it did.
BLOCK_S = 15
FIVE_MINUTES = 300


def passage(page, heading):
    """A section of a page."""
    text = (ROOT / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.M | re.S)
    assert found, f"{page} has no section {heading}"
    return found[2]


def blocks(text, kind):
    """Its blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.M | re.S)


class Reader:
    """A person, by estimate."""

    def __init__(self):
        self.words = self.blocks = 0
        self.begun = time.monotonic()

    def reads(self, text):
        self.words += len(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S).split())

    def copies(self, text):
        self.blocks += 1
        return text

    def took(self):
        """Seconds of the machine, and in all."""
        machine = time.monotonic() - self.begun
        return machine, machine + self.words / WORDS_A_SECOND + self.blocks * BLOCK_S

    def said(self):
        machine, total = self.took()
        return f"{self.words} words, blocks copied: {self.blocks}, {machine:.1f} s of the machine: {total:.0f} s"


def test_one_command_after_the_package_a_command_runs_under_a_lock(debian, report):
    system, reader = debian(), Reader()
    install(system)
    system.run("useradd", "--create-home", "ann")
    system.put("/usr/local/bin/cargo", "#!/bin/sh\necho \"$1 in slot $LOCK_SLOT\"\n", 0o755)
    text = passage("docs/recipes.md", "Builds and agents on one machine")
    command = reader.copies(blocks(text, "sh")[0])
    assert len(command.splitlines()) == 1 and "--local" in command
    reader.begun = time.monotonic()
    assert system.run("su", "--login", "ann", "--command", command) == "test in slot 0\n"
    report(f"from the package to a command under a lock: {reader.said()}")
    assert reader.took()[0] < 10
    # It was a lock: with all permits held the next command does not run.
    taken = system.run("su", "--login", "ann", "--command", "lockctl run --local build=all -- lockctl run --local -n build -- cargo test || echo $?")
    assert taken.endswith("75\n") and "test in slot" not in taken


def test_from_readme_to_a_protected_job_in_five_minutes(debian, report, tmp_path):
    system, reader = debian(), Reader()
    readme = (ROOT / "README.md").read_text()
    for link in ("docs/install.md", "docs/security.md#five-minutes-to-a-server-with-a-key", "clients/gitlab-component/README.md"):
        assert f"({link})" in readme, "README leads there"

    deploys = passage("README.md", "One deploy per stage")
    reader.reads(deploys)
    page = passage("docs/install.md", "Debian, Ubuntu and relatives")
    reader.reads(page)
    assert reader.copies("apt install ./lockserver_*.deb") in page
    install(system)

    # One lock for each stage, open to the network, with a key.
    keys = passage("docs/security.md", "Five minutes to a server with a key")
    reader.reads(keys)
    general, = blocks(keys, "ini")
    conf = system.path(CONF).read_text()
    server = reader.copies(general).split("\n")[1]
    assert "\nSERVER=127.0.0.1\n" in conf and server == "SERVER=0.0.0.0"
    system.path(CONF).write_text(conf.replace("\nSERVER=127.0.0.1\n", f"\n{server}\n") + "\n" + reader.copies(blocks(deploys, "ini")[0]))
    made = system.shell(f"cd /etc/lockserver\n{reader.copies(blocks(keys, 'sh')[0])}")
    assert "the configuration was read again and is in force" in made, made
    system.run(*reader.copies("/etc/init.d/lockserver restart").split())
    secret = system.path("/etc/lockserver/ci.key").read_text().strip()

    # The job, which extends the component's.
    text = (HOME / "README.md").read_text()
    # The table of inputs is for those that want something else.
    reader.reads(text.partition("| input |")[0])
    (block,) = blocks(text, "yaml")
    example = yaml.safe_load(reader.copies(block))
    inputs = {**example["include"][0]["inputs"], "server": "http://127.0.0.1:9090"}
    jobs = component("hold", **inputs)
    assert example["deploy"]["extends"] in jobs
    prefix = ["nsenter", "--target", system.first, "--net", "--"]
    deploy = "echo begins >>deploys\nuntil [ -e go-on ]; do sleep 0.1; done\necho ends >>deploys"
    first, second = (Job(tmp_path, "dash", number, deploy, jobs, prefix, LOCK_KEY=secret) for number in (1, 2))
    notes = tmp_path / "checkout" / "deploys"
    try:
        first.start()
        until(notes.exists, 30, "the first deploy begins")
        machine, total = reader.took()
        report(f"from README to a protected job: {reader.said()}")
        # It is protected: a second one waits, and one without the key does nothing.
        second.start()
        until(lambda: '"queued": 1' in system.run("lockctl", "--json", "status", inputs["lock"]), 30, "the second one waits")
        without = Job(tmp_path, "dash", 3, deploy, jobs, prefix).start()
        assert not without.ended() and "unauthorized" in without.said()
        assert notes.read_text() == "begins\n"
        (tmp_path / "checkout" / "go-on").touch()
        assert first.ended(), first.said()
        first.after()
        assert second.ended(), second.said()
        second.after()
    finally:
        first.end()
        second.end()
    assert notes.read_text() == "begins\nends\nbegins\nends\n"
    assert '"in_use": 0' in system.run("lockctl", "--json", "status", inputs["lock"])
    assert machine < 60 and total < FIVE_MINUTES, reader.said()
