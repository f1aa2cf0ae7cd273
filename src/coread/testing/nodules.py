"""A drawn CT of a lung with one round nodule whose place, size and density are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coread.domain.identity import derive_uid
from coread.testing.patients import Facts, dicom_from_pixels

_LUNG_HU = -850.0
_NOISE_HU = 8.0
#: Over which a border fades, as by the partial volume of a scanner.
_EDGE_MM = 1.5


@dataclass(frozen=True, slots=True)
class DrawnNodule:
    """What is drawn, in a stack of axial slices."""

    diameter_mm: float = 10.0
    density_hu: float = 40.0
    size_px: int = 96
    slices: int = 15
    spacing_mm: float = 0.75
    step_mm: float = 1.5
    """Between slices."""
    column_px: float = 60.5
    """Of the middle, in pixels from the outer corner."""
    row_px: float = 40.5
    slice_number: int = 8
    """Counted from 1: the slice through the middle, its Instance Number too."""

    @property
    def volume_mm3(self) -> float:
        """Volume of the sphere."""
        return float(np.pi / 6 * self.diameter_mm**3)

    def slice_pixels(self, number: int, seed: int = 0) -> np.ndarray:
        """Draw one slice as int16 Hounsfield units."""
        y, x = np.mgrid[: self.size_px, : self.size_px] + 0.5
        across = ((x - self.column_px) ** 2 + (y - self.row_px) ** 2) * self.spacing_mm**2
        along = ((number - self.slice_number) * self.step_mm) ** 2
        noise = np.random.default_rng([seed, number]).normal(0, _NOISE_HU, x.shape)
        depth_mm = self.diameter_mm / 2 - np.sqrt(across + along)
        share = np.clip(depth_mm / _EDGE_MM + 0.5, 0, 1)
        drawn: np.ndarray = np.rint(_LUNG_HU + share * (self.density_hu - _LUNG_HU) + noise).astype(np.int16)
        return drawn


def nodule_series(
    nodule: DrawnNodule = DrawnNodule(), seed: int = 0, facts: Facts | None = None
) -> list[bytes]:
    """Make the slices as CT objects of one series, from the feet up."""
    study, series, frame = (derive_uid("drawn nodule", repr(nodule), str(seed), role) for role in "srf")
    return [
        dicom_from_pixels(
            nodule.slice_pixels(number, seed),
            modality="CT",
            study_uid=study,
            series_uid=series,
            sop_uid=derive_uid(series, str(number)),
            facts={
                "ImagePositionPatient": [-36.0, -36.0, number * nodule.step_mm],
                "PixelSpacing": [nodule.spacing_mm, nodule.spacing_mm],
                "SliceThickness": nodule.step_mm,
                "FrameOfReferenceUID": frame,
                "InstanceNumber": number,
                "PatientID": f"SYN-NOD-{seed:04d}",
                **(facts or {}),
            },
        )
        for number in range(1, nodule.slices + 1)
    ]
