"""Signals of a site's data quality, each computed at the site; only the figures leave it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coread.evaluation import roc_auc
from coread.learning.federated.tasks.cases import Cases


@dataclass(frozen=True)
class Signals:
    """What a site's data look like from outside.

    Attributes
    ----------
    images, patients
        Training images and patients.
    distinct
        Share of the labelled training images that are not byte for byte the same as another.
    labelled
        Share of the training images with a label.
    positive
        Mean target of the labelled ones.
    agreement
        Area under the ROC curve of a model that never saw the site, against the site's own training labels:
        near one half or below, the labels are no labels. None where a class is absent.
    """

    images: int
    patients: int
    distinct: float
    labelled: float
    positive: float
    agreement: float | None


def signals(held: Cases, score: NDArray[np.float64] | None = None) -> Signals:
    """Measure a site's training cases.

    Parameters
    ----------
    held
        All its cases.
    score
        What the model of all *other* sites says of each case, [case]; None if there is none.
    """
    train = np.asarray(held.part) == "train"
    labelled = train & np.isfinite(held.target)
    target = np.where(np.isfinite(held.target), held.target, 0.0)
    sure = labelled & ((target >= 0.75) | (target <= 0.25))
    return Signals(
        images=int(train.sum()),
        patients=len({p for p, inside in zip(held.patients, train, strict=True) if inside}),
        distinct=len(held.learned()) / max(int(labelled.sum()), 1),
        labelled=float(labelled.sum() / max(train.sum(), 1)),
        positive=float(target[labelled].mean()) if labelled.any() else 0.0,
        agreement=None if score is None else _agreement(target[sure] > 0.5, score[sure]),
    )


def _agreement(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    return roc_auc(truth.astype(np.int64), score) if 0 < truth.sum() < len(truth) else None


def fingerprints(held: Cases, key: bytes) -> frozenset[str]:
    """Keyed fingerprint of each training image, by which two sites can see that they hold the same ones.

    Parameters
    ----------
    held
        The site's cases.
    key
        Agreed by the sites and not known to the coordinator, which thus cannot test whether a site holds a
        given image (HMAC-SHA256: RFC 2104).

    Notes
    -----
    Of the features, rounded to 3 digits: a copy that was stored anew without loss is found; one that was
    resized is not.
    """
    rows = np.flatnonzero(np.asarray(held.part) == "train")
    plain = [np.round(held.features[row], 3).astype(np.float32).tobytes() for row in rows]
    return frozenset(hmac.new(key, one, hashlib.sha256).hexdigest()[:32] for one in plain)
