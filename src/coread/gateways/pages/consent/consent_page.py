"""The officer's page: what a patient agreed to, recorded and withdrawn; patients are named by their ID alone.

The Patient ID travels in bodies only, never in an address; a page of one patient is found by the reference.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from starlette.responses import RedirectResponse, Response

from coread.domain.consent import Act, Decision, PatientIdentity, Said, Use
from coread.errors import BadQuery, NotFound
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.rendering import render
from coread.governance import Consents, People

Word = TypeVar("Word", bound=StrEnum)

_LATEST = 50
_MOMENT = timedelta(microseconds=1)


class ConsentPage:
    """Answers at ``/consents``.

    Parameters
    ----------
    consents
        The register; None where nobody keeps one.
    people
        Names of who recorded.
    now
        Tells the time.
    """

    def __init__(self, consents: Consents | None, people: People, now: Callable[[], datetime]) -> None:
        self._register = consents
        self._people = people
        self._now = now

    def show(self, asked: Asked) -> Response:
        """Show what holds where nobody has decided, and the latest decisions of all patients."""
        consents = self._consents
        after = max(0, consents.count() - _LATEST)
        context = {
            "rules": [(use, consents.rules.of(use), consents.rules.rows(use)) for use in Use],
            "decisions": consents.list(after=after, limit=_LATEST)[::-1],
            "names": self._names(),
        }
        return render(asked.request, "consents.html", context)

    def find(self, asked: Asked) -> Response:
        """Lead to a patient's page; of whom nothing is on record yet, show it at once."""
        person = _person(asked.form())
        ref = self._consents.reference(person)
        return _to(ref) if ref else self._shown(asked, person, "")

    def person(self, asked: Asked) -> Response:
        """Show how a patient stands to each use, and every decision.

        Raises
        ------
        NotFound
            If the reference leads to nobody (any more).
        """
        ref = asked.part("person_ref")
        person = self._consents.person_of(ref)
        if person is None:
            raise NotFound("a reference that leads to nobody", "a patient's", "look the patient up")
        return self._shown(asked, person, ref)

    def record(self, asked: Asked) -> Response:
        """Put a decision on record.

        Raises
        ------
        BadQuery
            If the form holds no use, act or day that can be.
        ConsentRefused, ConsentChanged
            As the register says.
        """
        form = asked.form()
        person, act = _person(form), _value(Act, form, "act")
        until = _day_after(form.get("until", "")) if act is Act.GIVEN else None
        said = Said(
            person,
            _value(Use, form, "use"),
            act,
            asked.caller.actor,
            "page",
            form.get("key", ""),
            valid_until=until,
            evidence_sha256=form.get("evidence_sha256", "").strip().lower(),
        )
        seen = form.get("seen", "")
        decision = self._consents.record(said, int(seen) if seen.isdecimal() else None)
        return _to(decision.person_ref)

    @property
    def _consents(self) -> Consents:
        if self._register is None:
            raise NotFound("no register of consents", "a clinic that keeps one")
        return self._register

    def _shown(self, asked: Asked, person: PatientIdentity, ref: str) -> Response:
        history = self._consents.history(person)
        context: Mapping[str, Any] = {
            "patient": person,
            "ref": ref,
            "stands": self._consents.standings(person, self._now()),
            "allowed": {use: self._consents.may(person, use, self._now()).is_allowed for use in Use},
            "history": history[::-1],
            "names": self._names(),
            "key": secrets.token_hex(16),
            "last_day": _last_day,
        }
        return render(asked.request, "consent_person.html", context)

    def _names(self) -> Mapping[str, str]:
        return {person.actor: person.display_name for person in self._people.list()}


def _person(form: Mapping[str, str]) -> PatientIdentity:
    person = PatientIdentity(form.get("patient_id", ""), form.get("issuer", ""))
    if not person.is_known:
        raise BadQuery("no Patient ID", "the Patient ID of the images", "type it in", where="patient_id")
    return person


def _value(kind: type[Word], form: Mapping[str, str], name: str) -> Word:
    try:
        return kind(form.get(name, ""))
    except ValueError:
        raise BadQuery(f"a {name} that is none", f"one of {', '.join(kind)}", where=name) from None


def _day_after(text: str) -> datetime | None:
    """Return the end of the last day that a form names; None where it names none."""
    if not text:
        return None
    try:
        last = date.fromisoformat(text)
    except ValueError:
        raise BadQuery("a day that is none", "year, month and day", where="until") from None
    return datetime.combine(last, datetime.min.time(), UTC) + timedelta(days=1)


def _last_day(decision: Decision) -> str:
    """Return the last day on which a consent holds, in UTC."""
    ends = decision.valid_until
    return f"{ends - _MOMENT:%Y-%m-%d}" if ends else ""


def _to(ref: str) -> Response:
    return RedirectResponse(f"/consents/{ref}", 303)
