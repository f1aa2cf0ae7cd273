"""Every method of explanation on the shipped chest reader; a planted mark; counterfactuals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from coread.evaluation import auc_interval
from coread.learning.causal.planting import mark_mask, plant, planted_where
from coread.learning.chest.chest_card import VERSION
from coread.learning.chest.shipping import Network, load_calibration
from coread.learning.chest.sites.atlas import MEANS, Atlas
from coread.learning.chest.sites.blend import Blend, Group, Mixture
from coread.learning.chest.sites.heads import Head, balanced, fit_head
from coread.learning.chest.sites.looks import Look, looked, shown
from coread.learning.chest.sites.mixing import STRENGTH, log_odds, mix
from coread.learning.chest.sites.trunks import net_of_onnx
from coread.learning.explaining import methods
from coread.learning.explaining.attention import (
    AttentionHead,
    AttentionPlan,
    attended,
    attention_map,
    train_attention,
)
from coread.learning.explaining.comparison import SHOWABLE, bench
from coread.learning.explaining.contrasts import contrasts, figure, turning
from coread.learning.explaining.methods import Explain
from coread.learning.explaining.radiographs import enlarged
from coread.learning.explaining.report import every_method, pointing_report
from coread.learning.explaining.scoring import on_mark
from coread.learning.explaining.subject import Subject
from coread.learning.explaining.taught_by_boxes import pointing_of_all_boxes
from coread.learning.runs.files import plain
from coread.learning.runs.run import Run
from coread.readers.bundle import CALIBRATION, WEIGHTS

Tell = Callable[[str, float], None]
BUNDLE = Path(__file__).resolve().parents[2] / "readers" / "chest_radiograph" / "bundle"

CALLED, MARKED = 4, 12
"""Called images of each source, and marked test images: gradient and perturbation cost seconds an image."""

FEWEST_BOXES = 10
"""Boxes below which no head can be taught by them."""

SEEDS = (0, 1, 2)
SICK_SHARE, WELL_SHARE = 0.95, 0.05
"""Shares of the sick and the well that bear the mark, for a reader that must have learned it."""


def study(data: Path, out: Path, quick: bool = False, progress: Tell = lambda *_: None) -> dict[str, Any]:
    """Compare all methods, choosing before the test patients are read.

    Parameters
    ----------
    data
        Folder of the published sets.
    out
        Folder of this study; the cache of looks lies beside it.
    quick
        Few patients and images: tries the code.
    progress
        Told of progress.
    """
    run = Run(out, 0, progress)
    tuned = net_of_onnx(BUNDLE / WEIGHTS)
    atlas = Atlas(data, out.parent / "chest_looks", progress, tuned=tuned, quick=quick)
    mixture, parts = mix(atlas, tuned)
    curve, threshold = load_calibration(BUNDLE / CALIBRATION)
    subject = Subject(
        Network(BUNDLE / WEIGHTS, 1), Blend(tuned, atlas.plain, mixture).eval(), curve, threshold
    )
    heads = [attention(atlas, run, seed, quick) for seed in SEEDS]
    called = 2 if quick else CALLED
    found = {
        "before": _kept(run, "before", lambda: _all(atlas, subject, heads[0], ("val", "train"), called)),
        "test": _kept(run, "test", lambda: _all(atlas, subject, heads[0], ("test",), called)),
        "planted_mark": _kept(run, "planted", lambda: planted(atlas, 2 if quick else MARKED)),
        "all_boxes": _kept(run, "all_boxes", lambda: all_boxes(atlas, subject)),
        "attention_heads": attention_areas(atlas, heads),
        "counterfactuals": contrasts(atlas, log_odds(mixture, parts, atlas), both_hospitals(atlas)),
    }
    found["counterfactuals"]["blurring"] = _kept(
        run,
        "turning",
        lambda: turning(
            subject, bench(subject, atlas.some(atlas.rows("test")), called).called, subject.activation()
        ),
    )
    rows = [*rows_of(found), *rows_of_all_boxes(found["all_boxes"])]
    said: dict[str, Any] = plain({**HEAD, "rows": rows, **found, "seeds": list(SEEDS), "reader": VERSION})
    return said


def _kept(run: Run, name: str, make: Callable[[], Any]) -> Any:
    """What an earlier process made, or make it."""
    held = run.read_json(name)
    if held is None:
        run.write_json(name, make())
        held = run.read_json(name)
    return held


def _all(
    atlas: Atlas, subject: Subject, head: AttentionHead, splits: tuple[str, ...], called: int
) -> dict[str, Any]:
    """Every method on the boxes and the called images of some splits, earlier splits first."""
    items = [item for split in splits for item in atlas.items if item.split == split]
    cheap = "test" not in splits
    return every_method(subject, bench(subject, items, called), _attention_of(atlas, head), atlas.tell, cheap)


def all_boxes(atlas: Atlas, subject: Subject) -> dict[str, Any]:
    """The pointing game on the boxes of all splits; nothing where a quick study has too few."""
    if sum(item.box_xywh is not None for item in atlas.items) < FEWEST_BOXES:
        return {}
    found = pointing_of_all_boxes(atlas, subject)
    return {name: pointing_report(points) for name, points in found.items()}


def _attention_of(atlas: Atlas, head: AttentionHead) -> Explain:
    return attention_map(head, lambda image: atlas.eye()(image).deep)


def both_hospitals(atlas: Atlas) -> Head:
    """A plain head for both hospitals, whose smallest changes are asked for."""
    rows = atlas.rows("train")
    return fit_head(atlas.means()[rows], atlas.truth(rows), balanced(atlas.some(rows)), STRENGTH)


def attention(atlas: Atlas, run: Run, seed: int, quick: bool) -> AttentionHead:
    """An attention head on the plain trunk, both hospitals, views even."""
    rows = atlas.rows("train")
    maps = np.concatenate([atlas.seen("plain").deep[rows], atlas.seen("disturbed 1").deep])
    odds = np.tile(balanced(atlas.some(rows)), 2)
    plan = AttentionPlan(steps=20) if quick else AttentionPlan()
    truth = np.tile(atlas.truth(rows), 2).astype(np.float32)
    return train_attention(maps, truth, odds / odds.sum(), Run(run.folder / f"attention{seed}", seed), plan)


def attention_areas(atlas: Atlas, heads: list[AttentionHead]) -> dict[str, Any]:
    """Areas of the attention heads on test patients, each seed and their mean score."""
    found = {}
    for site in ("nih", "paediatric"):
        rows = atlas.rows("test", site)
        sides = [
            atlas.seen("plain").deep[rows],
            atlas.seen("mirrored").deep[np.searchsorted(atlas.judged, rows)],
        ]
        scores = [np.mean([attended(head, side)[0] for side in sides], axis=0) for head in heads]
        each = [figure(auc_interval(atlas.truth(rows), s, atlas.patients(rows))) for s in scores]
        joint = auc_interval(atlas.truth(rows), np.mean(scores, axis=0), atlas.patients(rows))
        found[site] = {"joint": figure(joint), "by_seed": each, "n": len(rows)}
    return found


def planted(atlas: Atlas, count: int) -> dict[str, Any]:
    """Whether each method points at a mark that a reader has learned instead of the disease.

    Parameters
    ----------
    atlas
        Of the cohort; adults only.
    count
        Marked test images.
    """
    look = Look("imagenet-planted", change=plant)
    learners, tests = atlas.rows("train", "nih"), atlas.rows("test", "nih")
    marked = looked(atlas.some(learners), look, atlas.eye(), atlas.folder, atlas.tell).pooled[:, :MEANS]
    truth = atlas.truth(learners)
    where = planted_where(truth, SICK_SHARE, WELL_SHARE, np.random.default_rng(0))
    head = fit_head(np.where(where[:, None], marked, atlas.means()[learners]), truth, strength=0.003)
    images = [shown(item, look, 0)[None, None] for item in atlas.some(tests[:count])]
    mask = _wide(mark_mask((224, 224)))
    found = {
        name: figure(on_mark([enlarged(explain(i), i) for i in images], mask))
        for name, explain in _on_plain(atlas, head).items()
    }
    return {"images": len(images), "mark_share_of_image": float(mask.mean()), "hottest_place_on_mark": found}


def _wide(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mark's square with a cell's width around it: a coarse map's hottest pixel is a cell's middle."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    wide = np.zeros_like(mask)
    wide[max(0, rows[0] - 16) : rows[-1] + 17, max(0, columns[0] - 16) : columns[-1] + 17] = True
    return wide


def _on_plain(atlas: Atlas, head: Head) -> Mapping[str, Explain]:
    """The methods on the plain trunk under one head."""
    group = Group(0.0, head)
    still = Mixture(group, group, Head(np.zeros(MEANS), 0.0))
    net = Blend(atlas.imagenet, atlas.imagenet, still).eval()

    def read(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.no_grad():
            return tuple(part.numpy() for part in net.read(torch.from_numpy(inputs)))

    def activation(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(read(image)[2][0])

    return {
        "activation": activation,
        "activation, smoothed": methods.smoothed(activation, 1),
        "integrated gradients": methods.integrated_gradients(net),
        "smooth gradients": methods.smooth_gradients(net),
        "occlusion": methods.occlusion(net),
        "centre prior": methods.centre_prior,
        "random": methods.random_map(1),
    }


HEAD = {
    "title": "Explanations of the chest reader",
    "evidence_grade": "retrospective",
    "did_not_work": [
        "A pointer taught by the boxes (heads on the cells of both trunks, each patient's box pointed at by "
        "heads fitted without that patient): on all 35 boxes no better than the pointer that sees no image. "
        "Cells of one trunk, position within the lungs, the activation cut to the lungs, multiplied with or "
        "added to the map of where boxes lie: 8 to 12 of the 21 boxes of training and validation patients, "
        "the blind pointer 8 to 9. In that first search the 14 test boxes were looked at too, with some 60 "
        "variants; none was chosen by them, and nothing is shown.",
    ],
}


def rows_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines of the lab's page."""
    rows = []
    for name, held in found["test"].items():
        points = held["pointing_game"]
        chance = {"value": points["box_share"], "lower": None, "upper": None, "n": points["images"]}
        failed = ", ".join(k.replace("_", " ") for k, ok in held["verdicts"].items() if not ok)
        rows.append(
            {
                "what": f"pointing game on NIH boxes: {name}",
                "figure": {**points["hits"], "n": points["images"]},
                "baseline": chance, "baseline_name": "area-matched chance",
                "goal": "all tests" if name in SHOWABLE else "for comparison",
                "met": held["passes"] if name in SHOWABLE else None,
                "note": f"failed: {failed}" if failed else "passed every test",
            }
        )  # fmt: skip
    return rows


def rows_of_all_boxes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lines for the boxes of all splits, against the pointer that sees no image."""
    return [
        {
            "what": f"pointing game on the boxes of all splits: {name}",
            "figure": {**points["hits"], "n": points["images"]},
            "baseline": {"value": points["blind_hits"], "lower": None, "upper": None, "n": points["images"]},
            "baseline_name": "a pointer that sees no image", "goal": "interval above the blind pointer",
            "met": points["hits"]["lower"] > points["blind_hits"],
            "note": f"area-matched chance {points['box_share']:.3f}",
        }
        for name, points in found.items()
    ]  # fmt: skip
