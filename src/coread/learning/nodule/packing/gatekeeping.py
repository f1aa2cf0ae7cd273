"""Teaching the pixel gate what lung CT looks like to the network, and what does not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
from coread.readers.ct_nodule.gate import SceneGate
from coread.readers.ct_nodule.stack import Look
from coread.readers.ct_nodule.window import Spot, network_input

Float = NDArray[np.floating[Any]]

AXES = 24
VAL_REFUSED = 0.005
"""Share of validation windows that each of the two checks may refuse."""

PER_SET = {"train": 400, "val": 100, "test": 400}
"""About the most pictures of each foreign set."""

OWN = ("ct_crop", "ct_slice")
"""Sets of `foreign_images` that are lung CT and therefore not foreign here."""


def windows(cohort: Cohort, nodules: Sequence[Nodule], rng: Generator) -> NDArray[np.float32]:
    """One window at each nodule and one beside it, [window, 2, side, side]."""
    shown = []
    for nodule in nodules:
        row = nodule.rows[asked_slice(cohort, nodule)]
        image, marked = cohort.slices.images[row], cohort.slices.masks[row].any(0)
        for spot in (click(marked, rng), beside(image, marked, rng)):
            shown.append(network_input(image.astype(np.float32), spot))
    return np.stack(shown)


def foreign_windows(data: Path, split: Split, rng: Generator) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Windows of pictures that are no lung CT: set and [2, side, side]."""
    for name, picture in foreign_images(data, split, PER_SET[split]):
        if name not in OWN:
            yield name, network_input(picture.astype(np.float32), _anywhere(picture, rng))
    chests = [item for item in chest_cohort(data) if item.split == split]
    for item in chests[:: max(1, len(chests) // PER_SET[split])]:
        picture = grey(item.path)
        yield f"chest_{item.site}", network_input(picture.astype(np.float32), _anywhere(picture, rng))
    for _ in range(PER_SET[split] // 4):
        yield "noise", network_input(rng.normal(0, 1, (96, 96)).astype(np.float32), Spot(48, 48))


def _anywhere(picture: NDArray[Any], rng: Generator) -> Spot:
    rows, columns = picture.shape
    halves = rng.uniform(3, 12, 2) if rng.random() < 0.5 else np.zeros(2)
    place = rng.uniform(0.15, 0.85, 2) * [rows, columns]
    return Spot(float(int(place[0])), float(int(place[1])), float(halves[0]), float(halves[1]))


def scenes(look: Look, shown: NDArray[np.float32], batch: int = 64) -> Float:
    """What the network sees of whole windows, [window, feature]."""
    return np.concatenate([look(shown[i : i + batch])["scene"] for i in range(0, len(shown), batch)])


def teach_gate(cohort: Cohort, data: Path, look: Look, rng: Generator) -> SceneGate:
    """Fit on training windows, set the limits on validation windows."""
    own = scenes(look, windows(cohort, cohort.where("train"), rng))
    strange = scenes(look, np.stack([shown for _, shown in foreign_windows(data, "train", rng)]))
    mean = own.mean(0)
    _, spread, axes = np.linalg.svd(own - mean, full_matrices=False)
    scaled = axes[:AXES].T / (spread[:AXES] / np.sqrt(len(own)))
    bare = SceneGate(mean, scaled, np.zeros(AXES), 0.0, np.inf, -np.inf)
    places = [np.clip(bare.placed(part), -8, 8) for part in (own, strange)]
    model = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced")
    model.fit(np.concatenate(places), np.r_[np.ones(len(own)), np.zeros(len(strange))])
    gate = SceneGate(mean, scaled, model.coef_[0], float(model.intercept_[0]), np.inf, -np.inf)
    checked = scenes(look, windows(cohort, cohort.where("val"), rng))
    most = float(np.quantile(gate.distance(checked), 1 - VAL_REFUSED))
    least = float(np.quantile(gate.score(checked), VAL_REFUSED))
    return SceneGate(mean, scaled, model.coef_[0], float(model.intercept_[0]), most, least)


def gate_report(cohort: Cohort, data: Path, look: Look, gate: SceneGate, rng: Generator) -> dict[str, Any]:
    """Refusals per set of the test split, and how well the score parts lung CT from each foreign set."""
    own = scenes(look, windows(cohort, cohort.where("test"), rng))
    sets: dict[str, list[NDArray[np.float32]]] = {}
    for name, shown in foreign_windows(data, "test", rng):
        sets.setdefault(name, []).append(shown)
    report = {"lung_ct": _refused(gate, own)}
    for name, pictures in sorted(sets.items()):
        seen = scenes(look, np.stack(pictures))
        truth = np.r_[np.ones(len(own)), np.zeros(len(seen))]
        score = np.r_[_unlike(gate, own), _unlike(gate, seen)]
        report[name] = {**_refused(gate, seen), "auc_against_lung_ct": delong_interval(truth, -score)}
    return report


def _unlike(gate: SceneGate, seen: Float) -> Float:
    """One number [window] that rises with strangeness: the worse of both checks, relative to its limit."""
    far, low = gate.distance(seen) / gate.most_distance, gate.least_score - gate.score(seen)
    return np.asarray(np.maximum(far, 1 + low / 4))


def _refused(gate: SceneGate, seen: Float) -> dict[str, Any]:
    refused = int((~gate.accepts(seen)).sum())
    return {"windows": len(seen), "refused": wilson_interval(refused, len(seen))}
