"""Write docs/blood_smear.md from the results, so that the page says nothing that was not measured.

python benchmarks/blood_page.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from provenance import RESULTS, ROOT

from coread.learning.blood.sets import fields
from coread.readers import Machine
from coread.readers.blood_smear import reader

DOCS = ROOT / "docs"
BUNDLE = ROOT / "src" / "coread" / "readers" / "blood_smear" / "bundle"

SPEED = RESULTS / "reader_speed.json"

PICTURE, SHOWN_FIELDS = DOCS / "pictures" / "blood_smear.jpg", 4
"""The first test fields by file name that hold a white cell, whatever the reader says of them."""

SHOWN = """![Four test fields with what the reader found](pictures/blood_smear.jpg)

The first four test fields by file name. Violet: white cells with the class and its probability; orange: red cells; blue:
platelets; thin green: annotated white cells. Fields: BCCD (copyright 2017 shenggan, MIT)."""

COLOURS = {"Erythrocyte": (214, 120, 30), "Thrombocyte": (30, 90, 200)}
WHITE_CELL, ANNOTATED = (120, 20, 160), (0, 140, 0)

BESIDE = {
    "ratio_of_bare_sessions": "a second bare session in the place of ours",
    "ratio_of_processor_time": "processor time with one thread",
}
"""What a timing tells beside, where it was made."""

Figure = Mapping[str, Any]

USE = """## Use

DICOM objects of visible light (Modality GM, SM or XC) whose study or series is called a blood smear come to it by the
rules that ship ([routing](routing.md)); any other rule may name `blood-smear`. Image files are read without a clinic:

```
python -m coread.readers.blood_smear FIELD.jpg ...     # one JSON object for each file
coread-lab train blood-smear --data DATA --out RUN     # then bundle, evaluate, report
```"""

HOW = """## How it works

1. **Header.** Modality GM, SM, XC or OT, in colour, one frame, at least 200 x 200 pixels.
2. **Background.** Each channel is scaled so that the empty background has one white: lamp and camera drop out.
3. **Finding.** EfficientNet-Lite0 gives responses at strides 4, 8 and 16 of the field at half size (its first blocks as
   ImageNet left them, the next tuned on disturbed views); a small neck turns them into one peak for each cell
   (arXiv:1904.07850) and the distances from there to the four sides of its box (arXiv:1904.01355). Thresholds are
   those of the best F1 on validation fields.
4. **Gate.** The same responses say whether this is a stained smear at all; the size of the red cells says whether the
   magnification is the one it knows.
5. **Naming.** A square around each white cell goes through a second copy of the same trunk, tuned on disturbed views
   (turned, mirrored, zoomed, restained) of single cells by three seeds, whose logits are averaged. A cell that is not
   sure enough stays *unclassified*.
6. **Counting.** Counts bear a 95 % interval from validation fields, each counted at thresholds chosen without it: the
   wider of the conformal quantile and of a normal tolerance interval at 95 % confidence (Howe, JASA 1969). Shares of the
   differential bear Wilson's.
7. **Trust.** The score of a field is how far its most doubtful white cell lies from the threshold, calibrated to the
   probability that the white cells are counted rightly, on fields as they are and spoiled (out of focus, faintly
   stained, overexposed, noisy, coarsely compressed).
"""


def main() -> None:
    """Write the page, if its bundle is there."""
    if (BUNDLE / "card.json").is_file():
        PICTURE.parent.mkdir(exist_ok=True)
        data = Path(os.environ.get("COREAD_SHARED_DATA", ROOT.parent / "shared" / "data"))
        picture(data).save(PICTURE, quality=82)
        (DOCS / "blood_smear.md").write_text(blood_page(), encoding="utf-8")


def picture(data: Path) -> Image.Image:
    """Test fields with boxes and names, two by two."""
    made = reader(Machine())
    held = [one for one in fields(data, "test") if (one.kind == 0).any()][:SHOWN_FIELDS]
    sheet = Image.new("RGB", (2 * 640, 2 * 480))
    for number, one in enumerate(held):
        image = Image.fromarray(one.image())
        pen = ImageDraw.Draw(image)
        for left, top, width, height in one.boxes[one.kind == 0]:
            pen.rectangle((left, top, left + width, top + height), outline=ANNOTATED, width=1)
        said = made.read_colour(one.image())
        for box in getattr(said, "boxes", ()):
            colour = COLOURS.get(box.label.meaning, WHITE_CELL)
            corners = (box.left_px, box.top_px, box.left_px + box.width_px, box.top_px + box.height_px)
            pen.rectangle(corners, outline=colour, width=3 if colour == WHITE_CELL else 2)
            if colour == WHITE_CELL:
                text, at = (
                    f"{box.label.meaning} (cell {box.probability:.2f})",
                    (box.left_px + 4, box.top_px + 3),
                )
                pen.rectangle(pen.textbbox(at, text), fill=(255, 255, 255))
                pen.text(at, text, fill=colour)
        sheet.paste(image, (number % 2 * 640, number // 2 * 480))
    return sheet


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
        SHOWN,
        USE,
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
    rows = [("**reader**, three seeds together, macro F1", cells["macro_f1"])]
    if whole.get("baseline_frozen_trunk"):
        rows.append(("frozen trunk + logistic regression, macro F1", whole["baseline_frozen_trunk"]))
    rows += [("mean colours + logistic regression, macro F1", cells["baseline_mean_colour_macro_f1"])]
    rows += [(f"seed {s} alone, macro F1", v["test"]) for s, v in whole.get("seeds", {}).items()]
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
    rows += [
        (f"{name}, fastest calls of each load", {**each["ratio_of_fastest"], "n": each["ratio"]["n"]})
        for name, each in held["sessions"].items()
    ]
    for beside, meaning in BESIDE.items():
        rows += [
            (f"{name}, {meaning}", each[beside]) for name, each in held["sessions"].items() if beside in each
        ]
    told += "threads. Thirty loads, geometric mean of their ratios; the fastest calls beside, "
    told += "because two threads on two cores wait for each other and for whatever else runs."
    return "\n\n".join(["## Speed", told, _table(rows, "our session's time over a bare one's")])


def _table(rows: Iterable[tuple[str, Figure]], head: str = "") -> str:
    lines = [f"| {head} | value (95 %) | n |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {_figure(figure)} | {figure['n']} |" for name, figure in rows)])


def _figure(figure: Figure) -> str:
    if figure["value"] is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['lower']:.3f}–{figure['upper']:.3f})"


def _is_figure(held: object) -> bool:
    return isinstance(held, dict) and {"value", "lower", "upper", "n"} <= held.keys()


def _list(title: str, lines: Iterable[str]) -> str:
    held = [f"- {line}" for line in lines]
    return "\n\n".join([f"## {title}", "\n".join(held)]) if held else ""


def _json(path: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
