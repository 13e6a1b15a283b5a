"""TLS from outside, with openssl, curl, lockctl and the published client; certificates that change while they wait."""

import hashlib
import json
import os
import select
import signal
import socket
import ssl
import subprocess

import pytest

from harness.paths import binary, lockctl
from harness.published import clients
from harness.tls import Authority, SecureApi, SecureConnection, openssl
from harness.wait import until
from harness.wire import get
from test_gone_clients import Network

SECTION = "[tls]\nCERT={}\nKEY={}\n"


@pytest.fixture
def authority(tmp_path):
    """The authority of the servers."""
    return Authority(tmp_path / "servers", "Servers")


@pytest.fixture
def secure(make_server, authority):
    """Make a server with TLS; it has `identity`, the files in its configuration."""
    def make(config=None, more="", names=(), **options):
        server = make_server(config, **options)
        server.identity = authority.issue("server", f"IP:{server.address}", "IP:127.0.0.1", *names)
        server.sections = SECTION.format(*server.identity) + more
        server.configure(config or {}, server.sections)
        return server

    return make


@pytest.fixture
def running():
    """Start processes; what still runs at the end is killed."""
    started = []

    def start(command, **options):
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, **pipes, **options))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def base(server):
    """The beginning of every URL."""
    return f"https://{server.address}:{server.port}"


def curl(server, authority, version, *words):
    """A command of curl; `version` is 1.1 or 2. What it sends is the last word."""
    *options, path = words
    return ["curl", "--silent", "--show-error", "--no-buffer", "--cacert", str(authority.ca), f"--http{version}",
            *options, f"{base(server)}{path}"]


def ask_for_a_ticket(wait_s=60):
    """What curl sends for a ticket that waits."""
    return ("--json", json.dumps({"wait_s": wait_s}), "/v1/locks/DefaultLock/tickets")


def queued(api, count):
    """Wait until so many tickets wait."""
    until(lambda: len(api.ok("GET", "/v1/locks/DefaultLock")["queue"]) == count, 10, f"{count} in the queue")


def served(server):
    """The digest of the certificate that a new connection gets."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(server.at, timeout=10))).hexdigest()


def digest(cert):
    """The digest of the certificate in a file."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest()


def test_old_versions_are_refused_and_new_ones_spoken(secure, authority):
    server = secure().start()
    assert server.out_path.read_text() == f"lockserver ready on {base(server)}\n"
    at = ("s_client", "-connect", f"{server.address}:{server.port}", "-CAfile", authority.ca)
    for flag, version in (("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")):
        said, status = openssl(*at, flag, "-alpn", "h2,http/1.1")
        assert status == 0 and f"New, {version}" in said and "Verify return code: 0 (ok)" in said, said
        assert "ALPN protocol: h2" in said, said
    for flag in ("-tls1", "-tls1_1"):
        said, status = openssl(*at, flag, "-cipher", "DEFAULT@SECLEVEL=0")
        assert status != 0 and " alert " in said and "no peer certificate available" in said, said
    said, _ = openssl(*at, "-alpn", "gopher")
    assert "no application protocol" in said, said
    plain = get(server.at)
    assert (plain.status, plain.text) == (400, "this server speaks TLS; use https://\n")


def test_files_are_checked_before_anything_is_started(secure, tmp_path):
    server = secure()
    check = [binary(), "check-config", "--config", str(server.config_path)]
    cert, key = server.identity

    def checked():
        done = subprocess.run(check, capture_output=True, text=True, timeout=30)
        return done.returncode, done.stdout

    code, said = checked()
    lines = [line.partition(" # ")[0] for line in said.splitlines()]
    assert code == 0 and {f"CERT={cert}", f"KEY={key}"} <= set(lines) and "0 errors, 0 warnings" in said, said
    key.chmod(0o644)
    code, said = checked()
    assert code == 0 and f"KEY: {key}: everybody on this machine may read the key" in said, said
    other = Authority(tmp_path / "others").issue("other", "DNS:x")[1]
    server.configure({}, SECTION.format(cert, other))
    code, said = checked()
    assert code == 78 and f"KEY: {other}: the key does not belong to the certificate in {cert}" in said, said
    server.spawn()
    assert server.ended() == 78
    assert f"the key does not belong to the certificate in {cert}" in server.log()


def test_a_new_certificate_is_served_and_nobody_is_disturbed(secure, authority, running):
    server = secure().start()
    cert, key = server.identity
    context = authority.context()
    with SecureApi(server, context) as holder, SecureConnection(server, context) as live:
        held = holder.take("DefaultLock")
        live.wait(live.query("waits"))
        queued(holder, 1)
        waiting = running(curl(server, authority, "2", *ask_for_a_ticket()))
        queued(holder, 2)
        events = running(curl(server, authority, "2", "/v1/events"))
        assert events.stdout.readline().startswith("retry:")
        old = served(server)
        assert old == digest(cert)

        # Half of a renewal, with the key missing, changes nothing.
        good = cert.read_text(), key.read_text()
        new_cert, new_key = authority.issue("renewed", f"IP:{server.address}")
        cert.write_text(new_cert.read_text())
        server.signal(signal.SIGHUP)
        until(lambda: "does not belong to the certificate" in server.log(), 10, "the reason in the log")
        assert served(server) == old
        key.write_text(new_key.read_text())
        server.signal(signal.SIGHUP)
        until(lambda: served(server) == digest(new_cert), 10, "the new certificate")
        assert good != (cert.read_text(), key.read_text())

        # All those who were there are served, over the connections that they had.
        holder.release(held)
        assert live.answer() == [True, True]
        assert "granted" in "".join(events.stdout.readline() for _ in range(12))
        with SecureApi(server, context) as admin:
            queued(admin, 1)
        assert waiting.poll() is None and events.poll() is None


def test_tls_comes_and_goes_while_the_server_runs(secure, authority, connect):
    server = secure()
    server.configure({})
    server.start()
    before = connect(server)
    held = before.take()
    server.configure({}, server.sections)
    server.signal(signal.SIGHUP)
    until(lambda: get(server.at).status == 400, 10, "TLS")
    with SecureConnection(server, authority.context()) as after:
        queued_ticket = after.query("after")
        after.wait(queued_ticket)
        assert before.release(held)
        assert after.answer() == [True, True]
        server.configure({})
        server.signal(signal.SIGHUP)
        until(lambda: b" 200 OK" in plain_try(server), 10, "plain HTTP")
        assert after.release(queued_ticket)


def plain_try(server):
    """What a plain request is answered."""
    with socket.create_connection(server.at, 10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        return plain.recv(1000)


def test_certificates_of_clients(secure, authority, tmp_path):
    known = Authority(tmp_path / "clients", "Clients")
    keys = "[anonymous]\nRIGHTS=observe\n[key build.example.org]\nRIGHTS=use, observe\n"
    server = secure(more=f"CLIENT_CA={known.ca}\n{keys}").start()
    good = known.issue("build", "DNS:mail.example.org", "DNS:build.example.org")
    foreign = Authority(tmp_path / "others", "Others").issue("build", "DNS:build.example.org")
    with SecureApi(server, authority.context(good)) as api:
        ticket = api.take("DefaultLock")
        assert ticket["owner"] == "build.example.org"
        # On HTTP/2 as well, and nobody else may end it.
        end = ("--request", "DELETE", "--write-out", "%{http_code}", f"/v1/tickets/{ticket['id']}")
        command = curl(server, authority, "2", *end)
        for identity, code in (((), "401"), (("--cert", good[0], "--key", good[1]), "200")):
            done = subprocess.run([*command, *map(str, identity)], capture_output=True, text=True, timeout=30)
            assert done.stdout.endswith(code), done
    with SecureApi(server, authority.context()) as api:
        assert api.call("POST", "/v1/locks/DefaultLock/tickets", {})[0] == 401
        assert api.ok("GET", "/v1/locks/DefaultLock")["queue"] == []
    with pytest.raises((ssl.SSLError, ConnectionError)) as refused:
        with SecureApi(server, authority.context(foreign)) as api:
            api.take("DefaultLock")
    assert "unknown ca" in str(refused.value).lower(), refused.value


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_that_is_killed_while_it_waits_does_not_get_the_permit(secure, authority, running, version):
    server = secure().start()
    context = authority.context()
    with SecureApi(server, context) as holder, SecureConnection(server, context) as live:
        held = holder.take("DefaultLock")
        # A ticket of its own that is kept when its client goes: it must be dormant, not only gone.
        ask = ("--json", json.dumps({"queue": True}), "/v1/locks/DefaultLock/tickets")
        kept = running(curl(server, authority, version, *ask))
        ticket = json.loads(kept.communicate(timeout=20)[0])
        victim = running(curl(server, authority, version, f"/v1/tickets/{ticket['id']}?wait_s=60"))
        lost = running(curl(server, authority, version, *ask_for_a_ticket()))
        queued(holder, 2)
        live.wait(live.query("alive"))
        queued(holder, 3)
        victim.kill()
        lost.kill()
        queued(holder, 2)
        holder.release(held)
        assert live.answer() == [True, True]


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_curl_takes_and_gives_back(secure, authority, version):
    server = secure().start()

    def run(*words):
        tell = ("--fail-with-body", "--write-out", "\n%{http_version} %{http_code}")
        command = curl(server, authority, version, *tell, *words)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        body, _, last = done.stdout.rpartition("\n")
        return json.loads(body), last

    ticket, last = run(*ask_for_a_ticket())
    assert last == f"{version} 201" and ticket["state"] == "held"
    # It waits on the server for as long as it says.
    problem, last = run(*ask_for_a_ticket(0.3))
    assert last == f"{version} 409" and problem["code"] == "timed_out"
    ended, last = run("--request", "DELETE", f"/v1/tickets/{ticket['id']}")
    assert last == f"{version} 200", ended


@pytest.mark.root
@pytest.mark.timeout(180)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_client_behind_a_cut_cable_does_not_keep_the_permit_over_tls(as_root, secure, authority, running, version):
    with Network(f"lt{os.getpid() % 10**5}") as network:
        inside = network.inside(network.server)
        config = {"SERVER": "0.0.0.0", "DEFAULT_LOCK_GRACE_TIME": 2, "DEFAULT_LOCK_MAX_LOCK_TIME": 600}
        server = secure(config, names=(f"IP:{network.address}",), prefix=inside).start()
        near = [*inside, "curl", "--silent", "--unix-socket", str(server.directory / "admin.sock")]

        def api(*words):
            *options, path = words
            command = [*near, *options, f"http://localhost{path}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            return json.loads(done.stdout)

        def waiting(count):
            until(lambda: len(api("/v1/locks/DefaultLock")["queue"]) == count, 10, f"{count} wait")

        held = api(*ask_for_a_ticket())
        far = curl(server, authority, version, *ask_for_a_ticket())
        far[-1] = far[-1].replace(server.address, network.address)
        gone = running([*network.inside(network.client), *far])
        waiting(1)
        live = running([*inside, *curl(server, authority, version, *ask_for_a_ticket())])
        waiting(2)
        network.cut()
        until(lambda: network.silent(server.port) > 3000, 40, "the far host has not been heard of for 3 s")
        api("--request", "DELETE", f"/v1/tickets/{held['id']}")
        # Nothing is written to a client that was silent lately: its grant goes to the next one.
        assert json.loads(live.communicate(timeout=40)[0])["state"] == "held"
        assert gone.poll() is None


@pytest.fixture
def ctl(authority):
    """Run lockctl against a server."""
    def run(server, *words, trust=True, env=None):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
        trusting = {"LOCK_CA": str(authority.ca)} if trust else {}
        env = {**clean, "LOCK_SERVER": base(server), **trusting, **(env or {})}
        return subprocess.run([lockctl(), *words], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)

    return run


def test_lockctl(secure, authority, ctl, tmp_path):
    known = Authority(tmp_path / "clients", "Clients")
    server = secure(more=f"CLIENT_CA={known.ca}\n").start()
    cert, key = known.issue("build", "DNS:build.example.org")
    foreign = Authority(tmp_path / "others", "Others").issue("build", "DNS:build.example.org")
    run = ("run", "-w", "10", "DefaultLock", "--", "echo", "inside")
    cases = [
        ({}, (), 0, ""),
        ({}, ("--cert", cert, "--cert-key", key), 0, ""),
        ({"LOCK_CERT": str(cert), "LOCK_CERT_KEY": str(key)}, (), 0, ""),
        ({}, ("--cert", cert), 64, "--cert-key"),
        ({}, ("--cert", key, "--cert-key", key), 64, "the client's certificate cannot be used: the file has none"),
        ({}, ("--ca", tmp_path / "nowhere"), 64, "cannot be read"),
        ({}, ("--cert", foreign[0], "--cert-key", foreign[1]), 69, "it refuses this client: UnknownCA"),
        ({}, ("--ca", known.ca), 69, "its certificate is signed by an unknown authority"),
        ({}, ("--server", f"http://{server.address}:{server.port}"), 69, "this server speaks TLS; use https://"),
    ]
    for env, options, code, said in cases:
        done = ctl(server, *map(str, options), *run, env=env)
        assert done.returncode == code and said in done.stderr, (options, done)
        assert done.stdout == ("inside\n" if code == 0 else ""), (options, done)
    assert ctl(server, "status", trust=False).returncode == 69
    assert ctl(server, "status", trust=False, env={"SSL_CERT_FILE": str(authority.ca)}).returncode == 0


def test_lockctl_waits_and_watches(secure, authority, ctl, running):
    server = secure().start()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LOCK_")}
    env = {**clean, "LOCK_SERVER": base(server), "LOCK_CA": str(authority.ca)}
    watch = running([lockctl(), "watch", "--json"], env=env)
    with SecureApi(server, authority.context()) as api:
        # Of a watch nothing is to be seen until something happens.
        def seen():
            api.release(api.take("DefaultLock"))
            return watch_has_spoken(watch)

        until(seen, 20, "an event")
        held = api.take("DefaultLock")
        waiting = running([lockctl(), "run", "-w", "60", "DefaultLock", "--", "echo", "inside"], env=env)
        queued(api, 1)
        api.release(held)
        out, err = waiting.communicate(timeout=20)
        assert (out, err, waiting.returncode) == ("inside\n", "", 0)


def watch_has_spoken(watch):
    """Whether there is something to read."""
    return select.select([watch.stdout], [], [], 0.05)[0]


@pytest.mark.parametrize("client", list(clients()))
def test_the_published_client(secure, authority, run_client, client):
    # Python 2.7 finds names in certificates, and no addresses.
    server = secure({"SERVER": "127.0.0.1"}, names=("DNS:localhost",)).start()
    python, env = clients()[client]
    app = run_client("readme_app.py", f"https://localhost:{server.port}/RPC2", "DefaultLock", python=python,
                     env={**env, "SSL_CERT_FILE": str(authority.ca)})
    assert app.finish() == ["lock queried", "lock acquired", "lock released"]
