"""The arms of the study: what each kind of supervision lets the network learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from coread.learning.nodule.cohort import Cohort, Nodule
from coread.learning.nodule.outlining import Lessons, lessons_of, read_all, shown
from coread.learning.nodule.prompts import click, drawn_box
from coread.learning.nodule.unet import NoduleNet
from coread.learning.weak.dawid_skene import MISSING, dawid_skene
from coread.learning.weak.growing import grown
from coread.learning.weak.staple import reach_of, staple
from coread.readers.ct_nodule.window import Spot, paste

Bool = NDArray[np.bool_]

OUTLINED_SHARE = 0.25
"""Share of the training patients whose nodules are outlined in the partly labelled arms."""

RANKS = 4
"""Outlines of the network with one per kind of reader, from the strictest to the most generous."""


@dataclass(frozen=True, eq=False)
class Pupils:
    """The training slices, before anybody says which labels may be seen.

    Attributes
    ----------
    cohort, nodules
        All training nodules that two readers or more marked.
    owner, row
        Nodule and place of each slice on which the readers agree on anything, [slice].
    """

    cohort: Cohort
    nodules: tuple[Nodule, ...]
    owner: NDArray[np.int64]
    row: NDArray[np.int64]

    def image(self, at: int) -> NDArray[np.uint8]:
        """Picture of a slice."""
        return np.asarray(self.cohort.slices.images[self.row[at]])

    def consensus(self, at: int) -> Bool:
        """What at least half of the readers marked."""
        return self.cohort.slices.consensus(self.nodules[self.owner[at]], int(self.row[at]))

    def of_readers(self, at: int) -> Bool:
        """Each reader's outline, [reader, 96, 96]."""
        return self.cohort.slices.of_readers(self.nodules[self.owner[at]], int(self.row[at]))

    def __len__(self) -> int:
        return len(self.row)


def pupils(cohort: Cohort, nodules: Sequence[Nodule]) -> Pupils:
    """All slices of these nodules on which the readers agree on anything."""
    pairs = [
        (owner, row)
        for owner, nodule in enumerate(nodules)
        for row in nodule.rows
        if cohort.slices.consensus(nodule, row).any()
    ]
    owner, row = np.array(pairs).T
    return Pupils(cohort, tuple(nodules), owner, row)


def majority(held: Pupils, rng: Generator) -> Lessons:
    """Full supervision: what at least half of the readers marked."""
    return _all(held, held.consensus)


def mean_of_readers(held: Pupils, rng: Generator) -> Lessons:
    """Every reader counts: the share of readers that marked the pixel."""
    return _all(held, lambda at: held.of_readers(at).mean(0))


def one_reader(held: Pupils, rng: Generator) -> Lessons:
    """One reader per nodule, drawn once; what the others say is not seen."""
    who = [int(rng.integers(nodule.readers)) for nodule in held.nodules]
    return _all(held, lambda at: held.of_readers(at)[who[held.owner[at]]])


def stapled(held: Pupils, rng: Generator) -> Lessons:
    """STAPLE over all slices of each nodule."""
    target = np.zeros((len(held), 96, 96), np.float32)
    for nodule in range(len(held.nodules)):
        places = np.flatnonzero(held.owner == nodule)
        stack = np.stack([held.of_readers(int(at)) for at in places], 1) if len(places) else None
        if stack is not None:
            target[places] = staple(stack).probability
    return _all(held, lambda at: target[at])


def dawid_skened(held: Pupils, rng: Generator) -> Lessons:
    """Dawid-Skene over all pixels within reach of some outline, with one confusion matrix for all readers.

    The published slots are not the same person from patient to patient: a confusion of his own for each
    reader could be learned within one nodule only, and that is STAPLE.
    """
    votes = [votes_of(held.of_readers(at)) for at in range(len(held))]
    inside = posterior_of_votes([(yes, readers) for _, yes, readers in votes])
    target = np.zeros((len(held), 96, 96), np.float32)
    for at, (reach, yes, readers) in enumerate(votes):
        target[at][reach] = inside[readers][yes]
    return _all(held, lambda at: target[at])


def votes_of(masks: Bool) -> tuple[tuple[slice, ...], NDArray[np.int64], int]:
    """Where masks [reader, row, column] may mark anything, votes there [row, column], number of readers."""
    reach = reach_of(masks)
    return reach, masks[(slice(None), *reach)].sum(0), len(masks)


def posterior_of_votes(pictures: Sequence[tuple[NDArray[np.int64], int]]) -> dict[int, NDArray[np.float64]]:
    """Probability of lying inside by number of readers and votes, from all pictures together.

    Parameters
    ----------
    pictures
        Votes of each pixel, and the number of readers.
    """
    most = max(readers for _, readers in pictures)
    counts = {n: np.zeros(n + 1) for n in range(1, most + 1)}
    for yes, readers in pictures:
        counts[readers] += np.bincount(yes.ravel(), minlength=readers + 1)
    rows = [(n, yes) for n in counts for yes in range(n + 1)]
    said = np.full((len(rows), most), MISSING)
    for row, (n, ayes) in zip(said, rows, strict=True):
        row[:n] = np.arange(n) < ayes
    times = np.concatenate([counts[n] for n in counts])
    fused = dawid_skene(said, 2, times, pooled=True).posterior[:, 1].astype(np.float64)
    return {n: fused[[i for i, (readers, _) in enumerate(rows) if readers == n]] for n in counts}


def ranked_readers(held: Pupils, rng: Generator) -> Lessons:
    """An outline for each kind of reader, by how generous he is on this nodule.

    The slots of the published data are not the same person from patient to patient, so that a head per
    reader would learn nothing; how generous a reader is can be ranked within each nodule.
    """

    def target(at: int) -> NDArray[Any]:
        masks = held.of_readers(at)
        order = np.argsort(masks.sum((1, 2)), kind="stable")
        picks = np.rint(np.linspace(0, len(order) - 1, RANKS)).astype(int)
        return np.asarray(masks[order[picks]])

    return _all(held, target)


def outlined_patients(held: Pupils, rng: Generator) -> Bool:
    """Which slices belong to the share of patients whose nodules are outlined, [slice]."""
    patients = sorted({nodule.patient for nodule in held.nodules})
    chosen = set(rng.permutation(patients)[: round(OUTLINED_SHARE * len(patients))])
    return np.array([held.nodules[owner].patient in chosen for owner in held.owner])


def quarter(held: Pupils, rng: Generator) -> Lessons:
    """Outlines for a quarter of the patients, nothing for the rest."""
    seen = outlined_patients(held, rng)
    return _some(held, [(at, held.consensus(at), False) for at in map(int, np.flatnonzero(seen))])


def clicks(held: Pupils, rng: Generator) -> list[Spot]:
    """One click per slice, as an annotator would set it."""
    return [click(held.consensus(at), rng) for at in range(len(held))]


def points(held: Pupils, rng: Generator) -> Lessons:
    """Points only: outlines grown from the grey values at each point."""
    set_at = clicks(held, rng)
    return _all(held, lambda at: grown(held.image(at), set_at[at]), guessed=True)


def boxes(held: Pupils, rng: Generator) -> Lessons:
    """Boxes only: outlines grown inside each box."""
    drawn = [drawn_box(held.consensus(at), rng) for at in range(len(held))]
    return _all(held, lambda at: grown(held.image(at), drawn[at]), guessed=True)


def found_places(held: Pupils, places: Sequence[Spot]) -> Lessons:
    """Image labels only: outlines grown where a network that knows only image labels points to."""
    return _all(held, lambda at: grown(held.image(at), places[at]), guessed=True)


def taught(held: Pupils, teacher: NoduleNet, rng_of_outlines: Generator, rng_of_points: Generator) -> Lessons:
    """Outlines for a quarter, points for the rest: a teacher of the quarter outlines the rest at the points.

    Parameters
    ----------
    held, teacher
        Slices; network trained on `quarter` with a generator in the state of `rng_of_outlines`.
    rng_of_outlines, rng_of_points
        The first must draw the same patients as for the teacher.
    """
    seen = outlined_patients(held, rng_of_outlines)
    taught_by = guessed_at(held, teacher, clicks(held, rng_of_points))
    target = [held.consensus(at) if seen[at] else taught_by[at] for at in range(len(held))]
    return _some(held, [(at, target[at], not seen[at]) for at in range(len(held))])


def guessed_at(held: Pupils, teacher: NoduleNet, set_at: Sequence[Spot]) -> NDArray[np.float32]:
    """A teacher's probabilities on the training slices, [slice, 96, 96]; the point itself is inside."""
    inputs = np.stack([shown(held.image(at), prompt) for at, prompt in enumerate(set_at)])
    inside = read_all(teacher, inputs, turns=True)[0]
    whole = np.stack([paste(p, prompt.centre, (96, 96)) for p, prompt in zip(inside, set_at, strict=True)])
    for at, prompt in enumerate(set_at):
        whole[at][prompt.centre] = max(whole[at][prompt.centre], 0.5)
    return np.asarray(whole, dtype=np.float32)


def _all(held: Pupils, target: Callable[[int], NDArray[Any]], *, guessed: bool = False) -> Lessons:
    return _some(held, [(at, target(at), guessed) for at in range(len(held))])


def _some(held: Pupils, parts: Sequence[tuple[int, NDArray[Any], bool]]) -> Lessons:
    return lessons_of([(held.image(at), target, int(held.owner[at]), guess) for at, target, guess in parts])
