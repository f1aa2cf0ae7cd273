"""One edition of a signed report: what all its objects have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo

import highdicom as hd

from coread.domain.bundle import Card
from coread.domain.reading import Reading
from coread.domain.review import SignedReport
from coread.domain.study import InstanceRef
from coread.results.edition import Issue, contribution
from coread.results.signed.facts import Assessed, ReportFacts, Signer, assess
from coread.results.source import Source


@dataclass(frozen=True, slots=True, eq=False)
class SignedEdition(Issue):
    """A signed report with the readings and images that it speaks of, and those before it."""

    report: SignedReport
    readings: tuple[Reading, ...]
    cards: Mapping[str, Card]
    signer: Signer
    earlier: tuple[SignedReport, ...] = ()

    @property
    def first(self) -> Source:
        """The first image of the report's own study."""
        uid = self.report.study_instance_uid
        return next((s for s in self.sources if s.ref.study_instance_uid == uid), self.sources[0])

    @property
    def title(self) -> str:
        """Which of the study's reports it is."""
        return f"signed report {self.report.number}"

    def derive_uid(self, *role: str) -> str:
        """Return a UID that is a function of the report and of `role`."""
        return self.report.derive_uid(*role)

    def contributions(self) -> list[hd.ContributingEquipment]:
        """Return the readers whose findings were decided on."""
        at = self.written_at
        readers = dict.fromkeys(reading.reader for reading in self.readings)
        titles = {name: card.title for name, card in self.cards.items()}
        return [contribution(reader, titles.get(reader.name, reader.name), at) for reader in readers]

    @property
    def issued(self) -> str:
        """When it was signed, as FHIR writes an instant."""
        return self.report.signed_at.isoformat(timespec="milliseconds")

    @property
    def assessed(self) -> tuple[Assessed, ...]:
        """Each decision with what it was made on."""
        return assess(self.report, self.readings)

    @property
    def former(self) -> SignedReport | None:
        """The report that this one amends."""
        return self.earlier[-1] if self.earlier else None

    @property
    def organization(self) -> str:
        """Where the doctor signed; what the images say, if the signer does not; never empty."""
        return self.signer.organization or self.first.facts.get("InstitutionName", "") or "not stated"

    @property
    def facts(self) -> ReportFacts:
        """What is printed beside the signed words."""
        zone: tzinfo = self.first.local(self.written_at).tzinfo or UTC
        return ReportFacts(self.first.facts, self.signer, self.readings, self.cards, self.earlier, zone)

    def card_of(self, reading: Reading) -> Card | None:
        """Return the card of the very reader that read; None if another version has taken its place."""
        card = self.cards.get(reading.reader.name)
        return card if card is not None and card.identity == reading.reader else None

    def source_of(self, ref: InstanceRef) -> Source | None:
        """Return an image if it is given."""
        uid = ref.sop_instance_uid
        return next((source for source in self.sources if source.ref.sop_instance_uid == uid), None)

    def images(self) -> tuple[InstanceRef, ...]:
        """Return all images that the report rests on: read by a reader, or pointed at by the doctor."""
        return tuple(dict.fromkeys((*self._images(), *([] if self.readings else [self.first.ref]))))

    def _images(self) -> Iterator[InstanceRef]:
        for reading in self.readings:
            yield from reading.inputs
            yield from (finding.image for finding in reading.findings)
        for assessed in self.assessed:
            if assessed.statement is not None and assessed.statement.image is not None:
                yield assessed.statement.image
