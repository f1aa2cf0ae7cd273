"""One reader on one case: every way in which a reading can end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coread.dicom import open_object
from coread.domain.codes import LUNG
from coread.domain.finding import Box, Presence
from coread.domain.reading import Outcome, Reason
from coread.domain.study import Instance, Study
from coread.errors import BundleRefused, MalformedObject
from coread.readers import Band, Calibration, Case, Machine, ReaderOutput, Unfit, eligible, run
from coread.testing import broken, chest_pixels, chest_radiograph, ct_slice, dicom_from_pixels, text_report
from coread.testing.readers import ExampleReader, brightness, fails, unsure

STUDY = "1.2.826.0.1.7"
CURVE = Calibration((0.0, 1.0), (0.0, 1.0), (0.0, 0.9), (0.1, 1.0), "drawn chests", Band(0.4, 0.6))


def chest(number: int = 1, **facts):
    return open_object(
        dicom_from_pixels(
            chest_pixels(number, 128), study_uid=STUDY, facts={"InstanceNumber": number, **facts}
        )
    )


def case(*images, version: int = 1) -> Case:
    return Case(study_of(*images), version, images)


def study_of(*images) -> Study:
    return Study(STUDY, tuple(instance(image) for image in images))


def instance(image, source: str = "stow") -> Instance:
    return Instance(image.header, "ab/cd/ef.dcm", "00", 1, None, source)


class Scripted(ExampleReader):
    """Answers each image with what the test says, by instance number."""

    def __init__(self, answers, **changed):
        example = brightness(Machine())
        super().__init__(**{**vars(example), "calibration": CURVE, "look": None, **changed})
        object.__setattr__(self, "answers", answers)

    def accepts(self, image):
        return None

    def read(self, image):
        answer = self.answers[int(image.header.facts["InstanceNumber"])]
        if isinstance(answer, Exception):
            raise answer
        return answer


def said(score: float, **more) -> ReaderOutput:
    return ReaderOutput(score, **more)


HEADER_ONLY = Reason("other-view", "The view is lateral.", "侧位。")


class TestOutcomes:
    def test_one_finding_for_each_image(self):
        images = [chest(n) for n in (1, 2, 3)]
        reading = run(
            Scripted({1: said(0.9), 2: said(0.2), 3: said(0.5)}), case(*images, version=4), "2.25.7"
        )
        assert reading.outcome is Outcome.FINDINGS
        assert [f.presence for f in reading.findings] == [
            Presence.PRESENT,
            Presence.ABSENT,
            Presence.INDETERMINATE,
        ]
        assert [f.image for f in reading.findings] == [image.header.ref for image in images]
        assert [f.tracking_id for f in reading.findings] == ["Opacity 1", "Opacity 2", "Opacity 3"]
        assert reading.inputs == tuple(image.header.ref for image in images)
        assert (reading.study_instance_uid, reading.study_version, reading.predecessor_uid) == (
            STUDY,
            4,
            "2.25.7",
        )

    def test_confidence_is_calibrated_with_its_interval(self):
        (finding,) = run(Scripted({1: said(0.8)}), case(chest())).findings
        confidence = finding.confidence
        assert (confidence.lower, confidence.probability, confidence.upper) == (0.72, 0.8, 0.82)
        assert (confidence.level, confidence.calibrated_on) == (0.95, "drawn chests")

    def test_the_threshold_counts_as_present(self):
        curve = replace(CURVE, band=Band(0.5, 0.5))
        (finding,) = run(Scripted({1: said(0.5)}, calibration=curve), case(chest())).findings
        assert finding.presence is Presence.PRESENT

    def test_a_reader_sure_of_no_image_abstains(self):
        reading = run(Scripted({1: said(0.5), 2: said(0.45)}), case(chest(1), chest(2)))
        assert (reading.outcome, reading.findings) == (Outcome.ABSTAINED, ())
        assert reading.reason.code == "not-sure"
        assert "50 %" in reading.reason.text
        assert "40 %" in reading.reason.text_zh

    def test_a_readers_own_doubt_is_an_abstention(self):
        doubt = Reason("twins-disagree", "Two networks disagree.", "两个网络意见不一。")
        assert run(Scripted({1: said(0.9, doubt=doubt)}), case(chest())).reason == doubt
        both = run(Scripted({1: said(0.9, doubt=doubt), 2: said(0.1)}), case(chest(1), chest(2)))
        assert [f.presence for f in both.findings] == [Presence.INDETERMINATE, Presence.ABSENT]

    def test_unfit_images_are_left_out_of_the_findings(self):
        reading = run(Scripted({1: Unfit(HEADER_ONLY), 2: said(0.9)}), case(chest(1), chest(2)))
        assert [f.image.sop_instance_uid for f in reading.findings] == [reading.inputs[1].sop_instance_uid]

    def test_example_readers(self):
        assert run(unsure(Machine()), case(chest())).outcome is Outcome.ABSTAINED
        assert run(brightness(Machine()), case(chest())).outcome is Outcome.FINDINGS


class TestRefusals:
    def test_the_reason_of_the_image_that_came_furthest_is_told(self):
        late = Reason("inverted", "The grey scale looks inverted.", "灰度反转。")
        images = (open_object(ct_slice(study_uid=STUDY)), chest(1), chest(2))
        reading = run(Scripted({1: Unfit(late), 2: Unfit(HEADER_ONLY)}), case(*images))
        assert (reading.outcome, reading.reason) == (Outcome.REFUSED, late)

    def test_the_gate_on_the_header_is_asked_first(self):
        class Lateral(Scripted):
            def accepts(self, image):
                return HEADER_ONLY

        assert run(Lateral({}), case(chest())).reason == HEADER_ONLY

    def test_another_modality_is_refused_before_the_reader_is_asked(self):
        reason = run(Scripted({}), case(open_object(ct_slice()))).reason
        assert (reason.code, reason.text) == (
            "other-modality",
            "The study's image is CT; this reader is made for CR, DX.",
        )

    def test_a_modality_that_is_no_term_is_not_repeated(self):
        reason = run(Scripted({}), case(chest(Modality="ZZYZX CANARY"))).reason
        assert "another kind" in reason.text
        assert "其他类型" in reason.text_zh
        assert "CANARY" not in reason.text + reason.text_zh

    def test_a_result_of_a_reader_is_not_read(self):
        report = open_object(text_report(study_uid=STUDY))
        assert run(Scripted({}), case(report)).reason.code == "derived-object"

    def test_without_an_image_the_study_says_why(self):
        ct = study_of(open_object(ct_slice(study_uid=STUDY)))
        assert run(Scripted({}), Case(ct, 1, ())).reason.code == "other-modality"
        assert run(Scripted({}), Case(Study(STUDY, ()), 1, ())).reason.code == "no-image"

    def test_pixels_that_cannot_be_decoded_are_refused(self):
        reading = run(brightness(Machine()), case(open_object(broken("broken_pixels"))))
        assert (reading.outcome, reading.reason.code) == (Outcome.REFUSED, "unreadable-pixels")
        assert "[1108]" in reading.reason.text


class TestFailures:
    def test_a_plug_in_that_raises_fails_with_its_number_and_without_its_words(self):
        reading = run(fails(Machine()), case(chest()))
        assert (reading.outcome, reading.reason.code) == (Outcome.FAILED, "reader-failed")
        assert "[1603]" in reading.reason.text
        assert "RuntimeError" in reading.reason.text
        assert "readers.py, line" in reading.reason.text
        assert "Zzyzx" not in repr(reading)

    @pytest.mark.parametrize(
        "answer",
        [
            None,
            0.7,
            said(0.9, frame=2),
            said(0.9, frame=0),
            said(0.9, boxes=(Box(0, 0, 129, 10),)),
            said(0.9, boxes=(Box(-1, 0, 5, 10),)),
            said(0.9, boxes=(Box(5, 5, -1, 10),)),
            MemoryError("no room"),
            KeyError("Zzyzx"),
            SystemExit(3),
            BundleRefused("a changed file"),
        ],
        ids=repr,
    )
    def test_a_broken_promise_is_a_failure(self, answer):
        reading = run(Scripted({1: answer}), case(chest()))
        assert reading.outcome is Outcome.FAILED
        assert reading.reason.text_zh.startswith("[1603]")

    def test_one_broken_image_fails_the_whole_reading(self):
        reading = run(Scripted({1: said(0.9), 2: ValueError()}), case(chest(1), chest(2)))
        assert (reading.outcome, reading.findings) == (Outcome.FAILED, ())

    def test_a_fault_of_the_input_is_no_fault_of_the_reader(self):
        reading = run(Scripted({1: MalformedObject("a short sequence")}), case(chest()))
        assert reading.outcome is Outcome.REFUSED

    def test_an_interrupt_of_the_person_is_passed_on(self):
        class Interrupted(Scripted):
            def read(self, image):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(Interrupted({}), case(chest()))

    @pytest.mark.parametrize(
        "output",
        [
            lambda: said(float("nan")),
            lambda: said(float("inf")),
            lambda: said(0.5, saliency=np.zeros(3, np.float32)),
            lambda: said(0.5, saliency=np.full((2, 2), np.nan, np.float32)),
            lambda: said(0.5, seen=Box(0, 0, 0, 3)),
        ],
    )
    def test_an_output_that_makes_no_sense_cannot_be_made(self, output):
        with pytest.raises(ValueError, match="must"):
            output()


class TestIdentity:
    def test_the_same_case_gives_the_same_reading(self):
        reader, images = brightness(Machine()), (chest(1), chest(2))
        assert run(reader, case(*images)) == run(brightness(Machine()), case(*images))

    def test_a_finding_keeps_its_name_through_versions_of_the_study(self):
        reader = Scripted({1: said(0.9), 2: said(0.9)})
        first, second = run(reader, case(chest(1))), run(reader, case(chest(1), chest(2), version=2))
        assert first.findings[0].tracking_uid == second.findings[0].tracking_uid
        assert first.uid != second.uid
        assert len({f.tracking_uid for f in second.findings}) == 2

    def test_another_version_of_the_reader_names_its_findings_anew(self):
        reader = Scripted({1: said(0.9)})
        card = replace(reader.card, identity=replace(reader.card.identity, version="2.0.0"))
        newer = Scripted({1: said(0.9)}, card=card)
        one, other = (run(each, case(chest())).findings[0] for each in (reader, newer))
        assert one.tracking_uid != other.tracking_uid

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4), st.randoms())
    def test_scores_of_any_size_and_order_give_one_honest_answer_each(self, scores, random):
        images = [_CHESTS[n] for n in range(len(scores))]
        reader = Scripted(dict(enumerate(map(said, scores), 1)))
        reading = run(reader, case(*images))
        again = run(reader, case(*random.sample(images, len(images))))
        assert reading.outcome in (Outcome.FINDINGS, Outcome.ABSTAINED)
        assert again.outcome is reading.outcome
        of_image = {f.image: (f.presence, f.confidence, f.tracking_uid) for f in reading.findings}
        assert of_image == {f.image: (f.presence, f.confidence, f.tracking_uid) for f in again.findings}
        for presence, confidence, _ in of_image.values():
            sure = presence is not Presence.INDETERMINATE
            assert sure is not CURVE.band.holds(confidence.probability)


_CHESTS = [chest(n) for n in (1, 2, 3, 4)]


class TestHeatMap:
    SALIENCY = np.array([[-1, 0], [2, 4]], np.float32)

    def finding(self, score=0.9, passed=True, **more):
        card = replace(brightness(Machine()).card, explanation_passed=passed)
        reader = Scripted(
            {1: said(score, saliency=self.SALIENCY, site=LUNG, method="map", **more)}, card=card
        )
        (finding,) = run(reader, case(chest())).findings
        return finding

    def test_it_covers_the_frame_unless_told_otherwise(self):
        shown = self.finding().heat_map
        assert shown.values.tolist() == [[0, 0], [0.5, 1]]
        assert (shown.extent, shown.method, shown.frame) == (Box(0, 0, 128, 128), "map", 1)

    def test_it_lies_where_the_reader_saw(self):
        assert self.finding(seen=Box(10, 20, 64, 32)).heat_map.extent == Box(10, 20, 64, 32)

    def test_none_is_shown_if_it_did_not_pass_or_if_nothing_was_found(self):
        assert self.finding(passed=False).heat_map is None
        assert self.finding(score=0.1).heat_map is None
        assert self.finding(seen=Box(500, 500, 10, 10)).heat_map is None
        self.SALIENCY = np.full((2, 2), -1, np.float32)
        assert self.finding().heat_map is None

    def test_site_and_boxes_are_kept(self):
        finding = self.finding(boxes=(Box(0, 0, 128, 128),))
        assert (finding.site, finding.boxes) == (LUNG, (Box(0, 0, 128, 128),))


class TestEligible:
    def test_originals_of_its_modalities(self):
        ct, own = open_object(ct_slice(study_uid=STUDY)), chest()
        made = instance(chest(2), source="reader:other")
        study = Study(STUDY, (instance(ct), instance(own), made))
        assert eligible(brightness(Machine()).card, study) == (instance(own),)

    def test_the_first_original_where_there_is_none(self):
        slices = [open_object(ct_slice(position=n, study_uid=STUDY)) for n in (0, 1)]
        study = study_of(open_object(text_report(study_uid=STUDY)), *slices)
        assert eligible(brightness(Machine()).card, study) == (instance(slices[0]),)

    def test_nothing_of_nothing(self):
        assert eligible(brightness(Machine()).card, Study(STUDY, ())) == ()


def test_the_reader_of_a_monochrome1_image_sees_the_same_chest():
    readings = []
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        image = open_object(chest_radiograph(size_px=128, photometric=photometric))
        readings.append(run(brightness(Machine()), case(image)))
    one, other = (reading.findings[0].confidence.probability for reading in readings)
    assert one == pytest.approx(other, abs=1e-3)
