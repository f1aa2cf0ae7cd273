"""What a run did, as numbers that name nobody, and as tables for the reviewer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from coread.governance.deidentify.export.folder import FileOutcome
from coread.governance.deidentify.header.changes import Change
from coread.governance.deidentify.rules import Profile
from coread.governance.deidentify.texts import decoded

#: Values shown of each attribute.
_SHOWN = 5


@dataclass
class AttributeTally:
    """What happened to one attribute in all objects of a run."""

    actions: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    """Some values before and after. Name persons: for the reviewer only."""


class Summary:
    """Collects the outcomes of a run.

    Parameters
    ----------
    profile
        Under which it ran.
    domain
        Of the pseudonyms.
    """

    def __init__(self, profile: Profile, domain: str) -> None:
        self.profile = profile
        self.domain = domain
        self.written = 0
        self.refused: Counter[str] = Counter()
        self.faces = 0
        self.looked_at = 0
        self.blanked_texts = 0
        self.notes: Counter[str] = Counter()
        self.attributes: dict[str, AttributeTally] = {}
        self.persons: dict[str, dict[str, Any]] = {}

    def add(self, outcome: FileOutcome) -> None:
        """Count one file."""
        made = outcome.made
        if outcome.target is None:
            self.refused[outcome.reason] += 1
            return
        self.written += 1
        if made is None:
            return
        self.faces += made.face
        self.notes.update(made.notes)
        if made.pixels is not None:
            self.looked_at += made.pixels.looked_at
            self.blanked_texts += len(made.pixels.texts)
        for change in made.changes:
            self._count(change)
        person = self.persons.setdefault(made.subject.pseudonym, {**made.person, "studies": {}})
        person["shift_days"] = made.subject.shift_days
        person["studies"][made.uids["study"]] = made.former_uids["study"]

    def _count(self, change: Change) -> None:
        tally = self.attributes.setdefault(change.name, AttributeTally())
        tally.actions[change.action] += 1
        if len(tally.examples) < _SHOWN and change.before:
            tally.examples.setdefault(shown(change.before), shown(change.after))

    def facts(self) -> dict[str, Any]:
        """Return what may lie beside the output: numbers, rules, no value of any header."""
        profile = self.profile
        return {
            "profile": profile.name,
            "title": profile.title,
            "status": profile.status,
            "legal_source": list(profile.legal_source),
            "as_of": profile.as_of,
            "confidence": profile.confidence,
            "beyond_this_program": list(profile.beyond_this_program),
            "methods": [
                {"code": code, "scheme": "DCM", "meaning": meaning} for code, meaning in profile.methods
            ],
            "domain": self.domain,
            "objects_written": self.written,
            "objects_refused": dict(self.refused.most_common()),
            "patients": len(self.persons),
            "studies": sum(len(person["studies"]) for person in self.persons.values()),
            "objects_looked_at_for_text": self.looked_at,
            "texts_blanked": self.blanked_texts,
            "objects_from_which_a_face_may_be_drawn": self.faces,
            "notes": dict(self.notes.most_common()),
            "attributes": {name: dict(t.actions) for name, t in sorted(self.attributes.items())},
        }


def shown(value: bytes | None) -> str:
    """Return a value as a reviewer sees it: text, or how many bytes it has; None is a removed one."""
    if value is None:
        return "(removed)"
    text = decoded(value).strip(" \0")
    return text if text.isprintable() else f"({len(value)} bytes)"
