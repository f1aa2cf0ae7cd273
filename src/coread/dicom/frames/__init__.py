"""Frames of an image: decoded, shown, placed in space."""

from coread.dicom.frames.display import Window, functional_group, grey_frame, rendered_frame
from coread.dicom.frames.geometry import pixel_spacing_mm
from coread.dicom.frames.pixels import PixelFacts, encoded_frame, pixel_facts, stored_values

__all__ = [
    "PixelFacts",
    "Window",
    "encoded_frame",
    "functional_group",
    "grey_frame",
    "pixel_facts",
    "pixel_spacing_mm",
    "rendered_frame",
    "stored_values",
]
