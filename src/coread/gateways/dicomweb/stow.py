"""STOW-RS: objects come in, each part written to disk as it arrives (PS3.18 section 10.5)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from coread.archive import Draft
from coread.domain.identity import check_uid
from coread.domain.study import InstanceRef
from coread.errors import BadQuery, NotDicom, ObjectTooLarge, OutOfRoom
from coread.gateways.answers import service_root
from coread.gateways.dicomweb import media
from coread.gateways.dicomweb.multipart import MultipartLimits, MultipartParser
from coread.gateways.dicomweb.storing import Part, StoreLimits, Storing
from coread.gateways.dicomweb.wado import json_offers
from coread.gateways.statuses import status_of
from coread.intake import Intake

_BLOCK_BYTES = 1 << 20
_SOURCE = "stow"


class Store:
    """Takes objects.

    Parameters
    ----------
    intake
        What checks, files or quarantines them.
    limits
        How much one request may bring.
    public_url
        Address of the service where it differs from the one that requests name.
    """

    def __init__(self, intake: Intake, limits: StoreLimits, public_url: str = "") -> None:
        self._intake = intake
        self._limits = limits
        self._public_url = public_url

    async def store(self, request: Request) -> Response:
        """Take the objects of one request; answer only when what is called stored is durable."""
        json_offers(request)
        self._check_length(request)
        storing = self._storing(request)
        try:
            async for block in self._blocks(request):
                await run_in_threadpool(storing.feed, block)
            parts = await run_in_threadpool(storing.close)
        finally:
            await run_in_threadpool(storing.abandon)
        return store_response(parts, service_root(request, self._public_url))

    def _storing(self, request: Request) -> Storing:
        study = request.path_params.get("study", "")
        return Storing(
            self._parser(request.headers.get("content-type", "")),
            self._intake.draft,
            self._file,
            self._intake.limits.object_bytes,
            check_uid(study, "StudyInstanceUID") if study else "",
        )

    def _parser(self, content_type: str) -> MultipartParser | None:
        media_type, parameters = media.split_parameters(content_type)
        if media_type == media.DICOM:
            return None
        if media_type != media.RELATED or parameters.get("type", media.DICOM).lower() != media.DICOM:
            raise NotDicom(
                "a request body of another media type",
                f'{media.RELATED}; type="{media.DICOM}", or {media.DICOM}',
                "send DICOM files",
                where="Content-Type",
            )
        return MultipartParser(parameters.get("boundary", ""), MultipartLimits(self._limits.max_parts))

    def _file(self, draft: Draft, head: bytes) -> InstanceRef:
        return self._intake.accept(draft, head, _SOURCE).instance.ref

    def _check_length(self, request: Request) -> None:
        text = request.headers.get("content-length", "0")
        if text.isdecimal() and int(text) > self._limits.max_body_bytes:
            raise self._too_large()

    async def _blocks(self, request: Request) -> AsyncIterator[bytes]:
        """Gather what the network gives into blocks that are worth a change of thread."""
        block, total = bytearray(), 0
        async for chunk in request.stream():
            block += chunk
            total += len(chunk)
            if total > self._limits.max_body_bytes:
                raise self._too_large()
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        yield bytes(block)

    def _too_large(self) -> ObjectTooLarge:
        return ObjectTooLarge(
            "a request body above the limit",
            f"at most {self._limits.max_body_bytes} bytes",
            "send fewer objects in one request",
        )


def store_response(parts: Sequence[Part], root: str) -> Response:
    """Say what became of each object (PS3.18 tables 10.5.3-1 and I.2-1 to -3).

    Raises
    ------
    BadQuery
        If there was no object at all.
    """
    if not parts:
        raise BadQuery("a request without any object", "at least one part", "send DICOM files")
    body = json.dumps(_outcome(parts, root), ensure_ascii=False)
    return Response(body, _http_status(parts), media_type=media.DICOM_JSON)


def _http_status(parts: Sequence[Part]) -> int:
    errors = [part.error for part in parts if part.error is not None]
    if not errors:
        return 200
    if len(errors) < len(parts):
        return 202
    first = errors[0]
    return status_of(first).http if all(isinstance(error, OutOfRoom) for error in errors) else 409


def _outcome(parts: Sequence[Part], root: str) -> dict[str, object]:
    stored = [_stored_item(part, root) for part in parts if part.error is None]
    failed = [_failed_item(part) for part in parts if part.error is not None and part.ref is not None]
    nameless = [_failed_item(part) for part in parts if part.error is not None and part.ref is None]
    sequences = {"00081198": failed, "00081199": stored, "0008119A": nameless}
    outcome: dict[str, object] = {
        tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items
    }
    studies = {part.ref.study_instance_uid for part in parts if part.ref is not None and part.error is None}
    if len(studies) == 1:
        outcome["00081190"] = _text("UR", f"{root}/studies/{studies.pop()}")
    return outcome


def _stored_item(part: Part, root: str) -> dict[str, object]:
    ref = part.ref
    if ref is None:
        return {}
    url = (
        f"{root}/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
        f"/instances/{ref.sop_instance_uid}"
    )
    return {**_reference(part), "00081190": _text("UR", url)}


def _failed_item(part: Part) -> dict[str, object]:
    reason = status_of(part.error).dimse if part.error is not None else 0
    return {**_reference(part), "00081197": {"vr": "US", "Value": [reason]}}


def _reference(part: Part) -> dict[str, object]:
    if part.ref is None:
        return {}
    return {
        "00081150": _text("UI", part.ref.sop_class_uid),
        "00081155": _text("UI", part.ref.sop_instance_uid),
    }


def _text(vr: str, value: str) -> dict[str, object]:
    return {"vr": vr, "Value": [value]}
