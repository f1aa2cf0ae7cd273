"""Words that people must give for an act under watch."""

from __future__ import annotations

import unicodedata

from coread.errors import AccountConflict

#: Shorter words say nothing to whoever reviews them.
LEAST, MOST = 8, 500


def checked_reason(reason: str) -> str:
    """Return a reason without odd blanks.

    Raises
    ------
    AccountConflict
        If it has fewer than 8 letters or digits (4 where they are ideographs), or more than 500 signs.
    """
    kept = " ".join(unicodedata.normalize("NFC", reason).split())
    weight = sum(2 if unicodedata.category(sign) == "Lo" else 1 for sign in kept if sign.isalnum())
    if weight < LEAST or len(kept) > MOST or not kept.isprintable():
        raise AccountConflict(
            "a reason that tells too little or too much",
            f"at least {LEAST} letters, at most {MOST} signs",
            "say in a few words why, without a patient's name",
            "reason",
        )
    return kept
