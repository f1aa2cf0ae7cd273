"""Fill the marked parts of docs/ct_nodule.md and docs/weak_supervision.md from results and bundle.

    python benchmarks/nodule_pages.py

A part stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``; what stands outside is written by people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from provenance import RESULTS, ROOT

DOCS = ROOT / "docs"
BUNDLE = ROOT / "src" / "coread" / "readers" / "ct_nodule" / "bundle"

Figure = Mapping[str, Any]

ANSWERS = {
    "readers_area": "readers' area alone",
    "readers_diameter": "readers' diameter alone",
    "size": "own size alone",
    "network": "black box: network head",
    "network_and_size": "black box: network head and size",
    "features_logistic": "black box: logistic on features",
    "features_trees": "black box: boosted trees on features",
    "bottleneck": "**concept bottleneck**",
    "bottleneck_corrected": "bottleneck, all characteristics corrected",
    "neighbours": "five most similar training cases",
}

CONCEPTS = {
    "112010": ("texture", ("ground glass", "part-solid", "solid")),
    "111037": ("margins", ("smooth", "lobulated", "spiculated")),
    "112030": ("calcification", ("not calcified", "calcified")),
    "margin-sharpness": ("margin sharpness", ("ill-defined", "sharp")),
    "sphericity": ("sphericity", ("ovoid", "round")),
}

MARKS = {True: "yes", False: "**no**", None: "–"}


def main() -> None:
    """Fill both pages."""
    study = _json(RESULTS / "nodule_malignancy.json")
    fill(DOCS / "ct_nodule.md", malignancy(study) | shipped(_json(BUNDLE / "evaluation.json")))
    fill(DOCS / "weak_supervision.md", weak(_json(RESULTS / "weak_supervision.json")))


def fill(path: Path, parts: Mapping[str, str]) -> None:
    """Put each part between its marks."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        head, rest = text.split(f"<!-- {name} -->\n", 1)
        tail = rest.split(f"<!-- /{name} -->", 1)[1]
        text = f"{head}<!-- {name} -->\n{part}\n<!-- /{name} -->{tail}"
    path.write_text(text, encoding="utf-8")


def malignancy(study: Figure) -> dict[str, str]:
    """Parts of the nodule page that come from the study of all seeds."""
    told = (
        f"{study['nodules']} nodules ({study['malignant']} rated malignant) of {study['patients']} test patients, "
        f"{study['seeds']} seeds"
    )
    return {
        "N": told, "FIGURES": goals(study["rows"]), "AREAS": _areas(study), "CONCEPTS": _concepts(study["concepts"]),
        "GROUPS": _groups(study["subgroups"]), "SIZES": _sizes(study["sizes"]), "WRONG": _wrong(study["wrong_labels"]),
        "PRESENCE": _presence(study["presence"]), "CALIBRATION": _calibration(study["calibration"]),
    }  # fmt: skip


def _areas(study: Figure) -> str:
    rows = []
    for name, words in ANSWERS.items():
        chosen = " (chosen on validation patients)" if name == study["black_box"] else ""
        equal = study["equal_size"].get(name)
        rows.append((words + chosen, _figure(study["areas"][name]), _figure(equal)))
    return table(("answer", "AUC", "at equal size"), rows)


def _concepts(held: Figure) -> str:
    rows = []
    for key, each in held.items():
        name, value = key.split("/")
        words, values = CONCEPTS[name]
        rows.append((f"{words}: {values[int(value)]}", _figure(each), each["n"], each["positives"]))
    return table(("characteristic: value", "AUC", "n", "with it"), rows)


def _groups(held: Figure) -> str:
    rows = [
        (name.replace("_", " "), _figure(each["bottleneck"]), _figure(each["size"]), each["bottleneck"]["n"],
         "" if each["enough_cases"] else "too few to judge")
        for name, each in held.items()
    ]  # fmt: skip
    return table(("subgroup", "bottleneck", "own size alone", "n", ""), rows)


def _sizes(held: Figure) -> str:
    names = {"long_mm": "long axis", "short_mm": "short axis", "volume_mm3": "volume"}
    rows = [
        (words, f"{held[key]['median_absolute_error_percent']:.0f} %", _percent(held[key]["coverage"]))
        for key, words in names.items()
    ]
    told = (
        f"The readers' own diameters of one nodule spread by {held['readers_spread_percent']:.0f} % (median of greatest "
        f"less least, over their mean). Dice against the consensus: {_figure(held['dice'])} on the asked slice, "
        f"{_figure(held['stack_dice'])} over all published slices together."
    )
    head = ("size", "median error", "interval holds the readers' size")
    return f"{table(head, rows)}\n\n{told}"


def _wrong(held: Figure) -> str:
    rows = [
        (f"{100 * float(rate):.0f} %", _figure(each["noisy"]), _figure(each["pruned"]),
         _share(each["recall_of_wrong"]), _share(each["precision_of_called"]))
        for rate, each in held.items() if rate != "seeds"
    ]  # fmt: skip
    head = (
        "wrong labels",
        "all labels kept",
        "without those called wrong",
        "found of the wrong",
        "right of the called",
    )
    return table(head, rows)


def _presence(held: Figure) -> str:
    return (
        f"Nodules against places beside them in the same crops: AUC {_figure(held['area'])}. Something is outlined at "
        f"{_percent(held['outlined_nodules'])} of nodules and at {_percent(held['outlined_beside'])} of places beside."
    )


def _calibration(held: Figure) -> str:
    rows = [
        (seed, held["curve_by_seed"][seed], f"{held['ece_10_equal_mass_by_seed'][seed]:.3f}",
         f"{held['ece_of_a_perfect_curve_by_seed'][seed]:.3f}", f"{held['brier_by_seed'][seed]:.3f}",
         f"{held['slope_by_seed'][seed]:.2f}", held["nodules_by_seed"][seed], held["not_outlined_by_seed"][seed])
        for seed in range(len(held["curve_by_seed"]))
    ]  # fmt: skip
    head = (
        "seed",
        "curve",
        "calibration error",
        "a perfect curve's",
        "Brier score",
        "slope",
        "nodules",
        "not outlined",
    )
    return (
        f"{table(head, rows)}\n\nThe curve is chosen by log loss on validation patients held back, among temperature, "
        "Platt, beta and isotonic. A perfect curve shows an error, too, on so few nodules. Brier score of always the "
        f"prevalence: {held['brier_of_prevalence']:.3f}."
    )


def shipped(evaluation: Figure) -> dict[str, str]:
    """Parts of the nodule page that come from the shipped bundle."""
    gate = evaluation["gate"]
    rows = [
        (name.replace("_", " "), each["windows"], _percent(each["refused"]), _figure(each.get("auc_against_lung_ct")),
         _figure(each.get("auc_if_the_kind_was_unknown")))
        for name, each in gate.items()
    ]  # fmt: skip
    head = (
        "test windows",
        "n",
        "refused",
        "AUC against lung CT",
        "AUC if the gate had not been shown this kind",
    )
    timing = evaluation["timing"]
    time = (
        f"On two threads a nodule takes {timing['median_ms']:.0f} ms (median; 95 % within {timing['p95_ms']:.0f} ms): "
        "outline, stack, sizes; decoding left out."
    )
    return {"GATE": table(head, rows), "TIME": time}


def weak(study: Figure) -> dict[str, str]:
    """Parts of the page of weak supervision."""
    attention = study["attention"]
    found = ", ".join(f"{area:.3f}" for area in attention["picture_auc_by_seed"])
    told = (
        f"The greatest contribution lies in an outline on {_percent(attention['hit'])} of test nodules; a random place "
        f"does on {_share(attention['chance'], 1)}. Pictures with and without a nodule are told apart with AUC {found} "
        "(one for each seed)."
    )
    who = f"{study['nodules']} nodules of {study['patients']} test patients, {len(study['seeds'])} seeds"
    return {"N": who, "FIGURES": goals(study["rows"]), "ARMS": _arms(study), "SIZES": _by_size(study["by_size"]),
            "ATTENTION": told, "RATINGS": _ratings(study["ratings"])}  # fmt: skip


def _arms(study: Figure) -> str:
    columns = ("click", "wide_click", "box", "against_each_reader", "share_of_full", "share_of_full_box")
    rows: list[Sequence[Any]] = [
        (each["words"], *(_figure(each[column]) for column in columns)) for each in study["arms"].values()
    ]
    rule = study["rule_without_network"]
    rows.append(
        ("growing rule, no network", _figure(rule["click"]), "–", _figure(rule["box"]), "–", "–", "–")
    )
    rows.append(("two readers of one nodule", "–", "–", "–", _figure(study["between_readers"]), "–", "–"))
    head = ("supervision", "Dice, a point", "Dice, point twice as far off", "Dice, a box", "Dice against each reader",
            "share of full (point)", "share of full (box)")  # fmt: skip
    return table(head, rows)


def _by_size(held: Figure) -> str:
    rows = [
        (
            name,
            *(_figure(each[arm]) for arm in ("majority", "quarter_and_points", "points")),
            each["majority"]["n"],
        )
        for name, each in held.items()
    ]
    return table(("diameter", "full supervision", "25 % outlines and points", "points only", "n"), rows)


def _ratings(held: Figure) -> str:
    columns = ("brier_vote", "brier_dawid_skene", "brier_gain", "hit_vote", "hit_dawid_skene")
    rows = [(name, *(_figure(each[column]) for column in columns)) for name, each in held.items()]
    head = (
        "statement",
        "Brier score, vote",
        "Brier score, Dawid-Skene",
        "less error",
        "hits, vote",
        "hits, Dawid-Skene",
    )
    return table(head, rows)


def goals(rows: Iterable[Figure]) -> str:
    """The rows of a study with goal and verdict."""
    held = []
    for row in rows:
        beside = f"{_figure(row['baseline'])} {row['baseline_name']}" if row["baseline"] else "–"
        held.append((row["what"], _figure(row["figure"]), beside, row["goal"] or "–", MARKS[row["met"]]))
    return table(("what", "figure", "beside it", "goal", "met"), held)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def _figure(held: Figure | None) -> str:
    if not held or held.get("value") is None:
        return "–"
    return f"{held['value']:.3f} ({held['lower']:.3f}–{held['upper']:.3f})"


def _percent(held: Figure) -> str:
    value, lower, upper = (100 * held[key] for key in ("value", "lower", "upper"))
    return f"{value:.1f} % ({lower:.1f}–{upper:.1f})"


def _share(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
