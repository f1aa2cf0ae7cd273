"""The published sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from coread.errors import CohortRefused
from coread.learning.cohorts.sources import blood, chest, nodules, ultrasound
from coread.learning.cohorts.sources.tables import TableSource

PUBLISHED: Mapping[str, Callable[[Path], TableSource]] = {
    "cxr_nih": chest.nih,
    "cxr_paediatric": chest.paediatric,
    "cxr_covid_ccby": chest.covid,
    "lidc_nodules": nodules.lidc,
    "ct_series": nodules.ct_series,
    "blood_pbc": blood.pbc,
    "blood_bccd": blood.bccd,
    "pocus_lung": ultrasound.pocus,
}


def published(name: str, data: Path) -> TableSource:
    """Give a published set as a source.

    Parameters
    ----------
    name
        One of `PUBLISHED`.
    data
        Folder that holds the sets.

    Raises
    ------
    CohortRefused
        If there is none of this name.
    """
    if name not in PUBLISHED:
        raise CohortRefused(f"a set named {name!r}", f"one of {', '.join(PUBLISHED)}", "name one of these")
    return PUBLISHED[name](data)
