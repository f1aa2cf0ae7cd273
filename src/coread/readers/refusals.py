"""Reasons for which an image is not read, in the words that the doctor sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from coread.domain.bundle import Card
from coread.domain.reading import Reason
from coread.domain.study import Header, Study
from coread.errors import InputFault
from coread.routing import is_derived, known_modality, originals

STAGES = ("kind", "header", "pixels")
"""How far an image came before it was refused; who comes further has the more telling reason."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An image that is not read."""

    reason: Reason
    stage: Literal["kind", "header", "pixels"]


def most_telling(refusals: Sequence[Refusal]) -> Reason:
    """Reason of the image that came furthest; of several, the first in the study's order."""
    return max(refusals, key=lambda refusal: STAGES.index(refusal.stage)).reason


def wrong_kind(card: Card, header: Header) -> Refusal | None:
    """Refuse what the reader's card does not name, before the reader is asked."""
    if is_derived(header):
        text = "The object is a result or a report, not an image of a patient."
        return Refusal(Reason("derived-object", text, "该对象是结果或报告，而非患者影像。"), "kind")
    modality = header.facts.get("Modality", "")
    if modality in card.modalities:
        return None
    return Refusal(_other_modality(card, {modality}), "kind")


def no_image(card: Card, study: Study) -> Reason:
    """Say why a reader of this study was given nothing."""
    found = {i.header.facts.get("Modality", "") for i in originals(study)}
    if found:
        return _other_modality(card, found)
    return Reason("no-image", "The study holds no image.", "该检查中没有影像。")


def unreadable(fault: InputFault) -> Refusal:
    """Refuse an image whose pixels cannot be had, in the error's public words."""
    text = f"[{fault.number}] {fault.sentence}"
    return Refusal(Reason("unreadable-pixels", text, f"[{fault.number}] 像素数据无法读取。"), "pixels")


def _other_modality(card: Card, found: set[str]) -> Reason:
    """Name modalities only if they are defined terms: the element may hold anything."""
    wanted = ", ".join(card.modalities)
    terms = sorted({known_modality(value) or "another kind" for value in found})
    terms_zh = ("其他类型" if term == "another kind" else term for term in terms)
    return Reason(
        "other-modality",
        f"The study's image is {', '.join(terms)}; this reader is made for {wanted}.",
        f"影像类型为 {'、'.join(terms_zh)}；本模型适用于 {wanted}。",
    )
