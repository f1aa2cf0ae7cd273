"""Write the pages of the chest studies from their kept results: causal audit, explanations, fusion.

``python benchmarks/chest_studies.py`` after ``benchmarks/lab.py chest_sites causal_audit explanations fusion``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chest_page import interval, table
from provenance import RESULTS, ROOT

Held = dict[str, Any]


def main() -> None:
    """Write every page whose result is there."""
    pages: dict[str, tuple[str, Callable[[Held], list[str]]]] = {
        "causal_audit": ("causal_audit", causal_page),
        "explanations": ("explanations", explanations_page),
        "fusion": ("fusion", fusion_page),
    }
    for result, (page, make) in pages.items():
        path = RESULTS / f"{result}.json"
        if path.exists():
            held = json.loads(path.read_text(encoding="utf-8"))
            lines = [*make(held), *remarks(held)]
            (ROOT / "docs" / f"{page}.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def remarks(held: Held) -> list[str]:
    """What did not work, and where the figures come from."""
    tried = [f"- {sentence}" for sentence in held["did_not_work"]]
    origin = held["origin"]
    return [
        *(["## What did not work", "", *tried, ""] if tried else []),
        "## How the figures were made",
        "",
        f"`{origin['command']}` at commit `{origin['commit']}`, seeds {held['seeds']}, data SHA-256 "
        f"`{origin['data_sha256'][:16]}…`. Grade of evidence: **{held['evidence_grade']}**, "
        f"simulated parts are marked. Intervals: 95 %, by patients.{of_version(held)}",
        "",
    ]


def of_version(held: Held) -> str:
    """Which version of the reader was measured, for the studies that measure it."""
    return f" Measured on version {held['reader']} of the reader." if "reader" in held else ""


def causal_page(held: Held) -> list[str]:
    """The audit, its graph, and its proof on a planted mark."""
    lines = [
        "# Causal audit of the chest reader",
        "",
        "A score may rise because of the disease, or because of how the picture was taken. The audit asks the second question: "
        "with the label held fixed, does view, sex, age, time of enrolment or hospital still move the score? The graph that is "
        "believed is declared in `coread.learning.causal.chest`; an effect is given as it looks and as it is once what both owe "
        "to is held fixed, by three estimates that should agree. Where a stratum holds only exposed or only unexposed patients "
        "there is nothing to compare, and the audit says so.",
        "",
        "## The graph",
        "",
        "Unseen: " + ", ".join(held["graph"]["unseen"]) + ". Arrows: "
        + "; ".join(f"{a} → {b}" for a, b in held["graph"]["arrows"]) + ".",
        "",
        "Severity decides who is radiographed in bed and is recorded nowhere. By this graph no set of recorded facts identifies "
        "the effect of the view: the very ill lie in bed and score high, so an adjusted contrast of PA against AP may be too small. It compares readers; it does not measure a shortcut exactly.",
        "",
        f"## Effects on the score ({held['unit']})",
        "",
    ]  # fmt: skip
    for name, found in held["effects"].items():
        rows = [
            [f"{part['contrast']}", str(part["images"]), *estimates(part), part["verdict"]]
            for part in found.values()
        ]
        heads = [
            "contrast",
            "images",
            "unadjusted",
            "stratified",
            "standardised",
            "inverse probability",
            "verdict",
        ]
        lines += [f"**{name}**", "", *table(heads, rows)]
    return [*lines, *trap(held["planted"])]


def estimates(part: Held) -> list[str]:
    """The four estimates of one contrast."""
    names = ("unadjusted", "stratified", "standardised", "inverse_probability")
    found = part["estimates"]
    return [interval(found[name], 2) if found else "–" for name in names]


def trap(found: Held) -> list[str]:
    """The planted mark."""
    rows = [
        [name, f"{held['found_in']} of {held['of_seeds']}", ", ".join(interval(a, 2) for a in held["audit"]),
         ", ".join(f"{e:.2f}" for e in held["true_effect"]), ", ".join(interval(a) for a in held["auc"])]
        for name, held in found.items()
    ]  # fmt: skip
    return [
        "## A planted mark",
        "",
        "A lead letter is drawn on 90 % of the sick and 10 % of the well training adults; on test patients it is drawn without "
        "regard to the label. The audit sees only who bears the mark. The true effect is known, because every test image "
        "exists with and without it.",
        "",
        *table(["training", "found by the audit", "audit, each seed", "true effect", "AUC on test"], rows),
    ]


def explanations_page(held: Held) -> list[str]:
    """All methods, before and on test patients."""
    return [
        "# Explanations of the chest reader",
        "",
        "A map is shown to a doctor only if it passes every test on test patients: deletion and insertion better than random "
        "orders and better than a bell in the middle of the image; its hottest place in the lesion's box at least twice as often "
        "as area-matched chance, and more often than a pointer that sees no image; another map when the weights are random. "
        "The method to show is chosen on boxes and called "
        "images of training and validation patients, among those that cost the clinic no second reading.",
        "",
        "## On test patients",
        "",
        *methods(held["test"]),
        "## Before, on training and validation patients",
        "",
        *methods(held["before"]),
        *boxes(held["all_boxes"]),
        *mark(held["planted_mark"]),
        *attention(held["attention_heads"]),
        *counterfactuals(held["counterfactuals"]),
    ]


def methods(found: Held) -> list[str]:
    """One line for each method."""
    rows = []
    for name, part in found.items():
        points, won = part["pointing_game"], part["gains"]
        failed = [k.replace("_", " ") for k, ok in part["verdicts"].items() if not ok]
        gains = [interval(won[k], 2) for k in won]
        rows.append([name, f"{interval(points['hits'], 2)} of {points['images']}", *gains,
                     interval(part["rank_correlation_with_random_weights"], 2), "; ".join(failed) or "passes"])  # fmt: skip
    first = next(iter(found.values()))["pointing_game"]
    heads = ["method", "pointing", "deletion over random", "deletion over centre", "insertion over random",
             "insertion over centre", "same as random weights", "failed"]  # fmt: skip
    return [
        *table(heads, rows),
        f"Area-matched chance {first['box_share']:.2f}, the centre {first['centre_hits']:.2f}, a pointer that knows only where "
        f"boxes usually lie {first['blind_hits']:.2f}.",
        "",
    ]


def boxes(found: Held) -> list[str]:
    """The pointing game on the boxes of all splits."""
    rows = [
        [name, f"{interval(held['hits'], 2)} of {held['images']}", interval(held["energy_over_chance"], 1)]
        for name, held in found.items()
    ]
    if not rows:
        return []
    first = next(iter(found.values()))
    return [
        "## On the boxes of all splits",
        "",
        "Only 14 boxes are of test patients. Here the boxes of all splits are pointed at: by the map of the reader (whose trunk learned "
        "from the labels, not the boxes, of the training patients among them: that favours it), and by heads on the cells of both "
        "trunks that were taught by the boxes themselves, each box pointed at by heads fitted without its patient.",
        "",
        *table(["pointer", "hits", "energy in the box over chance"], rows),
        f"A pointer that knows only where such boxes usually lie: {first['blind_hits']:.2f}; area-matched chance "
        f"{first['box_share']:.2f}. A map would be shown if its interval lay above the first.",
        "",
    ]


def mark(found: Held) -> list[str]:
    """Whether each method finds a planted mark."""
    rows = [[name, interval(held, 2)] for name, held in found["hottest_place_on_mark"].items()]
    return [
        "## A planted mark",
        "",
        f"A reader was made to learn a lead letter instead of the disease. Share of {found['images']} test images on which the "
        f"method's hottest place is the letter (chance {found['mark_share_of_image']:.2f}):",
        "",
        *table(["method", "found the mark"], rows),
    ]


def attention(found: Held) -> list[str]:
    """The attention-pooling head as a reader."""
    rows = [
        [site, str(held["n"]), interval(held["joint"]), ", ".join(interval(s) for s in held["by_seed"])]
        for site, held in found.items()
    ]
    return [
        "## The attention head as a reader",
        "",
        "An attention-pooling head on the frozen ImageNet trunk; its attention is among the methods above.",
        "",
        *table(["test patients", "images", "AUC, mean of seeds", "AUC, each seed"], rows),
    ]


def counterfactuals(found: Held) -> list[str]:
    """The three counterfactuals."""
    near, moved, blurred = (
        found["nearest_patient_called_otherwise"],
        found["smallest_change"],
        found["blurring"],
    )
    rows = [
        ["nearest training patient called otherwise: truly of the other label",
         interval(near["truly_of_the_other_label_than_the_call"], 2)],
        ["the same: of the same hospital", interval(near["of_the_same_hospital"], 2)],
        ["the same: distance over that to the nearest called alike",
         interval(near["distance_over_that_to_the_nearest_called_alike"], 2)],
        ["smallest change of features: call turned", interval(moved["call_turned"], 2)],
        ["the same: length, deviations", interval(moved["length_in_deviations"], 2)],
        ["the same: share of neighbours of the other label gained",
         interval(moved["neighbours_of_the_other_label_gained"], 2)],
        *([f"blurring until the call turns, {name}: turned before half was gone", interval(blurred[name]["turned"], 2)]
          for name in ("map", "centre prior", "random")),
        *([f"the same: share of the image saved over {name}", interval(blurred[f"share_saved_over_{name}"], 2)]
          for name in ("centre prior", "random")),
    ]  # fmt: skip
    return ["## Counterfactuals, on test patients", "", *table(["question", "answer"], rows)]


def fusion_page(held: Held) -> list[str]:
    """The arms."""
    rows = [
        [name, part["evidence_grade"], interval(part["auc"]), interval(part["auc_within_views"]),
         interval(part["gain_over_image_within_views"]), interval(part["gain_where_both_labels_were_enrolled"]),
         part["verdict"]]
        for name, part in held["arms"].items()
    ]  # fmt: skip
    missing = [
        [name, gone, interval(area)]
        for name, part in held["arms"].items()
        for gone, area in part["auc_without"].items()
    ]
    notes = held["notes_on_record"]
    return [
        "# Fusion of image, facts and words",
        "",
        "Each source of knowledge has its own stem; any of them may be missing, in training and at the bedside. Adults of NIH "
        "ChestX-ray14, image features of the frozen trunk. The area over all patients rises with whatever predicts the label in "
        "this set. The area *within the views* rises only with what tells the sick from the well on radiographs taken alike. "
        "A fact that lifts the first and not the second has brought the confounder. So has one whose gain fades among the patient "
        "numbers in which both labels were enrolled: number stands for time.",
        "",
        *table(
            [
                "fused",
                "evidence",
                "AUC",
                "AUC within views",
                "gain over image within views",
                "gain where both labels were enrolled",
                "verdict",
            ],
            rows,
        ),
        "## With a part missing at the bedside",
        "",
        *table(["trained on", "missing", "AUC"], missing),
        f"Real notes: {notes['with_a_note']} of {notes['images']} images of the COVID-19 set bear one; no figure can be given. "
        "Notes and temperatures above are simulated from the label, to show that the method can see help where there is some.",
        "",
    ]


if __name__ == "__main__":
    main()
