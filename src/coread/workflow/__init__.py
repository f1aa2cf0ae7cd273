"""The journey of one case, durable step by step."""

from coread.workflow.engine import Probe
from coread.workflow.rooms import Destination, Patience, Rooms, Sender
from coread.workflow.steps import study_walk_id
from coread.workflow.watch import Rhythm
from coread.workflow.worker import Worker

__all__ = ["Destination", "Patience", "Probe", "Rhythm", "Rooms", "Sender", "Worker", "study_walk_id"]
