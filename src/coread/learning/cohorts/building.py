"""From a source to a cohort: images taken in one by one, patients grouped and split, everything checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coread.learning.cohorts.checking import Fault, demand, in_bounds
from coread.learning.cohorts.form import SPLITS, Cohort, CohortImage, Label, LeftOut
from coread.learning.cohorts.harmonising.steps import Step
from coread.learning.cohorts.selecting.duplicates import Likeness, near_duplicates
from coread.learning.cohorts.selecting.leaks import without_leaks
from coread.learning.cohorts.selecting.splitting import SHARES, grouped, split_groups
from coread.learning.cohorts.storing import write_cohort
from coread.learning.cohorts.taking import Source, take
from coread.learning.runs.files import plain

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class BuildPlan:
    """What decides a cohort, beside its source.

    Attributes
    ----------
    target
        Word of the code book that is to be learnt: splits are drawn evenly over it, and one-class splits are
        refused. Empty for none.
    steps
        Harmonisation, in this order.
    redraw
        Draw the splits anew even where the source publishes its own.
    drop_leaks
        Where published splits hold near-duplicates on both sides, leave out the copy that is further from the
        test split, and list it; otherwise such a source is refused.
    shares, salt
        Of the drawn splits (see `split_groups`).
    """

    target: str = ""
    steps: tuple[Step, ...] = ()
    redraw: bool = False
    drop_leaks: bool = False
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    salt: str = "coread"


@dataclass
class _Gathered:
    images: list[CohortImage] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def build(source: Source, folder: Path, plan: BuildPlan, tell: Tell = lambda *_: None) -> Cohort:
    """Build a cohort from a source, and write it.

    What cannot be used is listed and the rest goes on; what would make every figure untrue is refused.
    Building twice gives the same bytes.

    Parameters
    ----------
    source, folder, plan
        What to read, where to write, what to do.
    tell
        Told of progress.

    Raises
    ------
    CohortRefused
        If patients or near-duplicates lie in two splits, units are mixed, a split holds one value of the
        target only, a label is not in the code book, or nothing usable is left.
    """
    gathered = _gather(source, folder, plan.steps, tell)
    tell("looking for near-duplicates", 0.95)
    likenesses = near_duplicates([image.fingerprint for image in gathered.images])
    cohort = Cohort(
        source.name,
        folder,
        _split(gathered, likenesses, plan),
        tuple(gathered.labels),
        source.book,
        tuple(gathered.left_out),
    )
    if plan.drop_leaks and all(image.split in SPLITS for image in cohort.images):
        cohort, likenesses = without_leaks(cohort, likenesses)
    remarks = demand(cohort, likenesses, plan.target)
    cohort = replace(cohort, facts=_facts(source, plan, cohort.images, likenesses, remarks))
    write_cohort(cohort)
    tell("done", 1.0)
    return cohort


def _gather(source: Source, folder: Path, steps: Sequence[Step], tell: Tell) -> _Gathered:
    gathered = _Gathered()
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, found in enumerate(source, 1):
        taken = found if isinstance(found, LeftOut) else take(found, folder, steps)
        if isinstance(taken, LeftOut):
            gathered.left_out.append(taken)
        else:
            gathered.images.append(taken.image)
            kept, strange = in_bounds(taken.labels, source.book)
            gathered.labels += kept
            gathered.left_out += strange
        if number % 20 == 0:
            tell("images", 0.95 * number / max(len(source), number))  # a folder is counted as it is read
    return gathered


def _split(gathered: _Gathered, likenesses: Sequence[Likeness], plan: BuildPlan) -> tuple[CohortImage, ...]:
    """Group the images, and draw splits unless the source published its own."""
    images = gathered.images
    groups = grouped(images, likenesses)
    published = all(image.split for image in images) and not plan.redraw
    if published:
        splits = [image.split for image in images]
    else:
        value_of = {label.image: label.value for label in gathered.labels if label.name == plan.target}
        strata = [(image.site, value_of.get(image.image)) for image in images]
        splits = split_groups(groups, strata, plan.shares, plan.salt)
    return tuple(
        replace(image, group=group, split=split)
        for image, group, split in zip(images, groups, splits, strict=True)
    )


def _facts(
    source: Source,
    plan: BuildPlan,
    images: Sequence[CohortImage],
    likenesses: Sequence[Likeness],
    remarks: Sequence[Fault],
) -> Mapping[str, Any]:
    pairs = [
        {
            "images": [images[pair.first].image, images[pair.second].image],
            "same_patient": images[pair.first].patient == images[pair.second].patient,
            "likeness": pair.likeness,
            "mirrored": pair.mirrored,
        }
        for pair in likenesses
    ]
    held: Mapping[str, Any] = plain(
        {"plan": plan, "traps": source.traps, "near_duplicates": pairs, "remarks": remarks}
    )
    return held
