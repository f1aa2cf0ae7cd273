"""The DICOMweb service: addresses and what answers at each."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.routing import Route

from coread.archive import Archive
from coread.gateways.answers import json_fault_handlers
from coread.gateways.dicomweb.frames import FrameRetrieval
from coread.gateways.dicomweb.qido import Search
from coread.gateways.dicomweb.resources import OpenObjects
from coread.gateways.dicomweb.storing import StoreLimits
from coread.gateways.dicomweb.stow import Store
from coread.gateways.dicomweb.wado import Retrieval
from coread.intake import Intake

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_FRAMES = _INSTANCE + "/frames/{frames}"


def dicomweb_app(
    archive: Archive, intake: Intake, *, limits: StoreLimits | None = None, public_url: str = ""
) -> Starlette:
    """Build the DICOMweb service: QIDO-RS, WADO-RS, STOW-RS (PS3.18 section 10).

    Parameters
    ----------
    archive
        What is searched and retrieved.
    intake
        What takes stored objects.
    limits
        How much one store request may bring.
    public_url
        Address of the service as clients know it, where a proxy stands before it.
    """
    objects = OpenObjects(archive)
    routes = [
        *_search_routes(Search(archive, public_url)),
        *_retrieval_routes(Retrieval(archive, objects, public_url)),
        *_frame_routes(FrameRetrieval(archive, objects)),
        *_store_routes(Store(intake, limits or StoreLimits(), public_url)),
    ]
    return Starlette(routes=routes, exception_handlers=json_fault_handlers())


def _search_routes(search: Search) -> Sequence[Route]:
    return [
        Route("/studies", search.studies),
        Route("/series", search.series),
        Route("/instances", search.instances),
        Route(_STUDY + "/series", search.series),
        Route(_STUDY + "/instances", search.instances),
        Route(_SERIES + "/instances", search.instances),
    ]


def _retrieval_routes(retrieval: Retrieval) -> Sequence[Route]:
    levels = (_STUDY, _SERIES, _INSTANCE)
    return [
        *(Route(level, retrieval.instances) for level in levels),
        *(Route(level + "/metadata", retrieval.metadata) for level in levels),
        Route(_INSTANCE + "/bulkdata/{path:path}", retrieval.bulk_data),
    ]


def _frame_routes(pixels: FrameRetrieval) -> Sequence[Route]:
    return [
        Route(_FRAMES, pixels.frames),
        Route(_FRAMES + "/rendered", pixels.rendered),
        Route(_INSTANCE + "/rendered", pixels.rendered),
        Route(_STUDY + "/rendered", pixels.rendered_all),
        Route(_SERIES + "/rendered", pixels.rendered_all),
        *(Route(level + "/thumbnail", pixels.thumbnail) for level in (_STUDY, _SERIES, _INSTANCE, _FRAMES)),
    ]


def _store_routes(store: Store) -> Sequence[Route]:
    return [
        Route("/studies", store.store, methods=["POST"]),
        Route(_STUDY, store.store, methods=["POST"]),
    ]
