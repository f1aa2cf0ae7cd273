"""Peers of the audit gateway: a time-stamp authority of openssl, rsyslog, and a FHIR server in memory."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that tests trust."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def issue(self, name: str, *usages: x509.ObjectIdentifier) -> tuple[Path, Path]:
        """Write certificate and key of a name on loopback; return both files."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.certificate.subject, key)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages:
            # A time-stamp authority's sole usage must be critical (RFC 3161 section 2.3).
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        return _write(self.folder / name, builder.sign(self.key, hashes.SHA256()), key)


def authority(folder: Path) -> Authority:
    """Make an authority."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = _builder("authority", name, key)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
    )
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    _write(folder / "authority", certificate, key)
    return Authority(folder, certificate, key)


def _builder(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
    )  # fmt: skip


def _write(stem: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    pem, secret = stem.with_suffix(".pem"), stem.with_suffix(".key")
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, secret


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, data: bytes, media_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on loopback; give the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# A time-stamp authority


class StampingAuthority:
    """``openssl ts`` behind HTTP, with a certificate of an authority."""

    def __init__(self, openssl: str, issuer: Authority) -> None:
        self.openssl = openssl
        self.folder = issuer.folder
        self.certificate, self.key = issuer.issue("tsa", ExtendedKeyUsageOID.TIME_STAMPING)
        self.status = 200
        self.mangle: Any = lambda data: data
        (self.folder / "serial").write_text("01\n")
        (self.folder / "tsa.cnf").write_text(
            "[tsa]\ndefault_tsa = t\n[t]\nserial = serial\ndefault_policy = 1.2.3.4\nsigner_digest = sha256\n"
            "digests = sha256, sha512\nother_policies = 1.2.3.5\naccuracy = secs:1\nordering = no\n"
        )

    def reply(self, query: bytes) -> bytes:
        """Stamp with openssl."""
        with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".tsq") as file:
            file.write(query)
            file.flush()
            return subprocess.run(
                [self.openssl, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", file.name, "-signer",
                 "tsa.pem", "-inkey", "tsa.key"],
                cwd=self.folder, capture_output=True, check=True,
            ).stdout  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve; give the address."""
        own = self

        class Handler(_Quiet):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/timestamp-query"
                data = own.mangle(own.reply(self.body()))
                self.answer(own.status, data, "application/timestamp-reply")

        with serving(Handler) as url:
            yield url


# A FHIR server


class FhirServer:
    """Keeps what is PUT, searches DocumentReference by identifier, carries out batches."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.status = 0
        """Answered instead, where it is set."""

    def put(self, path: str, resource: dict[str, Any]) -> None:
        self.resources[path] = resource

    def search(self, query: str) -> dict[str, Any]:
        system, _, value = parse_qs(query)["identifier"][0].partition("|")
        wanted = {"system": system, "value": value}
        found = [r for r in self.resources.values() if wanted in r.get("identifier", [])]
        found.sort(key=lambda resource: resource["date"], reverse=True)
        entries = [{"resource": each} for each in found[: int(parse_qs(query)["_count"][0])]]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    def batch(self, bundle: dict[str, Any]) -> dict[str, Any]:
        for entry in bundle["entry"]:
            self.put(entry["request"]["url"], entry["resource"])
        answers = [{"response": {"status": "201"}} for _ in bundle["entry"]]
        return {"resourceType": "Bundle", "type": "batch-response", "entry": answers}

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve; give the base of the service."""
        own = self

        class Handler(_Quiet):
            def told(self, value: dict[str, Any], status: int = 200) -> None:
                data = json.dumps(value).encode()
                self.answer(own.status or status, data, "application/fhir+json")

            def do_PUT(self) -> None:
                resource = json.loads(self.body())
                if not own.status:
                    own.put(self.path.removeprefix("/fhir/"), resource)
                self.told(resource, 201)

            def do_POST(self) -> None:
                bundle = json.loads(self.body())
                self.told({} if own.status else own.batch(bundle))

            def do_GET(self) -> None:
                self.told(own.search(urlsplit(self.path).query))

        with serving(Handler) as url:
            yield f"{url}/fhir"


# Syslog over TLS


_RSYSLOG = """
global(workDirectory="{folder}" DefaultNetstreamDriver="gtls"
  DefaultNetstreamDriverCAFile="{folder}/authority.pem"
  DefaultNetstreamDriverCertFile="{folder}/syslog.pem" DefaultNetstreamDriverKeyFile="{folder}/syslog.key"
  maxMessageSize="64k")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" {mode})
template(name="raw" type="string"
  string="%syslogfacility% %syslogseverity% %app-name% %msgid% %hostname%%msg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{folder}/received.log" template="raw")
"""


@contextmanager
def rsyslog(program: str, issuer: Authority, port: int, asks_for_ours: bool = False) -> Iterator[Path]:
    """Run rsyslog with TLS on a port; give the file into which it writes."""
    folder = issuer.folder
    issuer.issue("syslog", ExtendedKeyUsageOID.SERVER_AUTH)
    mode = 'StreamDriver.AuthMode="anon"'
    if asks_for_ours:
        mode = 'StreamDriver.AuthMode="x509/name" PermittedPeer=["coread"]'
    (folder / "rsyslog.conf").write_text(_RSYSLOG.format(folder=folder, port=port, mode=mode))
    command = [program, "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / f"rsyslog-{port}.pid")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield folder / "received.log"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class TlsListener:
    """A TLS server that reads RFC 5425 frames and can go away in the middle."""

    def __init__(self, issuer: Authority) -> None:
        certificate, key = issuer.issue("listener", ExtendedKeyUsageOID.SERVER_AUTH)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.messages: list[bytes] = []
        self.drops = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            try:
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    if not self.drops:
                        self._read(connection)
            except OSError:
                pass

    def _read(self, connection: ssl.SSLSocket) -> None:
        data = b""
        while chunk := connection.recv(65536):
            data += chunk
        while data:
            length, _, rest = data.partition(b" ")
            self.messages.append(rest[: int(length)])
            data = rest[int(length) :]

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
