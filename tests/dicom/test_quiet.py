"""The libraries beneath say nothing of a person, however broken the object is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from coread.apart import processes

PROGRAM = """
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
from coread.dicom import open_object, scan_header
from coread.errors import CoReadError
from coread.testing import BROKEN, broken, chest_radiograph

canary = "Zzyzx^Canary"
facts = {"PatientWeight": 70, "PatientAge": "007Y", "InstanceCreatorUID": "1.2.840.77777"}
wrong = chest_radiograph(facts=facts)
bad_vr = wrong.replace(b"\\x10\\x00\\x10\\x00PN", b"\\x10\\x00\\x10\\x00FD")
bad_charset = wrong.replace(b"CS\\x0a\\x00ISO_IR 192", b"CS\\x0a\\x00ZZZZZZZZZZ")
bad_date = wrong.replace(b"19700101", b"Zzyzx001")
bad_date = bad_date.replace(b"20240102", b"Zzyzx002").replace(b"007Y", b"Zzyz")
bad_uid = wrong.replace(b"1.2.840.10008.5.1.4.1.1.1.1", b"Zzyzx.10008.5.1.4.1.1.1.1.1")
bad_creator = wrong.replace(b"1.2.840.77777", b"Zzyzx.0.77777")
for data in [bad_creator, bad_vr, bad_charset, bad_date, bad_uid, wrong[:500], *map(broken, BROKEN)]:
    try:
        scan_header(data)
        found = open_object(data)
        found.header_json(), found.display(), str(found.dataset.get("PatientBirthDate"))[:0]
    except CoReadError:
        logging.exception("refused")
"""


def test_no_log_warning_or_traceback_holds_a_name():
    said = subprocess.run(
        [sys.executable, "-W", "default", "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    assert "refused" in said.stdout
    assert "Zzyz" not in said.stdout + said.stderr
    assert "Canary" not in said.stdout + said.stderr


def test_the_child_that_decodes_speaks_to_nobody():
    source = Path(processes.__file__).read_text()
    assert "stderr=subprocess.DEVNULL" in source
