"""Which readers are installed, found by entry points and loaded when they are first needed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from coread.domain.bundle import Card
from coread.domain.finding import Confidence, Finding
from coread.errors import CoReadError, ReaderUnavailable
from coread.readers.bundle import card_gaps
from coread.readers.contract import AnyReader, Calibrated, Machine, PromptedReader, Reader, Reconsidering
from coread.readers.guard import guarded
from coread.readers.uncertainty import Calibration
from coread.readers.vetting import Vetted, Vetting

GROUP = "coread.readers"


@dataclass(frozen=True, slots=True)
class Availability:
    """One installed reader: where it comes from, and whether it can be used."""

    name: str
    package: str
    """Distribution that offers it; empty if it is not known."""
    package_version: str
    card: Card | None
    """None if the reader cannot be used."""
    reason: str
    """Why it cannot be used; empty if it can."""


class Registry:
    """The installed readers by name. Nothing is imported until a reader is asked for.

    Safe to use from several threads. A reader that could not be loaded stays in
    the registry with the reason, until the process starts anew.
    """

    def __init__(
        self, points: Iterable[EntryPoint], machine: Machine, vetting: Vetting | None = None
    ) -> None:
        self._points: dict[str, list[EntryPoint]] = defaultdict(list)
        for point in points:
            self._points[point.name].append(point)
        self._machine = machine
        self._vetting = vetting
        self._lock = threading.Lock()
        self._loaded: dict[str, AnyReader | ReaderUnavailable] = {}

    @classmethod
    def load(
        cls,
        points: Iterable[EntryPoint] | None = None,
        machine: Machine | None = None,
        vetting: Vetting | None = None,
    ) -> Registry:
        """Find the readers of this installation.

        Parameters
        ----------
        points
            Entry points; those of the group ``coread.readers`` if left out.
        machine
            What each reader may use of this computer; one thread if left out.
        vetting
            Whose readers may be used; a reader that it refuses is not imported. Any, if left out.
        """
        return cls(entry_points(group=GROUP) if points is None else points, machine or Machine(), vetting)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all installed readers, sorted, whether they can be used or not."""
        return tuple(sorted(self._points))

    def reader(self, name: str) -> AnyReader:
        """Give a reader, loading it at the first call.

        Raises
        ------
        ReaderUnavailable
            If there is none of this name, or it cannot be loaded; with the reason.
        """
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._attempt(name)
            found = self._loaded[name]
        if isinstance(found, ReaderUnavailable):
            raise ReaderUnavailable(found.found, found.expected, found.remedy, found.where)
        return found

    def prompted(self) -> tuple[Card, ...]:
        """Cards of the readers that answer where a doctor points to; loads all readers.

        One that could not be loaded is not among them.
        """
        cards = (self.card(name) for name in self.names)
        return tuple(card for card in cards if card is not None and card.prompt is not None)

    def reconsider(self, name: str) -> Callable[[Finding], Confidence] | None:
        """Return how a reader answers anew from corrected characteristics; None where it does not.

        What the reader throws comes out as ReaderFailed.
        """
        try:
            reader = self.reader(name)
        except ReaderUnavailable:
            return None
        if not isinstance(reader, Reconsidering):
            return None
        ask = reader.reconsider
        return lambda finding: guarded(partial(ask, finding))

    def card(self, name: str) -> Card | None:
        """Return a reader's card, or None if it cannot be used here; what it said before stays readable."""
        try:
            return self.reader(name).card
        except ReaderUnavailable:
            return None

    def evaluation(self, name: str) -> Mapping[str, Any] | None:
        """Return what a reader's bundle says of its performance, or None where it brings none."""
        try:
            return getattr(self.reader(name), "evaluation", None)
        except ReaderUnavailable:
            return None

    def vetted(self, vetting: Vetting) -> tuple[Vetted, ...]:
        """Say of every installed reader who signed it; none is imported."""
        return tuple(vetting.look(point) for name in self.names for point in self._points[name])

    def overview(self) -> tuple[Availability, ...]:
        """Every installed reader with its card or the reason why it cannot be used; loads them all."""
        return tuple(self._availability(name) for name in self.names)

    def _availability(self, name: str) -> Availability:
        package = self._points[name][0].dist
        origin = (package.name, package.version) if package else ("", "")
        try:
            return Availability(name, *origin, self.reader(name).card, "")
        except ReaderUnavailable as fault:
            return Availability(name, *origin, None, fault.found)

    def _attempt(self, name: str) -> AnyReader | ReaderUnavailable:
        points = self._points.get(name, [])
        if len(points) != 1:
            return _unavailable(name, _count_fault(points))
        if self._vetting and (reason := self._vetting.reason_against(points[0])):
            return _unavailable(name, reason)
        try:
            reader, gaps = guarded(partial(_made, points[0], self._machine))
        except CoReadError as fault:
            where = f" ({fault.where})" if fault.where else ""
            return _unavailable(name, f"{fault.sentence} {fault.found}{where}")
        return _unavailable(name, "; ".join(gaps)) if gaps else reader


def _made(point: EntryPoint, machine: Machine) -> tuple[AnyReader, list[str]]:
    """Everything that runs the plug-in's code: import, make, look at what was made."""
    reader: AnyReader = point.load()(machine)
    return reader, _contract_gaps(point.name, reader)


def _count_fault(points: list[EntryPoint]) -> str:
    if not points:
        return "no reader of this name is installed"
    packages = ", ".join(sorted(point.dist.name if point.dist else "unknown" for point in points))
    return f"several packages offer a reader of this name: {packages}"


def _contract_gaps(name: str, reader: object) -> list[str]:
    """Say how what an entry point made falls short of a reader."""
    if not isinstance(reader, (Reader, PromptedReader)):
        return ["what the entry point made lacks card, calibration, accepts, or one of read and read_at"]
    if not isinstance(reader.card, Card) or not isinstance(reader.calibration, Calibration):
        return ["card or calibration is of another type"]
    gaps = [*card_gaps(reader.card), *_missing_curves(reader)]
    if (reader.card.prompt is not None) != isinstance(reader, PromptedReader):
        gaps.append("a card with a prompt needs read_at, and read_at a card with a prompt")
    if reader.card.identity.name != name:
        gaps.append(f"the card's name is {reader.card.identity.name}, the entry point's is {name}")
    return gaps


def _missing_curves(reader: AnyReader) -> list[str]:
    """Name the findings without a calibration of their own; the main one has `calibration`."""
    curves = reader.calibrations if isinstance(reader, Calibrated) else {}
    others = [declared.code.value for declared in reader.card.all_findings[1:]]
    return [f"no calibration of the finding {value}" for value in others if value not in curves]


def _unavailable(name: str, reason: str) -> ReaderUnavailable:
    return ReaderUnavailable(reason, "an installed reader that keeps its contract", _REMEDY, name)


_REMEDY = "see 'coread readers' for what is installed; install the missing package or tell the reader's maker"
