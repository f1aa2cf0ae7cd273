"""COCO, Pascal VOC and CSV files as labels. They name images by file name."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from coread.errors import AnnotationRefused
from coread.learning.cohorts.form import Kind, Label
from coread.learning.cohorts.regions import filled, runs_of, uncompressed

MAX_BYTES = 1 << 30
"""Largest file that is read whole."""

CSV_COLUMNS = ("image", "label", "annotator", "value", "x", "y", "width", "height", "target")
"""The first two are required; x and y alone are a point, with width and height a box."""


def read_coco(path: Path, annotator: str) -> list[Label]:
    """Labels of a COCO file of detections or segmentations (https://cocodataset.org/#format-data).

    Boxes become boxes; polygons and run lengths become masks. `image` is the file name without folders.

    Raises
    ------
    AnnotationRefused
        If the file is no COCO file.
    """
    try:
        held = json.loads(_text(path))
        names = {category["id"]: str(category["name"]) for category in held["categories"]}
        images = {image["id"]: image for image in held["images"]}
        return [
            label
            for entry in held["annotations"]
            for label in _of_coco(entry, images[entry["image_id"]], names[entry["category_id"]], annotator)
        ]
    except (ValueError, KeyError, TypeError, IndexError) as fault:
        raise _refused(path, "COCO", fault) from fault


def _of_coco(
    entry: Mapping[str, Any], image: Mapping[str, Any], name: str, annotator: str
) -> Iterator[Label]:
    file, target = Path(str(image["file_name"])).name, str(entry.get("id", ""))
    who = str(entry.get("annotator") or annotator)
    if entry.get("bbox"):
        yield Label(file, who, name, "box", 1.0, tuple(float(side) for side in entry["bbox"]), target)
    drawn = entry.get("segmentation")
    if drawn:
        runs = _coco_runs(drawn, int(image["height"]), int(image["width"]))
        yield Label(file, who, name, "mask", 1.0, runs, target)


def _coco_runs(drawn: Any, rows: int, columns: int) -> tuple[int, ...]:
    if isinstance(drawn, Mapping):
        counts = drawn["counts"]
        runs = uncompressed(counts) if isinstance(counts, str) else tuple(int(count) for count in counts)
        if sum(runs) != rows * columns:
            raise ValueError(f"run lengths over {sum(runs)} pixels for an image of {rows * columns}")
        return runs
    mask = filled(drawn[0], rows, columns)
    for outline in drawn[1:]:
        mask = mask | filled(outline, rows, columns)
    return runs_of(mask)


def read_voc(path: Path, annotator: str) -> list[Label]:
    """Boxes of one Pascal VOC XML file.

    Pixels are counted from 1 and both ends belong to the box, as in the VOC development kit: the box
    (1, 1, 1, 1) is the top left pixel.

    Raises
    ------
    AnnotationRefused
        If the file is no VOC file, or defines entities.
    """
    text = _text(path)
    if "<!" in text.replace("<!--", ""):
        raise AnnotationRefused("XML with a document type", "plain Pascal VOC", "take it out", path.name)
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - no document type, hence no entity, is let in
        file = Path(_of_xml(root, "filename")).name
        return [_of_voc(entry, file, annotator, n) for n, entry in enumerate(root.iter("object"))]
    except (ElementTree.ParseError, ValueError, KeyError) as fault:
        raise _refused(path, "Pascal VOC", fault) from fault


def _of_voc(entry: ElementTree.Element, file: str, annotator: str, number: int) -> Label:
    box = entry.find("bndbox")
    if box is None:
        raise KeyError("bndbox")
    left, top, right, bottom = (float(_of_xml(box, key)) for key in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise ValueError(f"a box from {left:g}, {top:g} to {right:g}, {bottom:g}")
    region = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    return Label(file, annotator, _of_xml(entry, "name"), "box", 1.0, region, str(number))


def _of_xml(element: ElementTree.Element, name: str) -> str:
    found = element.findtext(name)
    if not found:
        raise KeyError(name)
    return found.strip()


def read_csv(path: Path, annotator: str) -> list[Label]:
    """Labels of a CSV file with the columns `CSV_COLUMNS`, in any order; others are ignored.

    Raises
    ------
    AnnotationRefused
        If a required column is missing or a number is none; the line is named.
    """
    lines = list(csv.DictReader(_text(path).splitlines()))
    if lines and not {"image", "label"} <= lines[0].keys():
        found, expected = f"columns {', '.join(lines[0])}", ", ".join(CSV_COLUMNS)
        raise AnnotationRefused(found, f"at least image and label, of {expected}", "rename them", path.name)
    labels = []
    for number, line in enumerate(lines, 2):
        try:
            labels.append(_of_csv(line, annotator))
        except ValueError as fault:
            where = f"{path.name}, line {number}"
            raise AnnotationRefused(str(fault), "numbers", "correct this line", where) from fault
    return labels


def _of_csv(line: Mapping[str, str | None], annotator: str) -> Label:
    sides = [line.get(key) or "" for key in ("x", "y", "width", "height")]
    given = tuple(float(side) for side in sides if side)
    kind = _KINDS.get(len(given))
    if kind is None:
        raise ValueError(f"{len(given)} of x, y, width, height")
    value, who = line.get("value") or "1", line.get("annotator") or annotator
    if kind == "class" and float(value) not in (0.0, 1.0):
        kind = "number"
    target = line.get("target") or ""
    return Label(Path(line["image"] or "").name, who, line["label"] or "", kind, float(value), given, target)


_KINDS: Mapping[int, Kind] = {0: "class", 2: "points", 4: "box"}
"""Kind of a label by how many of x, y, width and height are given."""


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise AnnotationRefused(f"{path.stat().st_size} bytes", f"at most {MAX_BYTES}", "split it", path.name)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as fault:
        raise AnnotationRefused("bytes that are no UTF-8", "UTF-8 text", "save it so", path.name) from fault


def _refused(path: Path, form: str, fault: Exception) -> AnnotationRefused:
    found = f"a file that is no {form} file ({type(fault).__name__}: {fault})"
    return AnnotationRefused(found, f"a complete {form} file", "export it again", path.name)
