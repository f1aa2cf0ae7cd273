"""The ledger's way out against real peers: openssl's time stamps, rsyslog over TLS, a FHIR server."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as Xml

import fhirkit
import pytest
from audit_peers import Authority, FhirServer, StampingAuthority, TlsListener, authority, rsyslog
from cryptography.x509.oid import ExtendedKeyUsageOID
from recording import Recorder, event

from coread.clinic import Clinic
from coread.errors import DestinationRefused, DestinationUnreachable, SettingsFault
from coread.gateways.audit import (
    Clerk,
    FhirWitness,
    Forwarder,
    SyslogTls,
    TimeStampWitness,
    clerk_of,
    fhir_repository,
    syslog_repository,
)
from coread.gateways.audit.fhir_witness import document
from coread.ledger import AuditSource, Exporter, FileWitness, Forwarded, SignedHead, verify_export
from coread.settings import load

SOURCE = AuditSource("coread.example", "St Example", "https://coread.example", "0.1.0")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(f"sqlite:///{tmp_path / 'index.sqlite'}", tmp_path)
    recorder.record(3)
    yield recorder
    recorder.close()


@pytest.fixture
def head(recorder: Recorder) -> SignedHead:
    signed = recorder.notary.sign()
    assert signed is not None
    return signed


# Time stamps


@pytest.fixture
def stamping(tool, issuer: Authority) -> StampingAuthority:
    return StampingAuthority(tool("openssl"), issuer)


@pytest.mark.peer
def test_a_head_is_stamped_and_an_outsider_can_check_it(
    stamping: StampingAuthority, issuer: Authority, recorder: Recorder, tmp_path: Path
) -> None:
    with stamping.serving() as url:
        witness = TimeStampWitness(url, issuer.file)
        recorder.notary.witnesses = (witness,)
        head = recorder.notary.sign()
        recorder.notary.show()
    assert [sending.state for sending in recorder.notary.sendings()] == ["sent"]
    assert witness.latest("test-log") is None
    assert head is not None
    out = tmp_path / "out"
    Exporter(recorder.ledger, recorder.notary).write(out)
    token = out / "receipts" / f"time-stamp-{head.head.size}.tsr"
    (tmp_path / "data").write_text(head.head.text, encoding="utf-8")
    command = [stamping.openssl, "ts", "-verify", "-data", tmp_path / "data", "-in", token, "-CAfile"]
    subprocess.run([*command, issuer.file], check=True, capture_output=True)
    report = verify_export(out, authorities=issuer.file)
    assert report.faults == []
    assert any("time stamp holds" in remark for remark in report.remarks)
    token.write_bytes(token.read_bytes()[:-9] + b"\x00" * 9)
    assert [f"receipts/{token.name}: the time stamp does not hold"] == verify_export(
        out, authorities=issuer.file
    ).faults


@pytest.mark.peer
def test_a_stamp_that_is_not_one_of_this_head_is_refused(
    stamping: StampingAuthority, issuer: Authority, head: SignedHead, tmp_path: Path
) -> None:
    stranger = authority(tmp_path / "stranger")
    with stamping.serving() as url:
        first = TimeStampWitness(url, issuer.file).send(head)
        with pytest.raises(DestinationRefused, match="no authority we know"):
            TimeStampWitness(url, stranger.file).send(head)
        assert TimeStampWitness(url).send(head)
        stamping.mangle = lambda _: first  # an old one, of another request
        with pytest.raises(DestinationRefused, match="something else"):
            TimeStampWitness(url, issuer.file).send(head)
        stamping.mangle = lambda _: b"nonsense"
        with pytest.raises(DestinationRefused, match="no time stamp"):
            TimeStampWitness(url, issuer.file).send(head)
        stamping.status = 404
        with pytest.raises(DestinationRefused):
            TimeStampWitness(url, issuer.file).send(head)
        stamping.status = 503
        with pytest.raises(DestinationUnreachable):
            TimeStampWitness(url, issuer.file).send(head)
    with pytest.raises(DestinationUnreachable):
        TimeStampWitness(url, issuer.file).send(head)


def test_authorities_that_are_none_are_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nonsense")
    for name in ("x.pem", "none.pem"):
        with pytest.raises(SettingsFault, match="PEM"):
            TimeStampWitness("http://127.0.0.1:1", tmp_path / name)


# A FHIR server as witness


def test_a_fhir_server_keeps_heads_and_gives_the_newest_back(recorder: Recorder, head: SignedHead) -> None:
    server = FhirServer()
    with server.serving() as url:
        witness = FhirWitness(url)
        assert witness.latest("test-log") is None
        witness.send(head)
        witness.send(head)
        recorder.record(2)
        later = recorder.notary.sign()
        assert later is not None
        witness.send(later)
        assert witness.latest("test-log") == later
        assert witness.latest("another-log") is None
        assert sorted(server.resources) == ["DocumentReference/test-log-4", "DocumentReference/test-log-6"]
        for kept in server.resources.values():
            assert [str(issue) for issue in fhirkit.validate(json.dumps(kept))] == []
        server.resources["DocumentReference/test-log-6"]["content"] = [{"attachment": {"data": "?"}}]
        with pytest.raises(DestinationRefused, match="no heads"):
            witness.latest("test-log")
        server.status = 403
        with pytest.raises(DestinationRefused):
            witness.send(head)
        with pytest.raises(DestinationRefused):
            witness.latest("test-log")
        server.status = 500
        with pytest.raises(DestinationUnreachable):
            witness.latest("test-log")
    with pytest.raises(DestinationUnreachable):
        witness.latest("test-log")


def test_the_id_of_a_head_is_one_that_fhir_allows(head: SignedHead) -> None:
    from dataclasses import replace  # noqa: PLC0415

    long = replace(head, head=replace(head.head, origin="https://log.example/" + "x" * 80, size=10**17))
    assert [str(issue) for issue in fhirkit.validate(json.dumps(document(long)))] == []


# Events to a FHIR server


def forwarder(recorder: Recorder, repository, target: str = "fhir") -> Forwarder:
    forwarded = Forwarded(recorder.database)
    return Forwarder(target, recorder.ledger, forwarded, repository, recorder.clock)


def test_every_event_becomes_one_audit_event(recorder: Recorder) -> None:
    server = FhirServer()
    recorder.record(240)
    with server.serving() as url:
        own = forwarder(recorder, fhir_repository(url, SOURCE))
        assert own.forward() == 243
        assert own.forward() == 0
        recorder.ledger.append(event(1, kind="report.signed"))
        assert own.forward() == 1
    assert len(server.resources) == 244
    sequences = {
        detail["valueString"]
        for resource in server.resources.values()
        for detail in resource["entity"][0]["detail"]
        if detail["type"] == "ledger-sequence"
    }
    assert sequences == {str(number) for number in range(1, 245)}


def test_a_repository_that_is_away_waits_and_misses_nothing(recorder: Recorder) -> None:
    server, forwarded = FhirServer(), Forwarded(recorder.database)
    with server.serving() as url:
        own = forwarder(recorder, fhir_repository(url, SOURCE))
        server.status = 503
        assert own.forward() == 0
        server.status = 0
        assert own.forward() == 0  # within the pause
        place = forwarded.place("fhir")
        assert (place.sequence, place.attempts) == (0, 1)
        assert "503" in place.detail
        recorder.clock.now += timedelta(hours=1)
        assert own.forward() == 3
    assert [(place.target, place.sequence, place.attempts) for place in forwarded.places()] == [
        ("fhir", 3, 0)
    ]
    assert len(server.resources) == 3


# Events to syslog


def trusting(issuer: Authority, own: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=issuer.file)
    if own:
        context.load_cert_chain(*own)
    return context


def received(path: Path, count: int) -> list[str]:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        time.sleep(0.05)
    return lines


@pytest.mark.peer
@pytest.mark.parametrize("asks_for_ours", [False, True])
def test_rsyslog_takes_every_audit_message(
    tool, tmp_path: Path, recorder: Recorder, free_port: int, asks_for_ours: bool
) -> None:
    issuer = authority(tmp_path / "authority")
    own = issuer.issue("coread", ExtendedKeyUsageOID.CLIENT_AUTH)
    context = trusting(issuer, own if asks_for_ours else None)
    recorder.record(117, actor="person:p-中")
    with rsyslog(tool("rsyslogd"), issuer, free_port, asks_for_ours) as log:
        repository = syslog_repository(lambda: SyslogTls("127.0.0.1", free_port, context), SOURCE)
        assert forwarder(recorder, repository, "syslog").forward() == 120
        lines = received(log, 120)
    assert len(lines) == 120
    heads = {line.partition("\ufeff")[0] for line in lines}
    assert {head.strip() for head in heads} == {"10 5 coread DICOM+RFC3881 coread.example"}
    messages = [Xml.fromstring(line.partition("\ufeff")[2]) for line in lines]
    assert messages[50].find("ActiveParticipant").attrib["UserID"] == "person:p-中"


@pytest.fixture
def listener(issuer: Authority) -> Iterator[TlsListener]:
    listener = TlsListener(issuer)
    yield listener
    listener.close()


def test_frames_are_rfc_5425_s(listener: TlsListener, issuer: Authority) -> None:
    with SyslogTls("localhost", listener.port, trusting(issuer)) as syslog:
        syslog.send([b"one", "zwölf €".encode()])
    until = time.monotonic() + 5
    while len(listener.messages) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert listener.messages == [b"one", "zwölf €".encode()]


def test_a_repository_that_is_not_trusted_gets_nothing(listener: TlsListener, tmp_path: Path) -> None:
    stranger = authority(tmp_path / "stranger")
    with (
        pytest.raises(DestinationRefused, match="not trusted"),
        SyslogTls("localhost", listener.port, trusting(stranger)),
    ):
        pass
    assert listener.messages == []


def test_a_repository_that_goes_away_in_the_middle_is_told(
    listener: TlsListener, issuer: Authority, recorder: Recorder
) -> None:
    listener.drops = True
    repository = syslog_repository(lambda: SyslogTls("localhost", listener.port, trusting(issuer)), SOURCE)
    recorder.record(100)
    own = forwarder(recorder, repository, "syslog")
    sent = 0
    for _ in range(5):
        sent += own.forward()
        recorder.clock.now += timedelta(hours=2)
    assert sent == 0
    listener.drops = False
    assert own.forward() == 103


def test_no_repository_at_all_is_told(issuer: Authority, free_port: int) -> None:
    with pytest.raises(DestinationUnreachable), SyslogTls("127.0.0.1", free_port, trusting(issuer), 1):
        pass


# The clerk


def test_the_clerk_signs_shows_forwards_and_ends_with_a_last_head(recorder: Recorder, tmp_path: Path) -> None:
    server, path = FhirServer(), tmp_path / "heads.txt"
    recorder.notary.witnesses = (FileWitness(path),)
    with server.serving() as url:
        with Clerk(recorder.notary, [forwarder(recorder, fhir_repository(url, SOURCE))], 0.02) as clerk:
            until = time.monotonic() + 10
            while len(server.resources) < 4 and time.monotonic() < until:
                time.sleep(0.01)
            assert len(server.resources) == 4
            recorder.record(1)
        clerk.stop()
    head = recorder.notary.last_head()
    assert head is not None
    assert head.head.size == 5
    assert path.read_text(encoding="utf-8").endswith(head.note)


def test_the_clerk_tells_of_a_witness_that_speaks_against_the_ledger(
    recorder: Recorder, head: SignedHead, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "heads.txt"
    path.write_text(head.note, encoding="utf-8")
    recorder.notary.witnesses = (FileWitness(path),)
    with recorder.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM events WHERE sequence > 2")
        connection.exec_driver_sql("DELETE FROM ledger_frontier")
        connection.exec_driver_sql("DELETE FROM ledger_heads")
    with caplog.at_level(logging.CRITICAL):
        Clerk(recorder.notary, [], 1).round()
    assert "Witness file tells against the ledger: rolled-back at 4." in caplog.text
    assert [record.event.kind for record in recorder.ledger.events(kind="ledger.fault-found")]


def test_a_clerk_without_a_usable_key_says_so_and_goes_on(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    (recorder.folder / "ledger.key").write_text("nonsense")
    (recorder.folder / "ledger.key").chmod(0o600)
    with caplog.at_level(logging.ERROR), Clerk(recorder.notary, [], 0.01):
        until = time.monotonic() + 10
        while caplog.text.count("could not do its round") < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert caplog.text.count("could not do its round") >= 2


# From settings


@pytest.mark.peer
def test_settings_alone_lead_to_all_witnesses_and_repositories(
    stamping: StampingAuthority, issuer: Authority, listener: TlsListener, tmp_path: Path
) -> None:
    server = FhirServer()
    with server.serving() as fhir, stamping.serving() as stamps:
        settings = load(
            None,
            {
                "COREAD_DATA__FOLDER": str(tmp_path / "kept"),
                "COREAD_LEDGER__ORIGIN": "hospital.example/ledger",
                "COREAD_LEDGER__WITNESS_FILE": str(tmp_path / "heads.txt"),
                "COREAD_LEDGER__WITNESS_FHIR": fhir,
                "COREAD_LEDGER__TIME_STAMPS": stamps,
                "COREAD_LEDGER__AUTHORITIES": str(issuer.file),
                "COREAD_AUDIT__FHIR_URL": fhir,
                "COREAD_AUDIT__SYSLOG_HOST": "localhost",
                "COREAD_AUDIT__SYSLOG_PORT": str(listener.port),
                "COREAD_AUDIT__AUTHORITIES": str(issuer.file),
                "COREAD_AUDIT__SITE": "St Example",
            },
        )
        with Clinic(settings) as clinic:
            clinic.ledger.append_many([event(number) for number in range(3)])
            clerk_of(clinic).round()
            clerk_of(clinic).round()
            sent = {(sending.witness, sending.state) for sending in clinic.notary.sendings()}
            assert sent == {("file", "sent"), ("fhir", "sent"), ("time-stamp", "sent")}
            assert clinic.notary.verify().away == ()
    kinds = [path.partition("/")[0] for path in server.resources]
    assert (kinds.count("DocumentReference"), kinds.count("AuditEvent")) == (1, 4)
    until = time.monotonic() + 10
    while len(listener.messages) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(listener.messages) == 4
    assert b'AuditEnterpriseSiteID="St Example"' in listener.messages[0]


def test_certificates_that_cannot_be_used_are_a_fault_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nonsense")
    settings = load(
        None,
        {
            "COREAD_DATA__FOLDER": str(tmp_path / "kept"),
            "COREAD_AUDIT__SYSLOG_HOST": "localhost",
            "COREAD_AUDIT__AUTHORITIES": str(tmp_path / "x.pem"),
        },
    )
    with Clinic(settings) as clinic, pytest.raises(SettingsFault, match=r"audit\.authorities"):
        clerk_of(clinic)
