"""WADO-RS: whole objects, their metadata, their large values (PS3.18 sections 10.4.1.1.1 to .3)."""

from __future__ import annotations

import json
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from coread.archive import Archive
from coread.dicom import facts_json, open_object
from coread.domain.study import Instance
from coread.errors import InputFault
from coread.gateways.answers import service_root
from coread.gateways.dicomweb import media
from coread.gateways.dicomweb.multipart import closing, part_head
from coread.gateways.dicomweb.resources import (
    OpenObjects,
    addressed_instance,
    addressed_instances,
    check_kept,
    instance_url,
)

_CHUNK_BYTES = 256 << 10
_AT_ONCE_BYTES = 1 << 20
_METADATA_CACHE_BYTES = 32 << 20

#: Stands for the service's address in kept metadata. A value of an object cannot spell the quotes.
_ROOT_MARK = b'"BulkDataURI":"coread:'


class Retrieval:
    """Answers requests for what is kept, as it is kept: nothing is transcoded.

    Parameters
    ----------
    archive
        Where the objects lie.
    objects
        The objects opened last.
    public_url
        Address of the service where it differs from the one that requests name.

    Notes
    -----
    A request that names no transfer syntax gets the stored one, although PS3.18
    section 8.7.3.5.2 makes Explicit VR Little Endian the default: an archive that
    gives back what it took can be checked, and every client that was tried reads it.
    """

    def __init__(self, archive: Archive, objects: OpenObjects, public_url: str = "") -> None:
        self._archive = archive
        self._objects = objects
        self._public_url = public_url
        self._metadata = _TextCache(_METADATA_CACHE_BYTES)

    def instances(self, request: Request) -> Response:
        """Give the objects of a study, a series or one instance as DICOM files."""
        instances = addressed_instances(self._archive, request)
        offer = _instance_offer(request, instances)
        for instance in instances:
            check_kept(self._archive, instance)
        return self._multipart(instances) if offer.part_type else self._single(instances[0])

    def metadata(self, request: Request) -> Response:
        """Give the data sets of a study, a series or one instance in the DICOM JSON model."""
        json_offers(request)
        instances = addressed_instances(self._archive, request)
        for instance in instances:
            check_kept(self._archive, instance)
        array = self._metadata_array(instances, service_root(request, self._public_url))
        return StreamingResponse(gathered(array), media_type=media.DICOM_JSON)

    def bulk_data(self, request: Request) -> Response:
        """Give one large value of an instance, uncompressed as it stands in the data set."""
        offer = media.choose(accepted(request), media.both_ways(media.OCTETS))
        instance = addressed_instance(self._archive, request)
        value = self._objects.open(instance).bulk_data(request.path_params["path"])
        return bytes_response([value], offer)

    def _metadata_array(self, instances: Iterable[Instance], root: str) -> Iterator[bytes]:
        own_mark = b'"BulkDataURI":"' + root.encode()
        opening = b"["
        for instance in instances:
            yield opening + self._metadata_text(instance).replace(_ROOT_MARK, own_mark)
            opening = b","
        yield b"]"

    def _metadata_text(self, instance: Instance) -> bytes:
        text = self._metadata.get(instance.object_key)
        if text is None:
            text = json.dumps(self._model(instance), ensure_ascii=False, separators=(",", ":")).encode()
            self._metadata.put(instance.object_key, text)
        return text

    def _model(self, instance: Instance) -> dict[str, object]:
        """Describe an instance; one that cannot be parsed by what the index knows of it."""
        data = self._archive.read_object(instance, check=False)
        try:
            return open_object(data).json(f"{instance_url('coread:', instance)}/bulkdata")
        except InputFault:
            return facts_json({**instance.header.facts, **_identity(instance)})

    def _single(self, instance: Instance) -> Response:
        return _sized(self._file(instance), instance.size_bytes, _content_type(instance))

    def _multipart(self, instances: Sequence[Instance]) -> Response:
        boundary = secrets.token_hex(16)
        heads = sum(len(part_head(boundary, _content_type(item))) for item in instances)
        length = heads + sum(item.size_bytes for item in instances) + len(closing(boundary))
        pieces = gathered(self._pieces(boundary, instances))
        return _sized(pieces, length, related_type(media.DICOM, boundary))

    def _pieces(self, boundary: str, instances: Iterable[Instance]) -> Iterator[bytes]:
        for instance in instances:
            yield part_head(boundary, _content_type(instance))
            yield from self._file(instance)
        yield closing(boundary)

    def _file(self, instance: Instance) -> Iterator[bytes]:
        """Read the file; one that has become shorter breaks the answer off, visibly."""
        with self._archive.store.open(instance.object_key) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


class _TextCache:
    """The texts used last, up to a number of bytes. An object never changes under its key."""

    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, bytes] = OrderedDict()

    def get(self, key: str) -> bytes | None:
        with self._lock:
            if key in self._texts:
                self._texts.move_to_end(key)
            return self._texts.get(key)

    def put(self, key: str, text: bytes) -> None:
        with self._lock:
            self._room += len(self._texts.pop(key, b"")) - len(text)
            self._texts[key] = text
            while self._room < 0:
                self._room += len(self._texts.popitem(last=False)[1])


def accepted(request: Request) -> tuple[media.MediaRange, ...]:
    """Return what the client accepts; the ``accept`` query parameter goes before the header."""
    text = request.query_params.get("accept") or request.headers.get("accept", "")
    return media.parse_accept(text)


def json_offers(request: Request) -> media.Offer:
    """Return the JSON form to answer with.

    Raises
    ------
    NotAcceptable
        If the client takes none.
    """
    offers = (media.Offer(media.DICOM_JSON), media.Offer("application/json"))
    return media.choose(accepted(request), offers)


def bytes_response(contents: Sequence[bytes], offer: media.Offer) -> Response:
    """Answer with small contents, in parts or bare as `offer` says."""
    content_type = content_type_of(offer)
    if not offer.part_type:
        return Response(contents[0], media_type=content_type)
    boundary = secrets.token_hex(16)
    pieces = [piece for content in contents for piece in (part_head(boundary, content_type), content)]
    body = b"".join([*pieces, closing(boundary)])
    return Response(body, media_type=related_type(offer.part_type, boundary))


def content_type_of(offer: media.Offer) -> str:
    """Return the Content-Type of the content itself."""
    syntax = f"; transfer-syntax={offer.transfer_syntax}" if offer.transfer_syntax else ""
    return f"{offer.content}{syntax}"


def related_type(part_type: str, boundary: str) -> str:
    """Return the Content-Type of a multipart answer."""
    return f'{media.RELATED}; type="{part_type}"; boundary={boundary}'


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces, for each one sent costs a change of thread."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _CHUNK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _sized(pieces: Iterator[bytes], length: int, content_type: str) -> Response:
    """Answer with a body of known length: a small one at once, a large one as a stream."""
    if length <= _AT_ONCE_BYTES:
        return Response(b"".join(pieces), media_type=content_type)
    return StreamingResponse(pieces, headers={"Content-Length": str(length)}, media_type=content_type)


def _instance_offer(request: Request, instances: Sequence[Instance]) -> media.Offer:
    """Choose one form that every instance can be given in."""
    wanted = accepted(request)
    is_one = "instance" in request.path_params
    syntaxes = dict.fromkeys(item.header.transfer_syntax_uid for item in instances)
    offers = [media.both_ways(media.DICOM, syntax)[: 2 if is_one else 1] for syntax in syntaxes]
    chosen = [media.choose(wanted, offer) for offer in offers]
    return chosen[0]


def _content_type(instance: Instance) -> str:
    return f"{media.DICOM}; transfer-syntax={instance.header.transfer_syntax_uid}"


def _identity(instance: Instance) -> dict[str, str]:
    ref = instance.ref
    return {
        "StudyInstanceUID": ref.study_instance_uid,
        "SeriesInstanceUID": ref.series_instance_uid,
        "SOPInstanceUID": ref.sop_instance_uid,
        "SOPClassUID": ref.sop_class_uid,
    }
