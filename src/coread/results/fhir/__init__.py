"""FHIR R4 (4.0.1) resources."""

from coread.results.fhir.reading import write
from coread.results.fhir.signed import write as write_signed

__all__ = ["write", "write_signed"]
