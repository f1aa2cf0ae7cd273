"""What makes a cohort unfit: said in full, before anything is learnt from it.

A *fatal* fault means that figures would not be true. Others are listed in the data card and the rest goes on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.errors import CohortRefused
from coread.learning.cohorts.codebook import CodeBook
from coread.learning.cohorts.form import SPLITS, Cohort, CohortImage, Label, LeftOut
from coread.learning.cohorts.selecting.duplicates import Likeness

OLDEST_YEARS = 120.0
"""Above it an age is taken for months, days or a slip; the oldest person on record reached 122 years."""

SPACING_MM = (0.0001, 10.0)
"""Least and greatest distance of pixel centres that an image of a person or of cells has (0.1 um for a
microscope at 100x to 10 mm for nuclear medicine); outside it the unit is probably metre or micrometre."""

SHOWN = 5
"""Examples named in a message; the data card has all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a cohort."""

    code: str
    """no-images, same-name, unknown-split, leaking-patients, leaking-duplicates, mixed-units,
    one-class-split, empty-split, unknown-label, unknown-image, value-out-of-range, implausible-age,
    implausible-spacing."""
    fatal: bool
    text: str
    examples: tuple[str, ...] = ()
    count: int = 1


def faults(cohort: Cohort, likenesses: Sequence[Likeness] = (), target: str = "") -> list[Fault]:
    """Everything that is wrong, fatal faults first.

    Parameters
    ----------
    cohort
        What to look at.
    likenesses
        Near-duplicates among its images, by place in `cohort.images`.
    target
        Word of the code book that is to be learnt: each split must hold both of its values.
    """
    found = [
        *_no_images(cohort.images),
        *leaking_patients(cohort.images),
        *leaking_duplicates(cohort.images, likenesses),
        *mixed_units(cohort.images),
        *_strange_numbers(cohort.images),
        *label_faults(cohort.labels, cohort.book, {image.image for image in cohort.images}),
        *(one_class_splits(cohort, target) if target else ()),
    ]
    return sorted(found, key=lambda fault: not fault.fatal)


def demand(cohort: Cohort, likenesses: Sequence[Likeness] = (), target: str = "") -> list[Fault]:
    """Give the faults that do not forbid to go on.

    Raises
    ------
    CohortRefused
        If there is a fatal fault; all of them are named.
    """
    found = faults(cohort, likenesses, target)
    fatal = [fault for fault in found if fault.fatal]
    if fatal:
        said = "; ".join(_said(fault) for fault in fatal)
        expected = (
            "patients and near-duplicates on one side of the split, one unit, both classes in each split"
        )
        raise CohortRefused(said, expected, "mend the source, or let the lab draw the split", cohort.name)
    return found


def _said(fault: Fault) -> str:
    more = f" ({', '.join(fault.examples[:SHOWN])}{', ...' if fault.count > SHOWN else ''})"
    return f"{fault.text}{more if fault.examples else ''}"


def _fault(code: str, fatal: bool, text: str, examples: Iterable[str]) -> Iterator[Fault]:
    named = tuple(dict.fromkeys(examples))
    if named:
        yield Fault(code, fatal, f"{len(named)} {text}", named[:50], len(named))


def _no_images(images: Sequence[CohortImage]) -> Iterator[Fault]:
    if not images:
        yield Fault("no-images", True, "no usable image is left")
    names = Counter(image.image for image in images)
    yield from _fault(
        "same-name", True, "names borne by several images", (n for n, c in names.items() if c > 1)
    )
    strange = (f"{image.image}: {image.split!r}" for image in images if image.split not in SPLITS)
    yield from _fault(
        "unknown-split", True, f"images in a split that is none of {', '.join(SPLITS)}", strange
    )


def leaking_patients(images: Sequence[CohortImage]) -> Iterator[Fault]:
    """Patients that lie in more than one split."""
    splits: dict[str, set[str]] = defaultdict(set)
    for image in images:
        splits[image.patient].add(image.split)
    leaking = (patient for patient, of_it in splits.items() if len(of_it) > 1)
    yield from _fault("leaking-patients", True, "patients in more than one split", leaking)


def leaking_duplicates(images: Sequence[CohortImage], likenesses: Sequence[Likeness]) -> Iterator[Fault]:
    """Near-duplicates that lie in different splits."""
    pairs = ((images[likeness.first], images[likeness.second]) for likeness in likenesses)
    leaking = (f"{a.image} = {b.image}" for a, b in pairs if a.split != b.split)
    yield from _fault("leaking-duplicates", True, "near-duplicate pairs in different splits", leaking)


def mixed_units(images: Sequence[CohortImage]) -> Iterator[Fault]:
    """Modalities whose grey values are given in more than one unit."""
    units: dict[str, set[str]] = defaultdict(set)
    for image in images:
        units[image.modality].add(image.grey_unit)
    mixed = (f"{modality}: {', '.join(sorted(of_it))}" for modality, of_it in units.items() if len(of_it) > 1)
    yield from _fault("mixed-units", True, "modalities with grey values of several units", mixed)


def _strange_numbers(images: Sequence[CohortImage]) -> Iterator[Fault]:
    ages = (i.image for i in images if i.age_years is not None and not 0 <= i.age_years <= OLDEST_YEARS)
    yield from _fault("implausible-age", False, f"ages outside 0..{OLDEST_YEARS:g} years", ages)
    low, high = SPACING_MM
    spacings = (
        i.image for i in images if i.spacing_mm and not low <= min(i.spacing_mm) <= max(i.spacing_mm) <= high
    )
    yield from _fault("implausible-spacing", True, f"pixel spacings outside {low:g}..{high:g} mm", spacings)


def label_faults(labels: Sequence[Label], book: CodeBook, images: set[str]) -> Iterator[Fault]:
    """Labels outside the code book or its bounds, or of images that are not there."""
    concepts = {concept.name: concept for concept in book}
    unknown = (label.name for label in labels if label.name not in concepts)
    yield from _fault("unknown-label", True, "labels that are not in the code book", unknown)
    strays = (label.image for label in labels if label.image not in images)
    yield from _fault("unknown-image", True, "labels of images that the cohort does not hold", strays)
    outside = (
        f"{label.image}: {label.name} {label.value:g}"
        for label in labels
        if (concept := concepts.get(label.name)) and not concept.low <= label.value <= concept.high
    )
    yield from _fault("value-out-of-range", True, "values outside the code book's bounds", outside)


def in_bounds(labels: Sequence[Label], book: CodeBook) -> tuple[list[Label], list[LeftOut]]:
    """Part labels into those within the code book's bounds (or outside its words), and the others, listed."""
    kept, left_out = [], []
    for label in labels:
        concept = book.find(label.name)
        if concept is None or concept.low <= label.value <= concept.high:
            kept.append(label)
        else:
            what, bounds = (
                f"{label.image}: {label.name} {label.value:g}",
                f"{concept.low:g} to {concept.high:g}",
            )
            left_out.append(LeftOut(what, "value-out-of-range", f"outside {bounds}"))
    return kept, left_out


def one_class_splits(cohort: Cohort, target: str) -> Iterator[Fault]:
    """Splits in which the target has fewer than two values, or that are empty."""
    values = _values_by_split(cohort, target)
    empty = [split for split in SPLITS if not values.get(split)]
    yield from _fault("empty-split", "train" in empty, f"splits without a label {target!r}", empty)
    single = [split for split in SPLITS if len(values.get(split, ())) == 1]
    yield from _fault("one-class-split", True, f"splits with one value of {target!r} only", single)


def _values_by_split(cohort: Cohort, target: str) -> Mapping[str, set[float]]:
    split_of = {image.image: image.split for image in cohort.images}
    values: dict[str, set[float]] = defaultdict(set)
    for label in cohort.labels:
        if label.name == target and label.image in split_of:
            values[split_of[label.image]].add(label.value)
    return values


def pixel_fault(pixels: NDArray[Any]) -> tuple[str, str] | None:
    """Code and reason why an image cannot be learnt from; None if it can.

    An image is *all black* (or all white) if its 1st and 99th percentiles do not differ.
    """
    if pixels.ndim not in (2, 3) or min(pixels.shape[:2]) < 16:
        return "too-small", f"{' x '.join(map(str, pixels.shape))} pixels, at least 16 x 16 are needed"
    finite = np.isfinite(pixels) if pixels.dtype.kind == "f" else np.ones(1, dtype=bool)
    if not finite.all():
        return "not-finite", f"{int((~finite).sum())} pixels without a value"
    low, high = np.percentile(pixels, [1, 99])
    if low == high:
        return "all-black", f"all pixels about {low:g}: nothing to see"
    return None
