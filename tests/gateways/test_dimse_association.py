"""One association with the receiver, byte by byte: what is agreed on, answered, refused, aborted."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
import threading
import time

import pytest
from dimse_speaker import (
    ABORT,
    BRISK,
    CT_IMAGE,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_2000,
    RELEASE_RQ,
    VERIFICATION,
    FolderInbox,
    Speaker,
    associate_rq,
    command_set,
    data_set_of,
    echo_rq,
    item,
    listening,
    p_data,
    pdu,
    pdv,
    sop_uid_of,
    store_pdus,
    store_rq,
)

from coread.domain.identity import derive_uid
from coread.errors import LowDisk
from coread.gateways.dimse import Address, Limits, Receiver
from coread.testing.patients import broken, ct_slice

ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA_TF, RELEASE_RP, ABORTED = 2, 3, 4, 6, 7
UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_VALUE = 1, 2, 6


@pytest.fixture
def inbox(tmp_path):
    return FolderInbox(tmp_path)


@pytest.fixture
def port(inbox):
    with listening(inbox) as receiver:
        yield receiver.port


@pytest.fixture
def peer(port):
    with Speaker(port) as speaker:
        yield speaker


@pytest.fixture
def associated(peer):
    peer.associate()
    return peer


def slice_of(index: int) -> bytes:
    return ct_slice(index, sop_uid=derive_uid("slice", str(index)))


def is_silent(peer: Speaker) -> bool:
    peer.socket.settimeout(0.2)
    try:
        return peer.socket.recv(1) == b"never"
    except TimeoutError:
        return True
    finally:
        peer.socket.settimeout(8)


class TestNegotiation:
    def test_the_first_known_syntax_of_each_context_is_taken(self, peer):
        contexts = peer.associate(
            [
                (1, VERIFICATION, (IMPLICIT_LITTLE,)),
                (3, CT_IMAGE, (JPEG_2000, EXPLICIT_LITTLE)),
                (5, CT_IMAGE, (EXPLICIT_LITTLE, JPEG_2000)),
                (7, CT_IMAGE, ("1.2.3.4.5", IMPLICIT_LITTLE)),
            ]
        ).contexts
        assert contexts == {
            1: (0, IMPLICIT_LITTLE),
            3: (0, JPEG_2000),
            5: (0, EXPLICIT_LITTLE),
            7: (0, IMPLICIT_LITTLE),
        }

    def test_what_is_no_storage_is_rejected_with_its_reason(self, peer):
        study_root_find = "1.2.840.10008.5.1.4.1.2.2.1"
        contexts = peer.associate(
            [
                (1, study_root_find, (IMPLICIT_LITTLE,)),
                (3, CT_IMAGE, ("1.2.3.4.5",)),
                (5, "1.2.3", ("1.2.4",)),
            ]
        ).contexts
        assert {context_id: result for context_id, (result, _) in contexts.items()} == {1: 3, 3: 4, 5: 3}

    def test_128_contexts_are_answered(self, peer):
        proposed = [(index * 2 + 1, CT_IMAGE, (EXPLICIT_LITTLE,)) for index in range(128)]
        assert len(peer.associate(proposed).contexts) == 128

    def test_the_answer_names_our_maximum_and_implementation(self, peer):
        body = peer.associate().body
        assert item(0x51, struct.pack(">I", BRISK.max_pdu_bytes)) in body
        assert b"COREAD" in body

    @pytest.mark.parametrize(
        ("request_", "refusal"),
        [
            ({"calling": "STRANGER"}, (1, 1, 3)),
            ({"called": "SOMEBODY"}, (1, 1, 7)),
            ({"application": "1.2.3"}, (1, 1, 2)),
            ({"version": 2}, (1, 2, 2)),
        ],
    )
    def test_who_may_not_call_is_rejected(self, inbox, request_, refusal):
        strict = {"allowed_aes": frozenset({"SPEAKER"}), "check_called_ae": True}
        with listening(inbox, **strict) as receiver, Speaker(receiver.port) as peer:
            answer = peer.associate(**request_)
            assert (answer.kind, tuple(answer.body[1:4])) == (ASSOCIATE_RJ, refusal)
            assert peer.hear() is None
            with Speaker(receiver.port) as known:
                assert known.associate().kind == ASSOCIATE_AC

    @pytest.mark.parametrize(
        "opening",
        [
            pdu(1, b""),
            pdu(1, bytes(68)),
            pdu(1, bytes(range(256)) * 4),
            associate_rq([]),
            associate_rq([(2, CT_IMAGE, (EXPLICIT_LITTLE,))]),
            associate_rq([(1, CT_IMAGE, ())]),
            struct.pack(">BxI", 1, 2_000_000_000),
            pdu(4, b"data before all else"),
            pdu(9, b"unknown"),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ],
        ids=[
            "empty",
            "zeros",
            "noise",
            "no contexts",
            "even id",
            "no syntax",
            "2 GB",
            "data",
            "unknown",
            "http",
        ],
    )
    def test_what_is_no_request_is_aborted(self, peer, opening):
        peer.say(opening)
        assert [answer.kind for answer in peer.hear_all()] == [ABORTED]

    def test_too_many_are_refused_for_now(self, inbox):
        few = Limits(max_associations=2, artim_timeout_s=1)
        with (
            listening(inbox, few) as receiver,
            Speaker(receiver.port) as first,
            Speaker(receiver.port) as second,
        ):
            first.associate()
            second.associate()
            with Speaker(receiver.port) as third:
                answer = third.associate()
            assert (answer.kind, tuple(answer.body[1:4])) == (ASSOCIATE_RJ, (2, 3, 2))
            first.release()
            first.socket.close()
            wait_until(lambda: receiver.associations < 2)
            with Speaker(receiver.port) as fourth:
                assert fourth.associate().kind == ASSOCIATE_AC

    def test_a_flood_of_callers_is_cut_off(self, inbox):
        with listening(inbox, Limits(max_associations=1, artim_timeout_s=5)) as receiver:
            crowd = [Speaker(receiver.port) for _ in range(40)]
            wait_until(lambda: receiver.associations == 17)
            threads = [thread for thread in threading.enumerate() if thread.name == "dimse"]
            assert len(threads) == 17
            for speaker in crowd:
                speaker.socket.close()
            wait_until(lambda: receiver.associations == 0)


class TestMessages:
    def test_echo(self, associated):
        answer = associated.echo(7)
        assert answer.status == 0
        assert answer.command[0x0100] == struct.pack("<H", 0x8030)
        assert answer.command[0x0120] == struct.pack("<H", 7)

    def test_release(self, associated):
        assert associated.release().kind == RELEASE_RP
        assert associated.hear() is None

    def test_a_stored_object_is_kept_byte_for_byte(self, inbox, associated):
        data = slice_of(1)
        answer = associated.store(data)
        assert (answer.status, answer.comment) == (0, "")
        assert answer.command[0x0100] == struct.pack("<H", 0x8001)
        assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data)}
        assert inbox.sources == ["dimse:SPEAKER"]

    def test_the_file_bears_the_agreed_transfer_syntax_and_the_sender(self, inbox, associated):
        associated.store(slice_of(1))
        meta = inbox.heads[0][:400]
        assert EXPLICIT_LITTLE.encode() in meta
        assert b"SPEAKER" in meta

    def test_the_head_is_the_start_of_the_file(self, inbox, associated):
        associated.store(ct_slice(1, facts={"ImageComments": "x" * 9000}), size=4000)
        whole = next(iter(inbox.kept.values())).read_bytes()
        assert len(whole) > 9000
        assert whole.startswith(inbox.heads[0])

    def test_many_objects_in_one_association(self, inbox, associated):
        slices = [slice_of(index) for index in range(20)]
        assert [associated.store(data).status for data in slices] == [0] * 20
        assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data) for data in slices}

    def test_requests_may_be_sent_ahead(self, inbox, associated):
        slices = [slice_of(index) for index in range(5)]
        associated.say(b"".join(store_pdus(3, store_rq(sop_uid_of(s)), data_set_of(s)) for s in slices))
        assert [associated.hear().status for _ in slices] == [0] * 5

    def test_an_answer_is_cut_to_the_peers_maximum(self, peer):
        peer.associate(max_pdu=64)
        peer.say(p_data(pdv(1, echo_rq(), command=True, last=True)))
        fragments = [peer.hear()]
        while not fragments[-1].body[5] & 2:
            fragments.append(peer.hear())
        assert len(fragments) > 1
        assert all(len(fragment.body) <= 64 for fragment in fragments)
        whole = b"".join(fragment.body[6:] for fragment in fragments)
        assert struct.pack("<HHIH", 0, 0x0900, 2, 0) in whole

    def test_a_cancel_is_not_answered(self, associated):
        associated.say(
            p_data(
                pdv(1, command_set(field=0x0FFF, responded_to=1, data_set=0x0101), command=True, last=True)
            )
        )
        assert is_silent(associated)
        assert associated.echo().status == 0

    @pytest.mark.parametrize("data_set", [0x0101, 1])
    def test_an_unknown_operation_is_refused_and_the_association_goes_on(self, associated, data_set):
        find = command_set(sop_class=CT_IMAGE, field=0x0020, message_id=1, data_set=data_set)
        pdvs = [pdv(3, find, command=True, last=True)]
        if data_set == 1:
            pdvs.append(pdv(3, b"keys", command=False, last=True))
        associated.say(p_data(*pdvs))
        assert associated.hear().status == 0x0211
        assert associated.echo().status == 0

    def test_a_store_without_data_set_is_refused(self, associated):
        command = command_set(
            sop_class=CT_IMAGE, field=1, message_id=1, data_set=0x0101, sop_instance="1.2.3"
        )
        associated.say(p_data(pdv(3, command, command=True, last=True)))
        answer = associated.hear()
        assert answer.status == 0xC000
        assert "1105" in answer.comment

    def test_another_class_than_that_of_the_context_is_refused(self, inbox, associated):
        data = slice_of(1)
        command = store_rq(sop_uid_of(data), sop_class="1.2.840.10008.5.1.4.1.1.4")
        associated.say(store_pdus(3, command, data_set_of(data)))
        assert associated.hear().status == 0x0122
        assert (inbox.kept, inbox.traces()) == ({}, 0)
        assert associated.echo().status == 0


class TestBadObjects:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [("truncated", 0xC000), ("wrong_length", 0xC000), ("two_gigabytes", 0xC000), ("missing_uid", 0xA900)],
    )
    def test_a_malformed_object_is_quarantined_and_the_association_goes_on(
        self, inbox, associated, kind, status
    ):
        data = broken(kind)
        associated.say(store_pdus(3, store_rq("1.2.3"), data_set_of(data)))
        assert associated.hear().status == status
        assert len(inbox.quarantined) == 1
        assert associated.store(slice_of(2)).status == 0

    @pytest.mark.parametrize("name", ["../../etc/passwd", "1.2.é", "x" * 200, "", "1..2"])
    def test_a_name_that_is_no_uid_goes_no_further_than_the_command(self, inbox, associated, name):
        data = slice_of(1)
        associated.say(store_pdus(3, store_rq(name), data_set_of(data)))
        assert associated.hear().status == 0
        assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data)}
        assert b"passwd" not in inbox.heads[0]

    def test_noise_is_refused_and_the_answer_tells_no_data(self, inbox, associated):
        secret = b"Canary^Patient" * 100
        associated.say(store_pdus(3, store_rq("1.2.3"), secret))
        answer = associated.hear()
        assert answer.status in (0xC000, 0xA900)
        assert answer.comment.startswith("[11")
        assert len(answer.command[0x0902]) <= 64
        assert b"Canary" not in answer.body

    def test_an_object_above_the_limit_is_refused_and_the_association_goes_on(self, inbox, associated):
        associated.say(store_pdus(3, store_rq("1.2.3"), bytes(5 << 20), 250_000))
        answer = associated.hear()
        assert (answer.status, answer.comment) == (0xA700, "[1106] The object is larger than allowed.")
        assert inbox.traces() == 0
        assert associated.store(slice_of(2)).status == 0

    def test_an_endless_object_is_aborted(self, inbox, associated):
        chunk = p_data(pdv(3, bytes(200_000), command=False, last=False))
        associated.say(p_data(pdv(3, store_rq("1.2.3"), command=True, last=True)))
        for _ in range(60):
            associated.say(chunk)
        assert associated.hear().kind == ABORTED
        assert inbox.traces() == 0

    def test_low_disk_is_told_and_the_association_goes_on(self, inbox, associated):
        inbox.is_full = True
        answer = associated.store(slice_of(1))
        assert (answer.status, answer.comment) == (0xA700, "[1301] Disk space is low.")
        inbox.is_full = False
        assert associated.store(slice_of(2)).status == 0

    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            (OSError(errno.ENOSPC, "full"), 0xA700),
            (OSError(errno.EIO, "broken"), 0x0110),
            (LowDisk("full"), 0xA700),
        ],
    )
    def test_a_disk_that_fails_while_writing_leaves_no_trace(self, inbox, associated, fault, status):
        inbox.write_fault = fault
        assert associated.store(slice_of(1)).status == status
        assert inbox.traces() == 0
        inbox.write_fault = None
        assert associated.store(slice_of(2)).status == 0


FIRST = pdv(3, store_rq("1.2.3"), command=True, last=True)
BREACHES = {
    "unknown pdu type": (pdu(0x42, b"what"), UNRECOGNISED_PDU),
    "second association": (associate_rq(), UNEXPECTED_PDU),
    "p-data above the maximum": (struct.pack(">BxI", 4, BRISK.max_pdu_bytes + 1), INVALID_VALUE),
    "p-data of 4 GB": (struct.pack(">BxI", 4, 0xFFFFFFFF), INVALID_VALUE),
    "empty p-data": (pdu(4, b""), INVALID_VALUE),
    "pdv beyond its pdu": (pdu(4, struct.pack(">IBB", 500, 1, 3) + bytes(10)), INVALID_VALUE),
    "pdv of length 1": (pdu(4, struct.pack(">IBB", 1, 1, 3) + bytes(10)), INVALID_VALUE),
    "rest that is no pdv": (p_data(FIRST, b"abc"), INVALID_VALUE),
    "context not agreed on": (p_data(pdv(99, echo_rq(), command=True, last=True)), INVALID_VALUE),
    "data in another context": (p_data(FIRST, pdv(5, b"x", command=False, last=True)), INVALID_VALUE),
    "data without command": (p_data(pdv(3, b"data", command=False, last=True)), UNEXPECTED_PDU),
    "command within data": (p_data(FIRST, FIRST), UNEXPECTED_PDU),
    "release within a message": (p_data(FIRST) + RELEASE_RQ, UNEXPECTED_PDU),
    "release of a wrong length": (pdu(5, bytes(40)), UNEXPECTED_PDU),
    "a response": (
        p_data(pdv(1, command_set(field=0x8030, data_set=0x0101), command=True, last=True)),
        UNEXPECTED_PDU,
    ),
    "noise as command": (p_data(pdv(1, bytes(range(50)), command=True, last=True)), INVALID_VALUE),
    "cut command": (p_data(pdv(1, echo_rq()[:-3], command=True, last=True)), INVALID_VALUE),
    "command without field": (
        p_data(pdv(1, command_set(data_set=0x0101), command=True, last=True)),
        INVALID_VALUE,
    ),
    "endless command": (p_data(pdv(1, bytes(40_000), command=True, last=False)), INVALID_VALUE),
}


class TestBreaches:
    @pytest.mark.parametrize("breach", BREACHES)
    def test_a_breach_is_aborted_with_its_reason(self, inbox, associated, breach):
        said, reason = BREACHES[breach]
        associated.say(said)
        answer = associated.hear()
        assert (answer.kind, answer.body) == (ABORTED, bytes((0, 0, 2, reason)))
        assert associated.hear_all() == []
        wait_until(lambda: inbox.traces() == 0)

    def test_others_go_on(self, inbox, port, associated):
        with Speaker(port) as other:
            other.associate()
            other.say(store_pdus(3, store_rq("1.2.3"), bytes(100))[:-50])
            associated.say(pdu(0x42, b"what"))
            associated.hear_all()
            with Speaker(port) as third:
                third.associate()
                assert third.store(slice_of(1)).status == 0

    def test_an_abort_by_the_peer_ends_it(self, inbox, associated):
        associated.say(p_data(FIRST) + ABORT)
        assert associated.hear() is None
        wait_until(lambda: inbox.traces() == 0)


class TestSilence:
    @pytest.fixture
    def port(self, inbox):
        hasty = Limits(artim_timeout_s=0.3, idle_timeout_s=0.6, stall_timeout_s=0.3)
        with listening(inbox, hasty) as receiver:
            yield receiver.port

    @pytest.mark.parametrize("opening", [b"", associate_rq()[:5], associate_rq()[:-9]])
    def test_a_caller_who_says_nothing_is_given_up(self, peer, opening):
        peer.say(opening)
        assert [answer.kind for answer in peer.hear_all()] == [ABORTED]

    def test_an_idle_association_is_given_up(self, associated):
        began = time.monotonic()
        assert [answer.kind for answer in associated.hear_all()] == [ABORTED]
        assert 0.5 < time.monotonic() - began < 3

    def test_a_stalled_sender_is_given_up_and_leaves_no_trace(self, inbox, associated):
        associated.say(store_pdus(3, store_rq("1.2.3"), bytes(1000))[:-10])
        assert [answer.kind for answer in associated.hear_all()] == [ABORTED]
        assert inbox.traces() == 0

    def test_a_sender_that_vanishes_mid_file_leaves_no_trace(self, inbox, associated):
        associated.say(store_pdus(3, store_rq("1.2.3"), bytes(1000))[:-10])
        wait_until(lambda: inbox.traces() == 1)
        associated.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        associated.socket.close()
        wait_until(lambda: inbox.traces() == 0)

    def test_a_peer_that_takes_no_answers_is_given_up(self, caplog, port):
        caplog.set_level(logging.INFO)
        with Speaker(port) as deaf:
            deaf.associate()
            with contextlib.suppress(OSError):
                deaf.say(p_data(pdv(1, echo_rq(), command=True, last=True)) * 1_000_000)
            wait_until(lambda: "does not take our answer" in caplog.text)


class TestStop:
    def test_stopping_aborts_idle_associations(self, inbox):
        with listening(inbox) as receiver, Speaker(receiver.port) as peer:
            peer.associate()
            receiver.stop()
            assert [answer.kind for answer in peer.hear_all()] == [ABORTED]
            with pytest.raises(ConnectionRefusedError):
                Speaker(receiver.port)

    def test_stopping_lets_what_is_being_filed_be_answered(self, inbox):
        inbox.gate = threading.Event()
        with listening(inbox) as receiver, Speaker(receiver.port) as peer:
            peer.associate()
            data = slice_of(1)
            peer.say(store_pdus(3, store_rq(sop_uid_of(data)), data_set_of(data)))
            wait_until(lambda: inbox.traces() == 1)
            stopper = threading.Thread(target=receiver.stop)
            stopper.start()
            time.sleep(0.1)
            inbox.gate.set()
            stopper.join()
            answers = peer.hear_all()
        assert [answer.kind for answer in answers] == [P_DATA_TF, ABORTED]
        assert answers[0].status == 0
        assert list(inbox.kept) == [sop_uid_of(data)]

    def test_it_can_be_started_again(self, inbox):
        with listening(inbox) as receiver:
            receiver.stop()
            receiver.start()
            with Speaker(receiver.port) as peer:
                peer.associate()
                assert peer.echo().status == 0

    def test_a_taken_port_is_told(self, inbox):
        with listening(inbox) as receiver:
            second = Receiver(Address(port=receiver.port), inbox)
            with pytest.raises(OSError, match="in use"):
                second.start()

    def test_ipv6(self, inbox):
        with (
            listening(inbox, host="::1") as receiver,
            socket.create_connection(("::1", receiver.port)) as sock,
        ):
            sock.sendall(associate_rq())
            assert sock.recv(1) == b"\x02"


def test_no_log_line_tells_a_patient_or_a_uid(inbox, caplog):
    caplog.set_level(logging.DEBUG)
    data = ct_slice(1, facts={"PatientName": "Canary^Patient", "PatientID": "canary-7"})
    with listening(inbox) as receiver, Speaker(receiver.port) as peer:
        peer.associate()
        peer.store(data)
        peer.say(store_pdus(3, store_rq(sop_uid_of(data)), data_set_of(data)[:-20]))
        peer.hear()
        peer.say(pdu(0x42, data))
        peer.hear_all()
    assert "1 stored, 1 refused" in caplog.text
    assert "anary" not in caplog.text
    assert sop_uid_of(data) not in caplog.text


def wait_until(condition, seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
