"""What a typed name may stand for: people write names as they read them, DICOM parts them by carets."""

from __future__ import annotations

import re
from typing import Final

_GAPS: Final = re.compile(r"[\s,，、^]+")
_FIRST_IDEOGRAPH: Final = "\u2e80"
#: Chinese family names have one character or two; Japanese ones up to three.
_FAMILY_NAMES: Final = (1, 2, 3)


def name_patterns(text: str) -> tuple[str, ...]:
    """Return what to look for in Patient's Name, whose components ``^`` parts (PS3.5 section 6.2.1.1).

    A gap as typed may be a caret or a space there. A name in ideographs is written without a gap.

    Examples
    --------
    >>> name_patterns("Smith, Jane"), name_patterns("smi*")
    (('Smith?Jane*',), ('smi*',))
    >>> name_patterns("王小东")
    ('王小东*', '王?小东*', '王小?东*')
    """
    if "*" in text:
        return (text,)
    parts = [part for part in _GAPS.split(text) if part]
    whole = "?".join(parts)
    is_in_ideographs = len(parts) == 1 and all(letter >= _FIRST_IDEOGRAPH for letter in whole)
    splits = [f"{whole[:n]}?{whole[n:]}" for n in _FAMILY_NAMES if is_in_ideographs and n < len(whole)]
    return tuple(f"{spelling}*" for spelling in (whole, *splits))
