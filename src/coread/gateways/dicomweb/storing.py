"""One STOW-RS request while it arrives: bytes to drafts, drafts to the intake."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from coread.archive import Draft
from coread.dicom import scan_header
from coread.domain.study import InstanceRef
from coread.errors import CoReadError, InvalidUid, NotDicom, ObjectTooLarge
from coread.gateways.dicomweb import media
from coread.gateways.dicomweb.multipart import MultipartParser, PartBegun, PartData, PartEvent

# Nearly all headers fit; the intake itself looks further where one does not.
_HEAD_BYTES = 256 << 10
_PARALLEL_FILINGS = 4
_PENDING_FILINGS = 32


class Filer(Protocol):
    """What takes a finished draft: scans it, files it or keeps it in quarantine."""

    def __call__(self, draft: Draft, head: bytes) -> InstanceRef:
        """File the draft; return who it is only when it is durable, raise what is wrong with it."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one object of the request."""

    ref: InstanceRef | None
    """None where the object could not be read so far."""
    error: CoReadError | None


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How much one request may bring."""

    max_body_bytes: int = 64 << 30
    max_parts: int = 20_000


class Storing:
    """The objects of one request.

    Parameters
    ----------
    parser
        Splits the body; None where the body is one object.
    draft
        Begins an object in the store.
    file
        Takes a finished draft.
    max_object_bytes
        A larger object fails; the others go on.
    study_instance_uid
        The only study whose objects are taken, any where empty.

    Notes
    -----
    Filing waits for the disk; while it waits, further parts are read, and the intake
    commits several of them together. Not more than 32 objects are waiting.
    """

    def __init__(
        self,
        parser: MultipartParser | None,
        draft: Callable[[], Draft],
        file: Filer,
        max_object_bytes: int,
        study_instance_uid: str = "",
    ) -> None:
        self._parser = parser
        self._draft = draft
        self._file = file
        self._max_object_bytes = max_object_bytes
        self._study = study_instance_uid
        self._current: _Arriving | None = None
        self._pending: deque[Future[Part]] = deque()
        self._done: list[Part] = []
        self._pool = ThreadPoolExecutor(_PARALLEL_FILINGS, thread_name_prefix="stow")
        if parser is None:
            self._begin(media.DICOM)

    def feed(self, data: bytes) -> None:
        """Take some bytes of the body.

        Raises
        ------
        BadQuery
            If the body is no multipart message or breaks a limit.
        """
        if self._parser is None:
            self._add(memoryview(data))
            return
        for event in self._parser.feed(data):
            self._take(event)

    def close(self) -> list[Part]:
        """Say that the body is complete; return what became of each object, in order.

        Raises
        ------
        TruncatedObject
            If the body ended too early; what came before is filed all the same.
        """
        if self._parser is None:
            self._end()
        self._collect(0)
        if self._parser is not None:
            self._parser.close()
        return self._done

    def abandon(self) -> None:
        """Discard an unfinished object and wait for the finished ones; does nothing after `close`."""
        if self._current is not None:
            self._current.discard()
            self._current = None
        self._collect(0)
        self._pool.shutdown()

    def _take(self, event: PartEvent) -> None:
        if isinstance(event, PartBegun):
            self._begin(event.content_type)
        elif isinstance(event, PartData):
            self._add(event.data)
        else:
            self._end()

    def _begin(self, content_type: str) -> None:
        self._current = _Arriving(self._max_object_bytes)
        self._current.begin(content_type, self._draft)

    def _add(self, data: memoryview) -> None:
        if self._current is not None:
            self._current.add(data)

    def _end(self) -> None:
        arrived, self._current = self._current, None
        if arrived is not None:
            self._pending.append(self._pool.submit(arrived.file, self._file, self._study))
            self._collect(_PENDING_FILINGS)

    def _collect(self, keep: int) -> None:
        while len(self._pending) > keep:
            self._done.append(self._pending.popleft().result())


class _Arriving:
    """One object while it arrives. The first fault is kept, what follows it is passed over."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._draft: Draft | None = None
        self._head = b""
        self._size = 0
        self._error: CoReadError | None = None

    def begin(self, content_type: str, draft: Callable[[], Draft]) -> None:
        media_type, _ = media.split_parameters(content_type)
        if media_type not in ("", media.DICOM):
            self._error = NotDicom(
                "a part of another media type", media.DICOM, where="Content-Type of the part"
            )
            return
        try:
            self._draft = draft()
        except CoReadError as error:
            self._error = error

    def add(self, data: memoryview) -> None:
        if self._draft is None:
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self._fail(
                ObjectTooLarge(f"more than {self._max_bytes} bytes", f"at most {self._max_bytes} bytes")
            )
            return
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        try:
            self._draft.write(data)
        except CoReadError as error:
            self._fail(error)

    def file(self, file: Filer, study_instance_uid: str) -> Part:
        """File the object; called in another thread, when all of it has arrived."""
        ref = self._ref()
        if self._draft is None or self._error is not None:
            return Part(ref, self._error)
        if study_instance_uid and not self._belongs(ref, study_instance_uid):
            self._fail(_other_study())
            return Part(ref, self._error)
        try:
            return Part(file(self._draft, self._head), None)
        except CoReadError as error:
            return Part(ref, error)

    def _belongs(self, ref: InstanceRef | None, study_instance_uid: str) -> bool:
        """Tell whether the object is of the study; one that cannot be read is left to the intake."""
        if ref is None:
            return len(self._head) == self._size
        return ref.study_instance_uid == study_instance_uid

    def discard(self) -> None:
        if self._draft is not None:
            self._draft.discard()
            self._draft = None

    def _fail(self, error: CoReadError) -> None:
        self._error = self._error or error
        self.discard()

    def _ref(self) -> InstanceRef | None:
        """Read who the object says it is, for the answer; the intake judges it."""
        try:
            return scan_header(self._head, total_bytes=self._size).ref
        except CoReadError:
            return None


def _other_study() -> InvalidUid:
    return InvalidUid(
        "an object of another study than the address names",
        "objects of that study only",
        "store it at its own study, or at /studies",
        where="StudyInstanceUID",
    )
