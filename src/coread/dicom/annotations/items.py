"""Small questions to items of sequences, answered with a value or with nothing."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from coread.domain.codes import Code


def items(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    """Items of a sequence; none where it is absent or empty."""
    yield from dataset.get(keyword) or ()


def first(dataset: Dataset, keyword: str) -> Dataset | None:
    """First item of a sequence."""
    return next(items(dataset, keyword), None)


def text(dataset: Dataset | None, keyword: str) -> str:
    """Value as text, empty where absent."""
    held = None if dataset is None else dataset.get(keyword)
    return "" if held is None else str(held).strip()


def code_of(dataset: Dataset | None, keyword: str) -> Code | None:
    """First code of a code sequence (PS3.3 table 8.8-1); None where it is absent or has gaps."""
    item = None if dataset is None else first(dataset, keyword)
    value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue")
    scheme, meaning = text(item, "CodingSchemeDesignator"), text(item, "CodeMeaning")
    return Code(value, scheme, meaning) if value and scheme and meaning else None


def referenced_frame(item: Dataset) -> int:
    """Referenced Frame Number (0008,1160), its first value; 1 where absent."""
    held = item.get("ReferencedFrameNumber")
    values = held if isinstance(held, list | tuple) or hasattr(held, "__iter__") else [held]
    return next((int(value) for value in values if value not in (None, "")), 1)
