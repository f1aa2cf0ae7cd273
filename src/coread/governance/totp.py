"""One-time codes by time (RFC 6238): SHA-1, 6 digits, 30 seconds, what every authenticator app knows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

#: RFC 6238 section 5.2 recommends both.
STEP_S = 30
DRIFT_STEPS = 1
_DIGITS = 6


def new_secret() -> str:
    """Make a secret of 160 bits (RFC 4226 section 4, R6) in base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode("ascii")


def code_at(secret: str, step: int) -> str:
    """Return the code of one time step (RFC 4226 section 5.3).

    Examples
    --------
    >>> code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1)
    '287082'
    """
    digest = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    value = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(value % 10**_DIGITS).zfill(_DIGITS)


def step_of(secret: str, code: str, at: datetime, after: int) -> int | None:
    """Return the time step that `code` belongs to, if it is a fresh one.

    Parameters
    ----------
    secret, code
        The person's secret, and what was typed; blanks in it do not count.
    at
        Now. One step of drift to either side is borne.
    after
        The step of the last code that was taken: this one and those before are used up.
    """
    typed = "".join(code.split()).encode("utf-8")
    now = int(at.timestamp()) // STEP_S
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if step > after and hmac.compare_digest(typed, code_at(secret, step).encode("ascii")):
            return step
    return None


def address(secret: str, login: str, service: str = "CoRead") -> str:
    """Return the ``otpauth:`` address that an authenticator app reads from a QR code."""
    words = {"secret": secret, "issuer": service, "digits": _DIGITS, "period": STEP_S}
    return f"otpauth://totp/{quote(service)}:{quote(login)}?{urlencode(words)}"
