"""Identifiers planted into real files, and what must become of each: the answers of the examination.

The ten checks and their categories are those of the MIDI-B challenge (arXiv:2507.23608), written anew from the paper
and the reference; every identifier is invented.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from coread.governance.deidentify import annex_e

LATIN = (
    "Quillfeather",
    "Ostrander",
    "Wexcombe",
    "Brannigan",
    "Fitzhollow",
    "Trevanion",
    "Müller",
    "Ångström",
    "Zubiría",
)
GIVEN = ("Marguerite", "Thaddeus", "Ignatius", "Philippa", "Bartholomew", "José", "Anneliese")
CHINESE = ("王小东", "欧阳春晓", "李秀英", "诸葛明远", "张伟国", "陈思远")
CITIES = ("Thornbury Mercy Hospital", "Klinikum Westerfelde", "明湖区第二人民医院")
PERSONS = 60
#: Descriptions that Annex E cleans, and free texts; long ones get sentences of any length.
FREE_TEXTS = (0x00204000, 0x00102180, 0x001021B0, 0x00180010, 0x00400280, 0x00324000, 0x00081080)


def _names(person: dict[str, Any]) -> Iterator[str]:
    family, given, _ = person["tokens"]
    yield from (
        family,
        f"{family}, {given}",
        f"{given} {family}",
        f"{family}^{given}",
        f"{given[0]}. {family}",
    )
    yield from (
        f"{family}{given}",
        f"{family}_{given}",
        f"{given}-{family}",
        f"{family.upper()} {given.upper()}",
    )


def _dates(person: dict[str, Any]) -> Iterator[str]:
    y, m, d = person["date"][:4], person["date"][4:6], person["date"][6:]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[int(m) - 1]
    yield from (
        f"{y}{m}{d}",
        f"{y}-{m}-{d}",
        f"{d}.{m}.{y}",
        f"{m}/{d}/{y}",
        f"{int(d)} {month} {y}",
        f"{month} {int(d)}, {y}",
    )
    yield from (f"{y}年{int(m)}月{int(d)}日", f"{d}-{month}-{y}", f"{d}/{m}/{y[2:]}")


WAYS: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
    "name": _names,
    "chinese": lambda person: iter((person["tokens"][2], person["tokens"][2])),
    "date": _dates,
    "number": lambda person: iter((person["id"], person["id"].removeprefix("MRN"), person["id"].lower())),
    "accession": lambda person: iter((person["accession"],)),
    "telephone": lambda person: iter(
        (person["telephone"], person["telephone"].replace("(", "").replace(")", ""))
    ),
    "hospital": lambda person: iter((person["hospital"], person["hospital"].upper())),
    "physician": lambda person: iter(
        (person["physician"].split("^")[0], person["physician"].replace("^", " "))
    ),
    "stranger": lambda _: iter(("Pemberton", "Vandersloot", "Okonkwo", "Szymański")),
    "mail": lambda _: iter(("j.doe@mercy.example", "office@ward-7.hospital.example")),
}
CATEGORIES = {"name": "HIPAA-A", "chinese": "HIPAA-A", "physician": "HIPAA-A", "stranger": "HIPAA-A", "date": "HIPAA-C",
              "number": "HIPAA-H", "accession": "HIPAA-R", "telephone": "HIPAA-D", "hospital": "HIPAA-B",
              "mail": "HIPAA-F"}  # fmt: skip
#: Sentence, what must go, what must stay.
SENTENCES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("THORAX {name} {date}", ("name", "date"), ("THORAX",)),
    (
        "Compared with study of {date} by Dr. {stranger}. Motion artefact",
        ("date", "stranger"),
        ("Compared", "Motion"),
    ),
    ("患者姓名:{chinese}。病案号:{number} 胸部平扫", ("chinese", "number"), ("胸部平扫",)),
    ("{chinese}于{date}行胸部CT检查", ("chinese", "date"), ("胸部CT检查",)),
    ("Call {telephone} before contrast", ("telephone",), ("before contrast",)),
    ("{hospital}: axial 5mm", ("hospital",), ("axial 5mm",)),
    ("ref {physician}, acc {accession} FLAIR", ("physician", "accession"), ("FLAIR",)),
    ("{number} {name} sagittal 1.5 mm TE 90", ("number", "name"), ("sagittal 1.5 mm TE 90",)),
    ("sent to {mail} re {name}", ("mail", "name"), ("sent to",)),
    ("Technologist: {stranger} kVp 120", ("stranger",), ("kVp 120",)),
    ("nodule RUL stable since {date}, see {name}", ("date", "name"), ("nodule RUL stable since",)),
    ("Ms. {stranger} tolerated 80 ml Iomeron", ("stranger",), ("tolerated 80 ml Iomeron",)),
)
SCALARS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
#: Group 0000 and 0002 stand in no data set, 0004 in directories only.
OUTSIDE = ("0000", "0002", "0004")


@dataclass
class Answer:
    """One thing that must hold of one object."""

    check: str
    """One of the ten: tag_retained, text_notnull, text_removed, text_retained, date_shifted, uid_changed,
    uid_consistent, patid_consistent, pixels_retained, pixels_hidden."""
    category: str
    path: tuple[Any, ...]
    """Tag, or tag, item number, tag ..."""
    value: str
    tokens: tuple[str, ...] = ()


@dataclass
class Planted:
    """One file with its answers."""

    name: str
    data: bytes = field(repr=False)
    patient_id: str
    answers: list[Answer]


class Planter:
    """Plants; the same seed gives the same files."""

    def __init__(self, seed: int, per_file: int) -> None:
        self.draw = random.Random(seed)
        self.per_file = per_file
        rules = [r for r in annex_e() if "x" not in r.tag and not r.tag.startswith(OUTSIDE) and r.keyword]
        self.tags = [int(r.tag, 16) for r in rules]
        self.rules = {int(r.tag, 16): r for r in rules}
        self._next = 0
        self._persons = [self._new_person() for _ in range(PERSONS)]

    def plant(self, name: str, data: bytes, actions: dict[int, str]) -> Planted | None:
        """Plant into one file; `actions` is what the profile does with each attribute."""
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            dataset.walk(lambda *_: None)
        except Exception:  # noqa: BLE001 - a file of the corpus that pydicom itself cannot read
            return None
        if not dataset.get("SOPClassUID") or dataset.get("DirectoryRecordSequence") is not None:
            return None
        person = self.draw.choice(self._persons)
        answers = self._identity(dataset, person)
        chosen = self._turn()
        for tag in chosen:
            answers += self._attribute(dataset, tag, actions.get(tag, ""), person)
        answers += self._texts(dataset, person)
        answers += self._private(dataset, person)
        answers += self._kept(dataset)
        return Planted(name, _bytes_of(dataset, person), person["id"], answers)

    def _new_person(self) -> dict[str, Any]:
        draw = self.draw
        family, given, chinese = draw.choice(LATIN), draw.choice(GIVEN), draw.choice(CHINESE)
        cut = 2 if chinese.startswith(("欧阳", "诸葛")) else 1
        name = f"{family}^{given}={chinese[:cut]}^{chinese[cut:]}"
        year = draw.randint(1935, 2010)
        return {
            "name": name,
            "tokens": (family, given, chinese),
            "id": f"MRN{draw.randint(10**6, 10**7 - 1)}",
            "birth": f"{year}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}",
            "date": f"20{draw.randint(10, 23)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}",
            "hospital": draw.choice(CITIES),
            "physician": f"{draw.choice(LATIN)}^{draw.choice(GIVEN)}",
            "accession": f"ACC{draw.randint(10**5, 10**6)}",
            "study": f"1.2.826.0.1.7777.{draw.randint(10**6, 10**7)}",
            "telephone": f"({draw.randint(200, 999)}) {draw.randint(200, 999)}-{draw.randint(1000, 9999)}",
        }

    def _turn(self) -> list[int]:
        chosen = [self.tags[(self._next + n) % len(self.tags)] for n in range(self.per_file)]
        self._next += self.per_file
        return chosen

    def _identity(self, dataset: Dataset, person: dict[str, Any]) -> list[Answer]:
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientID = person["name"], person["id"]
        dataset.PatientBirthDate, dataset.StudyDate = person["birth"], person["date"]
        dataset.AccessionNumber, dataset.InstitutionName = person["accession"], person["hospital"]
        dataset.ReferringPhysicianName = person["physician"]
        dataset.PatientAge = "093Y"
        dataset.PatientTelephoneNumbers = person["telephone"]
        study = dataset.StudyInstanceUID = person["study"]
        return [
            Answer("text_removed", "HIPAA-A", (0x00100010,), person["name"], person["tokens"]),
            Answer("patid_consistent", "DICOM-P15-BASIC-C", (0x00100020,), person["id"]),
            Answer("text_removed", "HIPAA-H", (0x00100020,), person["id"], (person["id"],)),
            Answer("date_shifted", "HIPAA-C", (0x00100030,), person["birth"]),
            Answer("date_shifted", "HIPAA-C", (0x00080020,), person["date"]),
            Answer("text_removed", "HIPAA-C", (0x00101010,), "093Y", ("093Y",)),
            Answer("text_removed", "HIPAA-R", (0x00080050,), person["accession"], (person["accession"],)),
            Answer("text_removed", "HIPAA-B", (0x00080080,), person["hospital"], (person["hospital"],)),
            Answer(
                "text_removed",
                "HIPAA-A",
                (0x00080090,),
                person["physician"],
                tuple(person["physician"].split("^")),
            ),
            Answer("uid_changed", "HIPAA-R", (0x0020000D,), study),
            Answer("uid_consistent", "DICOM-P15-BASIC-U", (0x0020000D,), study),
            Answer("uid_changed", "HIPAA-R", (0x00080018,), str(dataset.SOPInstanceUID)),
            Answer("uid_consistent", "DICOM-P15-BASIC-U", (0x00080018,), str(dataset.SOPInstanceUID)),
        ]

    def _attribute(self, dataset: Dataset, tag: int, action: str, person: dict[str, Any]) -> list[Answer]:
        vr = dictionary_VR(tag).split(" ")[0]
        if tag in (0x00100010, 0x00100020, 0x00100030, 0x00080020, 0x00080050, 0x00080080, 0x00080090, 0x00101010,
                   0x0020000D, 0x00080018):  # fmt: skip
            return []
        if vr == "SQ":
            return self._sequence(dataset, tag, person, action)
        value, tokens, category = self._value(vr, person, action)
        if value is None:
            return []
        dataset.add_new(tag, vr, value)
        return self._expected(vr, action, (tag,), value, tokens, category)

    def _value(self, vr: str, person: dict[str, Any], action: str) -> tuple[Any, tuple[str, ...], str]:
        draw = self.draw
        number = str(draw.randint(10**6, 10**7 - 1))
        if vr in ("LO", "SH", "ST", "LT", "UT", "UC"):
            return self._words(vr, person, action, number)
        simple = {
            "PN": (f"{draw.choice(LATIN)}^{draw.choice(GIVEN)}", "HIPAA-A"),
            "DA": (f"20{draw.randint(10, 23)}0{draw.randint(1, 9)}1{draw.randint(0, 9)}", "HIPAA-C"),
            "DT": (f"20{draw.randint(10, 23)}0{draw.randint(1, 9)}1{draw.randint(0, 9)}101112", "HIPAA-C"),
            "TM": (f"1{draw.randint(0, 9)}{draw.randint(10, 59)}{draw.randint(10, 59)}", "DICOM-IOD"),
            "UI": (f"1.2.826.0.1.9999.{number}", "HIPAA-R"),
            "AE": (f"AE{number}", "HIPAA-R"),
            "CS": (f"CS{number}", "HIPAA-R"),
            "AS": ("047Y", "HIPAA-C"),
            "UR": (f"http://pacs.example/{number}", "HIPAA-N"),
            "OB": (f"{person['tokens'][0]} {person['id']} ".encode(), "HIPAA-A"),
        }.get(vr)
        if simple is None:
            return None, (), ""
        value, category = simple
        return (
            value,
            tuple(str(value).split("^")) if vr != "OB" else (person["tokens"][0], person["id"]),
            category,
        )

    def _words(
        self, vr: str, person: dict[str, Any], action: str, number: str
    ) -> tuple[str, tuple[str, ...], str]:
        """Plant what identifies: where a text is cleaned, of persons the header names; where it goes, of anybody."""
        if action == "K":
            return f"Kind{number[:2]}", (f"Kind{number[:2]}",), "HIPAA-R"
        if action != "C":
            text = self.draw.choice(LATIN) if vr == "SH" else f"{self.draw.choice(LATIN)} {number}"
            return text, tuple(text.split()), "HIPAA-A"
        family, given, chinese = person["tokens"]
        physician = person["physician"].split("^")[0]
        day = person["date"]
        words = (
            family,
            given,
            chinese,
            physician,
            person["id"],
            person["accession"],
            f"{day[6:]}.{day[4:6]}.{day[:4]}",
        )
        word = self.draw.choice(words)
        text = word if vr == "SH" else f"axial {word} 5mm"
        return text, (word,), "HIPAA-A"

    @staticmethod
    def _expected(
        vr: str, action: str, path: tuple[Any, ...], value: Any, tokens: tuple[str, ...], category: str
    ) -> list[Answer]:
        text = value if isinstance(value, str) else ""
        if action == "K":
            return [Answer("text_retained", "TCIA-P15-K", path, text, tokens)] if text and vr != "OB" else []
        if vr in ("DA", "DT"):
            return [Answer("date_shifted", category, path, text)]
        if vr == "UI":
            made = [Answer("uid_changed", category, path, text)]
            return (
                [*made, Answer("uid_consistent", "DICOM-P15-BASIC-U", path, text)] if action == "U" else made
            )
        if vr == "TM":
            kept = action in ("C", "K")
            return [Answer("text_retained" if kept else "text_removed", category, path, text, (text,))]
        return [Answer("text_removed", category, path, text, tokens)]

    def _sequence(self, dataset: Dataset, tag: int, person: dict[str, Any], action: str) -> list[Answer]:
        item = Dataset()
        name = f"{self.draw.choice(LATIN)}^{self.draw.choice(GIVEN)}"
        uid = f"1.2.826.0.1.9999.{self.draw.randint(10**6, 10**7)}"
        item.PersonName, item.ReferencedSOPInstanceUID = name, uid
        item.InstitutionName, item.SeriesDescription = person["hospital"], f"axial for {person['tokens'][1]}"
        dataset.add_new(tag, "SQ", Sequence([item]))
        return [
            Answer("text_removed", "HIPAA-A", (tag, 0, 0x0040A123), name, tuple(name.split("^"))),
            Answer("uid_changed", "HIPAA-R", (tag, 0, 0x00081155), uid),
            Answer(
                "text_removed", "HIPAA-B", (tag, 0, 0x00080080), person["hospital"], (person["hospital"],)
            ),
            Answer(
                "text_removed", "HIPAA-A", (tag, 0, 0x0008103E), person["tokens"][1], (person["tokens"][1],)
            ),
        ]

    def _texts(self, dataset: Dataset, person: dict[str, Any]) -> list[Answer]:
        """Plant sentences; each time with other ways of writing names, dates and numbers."""
        draw, answers = self.draw, []
        for tag, (sentence, hidden, kept) in zip(
            FREE_TEXTS, draw.sample(SENTENCES, len(FREE_TEXTS)), strict=True
        ):
            words = {name: draw.choice(list(ways(person))) for name, ways in WAYS.items()}
            text = sentence.format(**words)
            dataset.add_new(tag, dictionary_VR(tag), text)
            for name in hidden:
                word = words[name]
                answers.append(Answer("text_removed", CATEGORIES[name], (tag,), text, (word,)))
            answers.append(Answer("text_retained", "TCIA-P15-DESC-C", (tag,), text, tuple(kept)))
        return answers

    def _private(self, dataset: Dataset, person: dict[str, Any]) -> list[Answer]:
        hidden = dataset.private_block(0x0011, "HIDDEN BLOCK", create=True)
        hidden.add_new(0x01, "LO", person["tokens"][0])
        hidden.add_new(0x02, "UN", f"x{person['tokens'][2]}y".encode("gb18030"))
        safe = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
        safe.add_new(0x39, "IS", [1000, 8, 0, 0])
        trick = dataset.private_block(0x0019, "HOLOGIC, Inc.", create=True)
        trick.add_new(0x27, "LO", f"scan of {person['tokens'][1]}")
        safe_tag, trick_tag = int(safe.get_tag(0x39)), int(trick.get_tag(0x27))
        return [
            Answer("text_removed", "HIPAA-A", (int(hidden.get_tag(0x01)),), "", (person["tokens"][0],)),
            Answer("text_removed", "HIPAA-A", (int(hidden.get_tag(0x02)),), "", (person["tokens"][2],)),
            Answer("tag_retained", "TCIA-P15-PRIV-K", (safe_tag,), "1000"),
            Answer("text_removed", "HIPAA-A", (trick_tag,), "", (person["tokens"][1],)),
        ]

    @staticmethod
    def _kept(dataset: Dataset) -> list[Answer]:
        answers = [Answer("tag_retained", "DICOM-IOD", (0x00080016,), "")]
        for tag in (0x00080060, 0x00280010, 0x00280011, 0x00280100, 0x00200013, 0x00180050, 0x00200032):
            if tag in dataset and dataset[tag].value not in (None, "", []):
                answers.append(Answer("text_retained", "DICOM-IOD", (tag,), str(dataset[tag].value)))
        for tag in (0x0020000D, 0x0020000E, 0x00080018):
            if dataset.get(tag) is not None and dataset[tag].value:
                answers.append(Answer("text_notnull", "DICOM-IOD", (tag,), ""))
        if "PixelData" in dataset and _decodes(dataset):
            answers.append(Answer("pixels_retained", "TCIA-P15-PIX-K", (0x7FE00010,), ""))
        return answers


def _decodes(dataset: Dataset) -> bool:
    try:
        return dataset.pixel_array.size > 0
    except Exception:  # noqa: BLE001 - a file of the corpus with broken pixels
        return False


def _bytes_of(dataset: Dataset, person: dict[str, Any]) -> bytes:
    if not hasattr(dataset, "file_meta") or dataset.file_meta is None:
        dataset.file_meta = FileMetaDataset()
    meta = dataset.file_meta
    if not meta.get("TransferSyntaxUID"):
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        dataset.SOPClassUID,
        dataset.SOPInstanceUID,
    )
    meta.SourceApplicationEntityTitle = "WARD7QUILL"
    dataset.preamble = person["tokens"][0].encode("utf-8").ljust(128, b"\0")
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()
