"""README.md as a newcomer follows it: every command, what it prints, and that none works without its lock."""

import re

import pytest

from harness.paths import ROOT
from harness.recipe import Host, ReadersServer, Recipe
from test_recipes import STAND_INS, WORKED

PAGE = (ROOT / "README.md").read_text()


def examples():
    """The sections with commands, each with the configuration that its reader has."""
    found = {name: Recipe(name, text) for _, name, text in re.findall(r"^(##|###) ([^\n]+)$(.*?)(?=^##|\Z)", PAGE, re.M | re.S) if "```sh" in text}
    started = (ROOT / "examples" / "try.conf").read_text()
    return {name: (recipe, recipe.config() or started) for name, recipe in found.items()}


EXAMPLES = examples()


@pytest.fixture
def host(tmp_path):
    """A machine with stand-ins for the commands of the examples."""
    host = Host(tmp_path)
    for name in ("ssh", "./deploy.sh"):
        host.stand_in(name, STAND_INS[name])
    (tmp_path / "server").mkdir()
    yield host
    host.close()


def test_every_command_is_in_an_example():
    assert len(EXAMPLES) == 3 and PAGE.count("```sh\n") == sum(kind == "sh" for recipe, _ in EXAMPLES.values() for kind, _ in recipe.blocks)


@pytest.mark.root
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_as_written(host, tmp_path, name):
    recipe, config = EXAMPLES[name]
    server = ReadersServer(tmp_path / "server", config, host.prefix).start()
    try:
        for kind, step in recipe.steps():
            assert kind == "sh"
            host.shell(step)
    finally:
        server.stop()
    server.check_log()


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_no_example_works_without_its_lock(host, tmp_path, name, there):
    for job in ("ssh", "./deploy.sh", "sh"):
        host.stand_in(job, WORKED)
    server = ReadersServer(tmp_path / "server", "[general]\nSERVER=127.0.0.1\n[lock another]\nSIZE=1\n", host.prefix)
    if there == "no lock":
        server.start()
    lines = [line for kind, text in EXAMPLES[name][0].blocks if kind == "sh" for line in text.splitlines()]
    # A look at all locks needs a server, and none of them.
    commands = [line for line in lines if there == "no server" or " run " in line]
    assert commands
    try:
        for command in commands:
            status, said = host.run(["bash", "-c", command], 150, LOCK_CONNECT_TIMEOUT="0.2")
            assert status != 0 and said, command
            assert not (tmp_path / "worked").exists(), f"{command}\nworks without the lock"
    finally:
        server.stop()


def test_the_figures_are_those_of_the_benchmarks():
    """The table names what was measured, rounded."""
    measured = (ROOT / "docs" / "benchmarks.md").read_text()

    def of(section, row, column):
        text = re.search(rf"^## .*\(`{section}`\)$(.*?)(?=^## |\Z)", measured, re.M | re.S)[1]
        return float(re.search(rf"^\| {re.escape(row)} +\|(.*)\|$", text, re.M)[1].split("|")[column])

    names = ["lockserver, sqlite", "flock(1)", "Redis, flushed", None, "etcd", None]
    for label, section, column, unit in (("cycles/s, 32 clients, a lock each", "own-locks", 0, 1), ("cycles/s, 32 clients, one lock", "one-lock", 0, 1),
                                         ("from release to the next holder", "hand-over", 2, 1)):
        cells = [cell.strip() for cell in re.search(rf"^\| {label} \|(.*)\|$", PAGE, re.M)[1].split("|")]
        for name, cell in zip(names, cells, strict=True):
            assert not cell or name, f"{label}: {cell} was not measured"
            if cell:
                told = float(cell.removesuffix(" ms").replace(",", ""))
                assert told == pytest.approx(of(section, name, column) * unit, rel=0.08), (label, name)
    in_short = re.search(r"lockserver makes ([\d.]+) times the cycles of etcd and ([\d.]+) of Redis with a lock each, and ([\d.]+) times and ([\d.]+) with one lock", PAGE)
    ours = {section: of(section, "lockserver, sqlite", 0) for section in ("own-locks", "one-lock")}
    ratios = [ours[section] / of(section, peer, 0) for section in ours for peer in ("etcd", "Redis, flushed")]
    assert [float(told) for told in in_short.groups()] == [pytest.approx(ratio, abs=0.06) for ratio in ratios]
