"""LIDC-IDRI nodules of one scanner vendor: as a frozen trunk sees them, and as windows to outline."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coread.errors import CohortRefused
from coread.learning.backbone.caching import Store, computed
from coread.learning.backbone.probing import Pooled
from coread.learning.backbone.trunk import HEAD, Early, pretrained
from coread.learning.federated.task import Count, SiteData
from coread.learning.federated.tasks.cases import PARTS, Cases
from coread.learning.nodule.cohort import Cohort, Nodule, lidc

VENDORS = ("GE", "Philips", "Siemens", "Toshiba")
"""The four sites, as the published table names the scanners."""

NEAR = 64
"""Side of what the trunk is shown, pixels of the published crop: about 45 mm."""

SHOWN = 128
"""Side to which it is enlarged: the trunk halves five times."""

TAPS = (4, 10)
"""Blocks whose mean responses are read beside the last: texture."""

SLICES = 3
"""Slices of each nodule that are looked at, those nearest to its middle."""

FEATURES = 1432
"""1280 of the last layer, 40 and 112 of the taps."""


@lru_cache(maxsize=4)
def cohort_of(folder: Path) -> Cohort:
    """The nodules of a site's folder, read once.

    Raises
    ------
    CohortRefused
        If there are none.
    """
    _table(folder)
    return lidc(folder)


def nodules_of(data: SiteData) -> list[Nodule]:
    """Nodules that the query finds: of one ``vendor``, or of all."""
    vendor = data.query.get("vendor")
    return [n for n in cohort_of(data.folder).nodules if vendor in (None, n.vendor)]


def cases_of(data: SiteData, cache: Path) -> Cases:
    """Nodules as the trunk sees them; the target is the readers' mean rating of malignancy on 0..1."""
    cohort, nodules = cohort_of(data.folder), nodules_of(data)
    seen = _kept(data.folder, cache)
    at = {nodule.nodule_id: index for index, nodule in enumerate(cohort.nodules)}
    return Cases(
        seen[[at[n.nodule_id] for n in nodules]] if nodules else np.zeros((0, FEATURES), np.float32),
        np.array([(n.trait("malignancy") - 1) / 4 for n in nodules], np.float32),
        np.array([_truth(n) for n in nodules], np.int64),
        [n.patient for n in nodules],
        [n.split for n in nodules],
    )


def _truth(nodule: Nodule) -> int:
    """1 or 0 where two readers or more are sure, else -1; an impression, not pathology."""
    return nodule.malignant if nodule.readers >= 2 and nodule.malignant is not None else -1


def count_of(data: SiteData) -> Count:
    """How many nodules a site has, from its table alone."""
    vendor = data.query.get("vendor")
    lines = [line for line in _table(data.folder) if vendor in (None, line["vendor"])]
    parts = Counter(line["split"] for line in lines)
    patients = {part: len({n["patient"] for n in lines if n["split"] == part}) for part in PARTS}
    ratings = [np.median(numbers(n["malignancy"])) for n in lines if n["split"] == "train"]
    labels = {
        "malignant": int(sum(r > 3.5 for r in ratings)),
        "benign": int(sum(r < 2.5 for r in ratings)),
    }
    return Count(patients, {part: parts[part] for part in PARTS}, labels)


def numbers(text: str) -> list[float]:
    """Ratings of several readers, as the table writes them: ``3|4||``."""
    return [float(part) for part in text.split("|") if part]


def _table(folder: Path) -> list[dict[str, str]]:
    path = folder / "lidc_nodules" / "nodules.csv"
    if not path.is_file():
        raise CohortRefused(
            "no table of nodules", "lidc_nodules/nodules.csv", "point to the site's data", folder.name
        )
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@lru_cache(maxsize=4)
def _kept(folder: Path, cache: Path) -> NDArray[np.float32]:
    cohort = cohort_of(folder)
    rows = [middle_rows(nodule.rows) for nodule in cohort.nodules]
    flat = np.concatenate(rows)
    names = [nodule.nodule_id for nodule in cohort.nodules]
    recipe = {
        "near": NEAR,
        "shown": SHOWN,
        "taps": list(TAPS),
        "slices": SLICES,
        "nodules": len(names),
        "first": names[0],
    }
    net = Pooled(Early(pretrained(1), HEAD, TAPS)).eval().requires_grad_(False)
    each = computed(
        net, lambda i: enlarged(cohort.slices.images[flat[i]]), len(flat), Store(cache, "lidc", recipe)
    )
    owner = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    sums = np.zeros((len(rows), each.shape[1]), np.float64)
    np.add.at(sums, owner, np.asarray(each, np.float64))
    return (sums / np.bincount(owner)[:, None]).astype(np.float32)


def middle_rows(rows: Sequence[int]) -> NDArray[np.int64]:
    """The slices nearest to the middle of a nodule, at most `SLICES`."""
    middle = (len(rows) - 1) / 2
    order = sorted(range(len(rows)), key=lambda k: (abs(k - middle), k))[:SLICES]
    return np.array([rows[k] for k in sorted(order)], dtype=np.int64)


def enlarged(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The middle of a published crop as the trunk is shown it, float32 [1, 128, 128] in 0..1."""
    edge = (len(image) - NEAR) // 2
    middle = Image.fromarray(image[edge : edge + NEAR, edge : edge + NEAR])
    large = middle.resize((SHOWN, SHOWN), Image.Resampling.BILINEAR)
    return np.asarray(large, np.float32)[None] / np.float32(255)
