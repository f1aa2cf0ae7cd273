"""A reader that is asked: the contract kept by the example, and held to by the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from outlined_readings import NODULE, asked, at_the_nodule, case, slices

from coread.domain import codes
from coread.domain.codes import Code
from coread.domain.finding import Box, Outline, Presence
from coread.domain.reading import Outcome, Prompt, Reason
from coread.domain.study import InstanceRef
from coread.errors import ReaderUnavailable
from coread.readers import Machine, ReaderOutput, Registry, Unfit, run_at
from coread.readers.judging import MOST_FINDINGS
from coread.testing.growing import GROWING_READER, SUSPICIOUS, GrowingReader, growing
from coread.testing.nodules import DrawnNodule
from coread.testing.prompted import PromptedReaderTests, Question

EXAMPLE = growing(Machine())
BOX = Box(NODULE.column_px - 8, NODULE.row_px - 8, 16.0, 16.0)


class TestGrowing(PromptedReaderTests):
    def reader(self) -> GrowingReader:
        return growing(Machine())

    def fit_prompts(self) -> list[Question]:
        return [(slices(), at_the_nodule()), (slices(), at_the_nodule(point=None, box=BOX))]


@pytest.mark.parametrize("diameter_mm", [6.0, 10.0, 16.0])
def test_it_measures_what_was_drawn_within_its_interval(diameter_mm):
    nodule = DrawnNodule(diameter_mm=diameter_mm)
    finding = asked(nodule=nodule).findings[0]
    volume = next(m for m in finding.measurements if m.quantity == codes.VOLUME)
    assert volume.lower <= nodule.volume_mm3 <= volume.upper
    long_axis = finding.measurements[0]
    assert abs(long_axis.value - diameter_mm) <= 2 * nodule.spacing_mm


@pytest.mark.parametrize(("density_hu", "texture"), [(40.0, codes.SOLID), (-200.0, codes.PART_SOLID)])
def test_it_tells_densities_apart(density_hu, texture):
    finding = asked(nodule=DrawnNodule(density_hu=density_hu)).findings[0]
    assert finding.characteristics[0].value == texture


def test_each_finding_has_its_own_calibration_and_presence():
    reader = growing(Machine())
    nodule, suspicious = asked().findings
    assert (nodule.presence, suspicious.presence) == (Presence.PRESENT, Presence.ABSENT)
    assert nodule.code == reader.card.finding
    assert suspicious.code == SUSPICIOUS
    assert len({nodule.tracking_uid, suspicious.tracking_uid}) == 2
    assert nodule.tracking_id == "Nodule (image 8, 60, 40)"


def test_the_reading_is_named_by_reader_study_and_prompt():
    one, again, other = asked(), asked(), asked(at_the_nodule(point=None, box=BOX))
    assert one.uid == again.uid
    assert one.uid != other.uid
    assert one.findings[0].tracking_uid != other.findings[0].tracking_uid
    assert replace(one, study_version=2).uid != one.uid


@dataclass(frozen=True)
class Scripted:
    """Answers every question with what the test says."""

    answer: Any
    base: GrowingReader = EXAMPLE

    @property
    def card(self):
        return self.base.card

    @property
    def calibration(self):
        return self.base.calibration

    @property
    def calibrations(self):
        return self.base.calibrations

    def accepts(self, image):
        return None

    def read_at(self, images, prompt):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def said(answer):
    return run_at(Scripted(answer), case(), at_the_nodule())


def outline(shape=(96, 96), ref=None, frame=1):
    mask = np.zeros(shape, bool)
    mask[1:3, 1:3] = True
    return Outline.of(mask, ref or slices()[0].header.ref, frame)


ELSEWHERE = InstanceRef("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2")


@pytest.mark.parametrize(
    "answer",
    [
        (),
        [ReaderOutput(1.0)] * (MOST_FINDINGS + 1),
        "a text",
        [ReaderOutput(1.0), "a text"],
        None,
        ReaderOutput(1.0, code=Code("1", "SCT", "Undeclared")),
        ReaderOutput(1.0, frame=2),
        ReaderOutput(1.0, boxes=(Box(90, 90, 10, 10),)),
        ReaderOutput(1.0, outlines=(outline(ref=ELSEWHERE),)),
        ReaderOutput(1.0, outlines=(outline(shape=(95, 96)),)),
        ReaderOutput(1.0, outlines=(outline(frame=2),)),
        RuntimeError("Zzyzx^Canary"),
    ],
)
def test_what_breaks_the_contract_fails_and_tells_nobody_s_data(answer):
    reading = said(answer)
    assert reading.outcome is Outcome.FAILED
    assert "Zzyzx" not in reading.reason.text
    assert reading.prompt == at_the_nodule()


def test_unfit_is_refused_and_doubt_of_all_is_an_abstention():
    reason = Reason("odd", "Odd.", "奇怪。")
    assert said(Unfit(reason)).outcome is Outcome.REFUSED
    doubtful = ReaderOutput(4.0, doubt=reason)
    assert said([doubtful, replace(doubtful, code=SUSPICIOUS)]).reason == reason
    mixed = said([doubtful, ReaderOutput(4.0, code=SUSPICIOUS)])
    assert [f.presence for f in mixed.findings] == [Presence.INDETERMINATE, Presence.PRESENT]


def test_several_findings_of_one_code_are_told_apart():
    reading = said([ReaderOutput(4.0), ReaderOutput(3.0), ReaderOutput(4.0, code=SUSPICIOUS)])
    assert len({finding.tracking_uid for finding in reading.findings}) == 3
    assert reading.findings[1].tracking_id.startswith("Nodule 2 ")


def test_an_image_that_the_case_lacks_is_refused():
    reading = run_at(growing(Machine()), case(), Prompt(ELSEWHERE, point=(1.0, 1.0)))
    assert (reading.outcome, reading.prompt.image) == (Outcome.REFUSED, ELSEWHERE)


def test_the_registry_offers_it_to_doctors_and_not_to_routes():
    registry = Registry.load([GROWING_READER])
    assert [card.identity.name for card in registry.prompted()] == ["example-growing"]
    finding = asked().findings[1]
    assert registry.reconsider("example-growing")(finding) == finding.confidence
    assert registry.reconsider("nobody") is None


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"prompt": None}, "a card with a prompt needs read_at"),
        ({"findings": growing(Machine()).card.findings[::-1]}, "not the main one"),
    ],
)
def test_a_card_that_does_not_fit_its_reader_is_refused(monkeypatch, changed, reason):
    made = growing(Machine())
    odd = replace(made, card=replace(made.card, **changed))
    monkeypatch.setattr("coread.testing.growing.growing", lambda _: odd)
    with pytest.raises(ReaderUnavailable, match=reason):
        Registry.load([GROWING_READER]).reader("example-growing")


def test_a_finding_without_its_calibration_is_refused(monkeypatch):
    odd = replace(growing(Machine()), calibrations={})
    monkeypatch.setattr("coread.testing.growing.growing", lambda _: odd)
    with pytest.raises(ReaderUnavailable, match="no calibration of the finding suspicious"):
        Registry.load([GROWING_READER]).reader("example-growing")


@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"point": (1.0, 2.0), "box": BOX},
        {"point": (float("nan"), 2.0)},
        {"box": Box(1, 1, 0, 1)},
        {"point": (1.0, 2.0), "frame": 0},
    ],
)
def test_a_prompt_is_one_place(facts):
    with pytest.raises(ValueError, match=r"prompt|coordinates"):
        Prompt(ELSEWHERE, **facts)
