"""A doctor asks a reader to look at a place: it looks there once, and what it says goes out."""

from __future__ import annotations

import io
import json
from collections import Counter

import numpy as np
import pydicom
from highdicom import pr
from prompting import NODULE, READER, ask, middle_of, prompt_in, send_nodule

from coread.casebook import PromptState
from coread.dicom import open_object
from coread.domain import codes
from coread.domain.finding import Box
from coread.domain.reading import Outcome, Prompt
from coread.errors import NotFound
from coread.testing.nodules import nodule_series


def ready(any_house, **more):
    made = any_house(COREAD_COMPLETENESS__QUIET_PERIOD_S="0.5", **more)
    made.clinic.start()
    uid = send_nodule(made.clinic)
    made.wait_for("study.read", uid)
    return made, uid


def answered(made, asked) -> None:
    state = made.clinic.casebook.prompts
    made.wait(lambda: state.get(asked.uid).state is PromptState.ANSWERED)


def test_the_answer_is_a_reading_with_its_results(any_house) -> None:
    made, uid = ready(any_house)
    asked = ask(made.clinic, uid)
    answered(made, asked)
    reading = made.clinic.readings.get(asked.uid)
    assert (reading.outcome, reading.prompt, reading.study_version) == (Outcome.FINDINGS, asked.prompt, 1)
    nodule = reading.findings[0]
    assert nodule.code == codes.LUNG_NODULE
    volume = next(m for m in nodule.measurements if m.quantity == codes.VOLUME)
    assert volume.lower <= NODULE.volume_mm3 <= volume.upper
    kept = made.clinic.archive.study(uid).instances
    own = Counter(i.header.facts["Modality"] for i in kept if i.source == f"reader:{READER}")
    assert own == {"SR": 1, "SEG": 1, "PR": 1, "OT": 1}
    resources = [json.loads(text) for text in made.clinic.resources.of_study(uid)]
    assert f"urn:oid:{nodule.tracking_uid}" in {
        i["value"] for r in resources if r["resourceType"] == "Observation" for i in r.get("identifier", ())
    }
    deliveries = made.clinic.deliveries.of_study(uid)
    made.wait(lambda: not made.clinic.deliveries.pending())
    sr = reading.derive_uid("sr")
    assert {d.destination for d in deliveries if d.object_id == sr} == {"pacs"}


def test_the_reader_is_given_the_stack_in_order_within_its_reach(any_house) -> None:
    made, uid = ready(any_house)
    asked = ask(made.clinic, uid)
    answered(made, asked)
    images = {i.ref.sop_instance_uid: i for i in made.clinic.archive.study(uid).instances}
    inputs = made.clinic.readings.get(asked.uid).inputs
    numbers = [int(images[ref.sop_instance_uid].header.facts["InstanceNumber"]) for ref in inputs]
    # All slices lie within 20 mm of the asked one.
    assert numbers == list(range(1, NODULE.slices + 1))


def test_asking_the_same_again_is_the_same_reading(any_house) -> None:
    made, uid = ready(any_house)
    first = ask(made.clinic, uid)
    answered(made, first)
    again = ask(made.clinic, uid)
    assert again.state is PromptState.ANSWERED
    assert again.reading_uid == first.uid
    elsewhere = Prompt(middle_of(made.clinic, uid), box=Box(50, 30, 20, 20))
    other = ask(made.clinic, uid, elsewhere)
    answered(made, other)
    readings = [r for r in made.clinic.readings.of_study(uid) if r.reader.name == READER]
    assert len(readings) == 2
    assert made.kinds(uid).count("reader.asked") == 3


def test_a_place_without_a_nodule_is_answered_absent(any_house) -> None:
    made, uid = ready(any_house)
    asked = ask(made.clinic, uid, Prompt(middle_of(made.clinic, uid), point=(10, 80)))
    answered(made, asked)
    reading = made.clinic.readings.get(asked.uid)
    assert {str(f.presence) for f in reading.findings} == {"absent"}
    kept = made.clinic.archive.study(uid).instances
    assert "SEG" not in {i.header.facts["Modality"] for i in kept}


def test_the_study_is_not_read_anew_by_what_was_asked(any_house) -> None:
    made, uid = ready(any_house)
    asked = ask(made.clinic, uid)
    answered(made, asked)
    assert made.clinic.studies.state(uid).version == 1
    late = middle_of(made.clinic, uid)
    assert late.sop_instance_uid in {
        ref.sop_instance_uid for ref in made.clinic.readings.get(asked.uid).inputs
    }
    assert {r.predecessor_uid for r in made.clinic.readings.of_study(uid)} == {""}


def test_a_reader_that_cannot_be_had_is_given_up_and_said(any_house) -> None:
    made, uid = ready(any_house)
    prompt = prompt_in(made.clinic, uid)
    asked = ask(made.clinic, uid, prompt, reader="example-brightness")
    state = made.clinic.casebook.prompts
    made.wait(lambda: state.get(asked.uid).state is PromptState.GIVEN_UP)
    failures = made.clinic.ledger.events(asked.uid, "step.failed")
    assert {f.event.facts["error"] for f in failures} == {"ReaderUnavailable"}
    again = ask(made.clinic, uid, prompt, reader="example-brightness")
    assert again.state is PromptState.WAITING


def test_an_image_that_is_gone_ends_the_question(any_house) -> None:
    made, uid = ready(any_house)
    ref = middle_of(made.clinic, uid)
    gone = Prompt(type(ref)(uid, ref.series_instance_uid, "1.2.3", ref.sop_class_uid), point=(1, 1))
    asked = ask(made.clinic, uid, gone)
    state = made.clinic.casebook.prompts
    made.wait(lambda: state.get(asked.uid).state is PromptState.GIVEN_UP)
    (error,) = {e.event.facts["error"] for e in made.clinic.ledger.events(asked.uid, "step.failed")}
    assert error == NotFound.__name__


ASKED_RULES = """
[[rule]]
name = "CT"
owner = "the tests"
when = { Modality = ["CT"] }
readers = ["example-growing"]
destinations = ["pacs"]
"""


def presentation_of(slices, marks) -> bytes:
    """Make a presentation state that marks places on the slice through the nodule."""
    image = pydicom.dcmread(io.BytesIO(slices[NODULE.slice_number - 1]))
    layer = pr.GraphicLayer("MARKS", 1)
    graphics = [
        pr.GraphicObject(kind, np.array(data, float), pr.AnnotationUnitsValues.PIXEL) for kind, data in marks
    ]
    state = pr.GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        series_instance_uid="1.2.3.77",
        series_number=77,
        sop_instance_uid="1.2.3.77.1",
        instance_number=1,
        manufacturer="Workstation",
        manufacturer_model_name="W",
        software_versions="1",
        device_serial_number="1",
        content_label="MARKS",
        graphic_layers=[layer],
        graphic_annotations=[
            pr.GraphicAnnotation(referenced_images=[image], graphic_layer=layer, graphic_objects=graphics)
        ],
    )
    written = io.BytesIO()
    state.save_as(written, enforce_file_format=True)
    return written.getvalue()


def test_marks_that_come_with_the_study_are_asked_about(house) -> None:
    made = house(COREAD_COMPLETENESS__QUIET_PERIOD_S="1", rules=ASKED_RULES)
    made.clinic.start()
    slices = nodule_series(NODULE)
    x, y = NODULE.column_px, NODULE.row_px
    kinds = pr.GraphicTypeValues
    square = [[x - 8, y - 8], [x + 8, y - 8], [x + 8, y + 8], [x - 8, y + 8], [x - 8, y - 8]]
    marks = [
        (kinds.POINT, [[x, y]]),
        (kinds.POLYLINE, square),
        (kinds.POLYLINE, [[1, 1], [5, 9]]),  # a line shows no place
        (kinds.CIRCLE, [[x, y], [x + 7, y]]),
    ]
    for data in (*slices, presentation_of(slices, marks)):
        made.clinic.intake.accept_bytes(data, "folder")
    uid = open_object(slices[0]).header.ref.study_instance_uid
    made.wait_for("study.read", uid)
    prompts = made.clinic.casebook.prompts
    made.wait(lambda: all(a.state is PromptState.ANSWERED for a in prompts.of_study(uid)))
    places = sorted(a.prompt.key[2:] for a in prompts.of_study(uid))
    assert places == [
        ("box", "52.50", "32.50", "16.00", "16.00"),
        ("box", "53.50", "33.50", "14.00", "14.00"),
        ("point", "60.50", "40.50"),
    ]
    readings = made.clinic.readings.of_study(uid)
    assert {(r.reader.name, str(r.outcome)) for r in readings} == {(READER, "findings")}
    assert len(readings) == 3
    assert {a.person_id for a in prompts.of_study(uid)} == {""}
    assert made.kinds(uid).count("reader.asked") == 3
    assert "step.failed" not in made.kinds()


def test_a_study_without_marks_is_read_by_nobody(house) -> None:
    made = house(COREAD_COMPLETENESS__QUIET_PERIOD_S="0.5", rules=ASKED_RULES)
    made.clinic.start()
    uid = send_nodule(made.clinic)
    made.wait_for("study.read", uid)
    assert made.clinic.readings.of_study(uid) == ()
    assert "step.failed" not in made.kinds()
