"""Write ``docs/chest_radiograph.md`` from the shipped bundle: card and evaluation, nothing else."""

from __future__ import annotations

import json
from typing import Any

from provenance import RESULTS, ROOT

BUNDLE = ROOT / "src" / "coread" / "readers" / "chest_radiograph" / "bundle"
PAGE = ROOT / "docs" / "chest_radiograph.md"

SITES = {"nih": "adults (NIH)", "paediatric": "children (Guangzhou)"}


def interval(held: dict[str, Any] | None, digits: int = 3) -> str:
    """Say a figure with its 95 % interval."""
    if not held or held["value"] is None:
        return "–"
    if held.get("lower") is None:
        return f"{held['value']:.{digits}f}"
    return f"{held['value']:.{digits}f} ({held['lower']:.{digits}f}–{held['upper']:.{digits}f})"


def table(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Make a Markdown table."""
    head = ["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings)]
    return [*head, *("| " + " | ".join(row) + " |" for row in rows), ""]


def performance(held: dict[str, Any]) -> list[str]:
    """Figures per source."""
    rows = []
    for site, name in SITES.items():
        found = held["sites"][site]
        rows.append(
            [
                name,
                f"{found['images']} / {found['patients']}",
                interval(found["auc"]),
                interval(found["sensitivity"]),
                interval(found["specificity"]),
                f"{100 * found['abstention']['share']['value']:.0f} %",
                f"{found['calibration']['ece_10_equal_mass']:.3f}",
                f"{found['calibration']['brier']:.3f}",
                f"{found['calibration']['slope']:.2f}",
            ]
        )
    headings = ["test patients", "images / patients", "AUC", "sensitivity", "specificity", "abstains"]
    return table([*headings, "ECE", "Brier", "slope"], rows)


def baselines(held: dict[str, Any]) -> list[str]:
    """The naive baselines beside the reader."""
    rows = [
        ["**reader**", *(f"**{interval(held['sites'][site]['auc'])}**" for site in SITES)],
        *(
            [name.replace("_", " "), *(interval(held["baselines"][site].get(name)) for site in SITES)]
            for name in held["baselines"]["nih"]
        ),
    ]
    return table(["AUC", *SITES.values()], rows)


def subgroups(held: dict[str, Any]) -> list[str]:
    """Figures by view, sex, age and kind."""
    rows = [
        [SITES[site], f"{by}: {part}", str(found["images"]), interval(found["auc"]),
         "" if found["enough_cases"] else "too few cases to judge"]
        for site in SITES
        for by, parts in held["subgroups"][site].items()
        for part, found in parts.items()
    ]  # fmt: skip
    return table(["source", "subgroup", "images", "AUC", ""], rows)


def gate(held: dict[str, Any]) -> list[str]:
    """Refusal rates by pixels alone, header hidden."""
    rows = [
        [name.replace("_", " "), str(found["images"]), interval(found["refused"])]
        for name, found in held["gate"].items()
    ]
    return table(["test images", "n", "share refused"], rows)


def explanation(held: dict[str, Any]) -> list[str]:
    """How the heat map did."""
    verdicts = held["explanation"]["verdicts"]
    shown = "it is shown" if held["explanation_passed"] else "it is **not shown** to anyone"
    rows = [[name.replace("_", " "), "passed" if ok else "**failed**"] for name, ok in verdicts.items()]
    pointing = held["explanation"]["pointing"]["test"]
    smoothed = held["explanation"].get("smoothing_cells", 0)
    return [
        f"Method: {held['explanation']['method']}, {'not smoothed' if not smoothed else f'averaged over {2 * smoothed + 1} x {2 * smoothed + 1} cells'}; "
        f"chosen on {held['explanation'].get('chosen_on', 'nothing')}. A heat map is shown only if it passes every test; {shown}.",
        "",
        *table(["test on test patients", ""], rows),
        f"Pointing game on {pointing['images']} boxes: hits {interval(pointing['hits'], 2)}; a pointer that never sees the "
        f"image hits {pointing['blind_hits']:.2f}, the centre {pointing['centre_hits']:.2f}, "
        f"area-matched chance {pointing['box_share']:.2f}.",
        "",
        *gains(held["explanation"]),
    ]


def between_hospitals() -> list[str]:
    """What heads taught at one hospital do at the other, and the gap of the views; from the lab's study."""
    path = RESULTS / "chest_sites.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    ways = [(pair, way, held) for pair, held in found["transfer"].items() for way in WAYS if way in held]
    crossings = [
        [pair.replace("nih", "adults").replace("paediatric", "children"), said(found["chosen"][pair], way),
         interval(held["before"]), interval(held[way]), interval(held[f"{way}, gain"]),
         ", ".join(f"{one['value']:.3f}" for one in held[f"{way}, by seed"])]
        for pair, way, held in ways
    ]  # fmt: skip
    seen = found["views"]
    return [
        "## Between the hospitals",
        "",
        "Not the shipped reader, which learned from both, but heads on the frozen trunk that learned at one hospital and are "
        "read at the other, on test patients. *Before*: logistic regression on the frozen ImageNet trunk. *After*, adults to "
        "children: a committee of ten heads on one level of raw images. *Taught itself*: that committee, which then labelled the "
        "children's unlabelled training images for itself, round by round; it would as surely have ended on the wrong side of "
        "chance from a start below it, so that some labelled images are needed to see where it begins. *After*, children to "
        "adults: lung fields cut out by a box (taught by the boxes of a third source), grey values made alike by rank, responses "
        "in nine fields, features brought to the teaching hospital's mean and deviation, scores standardised within each view.",
        "",
        *table(
            [
                "taught at, read at",
                "what it saw of the other hospital",
                "before",
                "after",
                "gain",
                "each seed",
            ],
            crossings,
        ),
        "**AP against PA.** By patient folds of training and validation adults, heads on the frozen trunk:",
        "",
        *by_view(found["views_by_patient_folds"]),
        "Cut down to the lungs, with grey values made alike, AP and PA are read equally well, AP hardly worse than before and PA "
        "far worse: most of PA's lead comes from outside the lungs or from how the image was made, and not from what a doctor "
        "would call the disease.",
        "",
        "On test patients, the reader (its trunks look through a low pass since version 0.4.0), its two parts, and the committee "
        "that was taught at home (*after*, adults to adults, above):",
        "",
        *by_view(seen),
        *halving(seen),
        "",
        *nine_fields(),
    ]


def by_view(heads: dict[str, Any]) -> list[str]:
    """Table of areas of both views, of each, and of the gap."""
    rows = [
        [name, interval(held["whole"]), *(f"{held['by_view'][v]['value']:.3f}" for v in ("AP", "PA")), interval(held["gap"])]
        for name, held in heads.items()
    ]  # fmt: skip
    return table(["head", "both views", "AP", "PA", "PA less AP"], rows)


def halving(seen: dict[str, Any]) -> list[str]:
    """Whether the reader halves the floor's gap, in words."""
    reader, floor = seen["reader"], seen["floor"]
    left = reader["gap_less_half_of_the_floors"]
    is_kept = reader["whole"]["value"] >= floor["whole"]["value"]
    verdict = "halved" if left["value"] <= 0 and is_kept else "**not halved**"
    return [
        f"The gap was to be halved without a lower area of both views, from {floor['gap']['value']:.3f} to "
        f"{floor['gap']['value'] / 2:.3f}: {verdict}. The reader's gap less half of the floor's, on the same draws of patients: "
        f"{interval(left)}."
    ]


def nine_fields() -> list[str]:
    """What came of heads on nine fields, which were not shipped; from the comparison of the two versions."""
    path = RESULTS / "chest_nine_fields.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))["sources"]
    rows = [
        [name, *(interval(held[way].get(what)) for way in ("former", "new", "difference"))]
        for name, held, what in (
            ("adults, AUC", found["nih"], "whole"),
            ("adults, PA less AP", found["nih"], "gap"),
            ("children, AUC", found["paediatric"], "whole"),
        )
    ]
    return [
        "**Heads on nine fields, not shipped.** Weights for nine fields narrow the gap by patient folds and cost PA little. "
        "Joined with the tuned trunk in the place of the plain head (one on the sharp image, one behind the low pass; chosen by "
        "patient folds and validation patients, with the rule for shipping written down before), and read once on the test "
        "patients:",
        "",
        *table(["test patients", "0.4.0", "with nine fields", "more by"], rows),
        "The gap was what they were made for, and it did not narrow: what nine fields gain on AP among the patients of the folds, "
        "the test patients do not show. Made by `coread-lab bundle|evaluate chest-radiograph` at commit `0889f30609a0`.",
        "",
    ]


WAYS = ("after", "taught itself")


def said(how: dict[str, Any], way: str) -> str:
    """What a way used of the hospital that is read."""
    used = way != "after" or how["aligned"] or how["by_view"]
    return f"{way}: {'unlabelled training images' if used else 'nothing'}"


def gains(said: dict[str, Any]) -> list[str]:
    """By how much deletion and insertion by the map beat those that never look."""
    rows = [[name.replace("_", " "), interval(found)] for name, found in said.get("gains", {}).items()]
    if not rows:
        return []
    heading = f"gain in mean probability, {said['called_test_images']} called test images"
    return table([heading, "95 % interval"], rows)


def main() -> None:
    """Write the page."""
    card = json.loads((BUNDLE / "card.json").read_text(encoding="utf-8"))
    held = json.loads((BUNDLE / "evaluation.json").read_text(encoding="utf-8"))
    origin, band = held["origin"], held["abstention_band"]
    lines = [
        f"# {card['title']['en']} · {card['title']['zh']}",
        "",
        f"Reader `{card['identity']['name']}` {card['identity']['version']}. Grade of evidence of every number here: "
        f"**{held['evidence_grade']}**. Written from the shipped bundle by `benchmarks/chest_page.py`.",
        "",
        f"*For.* {card['intended_use']['en']}",
        "",
        f"*Not for.* {card['not_for']['en']}",
        "",
        f"*用途。* {card['intended_use']['zh']}",
        "",
        f"*不用于。* {card['not_for']['zh']}",
        "",
        "## On test patients",
        "",
        f"95 % intervals by patient bootstrap (AUC) and Wilson (shares). Threshold {held['threshold']} on the calibrated "
        f"probability; between {band['lower']} and {band['upper']} the reader abstains. Both were chosen on validation "
        "patients. Sensitivity and specificity count every image, abstained or not.",
        "",
        *performance(held),
        "![Areas, calibration and gate](pictures/chest_reader_evaluation.png)",
        "",
        "## Beside naive baselines",
        "",
        *baselines(held),
        "## Subgroups",
        "",
        *subgroups(held),
        "## The gate, by pixels alone",
        "",
        "What the gate refuses when the header is hidden. Chests should pass; all else should not.",
        "",
        *gate(held),
        "## Where it looked",
        "",
        *explanation(held),
        *between_hospitals(),
        "## Limits",
        "",
        *(f"- {limit}" for limit in card["limits"]),
        "",
        "## 局限",
        "",
        *(f"- {limit}" for limit in card["limits_zh"]),
        "",
        "## Data and credits",
        "",
        *(f"- {credit}" for credit in card["attribution"]),
        "",
        "## How it was made",
        "",
        f"`{origin['command']}` at commit `{origin['commit'][:12]}`, seeds {origin['seeds']}, data SHA-256 "
        f"`{origin['data_sha256'][:16]}…`, weights SHA-256 `{held['weights_sha256'][:16]}…`.",
        "",
    ]
    PAGE.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
