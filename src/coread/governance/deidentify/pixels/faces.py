"""Volumes from which a face can be drawn: flagged by what the header says, not removed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_KEYWORDS = ("BodyPartExamined", "SeriesDescription", "StudyDescription", "ProtocolName")


@cache
def _facts() -> tuple[frozenset[str], re.Pattern[str]]:
    data = tomllib.loads(files(__package__).joinpath("faces.toml").read_text(encoding="utf-8"))
    words = "|".join(rf"(?<![A-Z]){re.escape(w)}" if w.isascii() else re.escape(w) for w in data["words"])
    return frozenset(data["modalities"]), re.compile(words)


def shows_face(facts: Mapping[str, str]) -> bool:
    """Tell whether a face may be drawn from an image: head or neck in CT, MR, PT or a photograph.

    *Does not* look at the pixels: a head under the name of a chest is not found.

    Parameters
    ----------
    facts
        Keyword to text of ``Modality``, ``BodyPartExamined``, ``SeriesDescription``, ``StudyDescription``,
        ``ProtocolName``, ``RecognizableVisualFeatures``.
    """
    if facts.get("RecognizableVisualFeatures", "").upper() == "YES":
        return True
    modalities, words = _facts()
    if facts.get("Modality", "").upper() not in modalities:
        return False
    return any(words.search(facts.get(keyword, "").upper()) for keyword in _KEYWORDS)
