"""JPEG of 12 bits (ISO 10918-1 process 4) through GDCM, whose decoder is under a BSD licence."""

from __future__ import annotations

import gdcm


def gdcm_frame(encoded: bytes, rows: int, columns: int) -> bytes:
    """Decode one grey frame; return 16-bit little endian values.

    Raises
    ------
    ValueError
        If GDCM gives back no frame of that size.
    """
    # Each of these must stay alive until the buffer is read: GDCM's Python objects borrow.
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(grey)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, 12, 11, 0))
    frame: bytes = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(frame) != rows * columns * 2:
        raise ValueError("not a whole frame")
    return frame
