"""What may come in at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one object, folder or zip may cost."""

    object_bytes: int = 2 << 30
    """Largest object."""
    header_bytes: int = 32 << 20
    """Largest header: what stands before the pixel data."""
    directory_bytes: int = 64 << 20
    """Largest DICOMDIR."""
    zip_entries: int = 200_000
    """Most files in one zip."""
    zip_total_bytes: int = 64 << 30
    """Most bytes that one zip may unfold to, zips within it included."""
    zip_ratio: int = 200
    """Most bytes that one byte of a zip may unfold to; real images reach about 30."""
    zip_depth: int = 2
    """Zips within zips that are opened."""
