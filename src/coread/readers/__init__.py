"""AI readers as plug-ins: a contract, a registry, one run for all.

A reader reads images; nothing in this room knows a store, a clock or a network.
"""

from coread.readers.bundle import Bundle, card_gaps, open_bundle
from coread.readers.contract import Case, Machine, Reader, ReaderFactory, ReaderOutput, Unfit
from coread.readers.explain import seen_box
from coread.readers.quality import Limits, unfit
from coread.readers.registry import Availability, Registry
from coread.readers.run import eligible, run
from coread.readers.uncertainty import Band, Calibration, uncalibrated

__all__ = [
    "Availability",
    "Band",
    "Bundle",
    "Calibration",
    "Case",
    "Limits",
    "Machine",
    "Reader",
    "ReaderFactory",
    "ReaderOutput",
    "Registry",
    "Unfit",
    "card_gaps",
    "eligible",
    "open_bundle",
    "run",
    "seen_box",
    "uncalibrated",
    "unfit",
]
