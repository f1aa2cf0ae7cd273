"""Evidence as files: JSON for programs, Markdown in English and Chinese for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coread.learning.evidence.gathering import Evidence, Found, Sources, gather
from coread.learning.evidence.grades import SAYS, SILENT
from coread.learning.runs.files import write_json

MOST_LINES = 80
"""Lines of figures in one item's text; the JSON has them all."""

STATUS = {
    "present": "完整", "partial": "部分", "absent": "缺失", "human_needed": "需人工补充",
}  # fmt: skip

INTERVAL = {"value", "lower", "upper"}

CI_METHOD = "95 %; by drawing patients (percentiles), Wilson for rates, DeLong where so named"


@dataclass(frozen=True)
class Making:
    """How the evidence was made.

    Attributes
    ----------
    version
        Of the reader.
    commit
        State of the code.
    at
        When, ISO 8601.
    """

    version: str
    commit: str
    at: str


def making_of(sources: Sources, at: str) -> Making:
    """Version and commit as card and evaluation state them."""
    identity = sources.content.get("card", {}).get("identity", {})
    origin = sources.content["evaluation"].get("origin", {})
    return Making(str(identity.get("version", "unknown")), str(origin.get("commit", "unknown")), at)


def write_evidence(sources: Sources, folder: Path, making: Making) -> tuple[Evidence, ...]:
    """Write each item as JSON and Markdown, and an index of all.

    Parameters
    ----------
    sources
        From `open_sources`.
    folder
        Made if it is not there; files of the same name are replaced.
    making
        Version, commit, time.

    Returns
    -------
    tuple of Evidence
        As written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = gather(sources)
    for evidence in items:
        name = f"{evidence.item.identifier}_{evidence.item.slug}"
        write_json(folder / f"{name}.json", as_json(evidence, sources, making))
        (folder / f"{name}.md").write_text(as_markdown(evidence, making), encoding="utf-8")
    index = [
        {key: value for key, value in as_json(e, sources, making).items() if key in _HEAD} for e in items
    ]
    write_json(
        folder / "index.json", {"items": index, "artefact_hashes": dict(sources.hashes), **asdict(making)}
    )
    (folder / "index.md").write_text(_index(items, making), encoding="utf-8")
    return items


_HEAD = ("id", "title", "title_zh", "status", "grade", "missing", "by_people")


def as_json(evidence: Evidence, sources: Sources, making: Making) -> dict[str, Any]:
    """One item with every figure, where it comes from, and what it does not show."""
    item, used = evidence.item, _used(evidence)
    return {
        "id": f"{item.identifier}.{item.slug}",
        "title": item.title,
        "title_zh": item.title_zh,
        "status": evidence.status,
        "version": making.version,
        "producer": item.producer,
        "grade": evidence.grade,
        "grade_says": _says(evidence)[0],
        "does_not_show": [item.silent, _silent(evidence)[0]],
        "parts": {name: [asdict(f) for f in found] for name, found in evidence.found.items()},
        "missing": list(evidence.missing),
        "by_people": list(evidence.by_people),
        "artefact_hashes": {n: digest for n, digest in sources.hashes.items() if n.split("/")[0] in used},
        "computed_from": {"code_commit": making.commit, "at": making.at},
        "ci_method": CI_METHOD,
        "reviewer_signoff": None,
    }


def _says(evidence: Evidence) -> tuple[str, str]:
    return SAYS[evidence.grade] if evidence.grade else ("nothing was measured", "未测量")


def _silent(evidence: Evidence) -> tuple[str, str]:
    return (
        SILENT[evidence.grade]
        if evidence.grade
        else ("anything: there is no evidence", "无证据，不能说明任何情况")
    )


def _used(evidence: Evidence) -> set[str]:
    return {f.source for found in evidence.found.values() for f in found}


def as_markdown(evidence: Evidence, making: Making) -> str:
    """One item for people."""
    item, says, silent = evidence.item, _says(evidence), _silent(evidence)
    chinese = {part.name: part.name_zh for part in item.parts}
    lines = [
        f"# {item.identifier} {item.title} · {item.title_zh}",
        "",
        f"Status 状态: **{evidence.status}** {STATUS[evidence.status]}  ",
        f"Grade of evidence 证据等级: **{evidence.grade or 'none'}**: {says[0]} · {says[1]}  ",
        f"Reader version 模型版本: {making.version}; code 代码: {making.commit}; {making.at}",
        "",
        "## What it does not show · 不说明的内容",
        "",
        f"- {item.silent} · {item.silent_zh}",
        f"- {silent[0]} · {silent[1]}",
    ]
    for name, found in evidence.found.items():
        lines += ["", f"## {name.capitalize()} · {chinese[name]}", "", *_figures(found)]
    if evidence.missing or evidence.by_people:
        lines += ["", "## Missing · 缺少的内容", ""]
        lines += [f"- {name} · {chinese[name]}" for name in evidence.missing]
        lines += [
            f"- {name} · {chinese[name]} (to be added by people · 需人工补充)" for name in evidence.by_people
        ]
    lines += ["", "Reviewed by 审核人: ______________  Date 日期: ______________", ""]
    return "\n".join(lines)


def _figures(found: Sequence[Found]) -> list[str]:
    lines = [
        f"| {place} | {text} |" for f in found for place, text in _flat(f.value, f"{f.source}{f.pointer}")
    ]
    head = ["| where 位置 | value (95 % interval) 数值 |", "|---|---|"]
    more = [f"| … | {len(lines) - MOST_LINES} more in the JSON file |"] if len(lines) > MOST_LINES else []
    return head + lines[:MOST_LINES] + more


def _flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Leaves with their places; an interval is one leaf."""
    if isinstance(value, dict) and value.keys() >= INTERVAL:
        yield place, _interval(value)
    elif isinstance(value, dict):
        for name, held in value.items():
            yield from _flat(held, f"{place}/{name}")
    elif isinstance(value, list) and len(value) > 6 and all(isinstance(v, (int, float)) for v in value):
        yield place, f"{len(value)} numbers"
    elif isinstance(value, list) and all(not isinstance(v, (dict, list)) for v in value):
        yield place, "; ".join(_text(v) for v in value)
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from _flat(held, f"{place}/{number}")
    else:
        yield place, _text(value)


def _interval(value: Mapping[str, Any]) -> str:
    if value["value"] is None:
        return "not measured"
    reach = "" if value["lower"] is None else f" ({_text(value['lower'])} to {_text(value['upper'])})"
    size = f", n = {value['n']:.0f}" if value.get("n") is not None else ""
    return f"{_text(value['value'])}{reach}{size}"


def _text(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _index(items: Sequence[Evidence], making: Making) -> str:
    lines = [
        "# Evidence · 证据清单",
        "",
        f"Reader version 模型版本: {making.version}; code 代码: {making.commit}; {making.at}",
        "",
        "| item 编号 | title 标题 | status 状态 | grade 等级 | missing 缺少 |",
        "|---|---|---|---|---|",
    ]
    for e in items:
        name = f"[{e.item.identifier}]({e.item.identifier}_{e.item.slug}.md)"
        gaps = "; ".join((*e.missing, *(f"{p} (people)" for p in e.by_people)))
        status = f"{e.status} {STATUS[e.status]}"
        lines.append(
            f"| {name} | {e.item.title} · {e.item.title_zh} | {status} | {e.grade or 'none 无'} | {gaps} |"
        )
    return "\n".join([*lines, ""])
