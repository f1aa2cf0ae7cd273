"""The study at larger images: both sides choose their arm on validation images, and meet on test patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from coread.learning.runs.files import plain
from coread.learning.runs.run import Tell, nobody
from coread.learning.transfer_study.larger import equal
from coread.learning.transfer_study.larger.figures import SECOND, Work, of_task, rows
from coread.learning.transfer_study.larger.related import LESSONS
from coread.learning.transfer_study.larger.tasks import LARGER, QUESTIONS
from coread.learning.transfer_study.larger.trials import SHARE_OF_PROMISE, make, task_of
from coread.learning.transfer_study.study import SEEDS, TOLD

DID_NOT_WORK = [
    "The promise is kept on one set of the two, in each of the three rounds at larger images, whichever "
    "way the arm that was named before is asked. A related question learnt between ImageNet and the tenth "
    "(the fourth round) gains over the same network from random weights +0.140 (+0.082 to +0.198) on "
    "neutrophils, +0.028 (+0.001 to +0.055) on bacterial against viral pneumonia, +0.009 (-0.038 to "
    "+0.054) on adults' radiographs and -0.009 (-0.052 to +0.031) on nodules. It mends what ImageNet's "
    "weights alone do to nodules, and adds to neutrophils; on radiographs it adds nothing to them.",
    "On equal terms the trunk tuned from ImageNet's weights gains over the same network from random ones "
    "+0.106 (+0.034 to +0.173) on neutrophils, +0.038 (+0.011 to +0.069) on bacterial against viral "
    "pneumonia, +0.018 (-0.028 to +0.063) on adults' radiographs and -0.090 (-0.134 to -0.049) on "
    "nodules. Children's radiographs gain; whether by 0.05, these patients leave open.",
    "With both stopped at their best moment on validation images, the tuned one after half the steps: +0.080 "
    "(+0.001 to +0.155), +0.036 (+0.008 to +0.066), -0.003 (-0.058 to +0.056) and +0.005 (-0.032 to +0.037). "
    "These two rows were added after the figures of neutrophils and of children's radiographs were seen, and "
    "before those of adults' radiographs and of nodules.",
    "With arms named by validation images no kind of transfer gains 0.05 on any set over the best from "
    "scratch: +0.036 (+0.008 to +0.066) on bacterial against viral pneumonia, +0.007 (-0.064 to +0.079) on "
    "neutrophils, +0.023 (+0.003 to +0.043) on adults' radiographs, -0.002 (-0.023 to +0.017) on nodules. "
    "The 98 validation images of the neutrophils named the partly tuned trunk (0.751 against 0.719): too few "
    "to tell arms apart.",
    "Nodules are no photographs: whatever keeps to ImageNet's features loses. The frozen trunk stays 0.097 "
    "(0.041 to 0.163) behind the small network. On validation images of the first seed the tuned one had "
    "0.889 with batch statistics learnt from 36 nodules and 0.957 with ImageNet's kept; it comes to 0.905 "
    "with them kept, and on equal terms, where they are learnt, to 0.808. The outlined area alone gives "
    "0.958.",
    "Adults' radiographs: 41 to 45 images teach a small network from scratch as much as a frozen trunk knows "
    "(0.813 each); the tuned trunk has 0.782, and 0.787 on equal terms.",
    "The verdicts on equal terms are a third and a fourth look at the same test patients. Test figures of "
    "the second round were looked at while it was being made, and those of neutrophils and children's "
    "radiographs in the third before the others were made; questions, sizes, arms, settings and terms were "
    "kept. Those of the fourth were read when all were made.",
    "At other shares the trunks met on equal terms when all figures above were known. At 1 % of the "
    "labels (4 to 13 images) the tuned one gains +0.141 (+0.080 to +0.205) on adults' radiographs, where "
    "the untaught one tells nothing apart (0.502), +0.038 (-0.036 to +0.116) on neutrophils, -0.010 "
    "(-0.042 to +0.022) on children's and -0.035 (-0.105 to +0.034) on nodules; at 100 %, with one seed, "
    "+0.201 (+0.106 to +0.293) on neutrophils, -0.032 (-0.134 to +0.059) on adults' radiographs and "
    "-0.019 (-0.078 to +0.026) on nodules.",
    "Not made: images of 224 pixels; at 100 % of the labels the trunks on children's radiographs, and "
    "more than one seed of the trunks elsewhere. No further set was taken: the other public sets at hand "
    "hold a few dozen radiographs of one finding, fields without patients or classes of white cells, and "
    "clips of a source that gives the label away.",
]
"""What the figures say against the promise, and what they cannot say."""

CHEAP = ("frozen", "scratch", SECOND)
"""Arms that take a minute."""

DEAR = ("untaught", "tuned")
"""Arms that train the whole trunk on images: minutes each."""

ARMS_OF_PROMISE = (*CHEAP, *DEAR, "partial")


def promised_work(quick: bool) -> Iterator[Work]:
    """The trials of the promise: every arm at 10 % of the labels; the cheapest with one seed if quick."""
    if quick:
        yield from _of(SHARE_OF_PROMISE, ("frozen", "scratch"), SEEDS[:1])
        return
    for seed in SEEDS:
        yield from _of(SHARE_OF_PROMISE, ARMS_OF_PROMISE, (seed,))


def all_work(quick: bool) -> Iterator[Work]:
    """Every trial in the order of its worth: those of the promise first, then the cheap arms elsewhere."""
    yield from promised_work(quick)
    if not quick:
        for share in equal.OTHER_SHARES:
            yield from _of(share, CHEAP, SEEDS)


def _of(share: float, arms: Sequence[str], seeds: Sequence[int]) -> Iterator[Work]:
    return (Work(task, share, arm, seed) for task in LARGER for seed in seeds for arm in arms)


def study(data: Path, out: Path, quick: bool = False, progress: Tell = nobody) -> dict[str, Any]:
    """Make every trial of the promise that is not made yet, and give the table.

    Parameters
    ----------
    data
        Folder of the published sets.
    out
        Folder of the study; what lies there is not made again.
    quick
        One seed, frozen against scratch.
    progress
        Told of each trial.

    Returns
    -------
    dict
        Rows for the table of the lab, and the figures.
    """
    return _study(list(promised_work(quick)), [] if quick else [*equal.works()], data, out, progress)


def study_of_all_shares(
    data: Path, out: Path, quick: bool = False, progress: Tell = nobody
) -> dict[str, Any]:
    """The same with the cheap arms, and the trunks on equal terms, at 1 and 100 % of the labels; hours."""
    alike = [] if quick else [*equal.works(), *equal.works_of_other_shares()]
    return _study(list(all_work(quick)), alike, data, out, progress)


def _study(
    works: Sequence[Work], alike: Sequence[Work], data: Path, out: Path, progress: Tell
) -> dict[str, Any]:
    for number, work in enumerate(works):
        progress(f"{work.task} {work.share:.0%} {work.arm} seed {work.seed}", number / len(works))
        make(data, out, work)
    for work in alike:
        progress(f"{work.task} {work.share:.0%} {work.arm} seed {work.seed}, on equal terms", 1.0)
        equal.make_last(data, out, work)
    return report(data, out)


def report(data: Path, out: Path) -> dict[str, Any]:
    """Figures of what has been made so far, at whatever share.

    Returns
    -------
    dict
        ``rows`` for the table of the lab; ``equal_terms``: of each task, arms and gains on equal terms;
        ``tasks``: for each task and share the arms' areas and gains, the settings tried, and the pair chosen
        on validation images with its gain.
    """
    works = list(all_work(quick=False))
    tasks = {name: of_task(task_of(data, name), out, works) for name in LARGER}
    alike = equal.report(data, out)
    held: dict[str, Any] = plain({
        "title": "Pretrained trunk against training from scratch, larger images",
        "evidence_grade": "retrospective", "told": TOLD, "questions": QUESTIONS, "lessons": LESSONS,
        "rows": [*equal.verdicts(alike), *rows(tasks)], "did_not_work": DID_NOT_WORK, "tasks": tasks,
        "equal_terms": alike,
    })  # fmt: skip
    return held
