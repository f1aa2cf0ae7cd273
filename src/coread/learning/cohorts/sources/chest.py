"""The chest radiograph sets: adults (NIH), children (Guangzhou), COVID-19 (mostly Hannover)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from coread.domain.codes import PNEUMONIA
from coread.learning.cohorts.codebook import CodeBook, Concept
from coread.learning.cohorts.form import CohortImage, Label
from coread.learning.cohorts.sources.tables import (
    Row,
    TableSource,
    facts,
    joined,
    number,
    read_file,
    rows_of,
    sha256,
    word,
)
from coread.learning.cohorts.taking import Found

NIH_FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia",
    "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumothorax",
)  # fmt: skip
"""Those of the fourteen published labels that are not the code book's pneumonia."""

_PNEUMONIA = Concept("pneumonia", PNEUMONIA, aliases=("Pneumonia",))
_LUNGS = ("right_lung", "left_lung")


def nih(data: Path) -> TableSource:
    """Adults; labels were mined from report text, boxes drawn by a radiologist."""
    folder = data / "cxr_nih"
    book = CodeBook([_PNEUMONIA, *(word(name) for name in NIH_FINDINGS)])
    traps = (
        "View and label are confounded: AP 268 of 389 without finding, AP 176 of 394 with pneumonia.",
        "Patient numbers and time periods differ between the classes.",
        "Labels were mined from report text and are partly wrong.",
        "The originals were squared: millimetres per pixel differ along rows and columns.",
    )
    return TableSource("cxr_nih", book, traps, rows_of(folder / "cases.csv"), partial(_nih_image, folder))


def _nih_image(folder: Path, row: Row) -> Found:
    pixels, data = read_file(folder / "images" / row["file"])
    name = Path(row["file"]).stem
    image = CohortImage(
        image=name, patient=f"nih-{row['patient']}", site="NIH Clinical Center", modality="DX",
        view=row["view"], sex=row["sex"], age_years=number(row["age"]), split=row["split"],
        spacing_mm=(float(row["mm_per_px_y"]), float(row["mm_per_px_x"])),
        source=f"cxr_nih/images/{row['file']}", source_sha256=sha256(data),
        licence="NIH: unrestricted with attribution (not verified in the copy)", credit="NIH Clinical Center",
        facts=joined(row, ("followup", "finding_labels")),
    )  # fmt: skip
    labels = [Label(name, "report-text", "pneumonia", value=float(row["folder_label"] == "pneumonia"))]
    labels += [Label(name, "report-text", finding, value=float(row[finding])) for finding in NIH_FINDINGS]
    if row["pneumonia_box_x"]:
        box = tuple(float(row[f"pneumonia_box_{side}"]) for side in "xywh")
        labels.append(Label(name, "nih-radiologist", "pneumonia", "box", 1.0, box))
    return Found(image, pixels, tuple(labels), data)


def paediatric(data: Path) -> TableSource:
    """Children of 1 to 5 years: normal, bacterial or viral pneumonia."""
    folder = data / "cxr_paediatric"
    book = CodeBook([_PNEUMONIA, word("bacteria", "Bacterial pneumonia"), word("virus", "Viral pneumonia")])
    traps = (
        "Patients are parsed from file names, and numbers were probably restarted between parts.",
        "Prevalence is artificial: a thousand images of each label.",
        "Aspect was lost when the images were squared; spacing, age, sex and view are unknown.",
    )
    rows = rows_of(folder / "cases.csv")
    return TableSource("cxr_paediatric", book, traps, rows, partial(_child_image, folder))


def _child_image(folder: Path, row: Row) -> Found:
    pixels, data = read_file(folder / "images" / row["file"])
    name = Path(row["file"]).stem
    image = CohortImage(
        image=name, patient=f"guangzhou-{row['patient']}", site="Guangzhou", modality="DX",
        split=row["split"],
        source=f"cxr_paediatric/images/{row['file']}", source_sha256=sha256(data),
        licence="CC BY 4.0 (not verified in the copy)", credit="Kermany et al., doi:10.17632/rscbjbr9sj",
        facts=joined(row, ("label", "original_split", "had_duplicate")),
    )  # fmt: skip
    values = {"pneumonia": row["label"] != "normal", "bacteria": row["label"] == "bacteria"}
    values["virus"] = row["label"] == "virus"
    labels = tuple(Label(name, "kermany-graders", key, value=float(value)) for key, value in values.items())
    return Found(image, pixels, labels, data)


def covid(data: Path) -> TableSource:
    """COVID-19 radiographs with lung boxes; nearly all have the disease."""
    folder = data / "cxr_covid_ccby"
    words = ("COVID-19", "No Finding", "Pneumocystis")
    book = CodeBook([*(word(name) for name in words), *(word(lung) for lung in _LUNGS)])
    traps = (
        "Almost no negatives and one main site: the site would be the label.",
        "todo and Unknown mean not labelled, and are no label here.",
    )
    rows = rows_of(folder / "cases.csv")
    return TableSource("cxr_covid_ccby", book, traps, rows, partial(_covid_image, folder))


def _covid_image(folder: Path, row: Row) -> Found:
    pixels, data = read_file(folder / "images" / row["file"])
    name = Path(row["file"]).stem
    image = CohortImage(
        image=name, patient=f"covid-{row['patient']}", site=row["location"] or "unknown", modality="DX",
        view=row["view"], sex=row["sex"], age_years=number(row["age"]), split=row["split"],
        source=f"cxr_covid_ccby/images/{row['file']}", source_sha256=sha256(data), licence=row["license"],
        credit=row["credit"] or row["doi"] or row["url"],
        facts=facts(date=row["date"], survival=row["survival"], clinical_notes=row["clinical_notes"]),
    )  # fmt: skip
    labels = [
        Label(name, "general-blockchain", lung, "box", 1.0, tuple(float(row[f"{lung}_{s}"]) for s in "xywh"))
        for lung in _LUNGS
    ]
    if row["finding"] not in ("todo", "Unknown"):
        labels.append(Label(name, "collection", row["finding"]))
    return Found(image, pixels, tuple(labels), data)
