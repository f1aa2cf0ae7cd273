"""From the nodules of a report to what the follow-up rules ask: size, composition, signs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Presence
from coread.domain.review import Decision, Statement
from coread.review.follow_up.nodules import Composition
from coread.review.study_review import MeasuredNodule

#: Mean diameter of the solid part of a part-solid nodule, where a reader or a doctor gives it.
SOLID_PART = Code("solid-diameter", "99COREAD", "Diameter of solid part", "实性成分直径")

_TO_MM = {"mm": 1.0, "cm": 10.0}
_COMPOSITIONS: Mapping[tuple[str, str], Composition] = {
    (code.scheme, code.value): composition
    for code, composition in (
        (codes.SOLID, Composition.SOLID),
        (codes.PART_SOLID, Composition.PART_SOLID),
        (codes.GROUND_GLASS, Composition.GROUND_GLASS),
    )
}


def measured_nodules(decisions: Iterable[Decision]) -> Iterator[MeasuredNodule]:
    """Yield the nodules that stand in the report and have a diameter.

    The mean diameter is that of long and short axis (MacMahon et al. 2017, doi:10.1148/radiol.2017161659),
    else a diameter that was measured as such.
    """
    for decision in decisions:
        said = decision.statement
        if said is None or said.presence is not Presence.PRESENT or not _is(said.code, codes.LUNG_NODULE):
            continue
        diameter_mm = _diameter_mm(said)
        if diameter_mm > 0:
            yield _nodule(decision.finding_uid, said, diameter_mm)


def _nodule(finding_uid: str, said: Statement, diameter_mm: float) -> MeasuredNodule:
    traits = {(t.concept.scheme, t.concept.value): t.value for t in said.traits}
    texture = traits.get((codes.TEXTURE.scheme, codes.TEXTURE.value))
    composition = _COMPOSITIONS.get((texture.scheme, texture.value)) if texture else None
    return MeasuredNodule(
        finding_uid=finding_uid,
        diameter_mm=round(diameter_mm, 2),
        composition=str(composition or ""),
        solid_mm=round(_mm(said, SOLID_PART), 2) if composition is Composition.PART_SOLID else 0.0,
        is_suspicious=_has(traits, codes.MARGINS, codes.SPICULATED),
        is_benign=_has(traits, codes.CALCIFICATION, codes.CALCIFIED),
    )


def _diameter_mm(said: Statement) -> float:
    long_mm, short_mm = _mm(said, codes.LONG_AXIS), _mm(said, codes.SHORT_AXIS)
    return (long_mm + short_mm) / 2 if long_mm and short_mm else _mm(said, codes.DIAMETER) or long_mm


def _mm(said: Statement, quantity: Code) -> float:
    """Return a length of the statement in mm; 0 where there is none."""
    found = (m for m in said.measurements if _is(m.quantity, quantity) and m.unit.value in _TO_MM)
    measured = next(found, None)
    return measured.value * _TO_MM[measured.unit.value] if measured else 0.0


def _has(traits: Mapping[tuple[str, str], Code], concept: Code, value: Code) -> bool:
    said = traits.get((concept.scheme, concept.value))
    return said is not None and _is(said, value)


def _is(code: Code, other: Code) -> bool:
    return (code.scheme, code.value) == (other.scheme, other.value)
