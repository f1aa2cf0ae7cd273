"""Teaching the pixel gate what lung CT looks like to the network, and what does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from coread.evaluation import wilson_interval
from coread.evaluation.discrimination import delong_interval
from coread.learning.chest.cohort import chest_cohort, foreign_images, grey
from coread.learning.nodule.cohort import Cohort, Nodule, Split
from coread.learning.nodule.prompts import beside, click
from coread.learning.nodule.rating.measured import asked_slice
from coread.readers.ct_nodule.gate import SceneGate, expanded
from coread.readers.ct_nodule.stack import Look
from coread.readers.ct_nodule.texture import texture
from coread.readers.ct_nodule.window import CROP, SIDE, Spot, cut, layers, stretched

Float = NDArray[np.floating[Any]]

AXES = 24
"""Principal axes of what the network sees."""

LEAST_SPREAD = 0.05
"""Added to each spread before whitening: directions in which training sights hardly differ say little."""

UNLIKELY, FAR = 0.01, 0.002
"""Shares of validation windows that may be refused for their log-odds, and for their distance."""

BEYOND = 100.0
"""Log-odds that a sight counts as stranger for each further limit's length beyond the limit of distance."""

PER_SET = {"train": 400, "val": 100, "test": 400}
"""About the most pictures of each foreign set."""

OWN = ("ct_crop", "ct_slice")
"""Sets of `foreign_images` that are lung CT and therefore not foreign here."""


STRENGTH = 0.1
"""Inverse penalty of the logistic regression: of 0.03, 0.1, 0.3 the middle one. On validation pictures
all three part every known kind from lung CT with areas of 0.988 to 0.998."""

KINDS = {"chest_nih": "chest", "chest_paediatric": "chest", "blood_cell": "blood", "blood_field": "blood"}
"""Sets that are of one kind: what is like one of them is like the other."""

View = tuple[NDArray[np.float32], Float]
"""The network's window [channel, side, side], and the texture [feature] of the crop round it."""


def view_of(picture: NDArray[Any], spot: Spot) -> View:
    """What the gate is given of a picture [row, column] at a spot."""
    crop = stretched(cut(picture.astype(np.float32), spot.centre, CROP))
    return layers(cut(crop, (CROP // 2, CROP // 2), SIDE), spot), texture(crop)


def own_views(cohort: Cohort, nodules: Sequence[Nodule], rng: Generator) -> list[View]:
    """One view at each nodule and one beside it."""
    shown = []
    for nodule in nodules:
        row = nodule.rows[asked_slice(cohort, nodule)]
        image, marked = cohort.slices.images[row], cohort.slices.masks[row].any(0)
        for spot in (click(marked, rng), beside(image, marked, rng)):
            shown.append(view_of(image, spot))
    return shown


def foreign_views(data: Path, split: Split, rng: Generator) -> Iterator[tuple[str, View]]:
    """Views of pictures that are no lung CT, with the name of their set."""
    for name, picture in foreign_images(data, split, PER_SET[split]):
        if name not in OWN:
            yield name, view_of(picture, _anywhere(picture, rng))
    chests = [item for item in chest_cohort(data) if item.split == split]
    for item in chests[:: max(1, len(chests) // PER_SET[split])]:
        picture = grey(item.path)
        yield f"chest_{item.site}", view_of(picture, _anywhere(picture, rng))
    for _ in range(PER_SET[split] // 4):
        yield "noise", view_of(rng.normal(0, 1, (96, 96)), Spot(48, 48))


def _anywhere(picture: NDArray[Any], rng: Generator) -> Spot:
    rows, columns = picture.shape
    halves = rng.uniform(3, 12, 2) if rng.random() < 0.5 else np.zeros(2)
    place = rng.uniform(0.15, 0.85, 2) * [rows, columns]
    return Spot(float(int(place[0])), float(int(place[1])), float(halves[0]), float(halves[1]))


def sights(look: Look, views: Sequence[View], batch: int = 64) -> Float:
    """What the gate judges, [view, feature]: `coread.readers.ct_nodule.texture.sight` of each view."""
    shown, textures = (np.stack(part) for part in zip(*views, strict=True))
    scenes = [look(shown[i : i + batch])["scene"] for i in range(0, len(shown), batch)]
    return np.concatenate([np.concatenate(scenes).astype(np.float64), textures], axis=1)


def by_kind(named: Iterable[tuple[str, View]]) -> dict[str, list[View]]:
    """Views by the name of their set."""
    held: dict[str, list[View]] = {}
    for name, view in named:
        held.setdefault(name, []).append(view)
    return held


@dataclass(frozen=True)
class Gates:
    """The gate that ships, and what it would be without having met one kind of picture.

    Attributes
    ----------
    shipped
        Fitted against all kinds.
    without
        By kind: fitted against all others.
    """

    shipped: SceneGate
    without: Mapping[str, SceneGate]


def teach_gate(cohort: Cohort, data: Path, look: Look, rng: Generator) -> Gates:
    """Fit on training views, set the limits on validation views."""
    own = sights(look, own_views(cohort, cohort.where("train"), rng))
    strange = {
        name: sights(look, views) for name, views in by_kind(foreign_views(data, "train", rng)).items()
    }
    checked = sights(look, own_views(cohort, cohort.where("val"), rng))
    bare = _placing(own)
    kinds = {KINDS.get(name, name) for name in strange}

    def fitted(left_out: str) -> SceneGate:
        against = [held for name, held in strange.items() if KINDS.get(name, name) != left_out]
        return _limited(_against(bare, own, np.concatenate(against)), checked)

    return Gates(fitted(""), {kind: fitted(kind) for kind in sorted(kinds)} if len(kinds) > 1 else {})


def _placing(own: Float) -> SceneGate:
    """Directions and distance of the training sights, without any other picture."""
    scene = own.shape[1] - len(texture(np.zeros((CROP, CROP))))
    mean = own.mean(0)
    _, spread, turned = np.linalg.svd(own[:, :scene] - mean[:scene], full_matrices=False)
    count = min(AXES, len(spread))
    axes = np.zeros((own.shape[1], count + own.shape[1] - scene))
    axes[:scene, :count] = turned[:count].T / np.maximum(spread[:count] / np.sqrt(len(own)), 1e-6)
    axes[scene:, count:] = np.diag(1 / (own[:, scene:].std(0) + 1e-6))
    blank = np.zeros(axes.shape[1])
    gate = SceneGate(mean, axes, blank, np.eye(len(blank)), np.zeros(2 * len(blank)), 0.0, np.inf, -np.inf)
    places = gate.placed(own)
    middle = places.mean(0)
    _, wide, along = np.linalg.svd(places - middle, full_matrices=False)
    return replace(gate, middle=middle, white=along.T / (wide / np.sqrt(len(own)) + LEAST_SPREAD))


def _against(gate: SceneGate, own: Float, strange: Float) -> SceneGate:
    """The gate with a logistic regression of its places against those of other pictures."""
    rows = expanded(gate.placed(np.concatenate([own, strange])))
    scale = rows.std(0) + 1e-6
    model = LogisticRegression(C=STRENGTH, max_iter=1000, class_weight="balanced")
    model.fit(rows / scale, np.r_[np.ones(len(own)), np.zeros(len(strange))])
    return replace(gate, weight=model.coef_[0] / scale, bias=float(model.intercept_[0]))


def _limited(gate: SceneGate, checked: Float) -> SceneGate:
    """The gate with limits that refuse few of the validation sights."""
    most = float(np.quantile(gate.distance(checked), 1 - FAR))
    return replace(gate, most_distance=most, least_score=float(np.quantile(gate.score(checked), UNLIKELY)))


def gate_report(cohort: Cohort, data: Path, look: Look, gates: Gates, rng: Generator) -> dict[str, Any]:
    """Refusals per set of the test split, and how well the score parts lung CT from each foreign set."""
    own = sights(look, own_views(cohort, cohort.where("test"), rng))
    report = {"lung_ct": _refused(gates.shipped, own)}
    for name, views in sorted(by_kind(foreign_views(data, "test", rng)).items()):
        seen = sights(look, views)
        report[name] = {
            **_refused(gates.shipped, seen), "auc_against_lung_ct": _parted(gates.shipped, own, seen)
        }  # fmt: skip
        unknown = gates.without.get(KINDS.get(name, name))
        if unknown:
            report[name]["auc_if_the_kind_was_unknown"] = _parted(unknown, own, seen)
    return report


def _parted(gate: SceneGate, own: Float, seen: Float) -> Any:
    truth = np.r_[np.ones(len(own)), np.zeros(len(seen))]
    return delong_interval(truth, -np.r_[_unlike(gate, own), _unlike(gate, seen)])


def _unlike(gate: SceneGate, seen: Float) -> Float:
    """One number [window] that rises with strangeness: log-odds, and distance beyond its limit."""
    beyond = np.maximum(gate.distance(seen) / gate.most_distance - 1, 0)
    return np.asarray(BEYOND * beyond - gate.score(seen))


def _refused(gate: SceneGate, seen: Float) -> dict[str, Any]:
    refused = int((~gate.accepts(seen)).sum())
    return {"windows": len(seen), "refused": wilson_interval(refused, len(seen))}
