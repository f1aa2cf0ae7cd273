"""Pictures of the reading room for the documentation, taken while a doctor works on real images."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from journey_clinic import PASSWORD, JourneyClinic
from journey_room import Room
from PIL import Image

from coread.archive import Query
from coread.clinic import now

#: Each is a file ``reading_room_<name>_<language>.png``.
NAMES = ("list", "study", "report", "signed", "quality", "system")
LANGUAGES = ("en", "zh")

RULES = """
[[rule]]
name = "chest radiographs"
owner = "radiology"
comment = "Frontal views are read at once."
when = { Modality = ["CR"], BodyPartExamined = ["CHEST", "THORAX"] }
readers = ["chest-radiograph"]
destinations = ["pacs", "records"]
priority = "high"

[fallback]
readers = []
"""

#: Real images of pydicom-data under made-up names.
_STUDIES = (
    ("RG1_J2KR.dcm", "Wang^XiaoDong=王^小东", "M", "Chest PA", "CHEST"),
    ("RG3_J2KR.dcm", "Meyer^Anna", "F", "Lower leg, two views", "LEG"),
    ("693_UNCI.dcm", "Tanaka^Hiroshi=田中^宏", "M", "CT head without contrast", "HEAD"),
    ("MR2_UNCI.dcm", "Li^Na=李^娜", "F", "MR brain", "BRAIN"),
    ("US1_J2KR.dcm", "Smith^Jane", "F", "Ultrasound of the abdomen", "ABDOMEN"),
)
_SIZE_PX = (1440, 900)
#: Farther apart than this, red, green and blue make a colour.
_GREY = 3


def fill(clinic: JourneyClinic) -> str:
    """Send the studies; return the UID of the chest radiograph."""
    uids = []
    for place, (file, name, sex, description, part) in enumerate(_STUDIES):
        born = 1951 + 7 * place
        uids.append(
            clinic.real(
                file, PatientName=name, PatientID=f"P-{20398 + 7 * place}", StudyDescription=description,
                BodyPartExamined=part, AccessionNumber=f"A{4711 + place}", InstitutionName="General Hospital",
                StudyDate="20260724", StudyTime=f"08{12 + place:02}00", PatientBirthDate=f"{born}0512",
                PatientAge=f"{2026 - born:03}Y", PatientSex=sex,
            )
        )  # fmt: skip
    return uids[0]


def empty(clinic: JourneyClinic) -> None:
    """Delete what was sent, so that each language begins with the same list."""
    for study in clinic.clinic.archive.find_studies(Query({})):
        clinic.clinic.archive.delete_study(study["StudyInstanceUID"], "the pictures are taken", now())


def take_all(
    room: Room, clinic: JourneyClinic, folder: Path, languages: Sequence[str] = LANGUAGES
) -> list[Path]:
    """Take every picture in each language; return the files."""
    taken: list[Path] = []
    room.browser.set_window_rect(width=_SIZE_PX[0], height=_SIZE_PX[1] + _frame_px(room))
    for language in languages:
        empty(clinic)
        uid = fill(clinic)

        def take(name: str, language: str = language) -> None:
            path = folder / f"reading_room_{name}_{language}.png"
            _write(room, path)
            taken.append(path)

        room.login("everybody")
        room.speak(language)
        _read(room, uid, language, take)
        clinic.wait_published(uid)
        _look_around(room, take)
    return taken


def _read(room: Room, uid: str, language: str, take: Callable[[str], None]) -> None:
    """From the list to the signature."""
    room.go("/")
    room.wait_list()
    room.press("e")
    take("list")
    room.press("e")
    room.open(uid)
    room.click("article.finding summary")
    time.sleep(2)  # the small pictures beside the image come last
    take("study")
    (finding,) = room.findings()
    room.accept(finding)
    room.click("#tab-report")
    room.click("#report .empty button")
    room.wait("return !!document.querySelector('#section-impression')")
    words = "Opacities of both lungs." if language == "en" else "双肺多发密度增高影。"
    room.fill("#section-impression", words)
    room.click(".report-foot button")
    take("report")
    room.click(".report-foot button.primary")
    room.fill("#sign-password", PASSWORD)
    room.click('dialog button[form="sign-form"]')
    room.wait_signed()
    room.wait("return !!document.querySelector('.deliveries .tag.good')")
    take("signed")


def _look_around(room: Room, take: Callable[[str], None]) -> None:
    """See what others than doctors see."""
    room.go("/quality")
    take("quality")
    room.go("/system")
    take("system")


def _frame_px(room: Room) -> int:
    """Return by how much the window is higher than what it shows."""
    return int(room.script("return window.outerHeight - window.innerHeight"))


def _write(room: Room, path: Path) -> None:
    """Write what is on the screen in 256 colours, half of them greys: a picture is mostly a radiograph."""
    room.settle()
    shot = Image.open(io.BytesIO(room.browser.get_screenshot_as_png())).convert("RGB")
    pixels = np.asarray(shot).reshape(-1, 3)
    coloured = pixels[np.ptp(pixels.astype(np.int16), axis=1) > _GREY]
    few = Image.fromarray(coloured[None]).quantize(128, method=Image.Quantize.MAXCOVERAGE)
    colours = (few.getpalette() or [])[: 3 * 128]
    greys = [level for grey in range(0, 256, 2) for level in (grey,) * 3]
    palette = Image.new("P", (1, 1))
    palette.putpalette(greys + colours)
    shot.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
