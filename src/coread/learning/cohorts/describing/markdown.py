"""The data card as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from coread.learning.cohorts.form import SPLITS


def card_markdown(card: Mapping[str, Any]) -> str:
    """Write a data card as Markdown."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Data card: {card['name']}\n"
    yield f"{card['images']} images of {card['patients']} patients, {card['annotators']} annotators.\n"
    yield from _table(("split", "images", "patients", "sites"), _split_rows(card))
    for name, values in card["by"].items():
        yield f"\n## By {name}\n"
        rows = [(value, *(counts[split] for split in SPLITS)) for value, counts in values.items()]
        yield from _table((name, *SPLITS), rows)
    yield "\n## Unknown\n"
    yield from _table(("what", "share"), [(name, f"{share:.1%}") for name, share in card["missing"].items()])
    yield "\n## Labels\n"
    yield from _table(
        ("label", "kinds", "annotators", *(f"present in {s}" for s in SPLITS)), _label_rows(card)
    )
    yield from _shortcuts(card)
    yield from _rest(card)


def _split_rows(card: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return [(split, *counts.values()) for split, counts in card["splits"].items()]


def _label_rows(card: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows = []
    for name, held in card["labels"].items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in held["kinds"].items())
        shares = [held["prevalence"].get(split) for split in SPLITS]
        told = [_share(share) if share else "" for share in shares]
        rows.append((name, kinds, held["annotators"], *told))
    return rows


def _share(share: Mapping[str, float]) -> str:
    return f"{share['value']:.1%} ({share['lower']:.1%} to {share['upper']:.1%}), n = {share['n']}"


def _shortcuts(card: Mapping[str, Any]) -> Iterator[str]:
    yield "\n## Possible shortcuts\n"
    yield "Attributes that go with a label among training images (Cramer's V from 0.1 on); a model may learn"
    yield "them instead of the disease.\n"
    rows = [(e["label"], e["attribute"], f"{e['cramers_v']:.2f}", e["n"]) for e in card["possible_shortcuts"]]
    yield from _table(("label", "attribute", "Cramer's V", "n"), rows[:40])


def _rest(card: Mapping[str, Any]) -> Iterator[str]:
    pairs = card["near_duplicates"]
    yield "\n## Near-duplicates\n"
    yield f"{pairs['pairs']} pairs, {pairs['of_two_patients']} of two patients; each pair lies in one split."
    yield "\n## Left out\n"
    yield from _table(("reason", "count"), list(card["left_out"].items()))
    yield "\n## Remarks\n"
    yield from (f"- {remark['text']} ({', '.join(remark['examples'][:5])})" for remark in card["remarks"])
    yield "\n## Traps\n"
    yield from (f"- {trap}" for trap in card["traps"])
    yield "\n## Steps\n"
    yield from (f"- {step['name']} {step['parameters']}" for step in card["steps"])
    yield "\n## Licences\n"
    yield from (f"- {licence or 'not stated'}: {count} images" for licence, count in card["licences"].items())


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    if not rows:
        yield "None."
        return
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows)
