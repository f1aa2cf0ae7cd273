"""The card of the blood smear reader: what it is for, what it cannot do, and to whom it owes its data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coread.readers.blood_smear.cells import COUNTABLE_FIELD
from coread.readers.blood_smear.gate import MODALITIES

WORDS = Path(__file__).with_suffix(".toml")
"""The card's sentences, English and Chinese."""

CLAIMS = (
    "/cells/macro_f1/value",
    "/cells/macro_f1/lower",
    "/cells/accuracy_of_named/value",
    "/fields/kinds/WBC/f1/value",
    "/fields/kinds/WBC/f1/lower",
    "/fields/kinds/RBC/f1/value",
    "/fields/kinds/Platelets/f1/value",
    "/crossing/white_cells_called_leukocytes/value",
)
"""Figures of the evaluation that the card prints, as JSON pointers (RFC 6901)."""


def card_facts(report: Mapping[str, Any], networks: Mapping[str, Any]) -> dict[str, Any]:
    """The card without the hashes of its files.

    Parameters
    ----------
    report
        The evaluation as written.
    networks
        Inputs of each network.
    """
    words = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    code = {"value": COUNTABLE_FIELD.value, "scheme": COUNTABLE_FIELD.scheme}
    code |= {"meaning": COUNTABLE_FIELD.meaning, "meaning_zh": COUNTABLE_FIELD.meaning_zh}
    declared = report["findings"][COUNTABLE_FIELD.value]
    english, chinese = measured_limits(report)
    return {
        "format": 2,
        "identity": {"name": words["name"], "version": words["version"], "manufacturer": "CoRead"},
        **{part: words[part] for part in ("title", "intended_use", "not_for")},
        "limits": [*words["limits"], *english],
        "limits_zh": [*words["limits_zh"], *chinese],
        "modalities": list(MODALITIES),
        "findings": [{"code": code, **declared}],
        "networks": dict(networks),
        "attribution": words["attribution"],
        "evidence_grade": report["evidence_grade"],
        "claims": {pointer: at(report, pointer) for pointer in CLAIMS},
    }


def measured_limits(report: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What the figures themselves say against the reader, in English and Chinese."""
    cells, kinds = report["cells"], report["fields"]["kinds"]
    cross = report["crossing"]["white_cells_called_leukocytes"]["value"]
    named = report["crossing"]["named_at_all"]["WBC"]["value"]
    worst = min(cells["f1_per_class"], key=lambda name: cells["f1_per_class"][name]["value"])
    least = cells["f1_per_class"][worst]["value"]
    rbc, platelets = kinds["RBC"]["f1"]["value"], kinds["Platelets"]["f1"]["value"]
    english = [
        f"Hardest class on test cells: {worst}, F1 {least:.3f}.",
        f"On test fields F1 is {rbc:.3f} for red cells and {platelets:.3f} for platelets.",
        f"Of the other laboratory's white cells {100 * cross:.0f} % are called some leukocyte and "
        f"{100 * named:.0f} % are given a name at all.",
        "Three networks of different seeds name a cell together. "
        "No heat map is shown: the boxes are the evidence.",
    ]
    chinese = [
        f"测试细胞中最难的类别：{worst}，F1 为 {least:.3f}。",
        f"测试视野中红细胞 F1 为 {rbc:.3f}，血小板 F1 为 {platelets:.3f}。",
        f"在另一实验室的白细胞中，{100 * cross:.0f} % 被判为某类白细胞，{100 * named:.0f} % 获得分类名称。",
        "由三个不同随机种子的网络共同分类。不显示热图：检出框即为依据。",
    ]
    return english, chinese


def at(held: Any, pointer: str) -> Any:
    """Value at a JSON pointer (RFC 6901)."""
    for token in pointer.split("/")[1:]:
        held = held[token]
    return held
