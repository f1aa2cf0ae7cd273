"""From an address to the kept instances that it names, and to their open objects."""

from __future__ import annotations

import threading
from collections import OrderedDict

from starlette.requests import Request

from coread.archive import Archive
from coread.dicom import DicomObject, open_object
from coread.domain.identity import check_uid
from coread.domain.study import Instance
from coread.errors import ChecksumMismatch, NotFound

_LARGEST_KEPT_BYTES = 256 << 20


def addressed_instances(archive: Archive, request: Request) -> tuple[Instance, ...]:
    """Return the instances of the study, series or instance that the path names.

    Raises
    ------
    InvalidUid
        If a part of the path is no UID.
    NotFound
        If nothing is kept under this path.
    """
    study = check_uid(request.path_params["study"], "StudyInstanceUID")
    series = request.path_params.get("series")
    sop = request.path_params.get("instance")
    if sop is not None:
        return (_one(archive, study, check_uid(series or "", "SeriesInstanceUID"), sop),)
    instances = archive.study(study).instances
    if series is not None:
        check_uid(series, "SeriesInstanceUID")
        instances = tuple(item for item in instances if item.ref.series_instance_uid == series)
    return _some(instances)


def addressed_instance(archive: Archive, request: Request) -> Instance:
    """Return the one instance that the path names.

    Raises
    ------
    InvalidUid, NotFound
        As for `addressed_instances`.
    """
    return addressed_instances(archive, request)[0]


def instance_url(root: str, instance: Instance) -> str:
    """Return the address of an instance."""
    ref = instance.ref
    return (
        f"{root}/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
        f"/instances/{ref.sop_instance_uid}"
    )


class OpenObjects:
    """The objects opened last, so that a viewer that asks frame by frame does not parse each time.

    Parameters
    ----------
    archive
        Where the objects lie.
    max_bytes
        Files kept at most, in bytes; parsed, they take about twice as much memory. The last one is
        kept even if it alone is larger, up to 256 MB, for viewers read large objects frame by frame.
    """

    def __init__(self, archive: Archive, max_bytes: int = 32 << 20) -> None:
        self._archive = archive
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, DicomObject]] = OrderedDict()

    def open(self, instance: Instance) -> DicomObject:
        """Return the instance's object, parsed.

        Raises
        ------
        ObjectLost, ChecksumMismatch
            If the file is gone or changed.
        InputFault
            If the object cannot be read.
        """
        with self._lock:
            if instance.object_key in self._kept:
                self._kept.move_to_end(instance.object_key)
                return self._kept[instance.object_key][1]
        check_kept(self._archive, instance)
        found = open_object(self._archive.read_object(instance, check=False))
        self._keep(instance, found)
        return found

    def _keep(self, instance: Instance, found: DicomObject) -> None:
        with self._lock:
            self._kept[instance.object_key] = (instance.size_bytes, found)
            while sum(size for size, _ in self._kept.values()) > self._allowed_bytes():
                self._kept.popitem(last=False)

    def _allowed_bytes(self) -> int:
        return self._max_bytes if len(self._kept) > 1 else max(self._max_bytes, _LARGEST_KEPT_BYTES)


def check_kept(archive: Archive, instance: Instance) -> None:
    """Look whether the instance's file is there, before an answer promises its bytes.

    Raises
    ------
    ObjectLost
        If the file is gone.
    ChecksumMismatch
        If its length is not what was filed.
    """
    if archive.store.size(instance.object_key) != instance.size_bytes:
        raise ChecksumMismatch(
            "a file of another length than was filed",
            remedy="restore the file from a backup; run coread archive verify",
            where=instance.object_key,
        )


def _one(archive: Archive, study: str, series: str, sop: str) -> Instance:
    instance = archive.get(check_uid(sop, "SOPInstanceUID"))
    is_here = (instance.ref.study_instance_uid, instance.ref.series_instance_uid) == (study, series)
    return _some((instance,) if is_here else ())[0]


def _some(instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
    if not instances:
        raise NotFound("no kept instance under this address", remedy="check the UIDs of the address")
    return instances
