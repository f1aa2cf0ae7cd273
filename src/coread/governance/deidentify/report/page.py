"""One HTML file that stands alone."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from coread.dicom import open_object
from coread.governance.deidentify.export.folder import FileOutcome
from coread.governance.deidentify.export.summary import Summary
from coread.governance.deidentify.report.leftovers import leftovers
from coread.governance.deidentify.rules import Profile

#: Objects shown with pictures, and the longest side of a picture in pixels.
_PICTURED, _PICTURE_PX = 40, 480
_STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans SC",sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
body{color:#16202a;background:#fff}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid #d6dde3;padding:.3rem .6rem;text-align:left;vertical-align:top}
th{background:#f2f5f7;position:sticky;top:0}
.warn{background:#fff4d6;border-left:4px solid #b97800;padding:.6rem 1rem}
.pair{display:flex;gap:1rem;flex-wrap:wrap;margin:.6rem 0 1.6rem}
figure{margin:0}img{max-width:30rem;background:#000}
@media(prefers-color-scheme:dark){
body{background:#11171c;color:#dfe6ec}th{background:#1b242c}th,td{border-color:#33404b}.warn{background:#3a2f10}}
"""


class ReviewPage:
    """Collects a run for the reviewer.

    Parameters
    ----------
    profile
        Under which it runs.
    domain
        Of the pseudonyms.
    """

    def __init__(self, profile: Profile, domain: str) -> None:
        self.summary = Summary(profile, domain)
        self._left: dict[str, Counter[str]] = {}
        self._stayed: list[tuple[str, str]] = []
        self._pictures: list[str] = []

    def add(self, outcome: FileOutcome) -> None:
        """Take one file's outcome in."""
        self.summary.add(outcome)
        if outcome.target is None:
            self._stayed.append((outcome.source.name, outcome.reason))
        if outcome.made is None:
            return
        for keyword, text in leftovers(outcome.made.data).texts:
            self._left.setdefault(keyword, Counter())[text] += 1
        pixels = outcome.made.pixels
        if pixels is not None and pixels.painted is not None and len(self._pictures) < _PICTURED:
            self._pictures.append(_pair(outcome))

    def write(self, folder: Path) -> Path:
        """Write ``review.html`` and ``review.json`` into a folder that stays in the hospital."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = self.summary.facts()
        facts["left"] = {word: dict(found.most_common(200)) for word, found in sorted(self._left.items())}
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        (folder / "review.json").write_text(text, encoding="utf-8")
        page = folder / "review.html"
        page.write_text(self._html(facts), encoding="utf-8")
        return page

    def _html(self, facts: dict[str, Any]) -> str:
        profile = self.summary.profile
        return "".join((
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>De-identification: review</title>',
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
            f"<h1>De-identification: {escape(profile.title)}</h1>",
            '<p class="warn">This page shows values as they were before. It stays in the hospital.</p>',
            f"<p><b>{escape(profile.status)}</b>. Source: {escape('; '.join(profile.legal_source))}. "
            f"As of {escape(profile.as_of)}; {escape(profile.confidence)}.</p>",
            _list("What no program does", profile.beyond_this_program),
            _numbers(facts),
            _table("Files that stay", ("file", "reason"), self._stayed),
            "<h2>Pixels</h2>" + ("".join(self._pictures) or "<p>No pixels were blanked.</p>"),
            _table("What was changed", ("attribute", "actions", "before", "after"), self._changed()),
            _table("What was left: every text", ("attribute", "text", "objects"), self._leftovers()),
            "</html>",
        ))  # fmt: skip

    def _changed(self) -> list[tuple[str, ...]]:
        return [
            (name, ", ".join(f"{a} {n}" for a, n in tally.actions.items()), *_columns(tally.examples))
            for name, tally in sorted(self.summary.attributes.items())
        ]

    def _leftovers(self) -> list[tuple[str, ...]]:
        return [
            (word, text, str(count))
            for word, found in sorted(self._left.items())
            for text, count in found.most_common(200)
        ]


def _columns(examples: dict[str, str]) -> tuple[str, str]:
    return "\n".join(examples), "\n".join(examples.values())


def _list(title: str, lines: tuple[str, ...]) -> str:
    rows = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{escape(title)}</h2><ul>{rows}</ul>" if lines else ""


def _numbers(facts: dict[str, Any]) -> str:
    words = ("objects_written", "patients", "studies", "objects_looked_at_for_text", "texts_blanked",
             "objects_from_which_a_face_may_be_drawn")  # fmt: skip
    return _table("Numbers", ("what", "how many"), [(w.replace("_", " "), str(facts[w])) for w in words])


def _table(title: str, heads: tuple[str, ...], rows: list[tuple[str, ...]] | list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(h)}</th>" for h in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(c).replace(chr(10), '<br>')}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def _pair(outcome: FileOutcome) -> str:
    before = _picture(outcome.source.read_bytes())
    after = _picture(outcome.made.data) if outcome.made is not None else ""
    pixels = outcome.made.pixels if outcome.made is not None else None
    texts = ", ".join(t.text for t in pixels.texts) if pixels is not None else ""
    left = ", ".join(pixels.left) if pixels is not None else ""
    return (
        f"<h3>{escape(str(outcome.target))}</h3>"
        f"<p>Blanked: {escape(texts)}. Left: {escape(left) or 'nothing'}.</p>"
        f'<div class="pair"><figure>{before}<figcaption>before</figcaption></figure>'
        f"<figure>{after}<figcaption>after</figcaption></figure></div>"
    )


def _picture(data: bytes) -> str:
    frame: npt.NDArray[np.uint8] = open_object(data).rendered(1)
    image = Image.fromarray(frame)
    image.thumbnail((_PICTURE_PX, _PICTURE_PX))
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=80)
    coded = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="first frame" src="data:image/jpeg;base64,{coded}">'
