"""The reading desk: everything that a doctor does with studies, and nothing of pages."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from coread.archive import Archive, Deliveries, Readings, Studies
from coread.casebook import AskedQuestion, Casebook, KeptView, Phrase, from_json, to_json
from coread.domain.bundle import Card
from coread.domain.consent import Consenting, EverybodyConsents, Permit, Use, passes
from coread.domain.event import Event
from coread.domain.finding import Confidence
from coread.domain.person import Person
from coread.domain.reading import Prompt
from coread.domain.review import (
    Draft,
    Impression,
    RejectReason,
    SignedReport,
    Statement,
    Trait,
    Verdict,
)
from coread.errors import DecisionRefused, NotFound
from coread.ledger import Ledger
from coread.review.acts import reporting
from coread.review.acts.asking import ask_reader, reconsidered
from coread.review.acts.deciding import Saying, addition_deed, decision_deed, impression_deed, undo_deed
from coread.review.acts.statements import check_text
from coread.review.acts.writing import Deed, Ticket, Writer
from coread.review.drafting import Template, check_language, templates
from coread.review.evidence import who
from coread.review.follow_up import Advice, Context, Nodule, advise
from coread.review.opening import named_question, review_of
from coread.review.policy import Policy
from coread.review.sources import Reconsider, Sources
from coread.review.statistics import VerdictStatistic, verdict_statistics
from coread.review.study_review import Question, StudyReview
from coread.review.table import Table, Tables
from coread.review.worklist.assembling import Lists
from coread.review.worklist.entry import Filter, SavedView, Worklist

_PHRASE = 2_000
_NAME = 128


class ReviewDesk:
    """The doctor's rules over the keepers.

    Every write names the `revision` that the doctor saw and a `key` made by the page. On another revision it
    raises StaleReview and changes nothing; with a key that came before it changes nothing either and answers
    as it did then.

    Parameters
    ----------
    casebook, archive, studies, readings, deliveries, ledger
        The keepers, on one database.
    cards, evaluations
        Card and ``evaluation.json`` of a reader by its name; None where there is none.
    clock
        Tells the time, in UTC.
    policy
        The house's rules of reading.
    names
        Display name of a person by id.
    askable
        Cards of the readers that answer where a doctor points to.
    reconsider
        How a reader answers anew from corrected characteristics, by its name; None where it does not.
    consents
        Who says whether a study may be read by AI readers, or used for teaching.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one for each keeper that the desk stands on
        self,
        casebook: Casebook,
        archive: Archive,
        studies: Studies,
        readings: Readings,
        deliveries: Deliveries,
        cards: Callable[[str], Card | None],
        evaluations: Callable[[str], Mapping[str, Any] | None],
        ledger: Ledger,
        clock: Callable[[], datetime],
        policy: Policy,
        names: Callable[[str], str],
        askable: Callable[[], Sequence[Card]] = tuple,
        reconsider: Callable[[str], Reconsider | None] = lambda name: None,
        consents: Consenting | None = None,
    ) -> None:
        self._from = Sources(
            casebook=casebook,
            archive=archive,
            studies=studies,
            readings=readings,
            deliveries=deliveries,
            cards=cards,
            evaluations=evaluations,
            ledger=ledger,
            clock=clock,
            policy=policy,
            names=names,
            askable=askable,
            reconsider=reconsider,
            consents=consents or EverybodyConsents(),
        )
        self._tables = Tables(self._from)
        self._lists = Lists(self._from)
        self._writer = Writer(self._from)

    # The list

    def worklist(self, person: Person, wanted: Filter | None = None) -> Worklist:
        """Return one page of the reading list, the most urgent first."""
        return self._lists.page(person, wanted or Filter())

    def save_view(self, person: Person, name: str, wanted: Filter) -> None:
        """Keep a filter under a name of the person's own; one of the same name is replaced."""
        if not name.strip():
            raise DecisionRefused("a view without a name", f"1 to {_NAME} characters", where="name")
        check_text(name, "name", most=_NAME)
        self._from.casebook.marks.save_view(person.id, KeptView(name, to_json(wanted)), self._now())

    def list_views(self, person: Person) -> tuple[SavedView, ...]:
        """Return the person's saved filters by name."""
        views = self._from.casebook.marks.views(person.id)
        return tuple(SavedView(view.name, from_json(Filter, view.filter)) for view in views)

    def delete_view(self, person: Person, name: str) -> None:
        """Delete a saved filter.

        Raises
        ------
        NotFound
            If there is none of this name.
        """
        if not self._from.casebook.marks.delete_view(person.id, name, self._now()):
            raise NotFound("a view that is not saved")

    # One study

    def open(self, study_uid: str, person: Person, since: int | None = None) -> StudyReview:
        """Open a study: it counts as seen, and the opening is on record.

        Parameters
        ----------
        study_uid, person
            Which, and by whom.
        since
            Revision that the page shows already; what came after it is told in `StudyReview.changes`. When
            left out, what came since the person last saw the study.

        Raises
        ------
        NotFound
            If the archive has nothing of the study.
        """
        table = self._tables.lay(study_uid, person)
        marks = self._from.casebook.marks
        seen = marks.seen(study_uid, person.id) if since is None else since
        review = review_of(table, table.case.revision if seen < 0 else seen)
        marks.see(study_uid, person.id, table.case.revision, _opening_events(table, self._now()))
        return review

    def look(self, study_uid: str, person: Person, since: int | None = None) -> StudyReview:
        """Return a study as `open` does, without counting as an opening: for a page that is open already."""
        table = self._tables.lay(study_uid, person)
        return review_of(table, table.case.revision if since is None else since)

    def permits(self, study_uid: str) -> Mapping[Use, Permit]:
        """Return what a study's patient lets be done with it now, for each use beside care."""
        return {use: self._from.consents.may(study_uid, use) for use in Use if use is not Use.CARE}

    def take_lock(self, study_uid: str, person: Person) -> StudyReview:
        """Make the study the person's for a while.

        Raises
        ------
        LockedByOther
            If somebody else holds it.
        """
        self._tables.lay(study_uid, person)
        self._from.casebook.locks.take(study_uid, person.id, self._now(), self._from.policy.lock_s)
        return self.look(study_uid, person)

    def release_lock(self, study_uid: str, person: Person) -> None:
        """Give the study back."""
        self._from.casebook.locks.release(study_uid, person.id, self._now())

    def break_lock(self, study_uid: str, person: Person, reason: str) -> StudyReview:
        """Take the study from whoever holds it.

        Raises
        ------
        DecisionRefused
            If no reason is given.
        """
        if not check_text(reason, "reason").strip():
            raise DecisionRefused("a lock broken without a reason", "a reason", where="reason")
        self._from.casebook.locks.break_open(study_uid, person.id, reason, self._now())
        return self.take_lock(study_uid, person)

    # What is decided

    def record_impression(  # noqa: PLR0913 - fields of one form
        self,
        study_uid: str,
        person: Person,
        is_abnormal: bool,
        confidence: float,
        text: str = "",
        *,
        revision: int,
        key: str,
    ) -> StudyReview:
        """Record what the doctor thinks before the readers are shown; in blind-first mode this shows them.

        Raises
        ------
        DecisionRefused
            If the readers were shown already, or the doctor has given an impression before.
        StaleReview, NotFound
            As for every write.
        """
        asked = ("impression", is_abnormal, confidence, text)

        def deed(table: Table) -> Deed:
            impression = Impression(person.id, self._now(), is_abnormal, confidence, text)
            return impression_deed(table, impression)

        return self._write(Ticket(study_uid, person, revision, key), asked, deed)

    def decide(  # noqa: PLR0913 - fields of one form
        self,
        study_uid: str,
        person: Person,
        finding_uid: str,
        verdict: Verdict,
        *,
        statement: Statement | None = None,
        reason: RejectReason | None = None,
        comment: str = "",
        active_s: float = 0.0,
        shown: Iterable[str] = (),
        nudge: str = "",
        revision: int,
        key: str,
    ) -> StudyReview:
        """Accept, edit or reject a finding of a reader; a later decision takes the place of an earlier one.

        Raises
        ------
        DecisionRefused
            If reason, statement, comment or the answer to a nudge is missing or wrong.
        AlreadySigned
            If the decision stands in a signed report.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        saying = Saying(finding_uid, verdict, statement, reason, comment, active_s, tuple(shown), nudge)
        ticket = Ticket(study_uid, person, revision, key)
        return self._write(ticket, ("decide", saying), lambda table: decision_deed(table, saying))

    def add_statement(
        self, study_uid: str, person: Person, statement: Statement, *, revision: int, key: str
    ) -> StudyReview:
        """Add a finding of the doctor's own.

        Raises
        ------
        DecisionRefused
            If a code, place, number or text cannot stand.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        ticket = Ticket(study_uid, person, revision, key)
        return self._write(ticket, ("add", statement), lambda table: addition_deed(table, statement, ticket))

    def undo(
        self, study_uid: str, person: Person, finding_uid: str, *, revision: int, key: str
    ) -> StudyReview:
        """Take a decision back: the finding is undecided again, one's own is gone. The record keeps both.

        Raises
        ------
        DecisionRefused
            If nothing stands.
        AlreadySigned
            If it stands in a signed report.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        ticket = Ticket(study_uid, person, revision, key)
        return self._write(ticket, ("undo", finding_uid), lambda table: undo_deed(table, finding_uid))

    # Questions to readers

    def ask_reader(self, study_uid: str, person: Person, reader: str, prompt: Prompt) -> StudyReview:
        """Ask a reader to look at one place; its answer arrives as a reading.

        The same question is the same reading, whoever asks it and how often.

        Raises
        ------
        NotFound
            If no such reader can be asked, or the image is none of this study.
        DecisionRefused
            If the reader is withheld from this person, or takes no such prompt there.
        """
        table = self._tables.lay(study_uid, person)
        ask_reader(table, reader, prompt)
        return review_of(table, table.case.revision)

    def reconsider(
        self, study_uid: str, person: Person, finding_uid: str, traits: Sequence[Trait]
    ) -> Confidence:
        """Ask a reader what its answer is with characteristics as the doctor corrected them.

        Nothing is decided by it; that it was asked is on record.

        Raises
        ------
        NotFound
            If the finding is not before this doctor.
        DecisionRefused
            If the reader does not answer anew, or a value is none of its choices.
        """
        return reconsidered(self._tables.lay(study_uid, person), finding_uid, traits)

    # The report

    def templates(self) -> tuple[Template, ...]:
        """Return the templates of reports."""
        return tuple(templates().values())

    def draft(self, study_uid: str, template: str, language: str, person: Person) -> Draft:
        """Make a draft of the findings that stand; nothing is saved.

        Raises
        ------
        DecisionRefused
            If there is no such template or language.
        """
        return reporting.generated(self._tables.lay(study_uid, person), template, language)

    def follow_up(
        self, study_uid: str, person: Person, rule: str, nodules: Sequence[Nodule], patient: Context
    ) -> Advice:
        """Ask a rule what is done about nodules next; nothing is saved. An age left out is the study's.

        Raises
        ------
        DecisionRefused
            If there is no such rule, or a nodule cannot be.
        """
        if patient.age_years is None:
            age = who(self._tables.lay(study_uid, person).facts, {}).age_years
            patient = replace(patient, age_years=age)
        return advise(rule, nodules, patient)

    def save_draft(  # noqa: PLR0913 - fields of one form
        self,
        study_uid: str,
        person: Person,
        template: str,
        language: str,
        sections: Mapping[str, str],
        *,
        revision: int,
        key: str,
    ) -> Draft:
        """Save a version of the draft; every line learns its origin. Earlier versions are kept.

        Parameters
        ----------
        study_uid, person, template, language
            Which.
        sections
            Section name to text, in order.
        revision, key
            As for every write.

        Raises
        ------
        AlreadySigned
            If the report is signed.
        DecisionRefused
            If a text cannot be kept.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        asked = ("draft", template, language, list(sections.items()))
        ticket = Ticket(study_uid, person, revision, key)

        def deed(table: Table) -> Deed:
            return reporting.draft_deed(table, template, language, sections)

        recorded, _ = self._writer.write(ticket, asked, deed)
        return from_json(Draft, recorded.outcome)

    def sign(self, study_uid: str, person: Person, *, revision: int, key: str) -> SignedReport:
        """Sign the saved draft with all decisions.

        That who signs has just shown again who he is, is the gateway's duty.

        Raises
        ------
        NotReadyToSign
            With everything that stands in the way.
        AlreadySigned
            If it is signed.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        return self._sign(Ticket(study_uid, person, revision, key), ("sign",), reporting.signature_deed)

    def addendum(
        self, study_uid: str, person: Person, sections: Mapping[str, str], *, revision: int, key: str
    ) -> SignedReport:
        """Sign an addendum to the last signed report.

        Raises
        ------
        NotReadyToSign
            If nothing is signed yet, or something stands in the way.
        DecisionRefused
            If nothing is said.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        asked = ("addendum", list(sections.items()))
        ticket = Ticket(study_uid, person, revision, key)
        return self._sign(ticket, asked, lambda table: reporting.addendum_deed(table, sections))

    def acknowledge(self, study_uid: str, person: Person, *, revision: int, key: str) -> StudyReview:
        """Say that what came after the signature was seen and asks for no addendum.

        Raises
        ------
        DecisionRefused
            If nothing came.
        LockedByOther, StaleReview, NotFound
            As for every write.
        """
        ticket = Ticket(study_uid, person, revision, key)
        return self._write(ticket, ("acknowledge",), reporting.acknowledgement_deed)

    # Colleagues, teaching, phrases

    def ask_colleague(
        self, study_uid: str, person: Person, colleague_id: str, question: str, *, key: str = ""
    ) -> Question:
        """Ask a colleague for a second opinion.

        Raises
        ------
        DecisionRefused
            If nothing is asked, or one asks oneself.
        NotFound
            If the archive has nothing of the study.
        """
        if not check_text(question, "question").strip() or colleague_id in ("", person.id):
            raise DecisionRefused(
                "no question, or no colleague", "a question to somebody else", where="question"
            )
        self._tables.lay(study_uid, person)
        id = (
            uuid.uuid5(uuid.NAMESPACE_OID, f"{study_uid}\x1f{person.id}\x1f{key}").hex
            if key
            else uuid.uuid4().hex
        )
        asked = AskedQuestion(id, study_uid, person.id, colleague_id, question, self._now())
        self._from.casebook.questions.ask(asked)
        return named_question(asked, self._from)

    def answer_colleague(self, question_id: str, person: Person, answer: str) -> None:
        """Answer a question that a colleague put to the person.

        Raises
        ------
        NotFound, AccessDenied, DecisionRefused
            If there is no such question, it was put to somebody else, or it has another answer.
        """
        if not check_text(answer, "answer").strip():
            raise DecisionRefused("an empty answer", "an answer", where="answer")
        self._from.casebook.questions.answer(question_id, person.id, answer, self._now())

    def questions_to(self, person: Person) -> tuple[Question, ...]:
        """Return the open questions to the person."""
        asked = self._from.casebook.questions.to_person(person.id)
        return tuple(named_question(question, self._from) for question in asked)

    @passes(Use.TEACHING)
    def mark_teaching(self, study_uid: str, person: Person, on: bool) -> None:
        """Mark a study as a teaching case, or take the mark away.

        Raises
        ------
        NotFound
            If the archive has nothing of the study.
        DecisionRefused
            If the patient does not agree to teaching.
        """
        self._tables.lay(study_uid, person)
        if on and not self._from.consents.may(study_uid, Use.TEACHING).is_allowed:
            raise DecisionRefused(
                "a study whose patient has not agreed to teaching", "consent to this use", "ask the patient"
            )
        self._from.casebook.marks.teach(study_uid, person.id, on, self._now())

    def phrases(self, person: Person, language: str) -> tuple[Phrase, ...]:
        """Return the person's phrases of a language."""
        return self._from.casebook.marks.phrases(person.id, language)

    def add_phrase(
        self, person: Person, language: str, text: str, section: str = "", *, key: str = ""
    ) -> Phrase:
        """Keep a phrase.

        Raises
        ------
        DecisionRefused
            If it is empty, too long, or of a language without templates.
        """
        check_language(language)
        check_text(section, "section", most=32)
        if not check_text(text, "text", most=_PHRASE).strip():
            raise DecisionRefused("an empty phrase", "a text", where="text")
        phrase = Phrase(_id_of("phrase", person.id, key), language, section, text)
        self._from.casebook.marks.add_phrase(person.id, phrase, self._now())
        return phrase

    def remove_phrase(self, person: Person, phrase_id: str) -> None:
        """Remove one of the person's phrases.

        Raises
        ------
        NotFound
            If the person has none of this id.
        """
        if not self._from.casebook.marks.remove_phrase(person.id, phrase_id, self._now()):
            raise NotFound("a phrase that is not kept")

    def verdict_statistics(self, reader: str, since: datetime | None = None) -> tuple[VerdictStatistic, ...]:
        """Count the verdicts that stand on a reader's findings; for the quality officer."""
        return verdict_statistics(self._from.casebook, reader, since)

    def _now(self) -> datetime:
        return self._from.clock()

    def _write(self, ticket: Ticket, asked: tuple[Any, ...], deed: Callable[[Table], Deed]) -> StudyReview:
        _, table = self._writer.write(ticket, asked, deed)
        return review_of(table, table.case.revision)

    def _sign(self, ticket: Ticket, asked: tuple[Any, ...], deed: Callable[[Table], Deed]) -> SignedReport:
        recorded, table = self._writer.write(ticket, asked, deed)
        return reporting.report_of(table, recorded.outcome)


def _id_of(what: str, person_id: str, key: str) -> str:
    """Make an identifier: of a key always the same, without one always another."""
    return uuid.uuid5(uuid.NAMESPACE_OID, "\x1f".join((what, person_id, key or uuid.uuid4().hex))).hex


def _opening_events(table: Table, at: datetime) -> list[Event]:
    """Return the events of an opening: who saw the study, and once, that readers were shown to him."""
    uid, actor = table.study_instance_uid, table.person.actor
    facts = {"revision": str(table.case.revision), "version": str(table.case.study_version)}
    facts |= {"mode": str(table.study_mode), "readings": " ".join(r.uid for r in table.shown)}
    return [Event("review.opened", uid, actor, at, facts)]
