"""Frames of an image: decoded, shown, placed in space."""

from coread.dicom.frames.display import Window, grey_frame, rendered_frame, values_in_units
from coread.dicom.frames.geometry import Plane, order_along_normal, pixel_spacing_mm, plane_of
from coread.dicom.frames.groups import functional_group
from coread.dicom.frames.pixels import PixelFacts, encoded_frame, native_colour, pixel_facts, stored_values

__all__ = [
    "PixelFacts",
    "Plane",
    "Window",
    "encoded_frame",
    "functional_group",
    "grey_frame",
    "native_colour",
    "order_along_normal",
    "pixel_facts",
    "pixel_spacing_mm",
    "plane_of",
    "rendered_frame",
    "stored_values",
    "values_in_units",
]
