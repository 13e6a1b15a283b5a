"""Command lines with a mistake in them: what lockctl says, and that nothing is done."""

import json

import pytest

from harness.ctl import run


@pytest.fixture
def billing(make_server):
    """A server with the lock `billing`, of which somebody holds a permit."""
    server = make_server(sections="[lock billing]\nSIZE=4\n").start()
    assert run(server, "acquire", "billing").returncode == 0
    return server


def status(server):
    return json.loads(run(server, "--json", "status", "billing").stdout)


@pytest.mark.parametrize("words", [
    ("revoke", "billing", "--info", "", "--yes"),
    ("revoke", "billing", "--from", "", "--yes"),
    ("revoke", "billing", "--of-key", "", "--yes"),
    ("revoke", "billing", "--holders", "--info=", "--yes"),
    ("status", "--holder", ""),
], ids=" ".join)
def test_a_filter_that_is_empty_is_a_mistake(billing, words):
    done = run(billing, *words)
    assert done.returncode == 64 and done.stdout == "" and "a value is required" in done.stderr, done
    assert status(billing)["holding"] == 1


@pytest.mark.parametrize("words", [
    ("status", ""), ("pause", ""), ("delete", ""), ("set", "", "size=2"), ("resize", "", "2"), ("revoke", "", "--holders", "--yes"),
    ("history", ""), ("watch", ""), ("restore", ""),
], ids=" ".join)
def test_a_name_that_is_empty_is_told(billing, words):
    done = run(billing, *words)
    assert (done.returncode, done.stdout, done.stderr) == (64, "", "lockctl: the name of the lock is missing\n")


def test_a_check_that_cannot_be_read_is_unknown(billing):
    at = f"http://{billing.address}:{billing.port}"
    for words in [("check",), ("check", "billing", "-w", "x"), ("--server", at, "check", "billing", "-w", "x"), ("--json", "check"),
                  ("--server", at, "check"), ("--frob", "check", "billing"), ("check", "")]:
        done = run(billing, *words)
        assert done.returncode == 3, (words, done)
    # Only where it is the command.
    for words in [("run", "check"), ("--server", "check", "status", "--frob"), ("status", "check", "--frob")]:
        assert run(billing, *words).returncode == 64, words


def test_a_check_of_a_lock_that_is_not_there_says_what_was_meant(billing):
    done = run(billing, "check", "biling")
    assert done.returncode == 3
    assert done.stdout.startswith("LOCK UNKNOWN - there is no such lock: `biling`; did you mean `billing`?"), done


def test_a_command_without_dashes_is_told_wherever_the_options_stand(billing):
    at = f"http://{billing.address}:{billing.port}"
    for before in [(), ("--server", at), ("--json",)]:
        done = run(billing, *before, "run", "billing", "true")
        assert done.returncode == 64 and "the command is missing: write -- before it" in done.stderr, (before, done)
    done = run(billing, "--server", at, "run", "billing")
    assert done.returncode == 64 and "<COMMAND>" in done.stderr, done


def test_a_wrong_address_in_a_file_is_told_with_the_file(tmp_path):
    file = tmp_path / "lockserver" / "client.conf"
    file.parent.mkdir()
    file.write_text("LOCK_SERVER=ftp://lock.example.com\n")
    done = run(None, "status", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 64 and done.stderr.startswith(f"lockctl: {file}: LOCK_SERVER: "), done
    assert "ftp://lock.example.com" in done.stderr, done
    done = run("ftp://lock.example.com", "status", env={"XDG_CONFIG_HOME": str(tmp_path)})
    assert done.returncode == 64 and str(file) not in done.stderr, done


def test_restore_says_whether_there_was_something(billing):
    admin = f"unix:{billing.directory}/admin.sock"
    nothing = "nothing to restore: no permit of `billing` is withheld\n"
    done = run(admin, "restore", "billing")
    assert (done.returncode, done.stdout) == (0, nothing), done
    assert run(admin, "withhold", "billing", "2").returncode == 0
    done = run(admin, "restore", "billing")
    assert (done.returncode, done.stdout) == (0, "restored the withheld permits of `billing`\n"), done
    assert run(admin, "restore", "billing").stdout == nothing
    done = run(admin, "restore", "billing", "--number", "99")
    assert done.returncode == 76 and "has no withholding of this number" in done.stderr, done
