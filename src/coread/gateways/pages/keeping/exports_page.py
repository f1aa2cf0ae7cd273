"""The officer's pages of exports: what was changed, what was left, before and after; and the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import RedirectResponse, Response

from coread.errors import BadQuery, NotFound
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.rendering import render
from coread.governance import People
from coread.governance.exports import Box, ExportDesk, Held, Job, State, StudyPart

#: Images on one page.
_IMAGES = 8
_JOBS = 200
_SIDES = ("left", "top", "width", "height")


class ExportsPage:
    """Answers at ``/exports``.

    Parameters
    ----------
    desk
        Keeps the exports; None where there is none.
    people
        Names of actors.
    """

    def __init__(self, desk: Callable[[], ExportDesk] | None, people: People) -> None:
        self._given = desk
        self._people = people

    def show(self, asked: Asked) -> Response:
        """List all exports, the newest first."""
        jobs = self._desk.list()[:_JOBS] if self._given else []
        context = {"jobs": [self._told(job) for job in jobs], "names": self._names()}
        return render(asked.request, "exports.html", context)

    def job(self, asked: Asked) -> Response:
        """Show one export: its numbers, warnings, studies, and what can be decided.

        Raises
        ------
        NotFound
            If there is none.
        """
        job = self._desk.get(asked.part("job_id"))
        context = {
            "job": job,
            "told": self._told(job),
            "names": self._names(),
            "waits": job.state is State.WAITING,
            "done": asked.query("done"),
        }
        return render(asked.request, "export.html", context)

    def study(self, asked: Asked) -> Response:
        """Show one study of an export; that it was looked at goes on record.

        Raises
        ------
        NotFound
            If there is none, or it was forgotten after the decision.
        """
        job = self._desk.get(asked.part("job_id"))
        part = self._desk.study(job.id, _number(asked, "number"))
        self._desk.seen(job.id, part.number, asked.caller.actor)
        images = sorted((each for each in part.held if each.has_pixels), key=_order)
        first = min(asked.number("from", 0), max(len(images) - 1, 0)) // _IMAGES * _IMAGES
        address = f"/exports/{job.id}/studies/{part.number}"
        context = {
            "job": job,
            "part": part,
            "address": address,
            "waits": job.state is State.WAITING,
            "actions": _actions(part),
            "images": images[first : first + _IMAGES],
            "first": first,
            "count": len(images),
            "newer": f"{address}?from={first - _IMAGES}" if first else "",
            "older": f"{address}?from={first + _IMAGES}" if first + _IMAGES < len(images) else "",
            "done": asked.query("done"),
        }
        return render(asked.request, "export_study.html", context)

    def picture(self, asked: Asked) -> Response:
        """Give a frame of an image as PNG, before or after.

        Raises
        ------
        NotFound
            If there is none.
        """
        place = (_number(asked, "number"), _number(asked, "image"))
        frame = asked.number("frame", 1)
        data = self._desk.picture(asked.part("job_id"), *place, asked.part("side"), frame)
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return Response(data, 200, headers, "image/png")

    def add_box(self, asked: Asked) -> Response:
        """Blank a rectangle.

        Raises
        ------
        NotFound, BadQuery, DecisionRefused
            If there is no such image, the box is not inside it, or the export waits no longer.
        """
        form = asked.form()
        box = Box(*(_pixels(form, side) for side in _SIDES))
        place = (_number(asked, "number"), _number(asked, "image"))
        whole_series = form.get("series") == "yes"
        self._desk.add_box(asked.part("job_id"), place, box, asked.caller.actor, whole_series=whole_series)
        return _back(asked, form, place, "box-added")

    def take_box_back(self, asked: Asked) -> Response:
        """Take back a rectangle that was drawn by hand.

        Raises
        ------
        NotFound, DecisionRefused
            If there is none, or the export waits no longer.
        """
        place = (_number(asked, "number"), _number(asked, "image"))
        self._desk.take_box_back(asked.part("job_id"), place, _number(asked, "index"), asked.caller.actor)
        return _back(asked, asked.form(), place, "box-removed")

    def accept(self, asked: Asked) -> Response:
        """Let an export go out.

        Raises
        ------
        NotFound, DecisionRefused
            If there is none, it waits no longer, or a warning is not ticked.
        """
        form = asked.form()
        seen = [name.removeprefix("seen-") for name in form if name.startswith("seen-")]
        job_id = asked.part("job_id")
        self._desk.accept(job_id, seen, asked.caller.actor, form.get("reason", ""))
        return _to(f"/exports/{job_id}?done=accepted")

    def reject(self, asked: Asked) -> Response:
        """Throw an export away.

        Raises
        ------
        NotFound, DecisionRefused
            If there is none, it waits no longer, or no reason is given.
        """
        job_id = asked.part("job_id")
        self._desk.reject(job_id, asked.form().get("reason", ""), asked.caller.actor)
        return _to(f"/exports/{job_id}?done=rejected")

    def release(self, asked: Asked) -> Response:
        """Bring out an export that was accepted and did not get out, e.g. because the disk was full.

        Raises
        ------
        NotFound, DecisionRefused, ChecksumMismatch
            If there is none, nobody has accepted it, or it is not what was accepted.
        """
        job_id = asked.part("job_id")
        self._desk.release(job_id)
        return _to(f"/exports/{job_id}?done=accepted")

    @property
    def _desk(self) -> ExportDesk:
        if self._given is None:
            raise NotFound("no exports here", "a clinic that keeps them", "go back to the reading list")
        return self._given()

    def _names(self) -> Mapping[str, str]:
        return {person.actor: person.display_name for person in self._people.list()}

    def _told(self, job: Job) -> Mapping[str, Any]:
        return {
            "job": job,
            "made_at": datetime.fromisoformat(job.made_at),
            "decided_at": datetime.fromisoformat(job.decided_at) if job.decided_at else None,
            "persons": len({study["pseudonym"] for study in job.studies}),
            "mark": _MARKS[job.state],
        }


_MARKS = {
    State.MAKING: "plain",
    State.WAITING: "warn",
    State.ACCEPTED: "warn",
    State.RELEASED: "good",
    State.REJECTED: "bad",
    State.DROPPED: "bad",
}


def _order(held: Held) -> tuple[bool, int]:
    """What was blanked, or could not be looked at, comes first."""
    return not (held.share_blanked or held.boxes or not held.looked_at), held.number


def _actions(part: StudyPart) -> Sequence[Mapping[str, Any]]:
    """Turn attributes with their actions into actions with their attributes."""
    by_action: dict[str, dict[str, Any]] = {}
    for name, tally in part.attributes.items():
        for action, count in tally["actions"].items():
            of_action = by_action.setdefault(action, {"action": action, "count": 0, "attributes": []})
            of_action["count"] += count
            of_action["attributes"].append({"name": name, "count": count, "examples": tally["examples"]})
    return sorted(by_action.values(), key=lambda each: str(each["action"]))


def _number(asked: Asked, name: str) -> int:
    text = asked.part(name)
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("a number that is none", "one of the page's", "go back to the list of exports")
    return int(text)


def _pixels(form: Mapping[str, str], side: str) -> int:
    text = form.get(side, "").strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise BadQuery("a box whose sides are no whole numbers", "four numbers of pixels", "correct them")
    return int(text)


def _back(asked: Asked, form: Mapping[str, str], place: tuple[int, int], done: str) -> Response:
    first = form.get("from", "0")
    at = first if first.isascii() and first.isdecimal() else "0"
    address = f"/exports/{asked.part('job_id')}/studies/{place[0]}"
    return _to(f"{address}?from={at}&done={done}#image-{place[1]}")


def _to(address: str) -> Response:
    return RedirectResponse(address, 303, {"Cache-Control": "no-store"})
