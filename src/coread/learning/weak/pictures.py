"""The figures of both nodule studies as pictures, drawn from their results.

``python -m coread.learning.weak.pictures RESULTS PICTURES``: folder of the JSON, folder of the PNG.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from coread.readers.ct_nodule.traits import CONCEPTS

DPI = 90
BLUE, ORANGE, GREY = "#2060a0", "#c06020", "#707070"

Drawn = Sequence[tuple[str, Mapping[str, Any]]]


def main(results: Path, pictures: Path) -> None:
    """Draw what is there."""
    for name, draw in (("weak_supervision", weak), ("nodule_malignancy", malignancy)):
        path = results / f"{name}.json"
        if path.exists():
            figure = draw(json.loads(path.read_text(encoding="utf-8")))
            figure.savefig(pictures / f"{name}.png", dpi=DPI)
            plt.close(figure)


def weak(held: Mapping[str, Any]) -> Any:
    """Dice of every arm, and its share of full supervision."""
    figure, panels = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained", sharey=True)
    arms = list(held["arms"].items())
    _bars(panels[0], [(arm["words"], arm["click"]) for _, arm in arms], "Dice against the consensus, a point")
    among = held["between_readers"]["value"]
    panels[0].axvline(among, color=GREY, ls="--", label=f"two readers: {among:.2f}")
    panels[0].legend(fontsize=8)
    _bars(panels[1], [(arm["words"], arm["share_of_full"]) for _, arm in arms], "share of full supervision")
    for goal in (0.85, 0.95):
        panels[1].axvline(goal, color=ORANGE, ls=":")
    figure.suptitle(
        f"{held['title']}: {held['nodules']} test nodules, {held['patients']} patients, 95 % intervals"
    )
    return figure


def malignancy(held: Mapping[str, Any]) -> Any:
    """Areas, areas at equal size, and the characteristics."""
    figure, panels = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    names = ("readers_area", "size", held["black_box"], "bottleneck", "bottleneck_corrected", "neighbours")
    _bars(
        panels[0], [(name.replace("_", " "), held["areas"][name]) for name in names], "AUC, all test nodules"
    )
    equal = [(name.replace("_", " "), held["equal_size"][name]) for name in names[:-1]]
    _bars(panels[1], equal, f"AUC, diameters within a factor of {held['equal_size']['factor']}")
    panels[1].axvline(0.5, color=GREY, lw=0.8)
    _bars(
        panels[2],
        [(_concept(name), one) for name, one in held["concepts"].items()],
        "AUC of the characteristics",
    )
    figure.suptitle(
        f"{held['title']}: {held['nodules']} test nodules, {held['patients']} patients, 95 % intervals"
    )
    return figure


def _concept(name: str) -> str:
    """Say in words which value of which characteristic ``code/place`` stands for."""
    code, place = name.split("/")
    concept = next(concept for concept in CONCEPTS if concept.value == code)
    return f"{concept.meaning}: {CONCEPTS[concept][int(place)].meaning}"


def _bars(panel: Any, rows: Drawn, title: str) -> None:
    for place, (_, one) in enumerate(reversed(rows)):
        panel.plot([one["lower"], one["upper"]], [place, place], color=BLUE, lw=2)
        panel.plot(one["value"], place, "o", color=BLUE, ms=5)
    panel.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)], fontsize=8)
    panel.set_title(title, fontsize=10)
    panel.grid(axis="x", alpha=0.3)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
