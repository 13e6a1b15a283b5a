"""Clients that go away while they wait in get_lock: none of them gets the permit, and none costs the others time."""

import re
import socket
import subprocess
import time

import pytest

from harness.wait import until


def start_waiter(run_client, at, **options):
    """A client in a process of its own, as soon as its get_lock is on its way; its id too."""
    script = run_client("waiter.py", *at, "DefaultLock", **options)
    word, ticket = script.line().split()
    assert word == "queried"
    script.expect("waiting")
    return script, ticket


def kill(scripts):
    """kill -9, all at once."""
    for script in scripts:
        script.kill()
    for script in scripts:
        script.process.wait()


def test_a_killed_waiter_does_not_get_the_permit(server, connect, run_client):
    holder, live = connect(server), connect(server)
    held = holder.take()
    victim, lost = start_waiter(run_client, server.at)
    ticket = live.query("alive")
    live.wait(ticket)
    kill([victim])
    begin = time.monotonic()
    assert holder.release(held)
    assert live.answer() == [True, True]
    assert time.monotonic() - begin < 8, "it did not wait for the grace time, 10 s"
    # The ticket kept its place: a client with its id may come back for it.
    back = connect(server).wait(lost)
    assert not back.ready(0.3)
    assert live.release(ticket)
    assert back.answer() == [True, True]


@pytest.mark.alone
def test_fifty_killed_waiters_cost_a_live_one_no_time(server, connect, run_client, report):
    holder, live = connect(server), connect(server)
    held = holder.take()
    victims = [start_waiter(run_client, server.at)[0] for _ in range(50)]
    ticket = live.query("alive, behind fifty")
    live.wait(ticket)
    kill(victims)
    begin = time.monotonic()
    assert holder.release(held)
    assert live.answer() == [True, True]
    spent = time.monotonic() - begin
    report(f"from a release past 50 killed waiters to the next grant: {spent * 1000:.1f} ms (grace time 10 s)")
    assert spent < 2
    assert live.release(ticket)


def test_a_half_closed_client_keeps_its_place_but_gets_nothing_while_away(server, connect):
    holder, away, next_one, last = (connect(server) for _ in range(4))
    held = holder.take()
    ticket = away.query("half closed")
    away.wait(ticket)
    assert not away.ready(0.3)
    away.socket.shutdown(socket.SHUT_WR)
    begin = time.monotonic()
    assert away.answer() == [True, False]
    assert time.monotonic() - begin < 15, "the answer did not come when the client closed its side"

    second, third = next_one.query("second"), last.query("third")
    next_one.wait(second)
    assert holder.release(held)
    assert next_one.answer() == [True, True]

    back = connect(server).wait(ticket)
    last.wait(third)
    assert not back.ready(0.3)
    assert next_one.release(second)
    assert back.answer() == [True, True]
    assert not last.ready(0.3)


class Network:
    """Two hosts in network namespaces with one cable between them; the cable can be cut."""

    def __init__(self, name):
        self.server, self.client = f"{name}-s", f"{name}-c"
        self.address = "192.0.2.1"

    def __enter__(self):
        try:
            for host in (self.server, self.client):
                self.ip("netns", "add", host)
                self.ip("-n", host, "link", "set", "lo", "up")
            peer = ("peer", "name", "cable", "netns", self.client)
            self.ip("-n", self.server, "link", "add", "cable", "type", "veth", *peer)
            for host, address in ((self.server, self.address), (self.client, "192.0.2.2")):
                self.ip("-n", host, "address", "add", f"{address}/24", "dev", "cable")
                self.ip("-n", host, "link", "set", "cable", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in (self.server, self.client):
            subprocess.run(["ip", "netns", "delete", host], capture_output=True)

    @staticmethod
    def ip(*arguments):
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"

    @staticmethod
    def inside(host):
        """What goes before a command that shall run there; the process keeps its pid."""
        return ["ip", "netns", "exec", host]

    def connections(self, port):
        """How many connections to this port the server's kernel takes for alive."""
        command = [*self.inside(self.server), "ss", "-Htn", "state", "established", f"sport = :{port}"]
        return len(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())

    def silent(self, port):
        """How many ms ago the server's kernel heard of the far host on its connection to this port."""
        command = [*self.inside(self.server), "ss", "-Htin", "state", "established", f"sport = :{port} and dst 192.0.2.2"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return min((int(ms) for ms in re.findall(r"\blast(?:rcv|ack):(\d+)", told)), default=0)

    def cut(self):
        """Nothing gets through any more, and nobody is told. The far end goes down: the server's own link stays up."""
        self.ip("-n", self.client, "link", "set", "cable", "down")


# A client that has vanished is not told, and the next one has the permit within 12 s (10 s and the grace). One that vanishes in the
# last moment before its grant may have been told, so it keeps that for its lease.
GRACE, LEASE = 2, 15


@pytest.mark.root
@pytest.mark.timeout(180)
@pytest.mark.parametrize("when", ["at once", "while it is silent", "after the server gave it up"])
def test_a_client_behind_a_cut_cable_does_not_keep_the_permit(as_root, make_server, run_client, report, when):
    with Network(f"ls{time.monotonic_ns() % 10**6}") as network:
        lease = LEASE if when == "at once" else 600
        config = {"SERVER": "0.0.0.0", "DEFAULT_LOCK_GRACE_TIME": GRACE, "DEFAULT_LOCK_MAX_LOCK_TIME": lease}
        server = make_server(config, prefix=network.inside(network.server)).start()
        inside = {"prefix": network.inside(network.server)}
        holder, _ = start_waiter(run_client, server.at, **inside)
        holder.skip_to("got")
        far = (network.address, server.port)
        gone, _ = start_waiter(run_client, far, prefix=network.inside(network.client))
        live, _ = start_waiter(run_client, server.at, **inside)
        before = network.connections(server.port)
        network.cut()
        if when == "while it is silent":
            until(lambda: network.silent(server.port) > 3000, 40, "the far host has not been heard of for 3 s")
        elif when == "after the server gave it up":
            until(lambda: network.connections(server.port) < before, 40, "the server's kernel gives up the silent peer")
        begin = time.monotonic()
        holder.say("release")
        holder.expect("released")
        live.skip_to("got", 40)
        spent = time.monotonic() - begin
        report(f"from the release to the grant past a client behind a cut cable: {spent:.1f} s")
        assert spent < {"at once": LEASE + 25, "while it is silent": 25, "after the server gave it up": 1}[when]
        assert gone.process.poll() is None
        kill([gone, live])
        server.stop()
