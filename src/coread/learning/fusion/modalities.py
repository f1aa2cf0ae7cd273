"""What is known of a case beside its image, as numbers with a mask of what is missing.

Every source of knowledge becomes a block: values [case, width] and present [case]. A block that is absent
carries zeros and its flag says so; nothing is imputed in silence.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Boolean = NDArray[np.bool_]

WORD_COLUMNS = 64
"""Hashed columns for words: notes of a few dozen words collide rarely enough."""

_WORD = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]")


@dataclass(frozen=True)
class Block:
    """One source of knowledge.

    Attributes
    ----------
    values
        float32 [case, width]; zeros where the block is missing.
    present
        [case].
    """

    values: Float
    present: Boolean

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(self.present):
            raise ValueError(
                "expected values [case, width] and present [case], found "
                f"{self.values.shape} and {self.present.shape}"
            )
        if not np.isfinite(self.values[self.present]).all():
            raise ValueError("expected finite values wherever a block is present")

    def where(self, chosen: NDArray[np.integer] | Boolean) -> Block:
        """The chosen cases."""
        return Block(self.values[chosen], self.present[chosen])

    def without(self) -> Block:
        """The same cases, the block missing from all."""
        return Block(np.zeros_like(self.values), np.zeros_like(self.present))


Blocks = Mapping[str, Block]


def rows_of(blocks: Blocks, chosen: NDArray[np.integer] | Boolean) -> dict[str, Block]:
    """The chosen cases of every block."""
    return {name: block.where(chosen) for name, block in blocks.items()}


def numbers(
    columns: Sequence[Sequence[float | None]], centre: Sequence[float], scale: Sequence[float]
) -> Block:
    """A block of numbers, each column in its own unit less `centre` over `scale`; missing if any is missing.

    Parameters
    ----------
    columns
        One sequence for each quantity, one value for each case; None or nan where unknown.
    centre, scale
        Of each quantity, from training cases or from knowledge.
    """
    raw = np.array([[np.nan if v is None else v for v in column] for column in columns], dtype=np.float64).T
    present = np.asarray(np.isfinite(raw).all(axis=1), dtype=np.bool_)
    values = (np.where(np.isfinite(raw), raw, 0) - np.asarray(centre)) / np.asarray(scale)
    return Block(np.where(present[:, None], values, 0).astype(np.float32), present)


def choices(given: Sequence[str | None], names: Sequence[str]) -> Block:
    """A block of one-of-several facts, [case, name]; a value outside `names` is unknown."""
    values = np.array([[value == name for name in names] for value in given], dtype=np.float32)
    values = values.reshape(len(given), len(names))
    return Block(values, np.asarray(values.any(axis=1), dtype=np.bool_))


def words(notes: Sequence[str | None], width: int = WORD_COLUMNS) -> Block:
    """A block of free text: signed hashed counts of Latin words and Chinese characters, of length 1.

    Notes
    -----
    Weinberger et al., ICML 2009, arXiv:0902.2206. SHA-256 gives the same columns on every machine.
    """
    values = np.zeros((len(notes), width), dtype=np.float32)
    for row, note in enumerate(notes):
        for word in _WORD.findall((note or "").lower()):
            digest = hashlib.sha256(word.encode()).digest()
            values[row, int.from_bytes(digest[:4], "big") % width] += 1 if digest[4] % 2 else -1
    size = np.linalg.norm(values, axis=1, keepdims=True)
    return Block(values / np.maximum(size, 1e-6), size[:, 0] > 0)
