"""The audit log: a line for everything that somebody did, by whatever protocol, and none that says too much."""

import datetime
import json
import re
import resource
import signal

import pytest

from harness.api import Admin
from harness.keys import NONE, ask, new_key
from harness.wait import until
from harness.wire import Connection, call_body, http, request

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LOCKS = "[lock one]\nSIZE=1\n[lock two]\nSIZE=2\n[lock delayed]\nSIZE=2\nLOCK_DELAY=1\n[lock rests]\nSIZE=1\nMIN_HOLD_TIME=1\n[lock boards]\nSLOTS=b0, b1, b2\n[terraform]\nLOCKS=tf-*\n[lock tf-*]\nSIZE=1\n[lock fleetlock-*]\nSIZE=1\n"
FLEETLOCK = json.dumps({"client_params": {"id": "node1", "group": "web"}})
# Where all clients here come from.
CLIENT = "127.0.0.1"
INFO = json.dumps({"ID": "5", "Operation": "", "Info": "", "Who": "ada", "Version": "", "Created": "", "Path": ""})


class Log:
    """What one server has written."""

    def __init__(self, path):
        self.path, self.seen = path, 0

    def lines(self):
        """All lines; each is an object with a time and a kind."""
        text = self.path.read_text() if self.path.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        assert all(TIME.fullmatch(line["time"]) and line["audit"] for line in lines), text
        return lines

    def next(self, count=1):
        """So many lines that nobody asked for yet, without what differs from run to run."""
        lines = until(lambda: (found := self.lines()[self.seen:]) and len(found) >= count and found, 20, f"{count} lines")
        self.seen += count
        assert len(lines) == count, lines
        return [{name: value for name, value in line.items()
                 if name not in ("time", "number", "token", "waited_s", "held_s", "info", "withholding", "until")} for line in lines]


@pytest.fixture
def audited(make_server):
    """A server with keys and an audit log: (server, its log, the secrets of ci and ops)."""
    (ci, one), (ops, two) = new_key("ci", LOCKS="one, two, delayed, rests, boards, fleetlock-*, tf-*"), new_key("ops", RIGHTS="admin")
    server = make_server(sections=NONE + one + two + LOCKS)
    log = Log(server.directory / "audit.log")
    server.configure({"AUDIT_LOG": log.path}, NONE + one + two + LOCKS)
    server.start()
    assert log.next() == [{"audit": "opened", "version": log.lines()[0]["version"]}]
    return server, log, ci, ops


def basic(server, *call, secret):
    """One XML-RPC call with a key's secret."""
    return http(server.at, request(call_body(*call), [f"Authorization: Bearer {secret}"]))


def test_tickets_of_every_protocol(audited):
    server, log, ci, ops = audited
    here = CLIENT
    mine = {"key": "ci", "from": here}
    by_me = {"by_key": "ci", "by_from": here}

    def granted(lock):
        return {"audit": "granted", "lock": lock, **mine}

    def released(lock):
        return {"audit": "released", "lock": lock, **mine, **by_me}
    ticket = json.loads(ask(server, ci, "/v1/locks/one/tickets", "POST", '{"info": "a backup"}')[1])
    assert log.next() == [granted("one")]
    line = log.lines()[-1]
    assert (line["number"], line["token"], line["info"]) == (ticket["number"], ticket["token"], "a backup")
    assert ask(server, ci, f"/v1/tickets/{ticket['id']}", "DELETE")[0] == 200
    assert log.next() == [released("one")]
    assert log.lines()[-1]["number"] == ticket["number"] and log.lines()[-1]["held_s"] >= 0

    _, ident = basic(server, "query_lock", "one", "old", secret=ci).value()
    assert basic(server, "get_lock", "one", ident, secret=ci).value() == [True, True]
    assert basic(server, "release_lock", "one", ident, secret=ci).value() == [True, True]
    assert log.next(2) == [granted("one"), released("one")]

    for path in ("/v1/pre-reboot", "/v1/steady-state"):
        assert ask(server, ci, path, "POST", FLEETLOCK, ["fleet-lock-protocol: true"])[0] == 200
    assert log.next(2) == [granted("fleetlock-web"), released("fleetlock-web")]
    for method in ("LOCK", "UNLOCK", "LOCK"):
        assert ask(server, ci, "/v1/terraform/tf-net", method, INFO)[0] == 200
    assert log.next(3) == [granted("tf-net"), released("tf-net"), granted("tf-net")]
    # An administrator's force-unlock sends no body.
    assert ask(server, ops, "/v1/terraform/tf-net", "UNLOCK")[0] == 200
    ops_did = {"by_key": "ops", "by_from": here}
    assert log.next() == [
        {"audit": "ended", "lock": "tf-net", **mine, "ended_as": "revoked", **ops_did, "why": "force-unlock"}]


def test_ends_by_others_by_time_and_by_a_lost_client(audited):
    server, log, ci, ops = audited
    here = CLIENT
    mine = {"key": "ci", "from": here}
    ops_did = {"by_key": "ops", "by_from": here}
    numbers = [json.loads(ask(server, ci, "/v1/locks/two/tickets", "POST")[1])["number"] for _ in range(2)]
    log.next(2)
    assert ask(server, ops, f"/v1/locks/two/tickets/{numbers[0]}?reason=its+host+is+gone", "DELETE")[0] == 200
    assert log.next() == [
        {"audit": "ended", "lock": "two", **mine, "ended_as": "revoked", **ops_did, "why": "its host is gone"}]
    assert ask(server, ci, f"/v1/locks/two/tickets/{numbers[1]}", "DELETE")[0] == 200
    assert log.next() == [
        {"audit": "ended", "lock": "two", **mine, "ended_as": "revoked", "by_key": "ci", "by_from": here}]
    ask(server, ci, "/v1/locks/two/tickets", "POST", '{"ttl_s": 1}')
    (_, lost) = log.next(2)
    assert lost == {"audit": "ended", "lock": "two", **mine, "ended_as": "lost"}
    # A client that hangs up while it waits leaves nothing behind but this line.
    ask(server, ci, "/v1/locks/one/tickets", "POST")
    with Connection(server.at) as connection:
        body = '{"wait_s": 60}'
        connection.send(request(body, [f"Authorization: Bearer {ci}", f"Content-Length: {len(body)}"], "POST",
                                "/v1/locks/one/tickets", length=False))
        until(lambda: json.loads(ask(server, ops, "/v1/locks/one")[1])["queued"] == 1, 20, "it waits")
    (_, gone) = log.next(2)
    assert gone["audit"] == "ended" and gone["ended_as"] == "cancelled", gone
    # Both ends of a deletion: the act, and the ticket that it ended.
    assert ask(server, ops, "/v1/locks/one?force=true", "DELETE")[0] == 204
    assert log.next(2) == [
        {"audit": "ended", "lock": "one", **mine, "ended_as": "lock_deleted", **ops_did},
        {"audit": "act", "request": "DELETE /v1/locks/{lock}", "lock": "one", "key": "ops", "from": here, "done": True,
         "status": 204}]


def test_administrative_acts(audited):
    server, log, ci, ops = audited
    here = CLIENT
    by_ops = {"key": "ops", "from": here}

    def act(request, lock=None, who=by_ops, **more):
        return {"audit": "act", "request": request, **({"lock": lock} if lock else {}), **who, **more}
    for method, path, body, pattern, lock, change, status in [
        ("PUT", "/v1/locks/new", '{"size": 3}', "/v1/locks/{lock}", "new", {"size": 3}, 201),
        ("PATCH", "/v1/locks/new", '{"paused": true, "reason": "repair"}', "/v1/locks/{lock}", "new",
         {"paused": True, "reason": "repair"}, 200),
        ("PATCH", "/v1/locks/none", '{"size": 3}', "/v1/locks/{lock}", "none", {"size": 3}, 404),
        ("DELETE", "/v1/locks/new/withheld", "", "/v1/locks/{lock}/withheld", "new", None, 200),
        ("DELETE", "/v1/locks/new", "", "/v1/locks/{lock}", "new", None, 204),
    ]:
        assert ask(server, ops, path, method, body)[0] == status
        (line,) = log.next()
        changed = line.pop("change", None)
        assert changed is None if change is None else change.items() <= changed.items()
        assert line == act(f"{method} {pattern}", lock, done=status < 300, status=status)
    server.signal(signal.SIGHUP)
    opened, by_signal = log.next(2)
    assert opened["audit"] == "opened"
    assert by_signal == act("SIGHUP", who={"key": None, "from": "signal"}, done=True)
    assert ask(server, ops, "/v1/reload", "POST")[0] == 200
    assert log.next(2)[1] == act("POST /v1/reload", done=True, status=200)
    # A size in the file that is too small for who waits ends them: nobody in particular did it.
    with Admin(server) as admin:
        admin.ok("PATCH", "/v1/locks/one", {"size": 2})
        admin.take("one")
        admin.ok("POST", "/v1/locks/one/tickets", {"permits": 2, "queue": True}, 202)
        (patched, _) = log.next(2)
        assert patched["from"].startswith("uid:") and patched["key"] is None
        admin.ok("PATCH", "/v1/locks/one?force=true", {"size": 1})
        (ended, _) = log.next(2)
        assert ended["ended_as"] == "oversized" and ended["by_from"].startswith("uid:")


def ends_in(line):
    """Seconds from the time of a line to the end that it tells."""
    begin, end = (datetime.datetime.fromisoformat(line[name].replace("Z", "+00:00")) for name in ("time", "until"))
    return (end - begin).total_seconds()


def without_acts(lines):
    """Lines of what happened, without those of requests and grants."""
    return [line for line in lines if line["audit"] not in ("act", "granted")]


def test_permits_withheld_after_a_ticket(audited):
    server, log, ci, ops = audited
    mine, by_me = {"key": "ci", "from": CLIENT}, {"by_key": "ci", "by_from": CLIENT}
    by_ops = {"by_key": "ops", "by_from": CLIENT}

    def take(lock, body="{}"):
        status, text = ask(server, ci, f"/v1/locks/{lock}/tickets", "POST", body)
        assert status == 201, text
        log.next()
        return json.loads(text)
    # Lost: time begins it, and time ends it.
    lost = take("delayed", '{"permits": 2, "ttl_s": 1}')
    why = {"lock": "delayed", "cause": "lost_holder", "permits": 2, "ended_as": "lost"}
    assert log.next(3) == [{"audit": "ended", "lock": "delayed", **mine, "ended_as": "lost"}, {"audit": "withheld", **why}, {"audit": "restored", **why}]
    begin, end = log.lines()[-2:]
    assert begin["withholding"] == end["withholding"] == lost["number"] and ends_in(begin) == 1 and "until" not in end
    # Revoked: an administrator begins it, with his words.
    number = take("delayed")["number"]
    assert ask(server, ops, f"/v1/locks/delayed/tickets/{number}?reason=its+host+is+gone", "DELETE")[0] == 200
    why = {"lock": "delayed", "cause": "lost_holder", "permits": 1, "ended_as": "revoked"}
    assert log.next(3) == [
        {"audit": "ended", "lock": "delayed", **mine, "ended_as": "revoked", **by_ops, "why": "its host is gone"},
        {"audit": "withheld", **why, **by_ops, "why": "its host is gone"}, {"audit": "restored", **why, "why": "its host is gone"}]
    # The lock's own rest, and one that the release asks for.
    for lock, query, rest in (("rests", "", 1), ("two", "?keep_s=1", 1)):
        ticket = take(lock)
        assert ask(server, ci, f"/v1/tickets/{ticket['id']}{query}", "DELETE")[0] == 200
        why = {"lock": lock, "cause": "cooldown", "permits": 1, "ended_as": "released"}
        assert log.next(3) == [
            {"audit": "released", "lock": lock, **mine, **by_me}, {"audit": "withheld", **why, **by_me}, {"audit": "restored", **why}]
        assert 0 < ends_in(log.lines()[-2]) <= rest
    # Given back as broken: until an administrator restores it.
    ticket = take("boards")
    assert ask(server, ci, f"/v1/tickets/{ticket['id']}?withhold=no+ping", "DELETE")[0] == 200
    why = {"lock": "boards", "cause": "broken", "permits": 1, "slot_names": ["b0"], "ended_as": "released"}
    assert log.next(2)[1] == {"audit": "withheld", **why, **by_me, "why": "no ping"}
    assert "until" not in log.lines()[-1]
    assert ask(server, ops, f"/v1/locks/boards/withheld?number={ticket['number']}", "DELETE")[0] == 200
    assert without_acts(log.next(2)) == [{"audit": "restored", **why, **by_ops, "why": "no ping"}]


def test_permits_withheld_by_somebodys_word(audited):
    server, log, ci, ops = audited
    by_ops = {"by_key": "ops", "by_from": CLIENT}

    def does(method, path, body, *lines):
        assert ask(server, ops, f"/v1/locks/boards/{path}", method, body)[0] == 200
        assert without_acts(log.next(len(lines) + 1)) == list(lines)

    def withheld(cause, permits, **more):
        return {"audit": "withheld", "lock": "boards", "cause": cause, "permits": permits, **more}

    def restored(*of, **more):
        return {**withheld(*of, **more), "audit": "restored"}
    firmware = {**by_ops, "why": "firmware"}
    # One of the two is held: the line is written when it is said, not when the slot comes back.
    status, text = ask(server, ci, "/v1/locks/boards/tickets", "POST", '{"slots": ["b1"]}')
    assert status == 201 and log.next()[0]["audit"] == "granted"
    does("POST", "withheld", '{"slots": ["b1", "b2"], "reason": "firmware"}', withheld("admin", 2, slot_names=["b1", "b2"], **firmware))
    assert ask(server, ci, f"/v1/tickets/{json.loads(text)['id']}", "DELETE")[0] == 200
    assert [line["audit"] for line in log.next()] == ["released"]
    does("DELETE", "withheld?slots=b2", "", restored("admin", 1, slot_names=["b2"], **firmware))
    does("DELETE", "withheld", "", restored("admin", 1, slot_names=["b1"], **firmware))
    does("DELETE", "withheld", "")
    # With an end, which is nobody's.
    does("POST", "withheld", '{"permits": 2, "until_s": 1}', withheld("admin", 2, **by_ops))
    assert ends_in(next(line for line in reversed(log.lines()) if line["audit"] == "withheld")) == 1
    assert log.next() == [restored("admin", 2, slot_names=["b0", "b1"])]
    # A report, more of it, less of it, and its end.
    does("PUT", "outside", '{"in_use": 1, "until_s": 60}', withheld("outside", 1, **by_ops))
    does("PUT", "outside", '{"in_use": 3, "until_s": 60}', withheld("outside", 2, **by_ops))
    does("PUT", "outside", '{"in_use": 3, "until_s": 60}')
    does("PUT", "outside", '{"in_use": 2, "until_s": 60}', restored("outside", 1, slot_names=["b2"], **by_ops))
    does("DELETE", "outside", "", restored("outside", 2, slot_names=["b0", "b1"], **by_ops))
    does("PUT", "outside", '{"in_use": 2, "until_s": 1}', withheld("outside", 2, **by_ops))
    assert log.next() == [restored("outside", 2, slot_names=["b0", "b1"])]
    # What is refused withholds nothing.
    assert ask(server, ops, "/v1/locks/boards/withheld", "POST", '{"permits": 4}')[0] == 400
    assert [line["audit"] for line in log.next()] == ["act"]


def test_refusals(audited):
    server, log, ci, ops = audited
    here = CLIENT
    query = call_body("query_lock", "three", "x")
    observer = {"key": "ci", "from": here}
    nobody = {"key": None, "from": here}
    fleet = ["fleet-lock-protocol: true"]
    for secret, method, path, body, headers, status, line in [
        (None, "GET", "/v1/locks", "", [], 401, {"request": "GET /v1/locks", **nobody}),
        (None, "GET", "/v1/locks/one", "", [], 401, {"request": "GET /v1/locks/{lock}", "lock": "one", **nobody}),
        ("lsk_wrong", "GET", "/v1/status", "", [], 401, {"request": "GET /v1/status", **nobody}),
        (ci, "PUT", "/v1/locks/one", "{}", [], 403, {"request": "PUT /v1/locks/{lock}", "lock": "one", **observer}),
        (ci, "POST", "/v1/locks/three/tickets", "", [], 403,
         {"request": "POST /v1/locks/{lock}/tickets", "lock": "three", **observer}),
        (ci, "POST", "/v1/reload", "", [], 403, {"request": "POST /v1/reload", **observer}),
        (ci, "GET", "/v1/locks", "", ["Origin: https://evil.example"], 403, {"request": "GET /v1/locks", **nobody}),
        (ci, "GET", "/v1/locks", "", ["Sec-Fetch-Site: cross-site"], 403, {"request": "GET /v1/locks", **nobody}),
        (None, "POST", "/RPC2", query, [], 401, {"request": "POST /RPC2", **nobody}),
        # A fault to its client, and a refusal all the same.
        (ci, "POST", "/RPC2", query, [], 200, {"request": "POST /RPC2", **observer}),
        (None, "POST", "/v1/pre-reboot", FLEETLOCK, fleet, 401, {"request": "POST /v1/pre-reboot", **nobody}),
        (None, "LOCK", "/v1/terraform/tf-net", INFO, [], 401,
         {"request": "LOCK /v1/terraform/{lock}", "lock": "tf-net", **nobody}),
        (None, "GET", "/metrics", "", [], 401, {"request": "GET /metrics", **nobody}),
        (None, "GET", "/", "", [], 401, {"request": "GET /", **nobody}),
        ("lsk_wrong", "GET", "/no/such/path", "", [], 401, {"request": "GET", **nobody}),
    ]:
        key = [f"Authorization: Bearer {secret}"] if secret else []
        response = http(server.at, request(body, [*key, *headers], method, path))
        assert response.status == status, (method, path, response.text)
        (said,) = log.next()
        assert said.pop("why") and said == {"audit": "refused", **line, "status": status}, said
    bad_host = http(server.at, b"GET /v1/locks HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert bad_host.status == 403 and "evil.example" in log.next()[0]["why"]
    # Somebody else's ticket, known by its number.
    number = json.loads(ask(server, ops, "/v1/locks/one/tickets", "POST")[1])["number"]
    log.next()
    assert ask(server, ci, f"/v1/locks/one/tickets/{number}", "DELETE")[0] == 403
    assert log.next()[0]["status"] == 403 and log.lines()[-1]["number"] == number


def test_who_is_refused_all_the_time_does_not_fill_it(audited, report):
    server, log, ci, _ = audited
    with Connection(server.at) as connection:
        for _ in range(3000):
            connection.send(request(b"", method="GET", path="/v1/locks"))
            assert connection.read().status == 401
    assert ask(server, ci, "/v1/locks/one/tickets", "POST")[0] == 201
    until(lambda: log.lines()[-1]["audit"] == "granted", 20, "the line of the grant")
    refused = [line for line in log.lines() if line["audit"] == "refused"]
    told = len(refused) + sum(line.get("unlisted", 0) for line in refused)
    assert len(refused) < 1500 and told > 1500
    report(f"3000 refusals: {len(refused)} lines, which tell of {told}")


def test_it_follows_a_reload_and_a_rotation(make_server):
    server = make_server(sections=LOCKS).start()
    one, two = (Log(server.directory / name) for name in ("one.log", "two.log"))

    def reload(place, path="/v1/reload"):
        server.configure({"AUDIT_LOG": place} if place else {}, LOCKS)
        with Admin(server) as admin:
            return admin.call("POST", path)

    def take():
        ticket = json.loads(ask(server, None, "/v1/locks/one/tickets", "POST")[1])
        assert ask(server, None, f"/v1/tickets/{ticket['id']}", "DELETE")[0] == 200
    take()
    assert reload(one.path)[0] == 200
    assert [line["audit"] for line in one.next(2)] == ["opened", "act"]
    assert one.path.stat().st_mode & 0o777 & ~0o640 == 0
    take()
    assert [line["audit"] for line in one.next(2)] == ["granted", "released"]
    # As logrotate does it.
    rotated = one.path.with_suffix(".1")
    one.path.rename(rotated)
    server.signal(signal.SIGHUP)
    until(lambda: one.path.exists() and len(one.lines()) == 2, 20, "the new file")
    take()
    until(lambda: len(one.lines()) == 4, 20, "lines in the new file")
    assert len(rotated.read_text().splitlines()) == 4, "and none in the old one"
    assert reload(two.path)[0] == 200
    take()
    assert [line["audit"] for line in two.next(4)] == ["opened", "act", "granted", "released"]
    assert reload("journal")[0] == 200
    take()
    until(lambda: '"audit":"released"' in server.log(), 20, "the journal has it")
    assert reload(None)[0] == 200
    until(lambda: '"audit":"closed"' in server.log(), 20, "its last line")
    take()
    assert server.log().count('"audit":"released"') == 1 and len(two.lines()) == 4
    assert reload(two.path)[0] == 200
    server.stop()
    assert [line["audit"] for line in two.next(3)] == ["opened", "act", "closed"], "all is written when the server ends"


def test_without_it_the_server_does_not_go_on_as_if_it_had_one(make_server):
    server = make_server({"AUDIT_LOG": "/no/such/directory/audit.log"}).spawn()
    assert server.ended() == 78
    assert "/no/such/directory/audit.log cannot be opened" in server.log()
    good = server.directory / "audit.log"
    server.configure({"AUDIT_LOG": good})
    server.start()
    server.configure({"AUDIT_LOG": "/no/such/directory/audit.log"}, LOCKS)
    with Admin(server) as admin:
        status, value = admin.call("POST", "/v1/reload")
        assert status >= 400 and "/no/such/directory/audit.log cannot be opened" in value["detail"], value
        assert admin.call("GET", "/v1/locks/two")[0] == 404, "nothing of the reload is in force"
        admin.take("DefaultLock")
    until(lambda: '"granted"' in good.read_text(), 20, "it goes on where it was")


def test_a_full_disk_delays_nobody_and_loses_nothing_that_finds_room(make_server):
    def small_files():
        # Room for some lines and no more; the store is in memory, the log is quiet.
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    server = make_server(store="memory", preexec=small_files)
    log = Log(server.directory / "audit.log")
    server.configure({"AUDIT_LOG": log.path, "LOGLEVEL": "error", "DEFAULT_LOCK_SIZE": 1000})
    server.start()
    numbers = []
    with Connection(server.at) as connection:
        for _ in range(100):
            connection.send(request("", ["Content-Length: 0"], "POST", "/v1/locks/DefaultLock/tickets", length=False))
            answer = connection.read()
            assert answer.status == 201, answer.text
            numbers.append(json.loads(answer.text)["number"])
    assert log.path.stat().st_size <= 4096
    assert until(lambda: server.log().count("cannot be written") == 1 and server.log(), 20, "one error in the log")
    metrics = ask(server, path="/metrics")[1]
    waiting = int(re.search(r"^lockserver_audit_lines_waiting (\d+)$", metrics, re.M).group(1))
    assert waiting > 0 and "\nlockserver_audit_lines_lost_total 0\n" in metrics
    found = []
    # Each file has room for a part of them.
    for part in range(100):
        log.path.rename(log.path.with_suffix(f".{part}"))
        size = len(list(server.directory.glob("audit.*")))
        server.signal(signal.SIGHUP)
        until(lambda: log.path.exists(), 20, "the new file")
        until(lambda: log.path.stat().st_size > 3000 or '"SIGHUP"' in log.path.read_text(), 20, "its lines")
        assert len(list(server.directory.glob("audit.*"))) == size + 1
        found = [json.loads(line).get("number") for path in server.directory.glob("audit.*")
                 for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        if set(numbers) <= set(found):
            break
    assert sorted(number for number in found if number) == numbers, "each once"
