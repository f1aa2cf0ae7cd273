"""Whether an image is worth reading at all: checks that any reader may use.

*Does not* know anatomy; each reader's own gate says what kind of image it is made for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from coread.domain.reading import Reason

Image = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of usable images.

    No standard gives numbers for these. The defaults are set to refuse what no
    human would read either, and a reader whose gate has been measured should
    pass its own.
    """

    side_px: int = 64
    """Fewest rows and columns."""
    contrast: float = 0.05
    """Least spread between the 2nd and the 98th percentile, of a 0..1 image."""
    clipped_share: float = 0.6
    """Largest share of pixels at the very ends of the grey scale (one end or both)."""
    edge_share: float = 1e-4
    """Least share of neighbouring pixels that differ at all; below it the image is flat patches."""


def unfit(display: Image, limits: Limits | None = None) -> Reason | None:
    """Say why an image is not worth reading, or None if nothing speaks against it.

    Parameters
    ----------
    display
        float32 [row, column] in 0..1, as :meth:`coread.dicom.DicomObject.display` gives it.
    limits
        Bounds; the defaults if left out.

    Returns
    -------
    Reason
        The first that holds of ``too-small``, ``flat``, ``clipped`` and ``low-contrast``.
    """
    bounds = limits or Limits()
    checks = (_too_small, _flat, _clipped, _low_contrast)
    reasons = (check(display, bounds) for check in checks)
    return next((reason for reason in reasons if reason), None)


def _too_small(display: Image, limits: Limits) -> Reason | None:
    if min(display.shape) >= limits.side_px:
        return None
    size, least = f"{display.shape[1]} x {display.shape[0]}", limits.side_px
    return Reason(
        "too-small",
        f"The image has {size} pixels; at least {least} x {least} are needed.",
        f"图像大小为 {size} 像素，至少需要 {least} x {least} 像素。",
    )


def _flat(display: Image, limits: Limits) -> Reason | None:
    changes = np.count_nonzero(np.diff(display, axis=0)) + np.count_nonzero(np.diff(display, axis=1))
    if changes / (2 * display.size) >= limits.edge_share:
        return None
    return Reason("flat", "The image shows one even grey.", "图像为单一灰度，没有内容。")


def _clipped(display: Image, limits: Limits) -> Reason | None:
    low, high = float(display.min()), float(display.max())
    share = float(np.mean((display <= low) | (display >= high)))
    if share <= limits.clipped_share:
        return None
    return Reason(
        "clipped",
        f"{100 * share:.0f} % of the pixels are pure black or pure white.",
        f"{100 * share:.0f} % 的像素为全黑或全白，灰度信息已丢失。",
    )


def _low_contrast(display: Image, limits: Limits) -> Reason | None:
    low, high = np.percentile(display, (2, 98))
    if high - low >= limits.contrast:
        return None
    return Reason("low-contrast", "The image has hardly any contrast.", "图像几乎没有对比度。")
