"""The DICOM JSON model of PS3.18 annex F."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from coread.dicom.charset import without_escapes
from coread.dicom.quiet import LIBRARY_ERRORS
from coread.errors import NotFound

Json = dict[str, Any]

#: Binary values up to this size are written inline, in bytes.
MAX_INLINE_BYTES = 256

_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_FLOATS = frozenset({"FL", "FD", "DS"})
_INTEGERS = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_CHARACTER_SET = 0x00080005


def dataset_json(
    dataset: Dataset, bulk_data_url: str | None, path: str = "", *, big_endian: bool = False
) -> Json:
    """Write `dataset` in the DICOM JSON model.

    Parameters
    ----------
    bulk_data_url
        Where large values lie; the element's path is appended, ``<tag>`` or, within sequences,
        ``<tag>/<item>/<tag>`` with items counted from 0. None leaves those values out.
    big_endian
        Whether the binary values of `dataset` are big endian; they are written little endian.

    Notes
    -----
    Text is Unicode, hence Specific Character Set is given as ``ISO_IR 192``. Elements whose value
    cannot be read are left out. Group lengths are left out (PS3.18 F.2.2).
    """
    model: Json = {}
    for element in _elements(dataset):
        if element.tag.element == 0:
            continue
        name = f"{int(element.tag):08X}"
        try:
            written = _element_json(element, bulk_data_url, f"{path}{name}", big_endian)
        except LIBRARY_ERRORS:
            continue
        if written is not None:
            model[name] = written
    if not path and f"{_CHARACTER_SET:08X}" in model:
        model[f"{_CHARACTER_SET:08X}"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return model


def facts_json(facts: Mapping[str, str]) -> Json:
    """Write index facts (keyword to text, values joined by a backslash) in the DICOM JSON model.

    Examples
    --------
    >>> facts_json({"Rows": "512"})
    {'00280010': {'vr': 'US', 'Value': [512]}}
    """
    model: Json = {}
    for keyword, text in facts.items():
        tag = tag_for_keyword(keyword)
        if tag is not None:
            vr = dictionary_VR(tag).split(" ")[0]
            values = [_fact_value(vr, part) for part in text.split("\\")] if text else []
            model[f"{tag:08X}"] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return dict(sorted(model.items()))


def bulk_data(dataset: Dataset, path: str, *, big_endian: bool = False) -> bytes:
    """Return the value that `dataset_json` wrote as a BulkDataURI ending in `path`, little endian.

    Raises
    ------
    NotFound
        If the path names no binary element of this object.
    """
    parts = path.strip("/").split("/")
    try:
        for tag, item in zip(parts[:-1:2], parts[1::2], strict=True):
            dataset = dataset[int(tag, 16)].value[int(item)]
        element = dataset[int(parts[-1], 16)]
    except LIBRARY_ERRORS:
        raise NotFound(found="no element of this path", where="bulk data") from None
    if not isinstance(element.value, bytes):
        raise NotFound(found="an element without binary value", where="bulk data")
    return _little(_vr(element), element.value, big_endian)


def keyword_of(name: str) -> str:
    """Return the keyword for a QIDO-RS attribute name: a keyword, or eight hexadecimal digits; else "".

    Examples
    --------
    >>> keyword_of("00100020"), keyword_of("PatientID"), keyword_of("Nonsense")
    ('PatientID', 'PatientID', '')
    """
    if tag_for_keyword(name) is not None:
        return name
    try:
        return keyword_for_tag(int(name, 16)) if len(name) == 8 else ""
    except ValueError:
        return ""


def tag_of(keyword: str) -> str:
    """Return the tag of `keyword` as eight hexadecimal digits, "" where there is none.

    Examples
    --------
    >>> tag_of("PatientID")
    '00100020'
    """
    tag = tag_for_keyword(keyword)
    return "" if tag is None else f"{tag:08X}"


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """Yield the elements that can be read, in ascending order."""
    for tag in sorted(dataset.keys()):
        try:
            yield dataset[tag]
        except LIBRARY_ERRORS:
            continue


def _element_json(
    element: DataElement, bulk_data_url: str | None, path: str, big_endian: bool
) -> Json | None:
    vr, value = _vr(element), element.value
    if vr == "SQ":
        items = [
            dataset_json(item, bulk_data_url, f"{path}/{number}/", big_endian=big_endian)
            for number, item in enumerate(value or [])
        ]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if vr in _BINARY or isinstance(value, bytes):
        return _binary_json(element, bulk_data_url, path, big_endian)
    values = [_value_json(vr, part) for part in _parts(value)]
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _binary_json(element: DataElement, bulk_data_url: str | None, path: str, big_endian: bool) -> Json | None:
    vr, value = _vr(element), element.value or b""
    if not value:
        return {"vr": vr}
    if len(value) <= MAX_INLINE_BYTES and int(element.tag) not in _PIXELS:
        return {"vr": vr, "InlineBinary": base64.b64encode(_little(vr, value, big_endian)).decode("ascii")}
    return None if bulk_data_url is None else {"vr": vr, "BulkDataURI": f"{bulk_data_url}/{path}"}


def _vr(element: DataElement) -> str:
    return str(element.VR).split(" ")[0]


def _little(vr: str, value: bytes, big_endian: bool) -> bytes:
    """Return the words of a binary value little endian, as PS3.18 section 8.7.1 sends bulk data."""
    size = _WORD_BYTES.get(vr, 1)
    if not big_endian or size == 1 or len(value) % size:
        return value
    return np.frombuffer(value, f">u{size}").astype(f"<u{size}").tobytes()


def _parts(value: object) -> list[object]:
    if value is None or value == "":
        return []
    if isinstance(value, str | PersonName) or not hasattr(value, "__iter__"):
        return [value]
    return list(value)


def _value_json(vr: str, value: object) -> object:
    if value is None or value == "":
        return None
    if vr == "PN":
        return _name_json(value)
    if vr == "AT":
        return f"{int(value):08X}"  # type: ignore[call-overload]
    if vr in _INTEGERS:
        return int(value)  # type: ignore[call-overload]
    return _float_json(float(value)) if vr in _FLOATS else without_escapes(str(value))  # type: ignore[arg-type]


def _float_json(number: float) -> float | str:
    """Return a number, or its name where JSON has none (PS3.18 F.2.2)."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _name_json(value: object) -> dict[str, str]:
    groups = without_escapes(str(value)).split("=")
    labelled = zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False)
    return {label: text for label, text in labelled if text}


def _fact_value(vr: str, text: str) -> object:
    try:
        return _value_json(vr, text)
    except ValueError:
        return text
