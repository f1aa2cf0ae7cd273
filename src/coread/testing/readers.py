"""The contract of readers as tests, for every author of a plug-in; and three small readers to learn from.

Inherit :class:`ReaderTests` and say which reader and which images::

    class TestMyReader(ReaderTests):
        def reader(self) -> Reader:
            return my_package.reader(Machine())

        def fit_images(self) -> list[DicomObject]:
            return [open_object(Path("chest.dcm"))]
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import EntryPoint

import numpy as np
import numpy.typing as npt

from coread.dicom import DicomObject, open_object
from coread.domain.bundle import Card
from coread.domain.codes import LUNG, LUNG_OPACITY, NO_UNITS, Code
from coread.domain.finding import Box, HeatMap, Measurement
from coread.domain.reading import Outcome, ReaderIdentity, Reading, Reason
from coread.domain.study import Study
from coread.readers import Case, Machine, Reader, ReaderOutput, Unfit, card_gaps, run, uncalibrated, unfit
from coread.readers.uncertainty import Band, Calibration
from coread.testing.patients import broken, chest_pixels, dicom_from_pixels, text_report

Pixels = npt.NDArray[np.generic]


class ReaderTests(ABC):
    """What every reader must hold to; inherit it, and override `reader` and `fit_images`.

    How long a reader takes is not tested here: the engine watches it.
    """

    @abstractmethod
    def reader(self) -> Reader:
        """Make the reader."""

    @abstractmethod
    def fit_images(self) -> Sequence[DicomObject]:
        """Give at least one image that the reader reads or abstains on, and must not refuse."""

    def test_the_card_is_complete_in_english_and_chinese(self) -> None:
        """No gap in the card; the abstention band lies around the threshold."""
        reader = self.reader()
        _expect(not card_gaps(reader.card), f"the card has gaps: {card_gaps(reader.card)}")
        band = reader.calibration.band
        around = band.lower - 1e-4 <= reader.card.threshold <= band.upper + 1e-4
        _expect(around, f"the threshold {reader.card.threshold} lies outside of the abstention band {band}")

    def test_an_image_of_its_kind_is_not_refused(self) -> None:
        """The gate lets its own kind pass."""
        for image in self.fit_images():
            reading = run_one(self.reader(), image)
            answered = reading.outcome in (Outcome.FINDINGS, Outcome.ABSTAINED)
            _expect(answered, f"expected an answer, got {reading.outcome}: {reading.reason}")

    def test_the_same_image_has_the_same_reading(self) -> None:
        """Twice by one reader, and once by another of the same kind."""
        first, second = self.reader(), self.reader()
        for image in self.fit_images():
            readings = [run_one(first, image), run_one(first, image), run_one(second, image)]
            _expect(
                readings[0] == readings[1], "a second call gave another reading: something is kept in between"
            )
            _expect(
                readings[0] == readings[2],
                "a second reader gave another reading: something is left to chance",
            )

    def test_images_do_not_know_each_other(self) -> None:
        """An image is read the same whatever was read before it."""
        reader, images = self.reader(), [*self.fit_images(), *self._strange().values()]
        forwards = [run_one(reader, image) for image in images]
        backwards = [run_one(reader, image) for image in reversed(images)]
        _expect(forwards == backwards[::-1], "the order of calls changed a reading")

    def test_threads_do_not_disturb_each_other(self) -> None:
        """Called from four threads at a time, as the clinic may."""
        reader, images = self.reader(), list(self.fit_images()) * 4
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda image: run_one(reader, image), images))
        alone = [run_one(reader, image) for image in images]
        _expect(together == alone, "calls at the same time changed a reading")

    def test_accepts_is_pure(self) -> None:
        """Asked twice, the gate says the same: a reason or None."""
        reader = self.reader()
        for name, image in self._pictures().items():
            said = [reader.accepts(image), reader.accepts(image)]
            _expect(said[0] == said[1], f"{name}: accepts() changed its mind")
            _expect(said[0] is None or isinstance(said[0], Reason), f"{name}: accepts() returned {said[0]!r}")

    def test_pixels_are_not_written_to(self) -> None:
        """The same object is shown to the doctor and to other readers."""
        reader = self.reader()
        for image in self.fit_images():
            before = (image.stored().tobytes(), image.display().tobytes())
            run_one(reader, image)
            after = (image.stored().tobytes(), image.display().tobytes())
            _expect(before == after, "the pixels were changed")

    def test_strange_images_never_break_it(self) -> None:
        """Black, white, tiny, many frames, colour, no pixels: refused or read, but never failed."""
        reader = self.reader()
        for name, image in self._strange().items():
            reading = run_one(reader, image)
            _expect(reading.outcome is not Outcome.FAILED, f"{name}: {reading.reason}")

    def test_an_image_without_content_is_never_called_present(self) -> None:
        """Even black and even white hold no finding."""
        for name in ("black", "white"):
            reading = run_one(self.reader(), self._strange()[name])
            present = [finding for finding in reading.findings if finding.presence == "present"]
            _expect(not present, f"{name}: a finding in an image without content")

    def test_another_modality_is_refused(self) -> None:
        """What the card does not name is not read."""
        reader = self.reader()
        others = [m for m in ("DX", "CT", "MR", "US") if m not in reader.card.modalities]
        for modality in others:
            pixels = np.zeros((8, 8), np.int16 if modality == "CT" else np.uint8)
            reading = run_one(reader, open_object(dicom_from_pixels(pixels, modality=modality)))
            _expect(
                reading.outcome is Outcome.REFUSED, f"{modality}: expected a refusal, got {reading.outcome}"
            )

    def test_reasons_are_told_in_english_and_chinese(self) -> None:
        """Every refusal and abstention has a code and two sentences."""
        reader = self.reader()
        for name, image in self._pictures().items():
            reason = run_one(reader, image).reason
            told = reason is None or all((reason.code, reason.text, reason.text_zh))
            _expect(told, f"{name}: the reason {reason} lacks a code, an English or a Chinese sentence")

    def test_a_heat_map_lies_inside_its_image(self) -> None:
        """Values 0..1 on a part of the frame; none unless the explanation passed its test."""
        reader = self.reader()
        for image in self.fit_images():
            for finding in run_one(reader, image).findings:
                shown = finding.heat_map
                _expect(
                    shown is None or reader.card.explanation_passed, "a heat map that did not pass its test"
                )
                _expect(shown is None or _inside(shown, image), f"the heat map leaves its image: {shown}")

    def test_no_network_is_opened(self) -> None:
        """Neither when the reader is made nor when it reads."""
        images = self.fit_images()
        with no_network():
            reader = self.reader()
            for image in images:
                run_one(reader, image)

    def _pictures(self) -> dict[str, DicomObject]:
        fit = {f"fit image {number}": image for number, image in enumerate(self.fit_images(), 1)}
        return fit | self._strange()

    def _strange(self) -> dict[str, DicomObject]:
        return strange_images(self.reader().card.modalities[0])


def run_one(reader: Reader, image: DicomObject) -> Reading:
    """Run a reader on one image, as the clinic does."""
    study = Study(image.header.ref.study_instance_uid, ())
    return run(reader, Case(study, 1, (image,)))


def strange_images(modality: str) -> dict[str, DicomObject]:
    """Images that arrive at every hospital some day, by name, all said to be of one modality."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 4096, (300, 300)).astype(np.uint16)
    colour = rng.integers(0, 256, (300, 300, 3)).astype(np.uint8)
    drawn: Mapping[str, Pixels] = {
        "black": np.zeros((300, 300), np.uint16),
        "white": np.full((300, 300), 4095, np.uint16),
        "noise": noise,
        "one pixel": noise[:1, :1],
        "two by three": noise[:2, :3],
        "one row": noise[:1],
        "half black": np.where(np.arange(300) < 150, 0, noise).astype(np.uint16),
        "very wide": np.tile(noise, (1, 10)),
    }
    images = {name: _as_kind(pixels, "DX", modality) for name, pixels in drawn.items()}
    images["inverted"] = _as_kind(4095 - chest_pixels(0, 300), "DX", modality)
    images["colour"] = _as_kind(colour, "US", modality)
    images["many frames"] = _as_kind(np.stack([colour, colour]), "US", modality)
    images["no pixels"] = open_object(text_report(facts={"Modality": modality}))
    images["broken pixels"] = open_object(broken("broken_pixels"))
    return images


def _as_kind(pixels: Pixels, made_as: str, modality: str) -> DicomObject:
    return open_object(dicom_from_pixels(pixels, modality=made_as, facts={"Modality": modality}))


def _inside(shown: HeatMap, image: DicomObject) -> bool:
    rows, columns = image.display().shape
    box = shown.extent
    right, bottom = box.left_px + box.width_px, box.top_px + box.height_px
    in_range = 0 <= shown.values.min() <= shown.values.max() <= 1
    return bool(in_range and 0 <= box.left_px < right <= columns and 0 <= box.top_px < bottom <= rows)


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


_NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.bind", "socket.sendto"})


class _Watch:
    """Refuses network connections while it is awake, and remembers the attempts."""

    def __init__(self) -> None:
        self.awake = False
        self.attempts: list[str] = []

    def __call__(self, event: str, _: tuple[object, ...]) -> None:
        if self.awake and event in _NETWORK_EVENTS:
            self.attempts.append(event)
            raise PermissionError(f"a reader may open no network connection ({event})")


@cache
def _installed() -> _Watch:
    watch = _Watch()
    sys.addaudithook(watch)  # can never be taken away again; it sleeps
    return watch


@contextmanager
def no_network() -> Iterator[None]:
    """Let no thread open a network connection meanwhile.

    Raises
    ------
    AssertionError
        At the end, if one was tried, also if the attempt's own error was caught.
    """
    watch = _installed()
    watch.attempts.clear()
    watch.awake = True
    try:
        yield
    finally:
        watch.awake = False
    _expect(not watch.attempts, f"a network connection was tried: {', '.join(watch.attempts)}")


@dataclass(frozen=True)
class ExampleReader:
    """Calls an image a finding if it is bright on the whole: of no medical use, small enough to learn from.

    *Does not* diagnose anything. It is there for tests of what is around a reader.
    """

    card: Card
    calibration: Calibration
    look: Callable[[npt.NDArray[np.float32]], float]
    """From a display image to a score."""

    def accepts(self, image: DicomObject) -> Reason | None:
        """Say from the header why the image is none of its kind."""
        if image.number_of_frames == 1:
            return None
        return Reason("several-frames", "The reader reads single images.", "本模型只读单帧图像。")

    def read(self, image: DicomObject) -> ReaderOutput | Unfit:
        """Give the score, a coarse map of grey, a box around the whole image, its mean grey level."""
        display = image.display()
        reason = unfit(display)
        if reason:
            return Unfit(reason)
        rows, columns = display.shape
        return ReaderOutput(
            score=self.look(display),
            saliency=_coarse(display, 8),
            method="local mean",
            site=LUNG,
            boxes=(Box(0.0, 0.0, float(columns), float(rows)),),
            measurements=(Measurement(MEAN_GREY, float(display.mean()), NO_UNITS),),
        )


MEAN_GREY = Code("mean-grey", "99COREAD", "Mean grey level", "平均灰度")

_CARD = Card(
    identity=ReaderIdentity("example-brightness", "1.0.0", "CoRead", ""),
    title="Example: brightness",
    title_zh="示例：亮度",
    intended_use="Tests of software only; never on patients.",
    intended_use_zh="仅用于软件测试，不得用于患者。",
    limits=("It measures brightness, not disease.",),
    modalities=("CR", "DX"),
    finding=LUNG_OPACITY,
    threshold=0.5,
    attribution=(),
    explanation_passed=True,
    evidence_grade="synthetic",
    limits_zh=("它测量的是亮度，而非疾病。",),
)


def brightness(_: Machine) -> ExampleReader:
    """Make the reader whose score is the mean grey level."""
    curve = replace(uncalibrated(_CARD.threshold), calibrated_on="no patients", calibrated_on_zh="无患者数据")
    return ExampleReader(_CARD, curve, lambda display: float(display.mean()))


def unsure(_: Machine) -> ExampleReader:
    """Make a reader that abstains on every image."""
    curve = replace(uncalibrated(_CARD.threshold), band=Band(0.0, 1.0), calibrated_on="nobody")
    return ExampleReader(_named("example-unsure"), curve, lambda _: 0.5)


def fails(_: Machine) -> ExampleReader:
    """Make a reader that breaks on every image, with a message that must never be seen."""
    return ExampleReader(_named("example-fails"), uncalibrated(_CARD.threshold), _fail)


def _fail(display: npt.NDArray[np.float32]) -> float:
    raise RuntimeError(f"Zzyzx^Canary {display.shape}")


def _named(name: str) -> Card:
    return replace(_CARD, identity=replace(_CARD.identity, name=name))


def _coarse(display: npt.NDArray[np.float32], cells: int) -> npt.NDArray[np.float32]:
    """Mean grey of each of `cells` x `cells` parts."""
    rows = [part.mean(axis=0) for part in np.array_split(display, cells, axis=0)]
    columns = [part.mean(axis=1) for part in np.array_split(np.array(rows), cells, axis=1)]
    return np.array(columns, np.float32).T


EXAMPLE_READERS = tuple(
    EntryPoint(f"example-{factory}", f"coread.testing.readers:{factory}", "coread.readers")
    for factory in ("brightness", "unsure", "fails")
)
"""The three as entry points, for :meth:`coread.readers.Registry.load`."""
