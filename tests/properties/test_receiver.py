"""Properties of the receiver: however bytes are cut, the object is the same; whatever is said, it survives.

Two kinds of tests live here: framing (every legal way to say the same thing) and mutation (ways that
are not legal). An association is run whole in the test's own thread, on a loopback connection.
"""

from __future__ import annotations

import os
import random
import socket
import threading

import pytest
from dimse_speaker import (
    ABORT,
    RELEASE_RQ,
    FolderInbox,
    Speaker,
    associate_rq,
    data_set_of,
    echo_rq,
    listening,
    p_data,
    pdu,
    pdv,
    sop_uid_of,
    split,
    store_pdus,
    store_rq,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from coread.domain.identity import derive_uid
from coread.gateways.dimse.association import Association, Patience
from coread.gateways.dimse.messages import Command, parse_command, request, response, status_in
from coread.gateways.dimse.negotiation import Agreement, Policy, Refusal, negotiate
from coread.gateways.dimse.upper_layer import Connection, ProtocolFault
from coread.testing.patients import ct_slice

POLICY = Policy("COREAD", frozenset(), False, 64 << 10)
PATIENCE = Patience(2.0, 2.0, 2.0)
MAX_OBJECT_BYTES = 1 << 20
SLICES = [ct_slice(index, sop_uid=derive_uid("property", str(index))) for index in range(3)]
MUTATIONS = int(os.environ.get("COREAD_MUTATIONS", "1500"))

patient = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inbox")


@pytest.fixture(scope="module")
def server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


class Stage:
    """An association between the test and the receiver's own code, one for each example."""

    def __init__(self, server: socket.socket, inbox: FolderInbox) -> None:
        self.peer = Speaker(server.getsockname()[1])
        self._connection = Connection(server.accept()[0], POLICY.max_pdu_bytes)
        self.association = Association(self._connection, inbox, POLICY, PATIENCE, MAX_OBJECT_BYTES)

    def play(self, chunks: list[bytes]) -> list[object]:
        """Say all chunks, hang up, and return what the receiver answered."""
        speaker = threading.Thread(target=self._say, args=(chunks,))
        speaker.start()
        self.association.serve()
        self._connection.close()
        speaker.join()
        with self.peer:
            return self.peer.hear_all()

    def _say(self, chunks: list[bytes]) -> None:
        try:
            for chunk in chunks:
                self.peer.say(chunk)
            self.peer.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # aborted by the receiver, as it may


def new_inbox(folder) -> FolderInbox:
    for path in folder.iterdir():
        path.unlink()
    return FolderInbox(folder)


def statuses(answers) -> list[int]:
    return [answer.status for answer in answers if answer.kind == 0x04]


@st.composite
def cuts(draw, whole: bytes, most: int = 12) -> list[bytes]:
    """Cut `whole` anywhere, empty pieces included."""
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=most)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]


@st.composite
def messages(draw, context_id: int, command: bytes, data_set: bytes | None) -> list[bytes]:
    """The PDVs of one message, its two parts cut anywhere."""
    pdvs = []
    for part, is_command in ((command, True), (data_set, False)):
        if part is not None:
            pieces = draw(cuts(part))
            pdvs += [
                pdv(context_id, piece, command=is_command, last=index == len(pieces) - 1)
                for index, piece in enumerate(pieces)
            ]
    return pdvs


@st.composite
def packed(draw, pdvs: list[bytes]) -> bytes:
    """P-DATA PDUs with several PDVs in each."""
    whole, group = b"", []
    for one in pdvs:
        if group and (draw(st.booleans()) or sum(map(len, group)) + len(one) > POLICY.max_pdu_bytes):
            whole, group = whole + p_data(*group), []
        group.append(one)
    return whole + p_data(*group)


@st.composite
def conversations(draw) -> tuple[list[bytes], list[bytes]]:
    """Objects, and the chunks in which a legal association sends them."""
    objects = draw(st.lists(st.sampled_from(SLICES), min_size=1, max_size=3, unique=True))
    said = associate_rq()
    for data in objects:
        said += draw(packed(draw(messages(1, echo_rq(), None))))
        said += draw(packed(draw(messages(3, store_rq(sop_uid_of(data)), data_set_of(data)))))
    return objects, draw(cuts(said + RELEASE_RQ, most=20))


@patient
@given(conversation=conversations())
def test_however_it_is_cut_the_object_is_the_same(folder, server, conversation):
    objects, chunks = conversation
    inbox = new_inbox(folder)
    answers = Stage(server, inbox).play(chunks)
    assert [answer.kind for answer in answers] == [0x02] + [0x04] * 2 * len(objects) + [0x06]
    assert statuses(answers) == [0] * 2 * len(objects)
    assert inbox.data_sets() == {sop_uid_of(data): data_set_of(data) for data in objects}


def test_every_single_boundary(folder, server):
    """Cut a whole association in two at each byte of its framing, and at many of its data."""
    data = SLICES[0]
    head = associate_rq() + p_data(pdv(3, store_rq(sop_uid_of(data)), command=True, last=True))
    parts = split(data_set_of(data), 5000)
    for index, part in enumerate(parts):
        head += p_data(pdv(3, part, command=False, last=index == len(parts) - 1))
    whole = head + RELEASE_RQ
    framing = len(whole) - len(data_set_of(data))
    places = [*range(1, framing), *range(framing, len(whole), 97)]
    for place in places[:: max(1, len(places) // 400)]:
        inbox = new_inbox(folder)
        answers = Stage(server, inbox).play([whole[:place], whole[place:]])
        assert statuses(answers) == [0], f"cut at {place}"
        assert list(inbox.data_sets().values()) == [data_set_of(data)]


@patient
@given(place=st.integers(0, 20_000), end=st.sampled_from([b"", ABORT, RELEASE_RQ, pdu(0x42, b"?")]))
def test_a_peer_that_leaves_anywhere_leaves_no_trace(folder, server, place, end):
    said = associate_rq() + b"".join(store_pdus(3, store_rq(sop_uid_of(s)), data_set_of(s)) for s in SLICES)
    inbox = new_inbox(folder)
    answers = Stage(server, inbox).play([said[:place] + end])
    assert statuses(answers).count(0) == len(inbox.kept)
    assert inbox.traces() == 0


RECORDED = (
    associate_rq()
    + p_data(pdv(1, echo_rq(), command=True, last=True))
    + b"".join(store_pdus(3, store_rq(sop_uid_of(s)), data_set_of(s), 3000) for s in SLICES)
    + RELEASE_RQ
)
INTERESTING = [b"\0", b"\xff", b"\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x80\0\0\0", ABORT, RELEASE_RQ]


def mutated(rng: random.Random, recorded: bytes) -> bytes:
    """Change some bytes: most of them where the framing is, for data has few ways to be wrong."""
    changed = bytearray(recorded)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 20))):
        at = rng.randrange(min(len(changed), rng.choice((300, 700, 2000, len(changed)))))
        kind = rng.randrange(4)
        if kind == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[at : at + 4] = rng.choice(INTERESTING)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 2, 6, 100))]
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 2, 6, 100)))
    return bytes(changed)


@pytest.mark.timeout(1200)
def test_mutated_associations_crash_nothing_and_lose_nothing(folder, server):
    """`COREAD_MUTATIONS` of them; each seed is one that can be repeated alone."""
    for seed in range(MUTATIONS):
        inbox = new_inbox(folder)
        answers = Stage(server, inbox).play([mutated(random.Random(seed), RECORDED)])
        stored = statuses_of_stores(answers).count(0)
        assert stored <= len(inbox.heads), f"seed {seed}: acknowledged, but not kept"
        assert inbox.traces() == len(inbox.heads) - len(set(inbox.kept.values())), f"seed {seed}: a trace"


def statuses_of_stores(answers) -> list[int]:
    return [
        answer.status for answer in answers if answer.kind == 0x04 and answer.command[0x0100] == b"\x01\x80"
    ]


def test_mutated_associations_do_not_disturb_their_neighbours(tmp_path):
    with listening(FolderInbox(tmp_path)) as receiver, Speaker(receiver.port) as steady:
        steady.associate()
        for seed in range(60):
            with Speaker(receiver.port) as wild:
                wild.say(mutated(random.Random(seed), RECORDED))
                data = ct_slice(seed, sop_uid=derive_uid("steady", str(seed)))
                assert steady.store(data).status == 0


@settings(deadline=None, max_examples=500)
@given(noise=st.binary(max_size=300))
def test_a_command_set_of_noise_is_read_or_a_fault(noise):
    try:
        command = parse_command(noise)
    except ProtocolFault:
        return
    assert isinstance(command, Command)


@settings(deadline=None, max_examples=300)
@given(noise=st.binary(max_size=400))
def test_a_request_of_noise_is_agreed_refused_or_a_fault(noise):
    try:
        answer = negotiate(bytes(6) + noise, POLICY)
    except ProtocolFault:
        return
    assert isinstance(answer, (Agreement, Refusal))


@settings(deadline=None, max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_a_mutated_request_is_agreed_refused_or_a_fault(seed):
    try:
        answer = negotiate(mutated(random.Random(seed), associate_rq()), POLICY)
    except ProtocolFault:
        return
    assert isinstance(answer, (Agreement, Refusal))


uids = st.from_regex(r"\A(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,8}\Z")


@given(number=st.integers(0, 0xFFFF), uid=uids, status=st.integers(0, 0xFFFF), comment=st.text(max_size=90))
def test_a_response_answers_its_request(number, uid, status, comment):
    command = Command(0x0001, number, True, "1.2.840.10008.5.1.4.1.1.2", uid)
    assert parse_command(request(command)) == command
    answer = response(command, status, comment)
    assert len(answer) % 2 == 0
    assert status_in(answer, command) == status
