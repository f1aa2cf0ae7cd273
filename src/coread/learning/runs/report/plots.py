"""Pictures of the report, as SVG in data URLs: the same figures give the same bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from coread.learning.runs.report.figures import Figure

COLOUR, GREY = "#14598f", "#8a949c"

MOST_ROWS = 40
"""Figures in one picture; further ones stand in the table only."""


def forest(figures: Sequence[Figure], baselines: Sequence[Figure] = ()) -> str:
    """Points with intervals, one row each, as a data URL; baselines in grey below.

    Parameters
    ----------
    figures, baselines
        Of one kind of measure.
    """
    rows = [*((f, COLOUR) for f in figures), *((f, GREY) for f in baselines)]
    rows = [row for row in rows if row[0].value is not None][:MOST_ROWS]
    sheet = Sheet(figsize=(8.5, 0.6 + 0.24 * max(len(rows), 1)), layout="constrained")
    panel = sheet.subplots()
    for place, (figure, colour) in enumerate(reversed(rows)):
        if figure.lower is not None and figure.upper is not None:
            panel.plot([figure.lower, figure.upper], [place, place], color=colour, lw=1.6)
        hollow = "white" if figure.few else colour
        panel.plot([figure.value], [place], "o", ms=5, color=colour, markerfacecolor=hollow)
    panel.set_yticks(range(len(rows)), [_short(figure.label) for figure, _ in reversed(rows)], fontsize=8)
    panel.set_ylim(-0.6, len(rows) - 0.4)
    panel.grid(axis="x", color="#e3e7ea", lw=0.6)
    panel.set_axisbelow(True)
    _plain(panel)
    return _data_url(sheet)


def reliability(curves: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> str:
    """Frequency against probability, one line for each set, as a data URL."""
    sheet = Sheet(figsize=(5.2, 4.2), layout="constrained")
    panel = sheet.subplots()
    panel.plot([0, 1], [0, 1], color=GREY, lw=0.8)
    for label, bins in curves:
        panel.plot([b[0] for b in bins], [b[1] for b in bins], "o-", ms=4, lw=1.2, label=_short(label))
    panel.legend(fontsize=8, frameon=False)
    _plain(panel)
    return _data_url(sheet)


def history(entries: Sequence[Mapping[str, Any]]) -> str:
    """Figures of a training over its steps, one panel each, as a data URL."""
    names = sorted({name for entry in entries for name in entry if name != "step"})
    sheet = Sheet(figsize=(8.5, 2.0 * max(len(names), 1)), layout="constrained")
    for panel, name in zip(sheet.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        points = [(entry["step"], entry[name]) for entry in entries if entry.get(name) is not None]
        panel.plot([p[0] for p in points], [p[1] for p in points], "o-", ms=3, lw=1.2, color=COLOUR)
        panel.set_ylabel(name.replace("_", " "), fontsize=8)
        _plain(panel)
    return _data_url(sheet)


def _plain(panel: Axes) -> None:
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(labelsize=8)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:28]} ... {text[-28:]}"


def _data_url(sheet: Sheet) -> str:
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "coread", "svg.fonttype": "none", "font.family": "sans-serif"}):
        sheet.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
