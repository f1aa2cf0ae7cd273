"""Development certificates: real handshakes, both ends proven, strangers refused, keys kept close."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from coread import settings
from coread.errors import SettingsFault
from coread.gateways.certificates import make_development_certificates
from coread.gateways.cli import app
from coread.gateways.dimse.tls import TlsFiles, client_context, server_context


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_development_certificates(
        tmp_path_factory.mktemp("certificates"),
        datetime.now(UTC),
        hosts=("pacs.example",),
        clients=("ct", "mr"),
    )


def files_of(made, name):
    return TlsFiles(made.folder / f"{name}.pem", made.folder / f"{name}.key", made.authority)


def shake(server, client, name):
    """Shake hands over a socket pair; return the version that both speak."""
    ours, theirs = socket.socketpair()
    faults = []

    def answer():
        try:
            with server_context(server).wrap_socket(theirs, server_side=True) as tls:
                tls.recv(1)
        except (ssl.SSLError, OSError) as fault:
            faults.append(fault)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client_context(client).wrap_socket(ours, server_hostname=name) as tls:
            tls.send(b"x")
            version = tls.version()
            thread.join(5)
            if faults:
                raise faults[0]
            return version
    finally:
        ours.close()
        thread.join(5)
        theirs.close()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "pacs.example"])
def test_both_ends_prove_themselves(made, name):
    assert shake(files_of(made, "server"), files_of(made, "ct"), name) == "TLSv1.3"


def test_another_name_another_authority_and_a_client_as_server_are_refused(made, tmp_path):
    other = make_development_certificates(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(files_of(made, "server"), files_of(made, "ct"), "elsewhere.example")
    stranger = TlsFiles(other.clients[0], other.folder / "client.key", made.authority)
    with pytest.raises((ssl.SSLError, OSError)):
        shake(files_of(made, "server"), stranger, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(files_of(made, "ct"), files_of(made, "mr"), "localhost")


def test_keys_are_for_their_owner_alone_and_each_names_its_purpose(made):
    for key in made.folder.glob("*.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    assert len(list(made.folder.glob("*.key"))) == 4
    for certificate in made.folder.glob("*.pem"):
        told = ssl._ssl._test_decode_cert(str(certificate))
        assert ("organizationName", "CoRead DEVELOPMENT ONLY") in [pair[0] for pair in told["subject"]]


def test_nothing_is_written_over_and_no_file_elsewhere(made, tmp_path):
    before = made.authority.read_bytes()
    with pytest.raises(SettingsFault, match="there already"):
        make_development_certificates(made.folder, datetime.now(UTC))
    assert made.authority.read_bytes() == before
    for odd in ("../up", "", "server"):
        with pytest.raises(SettingsFault):
            make_development_certificates(tmp_path / "new", datetime.now(UTC), clients=(odd,))
    assert not (tmp_path / "new").exists()


def test_the_command_warns_and_prints_settings_that_hold(tmp_path):
    outcome = CliRunner().invoke(
        app, ["certificates", "dev", str(tmp_path / "tls"), "--host", "pacs.example"]
    )
    assert outcome.exit_code == 0, outcome.output
    assert "FOR DEVELOPMENT ONLY" in outcome.output
    written = tmp_path / "coread.toml"
    written.write_text(outcome.output[outcome.output.index("[web]") :].replace("\n/", "/"))
    loaded = settings.load(written, {})
    assert loaded.web.certificate == tmp_path / "tls" / "server.pem"
    assert loaded.dimse.tls.authorities == tmp_path / "tls" / "authority.pem"
