"""How much a figure can bear: the grade of its evidence, and what each grade does not show."""

from __future__ import annotations

from typing import Literal, get_args

Grade = Literal["human_trial", "retrospective", "simulated", "synthetic"]
GRADES: tuple[Grade, ...] = get_args(Grade)
"""From the strongest to the weakest."""

SAYS: dict[Grade, tuple[str, str]] = {
    "human_trial": (
        "measured on people who read or were read in a study",
        "由真人参与的研究所得",
    ),
    "retrospective": (
        "measured on stored real images, no patient's care was touched",
        "基于存档的真实影像回顾性测得",
    ),
    "simulated": (
        "real or made-up cases, read by simulated readers",
        "由模拟阅片者阅读所得，非真人",
    ),
    "synthetic": (
        "made-up data; shows that the software computes, nothing about medicine",
        "人工合成数据，仅说明软件可计算，不具医学意义",
    ),
}
"""Each grade in English and Chinese."""

SILENT: dict[Grade, tuple[str, str]] = {
    "human_trial": (
        "nothing about readers, patients or devices unlike those of the study",
        "不代表研究以外的医生、患者或设备",
    ),
    "retrospective": (
        "neither benefit to patients nor what doctors do with the answer",
        "不说明患者获益，也不说明医生如何使用结果",
    ),
    "simulated": (
        "nothing about real doctors: no trust, no reading time, no reliance",
        "不能说明真实医生的信任、阅片时间或依赖程度",
    ),
    "synthetic": (
        "nothing about patients, images or doctors",
        "不能说明患者、影像或医生的任何情况",
    ),
}
"""What a figure of this grade does not show, in English and Chinese."""


def grade_of(text: str) -> Grade:
    """Check a grade.

    Raises
    ------
    ValueError
        If it is none of `GRADES`.
    """
    for grade in GRADES:
        if grade == text:
            return grade
    raise ValueError(f"a grade of evidence is one of {', '.join(GRADES)}; found {text!r}")


def weakest(*grades: Grade) -> Grade:
    """Return the weakest of several grades: a chain bears no more than its weakest link.

    Examples
    --------
    >>> weakest("human_trial", "simulated", "retrospective")
    'simulated'
    """
    return max(grades, key=GRADES.index)
