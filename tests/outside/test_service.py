"""The server as a service: what it tells its manager, keep-alives, and sockets that outlive it."""

import os
import resource
import signal
import socket
import time

import pytest

from harness.threads import standing_still
from harness.wait import until
from harness.wire import Connection, call_body, get, request

CONFIG, NO_SOCKET = 78, 69
PORT = "lockserver-port"


def serves(at):
    with Connection(at) as connection:
        assert connection.release(connection.take())


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_it_says_when_it_serves_and_when_it_stops(make_service, abstract):
    service = make_service(abstract=abstract).start()
    _, message = service.told("READY", "1")
    assert message["STATUS"].startswith(f"serves on http://{service.address}:{service.port}, store sqlite:"), message
    serves(service.at)
    service.stop()
    service.told("STOPPING", "1")
    assert not service.all_told("WATCHDOG"), "nobody has asked for keep-alives"


def test_who_cannot_serve_never_says_so(make_service):
    service = make_service(sections="[lock x]\nSIZE=many\n").spawn()
    assert service.ended() == CONFIG
    assert not service.all_told("READY")


def test_a_reload_is_told_from_its_begin_to_its_end(make_service):
    service = make_service(sections="[lock san]\nSIZE=1\n").start()
    for sections, refused in [("[lock san]\nSIZE=2\n", False), ("[lock san]\nSIZE=many\n", True), ("", False)]:
        service.configure({}, sections)
        since, asked = len(service.messages), time.monotonic()
        service.signal(signal.SIGHUP)
        at, message = service.told("RELOADING", "1", since)
        # Of the same clock, and from the time of this reload: systemd counts the others as late news.
        assert asked <= int(message["MONOTONIC_USEC"]) / 1e6 <= at
        _, message = service.told("READY", "1", since)
        assert ("refused" in message["STATUS"]) == refused, message
        assert message["STATUS"].startswith("serves on "), message


def test_keep_alives_end_when_the_engine_stands_still(make_service):
    service = make_service(watchdog=2).start()
    until(lambda: len(service.all_told("WATCHDOG")) >= 4, 20, "four keep-alives")
    beats = service.all_told("WATCHDOG")
    assert beats[3] - beats[0] < 2 * 3, f"later than every two seconds: {beats}"
    with standing_still(service.pid, "engine"):
        until(lambda: "has not moved for" in service.log(), 20, "the reason in the log")
        # Connections are still served: only the engine does not move.
        assert get(service.at, "/healthz").status == 200
        count, until_when = len(service.all_told("WATCHDOG")), time.monotonic() + 3
        until(lambda: time.monotonic() > until_when, 10, "a time in which a keep-alive would have come")
        assert len(service.all_told("WATCHDOG")) == count
    until(lambda: len(service.all_told("WATCHDOG")) > count, 20, "keep-alives when it moves again")
    serves(service.at)


def test_a_store_that_fails_is_no_reason_to_be_killed(make_service):
    service = make_service(watchdog=2).start()
    size = os.stat(service.directory / "lockserver.db-wal").st_size
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    with Connection(service.at) as connection:
        connection.ask("query_lock", "DefaultLock", "nobody can write this down")
        until(lambda: get(service.at, "/readyz").status == 503, 20, "not ready")
        count = len(service.all_told("WATCHDOG"))
        until(lambda: len(service.all_told("WATCHDOG")) >= count + 4, 20, "keep-alives all the while")
        assert get(service.at, "/readyz").status == 503
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    until(lambda: get(service.at, "/readyz").status == 200, 20, "ready again")


def test_all_sockets_of_a_socket_unit_are_served(make_service):
    service = make_service(listen={"v4": ("127.0.0.1", 0), "v6": ("::1", 0)})
    service.start()
    places = [one.getsockname()[:2] for one in service.given.values()]
    for at in places:
        serves(at)
    _, message = service.told("READY", "1")
    assert all(f":{port}" in message["STATUS"] for _, port in places), message
    assert not service.kept, "a socket unit's socket is not for keeping"


def test_the_socket_counts_where_the_configuration_disagrees(make_service):
    service = make_service({"SERVER": "192.0.2.1"}, listen={"lockserver.socket": ("127.0.0.1", 0)})
    service.port = 1
    service.start()
    assert service.at == service.given["lockserver.socket"].getsockname()
    serves(service.at)
    assert f"it listens on 127.0.0.1:{service.port}, and SERVER=192.0.2.1 and PORT=1 have no effect" in service.log()


def test_a_socket_of_another_kind_is_refused_by_its_name(make_service, tmp_path):
    service = make_service()
    service.given["admin.sock"] = socket.socket(socket.AF_UNIX)
    service.given["admin.sock"].bind(str(tmp_path / "s"))
    service.given["admin.sock"].listen()
    assert service.spawn().ended() == NO_SOCKET
    assert "'admin.sock'" in service.log() and "listening TCP sockets only" in service.log()


def test_its_own_socket_is_kept_for_it_over_a_restart(make_service):
    service = make_service().start()
    assert [*service.kept] == [PORT]
    at = service.at
    for end in (service.stop, service.kill):
        end()
        # Nobody serves, and nobody is refused.
        with Connection(at) as early:
            early.send(request(call_body("query_lock", "DefaultLock", "early")))
            assert not early.ready()
            service.start()
            assert service.at == at and early.answer()[0] is True
    assert len(service.kept[PORT]) == 1


def test_a_socket_is_let_go_when_the_port_changes(make_service):
    service = make_service().start()
    old = service.port
    with socket.create_server((service.address, 0)) as free:
        service.port = free.getsockname()[1]
    service.stop()
    service.start()
    assert service.port != old
    serves(service.at)
    with pytest.raises(ConnectionRefusedError):
        Connection((service.address, old))
    assert [*service.kept] == [PORT] and len(service.kept[PORT]) == 1
