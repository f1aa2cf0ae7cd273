"""The study page: its shell with the first image and the review in it; all else is done by its scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from coread.archive import Archive, Query
from coread.domain.consent import Permit, Use
from coread.domain.person import Permission, Role
from coread.domain.study import Instance
from coread.errors import NotFound
from coread.gateways.pages import formats
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.reading.as_json import plain
from coread.gateways.pages.reading.review_api import ReviewApi
from coread.gateways.pages.reading.rows import person_line
from coread.gateways.pages.reading.vocabulary import vocabulary
from coread.gateways.pages.rendering import render
from coread.governance import People
from coread.review import ReviewDesk, StudyReview
from coread.routing import is_derived

_DICOMWEB = "/dicomweb"
_FIRST_IMAGE_PX = 1400
_MOST_SERIES = 200


class StudyPage:
    """Answers at ``/studies/{study_uid}``.

    Parameters
    ----------
    desk, archive, people
        As for `ReviewApi`.
    reviews
        Writes the review.
    """

    def __init__(self, desk: ReviewDesk, archive: Archive, people: People, reviews: ReviewApi) -> None:
        self._desk = desk
        self._archive = archive
        self._people = people
        self._reviews = reviews

    def show(self, asked: Asked) -> Response:
        """Open the study and show it."""
        review = self._desk.open(asked.uid("study_uid"), asked.person)
        facts, first = review.facts, self._first_image(review)
        context = {
            "facts": _Facts(facts),
            "patient_name": formats.person_name(facts.get("PatientName", ""), asked.language),
            "person_line": person_line(facts.get("PatientSex", ""), facts.get("PatientAge", ""), asked.words),
            "modality": facts.get("ModalitiesInStudy", "").replace("\\", " "),
            "first_image": first,
            "review_json": self._reviews.body(review),
            "surroundings": self._surroundings(asked, first),
            "permits": self._permits(review.study_instance_uid),
        }
        return render(asked.request, "study.html", context)

    def _permits(self, study_uid: str) -> list[Permit]:
        """Return what a doctor has to know at a glance: whether AI may help, and the study may be shown."""
        permits = self._desk.permits(study_uid)
        return [permits[use] for use in (Use.AI, Use.TEACHING) if permits[use].is_kept]

    def _surroundings(self, asked: Asked, first: Mapping[str, Any] | None) -> dict[str, Any]:
        person, caller = asked.person, asked.caller
        doctors = [p for p in self._people.list() if p.is_active and Role.DOCTOR in p.roles]
        account = self._people.account(person.id)
        return {
            "person": {"id": person.id, "login": person.login, "display_name": person.display_name},
            "may_decide": caller.may(Permission.DECIDE),
            "may_sign": caller.may(Permission.SIGN),
            "has_password": account.has_password,
            "has_totp": account.has_totp,
            "colleagues": [{"id": p.id, "name": p.display_name} for p in doctors if p.id != person.id],
            "names": {p.id: p.display_name for p in doctors},
            "templates": {t.name: plain(t) for t in self._desk.templates()},
            "vocabulary": vocabulary(),
            "dicomweb_root": _DICOMWEB,
            "first_image": first,
        }

    def _first_image(self, review: StudyReview) -> dict[str, Any] | None:
        """Choose what is on the screen first: where a reader found something, else the first image."""
        marked = (panel.finding for panel in review.findings if panel.finding.presence != "absent")
        for finding in marked:
            frame = finding.heat_map.frame if finding.heat_map else 1
            try:
                return _image(self._archive.get(finding.image.sop_instance_uid), frame)
            except NotFound:  # the image was deleted after it was read
                continue
        found = self._first_original(review.study_instance_uid)
        return None if found is None else _image(found, 1)

    def _first_original(self, study_uid: str) -> Instance | None:
        for series in self._archive.find_series(Query({"StudyInstanceUID": study_uid}, limit=_MOST_SERIES)):
            uids = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series["SeriesInstanceUID"]}
            for facts in self._archive.find_instances(Query(uids, limit=1)):
                instance = self._archive.get(facts["SOPInstanceUID"])
                is_ours = instance.source.startswith("reader:")
                if not is_ours and not is_derived(instance.header):
                    return instance
        return None


class _Facts(dict[str, str]):
    """Facts as a template reads them: what is absent is empty."""

    def __missing__(self, _: str) -> str:
        return ""


def _image(instance: Instance, frame: int) -> dict[str, Any]:
    ref, facts = instance.ref, instance.header.facts
    root = f"{_DICOMWEB}/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
    columns, rows = (_size(facts.get(name, "")) for name in ("Columns", "Rows"))
    return {
        "series_instance_uid": ref.series_instance_uid,
        "sop_instance_uid": ref.sop_instance_uid,
        "frame": frame,
        "address": f"{root}/instances/{ref.sop_instance_uid}/frames/{frame}/rendered"
        f"?viewport={columns},{rows}",
    }


def _size(text: str) -> int:
    pixels = int(text) if text.isascii() and text.isdecimal() else _FIRST_IMAGE_PX
    return max(1, min(pixels, _FIRST_IMAGE_PX))
