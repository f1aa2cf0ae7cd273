"""Passwords: which are good enough (NIST SP 800-63B), and how they are kept (argon2id, RFC 9106)."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from coread.errors import Busy, WeakPassword

_MAX_LENGTH = 256
_LEAST_DISTINCT = 5
#: Runs of neighbours on keyboards and in alphabets; forwards and backwards.
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv",
)
_LONGEST_RUN = 6
_LEET = str.maketrans("013457@$!", "oieastasi")
#: No 0 O 1 l I: a password that is read out and typed.
_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """What a new password must be: no signs or digits are demanded, none grows old (SP 800-63B 5.1.1.2)."""

    min_length: int = 12
    """Characters."""

    def check(self, password: str, *context: str) -> None:
        """Refuse a password that is short or that others would try first.

        Parameters
        ----------
        password
            As typed.
        context
            What it may not be made of: login, name.

        Raises
        ------
        WeakPassword
            With what was found.
        """
        found = self._weakness(normalised(password).casefold(), [_letters(word) for word in context])
        if found:
            raise WeakPassword(
                found,
                f"{self.min_length} characters at least that nobody would try first",
                "take some unrelated words",
            )

    def _weakness(self, password: str, context: list[str]) -> str:
        if not self.min_length <= len(password) <= _MAX_LENGTH:
            return f"{len(password)} characters, of {self.min_length} to {_MAX_LENGTH}"
        if len(set(password)) < _LEAST_DISTINCT:
            return "the same few characters again and again"
        if not any(map(str.isalpha, password)):
            return "digits and signs alone, as in dates and numbers of telephones"
        if _without_runs(password) < self.min_length // 2:
            return "neighbours on the keyboard or in the alphabet"
        if _is_made_of(password, [*_common_words(), *(word for word in context if len(word) > 2)]):
            return "one of the commonest words, or the login, with little added"
        return ""


class Hasher:
    """Argon2id with the memory-bound parameters of RFC 9106 section 4 (second choice: 64 MiB, 3 passes).

    Parameters
    ----------
    memory_kib, passes, lanes
        Cost of one hash.
    at_once
        How many may be computed at one time, so that nobody can fill the memory by trying to log in.
    """

    def __init__(self, memory_kib: int = 65_536, passes: int = 3, lanes: int = 4, at_once: int = 4) -> None:
        self._argon2 = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        self._places = threading.BoundedSemaphore(at_once)
        # As costly to check as anybody's, and of no password.
        salt, digest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${digest}"

    def hash(self, password: str) -> str:
        """Return the hash in PHC form, with a salt of its own."""
        with self._place():
            return self._argon2.hash(normalised(password))

    def verify(self, kept: str, password: str) -> bool:
        """Tell whether `password` has this hash; takes as long where there is none (empty `kept`)."""
        with self._place():
            try:
                return self._argon2.verify(kept or self._nobody, normalised(password)) and bool(kept)
            except (Argon2Error, InvalidHashError):
                return False

    def is_outdated(self, kept: str) -> bool:
        """Tell whether `kept` was made with other parameters."""
        return self._argon2.check_needs_rehash(kept)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=_WAIT_S):
            raise Busy("too many logins at one time", "a free place", "try again in a while")
        try:
            yield
        finally:
            self._places.release()


def normalised(password: str) -> str:
    """Return the form in which all keyboards agree (NFKC, SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password.encode("utf-8", "replace").decode("utf-8"))


def generate_password() -> str:
    """Make a password of 100 bits that can be read out: ``xT4k-…``."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(20))
    return "-".join(letters[start : start + 5] for start in range(0, 20, 5))


@cache
def _common_words() -> tuple[str, ...]:
    text = files("coread.governance").joinpath("common_words.txt").read_text(encoding="utf-8")
    return tuple(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def _is_made_of(password: str, words: list[str]) -> bool:
    """Tell whether nothing but such words is left without digits and signs, plain or written ``p4$$w0rd``."""
    trimmed = password.strip("0123456789!?.-_#*@$")
    spellings = (password, password.translate(_LEET), trimmed.translate(_LEET))
    return any(_is_chain(_letters(spelling), words) for spelling in spellings)


def _is_chain(text: str, words: list[str]) -> bool:
    """Tell whether `text` is words one after the other, in time linear in its length."""
    ends = {0}
    for start in range(len(text)):
        if start in ends:
            ends |= {start + len(word) for word in words if text.startswith(word, start)}
    return len(text) in ends


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, normalised(text).casefold()))


def _without_runs(folded: str) -> int:
    """Count the characters that do not go on a run of `_LONGEST_RUN` neighbours or more."""
    left = folded
    for row in _ROWS:
        for run in (row, row[::-1]):
            for size in range(len(run), _LONGEST_RUN - 1, -1):
                for start in range(len(run) - size + 1):
                    left = left.replace(run[start : start + size], "")
    return len(left)
