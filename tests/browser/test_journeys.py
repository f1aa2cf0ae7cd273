"""Whole journeys of doctors: from the login to what PACS and record system get."""

from __future__ import annotations

import pytest
from journey_clinic import JourneyClinic
from journey_room import Room

pytestmark = pytest.mark.peer


def test_a_morning_s_work(room: Room, clinic: JourneyClinic) -> None:
    uid = clinic.drawn(3, PatientName="Smith^Jane")
    real = clinic.real()
    room.login("a.meyer")
    room.picture("/work/tmp/f1.png")
    room.open_from_list(real)
    room.picture("/work/tmp/f2.png")
    room.open_from_list(uid)
    first, second, third = room.findings()
    room.picture("/work/tmp/f3.png")
    room.accept(first)
    room.edit(second, "Consolidation", "Left lower zone.")
    room.reject(third)
    room.picture("/work/tmp/f4.png")
    room.open_draft()
    room.picture("/work/tmp/f5.png")
    room.write("impression", "No change.")
    room.sign()
    room.wait_signed()
    room.picture("/work/tmp/f6.png")
    clinic.wait_published(uid)
    print([(d.CompletionFlag, d.VerificationFlag) for d in clinic.at_pacs(uid, "SR")])
    print(clinic.records.statuses("DiagnosticReport", uid), clinic.records.refused)
