"""One image on its way into a cohort: checked, harmonised, written, fingerprinted."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from PIL import Image

from coread.learning.cohorts.checking import pixel_fault
from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import CohortImage, Label, LeftOut
from coread.learning.cohorts.harmonising.picture import Picture, picture_of, shown, stored
from coread.learning.cohorts.harmonising.replaying import recorded, replay
from coread.learning.cohorts.harmonising.steps import Step
from coread.learning.cohorts.regions import moved
from coread.learning.cohorts.selecting.duplicates import fingerprint
from coread.learning.runs.files import replace_file


@dataclass(frozen=True, eq=False)
class Found:
    """One image as a source gives it.

    Attributes
    ----------
    image
        What is known of it; path, size, hashes, group and (if it is to be drawn) split are filled in later.
    pixels
        uint8, int16, uint16 or float32 [row, column], or uint8 [row, column, 3], as `image` explains them.
    labels
        What its annotators say.
    encoded
        The source's own file, kept byte by byte where no step changes the pixels; None to write a PNG.
    """

    image: CohortImage
    pixels: NDArray[Any]
    labels: tuple[Label, ...] = ()
    encoded: bytes | None = None


class Source(Protocol):
    """Where a cohort comes from."""

    @property
    def name(self) -> str:
        """Name of the cohort."""
        ...

    @property
    def book(self) -> CodeBook:
        """Words that its labels use."""
        ...

    @property
    def traps(self) -> tuple[str, ...]:
        """What is known to mislead in it; printed in the data card."""
        ...

    def __len__(self) -> int:
        """About how many images there are, for the progress bar."""
        ...

    def __iter__(self) -> Iterator[Found | LeftOut]:
        """Give images one by one, or why one is left out."""
        ...


@dataclass(frozen=True, eq=False)
class Taken:
    """One image as the cohort keeps it, with its labels moved along."""

    image: CohortImage
    labels: tuple[Label, ...]


def take(found: Found, folder: Path, steps: Sequence[Step]) -> Taken | LeftOut:
    """Check one image, do the steps, and write it below the cohort's folder.

    Returns
    -------
    Taken or LeftOut
        `LeftOut` if there is nothing to see, or a step does not fit.
    """
    what = found.image.source or found.image.image
    fault = pixel_fault(found.pixels)
    if fault:
        return LeftOut(what, *fault)
    picture = picture_of(found.pixels, found.image)
    try:
        harmonised = replay(picture, steps)
    except ValueError as reason:
        return LeftOut(what, "step-does-not-fit", str(reason))
    image = replace(found.image, fingerprint=fingerprint(shown(picture)), steps=recorded(steps))
    image = _written(found, image, harmonised, folder, kept=not steps)
    return Taken(image, found.labels if not steps else _moved(found, harmonised))


def _moved(found: Found, picture: Picture) -> tuple[Label, ...]:
    before, after = found.pixels.shape, picture.values.shape
    sizes = ((before[0], before[1]), (after[0], after[1]))
    return tuple(
        replace(label, region=moved(label.kind, label.region, picture.placed, sizes))
        for label in found.labels
    )


def _written(found: Found, image: CohortImage, picture: Picture, folder: Path, kept: bool) -> CohortImage:
    """Write the pixels; the source's own bytes where nothing was done to them."""
    pixels, slope, offset = stored(picture)
    own = found.encoded if kept else None
    data = own if own else _png(pixels)
    name = f"images/{_file_name(image.image)}.{'jpg' if data.startswith(_JPEG) else 'png'}"
    replace_file(folder / name, lambda file: _put(file, data), synced=False)
    return replace(
        image,
        path=name,
        sha256=hashlib.sha256(data).hexdigest(),
        rows=pixels.shape[0],
        columns=pixels.shape[1],
        channels=3 if pixels.ndim == 3 else 1,
        spacing_mm=picture.spacing_mm,
        grey_unit=picture.unit,
        grey_slope=slope,
        grey_offset=offset,
    )


_JPEG = b"\xff\xd8"


def _put(file: Any, data: bytes) -> None:
    file.write(data)


def _png(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _file_name(image: str) -> str:
    """Name of a file with which no image can leave the folder."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "_" for sign in image)
    safe = safe.lstrip(".")
    return safe if safe == image else f"{safe}-{hashlib.sha256(image.encode()).hexdigest()[:8]}"
