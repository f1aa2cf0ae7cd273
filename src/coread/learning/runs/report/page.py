"""The report's page: what the reader is for, what was measured, beside what, on whom, and what went wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from coread.errors import RunRefused
from coread.learning.runs.report.elements import (
    Html,
    both,
    bullets,
    document,
    paragraph,
    picture,
    section,
    table,
    word,
)
from coread.learning.runs.report.figures import Figure, bare_numbers, figures, reliabilities
from coread.learning.runs.report.plots import forest, history, reliability
from coread.learning.runs.report.words import GRADES, LAST, MEASURES, SECTIONS, WORDS

_NO_SECTION = {
    "weights_sha256", "threshold", "evidence_grade", "explanation_passed", "origin", "failures",
    "abstention_band", "did_not_work",
}  # fmt: skip
"""Members of an evaluation that have a place of their own."""

MOST_FAILURES = 24


@dataclass(frozen=True)
class Material:
    """What the report is made of.

    Attributes
    ----------
    card, evaluation
        Of the bundle.
    data_cards
        Of the cohorts that the reader learnt from.
    steps
        History of the training.
    failures
        ``{"picture": data URL or none, "en": ..., "zh": ...}`` each, worst first.
    """

    card: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    data_cards: Sequence[Mapping[str, Any]] = ()
    steps: Sequence[Mapping[str, Any]] = ()
    failures: Sequence[Mapping[str, Any]] = field(default=())


def gather(bundle: Path, run: Path | None = None, cohorts: Sequence[Path] = ()) -> Material:
    """Read what lies at hand.

    Parameters
    ----------
    bundle
        Folder of the bundle.
    run
        Folder of its training: ``history.json`` is drawn, and of ``failures.json`` (a list of ``{"picture":
        file of the run, "en": ..., "zh": ...}``, worst first) a gallery is made.
    cohorts
        Folders with a ``data_card.json``.

    Raises
    ------
    RunRefused
        If the bundle lacks card or evaluation.
    """
    card, evaluation = (_read(bundle / name, None) for name in ("card.json", "evaluation.json"))
    if card is None or evaluation is None:
        remedy = "run the steps bundle and evaluate first"
        raise RunRefused("a bundle without card or evaluation", "both", remedy, bundle.name)
    steps = _read(run / "history.json", []) if run else []
    failures = _failures(run) if run else []
    cards = [_read(cohort / "data_card.json", {}) for cohort in cohorts]
    return Material(card, evaluation, [held for held in cards if held], steps, failures)


def _read(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else otherwise


def _failures(run: Path) -> list[Mapping[str, Any]]:
    held = _read(run / "failures.json", [])[:MOST_FAILURES]
    return [
        {**entry, "picture": _embedded(run / entry["picture"]) if entry.get("picture") else None}
        for entry in held
    ]


def _embedded(path: Path) -> str:
    kind = "jpeg" if path.suffix in (".jpg", ".jpeg") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def report_html(material: Material) -> Html:
    """Make the report: one self-contained file, the same material always the same bytes."""
    title = material.card["title"]
    return document(f"{title['en']} - {WORDS['report'][0]}", "".join(_body(material)))


def _body(material: Material) -> Iterator[Html]:
    card, evaluation = material.card, material.evaluation
    identity = card["identity"]
    yield f"<h1>{both(card['title']['en'], card['title']['zh'])}</h1>"
    yield paragraph(escape(f"{identity['name']} {identity['version']}, {identity['manufacturer']}"), "soft")
    yield paragraph(word("research"), "warn")
    yield section(word("use"), paragraph(both(**_languages(card["intended_use"]))), _not_for(card))
    grade = GRADES.get(card.get("evidence_grade", ""), (card.get("evidence_grade", "?"),) * 2)
    yield section(word("evidence"), paragraph(both(*grade), "grade"), paragraph(word("reading"), "soft"))
    yield section(word("limits"), bullets(both(e, z) for e, z in _pairs(card["limits"], card["limits_zh"])))
    yield section(both(*SECTIONS["findings"]), _findings(card))
    yield from _measured(evaluation)
    yield _calibration(evaluation)
    yield _gallery(material.failures)
    yield _data(material.data_cards)
    if material.steps:
        yield section(word("training"), picture(history(material.steps), "figures over the training's steps"))
    yield _origin(card, evaluation)


def _languages(held: Mapping[str, str]) -> dict[str, str]:
    return {"en": held["en"], "zh": held["zh"]}


def _pairs(first: Sequence[str], second: Sequence[str]) -> Iterable[tuple[str, str]]:
    count = max(len(first), len(second))
    return zip([*first, *[""] * (count - len(first))], [*second, *[""] * (count - len(second))], strict=True)


def _not_for(card: Mapping[str, Any]) -> Html:
    if "not_for" not in card:
        return ""
    return f"<h3>{word('not_for')}</h3>" + paragraph(both(**_languages(card["not_for"])))


def _findings(card: Mapping[str, Any]) -> Html:
    declared = card.get("findings") or [
        {
            "code": card["finding"],
            "threshold": card["threshold"],
            "explanation_passed": card["explanation_passed"],
        }
    ]
    rows = [
        (
            both(entry["code"]["meaning"], entry["code"]["meaning_zh"]),
            f"{entry['threshold']:.3g}",
            word("yes" if entry["explanation_passed"] else "no"),
        )
        for entry in declared
    ]
    return table((word("findings"), word("threshold"), word("shown")), rows)


def _measured(evaluation: Mapping[str, Any]) -> Iterator[Html]:
    """One section for each member of the evaluation; those of `LAST` at the end."""
    names = [name for name in evaluation if name not in _NO_SECTION]
    baselines = list(figures(evaluation.get("baselines"), ("baselines",)))
    for name in sorted(names, key=lambda name: LAST.index(name) if name in LAST else -1):
        title = SECTIONS.get(name, (name.replace("_", " "),) * 2)
        beside = baselines if name in ("sites", "test") else []
        content = _figures(list(figures(evaluation[name], (name,))), beside)
        more = table(
            (word("other"), ""), [(escape(k), escape(v)) for k, v in bare_numbers(evaluation[name], (name,))]
        )
        if content or more:
            folded = f"<details><summary>{word('other')}</summary>{more}</details>" if more else ""
            yield section(both(*title), content, folded, name=name)
    failed = evaluation.get("did_not_work")
    if failed:
        yield section(
            both("What did not work", "未奏效的尝试"), bullets(escape(str(text)) for text in failed)
        )


def _figures(found: Sequence[Figure], baselines: Sequence[Figure]) -> Html:
    """Pictures by kind of measure, then one table of all."""
    if not found:
        return ""
    by_measure: dict[str, list[Figure]] = {}
    for figure in found:
        measure = "auc" if figure.path[0] == "baselines" else figure.path[-1]
        by_measure.setdefault(measure, []).append(figure)
    drawn = []
    for measure, same in by_measure.items():
        beside = [b for b in baselines if measure == "auc"]
        if len(same) + len(beside) > 1:
            words = (
                f"{measure.replace('_', ' ')}: {len(same)} figures with 95 % intervals, as in the table below"
            )
            drawn.append(
                f"<h3>{both(*MEASURES.get(measure, (measure.replace('_', ' '),) * 2))}</h3>"
                + picture(forest(same, beside), words)
            )
    rows = [(escape(f.label), escape(f.text()), str(f.n or ""), word("few") if f.few else "") for f in found]
    return "".join(drawn) + table((word("figure"), word("value"), "n", ""), rows)


def _calibration(evaluation: Mapping[str, Any]) -> Html:
    curves = [(label, bins) for label, bins in reliabilities(evaluation) if "validation" not in label][:8]
    if not curves:
        return ""
    return section(
        both(*SECTIONS["calibration"]),
        paragraph(word("calibration_plot"), "soft"),
        picture(reliability(curves), "calibration curves of " + ", ".join(label for label, _ in curves)),
    )


def _gallery(failures: Sequence[Mapping[str, Any]]) -> Html:
    if not failures:
        return section(word("failures"), paragraph(word("no_failures"), "soft"), name="failures")
    shown = "".join(
        f"<figure>{picture(entry['picture'], entry['en']) if entry.get('picture') else ''}"
        f"<figcaption>{both(entry['en'], entry['zh'])}</figcaption></figure>"
        for entry in failures
    )
    return section(word("failures"), paragraph(word("failures_told"), "soft"), shown, name="failures")


def _data(cards: Sequence[Mapping[str, Any]]) -> Html:
    if not cards:
        return section(word("data"), paragraph(word("no_data"), "soft"), name="data")
    return section(word("data"), *("".join(_data_card(card)) for card in cards), name="data")


def _data_card(card: Mapping[str, Any]) -> Iterator[Html]:
    yield f"<h3>{escape(card['name'])}</h3>"
    splits = [(escape(s), str(c["images"]), str(c["patients"])) for s, c in card["splits"].items()]
    yield table((word("split"), word("images"), word("patients")), splits)
    for name in ("site", "view", "sex", "age"):
        rows = [(escape(value), *map(str, counts.values())) for value, counts in card["by"][name].items()]
        yield table((both(*_ATTRIBUTES[name]), *card["splits"]), rows)
    yield table((word("missing"), ""), [(escape(k), f"{v:.1%}") for k, v in card["missing"].items()])
    shortcuts = [
        (escape(f"{e['label']}: {e['attribute']}"), f"{e['cramers_v']:.2f}", str(e["n"]))
        for e in card["possible_shortcuts"][:20]
    ]
    yield table((word("shortcuts"), "V", "n"), shortcuts)
    yield table((word("left_out"), ""), [(escape(k), str(v)) for k, v in card["left_out"].items()])
    yield f"<h4>{word('traps')}</h4>" + bullets(escape(trap) for trap in card["traps"])


_ATTRIBUTES = {
    "site": ("site", "来源"),
    "view": ("view", "体位"),
    "sex": ("sex", "性别"),
    "age": ("age", "年龄"),
}


def _origin(card: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Html:
    facts = [
        (escape(k), f"<code>{escape(v)}</code>")
        for k, v in bare_numbers(evaluation.get("origin", {}), ("origin",))
    ]
    hashes = [(escape(name), f"<code>{escape(digest)}</code>") for name, digest in card["files"].items()]
    return section(
        word("origin"),
        table((word("origin"), ""), facts),
        table((word("hashes"), ""), hashes),
        f"<h3>{word('attribution')}</h3>",
        bullets(escape(text) for text in card["attribution"]),
    )
