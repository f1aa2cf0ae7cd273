"""The archive against a plain model, under any order of what may happen to it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from keeping import house_on, image, sent_by

from coread.archive import FilingOutcome, Query
from coread.errors import InputFault, NotFound, SameUidOtherBytes

studies = st.integers(1, 3)
instances = st.integers(1, 3)
seeds = st.integers(0, 2)
senders = st.sampled_from(["CT1", "CT2"])


class ArchiveMachine(RuleBasedStateMachine):
    """What is filed, met again, in conflict, closed, deleted, lost from the index and recovered."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.house = house_on(f"sqlite:///{folder / 'index.sqlite'}", folder)
        self.kept: dict[tuple[int, int], bytes] = {}
        self.seeds: dict[tuple[int, int], int] = {}
        self.conflicts: set[tuple[int, int, int]] = set()
        self.open: dict[int, bool] = {}
        self.versions: dict[int, int] = {}

    def teardown(self) -> None:
        self.house.database.close()
        self._folder.cleanup()

    @rule(study=studies, instance=instances, seed=seeds, sender=senders)
    def send(self, study: int, instance: int, seed: int, sender: str) -> None:
        data, place = sent_by(image(study, 1, instance, seed), sender), (study, instance)
        outcome = self._accept(data, f"dimse:{sender}")
        if place not in self.kept:
            assert outcome is FilingOutcome.STORED
            self.kept[place], self.seeds[place], self.open[study] = data, seed, True
            self.versions.setdefault(study, 0)
        elif self.seeds[place] == seed:
            assert outcome is FilingOutcome.DUPLICATE
        else:
            assert outcome is FilingOutcome.CONFLICT
            self.conflicts.add((study, instance, seed))

    @rule(study=studies, instance=instances)
    def send_broken(self, study: int, instance: int) -> None:
        data = image(study, 1, instance)[:-1]
        with pytest.raises(InputFault):
            self.house.intake.accept_bytes(data, "stow")

    @rule(study=studies)
    def close(self, study: int) -> None:
        version = self.house.studies.close(f"1.2.{study}", self.house.clock.pass_s(1))
        if self.open.get(study):
            self.versions[study] += 1
            assert version == self.versions[study]
            self.open[study] = False
        else:
            assert version is None

    @rule(study=studies)
    def delete(self, study: int) -> None:
        places = [place for place in self.kept if place[0] == study]
        try:
            self.house.archive.delete_study(f"1.2.{study}", "test", self.house.clock())
        except NotFound:
            assert not places
            return
        for place in places:
            del self.kept[place], self.seeds[place]
        self.conflicts = {conflict for conflict in self.conflicts if conflict[0] != study}
        self.open.pop(study, None)
        self.versions.pop(study, None)

    @rule(study=studies, instance=instances)
    def die_before_the_row(self, study: int, instance: int) -> None:
        """Sync an object and die; the next start files it, or finds that it is kept."""
        place = (study, instance)
        data = sent_by(image(study, 1, instance, self.seeds.get(place, 0)), "CT1")
        self.house.arrival(data)
        assert self.house.archive.reconcile(self.house.clock(), everything=True).filed == 1
        if place not in self.kept:
            self.kept[place], self.seeds[place], self.open[study] = data, 0, True
            self.versions.setdefault(study, 0)

    @rule()
    def start_again(self) -> None:
        self.house.database.close()
        folder = Path(self._folder.name)
        clock = self.house.clock
        self.house = house_on(f"sqlite:///{folder / 'index.sqlite'}", folder)
        self.house.clock.time = clock.time
        assert self.house.archive.reconcile(self.house.clock()).filed == 0

    @invariant()
    def every_object_is_as_it_came(self) -> None:
        for (study, instance), data in self.kept.items():
            assert self.house.archive.read(f"1.2.{study}.1.{instance}") == data

    @invariant()
    def nothing_else_is_there(self) -> None:
        found = self.house.archive.find_instances(Query())
        assert len(found) == len(self.kept)
        assert len(self.house.archive.conflicts()) == len(self.conflicts)
        quarantined = len(self.house.quarantine.list())
        assert len(self.house.keys()) == len(self.kept) + len(self.conflicts) + quarantined

    @invariant()
    def counts_and_states_agree(self) -> None:
        for facts in self.house.archive.find_studies(Query()):
            study = int(facts["StudyInstanceUID"].split(".")[2])
            count = sum(place[0] == study for place in self.kept)
            state = self.house.studies.state(facts["StudyInstanceUID"])
            assert (int(facts["NumberOfStudyRelatedInstances"]), state.originals) == (count, count)
            assert (state.is_open, state.version) == (self.open[study], self.versions[study])

    @invariant()
    def index_store_and_ledger_are_sound(self) -> None:
        assert list(self.house.archive.verify()) == []
        assert list(self.house.ledger.verify()) == []

    def _accept(self, data: bytes, source: str) -> FilingOutcome:
        try:
            return self.house.intake.accept_bytes(data, source).outcome
        except SameUidOtherBytes:
            return FilingOutcome.CONFLICT


ArchiveMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
TestArchive = ArchiveMachine.TestCase
