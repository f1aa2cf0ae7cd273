"""The engineer's page: health, queue, routes, destinations, deliveries, quarantine. It names no patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import RedirectResponse, Response

from coread.archive import Archive, Deliveries, Delivery, Quarantine, Studies, Workers
from coread.domain.identity import is_uid
from coread.errors import NotFound, OutOfRoom
from coread.gateways.pages.asking import Asked
from coread.gateways.pages.rendering import render
from coread.intake import Intake
from coread.ledger import Ledger
from coread.routing import Rule, Rules, route

_LINES = 50
_WINDOW = 20_000
_PENDING = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """One destination as the page shows it."""

    name: str
    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class SystemRooms:
    """What the page tells of, and acts on."""

    archive: Archive
    studies: Studies
    deliveries: Deliveries
    quarantine: Quarantine
    intake: Intake
    ledger: Ledger
    workers: Workers
    rules: Callable[[], Rules]
    targets: Sequence[Target]
    now: Callable[[], datetime]
    stale_after_s: float
    wake: Callable[[], None]
    """Called after something was asked of a worker."""


class SystemPage:
    """Answers at ``/system``."""

    def __init__(self, rooms: SystemRooms) -> None:
        self._rooms = rooms

    def show(self, asked: Asked) -> Response:
        """Show how the house is."""
        rooms = self._rooms
        pending = rooms.deliveries.pending(_PENDING)
        failed = rooms.deliveries.failed(limit=_PENDING)
        context = {
            "health": self._health(asked),
            "open_studies": rooms.studies.list(is_open=True, limit=_LINES),
            "unhanded": rooms.studies.unhanded(_LINES),
            "step_faults": self._latest("step.failed"),
            "targets": [_told_target(target, pending, failed) for target in rooms.targets],
            "failed": failed,
            "waiting": pending[:_LINES],
            "waiting_count": len(pending),
            "quarantine": rooms.quarantine.list(_LINES),
            "rules": [*rooms.rules().rules, rooms.rules().fallback],
            "conditions": _conditions,
            "dry_run": self._dry_run(asked.query("study").strip()),
            "done": asked.query("done"),
        }
        return render(asked.request, "system.html", context)

    def ask_again(self, asked: Asked) -> Response:
        """Have a failed delivery tried anew."""
        self._rooms.deliveries.ask_again(asked.part("delivery_id"), self._rooms.now(), asked.caller.actor)
        self._rooms.wake()
        return _back("asked", "deliveries")

    def ask_all_again(self, asked: Asked) -> Response:
        """Have all failed deliveries to a destination tried anew."""
        wanted = asked.form().get("destination", "")
        for delivery in self._rooms.deliveries.failed(destination=wanted):
            self._rooms.deliveries.ask_again(delivery.id, self._rooms.now(), asked.caller.actor)
        self._rooms.wake()
        return _back("asked", "deliveries")

    def release(self, asked: Asked) -> Response:
        """Try to file an object of the quarantine."""
        self._rooms.intake.retry(asked.part("quarantine_id"), asked.caller.actor)
        self._rooms.wake()
        return _back("released", "quarantine")

    def remove(self, asked: Asked) -> Response:
        """Delete an object of the quarantine for good."""
        quarantine_id = asked.part("quarantine_id")
        self._rooms.quarantine.remove(quarantine_id, self._rooms.now(), asked.caller.actor)
        return _back("removed", "quarantine")

    def _health(self, asked: Asked) -> Sequence[tuple[str, bool, str]]:
        """Return (what, whether it is well, a word more)."""
        rooms, said = self._rooms, asked.words
        alive = rooms.workers.alive(rooms.now(), rooms.stale_after_s)
        free = f"{rooms.archive.store.free_bytes() / (1 << 30):.1f} GB"
        return (
            ("store", self._has_room(), said.t("system.free", size=free)),
            ("ledger", True, said.tn("system.events", rooms.ledger.size())),
            ("workers", bool(alive), said.tn("system.workers", len(alive))),
        )

    def _has_room(self) -> bool:
        try:
            self._rooms.archive.store.check_room()
        except OutOfRoom:
            return False
        return True

    def _latest(self, kind: str, limit: int = _LINES) -> list[Any]:
        """Return the last events of a kind, the latest first."""
        after = max(0, self._rooms.ledger.size() - _WINDOW)
        return self._rooms.ledger.events(kind=kind, after=after, limit=_WINDOW)[::-1][:limit]

    def _dry_run(self, study_uid: str) -> dict[str, Any] | None:
        """Say where a study would go now, and why; sends nothing anywhere."""
        if not study_uid:
            return None
        try:
            study = self._rooms.archive.study(study_uid) if is_uid(study_uid) else None
        except NotFound:
            study = None
        return {"study_uid": study_uid, "routing": study and route(study, self._rooms.rules())}


def _told_target(target: Target, pending: Sequence[Delivery], failed: Sequence[Delivery]) -> dict[str, Any]:
    states = Counter(str(d.state) for d in (*pending, *failed) if d.destination == target.name)
    last = max((d for d in pending if d.destination == target.name and d.detail), key=_changed, default=None)
    return {"target": target, "states": dict(states), "detail": last.detail if last else ""}


def _changed(delivery: Delivery) -> datetime:
    return delivery.changed_at


def _conditions(rule: Rule) -> list[str]:
    return [f"{c.keyword} {c.operator} {', '.join(c.wanted)}" for c in rule.conditions]


def _back(done: str, part: str) -> Response:
    return RedirectResponse(f"/system?done={done}#{part}", 303)
