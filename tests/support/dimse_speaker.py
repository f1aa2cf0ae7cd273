"""A DICOM peer that speaks bytes, and an inbox that keeps files: for the receiver's tests.

Written from PS3.7 and PS3.8 without a line of the receiver or of pynetdicom, so that both
sides of a test do not err alike. It can say what no honest peer says.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coread.dicom import data_set_offset, scan_header
from coread.errors import CoReadError, LowDisk
from coread.gateways.dimse import Address, Limits, Receiver

VERIFICATION = "1.2.840.10008.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

#: Associations end at once in tests, and silence is short.
BRISK = Limits(artim_timeout_s=1.0, idle_timeout_s=5.0, stall_timeout_s=5.0, max_object_bytes=4 << 20)

Context = tuple[int, str, tuple[str, ...]]
DEFAULT_CONTEXTS: tuple[Context, ...] = (
    (1, VERIFICATION, (IMPLICIT_LITTLE,)),
    (3, CT_IMAGE, (EXPLICIT_LITTLE,)),
    (5, CT_IMAGE, (JPEG_2000, IMPLICIT_LITTLE)),
)


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def associate_rq(
    contexts: Iterable[Context] = DEFAULT_CONTEXTS,
    *,
    calling: str = "SPEAKER",
    called: str = "COREAD",
    max_pdu: int = 16384,
    version: int = 1,
    application: str = APPLICATION_CONTEXT,
) -> bytes:
    body = struct.pack(">Hxx16s16s32x", version, called.ljust(16).encode(), calling.ljust(16).encode())
    body += item(0x10, application.encode())
    for context_id, abstract, transfers in contexts:
        syntaxes = item(0x30, abstract.encode()) + b"".join(item(0x40, t.encode()) for t in transfers)
        body += item(0x20, struct.pack(">Bxxx", context_id) + syntaxes)
    user = item(0x51, struct.pack(">I", max_pdu)) + item(0x52, b"1.2.3.4")
    return pdu(0x01, body + item(0x50, user))


RELEASE_RQ = pdu(0x05, bytes(4))
ABORT = pdu(0x07, bytes(4))


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def command_set(**values: int | str) -> bytes:
    """Write a command set from names of the elements that tests need."""
    numbers = {
        "sop_class": 0x0002,
        "field": 0x0100,
        "message_id": 0x0110,
        "responded_to": 0x0120,
        "priority": 0x0700,
        "data_set": 0x0800,
        "status": 0x0900,
        "sop_instance": 0x1000,
    }
    body = b""
    for name, value in sorted(values.items(), key=lambda pair: numbers[pair[0]]):
        if isinstance(value, int):
            body += element(numbers[name], struct.pack("<H", value))
        else:
            raw = value.encode()
            body += element(numbers[name], raw + b"\0" * (len(raw) % 2))
    return element(0, struct.pack("<I", len(body))) + body


def echo_rq(message_id: int = 1) -> bytes:
    return command_set(sop_class=VERIFICATION, field=0x0030, message_id=message_id, data_set=0x0101)


def store_rq(sop_instance: str, message_id: int = 1, sop_class: str = CT_IMAGE) -> bytes:
    return command_set(
        sop_class=sop_class,
        field=0x0001,
        message_id=message_id,
        priority=0,
        data_set=1,
        sop_instance=sop_instance,
    )


def pdv(context_id: int, fragment: bytes, *, command: bool, last: bool) -> bytes:
    return struct.pack(">IBB", len(fragment) + 2, context_id, command | last << 1) + fragment


def p_data(*pdvs: bytes) -> bytes:
    return pdu(0x04, b"".join(pdvs))


def split(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)] or [b""]


def store_pdus(context_id: int, command: bytes, data_set: bytes, size: int = 16000) -> bytes:
    """Write one C-STORE request as most senders do: one PDV in each PDU."""
    parts = split(data_set, size)
    return p_data(pdv(context_id, command, command=True, last=True)) + b"".join(
        p_data(pdv(context_id, part, command=False, last=index == len(parts) - 1))
        for index, part in enumerate(parts)
    )


def data_set_of(data: bytes) -> bytes:
    return data[data_set_offset(data) :]


def sop_uid_of(data: bytes) -> str:
    return scan_header(data).ref.sop_instance_uid


@dataclass(frozen=True)
class Answer:
    """One PDU from the receiver."""

    kind: int
    body: bytes

    @property
    def command(self) -> dict[int, bytes]:
        """The command set of a P-DATA with one PDV."""
        assert self.kind == 0x04, self
        elements, at = {}, 6
        while at < len(self.body):
            _, number, length = struct.unpack_from("<HHI", self.body, at)
            elements[number] = self.body[at + 8 : at + 8 + length]
            at += 8 + length
        return elements

    @property
    def status(self) -> int:
        return int(struct.unpack("<H", self.command[0x0900])[0])

    @property
    def comment(self) -> str:
        return self.command.get(0x0902, b"").decode().strip()

    @property
    def contexts(self) -> dict[int, tuple[int, str]]:
        """Result and transfer syntax of each presentation context of an A-ASSOCIATE-AC."""
        assert self.kind == 0x02, self
        found, at = {}, 68
        while at < len(self.body):
            kind, length = struct.unpack_from(">BxH", self.body, at)
            if kind == 0x21:
                context_id, result = struct.unpack_from(">BxB", self.body, at + 4)
                found[context_id] = (result, self.body[at + 12 : at + 4 + length].decode().strip("\0"))
            at += 4 + length
        return found


class Speaker:
    """A connection to a receiver."""

    def __init__(self, port: int, timeout_s: float = 8.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self) -> Answer | None:
        """Return the next PDU, or None when the receiver has closed."""
        head = self._exactly(6)
        if head is None:
            return None
        kind, length = struct.unpack(">BxI", head)
        return Answer(kind, self._exactly(length) or b"")

    def hear_all(self) -> list[Answer]:
        """Listen until the receiver closes."""
        answers = []
        with contextlib.suppress(ConnectionError):
            while (answer := self.hear()) is not None:
                answers.append(answer)
        return answers

    def associate(self, *args: object, **kwargs: object) -> Answer:
        self.say(associate_rq(*args, **kwargs))  # type: ignore[arg-type]
        answer = self.hear()
        assert answer is not None
        return answer

    def echo(self, message_id: int = 1) -> Answer:
        self.say(p_data(pdv(1, echo_rq(message_id), command=True, last=True)))
        return self._heard()

    def store(self, data: bytes, *, context_id: int = 3, size: int = 16000) -> Answer:
        self.say(store_pdus(context_id, store_rq(sop_uid_of(data)), data_set_of(data), size))
        return self._heard()

    def release(self) -> Answer:
        self.say(RELEASE_RQ)
        return self._heard()

    def _heard(self) -> Answer:
        answer = self.hear()
        assert answer is not None, "the receiver closed"
        return answer

    def _exactly(self, size: int) -> bytes | None:
        whole = b""
        while len(whole) < size:
            part = self.socket.recv(size - len(whole))
            if not part:
                return None
            whole += part
        return whole


class FileDraft:
    """A draft on disk that counts those that are neither accepted nor discarded."""

    def __init__(self, inbox: FolderInbox, path: Path) -> None:
        self.inbox, self.path = inbox, path
        self.file = path.open("wb", buffering=0)

    def write(self, data: bytes | memoryview) -> None:
        if self.inbox.write_fault is not None:
            raise self.inbox.write_fault
        self.file.write(data)

    def discard(self) -> None:
        self.file.close()
        self.path.unlink()


@dataclass
class FolderInbox:
    """Keeps what the scanner of headers understands; the rest goes to quarantine."""

    folder: Path
    is_full: bool = False
    write_fault: Exception | None = None
    kept: dict[str, Path] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    quarantined: list[Path] = field(default_factory=list)
    gate: threading.Event | None = None
    """When given, `accept` waits for it."""

    def __post_init__(self) -> None:
        self._lock, self._count = threading.Lock(), 0

    def draft(self) -> FileDraft:
        if self.is_full:
            raise LowDisk("0 bytes free")
        with self._lock:
            self._count += 1
            return FileDraft(self, self.folder / f"{self._count}.dcm")

    def accept(self, draft: FileDraft, head: bytes, source: str) -> None:
        draft.file.close()
        if self.gate is not None:
            self.gate.wait(10)
        try:
            header = scan_header(head, total_bytes=draft.path.stat().st_size)
        except CoReadError:
            self.quarantined.append(draft.path)
            raise
        with self._lock:
            self.heads.append(head)
            self.sources.append(source)
            self.kept[header.ref.sop_instance_uid] = draft.path

    def data_sets(self) -> dict[str, bytes]:
        """The data sets that are kept, by SOP Instance UID."""
        return {uid: data_set_of(path.read_bytes()) for uid, path in self.kept.items()}

    def traces(self) -> int:
        """Files that nobody accounts for."""
        return len(list(self.folder.iterdir())) - len(set(self.kept.values())) - len(self.quarantined)


@contextlib.contextmanager
def listening(inbox: FolderInbox, limits: Limits = BRISK, **address: object) -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver(Address(**{"port": 0, **address}), inbox, limits)  # type: ignore[arg-type]
    receiver.start()
    try:
        yield receiver
    finally:
        receiver.stop()
