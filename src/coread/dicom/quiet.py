"""Keep pydicom's own voice out of logs, and name the errors that it may raise.

pydicom's warnings quote the values of elements, names of patients among them. They are
switched off here, once, before any object is read: what is wrong with an object is said
by this room's own errors, which never hold a value.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError

#: What pydicom and the decoders raise on bytes that they cannot read. Their messages quote values,
#: hence this room's own errors are raised `from None`.
LIBRARY_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    BytesLengthException,
    InvalidDicomError,
    struct.error,
    zlib.error,
)


def silence_pydicom() -> None:
    """Stop pydicom from logging or warning of element values, and from judging values that it reads."""
    config.settings.reading_validation_mode = config.IGNORE
    for library in ("pydicom", "pylibjpeg", "openjpeg", "PIL"):
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    warnings.filterwarnings("ignore", module=r"openjpeg(\.|$)")


silence_pydicom()
