"""The shipped contract suite on every reader that ships, and the suite's own ability to fail."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coread.dicom import open_object
from coread.domain.reading import Reason
from coread.readers import Machine, Reader, ReaderOutput, Unfit, chest_radiograph
from coread.testing import chest_pixels, dicom_from_pixels
from coread.testing.readers import ExampleReader, ReaderTests, brightness, unsure

BUNDLE = Path(__file__).resolve().parents[2] / "src/coread/readers/chest_radiograph/bundle/card.json"


def drawn_chests():
    return [open_object(dicom_from_pixels(chest_pixels(seed, 300))) for seed in (1, 2)]


class TestBrightness(ReaderTests):
    def reader(self) -> Reader:
        return brightness(Machine())

    def fit_images(self):
        return drawn_chests()


class TestUnsure(TestBrightness):
    def reader(self) -> Reader:
        return unsure(Machine())


class FromDrawings(ReaderTests):
    """A reader that breaks one rule; no test class itself."""

    def __init__(self, made):
        self.made = made

    def reader(self) -> Reader:
        return self.made()

    def fit_images(self):
        return drawn_chests()


class Counting(ExampleReader):
    """Remembers."""

    def read(self, image):
        calls.append(1)
        return replace(super().read(image), score=0.01 * len(calls))


calls: list[int] = []


class Writing(ExampleReader):
    def read(self, image):
        image.dataset.PixelData = image.dataset.PixelData[::-1]
        return ReaderOutput(0.2)


class Calling(ExampleReader):
    def read(self, image):
        socket.create_connection(("127.0.0.1", 9))
        return ReaderOutput(0.2)


class Moody(ExampleReader):
    def accepts(self, image):
        calls.append(1)
        return None if len(calls) % 2 else Reason("mood", "No.", "不。")


class Monolingual(ExampleReader):
    def accepts(self, image):
        return Reason("no", "No.")


class Refusing(ExampleReader):
    def read(self, image):
        return Unfit(Reason("no", "No.", "不。"))


class Bold(ExampleReader):
    def read(self, image):
        return ReaderOutput(0.99)


def broken(kind: type[ExampleReader], **changed):
    return lambda: kind(**{**vars(brightness(Machine())), **changed})


CARD = brightness(Machine()).card


@pytest.mark.parametrize(
    ("test", "made"),
    [
        (
            "test_the_card_is_complete_in_english_and_chinese",
            broken(ExampleReader, card=replace(CARD, title_zh="")),
        ),
        (
            "test_the_card_is_complete_in_english_and_chinese",
            broken(ExampleReader, card=replace(CARD, threshold=0.7)),
        ),
        ("test_an_image_of_its_kind_is_not_refused", broken(Refusing)),
        ("test_the_same_image_has_the_same_reading", broken(Counting)),
        ("test_images_do_not_know_each_other", broken(Counting)),
        ("test_threads_do_not_disturb_each_other", broken(Counting)),
        ("test_accepts_is_pure", broken(Moody)),
        ("test_pixels_are_not_written_to", broken(Writing)),
        (
            "test_strange_images_never_break_it",
            broken(ExampleReader, look=lambda display: display[200, 200] / 0),
        ),
        ("test_an_image_without_content_is_never_called_present", broken(Bold)),
        ("test_reasons_are_told_in_english_and_chinese", broken(Monolingual)),
        ("test_no_network_is_opened", broken(Calling)),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_the_suite_sees_a_reader_that_breaks_a_rule(test, made):
    calls.clear()
    suite = FromDrawings(made)
    with pytest.raises(AssertionError):
        getattr(suite, test)()


@cache
def chest_reader() -> Reader:
    return chest_radiograph.reader(Machine())


@pytest.mark.shared_data
@pytest.mark.skipif(not BUNDLE.is_file(), reason="the chest reader's bundle is not here yet")
class TestChestRadiograph(ReaderTests):
    def reader(self) -> Reader:
        return chest_reader()

    @pytest.fixture(autouse=True)
    def _images(self, shared_data):
        files = sorted((shared_data / "cxr_nih" / "images").rglob("*.png"))[:3]
        pixels = [np.asarray(Image.open(file).convert("L")) for file in files]
        self.images = [open_object(dicom_from_pixels(each)) for each in pixels]

    def fit_images(self):
        return self.images
