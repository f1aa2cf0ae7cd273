"""Burned-in text and faces: found, judged, blanked; nothing else of the pixels is touched."""

from coread.governance.deidentify.pixels.cleaning import PixelFindings, clean_pixels
from coread.governance.deidentify.pixels.faces import shows_face
from coread.governance.deidentify.pixels.finding import FoundText, TextFinder
from coread.governance.deidentify.pixels.suspicion import is_suspicious

__all__ = ["FoundText", "PixelFindings", "TextFinder", "clean_pixels", "is_suspicious", "shows_face"]
