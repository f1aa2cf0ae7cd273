"""The journey of one case, durable step by step."""

from typing import TYPE_CHECKING, Any

from coread.workflow.rooms import Destination, Patience, Rhythm, Rooms, Sender, SignedReports

if TYPE_CHECKING:
    from coread.workflow.press import Press
    from coread.workflow.worker import Worker

__all__ = ["Destination", "Patience", "Press", "Rhythm", "Rooms", "Sender", "SignedReports", "Worker"]


def __getattr__(name: str) -> Any:
    """Bring the worker and the press when they are asked for: a gateway starts without what they need."""
    if name == "Press":
        from coread.workflow.press import Press  # noqa: PLC0415

        return Press
    if name != "Worker":
        raise AttributeError(name)
    from coread.workflow.worker import Worker  # noqa: PLC0415

    return Worker
