"""Completions as somebody has them who types and presses Tab, in each shell that they are for: names of locks, the second one too."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

import pytest

from harness.ctl import environment, run
from harness.wait import until

SECTIONS = "".join(f"[lock {name}]\nSIZE=3\n" for name in ("alpha", "beta-lock", "gamma"))
#: How each is started without anybody's settings, and what it is told first.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "PS1='ready> '; bind 'set enable-bracketed-paste off'; source {script}\n"),
    "zsh": (["zsh", "-f", "-i"], "PS1='ready> '; fpath=({folder} $fpath); autoload -Uz compinit && compinit -D -u; unsetopt zle_bracketed_paste; zstyle ':completion:*' menu no\n"),
}
TAB, HOME = "\t", "\x01"


class Terminal:
    """A shell at a terminal."""

    def __init__(self, words, env, folder):
        program = shutil.which(words[0])
        assert program, f"{words[0]} is missing: make test installs it"
        self.own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.process = subprocess.Popen([program, *words[1:]], stdin=other, stdout=other, stderr=other, env=env, cwd=folder,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), start_new_session=True)
        os.close(other)
        os.set_blocking(self.own, False)
        self.said = ""

    def read(self):
        """All that it has written so far, without what moves the cursor and colours it."""
        try:
            while chunk := os.read(self.own, 65536):
                self.said += chunk.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return re.sub(r"\x1b(\[[0-9;?<>=]*[ -/]*[@-~]|[()][A-Z0-9]|\][^\x07\x1b]*(\x07|\x1b\\)|[=>78])", "", self.said)

    def type(self, keys):
        os.write(self.own, keys.encode())

    def until(self, pattern, what):
        """Wait until it has written something like that; the last match."""
        return until(lambda: (list(re.finditer(pattern, self.read())) or [None])[-1], 60, what)

    def close(self):
        self.process.kill()
        self.process.wait(20)
        os.close(self.own)


def told_by_fish(script, env, folder):
    """What fish offers for a line, which it says without a terminal: a single one stands there after Tab."""
    program = shutil.which("fish")
    assert program, "fish is missing: make test installs it"

    def go(text):
        words = ["--no-config", "-c", "source $argv[1]; complete -C $argv[2]", str(script), text]
        done = subprocess.run([program, *words], env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
        offered = {line.split("\t")[0] for line in done.stdout.splitlines()}
        assert len(offered) < 2, (text, offered)
        return [*text.split()[:-1], *(offered or text.split()[-1:])]
    return go


@pytest.fixture(params=[*SHELLS, "fish"])
def typed(request, make_server, tmp_path):
    """What is on the command line once that was typed and Tab was pressed, as words."""
    server = make_server(sections=SECTIONS).start()
    home, folder = tmp_path / "home", tmp_path / "completions"
    home.mkdir()
    folder.mkdir()
    script = folder / "_lockctl"
    script.write_text(run(server, "completions", request.param).stdout)
    env = environment(server, HOME=str(home), TERM="xterm", LC_ALL="C.UTF-8", XDG_CONFIG_HOME=str(home), XDG_DATA_HOME=str(home))
    if request.param == "fish":
        yield told_by_fish(script, env, home)
        return
    words, setup = SHELLS[request.param]
    terminal = Terminal(words, env, home)
    terminal.type(setup.format(script=script, folder=folder))
    terminal.type("echo set'-'up\n")
    terminal.until(r"(?m)^set-up\r?$", "it is ready")
    turns = iter(range(1000))

    def go(text):
        turn = next(turns)
        # What is typed behind the Tab waits until that is done.
        terminal.type(f"{text}{TAB}{HOME}printf '<%s>' {turn}: \n")
        found = terminal.until(rf"<{turn}:>((?:<[^>\r\n]*>)+)", text)
        return re.findall(r"<([^>]*)>", found.group(1))

    yield go
    terminal.close()


def test_names_of_locks_are_completed_wherever_one_may_stand(typed):
    for text, expected in [
        ("lockctl status be", ["beta-lock"]),
        ("lockctl run be", ["beta-lock"]),
        ("lockctl run alpha be", ["alpha", "beta-lock"]),
        ("lockctl run alpha=2 be", ["alpha=2", "beta-lock"]),
        ("lockctl run alpha beta-lock=all ga", ["alpha", "beta-lock=all", "gamma"]),
        ("lockctl run -n be", ["-n", "beta-lock"]),
        ("lockctl run -w 5 alpha be", ["-w", "5", "alpha", "beta-lock"]),
        ("lockctl run alpha -n be", ["alpha", "-n", "beta-lock"]),
        ("lockctl acquire alpha be", ["alpha", "beta-lock"]),
        ("lockctl pause be", ["beta-lock"]),
    ]:
        assert typed(text) == text.split()[:2] + expected, text


def test_where_no_lock_can_stand_none_is_completed(typed):
    for text in ("lockctl run alpha beta-lock -- be", "lockctl run --info be", "lockctl run alpha=be"):
        assert typed(text) == text.split(), text
