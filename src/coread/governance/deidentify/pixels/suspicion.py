"""Which objects may bear burned-in text."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_CT_LIKE = frozenset(("CT", "MR", "PT", "NM"))


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(files(__package__).joinpath("suspicion.toml").read_text(encoding="utf-8"))


def is_suspicious(facts: Mapping[str, str]) -> bool:
    """Tell whether an image is one of the kinds that bear burned-in text in practice.

    Parameters
    ----------
    facts
        Keyword to text of ``Modality``, ``SOPClassUID``, ``ImageType``, ``BurnedInAnnotation``,
        ``SeriesDescription``, ``StudyDescription``, ``ConversionType``.
    """
    known = _facts()
    modality = facts.get("Modality", "").upper()
    if facts.get("BurnedInAnnotation", "").upper() == "YES" or facts.get("ConversionType"):
        return True
    if modality in known["modalities"] or not modality:
        return True
    if any(facts.get("SOPClassUID", "").startswith(uid) for uid in known["sop_classes"]):
        return True
    kinds = facts.get("ImageType", "").upper().split("\\")
    words = " ".join((*kinds, facts.get("SeriesDescription", "").upper()))
    if any(word in words for word in known["words"]):
        return True
    return modality in _CT_LIKE and "SECONDARY" in kinds[1:2]
