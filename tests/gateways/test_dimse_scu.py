"""The sender against peers that say no, say nothing, or say it wrongly: never a false success."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
import time

import pytest
from dimse_speaker import (
    ABORT,
    BRISK,
    EXPLICIT_LITTLE,
    FolderInbox,
    data_set_of,
    listening,
    pdu,
    sop_uid_of,
)
from pynetdicom import AE, evt

from coread.dicom import part10_prefix, storage_sop_class_uids
from coread.domain.identity import derive_uid
from coread.errors import DestinationRefused, DestinationUnreachable, InputFault
from coread.gateways.dimse import Limits, Peer, TlsFiles, echo, send_store
from coread.testing.patients import ct_slice, mr_slice

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
JPEG_2000 = "1.2.840.10008.1.2.4.91"


def peer_at(port: int, **changes: object) -> Peer:
    return Peer("127.0.0.1", port, **{"timeout_s": 5.0, **changes})


@pytest.fixture
def inbox(tmp_path):
    return FolderInbox(tmp_path)


@contextlib.contextmanager
def scp(on_store, contexts=((CT_IMAGE, [EXPLICIT_LITTLE]),), on_accepted=None):
    """Run pynetdicom as the peer, answering each C-STORE by `on_store`."""
    entity = AE(ae_title="PEER")
    for context in contexts:
        entity.add_supported_context(*context)
    handlers = [(evt.EVT_C_STORE, on_store)]
    handlers += [(evt.EVT_ACCEPTED, on_accepted)] if on_accepted else []
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield peer_at(server.server_address[1])
    finally:
        server.shutdown()


@contextlib.contextmanager
def scripted(*says: bytes, close: bool = True):
    """Run a peer that says one thing for each thing that it hears."""
    server = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                for saying in says:
                    connection.recv(1 << 20)
                    connection.sendall(saying)
                if not close:
                    time.sleep(4)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield peer_at(server.getsockname()[1], timeout_s=1.0)
    finally:
        server.close()
        thread.join()


class TestTaken:
    def test_objects_arrive_byte_for_byte_and_in_order(self, inbox):
        objects = [ct_slice(i, sop_uid=derive_uid("scu", str(i))) for i in range(5)] + [mr_slice(1)]
        with listening(inbox) as receiver:
            receipts = send_store(peer_at(receiver.port), objects)
        assert [receipt.sop_instance_uid for receipt in receipts] == [sop_uid_of(data) for data in objects]
        assert {(receipt.status, receipt.is_warning) for receipt in receipts} == {(0, False)}
        assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data) for data in objects}

    def test_nothing_is_sent_of_nothing(self):
        assert send_store(peer_at(1), []) == ()

    def test_two_syntaxes_of_one_class_go_side_by_side(self, inbox):
        plain = ct_slice(1)
        uid = derive_uid("other syntax")
        implicit = part10_prefix(CT_IMAGE, uid, "1.2.840.10008.1.2", "") + implicit_data_set(uid)
        with listening(inbox) as receiver:
            send_store(peer_at(receiver.port), [plain, implicit])
        assert inbox.data_sets() == {sop_uid_of(plain): data_set_of(plain), uid: implicit_data_set(uid)}

    def test_more_kinds_than_one_association_can_agree_on(self, inbox):
        kinds = storage_sop_class_uids()[:150]
        objects = [
            part10_prefix(kind, derive_uid(kind), "1.2.840.10008.1.2", "")
            + implicit_data_set(derive_uid(kind), kind)
            for kind in kinds
        ]
        with listening(inbox) as receiver:
            assert len(send_store(peer_at(receiver.port), objects)) == 150
        assert len(inbox.kept) == 150

    def test_a_warning_is_told_as_one(self):
        with scp(lambda event: 0xB000) as peer:
            (receipt,) = send_store(peer, [ct_slice(1)])
        assert (receipt.status, receipt.is_warning) == (0xB000, True)

    def test_nagles_algorithm_is_off(self, inbox):
        with listening(inbox) as receiver:
            began = time.monotonic()
            for _ in range(10):
                echo(peer_at(receiver.port))
            assert time.monotonic() - began < 3


class TestRefused:
    @pytest.mark.parametrize("status", [0xC000, 0xA900, 0x0110, 0x0122, 0x0001, 0xFE00])
    def test_a_failure_is_a_refusal(self, status):
        with scp(lambda event: status) as peer, pytest.raises(DestinationRefused, match=f"0x{status:04X}"):
            send_store(peer, [ct_slice(1)])

    def test_the_second_of_two_is_refused(self):
        answers = iter([0x0000, 0xC000])
        with scp(lambda event: next(answers)) as peer, pytest.raises(DestinationRefused):
            send_store(peer, [ct_slice(1), ct_slice(2)])

    def test_a_kind_that_the_peer_does_not_take(self):
        contexts = ((CT_IMAGE, [EXPLICIT_LITTLE]),)
        with scp(lambda event: 0, contexts) as peer, pytest.raises(DestinationRefused, match="does not take"):
            send_store(peer, [ct_slice(1), mr_slice(1)])

    def test_a_peer_that_takes_none_of_our_kinds(self):
        contexts = ((CT_IMAGE, [JPEG_2000]),)
        with scp(lambda event: 0, contexts) as peer, pytest.raises(DestinationRefused, match="does not take"):
            send_store(peer, [ct_slice(1)])

    def test_a_peer_that_does_not_let_us_in(self, inbox):
        with listening(inbox, allowed_aes=frozenset({"CT1"})) as receiver:
            with pytest.raises(DestinationRefused, match="rejected"):
                echo(peer_at(receiver.port))
            echo(peer_at(receiver.port, calling_ae_title="CT1"))

    def test_what_is_no_object_is_not_sent(self):
        with pytest.raises(InputFault):
            send_store(peer_at(1), [b"no DICOM"])


class TestUnreachable:
    def test_nobody_listens(self, free_port):
        with pytest.raises(DestinationUnreachable) as caught:
            echo(peer_at(free_port))
        assert caught.value.retriable
        assert f"127.0.0.1:{free_port}" in caught.value.where

    def test_a_name_that_is_no_host(self):
        with pytest.raises(DestinationUnreachable):
            echo(Peer("no-such-host.invalid", 104, timeout_s=2))

    def test_no_room_for_now(self):
        with scp(lambda event: 0xA701) as peer, pytest.raises(DestinationUnreachable, match="no room"):
            send_store(peer, [ct_slice(1)])

    def test_our_own_receiver_low_on_disk(self, inbox):
        inbox.is_full = True
        with listening(inbox) as receiver, pytest.raises(DestinationUnreachable, match="0xA700"):
            send_store(peer_at(receiver.port), [ct_slice(1)])

    def test_too_many_associations_for_now(self, inbox):
        with (
            listening(inbox, Limits(max_associations=1, artim_timeout_s=1)) as receiver,
            socket.create_connection(("127.0.0.1", receiver.port)),
        ):
            time.sleep(0.1)
            with pytest.raises(DestinationUnreachable, match="for now"):
                echo(peer_at(receiver.port))

    def test_a_peer_that_aborts_instead_of_answering(self):
        with scp(lambda event: event.assoc.abort() or 0) as peer, pytest.raises(DestinationUnreachable):
            send_store(peer, [ct_slice(1), ct_slice(2)])

    @pytest.mark.parametrize(
        "says",
        [(b"",), (ABORT,), (b"HTTP/1.1 400 Bad Request\r\n\r\n",), (pdu(2, b""),), (pdu(2, bytes(300)),)],
        ids=["closes", "aborts", "http", "empty accept", "zero accept"],
    )
    def test_a_peer_that_speaks_no_dicom(self, says):
        with scripted(*says) as peer, pytest.raises((DestinationUnreachable, DestinationRefused)):
            echo(peer)

    def test_a_peer_that_hears_and_says_nothing(self):
        with scripted(b"", close=False) as peer, pytest.raises(DestinationUnreachable):
            echo(peer)

    def test_a_peer_that_falls_silent_after_the_association(self, inbox):
        inbox.gate = threading.Event()
        with listening(inbox, BRISK) as receiver:
            with pytest.raises(DestinationUnreachable, match="silent"):
                send_store(peer_at(receiver.port, timeout_s=0.5), [ct_slice(1)])
            inbox.gate.set()

    def test_tls_that_the_peer_does_not_speak(self, inbox, tmp_path):
        files = self_signed(tmp_path)
        with listening(inbox) as receiver, pytest.raises(DestinationUnreachable):
            echo(peer_at(receiver.port, tls=files))


def self_signed(folder) -> TlsFiles:
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    files = TlsFiles(folder / "a.pem", folder / "a.key", folder / "a.pem")
    subprocess.run(
        [*words, "-keyout", str(files.key), "-out", str(files.certificate)], check=True, capture_output=True
    )
    return files


def implicit_data_set(uid: str, sop_class: str = CT_IMAGE) -> bytes:
    """Write the least data set that has its identifiers, in implicit VR little endian."""

    def element(group: int, number: int, text: str) -> bytes:
        value = text.encode() + b"\0" * (len(text) % 2)
        return struct.pack("<HHI", group, number, len(value)) + value

    return (
        element(0x0008, 0x0016, sop_class)
        + element(0x0008, 0x0018, uid)
        + element(0x0020, 0x000D, "1.2.3")
        + element(0x0020, 0x000E, "1.2.4")
    )
