"""The chest reader's figures in one place: its shipped evaluation as JSON, and as one picture.

``python benchmarks/chest_reader.py`` needs matplotlib (the lab's extra) and no image data: it draws what
``coread-lab evaluate chest-radiograph`` measured and the bundle ships. A test re-reads the test split and holds the
shipped areas to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[1]
EVALUATION = ROOT / "src" / "coread" / "readers" / "chest_radiograph" / "bundle" / "evaluation.json"
RESULT = ROOT / "benchmarks" / "results" / "chest_reader.json"
PICTURE = ROOT / "docs" / "pictures" / "chest_reader_evaluation.png"

SITES = {"nih": "adults (NIH)", "paediatric": "children (Guangzhou)"}
COLOURS = {"nih": "#2060a0", "paediatric": "#c06020"}


def main() -> None:
    """Copy the evaluation and draw it."""
    held: dict[str, Any] = json.loads(EVALUATION.read_text(encoding="utf-8"))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    figure, panels = plt.subplots(1, 3, figsize=(16, 5.4), layout="constrained")
    draw_areas(panels[0], held)
    draw_reliability(panels[1], held)
    draw_gate(panels[2], held)
    figure.suptitle(f"Chest reader, test patients of two public sources; evidence: {held['evidence_grade']}")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=110)
    print(table(held))


def area_rows(held: dict[str, Any]) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Label, source and area of the reader, its baselines and its subgroups."""
    rows = []
    for site, name in SITES.items():
        rows.append((f"reader: {name}", site, held["sites"][site]["auc"]))
        rows += [(f"  {key.replace('_', ' ')}", site, area) for key, area in held["baselines"][site].items()]
        for by, parts in held["subgroups"][site].items():
            for part, figures in parts.items():
                label = f"  {by}: {part} (n={figures['images']}{'' if figures['enough_cases'] else ', few'})"
                rows.append((label, site, figures["auc"]))
    return [row for row in rows if row[2] and row[2]["value"] is not None]


def draw_areas(panel: Axes, held: dict[str, Any]) -> None:
    """Areas with 95 % patient-bootstrap intervals."""
    rows = area_rows(held)
    for place, (label, site, area) in enumerate(reversed(rows)):
        whole = label.startswith("reader")
        panel.plot([area["lower"], area["upper"]], [place, place], color=COLOURS[site], lw=3 if whole else 1)
        panel.plot(area["value"], place, "o", color=COLOURS[site], ms=7 if whole else 4)
    panel.set_yticks(range(len(rows)), [label for label, _, _ in reversed(rows)], fontsize=8)
    panel.axvline(0.5, color="grey", lw=0.8)
    panel.set_xlabel("area under the ROC curve, 95 % interval")
    panel.set_title("Reader, naive baselines, subgroups")


def draw_reliability(panel: Axes, held: dict[str, Any]) -> None:
    """Frequency against probability, ten bins of equal size."""
    panel.plot([0, 1], [0, 1], color="grey", lw=0.8)
    for site, name in SITES.items():
        figures = held["sites"][site]["calibration"]
        bins = figures["reliability_mean_probability_frequency_n"]
        label = f"{name}: ECE {figures['ece_10_equal_mass']:.3f}, slope {figures['slope']:.2f}"
        panel.plot([b[0] for b in bins], [b[1] for b in bins], "o-", color=COLOURS[site], label=label)
    band = held["abstention_band"]
    panel.axvspan(band["lower"], band["upper"], color="grey", alpha=0.2, label="abstains")
    panel.axvline(held["threshold"], color="black", lw=0.8, ls="--", label="threshold")
    panel.set_xlabel("calibrated probability")
    panel.set_ylabel("share with opacity")
    panel.legend(fontsize=8)
    panel.set_title("Calibration")


def draw_gate(panel: Axes, held: dict[str, Any]) -> None:
    """Share refused by pixels, per set."""
    sets = list(held["gate"].items())[::-1]
    shares = [figures["refused_by_features_alone"]["value"] for _, figures in sets]
    colours = ["#60a060" if name.startswith("chest") else "#a04040" for name, _ in sets]
    panel.barh(range(len(sets)), shares, color=colours)
    labels = [f"{name.replace('_', ' ')} (n={figures['images']})" for name, figures in sets]
    panel.set_yticks(range(len(sets)), labels, fontsize=8)
    for place, share in enumerate(shares):
        panel.text(min(share, 0.86) + 0.01, place, f"{100 * share:.1f} %", va="center", fontsize=8)
    panel.set_xlabel("share refused by the network's features alone")
    panel.set_title("Gate: chests should pass, all else should not")


def table(held: dict[str, Any]) -> str:
    """Areas as text, one line each."""
    rows = area_rows(held)
    return "\n".join(
        f"{label:48s} {area['value']:.3f} ({area['lower']:.3f}-{area['upper']:.3f})"
        for label, _, area in rows
    )


if __name__ == "__main__":
    main()
