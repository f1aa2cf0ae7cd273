"""What the study page asks of readers and rules: look here, answer anew, what is done next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from coread.domain.reading import Prompt
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.reading import from_json
from coread.gateways.pages.reading.as_json import plain
from coread.gateways.pages.reading.review_api import NO_STORE, ReviewApi
from coread.review import Composition, Context, Course, Nodule, ReviewDesk, sentences

_STUDY = "study_uid"
_MOST_MM = 300.0
_MOST_YEARS = 150.0


class AskingApi:
    """Answers at ``/api/v1/studies/{study_uid}/...``.

    Parameters
    ----------
    desk
        The doctor's rules.
    reviews
        Writes the review that a question leads to.
    wake
        Called after something was asked of a reader.
    """

    def __init__(self, desk: ReviewDesk, reviews: ReviewApi, wake: Callable[[], None]) -> None:
        self._desk = desk
        self._reviews = reviews
        self._wake = wake

    def ask(self, asked: Asked) -> Response:
        """Ask a reader to look at a place."""
        body, study_uid = asked.json(), asked.uid(_STUDY)
        image = self._reviews.image_of(study_uid, from_json.text(body, "sop_instance_uid", most=64))
        frame = from_json.whole(body, "frame", 1, 100_000, 1)
        point, box = from_json.place(body)
        prompt = Prompt(image, frame, point, box)
        review = self._desk.ask_reader(
            study_uid, asked.person, from_json.text(body, "reader", most=200), prompt
        )
        self._wake()
        return self._reviews.answer(review)

    def reconsider(self, asked: Asked) -> Response:
        """Ask what a reader answers with corrected characteristics."""
        traits = from_json.traits(asked.json())
        finding_uid = asked.part("finding_uid")
        answer = self._desk.reconsider(asked.uid(_STUDY), asked.person, finding_uid, traits)
        return JSONResponse(plain(answer), headers=NO_STORE)

    def follow_up(self, asked: Asked) -> Response:
        """Ask a rule what is done about nodules next."""
        body = asked.json()
        language = from_json.text(body, "language", asked.language, 8)
        advice = self._desk.follow_up(
            asked.uid(_STUDY),
            asked.person,
            from_json.text(body, "rule", most=64),
            [_nodule(item) for item in from_json.items(body, "nodules")],
            _context(from_json.part(body, "patient")),
        )
        said = {"sentences": list(sentences(advice, language))}
        return JSONResponse(plain(advice) | said, headers=NO_STORE)


def _nodule(body: Mapping[str, Any]) -> Nodule:
    return Nodule(
        composition=from_json.choice(body, "composition", Composition),
        diameter_mm=from_json.number(body, "diameter_mm", 0, _MOST_MM),
        solid_mm=from_json.number(body, "solid_mm", 0, _MOST_MM, 0),
        course=from_json.choice(body, "course", Course) if body.get("course") else Course.BASELINE,
        is_benign=body.get("is_benign") is True,
        is_suspicious=body.get("is_suspicious") is True,
    )


def _context(body: Mapping[str, Any]) -> Context:
    age = body.get("age_years")
    named = ("is_high_risk", "has_known_cancer", "is_immunosuppressed", "is_screening")
    flags = {name: body.get(name) is True for name in named}
    return Context(
        age_years=None if age is None else from_json.number(body, "age_years", 0, _MOST_YEARS), **flags
    )
