"""The receiver and the sender against real peers: dcmtk, pynetdicom, Orthanc."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from dimse_speaker import BRISK, FolderInbox, data_set_of, listening, sop_uid_of
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE, StoragePresentationContexts

from coread.domain.identity import derive_uid
from coread.gateways.dimse import Address, Peer, Receiver, TlsFiles, echo, send_store
from coread.testing.patients import chest_radiograph, ct_slice, mr_slice, text_report

#: dcmtk's Nagle algorithm stays on where this is not set; the receiver must be quick with both.
TUNED = {**os.environ, "TCP_NODELAY": "1"}
UNTUNED = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
#: dcmsend proposes the transfer syntax that each file has.
COMPRESSED = {
    "JPEG baseline": "SC_rgb_jpeg_dcmtk.dcm",
    "JPEG lossless": "JPEG-LL.dcm",
    "JPEG 2000": "MR_small_jp2klossless.dcm",
    "JPEG-LS": "MR_small_jpeg_ls_lossless.dcm",
    "RLE": "MR_small_RLE.dcm",
}

pytestmark = pytest.mark.peer


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    return FolderInbox(folder)


@pytest.fixture
def port(inbox):
    with listening(inbox) as receiver:
        yield receiver.port


@pytest.fixture
def slices(tmp_path):
    """Twenty CT slices as files, and their data sets by UID."""
    folder = tmp_path / "slices"
    folder.mkdir()
    made = [ct_slice(index, sop_uid=derive_uid("peer", str(index))) for index in range(20)]
    for index, data in enumerate(made):
        (folder / f"{index}.dcm").write_bytes(data)
    return folder, {sop_uid_of(data): data_set_of(data) for data in made}


def run(*command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command], env=env, capture_output=True, text=True, timeout=120, check=False
    )


def run_well(*command: object, env: dict[str, str] | None = None) -> str:
    outcome = run(*command, env=env)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout + outcome.stderr


class TestDcmtkCalls:
    def test_echoscu(self, tool, port):
        run_well(tool("echoscu"), "--repeat", 5, "127.0.0.1", port)

    @pytest.mark.parametrize("env", [TUNED, UNTUNED], ids=["tuned", "untuned"])
    def test_storescu(self, tool, inbox, port, slices, env):
        folder, expected = slices
        run_well(tool("storescu"), "+sd", "127.0.0.1", port, folder, env=env)
        assert inbox.data_sets() == expected

    @pytest.mark.parametrize("size", [4096, 16384, 131072])
    def test_storescu_with_other_pdu_sizes(self, tool, inbox, port, slices, size):
        folder, expected = slices
        run_well(tool("storescu"), "--max-send-pdu", size, "+sd", "127.0.0.1", port, folder)
        assert inbox.data_sets() == expected

    def test_an_untuned_sender_is_not_held_up(self, tool, port, slices):
        folder, _ = slices
        began = time.monotonic()
        run_well(tool("dcmsend"), "+sd", "127.0.0.1", port, folder, env=UNTUNED)
        # Two delays of 40 ms for each object, were it not for the quick acknowledgements.
        assert time.monotonic() - began < 20 * 0.080

    @pytest.mark.parametrize("kind", COMPRESSED)
    def test_dcmsend_of_other_transfer_syntaxes(self, tool, inbox, port, kind):
        path = get_testdata_file(COMPRESSED[kind])
        run_well(tool("dcmsend"), "-dn", "127.0.0.1", port, path)
        sent = Path(path).read_bytes()
        (kept,) = inbox.kept.values()
        assert dcmread(kept).file_meta.TransferSyntaxUID == dcmread(path).file_meta.TransferSyntaxUID
        assert dcmread(kept).PixelData == dcmread(path).PixelData
        assert len(data_set_of(kept.read_bytes())) == pytest.approx(len(data_set_of(sent)), rel=0.2)

    def test_many_associations_at_one_time(self, tool, inbox, port, slices):
        folder, expected = slices
        files = sorted(folder.iterdir())
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sends = [
                pool.submit(run_well, tool("dcmsend"), "127.0.0.1", port, *files[at::8]) for at in range(8)
            ]
            for send in sends:
                send.result()
        assert inbox.data_sets() == expected

    def test_a_refused_caller_is_told(self, tool, inbox):
        with listening(inbox, allowed_aes=frozenset({"CT1"})) as receiver:
            outcome = run(tool("echoscu"), "127.0.0.1", receiver.port)
            assert "Calling AE Title Not Recognized" in outcome.stderr
            run_well(tool("echoscu"), "-aet", "CT1", "127.0.0.1", receiver.port)

    def test_low_disk_is_told(self, tool, inbox, port, slices):
        folder, _ = slices
        inbox.is_full = True
        outcome = run(tool("storescu"), "-v", "127.0.0.1", port, folder / "0.dcm")
        assert "Refused: OutOfResources" in outcome.stdout + outcome.stderr

    def test_an_abort_by_storescu(self, tool, inbox, port, slices):
        folder, _ = slices
        run(tool("storescu"), "--abort", "127.0.0.1", port, folder / "0.dcm")
        assert (len(inbox.kept), inbox.traces()) == (1, 0)


class TestPynetdicomCalls:
    def test_store_and_release(self, inbox, port, slices):
        folder, _ = slices
        entity = AE()
        entity.requested_contexts = StoragePresentationContexts
        association = entity.associate("127.0.0.1", port)
        assert association.is_established
        statuses = [association.send_c_store(dcmread(path)).Status for path in sorted(folder.iterdir())]
        association.release()
        assert statuses == [0] * 20
        assert len(inbox.kept) == 20
        assert inbox.traces() == 0

    def test_it_hears_our_comment(self, inbox, port):
        entity = AE()
        entity.requested_contexts = StoragePresentationContexts
        inbox.is_full = True
        association = entity.associate("127.0.0.1", port)
        answer = association.send_c_store(dcmread(get_testdata_file("CT_small.dcm")))
        association.abort()
        assert (answer.Status, answer.ErrorComment) == (0xA700, "[1301] Disk space is low.")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and one certificate of it for both ends; another authority that nobody trusts."""
    folder = tmp_path_factory.mktemp("certificates")
    for authority in ("good", "other"):
        name = f"/CN={authority} authority"
        new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", name)
        run_well(*new, "-keyout", folder / f"{authority}-ca.key", "-out", folder / f"{authority}-ca.pem")
        request = ("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost")
        run_well(*request, "-keyout", folder / f"{authority}.key", "-out", folder / f"{authority}.csr")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        sign = ("openssl", "x509", "-req", "-days", 2, "-CAcreateserial", "-extfile", folder / "names")
        signer = ("-CA", folder / f"{authority}-ca.pem", "-CAkey", folder / f"{authority}-ca.key")
        run_well(*sign, *signer, "-in", folder / f"{authority}.csr", "-out", folder / f"{authority}.pem")
    return folder


def tls_files(folder: Path, name: str = "good", **changes: object) -> TlsFiles:
    return TlsFiles(folder / f"{name}.pem", folder / f"{name}.key", folder / "good-ca.pem", **changes)


@contextlib.contextmanager
def tls_receiver(inbox: FolderInbox, files: TlsFiles):
    receiver = Receiver(Address(port=0), inbox, BRISK, files)
    receiver.start()
    try:
        yield receiver.port
    finally:
        receiver.stop()


class TestTls:
    def test_dcmtk_with_a_certificate_stores(self, tool, inbox, slices, certificates):
        folder, expected = slices
        with tls_receiver(inbox, tls_files(certificates)) as port:
            ours = ("+tls", certificates / "good.key", certificates / "good.pem")
            trust = ("+cf", certificates / "good-ca.pem")
            run_well(tool("storescu"), *ours, *trust, "+sd", "127.0.0.1", port, folder)
        assert inbox.data_sets() == expected

    @pytest.mark.parametrize("ours", [("+tla",), ("+tls", "other.key", "other.pem")], ids=["none", "strange"])
    def test_dcmtk_without_a_trusted_certificate_is_turned_away(self, tool, inbox, certificates, ours):
        words = [certificates / word if word.endswith(("key", "pem")) else word for word in ours]
        with tls_receiver(inbox, tls_files(certificates)) as port:
            outcome = run(tool("echoscu"), *words, "+cf", certificates / "good-ca.pem", "127.0.0.1", port)
            assert outcome.returncode != 0
            trusted = Peer("127.0.0.1", port, tls=tls_files(certificates))
            echo(trusted)

    def test_dcmtk_without_certificate_where_none_is_asked_for(self, tool, inbox, certificates):
        with tls_receiver(inbox, tls_files(certificates, require_peer_certificate=False)) as port:
            run_well(tool("echoscu"), "+tla", "+cf", certificates / "good-ca.pem", "127.0.0.1", port)

    def test_without_tls_there_is_no_association(self, tool, inbox, certificates):
        with tls_receiver(inbox, tls_files(certificates)) as port:
            assert run(tool("echoscu"), "127.0.0.1", port).returncode != 0

    def test_our_sender_over_tls(self, inbox, certificates):
        data = ct_slice(1)
        with tls_receiver(inbox, tls_files(certificates)) as port:
            send_store(Peer("127.0.0.1", port, tls=tls_files(certificates)), [data])
        assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data)}


@contextlib.contextmanager
def started(command: list[object], port: int, **kwargs: object):
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kwargs
    )
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait(20)


def wait_for_port(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    pytest.fail(f"nothing listens on {port}")


KINDS = [chest_radiograph(1), ct_slice(1), mr_slice(1), text_report(1)]


class TestWeCall:
    def test_storescp(self, tool, tmp_path, free_port):
        with started([tool("storescp"), "-od", tmp_path, "-aet", "ARCHIVE", "+xa", free_port], free_port):
            peer = Peer("127.0.0.1", free_port, "ARCHIVE")
            echo(peer)
            receipts = send_store(peer, KINDS)
        assert [receipt.sop_instance_uid for receipt in receipts] == [sop_uid_of(data) for data in KINDS]
        assert not any(receipt.is_warning for receipt in receipts)
        assert {sop_uid_of(path.read_bytes()) for path in tmp_path.iterdir()} == set(map(sop_uid_of, KINDS))

    def test_storescp_over_tls(self, tool, tmp_path, free_port, certificates):
        ours = ("+tls", certificates / "good.key", certificates / "good.pem")
        trust = ("+cf", certificates / "good-ca.pem")
        with started([tool("storescp"), *ours, *trust, "-od", tmp_path, free_port], free_port):
            send_store(Peer("127.0.0.1", free_port, tls=tls_files(certificates)), [ct_slice(1)])
        assert len(list(tmp_path.iterdir())) == 1

    def test_orthanc_returns_what_we_sent(self, tool, tmp_path, free_port):
        program = tool("Orthanc")
        http = free_port
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            dicom = probe.getsockname()[1]
        settings = {
            "StorageDirectory": str(tmp_path),
            "IndexDirectory": str(tmp_path),
            "HttpPort": http,
            "DicomPort": dicom,
            "AuthenticationEnabled": False,
            "RemoteAccessAllowed": False,
            "Plugins": [],
            "StorageCompression": False,
        }
        (tmp_path / "orthanc.json").write_text(json.dumps(settings))
        with started([program, tmp_path / "orthanc.json"], http):
            wait_for_port(dicom)
            send_store(Peer("127.0.0.1", dicom, "ORTHANC"), KINDS)
            assert orthanc_data_sets(http) == {sop_uid_of(data): data_set_of(data) for data in KINDS}


def orthanc_data_sets(http: int) -> dict[str, bytes]:
    found = {}
    for identifier in json.loads(fetch(http, "/instances")):
        data = fetch(http, f"/instances/{identifier}/file")
        found[sop_uid_of(data)] = data_set_of(data)
    return found


def fetch(http: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=20) as answer:
        return answer.read()
