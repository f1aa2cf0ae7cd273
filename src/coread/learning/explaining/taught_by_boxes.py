"""A pointer taught by the published boxes themselves, every box pointed at without its own patient.

All boxes of all splits take part, so that the comparison with a pointer that sees no image has as much power
as the data allow: each patient's box is pointed at by heads that were fitted without that patient.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from coread.learning.chest.sites.atlas import Atlas, Rows
from coread.learning.explaining.radiographs import boxed_input, enlarged
from coread.learning.explaining.scoring import Boxed, Pointed, pointed
from coread.learning.explaining.subject import Subject

Float = NDArray[np.float64]

TRUNKS = {"tuned": 64, "imagenet": 160}
"""Trunks and their leading components that the cells' heads read; chosen on boxes of training and validation
patients."""

COVERED = 0.3
"""Share of a cell that a box must cover for the cell to count as diseased."""

BESIDE = 3.0
"""Weight of the cells beside a box: they are of the same image, which those of healthy patients are not."""

STRENGTH = 0.003


def pointing_of_all_boxes(atlas: Atlas, subject: Subject) -> dict[str, Pointed]:
    """Play the pointing game on the boxes of all splits, with the shown map and with a head taught by boxes.

    Parameters
    ----------
    atlas
        Of the cohort, with the tuned network.
    subject
        The reader. Its trunk learned from the labels, though not the boxes, of the training patients among
        them: that favours its map.
    """
    rows = np.array([n for n, item in enumerate(atlas.items) if item.box_xywh], dtype=np.int64)
    learned = [n for split in ("train", "val") for n in atlas.rows(split, "nih")]
    well = np.array([n for n in learned if not atlas.items[n].opacity], dtype=np.int64)
    boxed = [boxed_input(item) for item in atlas.some(rows)]
    heats = np.sum([_heats(atlas, trunk, rows, well, boxed) for trunk in TRUNKS], axis=0)
    shown = [subject.activation()(b.image) for b in boxed]
    return {
        name: pointed(
            boxed, [enlarged(h.astype(np.float32), b.image) for h, b in zip(maps, boxed, strict=True)]
        )
        for name, maps in (("activation", shown), ("taught by boxes", list(heats)))
    }


def _heats(atlas: Atlas, trunk: str, rows: Rows, well: Rows, boxed: Sequence[Boxed]) -> Float:
    """Standardised maps [box, cell row, cell column], each by a head without the box's patient."""
    deep = atlas.seen("plain", trunk).deep
    side = deep.shape[2]
    cells = [_cells(deep[part]) for part in (rows, well)]
    frame = PCA(TRUNKS[trunk], whiten=True, svd_solver="randomized", random_state=0)
    frame.fit(np.concatenate(cells))
    sick, healthy = (frame.transform(part) for part in cells)
    sick = sick.reshape(len(rows), side * side, -1)
    covered = np.stack([_covered(b, side) for b in boxed])
    patients = np.array([b.patient for b in boxed])
    heats = [_without(sick, healthy, covered, patients != patients[k], k) for k in range(len(rows))]
    return np.stack([(h - h.mean()) / h.std() for h in heats]).reshape(-1, side, side)


def _without(
    sick: Float, healthy: Float, covered: NDArray[np.bool_], others: NDArray[np.bool_], one: int
) -> Float:
    """Scores [cell] of one image's cells, by a head of the other patients."""
    truth = np.r_[covered[others].ravel(), np.zeros(len(healthy), dtype=bool)]
    weight = np.r_[np.full(covered[others].size, BESIDE), np.ones(len(healthy))]
    weight[truth] = weight[~truth].sum() / truth.sum()
    features = np.concatenate([sick[others].reshape(-1, sick.shape[2]), healthy])
    model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3)
    return np.asarray(
        model.fit(features, truth, sample_weight=weight / weight.mean()).decision_function(sick[one])
    )


def _cells(deep: NDArray[np.floating]) -> Float:
    """Maps [n, channel, row, column] as cells [n * row * column, channel]."""
    return np.asarray(deep, dtype=np.float64).transpose(0, 2, 3, 1).reshape(-1, deep.shape[1])


def _covered(boxed: Boxed, side: int) -> NDArray[np.bool_]:
    """Which cells [cell] the box covers."""
    size = boxed.box.shape[0] // side
    shares = boxed.box[: side * size, : side * size].reshape(side, size, side, size).mean((1, 3))
    return np.asarray(shares.ravel() > COVERED)
