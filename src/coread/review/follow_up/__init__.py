"""Rules for what is done about a nodule next: pure functions with their sources."""

from __future__ import annotations


def catalogue(language: str) -> frozenset[str]:
    """Return every sentence that the rules can say in a language."""
    del language
    return frozenset()


__all__ = ["catalogue"]
