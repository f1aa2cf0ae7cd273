"""A finding in radiographs of a clinic's own archive: patients who agree, asked before each round.

Head and trunk are those of `coread.learning.federated.tasks.chest`. What the trunk saw is kept in memory,
and only of those who agree: whoever withdraws is gone with the next order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
from numpy.typing import NDArray

from coread.errors import CohortRefused
from coread.learning.cohorts.form import Cohort, CohortImage
from coread.learning.cohorts.storing import CONSENT, read_cohort
from coread.learning.federated.task import Count, SiteData
from coread.learning.federated.tasks.cases import PARTS, Cases
from coread.learning.federated.tasks.chest import FEATURES
from coread.learning.federated.tasks.chest_network import ChestPacking
from coread.learning.federated.tasks.heads import HeadTask, Norm
from coread.readers.chest_radiograph.preprocess import prepare

Float = NDArray[np.float32]
See = Callable[[Float], Float]
"""What a trunk sees, [feature], of one image [row, column]."""


def lent_images(data: SiteData) -> tuple[Cohort, list[CohortImage]]:
    """The cohort and those of its images that take part.

    Raises
    ------
    CohortRefused
        If the folder is no cohort, or one of the archive of whom nobody asked whether they agree.
    """
    cohort = read_cohort(data.folder)
    if data.lent is None and CONSENT in cohort.facts:
        found = "a cohort of the archive, of whom nobody was asked whether they agree to a federation"
        raise CohortRefused(found, "consent that was asked for now", "let the site's process ask", data.site)
    return cohort, [i for i in cohort.images if data.lent is None or i.image in data.lent]


class Archive:
    """Reads cases of cohorts, and forgets at once whom it is not lent any more.

    Parameters
    ----------
    finding
        Word of the code book.
    see
        The trunk.
    """

    def __init__(self, finding: str, see: See) -> None:
        self._finding, self._see = finding, see
        self._seen: dict[tuple[str, str], Float] = {}
        self._held: dict[str, tuple[frozenset[str] | None, Cases]] = {}

    def __call__(self, data: SiteData) -> Cases:
        """Cases of those who are lent."""
        before = self._held.get(data.site)
        if before is None or before[0] != data.lent:
            self._held[data.site] = (data.lent, self._read(data))
        return self._held[data.site][1]

    def count(self, data: SiteData) -> Count:
        """Count them, without loading pixels."""
        cohort, images = lent_images(data)
        parts = Counter(image.split for image in images)
        patients = {p: len({i.patient for i in images if i.split == p}) for p in PARTS}
        names = {1.0: self._finding, 0.0: "none"}
        said = [self._target(cohort, image) for image in images if image.split == "train"]
        labels = Counter(names.get(round(s) if np.isfinite(s) else -1.0, "unlabelled") for s in said)
        return Count(patients, {part: parts[part] for part in PARTS}, dict(labels))

    def _read(self, data: SiteData) -> Cases:
        cohort, images = lent_images(data)
        keys = [(data.site, image.image) for image in images]
        wanted = set(keys)
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != data.site or key in wanted}
        for key, image in zip(keys, images, strict=True):
            if key not in self._seen:
                self._seen[key] = self._see(cohort.values(image))
        target = np.array([self._target(cohort, image) for image in images], np.float32)
        truth = np.where(np.isfinite(target), np.nan_to_num(target) > 0.5, -1).astype(np.int64)
        return Cases(
            np.stack([self._seen[key] for key in keys]),
            target,
            truth,
            [f"{data.site}-{image.patient}" for image in images],
            [image.split for image in images],
        )

    def _target(self, cohort: Cohort, image: CohortImage) -> float:
        """Share of the annotators who see the finding; nan where nobody has said."""
        held = cohort.labels_of(image.image)
        said = [one.value for one in held if one.name == self._finding and one.kind == "class"]
        return float(np.mean(said)) if said else float("nan")


def archive_finding(finding: str, norm: Norm = "shared", prior_free: bool = True) -> HeadTask:
    """A finding in the radiographs of each site's own cohort, by a head on the frozen trunk.

    Parameters
    ----------
    finding
        Word of the code book that all cohorts use.
    norm, prior_free
        See `HeadTask`.
    """
    archive = Archive(finding, _trunk())
    task = HeadTask(f"archive-{finding}", archive, archive.count, FEATURES, norm, None, prior_free)
    task.packing = ChestPacking()
    return task


def _trunk() -> See:
    from coread.learning.chest.sites.looks import eye_of  # noqa: PLC0415 - heavy
    from coread.learning.chest.sites.trunks import imagenet_net  # noqa: PLC0415

    eye = eye_of(imagenet_net(), Path(gettempdir()))
    return lambda grey: np.ascontiguousarray(eye(prepare(grey).tensor).pooled[0, :FEATURES])
