"""The contract of prompted readers as tests, for every author of one.

Inherit :class:`PromptedReaderTests` and say which reader, and where it is asked::

    class TestMyReader(PromptedReaderTests):
        @abstractmethod
    def reader(self) -> PromptedReader:
            return my_package.reader(Machine())

        @abstractmethod
    def fit_prompts(self) -> list[Question]:
            return [(my_slices, Prompt(my_slices[4].header.ref, point=(120.5, 88.0)))]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from coread.dicom import DicomObject, open_object
from coread.domain.finding import Box, Finding
from coread.domain.reading import Outcome, Prompt, Reading
from coread.domain.study import Study
from coread.readers import Case, PromptedReader, Reconsidering, card_gaps, run_at
from coread.readers.judging import calibration_of
from coread.testing.patients import dicom_from_pixels
from coread.testing.readers import no_network

Question: TypeAlias = tuple[Sequence[DicomObject], Prompt]
"""The images that the reader is given, in the order of their places, and the prompt."""


class PromptedReaderTests(ABC):
    """What every prompted reader must hold to; inherit it, and override `reader` and `fit_prompts`."""

    @abstractmethod
    def reader(self) -> PromptedReader:
        """Make the reader."""

    @abstractmethod
    def fit_prompts(self) -> Sequence[Question]:
        """Give at least one question that the reader answers or abstains on, and must not refuse."""

    def test_the_card_is_complete_and_says_how_it_is_asked(self) -> None:
        """No gap; a prompt; each threshold within its abstention band."""
        reader = self.reader()
        _expect(not card_gaps(reader.card), f"the card has gaps: {card_gaps(reader.card)}")
        _expect(reader.card.prompt is not None, "the card has no prompt")
        for declared in reader.card.all_findings:
            band = calibration_of(reader, declared.code).band
            around = band.lower - 1e-4 <= declared.threshold <= band.upper + 1e-4
            _expect(around, f"{declared.code.meaning}: the threshold lies outside of its abstention band")

    def test_a_fit_question_is_answered(self) -> None:
        """The gate lets its own kind pass."""
        for reading in self._readings():
            answered = reading.outcome in (Outcome.FINDINGS, Outcome.ABSTAINED)
            _expect(answered, f"expected an answer, got {reading.outcome}: {reading.reason}")

    def test_the_same_question_has_the_same_answer(self) -> None:
        """By one reader twice, by another of its kind, and from four threads at a time."""
        first, second = self.reader(), self.reader()
        for question in self.fit_prompts():
            once = ask_one(first, question)
            _expect(once == ask_one(first, question), "a second call gave another answer")
            _expect(once == ask_one(second, question), "a second reader gave another answer")
            with ThreadPoolExecutor(4) as pool:
                together = list(pool.map(lambda _, q=question: ask_one(first, q), range(4)))
            _expect(together == [once] * 4, "calls at the same time changed an answer")

    def test_pixels_are_not_written_to(self) -> None:
        """The same objects are shown to the doctor."""
        for images, prompt in self.fit_prompts():
            before = [image.stored().tobytes() for image in images]
            ask_one(self.reader(), (images, prompt))
            _expect(before == [image.stored().tobytes() for image in images], "the pixels were changed")

    def test_what_it_outlines_lies_on_what_it_was_given(self) -> None:
        """Outlines on the given images, intervals around their values, probabilities that are some."""
        for (images, _), reading in zip(self.fit_prompts(), self._readings(), strict=True):
            given = {image.header.ref for image in images}
            for finding in reading.findings:
                on = {outline.image for outline in finding.outlines}
                _expect(on <= given, "an outline on an image that was not given")
                _expect(_sound(finding), f"probabilities or choices that cannot be: {finding.tracking_id}")

    def test_a_lone_slice_is_enough_not_to_break(self) -> None:
        """A study may have one slice only, and doctors point at corners."""
        for images, prompt in self.fit_prompts():
            asked = next(image for image in images if image.header.ref == prompt.image)
            _unbroken(self.reader(), ((asked,), prompt))
            rows, columns = (int(asked.header.facts[name]) for name in ("Rows", "Columns"))
            corners = [(0.0, 0.0), (float(columns), float(rows)), (float(columns), 0.0)]
            for corner in corners:
                _unbroken(self.reader(), (images, replace(prompt, point=corner, box=None)))
            whole = Box(0.0, 0.0, float(columns), float(rows))
            _unbroken(self.reader(), (images, replace(prompt, point=None, box=whole)))

    def test_images_without_content_are_never_called_present(self) -> None:
        """Nothing is present in an even image of its kind."""
        reader = self.reader()
        pixels = np.full((64, 64), -1000, np.int16)
        facts = {"Modality": reader.card.modalities[0]}
        image = open_object(dicom_from_pixels(pixels, modality="CT", facts=facts))
        reading = ask_one(reader, ((image,), Prompt(image.header.ref, point=(32.0, 32.0))))
        present = [finding for finding in reading.findings if finding.presence == "present"]
        _expect(not present, "a finding in an image without content")

    def test_what_follows_from_characteristics_follows_again(self) -> None:
        """Where it reconsiders: the unchanged finding keeps its confidence."""
        reader = self.reader()
        if not isinstance(reader, Reconsidering):
            return
        for reading in self._readings():
            for finding in reading.findings:
                same = reader.reconsider(finding)
                near = abs(same.probability - finding.confidence.probability) <= 1e-3
                _expect(near, f"{finding.tracking_id}: {same.probability} from unchanged characteristics")

    def test_no_network_is_opened(self) -> None:
        """Neither when the reader is made nor when it answers."""
        questions = self.fit_prompts()
        with no_network():
            reader = self.reader()
            for question in questions:
                ask_one(reader, question)

    def _readings(self) -> list[Reading]:
        reader = self.reader()
        return [ask_one(reader, question) for question in self.fit_prompts()]


def ask_one(reader: PromptedReader, question: Question) -> Reading:
    """Ask a reader one question, as the clinic does."""
    images, prompt = question
    study = Study(images[0].header.ref.study_instance_uid, ())
    return run_at(reader, Case(study, 1, tuple(images)), prompt)


def _unbroken(reader: PromptedReader, question: Question) -> None:
    reading = ask_one(reader, question)
    _expect(reading.outcome is not Outcome.FAILED, f"{question[1].key}: {reading.reason}")


def _sound(finding: Finding) -> bool:
    """Tell whether the choices of each characteristic hold its value and add up to one."""
    for item in finding.characteristics:
        values = [choice.value for choice in item.choices]
        total = sum(choice.probability for choice in item.choices)
        if item.choices and (item.value not in values or abs(total - 1) > 0.02):
            return False
    return True


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
