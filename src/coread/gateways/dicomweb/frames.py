"""WADO-RS: frames, rendered images, thumbnails (PS3.18 sections 10.4.1.1.3 to .6)."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from coread.archive import Archive
from coread.dicom import DicomObject
from coread.domain.study import Instance
from coread.errors import BadQuery, UnsupportedPixels
from coread.gateways.dicomweb import media
from coread.gateways.dicomweb.multipart import closing, part_head
from coread.gateways.dicomweb.rendering import MEDIA_TYPES, Look, parse_look, render
from coread.gateways.dicomweb.resources import OpenObjects, addressed_instance, addressed_instances
from coread.gateways.dicomweb.wado import accepted, bytes_response, content_type_of, gathered, related_type

_MAX_FRAMES_PER_REQUEST = 10_000
_PARALLEL_RENDERINGS = 4

_BARE = tuple(media.Offer(kind) for kind in MEDIA_TYPES)
_WRAPPED = tuple(media.Offer(media.RELATED, kind) for kind in MEDIA_TYPES)


class FrameRetrieval:
    """Answers requests for pixels.

    Parameters
    ----------
    archive
        Where the objects lie.
    objects
        The objects opened last.
    """

    def __init__(self, archive: Archive, objects: OpenObjects) -> None:
        self._archive = archive
        self._objects = objects
        # A decoded frame may take a hundred megabytes; the number at one time bounds the memory.
        self._slots = threading.BoundedSemaphore(_PARALLEL_RENDERINGS)

    def frames(self, request: Request) -> Response:
        """Give frames, uncompressed or as they are kept, as the client asks."""
        image = self._image(request)
        numbers = _frames_of(image, request)
        offer = media.choose(accepted(request), _frame_offers(image, single=len(numbers) == 1))
        return self._answer((self._frame(image, number, offer) for number in numbers), offer)

    def rendered(self, request: Request) -> Response:
        """Give frames of an instance as a person sees them."""
        look = parse_look(request.query_params)
        image = self._image(request)
        numbers = _frames_of(image, request)
        offer = media.choose(accepted(request), _WRAPPED if len(numbers) > 1 else _BARE + _WRAPPED)
        return self._answer((self._rendered(image, number, look, offer) for number in numbers), offer)

    def rendered_all(self, request: Request) -> Response:
        """Give the first frame of each image of a study or series as a person sees it."""
        offer = media.choose(accepted(request), _WRAPPED)
        look = parse_look(request.query_params)
        images = self._images(addressed_instances(self._archive, request))
        return self._answer((self._rendered(image, 1, look, offer) for image in images), offer)

    def thumbnail(self, request: Request) -> Response:
        """Give one small picture that stands for a study, series, instance or frame."""
        offer = media.choose(accepted(request), _BARE + _WRAPPED)
        look = parse_look(request.query_params, thumbnail=True)
        image = self._representative(addressed_instances(self._archive, request))
        frame = _frames_of(image, request)[0]
        return bytes_response([self._rendered(image, frame, look, offer)], offer)

    def _image(self, request: Request) -> DicomObject:
        return _with_pixels(self._objects.open(addressed_instance(self._archive, request)))

    def _images(self, instances: Sequence[Instance]) -> Iterator[DicomObject]:
        opened = map(self._objects.open, instances)
        return (image for image in opened if image.has_pixels)

    def _representative(self, instances: Sequence[Instance]) -> DicomObject:
        """Choose the middle one, or the next after it that is an image."""
        middle = len(instances) // 2
        images = self._images([*instances[middle:], *instances[:middle]])
        return next(images, None) or _with_pixels(self._objects.open(instances[0]))

    def _frame(self, image: DicomObject, number: int, offer: media.Offer) -> bytes:
        with self._slots:
            return image.frame_bytes(number)[0] if offer.stored else image.frame_uncompressed(number)

    def _rendered(self, image: DicomObject, number: int, look: Look, offer: media.Offer) -> bytes:
        with self._slots:
            return render(image, number, look, offer.content)

    def _answer(self, contents: Iterator[bytes], offer: media.Offer) -> Response:
        # The first one is made before the answer begins, so that its faults still have a status.
        made = list(islice(contents, 2))
        if not made:
            raise _no_pixels()
        if len(made) == 1:
            return bytes_response(made, offer)
        boundary = secrets.token_hex(16)
        pieces = _pieces(boundary, content_type_of(offer), chain(made, contents))
        return StreamingResponse(gathered(pieces), media_type=related_type(offer.part_type, boundary))


def parse_frames(text: str) -> list[int]:
    """Read a list of frame numbers, counted from 1.

    Raises
    ------
    BadQuery
        If one is no positive number, or there are more than 10000.

    Examples
    --------
    >>> parse_frames("1,3")
    [1, 3]
    """
    numbers = text.split(",")
    well_formed = all(number.isascii() and number.isdecimal() and len(number) < 10 for number in numbers)
    if (
        not well_formed
        or len(numbers) > _MAX_FRAMES_PER_REQUEST
        or any(int(number) < 1 for number in numbers)
    ):
        raise BadQuery("a frame list that cannot be used", "numbers from 1, joined by commas", where="frames")
    return [int(number) for number in numbers]


def _frames_of(image: DicomObject, request: Request) -> list[int]:
    """Return the frames that the path names, the first where it names none."""
    numbers = parse_frames(request.path_params.get("frames", "1"))
    if max(numbers) > image.number_of_frames:
        raise BadQuery(
            "a frame that the object does not have", f"1 to {image.number_of_frames}", where="frames"
        )
    return numbers


def _frame_offers(image: DicomObject, *, single: bool) -> list[media.Offer]:
    syntax = image.header.transfer_syntax_uid
    plain = media.both_ways(
        media.OCTETS, media.EXPLICIT_VR_LITTLE_ENDIAN, stored=syntax not in media.FRAME_MEDIA_TYPES
    )
    offers = list(plain)
    if syntax in media.FRAME_MEDIA_TYPES:
        offers += media.both_ways(media.FRAME_MEDIA_TYPES[syntax], syntax)
        offers += media.both_ways(media.OCTETS, syntax)
    return offers if single else [offer for offer in offers if offer.part_type]


def _pieces(boundary: str, content_type: str, contents: Iterator[bytes]) -> Iterator[bytes]:
    for content in contents:
        yield part_head(boundary, content_type)
        yield content
    yield closing(boundary)


def _with_pixels(image: DicomObject) -> DicomObject:
    if not image.has_pixels:
        raise _no_pixels()
    return image


def _no_pixels() -> UnsupportedPixels:
    return UnsupportedPixels("an object without pixel data", "an image", "ask for its metadata instead")
