"""A plot and a page of a federation's result."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

_BLUE, _GREY = "#2f6db5", "#9aa5b1"


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw each site's figure alone and together, and the size of each round's change.

    Parameters
    ----------
    result
        As `coread.learning.federated.trial.demonstration.demonstrate` gives it.
    path
        PNG to write.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    names = [name for name, held in result["sites"].items() if "auc" in held["federation"]]
    for at, name in enumerate(names):
        held = result["sites"][name]
        left.bar(at - 0.2, held["alone"].get("auc", 0), 0.38, color=_GREY, label="alone" if at == 0 else None)
        left.bar(
            at + 0.2, held["federation"]["auc"], 0.38, color=_BLUE, label="together" if at == 0 else None
        )
    left.set_xticks(range(len(names)), names)
    left.set_ylim(0.5, 1.0)
    left.set_title("AUC on each site's own test patients")
    left.legend(loc="lower right")
    rounds = [entry["round"] for entry in result["history"]]
    right.plot(rounds, [entry["change"] for entry in result["history"]], marker="o", color=_BLUE)
    right.set_xlabel("round")
    right.set_title("Change of the shared model in a round")
    right.set_ylim(bottom=0)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def write_page(result: Mapping[str, Any], picture: Path, path: Path) -> None:
    """Write one HTML file with table, plot and statements; no scripts, nothing fetched."""
    rows = "".join(_row(name, held, result) for name, held in result["sites"].items())
    image = base64.b64encode(picture.read_bytes()).decode()
    told = "".join(f"<li>{html.escape(line)}</li>" for line in statements(result))
    path.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Federation</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}}</style>
<h1>{html.escape(str(result["plan"]))}</h1><p>{html.escape(str(result["about"]))}</p>
<table><tr><th>site<th>rounds<th>test patients' cases<th>AUC alone<th>AUC together<th>gain</tr>{rows}</table>
<p><img alt="AUC of each site alone and together; change of the model by round"
 style="max-width:100%" src="data:image/png;base64,{image}"></p>
<h2>Statements</h2><ul>{told}</ul>
<p>Plan <code>{result["plan_sha256"]}</code>; secure aggregation
 {"on" if result["secure_aggregation"] else "off"}; {result["demonstration_s"]} s in all.</p></html>
""",
        encoding="utf-8",
    )


def statements(result: Mapping[str, Any]) -> list[str]:
    """One sentence a site: what it gave and gained; one that lost is told."""
    found = []
    for name, held in result["sites"].items():
        gained = held["gain"].get("auc")
        rounds = f"{name} took part in {result['took_part'].get(name, 0)} of {result['rounds']} rounds"
        if gained is None:
            found.append(f"{rounds}; whether it gained cannot be measured on its own test patients.")
            continue
        word = "gained" if gained > 0 else "lost" if gained < 0 else "neither gained nor lost"
        size = f" {abs(gained):.3f} of AUC" if gained else ""
        found.append(f"{rounds} and {word}{size} on its own test patients (one run, no interval).")
    return found


def _cases(figures: Mapping[str, Any]) -> str:
    return f"{figures['cases']:.0f}" if "cases" in figures else "few"


def _row(name: str, held: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    together, alone, gained = (held[part].get("auc") for part in ("federation", "alone", "gain"))
    cells = [name, result["took_part"].get(name, 0), _cases(held["federation"])]
    cells += ["" if value is None else f"{value:.3f}" for value in (alone, together)]
    cells.append("" if gained is None else f"{gained:+.3f}")
    return "<tr>" + "".join(f"<td>{html.escape(str(cell))}" for cell in cells) + "</tr>"
