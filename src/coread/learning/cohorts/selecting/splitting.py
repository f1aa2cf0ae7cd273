"""Splits that keep a patient, and everything that looks like one of the patient's images, on one side."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from coread.learning.cohorts.form import CohortImage
from coread.learning.cohorts.selecting.duplicates import Likeness, together

SHARES: Mapping[str, float] = {"train": 0.6, "val": 0.15, "test": 0.25}


def grouped(images: Sequence[CohortImage], likenesses: Sequence[Likeness]) -> list[str]:
    """Group of each image: a patient, joined with every patient who has a near-duplicate image.

    Returns
    -------
    list of str
        The least patient of each group, sorted as text; near-duplicates are thus never told apart.
    """
    first_of: dict[str, int] = {}
    pairs = [(first_of.setdefault(image.patient, at), at) for at, image in enumerate(images)]
    pairs += [(likeness.first, likeness.second) for likeness in likenesses]
    tops = together(len(images), pairs)
    names: dict[int, str] = {}
    for top, image in zip(tops, images, strict=True):
        names[top] = min(names.get(top, image.patient), image.patient)
    return [names[top] for top in tops]


def split_groups(
    groups: Sequence[str], strata: Sequence[Hashable], shares: Mapping[str, float], salt: str
) -> list[str]:
    """Give every group to a split, so that each stratum has about the asked shares in each.

    The order within a stratum is that of a hash of salt and group: the same groups give the same splits on
    every machine.

    Parameters
    ----------
    groups, strata
        Of each image; a group's stratum is the most frequent of its images.
    shares
        Share of images by split; they sum to 1.
    salt
        Changes the draw.

    Returns
    -------
    list of str
        Split of each image.
    """
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0:
        raise ValueError(f"shares of splits are at least 0 and sum to 1; found {dict(shares)}")
    sizes = Counter(groups)
    of_stratum: dict[Hashable, list[str]] = defaultdict(list)
    for group, stratum in _strata(groups, strata).items():
        of_stratum[stratum].append(group)
    given: dict[str, str] = {}
    for members in of_stratum.values():
        given |= _dealt(sorted(members, key=lambda group: _hash(salt, group)), sizes, shares)
    return [given[group] for group in groups]


def _strata(groups: Sequence[str], strata: Sequence[Hashable]) -> dict[str, Hashable]:
    counts: dict[str, Counter[Hashable]] = defaultdict(Counter)
    for group, stratum in zip(groups, strata, strict=True):
        counts[group][stratum] += 1
    return {group: min(c, key=lambda s: (-c[s], repr(s))) for group, c in counts.items()}


def _dealt(members: Sequence[str], sizes: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, str]:
    """Give each member, in turn, to the split that lacks most of its share."""
    held = dict.fromkeys(shares, 0)
    given = {}
    for member in members:
        total = sum(held.values()) + sizes[member]
        lacking = {split: share * total - held[split] for split, share in shares.items()}
        split = max(lacking, key=lambda name: (lacking[name], shares[name]))
        held[split] += sizes[member]
        given[member] = split
    return given


def _hash(salt: str, group: str) -> bytes:
    return hashlib.sha256(f"{salt}\x00{group}".encode()).digest()
