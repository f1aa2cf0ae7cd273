"""Every nodule as the clinic would measure it: one prompt, the shipped code, one row of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.prompts import beside, click, drawn_box
from coread.learning.nodule.scoring import dice
from coread.readers.ct_nodule.looks import features_of, largest
from coread.readers.ct_nodule.measuring import area_mm2, axes, volume_mm3
from coread.readers.ct_nodule.stack import Cut, Look, followed, outlined_slice
from coread.readers.ct_nodule.window import Spot, network_input

Float = NDArray[np.floating[Any]]

COLUMNS = ("trust", "long_mm", "short_mm", "area_mm2", "volume_mm3", "dice", "stack_dice", "rating",
           "read_area_mm2", "read_volume_mm3", "read_short_mm", "slices")  # fmt: skip
"""What is kept of each nodule beside its features. ``rating``: the network's own malignancy, standardised.
``read_``: mean over the readers' outlines. Volumes are nan where slices or their distance are missing;
``dice``: asked slice against the consensus; ``stack_dice``: all published slices together."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Nodules with their numbers.

    Attributes
    ----------
    nodules
        Those on which something was outlined or not, all that were asked about.
    features
        [nodule, feature]; nan where nothing was outlined.
    numbers
        [nodule, column].
    """

    nodules: tuple[Nodule, ...]
    features: Float
    numbers: Float

    def column(self, name: str) -> Float:
        """One of `COLUMNS`, [nodule]."""
        return np.asarray(self.numbers[:, COLUMNS.index(name)])

    @property
    def size_mm(self) -> Float:
        """Mean of long and short axis, [nodule]; 0 where nothing was outlined."""
        return np.nan_to_num((self.column("long_mm") + self.column("short_mm")) / 2)

    def where(self, chosen: NDArray[np.bool_]) -> Measured:
        """Those for which `chosen` [nodule] is true."""
        kept = tuple(nodule for nodule, keep in zip(self.nodules, chosen, strict=True) if keep)
        return Measured(kept, self.features[chosen], self.numbers[chosen])

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether something was outlined, [nodule]."""
        return np.isfinite(self.features[:, 0])


def asked_slice(cohort: Cohort, nodule: Nodule) -> int:
    """Which of the nodule's slices a doctor would point at: the one on which the readers mark most.

    The middle one where that says nothing.
    """
    areas = [int(cohort.slices.consensus(nodule, row).sum()) for row in nodule.rows]
    return int(np.argmax(areas)) if max(areas) else len(areas) // 2


def measure(
    cohort: Cohort, nodules: Sequence[Nodule], look: Look, rng: Generator, tell: Callable[[float], None]
) -> Measured:
    """Ask about every nodule once: by a click for every other one, by a box for the rest.

    Parameters
    ----------
    cohort, nodules
        What is asked about.
    look
        The exported network.
    rng
        Source of the prompts.
    tell
        Told the share that is done.
    """
    rows, features = [], []
    for number, nodule in enumerate(nodules):
        row, seen = _one(cohort, nodule, look, rng, box=number % 2 == 1)
        rows.append(row)
        features.append(seen)
        tell((number + 1) / len(nodules))
    width = max(1, *(len(f) for f in features))
    empty = np.full(width, np.nan)
    return Measured(tuple(nodules), np.stack([f if len(f) else empty for f in features]), np.array(rows))


def _one(
    cohort: Cohort, nodule: Nodule, look: Look, rng: Generator, *, box: bool
) -> tuple[list[float], NDArray[Any]]:
    asked, slices = asked_slice(cohort, nodule), cohort.slices
    truth = [slices.consensus(nodule, row) for row in nodule.rows]
    anyone = np.asarray(slices.of_readers(nodule, nodule.rows[asked]).any(0))
    marked = truth[asked] if truth[asked].any() else anyone
    spot = (drawn_box if box else click)(marked, rng)
    images = [slices.images[row].astype(np.float32) for row in nodule.rows]
    cuts = followed(images, asked, spot, look)
    seen = next(cut for cut in cuts if cut.index == asked)
    read = _read_sizes(cohort, nodule)
    masks = {cut.index: cut.mask for cut in cuts}
    stack = [masks.get(i, np.zeros((96, 96), dtype=bool)) for i in range(len(truth))]
    scores = [dice(seen.mask, truth[asked]), dice(np.stack(stack), np.stack(truth))]
    if not seen.area_px:
        return [seen.trust, np.nan, np.nan, np.nan, np.nan, *scores, np.nan, *read, 0.0], np.empty(0)
    spacing = (nodule.spacing_mm, nodule.spacing_mm)
    widest = largest(cuts, spacing)
    size = axes(widest.window, spacing)
    volume = (
        volume_mm3([cut.window for cut in cuts], spacing, nodule.slice_spacing_mm) if nodule.whole else np.nan
    )
    numbers = [seen.trust, size.long_mm, size.short_mm, area_mm2(widest.window, spacing), volume]
    return [*numbers, *scores, _rating(cuts, seen, images, spot, look), *read, float(len(cuts))], features_of(
        cuts, asked, spacing
    )


def _rating(cuts: Sequence[Cut], seen: Cut, images: Sequence[Any], spot: Spot, look: Look) -> float:
    """Malignancy by the network's own head on the asked slice: the black box, trained end to end."""
    return float(look(network_input(images[seen.index], spot)[None])["ratings"][0, -1])


def _read_sizes(cohort: Cohort, nodule: Nodule) -> list[float]:
    """Mean over the readers: greatest area, volume, and short axis on the slice of the greatest area."""
    spacing = (nodule.spacing_mm, nodule.spacing_mm)
    areas, volumes, shorts = [], [], []
    for reader in range(nodule.readers):
        masks = [cohort.slices.masks[row, reader].astype(bool) for row in nodule.rows]
        best = max(masks, key=lambda mask: int(mask.sum()))
        if best.any():
            areas.append(area_mm2(best, spacing))
            shorts.append(axes(best, spacing).short_mm)
            volumes.append(volume_mm3(masks, spacing, nodule.slice_spacing_mm))
    if not areas:
        return [np.nan] * 3
    return [
        float(np.mean(areas)),
        float(np.mean(volumes)) if nodule.whole else np.nan,
        float(np.mean(shorts)),
    ]


def elsewhere(cohort: Cohort, nodules: Sequence[Nodule], look: Look, rng: Generator) -> Float:
    """Trust [nodule] at a place beside each nodule that nobody marked."""
    found = []
    for nodule in nodules:
        row = nodule.rows[asked_slice(cohort, nodule)]
        image = cohort.slices.images[row]
        spot = beside(image, cohort.slices.masks[row].any(0), rng)
        found.append(outlined_slice(image.astype(np.float32), spot, look).trust)
    return np.array(found)
