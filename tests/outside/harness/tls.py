"""Certificates made by openssl, and connections over TLS."""

import select
import ssl
import subprocess

from .api import Api
from .wire import Connection

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments, timeout=30):
    """Run openssl; what it said on both outputs, and its status."""
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", timeout=timeout)
    return done.stdout + done.stderr, done.returncode


def made(*arguments):
    """Run openssl, which must succeed."""
    said, status = openssl(*arguments)
    assert status == 0, said


class Authority:
    """Somebody who vouches for others: `ca.crt` in a directory of its own."""

    def __init__(self, directory, name="Test"):
        directory.mkdir()
        self.directory, self.ca, self.key = directory, directory / "ca.crt", directory / "ca.key"
        made("req", "-x509", *EC, "-keyout", self.key, "-out", self.ca, "-days", 30, "-subj", f"/CN={name}",
             "-addext", "keyUsage=critical,keyCertSign")

    def issue(self, name, *alternatives):
        """A certificate and its key, as paths; the alternatives are openssl's: `IP:127.0.0.1`, `DNS:x`."""
        cert, key, ask, more = (self.directory / f"{name}.{end}" for end in ("crt", "key", "csr", "ext"))
        more.write_text(f"subjectAltName={','.join(alternatives)}\n")
        made("req", "-new", *EC, "-keyout", key, "-out", ask, "-subj", f"/CN={name}")
        made("x509", "-req", "-in", ask, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial", "-days", 30, "-sha256",
             "-extfile", more, "-out", cert)
        return cert, key

    def context(self, identity=None):
        """For a client that trusts it, and shows this certificate."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if identity:
            context.load_cert_chain(*map(str, identity))
        return context


class Over:
    """What a connection over TLS does differently."""

    def secure(self, context, at):
        """Shake hands."""
        self.socket = context.wrap_socket(self.socket, server_hostname=at[0])
        return self

    def ready(self, seconds=0):
        """Whether there is something to read."""
        return bool(self.buffer or self.socket.pending() or select.select([self.socket], [], [], seconds)[0])


class SecureConnection(Over, Connection):
    """XML-RPC over TLS."""

    def __init__(self, server, context, timeout=30):
        super().__init__(server.at, timeout)
        self.secure(context, server.at)


class SecureApi(Api):
    """The JSON API over TLS."""

    def __init__(self, server, context, timeout=30):
        self.connection = SecureConnection(server, context, timeout)
