"""Known vulnerabilities of the newest releases, as PyPI's page of each project lists them.

pip-audit asks for the page of each release. Where only the page of the project can be had, its field
``vulnerabilities`` holds the same advisories for the newest release, as PyPI's description of its JSON
interface says: an answer for every pin that is the newest, and for no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from advisories import Finding, Looked, normal

#: The service whose advisories are asked for, as it is pip-audit's.
PROJECTS = "https://pypi.org/pypi"
_PATIENCE_S = 15
_AT_ONCE = 8


def look(components: Iterable[tuple[str, str]], projects: str = PROJECTS) -> Looked | None:
    """Ask for each component; None where no page could be had.

    A pin that is not the newest release, or has no page, is left uncovered: a newer release is no fault of a
    pin, and a page that did not come says nothing.
    """
    parts = list(components)
    with httpx.Client(timeout=_PATIENCE_S) as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        pages = list(threads.map(lambda part: _page(client, f"{projects}/{normal(part[0])}/json"), parts))
    if not any(pages):
        return None
    is_covered = [_newest(page) == version for (_, version), page in zip(parts, pages, strict=True)]
    findings = tuple(
        _finding(name, version, told)
        for (name, version), page, covered in zip(parts, pages, is_covered, strict=True)
        if covered
        for told in page["vulnerabilities"]
        if not told.get("withdrawn")
    )
    uncovered = tuple(" ".join(part) for part, covered in zip(parts, is_covered, strict=True) if not covered)
    return Looked(findings, len(parts) - len(uncovered), (), uncovered=uncovered)


def _page(client: httpx.Client, url: str) -> dict[str, Any]:
    """Get one project's page; an empty one where it cannot be had or does not speak of vulnerabilities."""
    try:
        answer = client.get(url, follow_redirects=True).raise_for_status().json()
        return answer if isinstance(answer["vulnerabilities"], list) and answer["info"]["version"] else {}
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return {}


def _newest(page: dict[str, Any]) -> str:
    return str(page["info"]["version"]) if page else ""


def _finding(name: str, version: str, told: dict[str, Any]) -> Finding:
    aliases = frozenset(map(str, told.get("aliases", ())))
    return Finding(name, version, str(told["id"]), aliases, ", ".join(told.get("fixed_in", ())))
