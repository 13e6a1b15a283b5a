"""docs/recipes.md as a reader follows it: sections of configuration, commands, and what they print."""

import itertools
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from .local import Place
from .paths import ROOT, binary, lockctl
from .server import Server

PAGE = ROOT / "docs" / "recipes.md"
# Kinds of fenced blocks: configuration, a file beside it, commands, what they print.
FILES = {"hcl": "main.tf", "toml": "zincati.toml"}
# Kinds of files whose first line, a comment, names them.
NAMED = ("yaml", "groovy")
#: The server's machine in the recipes for several, and what is done on another one.
SERVER = "lock.example.com"
ELSEWHERE = (SERVER, "terraform apply")
KINDS = {"ini", "sh", "text", "crontab", *FILES, *NAMED}


def write_file(directory, kind, text):
    """Write a block that is a file to where the page says."""
    path = directory / (FILES[kind] if kind in FILES else re.match(r"(?:#|//) (\S+)\n", text).group(1))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Recipe:
    """One section of the page: its name and its fenced blocks, as (kind, text)."""

    def __init__(self, name, text):
        self.name = name
        self.blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
        assert text.count("```") == 2 * len(self.blocks), f"{name}: a fence without its end, or without its kind"

    def config(self):
        """The sections for the server's configuration."""
        return "\n".join(text for kind, text in self.blocks if kind == "ini")

    def text_of(self, wanted):
        """The only block of a kind."""
        (text,) = [text for kind, text in self.blocks if kind == wanted]
        return text

    def steps(self):
        """In the order of the page: (kind, text), and for commands without anything between ("sh", [(command, output)...])."""
        steps = []
        for (kind, text), (after, output) in zip(self.blocks, [*self.blocks[1:], (None, "")]):
            if kind == "sh":
                if not steps or steps[-1][0] != "sh":
                    steps.append(("sh", []))
                # Without an output beneath it prints nothing.
                steps[-1][1].append((text, output if after == "text" else ""))
            elif kind not in ("ini", "text"):
                steps.append((kind, text))
        return steps

    def is_local(self):
        """Whether all its locks are those of the user's own server, which needs no configuration."""
        return bool(self.blocks) and not self.config() and all("lockctl" not in text or "--local" in text for kind, text in self.blocks if kind == "sh")

    def check(self):
        """What would not be run, or not be compared, has no place in a recipe."""
        kinds = [kind for kind, _ in self.blocks]
        assert set(kinds) <= KINDS, f"{self.name}: nobody knows what to do with {set(kinds) - KINDS}"
        assert ("ini" in kinds or self.is_local()) and "sh" in kinds, f"{self.name}: a recipe has a configuration and commands that are run"
        for before, kind in zip([None, *kinds], kinds):
            assert kind != "text" or before == "sh", f"{self.name}: only commands print something"


def recipes():
    """All recipes by their names."""
    _, *sections = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.M)
    return {name: Recipe(name, text) for name, text in zip(sections[::2], sections[1::2])}


def matches(said, expected):
    """Whether an output is the expected one. `...` is anything in a line, and any lines if it is alone in its line."""
    lines = [r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
             for line in expected.splitlines()]
    return re.fullmatch("".join(lines), said if not said or said.endswith("\n") else said + "\n")


def crontab(table):
    """The variables and the commands of a crontab of the system."""
    variables, lines = {}, []
    for line in table.splitlines():
        setting = re.fullmatch(r"([A-Z_]+)=(.*)", line)
        if setting:
            variables[setting.group(1)] = setting.group(2)
        else:
            lines.append(re.fullmatch(r"(?:\S+ +){5}\w+ +(.+)", line).group(1))
    return variables, lines


class Host:
    """A machine of its own: a network in which port 9090 is free, an empty /run, and the server that a reader would have."""

    def __init__(self, directory):
        self.directory, self.bin = directory, directory / "bin"
        self.bin.mkdir()
        #: Short, for the path of a Unix socket has a bound.
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="state-"))
        (self.bin / "lockctl").symlink_to(lockctl())
        self.keepers = []
        _, self.prefix = self._namespace("127.0.0.1")
        #: Other machines, which reach this one over a network cable.
        self.others = [self._other(number) for number in (1, 2)]

    def _namespace(self, server):
        """A network and an empty /run, where the name of the server is that address; its keeper, and how to enter it."""
        hosts = self.directory / f"hosts.{len(self.keepers)}"
        hosts.write_text(f"127.0.0.1 localhost\n{server} {SERVER}\n")
        inside = f"ip link set lo up && mount -t tmpfs tmpfs /run && mount --bind {hosts} /etc/hosts && echo up && exec cat"
        keeper = subprocess.Popen(["unshare", "--net", "--mount", "sh", "-c", inside], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.keepers.append(keeper)
        assert keeper.stdout.readline() == "up\n", "no namespace for the test: it needs root, or scripts/as-root"
        return keeper, ["nsenter", "--target", str(keeper.pid), "--net", "--mount", f"--wd={self.directory}"]

    def _other(self, number):
        """Another machine."""
        keeper, prefix = self._namespace(f"10.9.{number}.1")
        for words in ([*self.prefix, "ip", "link", "add", f"other{number}", "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid)],
                      [*self.prefix, "ip", "addr", "add", f"10.9.{number}.1/24", "dev", f"other{number}"],
                      [*self.prefix, "ip", "link", "set", f"other{number}", "up"],
                      [*prefix, "ip", "addr", "add", f"10.9.{number}.2/24", "dev", "eth0"],
                      [*prefix, "ip", "link", "set", "eth0", "up"]):
            subprocess.run(words, check=True)
        return prefix

    def close(self):
        """The end of a server that a recipe has started for its user, and of the namespaces."""
        Place(self.state).stop()
        shutil.rmtree(self.state)
        for keeper in reversed(self.keepers):
            keeper.stdin.close()
            keeper.wait(20)
            keeper.stdout.close()

    def stand_in(self, name, script):
        """A command that a test machine does not have."""
        path = self.directory / name if name.startswith("./") else self.bin / name
        path.write_text(f"#!/bin/bash\nset -euo pipefail\n{script}")
        path.chmod(0o755)

    def environment(self, **more):
        """What the commands find: nothing says where the server is, as for a reader who sits at it."""
        return {"PATH": f"{self.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                "HOME": str(self.directory), "XDG_STATE_HOME": str(self.state), **more}

    def start(self, words, prefix=None, **more):
        """Start a command in there, or on the machine of that prefix."""
        return subprocess.Popen([*(prefix or self.prefix), *words], env=self.environment(**more), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, words, seconds=90, prefix=None, **more):
        """Run a command in there; its status and all that it printed."""
        process = self.start(words, prefix, **more)
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode, said

    def shell(self, blocks):
        """Run blocks of (commands, output) as a reader does: those for other machines on one, the rest at the server."""
        for elsewhere, together in itertools.groupby(blocks, lambda block: any(word in block[0] for word in ELSEWHERE)):
            self._one_shell(list(together), self.others[0] if elsewhere else None)

    def _one_shell(self, blocks, prefix):
        """Run blocks in one shell, as in one terminal: each must print what it should."""
        for path in self.directory.glob("said.*"):
            path.unlink()
        outs = [self.directory / f"said.{number}" for number in range(len(blocks))]
        script = "".join(f"exec >{shlex.quote(str(out))} 2>&1\n{text}\n" for out, (text, _) in zip(outs, blocks))
        at = {"LOCK_SERVER": f"http://{SERVER}:9090"} if prefix else {}
        status, _ = self.run(["bash", "-euo", "pipefail", "-c", script], prefix=prefix, **at)
        for out, (command, wanted) in zip(outs, blocks):
            said = out.read_text() if out.exists() else "(it did not come so far)"
            assert matches(said, wanted), f"{command}\nprinted\n{said}\nand the page says\n{wanted}"
        assert status == 0

    def cron(self, table):
        """Be cron on two other hosts, whose clocks strike at the same time: run each line on both, and expect no mail from them."""
        variables, lines = crontab(table)
        assert lines
        for line in lines:
            hosts = [self.start(["sh", "-c", line], prefix, **variables) for prefix in self.others]
            for host in hosts:
                said, _ = host.communicate(timeout=60)
                assert (said, host.returncode) == ("", 0), f"{line}: cron would send {said!r}, status {host.returncode}"


class ReadersServer(Server):
    """The server with the recipe's configuration as it stands there, and every default."""

    def __init__(self, directory, config, prefix):
        super().__init__(directory, store=None, prefix=prefix, env={
            "STATE_DIRECTORY": str(directory), "RUNTIME_DIRECTORY": "", "XDG_RUNTIME_DIR": ""})
        self.config_path.write_text(config)

    def command(self):
        return [*self.prefix, binary(), "--config", str(self.config_path)]
