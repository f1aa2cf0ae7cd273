"""Factories of the tasks, as a plan names them, and the sites of the published sets."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from coread.learning.federated.task import SiteData
from coread.learning.federated.tasks import chest, lidc
from coread.learning.federated.tasks.cases import Cases, Float, Remembered
from coread.learning.federated.tasks.chest_network import ChestPacking
from coread.learning.federated.tasks.heads import Head, HeadTask, Norm
from coread.learning.federated.tasks.outlining import OutlineTask

REFERENCE = "chest_reference.npy"
"""Mean and deviation [2, feature] of what the trunk sees in the public CC BY radiographs' training part."""


def _folder(cache: str | None) -> Path:
    """Where features are kept: they come from patients' images and are for their owner's eyes."""
    place = Path(cache) if cache else Path.home() / ".cache" / "coread" / "federated"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def nodule_malignancy(cache: str | None = None, norm: Norm = "own", prior_free: bool = True) -> HeadTask:
    """Malignancy of a nodule as radiologists rate it, by a head on the frozen trunk.

    Parameters
    ----------
    cache
        Folder for features; the user's cache if left out.
    norm, prior_free
        See `HeadTask`.
    """
    cases = Remembered(partial(lidc.cases_of, cache=_folder(cache)))
    return HeadTask("nodule-malignancy", cases, lidc.count_of, lidc.FEATURES, norm, None, prior_free)


def nodule_outline(width: int = 8, norm: str = "group") -> OutlineTask:
    """Outline of a nodule from a prompt."""
    if norm not in ("group", "batch"):
        raise ValueError(f"norm is group or batch, found {norm!r}")
    return OutlineTask("nodule-outline", width, norm)  # type: ignore[arg-type]


def chest_opacity(
    cache: str | None = None, norm: Norm = "own", prior_free: bool = True, look: str = "raw"
) -> HeadTask:
    """Pneumonia-like opacity in a radiograph, by a head on the frozen trunk.

    Parameters
    ----------
    cache, norm, prior_free
        As for `nodule_malignancy`; ``norm="reference"`` can be trained with differential privacy.
    look
        See `coread.learning.federated.tasks.chest.cases_of`.
    """
    cases = Remembered(partial(chest.cases_of, cache=_folder(cache), look=look))
    reference = reference_statistics() if norm == "reference" else None
    features = chest.FEATURES * (2 if look == "both" else 1)
    # The chest reader trims and windows as the look "plain" does; no reader shows an image as the others do.
    packing = ChestPacking() if look == "plain" else None
    return HeadTask(
        "chest-opacity", cases, chest.count_of, features, norm, reference, prior_free, _privately, packing
    )


def _privately(
    net: Head, held: Cases, instructions: Mapping[str, Any], rng: Generator
) -> Mapping[str, float]:
    """Train with noise; its library takes seconds to load and is loaded only if it is asked for."""
    module = import_module("coread.learning.federated.differential_privacy.training")
    return dict(module.train_privately(net, held, instructions, rng))


def reference_statistics() -> Float:
    """The shipped statistics of `REFERENCE`, of the raw look."""
    with resources.files(__package__).joinpath(REFERENCE).open("rb") as file:
        return np.asarray(np.load(file), dtype=np.float32)


def lidc_sites(folder: Path) -> dict[str, SiteData]:
    """The four vendors of the published nodules as sites."""
    return {name: SiteData(name, folder, {"vendor": name}) for name in lidc.VENDORS}


def chest_sites(folder: Path) -> dict[str, SiteData]:
    """The three sources of published radiographs as sites."""
    return {name: SiteData(name, folder, {"source": name}) for name in chest.SOURCES}
