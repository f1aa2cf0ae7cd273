"""The shipped nodule reader: contract, gate, measurements, corrections; real crops where there are some."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest

from coread.dicom import open_object
from coread.domain import codes
from coread.domain.finding import Confidence
from coread.domain.reading import Outcome, Prompt
from coread.readers import Machine
from coread.readers.ct_nodule import reader
from coread.readers.ct_nodule.reader import BUNDLE, slice_spacing_mm, spot_of, stated
from coread.readers.ct_nodule.traits import CONCEPTS, MALIGNANCY
from coread.testing.patients import chest_radiograph, dicom_from_pixels
from coread.testing.prompted import PromptedReaderTests, ask_one

SPACING = 0.7


def drawn_slice(place, pixels=None, spacing=SPACING, **facts):
    """A CT slice: soft tissue round dark lung with a bright ball, or the pixels given."""
    if pixels is None:
        y, x = np.mgrid[:192, :192]
        rng = np.random.default_rng(place)
        radius = max(9.0 - 2.2 * abs(place - 5), 0.0)
        ball = 1 / (1 + np.exp((np.hypot(y - 90, x - 100) - radius) * 2))
        wall = 1 / (1 + np.exp((np.abs(x - 96) - 80) * -1.0))
        pixels = np.rint(-830 + 860 * (ball if radius else 0) + 850 * wall + rng.normal(0, 25, y.shape))
    written = {
        "PixelSpacing": [spacing, spacing], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0.0, 0.0, 1.25 * place], "InstanceNumber": place + 1,
        "SOPInstanceUID": f"1.2.826.0.1.3680043.8.498.{place + 1}",
    } | facts  # fmt: skip
    return open_object(dicom_from_pixels(np.asarray(pixels, np.int16), modality="CT", facts=written))


def drawn_stack():
    return [drawn_slice(place) for place in range(11)]


def drawn_question():
    images = drawn_stack()
    return images, Prompt(images[5].header.ref, point=(101.5, 89.5))


def by_code(reading):
    return {finding.code: finding for finding in reading.findings}


class TestCtNodule(PromptedReaderTests):
    def reader(self):
        return reader(Machine())

    def fit_prompts(self):
        return [drawn_question()]


def test_a_ball_is_outlined_followed_and_measured():
    made, (images, prompt) = reader(Machine()), drawn_question()
    nodule = by_code(ask_one(made, (images, prompt)))[codes.LUNG_NODULE]
    sizes = {measurement.quantity: measurement for measurement in nodule.measurements}
    assert nodule.presence == "present"
    assert 5 <= len(nodule.outlines) <= 9
    assert sizes[codes.LONG_AXIS].value == pytest.approx(18 * SPACING, rel=0.25)
    assert sizes[codes.SHORT_AXIS].value <= sizes[codes.LONG_AXIS].value
    assert sizes[codes.VOLUME].lower < sizes[codes.VOLUME].value < sizes[codes.VOLUME].upper
    assert {trait.concept for trait in nodule.characteristics} == set(CONCEPTS)
    assert len(nodule.similar) == 3


def test_the_answer_does_not_depend_on_the_unit_of_the_pixels():
    made = reader(Machine())
    plain = [drawn_slice(place) for place in range(3, 8)]
    doubled = [drawn_slice(p, plain[p - 3].stored() * 2 + 100) for p in range(3, 8)]
    answers = []
    for images in (plain, doubled):
        reading = ask_one(made, (images, Prompt(images[2].header.ref, point=(101.5, 89.5))))
        answers.append([m.value for m in by_code(reading)[codes.LUNG_NODULE].measurements])
    assert answers[0] == pytest.approx(answers[1], rel=0.02)


def test_a_correction_moves_malignancy_and_nothing_else():
    made, question = reader(Machine()), drawn_question()
    found = by_code(ask_one(made, question))
    finding = found[MALIGNANCY]
    assert made.reconsider(finding).probability == pytest.approx(finding.confidence.probability, abs=1e-3)
    answers = {}
    for value in CONCEPTS[codes.MARGINS]:
        sure = Confidence(1.0, 1.0, 1.0)
        traits = [
            replace(t, value=value, confidence=sure) if t.concept == codes.MARGINS else t
            for t in finding.characteristics
        ]
        answers[value] = made.reconsider(replace(finding, characteristics=tuple(traits))).probability
    assert len(set(answers.values())) > 1
    nodule = found[codes.LUNG_NODULE]
    assert made.reconsider(nodule) == nodule.confidence


def test_empty_lung_holds_no_nodule():
    made = reader(Machine())
    images = drawn_stack()
    reading = ask_one(made, (images, Prompt(images[5].header.ref, point=(60.5, 140.5))))
    present = [finding for finding in reading.findings if finding.presence == "present"]
    assert present == []


def test_a_lone_slice_has_axes_but_no_volume():
    image = drawn_slice(5)
    reading = ask_one(reader(Machine()), ([image], Prompt(image.header.ref, point=(101.5, 89.5))))
    quantities = {m.quantity for m in by_code(reading)[codes.LUNG_NODULE].measurements}
    assert quantities == {codes.LONG_AXIS, codes.SHORT_AXIS}


def test_slices_with_a_gap_have_no_volume():
    images = drawn_stack()
    assert slice_spacing_mm(images) == pytest.approx(1.25)
    assert slice_spacing_mm([*images[:4], *images[6:]]) is None
    assert slice_spacing_mm(images[:1]) is None


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localiser"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "not-axial"),
        ({"PixelSpacing": [2.0, 2.0]}, "no-spacing"),
    ],
)
def test_the_header_refuses_with_its_reason(facts, code):
    reason = reader(Machine()).accepts(drawn_slice(5, **facts))
    assert reason is not None
    assert reason.code == code
    assert reason.text_zh


def test_another_modality_is_refused():
    image = open_object(chest_radiograph(size_px=128))
    reading = ask_one(reader(Machine()), ([image], Prompt(image.header.ref, point=(60, 60))))
    assert reading.outcome is Outcome.REFUSED


def test_an_even_image_is_refused_by_its_pixels():
    image = drawn_slice(5, np.full((192, 192), -1000))
    reading = ask_one(reader(Machine()), ([image], Prompt(image.header.ref, point=(96, 96))))
    assert reading.outcome is Outcome.REFUSED
    assert reading.reason.code == "flat"


def test_a_point_is_half_a_pixel_from_the_corner_of_its_pixel():
    ref = drawn_slice(5).header.ref
    spot = spot_of(Prompt(ref, point=(10.5, 20.5)))
    assert (spot.row, spot.column, spot.is_box) == (20, 10, False)


def test_unknown_characteristics_are_taken_as_not_known():
    for concept, values in CONCEPTS.items():
        assert stated(())[concept] == pytest.approx(np.full(len(values), 1 / len(values)))


def test_the_bundle_is_small():
    assert sum(path.stat().st_size for path in BUNDLE.iterdir()) < 5_000_000


@pytest.mark.shared_data
def test_real_crops_of_test_patients_are_outlined(shared_data):
    folder = shared_data / "lidc_nodules"
    with (folder / "slices.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    middle = [int(row["row"]) for row in rows if row["slice_offset"] == "0"][::40]
    with np.load(folder / "slices.npz") as held:
        images = held["images"][middle]
    with np.load(folder / "masks.npz") as held:
        masks = np.unpackbits(held["masks_packed"][middle], axis=-1)
    made, scores = reader(Machine()), []
    for place, (pixels, mask) in enumerate(zip(images, masks, strict=True)):
        drawn = mask[mask.any((1, 2))]
        if not len(drawn):
            continue
        agreed = drawn.mean(0) >= 0.5
        y, x = np.argwhere(agreed).mean(0)
        image = drawn_slice(place, pixels.astype(np.int16))
        found = by_code(ask_one(made, ([image], Prompt(image.header.ref, point=(x + 0.5, y + 0.5)))))
        outlines = found[codes.LUNG_NODULE].outlines if found else ()
        own = outlines[0].mask() if outlines else np.zeros_like(agreed)
        scores.append(2 * (own & agreed).sum() / (own.sum() + agreed.sum()))
    assert np.mean(scores) > 0.65
