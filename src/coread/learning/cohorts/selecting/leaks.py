"""Near-duplicates over two splits, where the splits are the source's own and must stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from coread.learning.cohorts.form import SPLITS, Cohort, LeftOut
from coread.learning.cohorts.selecting.duplicates import Likeness


def without_leaks(cohort: Cohort, likenesses: Sequence[Likeness]) -> tuple[Cohort, list[Likeness]]:
    """Leave out the copy that is further from the test split, of each pair that lies in two splits.

    Parameters
    ----------
    cohort, likenesses
        The cohort and its near-duplicates.

    Returns
    -------
    (Cohort, list of Likeness)
        The smaller cohort, with what was left out listed, and the pairs that remain.
    """
    images = cohort.images
    dropped: dict[int, int] = {}
    for pair in likenesses:
        far, near = sorted((pair.first, pair.second), key=lambda at: SPLITS.index(images[at].split))
        if images[far].split != images[near].split:
            dropped.setdefault(far, near)
    left_out = [
        LeftOut(images[at].image, "near-duplicate", f"of {images[twin].image} in {images[twin].split}")
        for at, twin in dropped.items()
    ]
    smaller = _only(cohort, {at for at in range(len(images)) if at not in dropped})
    place = {image.image: at for at, image in enumerate(smaller.images)}
    pairs = [p for p in likenesses if not {p.first, p.second} & dropped.keys()]
    moved = [
        replace(p, first=place[images[p.first].image], second=place[images[p.second].image]) for p in pairs
    ]
    return replace(smaller, left_out=(*cohort.left_out, *left_out)), moved


def _only(cohort: Cohort, kept: set[int]) -> Cohort:
    images = tuple(image for at, image in enumerate(cohort.images) if at in kept)
    names = {image.image for image in images}
    return replace(
        cohort, images=images, labels=tuple(label for label in cohort.labels if label.image in names)
    )
