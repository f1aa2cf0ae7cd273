"""The journey of one case, durable step by step."""

from typing import TYPE_CHECKING, Any

from coread.workflow.rooms import Destination, Patience, Rhythm, Rooms, Sender, SignedReports

if TYPE_CHECKING:
    from coread.workflow.worker import Worker

__all__ = ["Destination", "Patience", "Rhythm", "Rooms", "Sender", "SignedReports", "Worker"]


def __getattr__(name: str) -> Any:
    """Bring the worker when it is asked for: a gateway does without its engine."""
    if name != "Worker":
        raise AttributeError(name)
    from coread.workflow.worker import Worker  # noqa: PLC0415

    return Worker
