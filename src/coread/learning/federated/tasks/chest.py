"""Chest radiographs of one source: adults (NIH), children (Guangzhou), COVID-19 (CC BY); partly labelled.

Pneumonia-like opacity, as in `coread.learning.chest.cohort`. The third source has almost no patient without
disease, and images that nobody has labelled: they are counted and kept out of every loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coread.errors import CohortRefused
from coread.learning.chest.cohort import Radiograph, table
from coread.learning.chest.sites.looks import Eye, Look, eye_of, looked
from coread.learning.chest.sites.trunks import imagenet_net
from coread.learning.federated.task import Count, SiteData
from coread.learning.federated.tasks.cases import PARTS, Cases

FEATURES = 1432
"""Mean responses: 1280 of the last layer, 40 and 112 of the middle ones."""

Row = dict[str, str]


def _adult(row: Row) -> int:
    return int(row["folder_label"] == "pneumonia")


def _child(row: Row) -> int:
    return int(row["label"] != "normal")


def _covid(row: Row) -> int:
    """1 with a named pneumonia, 0 without a finding, -1 where nobody has said."""
    return {"COVID-19": 1, "Pneumocystis": 1, "No Finding": 0}.get(row["finding"], -1)


SOURCES: dict[str, tuple[str, Callable[[Row], int]]] = {
    "nih": ("cxr_nih", _adult),
    "paediatric": ("cxr_paediatric", _child),
    "covid": ("cxr_covid_ccby", _covid),
}
"""Folder and label of each source."""


def _rows(data: SiteData) -> tuple[Path, list[Row], list[int]]:
    source = str(data.query.get("source", ""))
    if source not in SOURCES:
        raise CohortRefused(f"source {source!r}", " or ".join(SOURCES), "mend the plan's query", data.site)
    name, label = SOURCES[source]
    folder = data.folder / name
    if not (folder / "cases.csv").is_file():
        raise CohortRefused("no table of cases", f"{name}/cases.csv", "point to the site's data", data.site)
    rows = table(folder / "cases.csv")
    return folder, rows, [label(row) for row in rows]


def count_of(data: SiteData) -> Count:
    """How many radiographs a site has, from its table alone."""
    _, rows, labels = _rows(data)
    parts = Counter(row["split"] for row in rows)
    patients = {part: len({row["patient"] for row in rows if row["split"] == part}) for part in PARTS}
    names = {1: "opacity", 0: "none", -1: "unlabelled"}
    train = Counter(names[k] for row, k in zip(rows, labels, strict=True) if row["split"] == "train")
    return Count(patients, {part: parts[part] for part in PARTS}, dict(train))


def cases_of(data: SiteData, cache: Path, look: str = "raw") -> Cases:
    """Radiographs as the trunk sees them.

    Parameters
    ----------
    data
        The site's; its query names the ``source``.
    cache
        Folder for what the trunk saw.
    look
        ``raw`` as published, ``plain`` trimmed and windowed, or ``both``, one after the other.
    """
    folder, rows, labels = _rows(data)
    looks = ("raw", "plain") if look == "both" else (look,)
    seen = [_seen(data.site, folder, tuple(row["file"] for row in rows), name, cache) for name in looks]
    truth = np.array(labels, np.int64)
    return Cases(
        np.concatenate(seen, axis=1),
        np.where(truth < 0, np.nan, truth).astype(np.float32),
        truth,
        [f"{data.site}-{row['patient']}" for row in rows],
        [row["split"] for row in rows],
    )


@lru_cache(maxsize=8)
def _seen(site: str, folder: Path, files: tuple[str, ...], look: str, cache: Path) -> NDArray[np.float32]:
    items = [Radiograph(folder / "images" / name, site, name, "train", 0, "") for name in files]
    held = looked(items, Look(f"imagenet-{look}", raw=look == "raw"), _eye(cache), cache, lambda *_: None)
    return np.ascontiguousarray(held.pooled[:, :FEATURES])


@lru_cache(maxsize=2)
def _eye(cache: Path) -> Eye:
    return eye_of(imagenet_net(), cache)
