"""A broad run, and then a search of everything that it left: no secret of a key and no id of a ticket may be in it."""

import base64
import json
import os
import signal
import socket
import subprocess
import uuid

from harness.api import Admin
from harness.keys import NONE, new_key
from harness.paths import lockctl
from harness.tls import Authority
from harness.wait import until
from harness.wire import Connection, call_body, http, request

LOCKS = "[lock one]\nSIZE=1\n[lock many]\nSIZE=100\n[terraform]\nLOCKS=tf-*\n[lock tf-*]\nSIZE=1\n[lock fleetlock-*]\nSIZE=1\n"


class Run:
    """One server, what is secret about it, and what it has said to those who must not be told."""

    def __init__(self, server):
        self.server, self.secrets, self.said = server, set(), {}

    def hide(self, secret, user=None):
        """Note something that nobody else may see, in every form in which it travels."""
        self.secrets.add(secret)
        for text in (f"{user}:{secret}", f":{secret}", secret):
            self.secrets.add(base64.b64encode(text.encode()).decode().rstrip("="))
        return secret

    def hide_ticket(self, ident):
        """A page may show the first 8 characters."""
        self.secrets.update((ident[:13], ident.replace("-", "")[:13], ident.upper()[:13]))
        return ident

    def keep(self, where, text):
        """Note something that was said, to be searched at the end."""
        self.said[where] = self.said.get(where, "") + text

    def send(self, secret, method, path, body="", headers=(), user=None):
        """One request; an answer that is an error is kept for the search."""
        key = []
        if user:
            key = [f"Authorization: Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"]
        elif secret:
            key = [f"Authorization: Bearer {secret}"]
        data = body.encode() if isinstance(body, str) else body
        response = http(self.server.at, request(data, [*key, f"Content-Length: {len(data)}", *headers], method, path,
                                                length=False))
        head = "".join(f"{name}: {value}\n" for name, value in response.headers.items())
        if response.status >= 400 or b"<fault>" in response.body:
            self.keep(f"{response.status} for {method}", head + response.text)
        return response

    def take(self, secret, lock="many", **body):
        """A ticket over JSON; its id."""
        response = self.send(secret, "POST", f"/v1/locks/{lock}/tickets", json.dumps(body))
        assert response.status in (201, 202), response.text
        return self.hide_ticket(json.loads(response.text)["id"])

    def xml(self, secret, *call, **options):
        """One XML-RPC call."""
        return self.send(secret, "POST", "/RPC2", call_body(*call), **options)

    def lockctl(self, secret, *words):
        """lockctl, whose words are kept."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
        env = {**env, "LOCK_SERVER": f"http://{self.server.address}:{self.server.port}", "LOCK_KEY": secret}
        done = subprocess.run([lockctl(), *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.keep("lockctl", done.stdout + done.stderr)
        return done

    def search(self):
        """Everything that was said and written, but for the store itself, which has to know the tickets."""
        places = dict(self.said)
        files = [path for path in self.server.directory.rglob("*")
                 if path.is_file() and not path.name.startswith(("lockserver.db", "lockserver.conf"))]
        places.update({path.name: path.read_text(errors="replace") for path in files})
        found = [(where, secret) for where, text in places.items() for secret in self.secrets if secret in text]
        assert not found, found
        return places


def errors(run, secret, wrong, ticket):
    """Everything that can be refused, with the right key and with wrong ones."""
    for key, user in [(secret, None), (secret, "ci"), (secret, "ops"), (wrong, None), (wrong, "ci"), (None, None)]:
        # The answers to wrong keys are kept back, so there are few.
        known = key is None or (key == secret and user != "ops")
        for method, path, body in [
            ("GET", f"/v1/tickets/{ticket}?wait_s=x", ""),
            ("GET", f"/v1/tickets/{ticket}?unknown=1", ""),
            ("GET", f"/v1/tickets/{ticket}/nothing", ""),
            ("PUT", f"/v1/tickets/{ticket}", ""),
            ("GET", f"/v1/{ticket}", ""),
            ("GET", f"/{ticket}", ""),
            ("POST", f"/v1/tickets/{ticket}/renew", '{"ttl_s": "long"}'),
            ("POST", f"/v1/tickets/{ticket}/renew", '{"ttl_s": 0.1}'),
            ("POST", "/v1/locks/one/tickets", '{"wait_s": 1e9}'),
            ("POST", "/v1/locks/nowhere/tickets", ""),
            ("POST", "/v1/locks/one/tickets", "{"),
            ("DELETE", "/v1/locks/one", ""),
            ("PATCH", "/v1/locks/one", '{"size": 3}'),
            ("DELETE", "/v1/locks/many/tickets/1", ""),
            ("DELETE", f"/v1/locks/many/tickets/{ticket}", ""),
            ("DELETE", "/v1/locks/many/tickets?request_id=short", ""),
            ("POST", "/v1/pre-reboot", "{}"),
            ("LOCK", "/v1/terraform/tf-net", "{}"),
            ("GET", "/metrics?x", ""),
        ][:None if known else 4]:
            run.send(key, method, path, body, user=user)
        for call in [("get_lock", "many", ticket), ("get_lock", "nowhere", ticket), ("get_lock", ticket, "many"),
                     ("release_lock", "many"), ("no_such_method", ticket), ("get_lock", "many", ticket, ticket)][:None if known else 1]:
            run.xml(key, *call, user=user)
        if known:
            run.send(key, "POST", "/RPC2", "<methodCall><broken>", user=user)
    for headers in (["Origin: https://evil.example"], ["Sec-Fetch-Site: cross-site"], ["Host: evil.example"],
                    ["Authorization: Digest nonsense"], ["Authorization: Bearer one", "Authorization: Bearer two"]):
        run.send(None if "Authorization" in headers[0] else secret, "GET", f"/v1/tickets/{ticket}", headers=headers)


def tickets(run, secret):
    """Every protocol and every end of a ticket, one of them that of somebody else."""
    held = [run.take(secret, info="a job") for _ in range(3)]
    request_id = run.hide_ticket(uuid.uuid4().hex)
    held.append(run.take(secret, request_id=request_id))
    assert run.send(secret, "POST", "/v1/locks/many/tickets", json.dumps({"request_id": request_id, "info": "x"})).status == 422
    assert run.send(secret, "DELETE", f"/v1/locks/many/tickets?request_id={request_id}").status == 200
    assert run.send(secret, "POST", f"/v1/tickets/{held[0]}/renew").status == 200
    assert run.send(secret, "DELETE", f"/v1/tickets/{held[0]}").status == 200
    assert run.send(secret, "POST", f"/v1/tickets/{held[0]}/renew").status == 410
    first = run.take(secret, "one")
    queued = run.take(secret, "one", queue=True)
    assert run.send(secret, "POST", "/v1/locks/one/tickets").status == 409
    assert run.send(secret, "DELETE", f"/v1/tickets/{first}").status == 200
    assert run.send(secret, "GET", f"/v1/tickets/{queued}?wait_s=5").status == 200
    assert run.send(secret, "DELETE", f"/v1/tickets/{queued}").status == 200
    for user in (None, "ci"):
        ident = run.hide_ticket(run.xml(secret, "query_lock", "many", "old", user=user).value()[1])
        assert run.xml(secret, "get_lock", "many", ident, user=user).value() == [True, True]
        assert run.xml(secret, "release_lock", "many", ident, user=user).value() == [True, True]
    body = json.dumps({"client_params": {"id": "node1", "group": "web"}})
    for path in ("/v1/pre-reboot", "/v1/steady-state"):
        assert run.send(secret, "POST", path, body, ["fleet-lock-protocol: true"]).status == 200
    info = json.dumps({"ID": "tf-1", "Operation": "", "Info": "", "Who": "ada", "Version": "", "Created": "", "Path": ""})
    for method in ("LOCK", "UNLOCK"):
        assert run.send(secret, method, "/v1/terraform/tf-net", info).status == 200
    return held[1:3]


def look(run, secret):
    """What observers and machines read: none of it tells more than a number."""
    for path in ("/v1/locks", "/v1/locks/many", "/v1/tickets?mine", "/v1/status", "/metrics", "/", "/openapi.json", "/healthz"):
        response = run.send(secret, "GET", path)
        assert response.status == 200
        run.keep(path, response.text)
    page = run.send(secret, "GET", "/", headers=["Accept: text/html"])
    run.keep("the page", page.text)


def test_no_secret_and_no_id_is_anywhere(make_server, report):
    (ci, one), (ops, two) = new_key("ci"), new_key("ops", RIGHTS="admin")
    server = make_server()
    run = Run(server)
    run.hide(ci, "ci")
    run.hide(ops, "ops")
    wrong = run.hide(ci[:-1] + ("A" if ci[-1] != "A" else "B"), "ci")
    general = {"LOGLEVEL": "superdebug", "LOG_FILE": "it.log", "AUDIT_LOG": server.directory / "audit.log"}
    server.configure(general, NONE + one + two + LOCKS)
    server.start()
    events = Connection(server.at)
    events.send(request(b"", [f"Authorization: Bearer {ops}"], "GET", "/v1/events", length=False))

    left = tickets(run, ci)
    errors(run, ci, wrong, left[0])
    look(run, ops)
    # Administrators by their socket, by a key, and a client that is not one.
    number = json.loads(run.send(ci, "GET", "/v1/tickets?mine").text)["tickets"][0]["number"]
    assert run.send(ops, "DELETE", f"/v1/locks/many/tickets/{number}?reason=test").status == 200
    with Admin(server) as admin:
        run.keep("admin", json.dumps(admin.ok("PATCH", "/v1/locks/one", {"size": 2})))
        run.keep("admin", json.dumps(admin.call("POST", f"/v1/tickets/{left[0]}/renew")))
    for words in [("status",), ("run", "one", "--", "true"), ("run", "nowhere", "--", "true"), ("release", left[1]),
                  ("release", left[1]), ("resize", "one", "3")]:
        for secret in (ci, ops, wrong):
            run.lockctl(secret, *words)
    # Reloads: a good one; the secret where its digest belongs; as JSON from here on.
    server.configure({**general, "LOG_FORMAT": "json"}, NONE + one + two + LOCKS)
    assert run.send(ops, "POST", "/v1/reload").status == 200
    server.configure(general, NONE + one + two + LOCKS + f"[key bad]\nSECRET_HASH={wrong}\n[key worse]\nSECRET_HASH={ops}, sha256:1\n")
    assert run.send(ops, "POST", "/v1/reload").status == 409
    server.signal(signal.SIGHUP)
    checked = subprocess.run([*server.command()[:1], "--config", str(server.config_path), "check-config"],
                             capture_output=True, text=True, timeout=30)
    assert checked.returncode == 78
    run.keep("check-config", checked.stdout + checked.stderr)
    server.configure({**general, "LOG_FORMAT": "json"}, NONE + one + two + LOCKS)
    # Bytes that are no request.
    for data in (f"GET /v1/tickets/{left[0]} HTTP/9\r\n\r\n", f"{ci}\r\n\r\n", f"GET / HTTP/1.1\r\nAuthorization: {'x' * 20000}{ci}\r\n\r\n"):
        with Connection(server.at) as connection:
            connection.send(data.encode())
            connection.socket.shutdown(socket.SHUT_WR)
            run.keep("no request", connection.eof().decode(errors="replace"))
    waits = run.take(ci, "one")
    server.restart()
    for ident in (left[1], waits):
        run.send(ci, "GET", f"/v1/tickets/{ident}")
    more = tickets(run, ci)
    errors(run, ops, wrong, more[0])
    look(run, ops)
    run.keep("events", events.eof().decode(errors="replace"))
    server.stop()
    places = run.search()

    # The search would have found something: everything that it is about was there.
    assert "event: granted" in places["events"] and "event: ended" in places["events"]
    assert places["audit.log"].count('"audit":"refused"') > 40 and places["audit.log"].count('"audit":"granted"') > 10
    for needle in ("[DEBUG]", '"level":"superdebug"' if '"level":"superdebug"' in places["it.log"] else '"level":"debug"'):
        assert needle in places["it.log"], needle
    assert "lockserver_grants_total" in places["/metrics"]
    statuses = {where.split()[0] for where in places if " for " in where}
    assert statuses >= {"400", "401", "403", "404", "405", "409", "410", "422"}, statuses
    assert len(run.secrets) > 50
    size = sum(len(text) for text in places.values())
    report(f"{size} characters in {len(places)} places searched for {len(run.secrets)} secrets and ids: none found")
    # And it does find one where it is.
    run.keep("planted", f"Authorization: Basic {base64.b64encode(f'ci:{ci}'.encode()).decode()}")
    try:
        run.search()
    except AssertionError:
        return
    raise AssertionError("the search finds nothing at all")


def test_nor_with_tls_http_2_and_certificates(make_server, tmp_path):
    """The libraries that speak TLS and HTTP/2 write to the log, too."""
    (ci, one), servers, people = new_key("ci"), Authority(tmp_path / "servers", "Servers"), Authority(tmp_path / "people", "People")
    server = make_server()
    run = Run(server)
    run.hide(ci, "ci")
    wrong = run.hide(ci[:-1] + ("A" if ci[-1] != "A" else "B"), "ci")
    cert, key = servers.issue("server", f"IP:{server.address}")
    mine, my_key = people.issue("build7", "DNS:build7.example.org")
    for path in (key, my_key):
        lines = open(path).read().splitlines()
        run.hide(lines[len(lines) // 2])
    tls = f"[tls]\nCERT={cert}\nKEY={key}\nCLIENT_CA={people.ca}\n[key build7.example.org]\nRIGHTS=use\nLOCKS=many\n"
    server.configure({"LOGLEVEL": "superdebug", "AUDIT_LOG": server.directory / "audit.log"}, NONE + one + tls + LOCKS)
    server.start()
    base = f"https://{server.address}:{server.port}"

    def curl(version, *words, good=True):
        done = subprocess.run(["curl", "--silent", "--show-error", "--cacert", str(servers.ca), f"--http{version}", "--write-out",
                               "\n%{http_code}", *words], capture_output=True, text=True, timeout=60)
        body, _, status = done.stdout.rpartition("\n")
        assert done.returncode == 0 and (int(status) < 400) == good, done
        if not good:
            run.keep(f"{status} of HTTP/{version}", body)
        return body
    for version in ("1.1", "2"):
        for way in (["-H", f"Authorization: Bearer {ci}"], ["--user", f"ci:{ci}"], ["--cert", str(mine), "--key", str(my_key)]):
            made = json.loads(curl(version, *way, "-X", "POST", f"{base}/v1/locks/many/tickets"))
            run.hide_ticket(made["id"])
            curl(version, *way, "-X", "PUT", f"{base}/v1/tickets/{made['id']}", good=False)
            curl(version, *way, "-X", "PATCH", f"{base}/v1/locks/many", good=False)
            curl(version, *way, "-X", "DELETE", f"{base}/v1/tickets/{made['id']}")
            curl(version, "--user", f"ci:{wrong}", f"{base}/v1/tickets/{made['id']}", good=False)
    server.signal(signal.SIGHUP)
    until(lambda: "reloaded" in server.log(), 20, "the reload")
    server.stop()
    places = run.search()
    granted = [json.loads(line)["key"] for line in places["audit.log"].splitlines() if '"granted"' in line]
    assert granted == ["ci", "ci", "build7.example.org"] * 2
