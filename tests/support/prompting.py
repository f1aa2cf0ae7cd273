"""A drawn CT nodule in a clinic, and questions to the reader that grows regions."""

from __future__ import annotations

from coread.casebook import AskedPrompt
from coread.clinic import Clinic, now
from coread.dicom import open_object
from coread.domain.event import Event
from coread.domain.reading import Prompt, reading_uid
from coread.domain.study import InstanceRef
from coread.testing.nodules import DrawnNodule, nodule_series

NODULE = DrawnNodule()
READER = "example-growing"


def send_nodule(clinic: Clinic, seed: int = 0, nodule: DrawnNodule = NODULE) -> str:
    """Let the series in, in an odd order, and return the study's UID."""
    slices = nodule_series(nodule, seed)
    for data in (*slices[1::2], *slices[::2]):
        clinic.intake.accept_bytes(data, "folder")
    clinic.wake()
    return open_object(slices[0]).header.ref.study_instance_uid


def middle_of(clinic: Clinic, study_uid: str, nodule: DrawnNodule = NODULE) -> InstanceRef:
    """Find the slice through the middle of the nodule."""
    number = str(nodule.slice_number)
    instances = clinic.archive.study(study_uid).instances
    return next(i.ref for i in instances if i.header.facts["InstanceNumber"] == number)


def prompt_in(clinic: Clinic, study_uid: str, nodule: DrawnNodule = NODULE) -> Prompt:
    """Point at the nodule."""
    return Prompt(middle_of(clinic, study_uid), point=(nodule.column_px, nodule.row_px))


def ask(clinic: Clinic, study_uid: str, prompt: Prompt | None = None, reader: str = READER) -> AskedPrompt:
    """Ask as the desk does."""
    prompt = prompt or prompt_in(clinic, study_uid)
    identity = clinic.registry.reader(READER).card.identity
    version = clinic.studies.state(study_uid).version
    uid = reading_uid(identity, study_uid, version, prompt)
    asked = AskedPrompt(uid, study_uid, version, reader, prompt, "dr.who", now())
    event = Event("reader.asked", study_uid, "person:dr.who", now(), {"asked": uid})
    kept = clinic.casebook.prompts.ask(asked, event)
    clinic.wake()
    return kept
