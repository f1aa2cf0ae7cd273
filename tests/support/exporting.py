"""An export that waits, on a site's desk, for tests of the officer's pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from deidentifying import KEY
from page_site import PageSite

from coread.dicom import write_object
from coread.domain.consent import Use
from coread.governance.deidentify import Deidentifier, FoundText, Pseudonyms, load_profile
from coread.governance.deidentify.export import deidentify_objects
from coread.governance.exports import ExportDesk, Wish

NAME = "Quillfeather"


class OneText:
    """Finds one text at one place."""

    name = "one"

    def find(self, frame):
        return [FoundText(((4.0, 4.0), (40.0, 10.0)), NAME.upper(), 0.97)]


def image(number: int) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 200, (2, 48, 64)).astype("u1")
    facts = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.3.1", "SOPInstanceUID": f"1.2.3.{number}",
        "StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.0", "Modality": "US",
        "PatientID": "MRN7788991", "PatientName": f"{NAME}^Marguerite", "StudyDescription": "US abdomen",
    }  # fmt: skip
    return write_object(facts, pixels, transfer_syntax_uid="1.2.840.10008.1.2.1")


def export_desk(site: PageSite, tmp_path: Path) -> ExportDesk:
    """Give a desk with one waiting export of two images, shown by the site's pages."""
    originals = {str(n): image(n) for n in (1, 2)}
    desk = ExportDesk(
        tmp_path / "exports", site.room.house.ledger, site.clock, {"archive": originals.__getitem__}
    )
    profile = load_profile("tcia")
    shelf = desk.begin(Wish(profile, "study-7", tmp_path / "out", "archive", "person:x", Use.TEACHING))
    deidentifier = Deidentifier(profile, Pseudonyms(KEY, "study-7"), OneText())
    desk.make(
        shelf,
        deidentify_objects(originals.items(), shelf.held, deidentifier),
        lambda: [("A/B", "StudyComments", "name", NAME.lower())],
    )
    site.pages._exports._given = lambda: desk  # as the clinic's own composition does
    return desk
