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
from coread.readers.vetting import (
    Publisher,
    Signed,
    Vetted,
    Vetting,
    publisher_of,
    sign_folder,
    verify_folder,
)

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
    "Publisher",
    "Reader",
    "ReaderFactory",
    "ReaderOutput",
    "Reconsidering",
    "Registry",
    "Said",
    "Signed",
    "Unfit",
    "Vetted",
    "Vetting",
    "card_gaps",
    "eligible",
    "open_bundle",
    "publisher_of",
    "run",
    "run_at",
    "seen_box",
    "sign_folder",
    "uncalibrated",
    "unfit",
    "verify_folder",
]
