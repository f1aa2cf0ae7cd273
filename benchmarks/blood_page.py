"""Write docs/blood_smear.md and docs/transfer.md from the results, so that no page says what was not measured.

python benchmarks/blood_page.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from provenance import RESULTS, ROOT

DOCS = ROOT / "docs"
BUNDLE = ROOT / "src" / "coread" / "readers" / "blood_smear" / "bundle"

SPEED = RESULTS / "reader_speed.json"

Figure = Mapping[str, Any]

HOW = """## How it works

1. **Header.** Modality GM, SM, XC or OT, in colour, one frame, at least 200 x 200 pixels.
2. **Background.** Each channel is scaled so that the empty background has one white: lamp and camera drop out.
3. **Finding.** EfficientNet-Lite0 with its ImageNet weights, frozen, gives responses at strides 4, 8 and 16 of the
   field at half size; a small neck turns them into one peak for each cell and a box (objects as points:
   arXiv:1904.07850). Thresholds are those of the best F1 on validation fields.
4. **Gate.** The same responses say whether this is a stained smear at all; the size of the red cells says whether the
   magnification is the one it knows.
5. **Naming.** A square around each white cell goes to the late blocks of the same trunk, tuned on disturbed views
   (turned, mirrored, zoomed, restained) of single cells. A cell that is not sure enough stays *unclassified*.
6. **Counting.** Counts bear a conformal 95 % interval from validation fields; shares of the differential bear Wilson's.
7. **Trust.** The score of a field is how far its most doubtful white cell lies from the threshold, calibrated to the
   probability that the white cells are counted rightly, on fields as they are and spoiled (out of focus, faintly
   stained, overexposed, noisy, coarsely compressed).
"""


def main() -> None:
    """Write both pages, each if its results are there."""
    if (BUNDLE / "evaluation.json").is_file():
        (DOCS / "blood_smear.md").write_text(blood_page(), encoding="utf-8")
    if (RESULTS / "transfer.json").is_file():
        (DOCS / "transfer.md").write_text(transfer_page(_json(RESULTS / "transfer.json")), encoding="utf-8")


def blood_page() -> str:
    """The page of the reader, from its bundle and its study."""
    card, held = _json(BUNDLE / "card.json"), _json(BUNDLE / "evaluation.json")
    study = _json(RESULTS / "blood_smear.json") if (RESULTS / "blood_smear.json").is_file() else {}
    head = [
        f"# {card['title']['en']} · {card['title']['zh']}",
        f"Reader `{card['identity']['name']}` {card['identity']['version']}. Grade of evidence of every number here: "
        f"**{card['evidence_grade']}**. Written from the shipped bundle by `benchmarks/blood_page.py`.",
        f"*For.* {card['intended_use']['en']}", f"*Not for.* {card['not_for']['en']}",
        f"*用途。* {card['intended_use']['zh']}", f"*不用于。* {card['not_for']['zh']}",
    ]  # fmt: skip
    parts = [
        *head,
        HOW.strip(),
        _naming(held, study),
        _finding(held),
        _crossing(held),
        _trust(held),
        _gate(held),
    ]
    parts += [_speed(), _list("Limits", card["limits"]), _list("局限", card["limits_zh"])]
    parts += [_list("What did not work", study.get("did_not_work", ())), _list("Data", card["attribution"])]
    again = "python benchmarks/lab.py blood_smear && python benchmarks/blood_page.py"
    return "\n\n".join([part for part in parts if part] + [f"Make it again: `{again}`."]) + "\n"


def _naming(held: Figure, study: Figure) -> str:
    cells, whole = held["cells"], study.get("evaluation", {})
    rows = [("**reader**, macro F1", cells["macro_f1"])]
    if whole.get("baseline_frozen_trunk"):
        rows.append(("frozen trunk + logistic regression, macro F1", whole["baseline_frozen_trunk"]))
    rows += [("mean colours + logistic regression, macro F1", cells["baseline_mean_colour_macro_f1"])]
    rows += [(f"other seed {s}, macro F1", v["test"]) for s, v in whole.get("seeds", {}).items() if s != "0"]
    rows += [("accuracy", cells["accuracy"]), ("left unnamed", cells["unnamed"])]
    rows += [("accuracy of the named", cells["accuracy_of_named"])]
    per_class = [(name, figure) for name, figure in cells["f1_per_class"].items()]
    note = (
        "The set names no donor: cells of one donor lie in training and test, and the figures are optimistic."
    )
    ece = cells["calibration"]["ece_10_equal_mass"]
    return "\n\n".join([
        "## Naming single cells (PBC, test split)",
        f"{note} Calibration error of the named class: {ece:.3f}.", _table(rows), _table(per_class, "F1 of a class"),
    ])  # fmt: skip


def _finding(held: Figure) -> str:
    rows = []
    for kind, of_kind in held["fields"]["kinds"].items():
        rows += [(f"{kind}: {name}", of_kind[name]) for name in ("f1", "precision", "recall")]
        count = of_kind["count"]
        rows += [
            (
                f"{kind}: mean absolute error of the count (mean {count['mean_true']:.1f})",
                count["mean_absolute_error"],
            ),
            (f"{kind}: coverage of the 95 % interval", count["interval_coverage"]),
        ]
    rows += [
        (f"baseline, purple blobs: WBC {name}", figure)
        for name, figure in held["fields"]["baseline_purple_blobs_WBC"].items()
    ]
    told = f"{held['fields']['fields']} fields; a box counts from an overlap of 0.5. Intervals by bootstrap over fields."
    return "\n\n".join(["## Finding cells (BCCD, test split)", told, _table(rows)])


def _crossing(held: Figure) -> str:
    crossing = held["crossing"]
    rows = [(name.replace("_", " "), crossing[name]) for name in crossing if _is_figure(crossing[name])]
    rows += [(f"given a name at all: {kind}", figure) for kind, figure in crossing["named_at_all"].items()]
    classes = ", ".join(
        f"{name} {count}" for name, count in crossing["classes_of_white_cells"].items() if count
    )
    told = f"{crossing['what']}. Likeliest classes of its white cells: {classes}."
    return "\n\n".join(["## From one laboratory to the other (PBC to BCCD)", told, _table(rows)])


def _trust(held: Figure) -> str:
    trust = held["trust"]
    rows = [
        (f"white cells counted rightly, {how}", figure) for how, figure in trust["white_count_right"].items()
    ]
    if trust["auc"]:
        rows.append(("area of the trust: rightly against wrongly counted", trust["auc"]))
    return "\n\n".join(["## Does it know when it miscounts?", _table(rows)])


def _gate(held: Figure) -> str:
    told = "Share refused by pixels alone. Test fields should pass, all else should not; every second foreign image is "
    rows = [(name.replace("_", " "), figure) for name, figure in held["gate"].items()]
    return "\n\n".join(["## The gate", told + "tinted like a stain.", _table(rows)])


def _speed() -> str:
    if not SPEED.is_file():
        return ""
    held = _json(SPEED)
    field = held["whole_images"].get("blood-smear")
    if not field:
        return ""
    told = f"A field takes {field['median_ms']:.0f} ms (95th percentile {field['p95_ms']:.0f} ms) on {held['threads']} "
    rows = [(name, each["ratio"]) for name, each in held["sessions"].items()]
    return "\n\n".join(["## Speed", told + "threads.", _table(rows, "our session's time over a bare one's")])


def transfer_page(study: Figure) -> str:
    """The page of the transfer study."""
    parts = [
        "# What a pretrained trunk gains",
        "Grade of evidence: **retrospective**. Written from `benchmarks/results/transfer.json` by "
        "`benchmarks/blood_page.py`. "
        + study["told"]
        + ". 95 % intervals by bootstrap over test patients; the gain "
        "is from the same draws.",
        "Every arm is given the same images of 96 x 96 pixels. *Frozen*: logistic regression on EfficientNet-Lite0 as "
        "it came. *Partial*: its blocks after the eleventh tuned. *Full*: all of it tuned. *Scratch*: a plain network of "
        "five convolutions, its width and step size chosen on validation images at each share. All arms may use the "
        "whole validation split, which flatters those that need it for early stopping: scratch most of all.",
    ]
    for task, shares in study["tasks"].items():
        for share in sorted(shares, key=lambda text: float(text.rstrip("%"))):
            parts.append(_share_table(task, share, shares[share]))
    return "\n\n".join([*parts, _list("What did not work", study["did_not_work"])]).rstrip() + "\n"


def _share_table(task: str, share: str, held: Figure) -> str:
    images = sorted({int(n) for n in held["training_images"]})
    lines = [f"## {task}, {share} of the labels ({', '.join(map(str, images))} images)", ""]
    lines += ["| arm | AUC | gain over scratch | seeds |", "|---|---|---|---|"]
    for arm in ("scratch", "frozen", "partial", "full"):
        if arm in held:
            gain = held[arm].get("gain_over_scratch")
            seeds = ", ".join(f"{value:.3f}" for value in held[arm]["seeds"])
            lines.append(f"| {arm} | {_figure(held[arm])} | {_signed(gain) if gain else '–'} | {seeds} |")
    return "\n".join(lines)


def _table(rows: Iterable[tuple[str, Figure]], head: str = "") -> str:
    lines = [f"| {head} | value (95 %) | n |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {_figure(figure)} | {figure['n']} |" for name, figure in rows)])


def _figure(figure: Figure) -> str:
    if figure["value"] is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['lower']:.3f}–{figure['upper']:.3f})"


def _signed(figure: Figure) -> str:
    return f"{figure['value']:+.3f} ({figure['lower']:+.3f} to {figure['upper']:+.3f})"


def _is_figure(held: object) -> bool:
    return isinstance(held, dict) and {"value", "lower", "upper", "n"} <= held.keys()


def _list(title: str, lines: Iterable[str]) -> str:
    held = [f"- {line}" for line in lines]
    return "\n\n".join([f"## {title}", "\n".join(held)]) if held else ""


def _json(path: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
