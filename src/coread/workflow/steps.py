"""The journey of one case, step by step; read it as a page.

Each ``do.step`` is written down when it is done and not done again after a crash;
one that was cut off in the middle is done twice, which every step bears, because all
that it makes is named by what it is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from coread.workflow.asking import answer, ask_sent, is_only_asked, plan_asked, read_asked
from coread.workflow.delivering import deliver
from coread.workflow.engine import Durable, StepGaveUp
from coread.workflow.planning import Plan, finish, give_up, plan_reading
from coread.workflow.publishing import SignedPlan, plan_signed, publish, write_signed_results
from coread.workflow.reading import read, write_results
from coread.workflow.rooms import Rooms


class Journey:
    """The walks of one clinic."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def study(self, do: Durable, study_uid: str, version: int) -> None:
        """Route a complete study, let its readers read side by side, finish."""
        only_asked = partial(is_only_asked, self._rooms)
        plan: Plan = do.step("plan", partial(plan_reading, self._rooms, study_uid, version, only_asked))
        do.side_by_side(
            "reader",
            [(reader_walk_id(study_uid, version, r["name"]), (plan, r["name"])) for r in plan["readers"]],
        )
        if plan.get("asked"):
            do.step("ask what was sent", partial(ask_sent, self._rooms, plan))
        do.step("finish", partial(finish, self._rooms, plan))

    def reader(self, do: Durable, plan: Plan, name: str) -> None:
        """Let one reader read, file its results, and send them on their way."""
        reading_uid: str = do.step("read", partial(read, self._rooms, plan, name))
        parcels: dict[str, list[str]] = do.step(
            "write results", partial(write_results, self._rooms, plan, reading_uid)
        )
        for destination, objects in parcels.items():
            args = (plan["study_uid"], reading_uid, destination, objects, 1)
            do.later("delivery", delivery_id(reading_uid, destination, 1), 0, *args)

    def delivery(
        self,
        do: Durable,
        study_uid: str,
        reading_uid: str,
        destination: str,
        objects: list[str],
        attempt: int,
    ) -> None:
        """Send results to one destination; what it did not take is sent again later."""
        work = partial(deliver, self._rooms, study_uid, destination, objects, attempt, reading_uid)
        waiting: list[str] = do.step("deliver", work)
        if waiting:
            identifier = delivery_id(reading_uid, destination, attempt + 1)
            args = (study_uid, reading_uid, destination, waiting, attempt + 1)
            do.later("delivery", identifier, self._rooms.patience.wait_s(attempt), *args)

    def signed(self, do: Durable, report_uid: str) -> None:
        """Write what a doctor signed, file it, send it on its way, and call it published."""
        plan: SignedPlan = do.step("plan signed results", partial(plan_signed, self._rooms, report_uid))
        parcels: dict[str, list[str]] = do.step(
            "write signed results", partial(write_signed_results, self._rooms, plan)
        )
        for destination, objects in parcels.items():
            args = (plan["study_uid"], report_uid, destination, objects, 1)
            do.later("delivery", delivery_id(report_uid, destination, 1), 0, *args)
        do.step("publish", partial(publish, self._rooms, report_uid))

    def asked(self, do: Durable, uid: str) -> None:
        """Let a reader look where a doctor asked it to, file its results, and send them on their way."""
        plan: Plan = do.step("plan asked reading", partial(plan_asked, self._rooms, uid))
        reading_uid: str = do.step("read where asked", partial(read_asked, self._rooms, plan, uid))
        parcels: dict[str, list[str]] = do.step(
            "write asked results", partial(write_results, self._rooms, plan, reading_uid)
        )
        for destination, objects in parcels.items():
            args = (plan["study_uid"], reading_uid, destination, objects, 1)
            do.later("delivery", delivery_id(reading_uid, destination, 1), 0, *args)
        do.step("answer", partial(answer, self._rooms, uid, reading_uid))

    def gave_up(self, walk_id: str, fault: StepGaveUp) -> None:
        """Put on record that a walk ended before its time."""
        give_up(self._rooms, walk_id, fault.step, fault.told)

    def walks(self) -> dict[str, Callable[..., None]]:
        """Every walk by its name."""
        return {
            "study": self.study,
            "reader": self.reader,
            "delivery": self.delivery,
            "signed": self.signed,
            "asked": self.asked,
        }


def study_walk_id(study_uid: str, version: int) -> str:
    """Identifier of a study's walk: the same study and version is the same walk."""
    return f"study:{study_uid}:{version}"


def reader_walk_id(study_uid: str, version: int, reader: str) -> str:
    """Identifier of one reader's walk through one version of a study."""
    return f"reader:{study_uid}:{version}:{reader}"


def signed_walk_id(study_uid: str, number: int, attempt: int) -> str:
    """Identifier of one attempt to publish a study's signed report of this number."""
    return f"signed:{study_uid}:{number}:{attempt}"


def asked_walk_id(uid: str, asked_at: datetime, attempt: int) -> str:
    """Identifier of one attempt to answer what a doctor asked; asking again after it was given up is anew."""
    return f"asked:{uid}:{asked_at.timestamp():.6f}:{attempt}"


def delivery_id(reading_uid: str, destination: str, attempt: int) -> str:
    """Identifier of one try to deliver the results of a reading or of a signed report."""
    return f"delivery:{reading_uid}:{destination}:{attempt}"
