"""What clients may call a server that only this machine can reach."""

import ipaddress

import pytest

from harness.wire import http


def names():
    """What this machine's hosts file calls a loopback address."""
    found = {"localhost"}
    with open("/etc/hosts", encoding="utf-8") as hosts:
        for line in hosts:
            address, *called = line.partition("#")[0].split() or [""]
            if address and ipaddress.ip_address(address).is_loopback:
                found.update(called)
    return sorted(found)


def status(server, host):
    return http(server.at, b"GET /v1/locks HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n").status


@pytest.mark.parametrize("name", names())
def test_a_name_of_the_hosts_file_is_a_name_of_the_server(server, name):
    for host in (name, name.upper(), f"{name}.", f"{name}:{server.port}"):
        assert status(server, host.encode()) == 200, host


def test_other_names_and_unreadable_ones_are_not(server):
    for host in (b"evil.example.org", b"localhost.evil.example.org", b"localhost\xff", b"evil.example.org\xe9"):
        assert status(server, host) in (400, 403), host
