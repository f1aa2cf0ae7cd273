"""Figures of merit of a doctor: areas, sensitivity, specificity, all as means over pairs of cases.

Each figure is the mean of a kernel over (normal case, abnormal case). One jackknife and one DeLong covariance
then serve them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coread.learning.evidence.grades import Grade
from coread.learning.reader_study.ratings import Ratings

Float = NDArray[np.float64]
Boolean = NDArray[np.bool_]

Counts = Literal["all", "normal", "abnormal"]

UNMARKED = -np.inf
"""Rating of a case or a lesion that was not marked: lower than any mark."""


@dataclass(frozen=True, eq=False)
class Merit:
    """A figure of merit, taken apart into pairs of cases.

    Attributes
    ----------
    name
        Such as ``AUC``.
    kernel
        Contribution of each pair, [treatment, reader, normal case, abnormal case].
    treatments, readers
        Names along the axes.
    grade
        Of the ratings.
    counts
        Which cases the figure depends on.
    """

    name: str
    kernel: Float
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    grade: Grade
    counts: Counts = "all"

    @property
    def values(self) -> Float:
        """The figure of each doctor in each treatment, [treatment, reader]."""
        return np.asarray(self.kernel.mean((2, 3)))

    @property
    def cases(self) -> int:
        """Number of cases that it depends on."""
        normal, abnormal = self.kernel.shape[2:]
        sizes: dict[Counts, int] = {"all": normal + abnormal, "normal": normal, "abnormal": abnormal}
        return sizes[self.counts]

    def without_each(self) -> Float:
        """The figure with each case that counts left out in turn, [treatment, reader, case], normal first."""
        normal, abnormal = self.kernel.shape[2:]
        total = self.kernel.sum((2, 3))[..., None]
        less_normal = (total - self.kernel.sum(3)) / ((normal - 1) * abnormal)
        less_abnormal = (total - self.kernel.sum(2)) / (normal * (abnormal - 1))
        parts = {"all": [less_normal, less_abnormal], "normal": [less_normal], "abnormal": [less_abnormal]}
        return np.concatenate(parts[self.counts], axis=2)


def area(ratings: Ratings) -> Merit:
    """Area under the ROC curve, ties counted half.

    Notes
    -----
    Hanley & McNeil, Radiology 1982, doi:10.1148/radiology.143.1.7063747.
    """
    normal, abnormal = ratings.rating[..., ~ratings.truth], ratings.rating[..., ratings.truth]
    return _merit("AUC", _beats(abnormal[:, :, None, :], normal[:, :, :, None]), ratings)


def sensitivity(ratings: Ratings, threshold: float) -> Merit:
    """Share of the abnormal cases rated at or above a threshold fixed beforehand."""
    called = ratings.rating[..., ratings.truth] >= threshold
    normal = int((~ratings.truth).sum())
    kernel = np.repeat(called[:, :, None, :], normal, axis=2)
    return _merit(f"sensitivity at {threshold:g}", kernel, ratings, "abnormal")


def specificity(ratings: Ratings, threshold: float) -> Merit:
    """Share of the normal cases rated below a threshold fixed beforehand."""
    passed = ratings.rating[..., ~ratings.truth] < threshold
    abnormal = int(ratings.truth.sum())
    kernel = np.repeat(passed[..., None], abnormal, axis=3)
    return _merit(f"specificity at {threshold:g}", kernel, ratings, "normal")


def lroc_area(ratings: Ratings, located: Boolean) -> Merit:
    """Area under the localisation ROC curve: an abnormal case counts if its lesion was pointed at.

    Parameters
    ----------
    ratings
        The rating of the most suspicious place of each case.
    located
        Whether that place was the lesion, [treatment, reader, case]; of normal cases it is not looked at.

    Notes
    -----
    Swensson, Med. Phys. 1996, doi:10.1118/1.597758; Popescu, Med. Phys. 2007;34:1556-1564.
    """
    if located.shape != ratings.rating.shape:
        raise ValueError(f"located needs the shape {ratings.rating.shape}; found {located.shape}")
    roc = area(ratings).kernel
    return _merit("LROC area", roc * located[:, :, None, ratings.truth], ratings)


@dataclass(frozen=True, eq=False)
class Marks:
    """Free-response marks of a study.

    Attributes
    ----------
    normal
        Highest rating of a mark on each normal case, [treatment, reader, normal case]; `UNMARKED` if none.
    lesion
        Rating of each lesion, [treatment, reader, lesion]; `UNMARKED` if missed.
    case_of
        Abnormal case of each lesion, counted from 0, [lesion].
    weight
        Clinical weight of each lesion, [lesion]; made to sum to 1 within each case.
    treatments, readers
        Names along the axes.
    grade
        Of the marks.
    """

    normal: Float
    lesion: Float
    case_of: NDArray[np.int64]
    weight: Float
    treatments: tuple[str, ...]
    readers: tuple[str, ...]
    grade: Grade


def wafroc_area(marks: Marks) -> Merit:
    """Area under the weighted alternative free-response ROC curve, the figure of JAFROC.

    Notes
    -----
    Chakraborty & Berbaum, Med. Phys. 2004, doi:10.1118/1.1769352; weights: Chakraborty & Zhai, Med. Phys.
    2016;43:2548-2557. False marks on abnormal cases are left out, as there.
    """
    abnormal = int(marks.case_of.max()) + 1
    share = np.zeros((len(marks.case_of), abnormal))
    share[np.arange(len(marks.case_of)), marks.case_of] = marks.weight
    if (share.sum(0) <= 0).any():
        raise ValueError("every abnormal case needs a lesion with a weight above 0")
    won = _beats(marks.lesion[:, :, None, :], marks.normal[:, :, :, None])
    return Merit("wAFROC area", won @ (share / share.sum(0)), marks.treatments, marks.readers, marks.grade)


def _beats(these: Float, others: Float) -> Float:
    return np.asarray((these > others) + 0.5 * (these == others), dtype=np.float64)


def _merit(name: str, kernel: NDArray[np.generic], ratings: Ratings, counts: Counts = "all") -> Merit:
    names = ratings.treatments, ratings.readers
    return Merit(name, kernel.astype(np.float64), *names, ratings.grade, counts)
