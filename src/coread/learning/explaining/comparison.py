"""All methods on one reader: the one to show is chosen on training and validation boxes, then tested once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coread.learning.chest.cohort import Radiograph
from coread.learning.explaining import methods, scoring
from coread.learning.explaining.methods import Explain
from coread.learning.explaining.radiographs import boxed_input, enlarged, input_of, with_box
from coread.learning.explaining.subject import Subject

Float = NDArray[np.float32]
Tell = Callable[[str, float], None]

SHOWABLE = ("activation", "activation, smoothed", "activation, smoothed twice")
"""Methods that cost the clinic no second reading; only these can be chosen for doctors."""


@dataclass(frozen=True)
class Bench:
    """The images on which methods are tried.

    Attributes
    ----------
    boxed
        Radiographs with a lesion box.
    called
        Radiographs that the reader calls positive, for deletion and insertion.
    """

    boxed: tuple[scoring.Boxed, ...]
    called: tuple[Float, ...]


def bench(subject: Subject, items: Sequence[Radiograph], per_site: int) -> Bench:
    """Take every boxed radiograph, and the first called ones of each source, boxed ones first.

    Parameters
    ----------
    subject
        The reader; only images that it calls can have their call erased.
    items
        Of one or more splits.
    per_site
        Most called images of each source.
    """
    ordered = sorted(items, key=lambda item: item.box_xywh is None)
    called: list[Float] = []
    for site in sorted({item.site for item in items}):
        mine = [item for item in ordered if item.site == site and item.opacity]
        called += _called(subject, mine, per_site)
    return Bench(tuple(boxed_input(item) for item in with_box(items)), tuple(called))


def _called(subject: Subject, items: Sequence[Radiograph], most: int) -> list[Float]:
    found: list[Float] = []
    for item in items:
        image = input_of(item)
        if len(found) < most and subject.probability(image[0])[0] >= subject.threshold:
            found.append(image)
    return found


def candidates(subject: Subject, attention: Explain | None = None) -> dict[str, Explain]:
    """Every method by name; the attention of another head only if it is given."""
    plain = subject.activation()
    found = {
        "activation": plain,
        "activation, smoothed": methods.smoothed(plain, 1),
        "activation, smoothed twice": methods.smoothed(plain, 3),
        "activation, moved and averaged": methods.shifted(plain),
        "integrated gradients": methods.integrated_gradients(subject.net),
        "smooth gradients": methods.smooth_gradients(subject.net),
        "occlusion": methods.occlusion(subject.net),
        "RISE": methods.rise(subject.score),
        "centre prior": methods.centre_prior,
        "random": methods.random_map(1),
    }
    return found if attention is None else {**found, "attention of a pooling head": attention}


def score_all(
    subject: Subject, tried: Mapping[str, Explain], on: Bench, tell: Tell, sane: Explain | None = None
) -> dict[str, scoring.Scores]:
    """Put every method through every test.

    Parameters
    ----------
    subject
        The reader.
    tried
        Methods by name.
    on
        The images.
    tell
        Told of progress.
    sane
        The activation map of random weights; methods on the activation are compared with it.
    """
    blind = scoring.yardsticks(subject.probability, on.called)
    found = {}
    for done, (name, explain) in enumerate(tried.items()):
        tell(f"scoring {name}", done / len(tried))
        same = _same(name, explain, sane, on.called) if sane else None
        heats = [explain(image) for image in on.called]
        scores = scoring.Scores(
            scoring.gains(scoring.erased(subject.probability, on.called, heats), blind),
            scoring.pointed(on.boxed, [enlarged(explain(b.image), b.image) for b in on.boxed]),
            same,
        )
        found[name] = replace(scores, verdicts=scoring.verdicts(scores))
    return found


def _same(name: str, explain: Explain, sane: Explain, images: Sequence[Float]) -> Any:
    wrapped = {
        "activation": sane,
        "activation, smoothed": methods.smoothed(sane, 1),
        "activation, smoothed twice": methods.smoothed(sane, 3),
    }.get(name)
    if wrapped is None:
        return None
    return scoring.sameness([explain(i) for i in images], [wrapped(i) for i in images])


def chosen(scores: Mapping[str, scoring.Scores]) -> str:
    """The showable method to test: most tests passed, then most hits, then the larger gains."""

    def rank(name: str) -> tuple[int, float, float]:
        held = scores[name]
        hits = held.pointing.hits.value if held.pointing else 0.0
        return sum(held.verdicts.values()), hits, sum(g.value for g in held.gains.values())

    return max((name for name in SHOWABLE if name in scores), key=rank)
