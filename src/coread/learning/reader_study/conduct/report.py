"""Everything that a study of doctors says, as data and as words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from coread.evaluation import Interval
from coread.learning.evidence.grades import SAYS, SILENT, Grade
from coread.learning.reader_study import dorfman_berbaum_metz, obuchowski_rockette
from coread.learning.reader_study.analysis import Analysis, Scope
from coread.learning.reader_study.conduct.crossover import Plan, Turn, faults
from coread.learning.reader_study.conduct.sheet import Sheet
from coread.learning.reader_study.merit import Merit, area, sensitivity, specificity
from coread.learning.reader_study.power import Pilot, cases_needed, pilot
from coread.learning.reader_study.reading_time import time_ratio
from coread.learning.reader_study.reliance import reliance

SCOPES: tuple[Scope, ...] = ("readers_and_cases", "cases", "readers")

EFFECT = 0.05
"""Difference that a following study is sized for: a choice of this house to show the scale, no finding."""


def study_report(
    sheet: Sheet, turns: Sequence[Turn] = (), plan: Plan | None = None, covariance: str = "jackknife"
) -> dict[str, Any]:
    """Analyse a study as it was read.

    Parameters
    ----------
    sheet
        The readings.
    turns, plan
        As laid out; deviations are then listed.
    covariance
        ``jackknife`` or ``delong``, for Obuchowski and Rockette.

    Returns
    -------
    dict
        With the grade of evidence on top; nothing in it is said of trust.
    """
    merits = list(_merits(sheet))
    return {
        "evidence_grade": sheet.grade,
        "grade_says": SAYS[sheet.grade][0],
        "does_not_show": SILENT[sheet.grade][0],
        "design": _design(sheet, turns, plan),
        "analyses": [asdict(a) for merit in merits for a in _analyses(merit, covariance)],
        "power": _power(merits[0], covariance),
        "reading_time": _reading_time(sheet),
        "reliance": _reliance(sheet),
    }


def _design(sheet: Sheet, turns: Sequence[Turn], plan: Plan | None) -> dict[str, Any]:
    truth = sheet.truth()
    deviations = faults(turns, sheet.days(), plan.washout_days) if turns and plan else []
    return {
        "treatments": list(sheet.treatments),
        "readers": len(sheet.readers),
        "normal_cases": int((~truth).sum()),
        "abnormal_cases": int(truth.sum()),
        "readings": len(sheet.readings),
        "washout_days": plan.washout_days if plan else None,
        "seed": plan.seed if plan else None,
        "deviations": deviations,
    }


def _merits(sheet: Sheet) -> Iterator[Merit]:
    rated, called = sheet.ratings(), sheet.calls()
    if rated is not None:
        yield area(rated)
    yield sensitivity(called, 1)
    yield specificity(called, 1)


def _analyses(merit: Merit, covariance: str) -> Iterator[Analysis]:
    study = obuchowski_rockette.table(merit, covariance)
    yield from (obuchowski_rockette.ANALYSES[scope](study) for scope in SCOPES)
    yield from (dorfman_berbaum_metz.analyse(merit, scope) for scope in SCOPES)


def _power(merit: Merit, covariance: str) -> dict[str, Any]:
    """Variances for the next study, and the cases that it would need."""
    known: Pilot = pilot(obuchowski_rockette.table(merit, covariance), merit.cases)
    sizes = {str(readers): cases_needed(known, EFFECT, readers) for readers in (4, 6, 8, 12, 16)}
    needed = {readers: found.cases if found else None for readers, found in sizes.items()}
    return {"merit": merit.name, "pilot": asdict(known), "effect": EFFECT, "cases_for_80_percent": needed}


def _reading_time(sheet: Sheet) -> dict[str, Any] | None:
    seconds, period = sheet.seconds()
    if not np.isfinite(seconds).any():
        return None
    return asdict(time_ratio(seconds, period, sheet.readers, sheet.grade))


def _reliance(sheet: Sheet) -> dict[str, Any] | None:
    advised = sheet.advised()
    return asdict(reliance(advised)) if advised is not None else None


def markdown(report: Mapping[str, Any]) -> str:
    """A report for people, in English and Chinese."""
    grade: Grade = report["evidence_grade"]
    design = report["design"]
    lines = [
        "# Reader study · 阅片研究",
        "",
        f"Grade of evidence 证据等级: **{grade}**: {SAYS[grade][0]} · {SAYS[grade][1]}  ",
        f"Does not show 不说明: {SILENT[grade][0]} · {SILENT[grade][1]}",
        "",
        f"{design['readers']} readers 阅片者, {design['abnormal_cases']} abnormal 异常 and "
        f"{design['normal_cases']} normal 正常 cases 病例, {design['readings']} readings 次阅片; "
        f"{design['treatments'][1]} against {design['treatments'][0]}.",
        "",
        "| figure 指标 | method 方法 | random 随机因素 | difference 差值 (95 %) | p |",
        "|---|---|---|---|---|",
        *(_line(analysis) for analysis in report["analyses"]),
    ]
    lines += _extras(report)
    lines += [
        "",
        "## Deviations · 方案偏离",
        "",
        *(f"- {text}" for text in design["deviations"] or ["none 无"]),
        "",
    ]
    return "\n".join(lines)


def _line(analysis: Mapping[str, Any]) -> str:
    first = analysis["differences"][0]
    scope = analysis["scope"].replace("_", " ")
    what = f"{first['first']} − {first['second']}: {_interval(first['interval'])}"
    name, p_value = f"{analysis['merit']} | {analysis['method']}", analysis["test"]["p_value"]
    return f"| {name} | {scope} | {what} | {p_value:.4f} |"


def _extras(report: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    if report["reading_time"]:
        ratio = _interval(report["reading_time"]["ratio"])
        lines += ["", f"Reading time, ratio 阅片时间比: {ratio}"]
    if report["reliance"]:
        names = {
            "over_reliance": "over-reliance 过度依赖", "under_reliance": "under-reliance 依赖不足",
            "appropriate": "follows right less wrong advice 对正确与错误建议的采纳差",
        }  # fmt: skip
        lines += ["", *(f"- {words}: {_interval(report['reliance'][key])}" for key, words in names.items())]
    return lines


def _interval(held: Mapping[str, Any] | Interval) -> str:
    values = asdict(held) if isinstance(held, Interval) else held
    value, lower, upper = (values[key] for key in ("value", "lower", "upper"))
    return "not measured" if math.isnan(value) else f"{value:.3f} ({lower:.3f} to {upper:.3f})"
