"""Persons whom no header names: relatives and doctors in free texts, found by how they are written of."""

from coread.governance.deidentify.texts.persons.allowed import only_allowed
from coread.governance.deidentify.texts.persons.finding import remove_persons

__all__ = ["only_allowed", "remove_persons"]
