"""The desk against a plain model, under any order of what two doctors, readers and scanners may do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from reviewing import CHEST, COLLEAGUE, DOCTOR, SECOND, new_key, reading_room, statement_on

from coread.domain.person import Person
from coread.domain.review import RejectReason, SignedReport, Verdict
from coread.errors import AlreadySigned, DecisionRefused, LockedByOther, NotReadyToSign, StaleReview
from coread.review import StudyReview

doctors = st.sampled_from([DOCTOR, COLLEAGUE])
verdicts = st.sampled_from([Verdict.ACCEPTED, Verdict.REJECTED])


class ReviewMachine(RuleBasedStateMachine):
    """One study, two doctors who decide, undo, add, draft and sign; late readings; locks that run out."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self.room = reading_room(f"sqlite:///{folder / 'index.sqlite'}", folder)
        self.uid = self.room.study(1, {CHEST.name: 0.8})
        self.standing: dict[str, str] = {}
        self.signed: list[SignedReport] = []
        self.frozen: dict[str, str] = {}
        self.acts = 0
        self.holder: Person | None = None
        self.has_draft = self.is_draft_fresh = False
        self.is_second_read = False

    def teardown(self) -> None:
        self.room.house.database.close()
        self._folder.cleanup()

    def look(self, person: Person) -> StudyReview:
        return self.room.desk.look(self.uid, person)

    def may_write(self, person: Person) -> bool:
        return self.holder in (None, person)

    def wrote(self, person: Person, changes_basis: bool = True) -> None:
        self.acts += 1
        self.holder = person
        if changes_basis:
            self.is_draft_fresh = False

    @rule(person=doctors, verdict=verdicts, place=st.integers(0, 1), doubled=st.booleans())
    def decide(self, person: Person, verdict: Verdict, place: int, doubled: bool) -> None:
        review = self.look(person)
        finding = review.findings[min(place, len(review.findings) - 1)].finding_uid
        reason = RejectReason.ARTEFACT if verdict is Verdict.REJECTED else None
        key = new_key()

        def act() -> StudyReview:
            return self.room.desk.decide(
                self.uid, person, finding, verdict, reason=reason, revision=review.revision, key=key
            )

        if finding in self.frozen:
            with pytest.raises(AlreadySigned):
                act()
        elif not self.may_write(person):
            with pytest.raises(LockedByOther):
                act()
        else:
            for _ in range(1 + doubled):
                act()
            self.standing.pop(finding, None)
            self.standing[finding] = str(verdict)
            self.wrote(person)

    @rule(person=doctors)
    def add(self, person: Person) -> None:
        review = self.look(person)
        if not self.may_write(person):
            return
        after = self.room.desk.add_statement(
            self.uid, person, statement_on(), revision=review.revision, key=new_key()
        )
        self.standing[after.decisions[-1].finding_uid] = "added"
        self.wrote(person)

    @rule(person=doctors, place=st.integers(0, 5))
    def undo(self, person: Person, place: int) -> None:
        review = self.look(person)
        uids = list(self.standing)
        if not uids or not self.may_write(person):
            return
        finding = uids[place % len(uids)]

        def act() -> StudyReview:
            return self.room.desk.undo(self.uid, person, finding, revision=review.revision, key=new_key())

        if finding in self.frozen:
            with pytest.raises(AlreadySigned):
                act()
            return
        act()
        del self.standing[finding]
        self.wrote(person)
        with pytest.raises(DecisionRefused):
            self.room.desk.undo(self.uid, person, finding, revision=self.look(person).revision, key=new_key())

    @rule(person=doctors)
    def act_on_a_state_that_has_passed(self, person: Person) -> None:
        review = self.look(person)
        if review.revision == 0:
            return
        with pytest.raises(StaleReview):
            self.room.desk.add_statement(
                self.uid, person, statement_on(), revision=review.revision - 1, key=new_key()
            )

    @rule(person=doctors)
    def save_draft(self, person: Person) -> None:
        review = self.look(person)
        if not self.may_write(person):
            return
        texts = {"findings": "\n".join(f"Line {n}." for n in range(len(self.standing) + 1))}

        def act() -> None:
            self.room.desk.save_draft(
                self.uid, person, "generic", "en", texts, revision=review.revision, key=new_key()
            )

        if self.signed:
            with pytest.raises(AlreadySigned):
                act()
            return
        act()
        self.wrote(person, changes_basis=False)
        self.has_draft = self.is_draft_fresh = True

    @rule(person=doctors)
    def sign(self, person: Person) -> None:
        review = self.look(person)
        findings = {panel.finding_uid for panel in review.findings}
        is_ready = (
            self.has_draft
            and self.is_draft_fresh
            and findings <= self.standing.keys()
            and self.holder == person
        )
        try:
            report = self.room.desk.sign(self.uid, person, revision=review.revision, key=new_key())
        except AlreadySigned:
            assert self.signed
        except NotReadyToSign as fault:
            assert not is_ready
            assert set(fault.hurdles) == {hurdle.code for hurdle in review.hurdles}  # noqa: PT017
        else:
            assert is_ready
            assert not self.signed
            self.signs(person, report)

    @rule(person=doctors)
    def addendum(self, person: Person) -> None:
        review = self.look(person)
        if not self.signed or self.holder != person:
            with pytest.raises((NotReadyToSign, LockedByOther)):
                self.room.desk.addendum(
                    self.uid, person, {"impression": "More."}, revision=review.revision, key=new_key()
                )
            return
        report = self.room.desk.addendum(
            self.uid, person, {"impression": "More."}, revision=review.revision, key=new_key()
        )
        self.signs(person, report)

    def signs(self, person: Person, report: SignedReport) -> None:
        assert {d.finding_uid: str(d.verdict or "added") for d in report.decisions} == self.standing
        self.signed.append(report)
        self.frozen = dict(self.standing)
        self.wrote(person, changes_basis=False)

    @rule(person=doctors)
    def give_back(self, person: Person) -> None:
        self.room.desk.release_lock(self.uid, person)
        if self.holder == person:
            self.holder = None

    @rule()
    def the_lock_runs_out(self) -> None:
        self.room.clock.pass_s(901)
        self.holder = None

    @precondition(lambda self: not self.is_second_read)
    @rule()
    def another_reader_reads(self) -> None:
        self.room.read(self.uid, SECOND, 0.7)
        self.is_second_read = True

    @rule(person=doctors)
    def open(self, person: Person) -> None:
        self.room.desk.open(self.uid, person)

    @invariant()
    def what_stands_is_what_was_said(self) -> None:
        decisions = self.look(DOCTOR).decisions
        assert {d.finding_uid: str(d.verdict or "added") for d in decisions} == self.standing
        assert [d.finding_uid for d in decisions] == list(self.standing)

    @invariant()
    def nothing_is_lost_and_nothing_doubled(self) -> None:
        case, entries = self.room.casebook.journal.read(self.uid)
        assert [entry.revision for entry in entries] == list(range(1, case.revision + 1))
        assert sum(bool(entry.person_id) for entry in entries) == self.acts

    @invariant()
    def what_is_signed_never_changes(self) -> None:
        assert list(self.room.casebook.reports_of(self.uid)) == self.signed
        assert self.room.casebook.unpublished() == [report.uid for report in self.signed]
        for finding, verdict in self.frozen.items():
            assert self.standing[finding] == verdict

    @invariant()
    def the_ledger_is_sound(self) -> None:
        assert list(self.room.house.ledger.verify()) == []


ReviewMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestReview = ReviewMachine.TestCase
