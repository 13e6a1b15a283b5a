"""What clients may call a server that only this machine can reach."""

import ipaddress

import pytest

from harness.wire import http

# More names than the server keeps of a hosts file.
MANY = 5000


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


def with_hosts(server, text):
    """The server finds this hosts file, in a mount namespace of its own."""
    path = server.directory / "hosts"
    path.write_text(text)
    server.prefix = ["unshare", "--mount", "sh", "-c", f'mount --bind {path} /etc/hosts && exec "$@"', "sh"]
    return server


@pytest.mark.root
def test_every_name_of_every_loopback_address_is_one_also_of_ipv6(as_root, make_server):
    hosts = "127.0.0.1 localhost\n127.0.1.1 Build.example.org build\n::1 ip6-localhost ip6-loopback\n192.0.2.7 locks\n"
    server = with_hosts(make_server(), hosts).start()
    for name in ("ip6-localhost", "ip6-loopback", "build", "build.example.org"):
        assert status(server, f"{name}:{server.port}".encode()) == 200, name
    assert status(server, b"locks") == 403


@pytest.mark.root
def test_the_name_in_server_is_a_name_of_the_server(as_root, make_server):
    """The hosts file has both names behind (in the alphabet) those that the server keeps: only SERVER tells of the one."""
    server = make_server()
    many = "".join(f"127.0.0.1 other-{number}\n" for number in range(MANY))
    with_hosts(server, f"127.0.0.1 localhost\n{many}{server.address} Zone.example.org too-late.example.org\n")
    address = server.address
    server.configure({"SERVER": "Zone.Example.org"})
    server.start()
    assert server.address in (address, "Zone.Example.org")
    server.address = address
    for host in ("zone.example.org", "ZONE.example.org", "zone.example.org.", f"zone.example.org:{server.port}"):
        assert status(server, host.encode()) == 200, host
    assert status(server, b"other-1") == 200 and status(server, b"too-late.example.org") == 403
