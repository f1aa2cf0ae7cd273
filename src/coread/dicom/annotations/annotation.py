"""One statement of one author about one image, whatever object it came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from coread.domain.codes import Code

Kind = Literal["mask", "outline", "point", "measurement", "evaluation", "finding"]

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
REPORTS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{leaf}" for leaf in ("11", "22", "33", "34"))
"""Basic Text, Enhanced, Comprehensive and Comprehensive 3D SR (PS3.4 table B.5-1)."""

ANNOTATION_SOP_CLASS_UIDS = frozenset({SEGMENTATION, LABEL_MAP, STRUCTURE_SET, *REPORTS})
"""Classes of objects that `read_annotations` reads."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """One statement.

    Attributes
    ----------
    kind
        mask, closed outline, point, measurement (a number), evaluation (a coded answer), or finding (named
        to be there, without a place).
    words
        What it is about, as the object spells it: segment label, ROI name, meaning of the concept.
    code
        The same as a code, None where the object gives none.
    sop_instance_uid, frame
        The image that it is about; empty where the object names none. Frames are counted from 1.
    author, is_algorithm
        Who says so: a person's name or an algorithm's name with version, as the object has it, so it must not
        leave this machine as it is.
    target
        Tracking identifier of the one thing that several statements speak of.
    mask
        bool [row, column].
    points_px
        (x, y) of each point in pixels of the image, origin at the outer corner of the top left pixel
        (PS3.3 C.18.6.1.2).
    points_lps_mm
        float64 [point, 3] in the patient, where the object gives these instead.
    value, unit
        Of a measurement; the unit is UCUM. Of a finding: 1 where it is present, 0 where it is absent.
    answer
        Of an evaluation.
    """

    kind: Kind
    words: str
    code: Code | None
    sop_instance_uid: str = ""
    frame: int = 1
    author: str = ""
    is_algorithm: bool = False
    target: str = ""
    mask: npt.NDArray[np.bool_] | None = None
    points_px: tuple[tuple[float, float], ...] = ()
    points_lps_mm: npt.NDArray[np.float64] | None = None
    value: float | None = None
    unit: str = ""
    answer: Code | None = None
