"""Web servers that send on: within https, and not out of it."""

from __future__ import annotations

import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.conftest import ROOT

CONTENT = b"content" * 100


class Handler(BaseHTTPRequestHandler):
    """/file has content; /to?ADDRESS sends on to the address."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to?"))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(CONTENT)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        return


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "key.pem", folder / "certificate.pem"
    plain = serialization.NoEncryption()
    paths[0].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    paths[1].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return paths


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[str, str, list[str], Path]]:
    """Addresses of a server with https and of one without, what the latter was asked for, and who vouches for the former."""
    key, certified = certificate(tmp_path)
    started = []
    for secure in (True, False):
        handler = type("Asked", (Handler,), {"asked": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certified, key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append((server, handler))
    (secure_server, _), (plain_server, plain_handler) = started
    secure_address, plain_address = (
        f"https://127.0.0.1:{secure_server.server_port}",
        f"http://127.0.0.1:{plain_server.server_port}",
    )
    yield secure_address, plain_address, plain_handler.asked, certified
    for server, _ in started:
        server.shutdown()
        server.server_close()


READING = """
import sys
from tasks.settings import Sources
from tasks.sources.remote import RemoteFile
with RemoteFile(sys.argv[1], Sources()) as file:
    sys.stdout.buffer.write(file.read())
"""


def read(address: str, certified: Path) -> subprocess.CompletedProcess[bytes]:
    """In a process of its own: aiohttp reads the certificates once, when it is imported."""
    environment = {**os.environ, "SSL_CERT_FILE": str(certified)}
    return subprocess.run(
        [sys.executable, "-c", READING, address], capture_output=True, env=environment, cwd=ROOT, timeout=120
    )


def test_a_server_may_send_on_within_https_alone(servers: tuple[str, str, list[str], Path]) -> None:
    secure, plain, asked, certified = servers
    for within in (f"{secure}/to?{secure}/file", f"{secure}/to?/file"):
        done = read(within, certified)
        assert done.stdout == CONTENT, done.stderr.decode()
    refused = read(f"{secure}/to?{plain}/file", certified)
    assert refused.returncode == 1
    assert b"sends on to an address that is not https" in refused.stderr
    assert asked == []
