"""Who acts: people with roles, and what each role may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is in the house. A person may have several."""

    DOCTOR = "doctor"
    """Reads studies, decides on findings, signs."""
    ENGINEER = "engineer"
    """Keeps routes, destinations, quarantine and queue in order."""
    QUALITY = "quality"
    """Quality and regulatory officer: readers, cards, evaluations, verdict statistics."""
    AUDITOR = "auditor"
    """Reads the ledger."""
    ADMINISTRATOR = "administrator"
    """Keeps people and settings."""


class Permission(StrEnum):
    """One thing that may be allowed. Routes and rules ask for these, never for a role."""

    SEE_WORKLIST = "worklist:see"
    SEE_IMAGES = "images:see"
    """Images, readings and reports of patients; DICOMweb and FHIR, reading."""
    STORE_IMAGES = "images:store"
    """STOW-RS."""
    DECIDE = "findings:decide"
    SIGN = "reports:sign"
    SEE_SYSTEM = "system:see"
    """Routes, destinations, quarantine, queue, health."""
    RUN_SYSTEM = "system:run"
    """Retry a delivery, release a quarantined object."""
    SEE_QUALITY = "quality:see"
    OVERSEE = "access:oversee"
    """Restrict studies, review who opened one nevertheless, approve acts that need two persons."""
    REVIEW_EXPORTS = "exports:review"
    """Look at de-identified copies beside the originals, let them go out or throw them away."""
    SEE_LEDGER = "ledger:see"
    KEEP_CONSENTS = "consents:keep"
    """Record, withdraw and read what patients agreed to, by Patient ID."""
    KEEP_PEOPLE = "people:keep"
    SEE_SETTINGS = "settings:see"


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `id` goes into the ledger, the name only onto pages and into signed reports."""

    id: str
    """Opaque, for ever the same, e.g. ``p-6f1c2a9be0d4``."""
    login: str
    display_name: str
    """As it stands under a signature, e.g. ``LI Wei`` or ``李伟``."""
    roles: frozenset[Role]
    is_active: bool = True
    language: str = ""
    """``en`` or ``zh``; empty: as the browser asks."""

    @property
    def actor(self) -> str:
        """How the ledger names this person."""
        return f"person:{self.id}"
