"""docs/security.md: its five minutes as written, and its list of the audit log's fields against what is written."""

import json
import re

import pytest

from harness.lines import lines
from harness.paths import ROOT, binary
from harness.recipe import Host, ReadersServer, Recipe

PAGE = (ROOT / "docs" / "security.md").read_text()
AUDIT = ROOT / "crates" / "lockserver" / "src" / "audit"


def section(name):
    """The text below a heading, until the next one of its level."""
    return re.search(rf"^## {re.escape(name)}$(.*?)(?=^## |\Z)", PAGE, re.M | re.S).group(1)


@pytest.mark.root
def test_the_five_minutes_as_written(tmp_path):
    recipe = Recipe("five minutes", section("Five minutes to a server with a key"))
    recipe.check()
    host = Host(tmp_path)
    try:
        (host.bin / "lockserver").symlink_to(binary())
        server = ReadersServer(tmp_path, recipe.config(), host.prefix).start()
        try:
            for kind, step in recipe.steps():
                assert kind == "sh"
                host.shell(step)
        finally:
            server.stop()
        server.check_log()
        secret = (tmp_path / "ci.key").read_text().strip()
        assert secret.startswith("lsk_") and (tmp_path / "ci.key").stat().st_mode & 0o077 == 0
        config = server.config_path.read_text()
        assert secret not in config + server.log() and "SECRET_HASH=sha256:" in config
        assert "there are no keys" in server.log(), "it said so as long as it was open"
    finally:
        host.close()


@pytest.mark.root
@pytest.mark.parametrize("there", ["no lock", "no server"])
def test_nothing_of_the_five_minutes_works_without_its_lock_or_a_server(tmp_path, there):
    makes_key, uses = [text for kind, text in Recipe("five minutes", section("Five minutes to a server with a key")).blocks if kind == "sh"]
    host = Host(tmp_path)
    (host.bin / "lockserver").symlink_to(binary())
    server = ReadersServer(tmp_path, "[general]\nSERVER=0.0.0.0\nDEFAULT_LOCK=\n\n[lock another]\nSIZE=1\n", host.prefix)
    tried = 0
    try:
        if there == "no lock":
            server.start()
        *makes, reload = lines(makes_key)
        assert reload == "lockctl reload"
        status, said = host.run(["bash", "-ec", "\n".join(makes)])
        assert status == 0, said
        status, said = host.run(["bash", "-c", reload])
        assert (status == 0) == (there == "no lock") and said, said
        for line in lines(uses):
            # A list of locks is about no lock.
            if there == "no server" or "DefaultLock" in line:
                status, said = host.run(["bash", "-c", line.removesuffix(' || echo "status $?"')], LOCK_CONNECT_TIMEOUT="0.2")
                assert status != 0 and "at work" not in said, f"{line}\nended with {status}: {said}"
                tried += 1
    finally:
        server.stop()
        host.close()
    server.check_log()
    assert tried == (2 if there == "no lock" else 4)


def test_every_field_of_the_audit_log_is_described():
    text = section("The audit log")
    code = (AUDIT / "record.rs").read_text()
    written = set(re.findall(r'\.(?:text|number|seconds|maybe|plain)\("(\w+)"', code))
    written |= {name for pair in re.findall(r'\.who\(\["(\w+)", "(\w+)"\]', code) for name in pair}
    written |= {"time", "status"}
    described = set(re.findall(r"`(\w+)`", "".join(line for line in text.splitlines(True) if line.startswith("| `"))))
    assert len(written) > 15 and written - {"audit", "lines", "version"} <= described, written - described
    kinds = set(re.findall(r'"(\w+)"', code[code.index("fn word("):code.index("fn ticket")]))
    kinds |= set(re.findall(r'\.word\("(\w+)"\)', code)) | set(re.findall(r'"(\w+)"', re.search(r"\.word\(if .*?\)", code).group()))
    table = text[text.index("| `audit` |"):text.index("| field |")]
    assert kinds == set(re.findall(r"^\| `(\w+)` \|", table, re.M)) - {"audit"} and len(kinds) == 11, kinds
    # The examples are lines.
    for line in re.search(r"```json\n(.*?)```", text, re.S).group(1).splitlines():
        assert set(json.loads(line)) - {"audit"} <= described, line
