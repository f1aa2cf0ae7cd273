"""Blood smear: cells of a stained field found, counted and named, with intervals."""

from coread.readers.blood_smear.reader import BloodSmear, reader

__all__ = ["BloodSmear", "reader"]
