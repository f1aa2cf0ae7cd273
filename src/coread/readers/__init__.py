"""AI readers as plug-ins: a contract, a registry, one run for all.

A reader reads images; nothing in this room knows a store, a clock or a network.
"""

from coread.readers.bundle import Bundle, card_gaps, open_bundle
from coread.readers.contract import (
    AnyReader,
    Calibrated,
    Case,
    Machine,
    PromptedReader,
    Reader,
    ReaderFactory,
    ReaderOutput,
    Reconsidering,
    Said,
    Unfit,
)
from coread.readers.explain import seen_box
from coread.readers.quality import Limits, unfit
from coread.readers.registry import Availability, Registry
from coread.readers.run import eligible, run, run_at
from coread.readers.uncertainty import Band, Calibration, uncalibrated

__all__ = [
    "AnyReader",
    "Availability",
    "Band",
    "Bundle",
    "Calibrated",
    "Calibration",
    "Case",
    "Limits",
    "Machine",
    "PromptedReader",
    "Reader",
    "ReaderFactory",
    "ReaderOutput",
    "Reconsidering",
    "Registry",
    "Said",
    "Unfit",
    "card_gaps",
    "eligible",
    "open_bundle",
    "run",
    "run_at",
    "seen_box",
    "uncalibrated",
    "unfit",
]
