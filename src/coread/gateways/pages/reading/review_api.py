"""What the study page asks and does: look, impression, decisions, questions, marks, lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.responses import JSONResponse, Response

from coread.archive import Archive
from coread.domain.review import RejectReason, Verdict
from coread.domain.study import InstanceRef
from coread.errors import NotFound
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.reading import from_json
from coread.gateways.pages.reading.as_json import image_names, review_json
from coread.governance import People
from coread.review import ReviewDesk, StudyReview

NO_STORE = {"Cache-Control": "no-store"}
_STUDY = "study_uid"
_MOST_ACTIVE_S = 86_400


class ReviewApi:
    """Answers at ``/api/v1/studies/{study_uid}/...``.

    Parameters
    ----------
    desk
        The doctor's rules.
    archive
        Knows to which study an image belongs.
    people
        Colleagues.
    """

    def __init__(self, desk: ReviewDesk, archive: Archive, people: People) -> None:
        self._desk = desk
        self._archive = archive
        self._people = people

    def look(self, asked: Asked) -> Response:
        """Give the present review; what came after the revision ``since`` is told as changes."""
        since = asked.number("since", -1) if "since" in asked.request.query_params else None
        return self.answer(self._desk.look(asked.uid(_STUDY), asked.person, since))

    def impression(self, asked: Asked) -> Response:
        """Record the impression before the readers are shown."""
        body = asked.json()
        return self.answer(
            self._desk.record_impression(
                asked.uid(_STUDY),
                asked.person,
                from_json.flag(body, "is_abnormal"),
                from_json.number(body, "confidence", 0, 1),
                from_json.text(body, "text", ""),
                **_ticket(body),
            )
        )

    def decide(self, asked: Asked) -> Response:
        """Accept, edit or reject a finding."""
        body, study_uid = asked.json(), asked.uid(_STUDY)
        stated = body.get("statement")
        statement = from_json.statement(stated, self._finder(study_uid)) if isinstance(stated, dict) else None
        reason = from_json.choice(body, "reason", RejectReason) if body.get("reason") else None
        return self.answer(
            self._desk.decide(
                study_uid,
                asked.person,
                asked.part("finding_uid"),
                from_json.choice(body, "verdict", Verdict),
                statement=statement,
                reason=reason,
                comment=from_json.text(body, "comment", ""),
                active_s=from_json.number(body, "active_s", 0, _MOST_ACTIVE_S, 0),
                shown=from_json.texts(body, "shown"),
                nudge=from_json.text(body, "nudge", "", 1000),
                **_ticket(body),
            )
        )

    def undo(self, asked: Asked) -> Response:
        """Take a decision back."""
        finding_uid = asked.part("finding_uid")
        ticket = _ticket(asked.json())
        return self.answer(self._desk.undo(asked.uid(_STUDY), asked.person, finding_uid, **ticket))

    def add(self, asked: Asked) -> Response:
        """Add a finding of the doctor's own."""
        body, study_uid = asked.json(), asked.uid(_STUDY)
        statement = from_json.statement(body, self._finder(study_uid))
        return self.answer(self._desk.add_statement(study_uid, asked.person, statement, **_ticket(body)))

    def acknowledge(self, asked: Asked) -> Response:
        """Say that what came after the signature asks for no addendum."""
        ticket = _ticket(asked.json())
        return self.answer(self._desk.acknowledge(asked.uid(_STUDY), asked.person, **ticket))

    def ask(self, asked: Asked) -> Response:
        """Ask a colleague."""
        body, study_uid = asked.json(), asked.uid(_STUDY)
        colleague = self._people.get(from_json.text(body, "colleague_id", most=64))
        question = from_json.text(body, "question")
        key = from_json.key(body)
        self._desk.ask_colleague(study_uid, asked.person, colleague.id, question, key=key)
        return self._looked(asked)

    def reply(self, asked: Asked) -> Response:
        """Answer a colleague's question on this study."""
        question_id = asked.part("question_id")
        study_uid = asked.uid(_STUDY)
        review = self._desk.look(study_uid, asked.person)
        if question_id not in {question.id for question in review.questions}:
            raise NotFound("a question that was not asked on this study", remedy="load the page anew")
        self._desk.answer_colleague(question_id, asked.person, from_json.text(asked.json(), "text"))
        return self._looked(asked)

    def teach(self, asked: Asked) -> Response:
        """Mark as a teaching case, or take the mark away."""
        self._desk.mark_teaching(asked.uid(_STUDY), asked.person, from_json.flag(asked.json(), "on"))
        return self._looked(asked)

    def lock(self, asked: Asked) -> Response:
        """Take the study, with a reason from whoever holds it."""
        reason = from_json.text(asked.json(), "reason", "", 1000).strip()
        study_uid = asked.uid(_STUDY)
        if reason:
            return self.answer(self._desk.break_lock(study_uid, asked.person, reason))
        return self.answer(self._desk.take_lock(study_uid, asked.person))

    def release(self, asked: Asked) -> Response:
        """Give the study back."""
        self._desk.release_lock(asked.uid(_STUDY), asked.person)
        return self._looked(asked)

    def answer(self, review: StudyReview) -> Response:
        """Write a review as JSON."""
        return JSONResponse(self.body(review), headers=NO_STORE)

    def body(self, review: StudyReview) -> dict[str, Any]:
        """Give what the page needs of a review."""
        return review_json(review) | {"image_names": image_names(review, self._archive)}

    def _looked(self, asked: Asked) -> Response:
        return self.answer(self._desk.look(asked.uid(_STUDY), asked.person))

    def image_of(self, study_uid: str, sop_instance_uid: str) -> InstanceRef:
        """Return an image of a study.

        Raises
        ------
        NotFound
            If it is not kept, or is one of another study.
        """
        ref = self._archive.get(sop_instance_uid).ref
        if ref.study_instance_uid != study_uid:
            raise NotFound("an image that is none of this study", remedy="choose an image of this study")
        return ref

    def _finder(self, study_uid: str) -> Callable[[str], InstanceRef]:
        return partial(self.image_of, study_uid)


def _ticket(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"revision": from_json.revision(body), "key": from_json.key(body)}
