"""The signed report as a structured report: verified, under the readers' tracking identifiers."""

from __future__ import annotations

import warnings
from dataclasses import replace

import highdicom as hd
import pytest
from signed_reports import (
    CARDS,
    DIAMETER,
    SIGNED_AT,
    SIGNER,
    Signed,
    accepted,
    addendum_to,
    edited,
    own,
    rejected,
    report_of,
    signed_on,
    written_of,
)
from written_results import CARD, WRITTEN_AT, Written, finding_on, reading_of

from coread.dicom import open_object
from coread.domain.codes import Code
from coread.domain.finding import Box, Presence
from coread.domain.reading import Outcome
from coread.domain.review import Line, Origin, RejectReason, Section
from coread.domain.study import InstanceRef
from coread.errors import ResultFault
from coread.results import Kind, Signer, write, write_signed
from coread.testing.patients import chest_radiograph, ct_slice


def below(item, name):
    """All children of an item with this code value as concept name."""
    return [
        child
        for child in item.ContentSequence
        if "ConceptNameCodeSequence" in child and child.ConceptNameCodeSequence[0].CodeValue == name
    ]


def groups(report):
    containers = below(report, "126010")
    return below(containers[0], "125007") if containers else []


def tracking(item):
    return below(item, "112040")[0].UID


def coded(item, name):
    return below(item, name)[0].ConceptCodeSequence[0].CodeValue


@pytest.fixture
def signed(radiograph):
    return signed_on(radiograph)


def test_it_is_complete_final_and_verified_by_the_doctor(signed):
    report = written_of(signed).dataset(Kind.SR)
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "VERIFIED")
    assert report.PreliminaryFlag == "FINAL"
    (verifier,) = report.VerifyingObserverSequence
    assert verifier.VerifyingObserverName == "LI Wei^"
    assert verifier.VerifyingOrganization == "First Hospital"
    assert verifier.VerificationDateTime == "20260304093015.250000+0000"
    assert verifier.VerifyingObserverIdentificationCodeSequence[0].CodeValue == SIGNER.person_id
    assert (report.ContentDate, report.ContentTime) == ("20260304", "093015.250000")


def test_the_observer_is_a_person(signed):
    role = Code("309343006", "SCT", "Physician", "医师")
    report = written_of(signed, person=replace(SIGNER, role=role)).dataset(Kind.SR)
    assert coded(report, "121005") == "121006"
    assert below(report, "121008")[0].PersonName == "LI Wei^"
    assert below(report, "121009")[0].TextValue == "First Hospital"
    assert coded(report, "121010") == "309343006"


def test_the_organization_is_the_images_where_the_signer_names_none(radiograph):
    image = open_object(chest_radiograph(size_px=64, facts={"InstitutionName": "Second Hospital"}))
    for source, wanted in ((image, "Second Hospital"), (radiograph, "not stated")):
        made = written_of(signed_on(source), person=Signer("p-1", "LI Wei")).dataset(Kind.SR)
        assert made.VerifyingObserverSequence[0].VerifyingOrganization == wanted


def test_findings_keep_the_tracking_identifiers_of_the_readers(signed):
    (reading,) = signed.readings
    made = groups(written_of(signed).dataset(Kind.SR))
    uids = {tracking(group) for group in made}
    first, second, third = reading.findings
    assert {first.tracking_uid, second.tracking_uid} <= uids
    assert third.tracking_uid not in uids
    # Boxes that the doctor left as they were bear the identifiers that they have in the reader's report.
    theirs = groups(Written(write(reading, (signed.image,), CARD, WRITTEN_AT)).dataset(Kind.SR))
    kept = accepted(second, reading)
    again = Signed(signed.image, report_of(signed.image, (reading,), [kept]), (reading,))
    ours = {tracking(group) for group in groups(written_of(again).dataset(Kind.SR))}
    assert ours <= {tracking(group) for group in theirs}
    assert len(ours) == 3


def test_an_accepted_finding_keeps_probability_and_algorithm(signed):
    whole = groups(written_of(signed).dataset(Kind.SR))[0]
    assert coded(whole, "verdict") == "accepted"
    assert float(below(whole, "122157")[0].MeasuredValueSequence[0].NumericValue) == pytest.approx(0.83)
    assert below(whole, "111001")[0].TextValue == "chest-radiograph"
    assert coded(whole, "121052") == "52101004"


def test_an_edited_finding_is_the_doctors_and_names_what_it_derives_from(signed):
    report = written_of(signed).dataset(Kind.SR)
    uid = signed.readings[0].findings[1].tracking_uid
    whole, region = (group for group in groups(report) if tracking(group) == uid)
    assert coded(whole, "121071") == "27925004"
    assert coded(whole, "verdict") == "edited"
    assert not below(whole, "122157")
    assert not below(whole, "111001")
    measured = below(whole, DIAMETER.quantity.value)[0].MeasuredValueSequence[0]
    assert float(measured.NumericValue) == 8.5
    assert list(below(region, "111030")[0].GraphicData) == [5, 6, 15, 6, 15, 14, 5, 14, 5, 6]
    (remark,) = below(whole, "121106")
    assert "Opacity present, p=0.83" in remark.TextValue
    (source,) = remark.ContentSequence
    assert (source.RelationshipType, source.ValueType) == ("INFERRED FROM", "COMPOSITE")
    reference = source.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert reference == signed.readings[0].derive_uid("sr")


def test_a_rejected_finding_is_assessed_and_states_nothing_about_the_patient(signed):
    report = written_of(signed).dataset(Kind.SR)
    (evaluations,) = below(report, "C0034375")
    (item,) = below(evaluations, "verdict")
    assert item.ConceptCodeSequence[0].CodeValue == "rejected"
    assert coded(item, "reason") == "artefact"
    assert tracking(item) == signed.readings[0].findings[2].tracking_uid
    texts = [comment.TextValue for comment in below(item, "121106")]
    assert texts[0] == "Rejected: artefact (skin fold)"
    assert "Opacity present" in texts[1]


@pytest.mark.parametrize("reason", list(RejectReason))
def test_every_reason_has_its_code(radiograph, reason):
    finding = finding_on(radiograph, None)
    reading = reading_of(radiograph, [finding])
    report = report_of(radiograph, (reading,), [rejected(finding, reading, reason)])
    made = written_of(Signed(radiograph, report, (reading,))).dataset(Kind.SR)
    (item,) = below(below(made, "C0034375")[0], "verdict")
    code = below(item, "reason")[0].ConceptCodeSequence[0]
    assert (code.CodeValue, code.CodingSchemeDesignator) == (reason.value, "99COREAD")


def test_the_scheme_of_the_verdicts_says_whose_it_is(signed):
    (scheme,) = written_of(signed).dataset(Kind.SR).CodingSchemeIdentificationSequence
    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeResponsibleOrganization) == (
        "99COREAD",
        "CoRead",
    )


def test_a_report_that_rejects_everything_holds_no_measurement_group(radiograph):
    findings = [finding_on(radiograph, number=n) for n in (1, 2)]
    reading = reading_of(radiograph, findings)
    decisions = [rejected(f, reading, RejectReason.NOT_PRESENT) for f in findings]
    made = written_of(Signed(radiograph, report_of(radiograph, (reading,), decisions), (reading,)))
    report = made.dataset(Kind.SR)
    assert not below(report, "126010")
    assert len(below(below(report, "C0034375")[0], "verdict")) == 2


def test_an_own_statement_needs_no_image(radiograph):
    report = written_of(Signed(radiograph, report_of(radiograph, (), [own(None)]), ())).dataset(Kind.SR)
    (group,) = groups(report)
    assert coded(group, "121071") == "233604007"
    assert coded(group, "verdict") == "own"
    assert not below(group, "121112")


def test_an_own_outline_is_closed(radiograph):
    report = written_of(Signed(radiograph, report_of(radiograph, (), [own(radiograph)]), ())).dataset(Kind.SR)
    _, region = groups(report)
    assert list(below(region, "111030")[0].GraphicData) == [3, 3, 20, 4, 12, 22, 3, 3]
    assert tracking(region) == own(radiograph).finding_uid


def test_what_is_absent_has_no_region(radiograph):
    finding = finding_on(radiograph, None, boxes=[Box(1, 1, 9, 9)])
    reading = reading_of(radiograph, [finding])
    decision = edited(finding, reading, presence=Presence.ABSENT)
    made = written_of(Signed(radiograph, report_of(radiograph, (reading,), [decision]), (reading,)))
    assert len(groups(made.dataset(Kind.SR))) == 1


def test_a_report_on_nothing_says_so(radiograph):
    reading = reading_of(radiograph, outcome=Outcome.ABSTAINED)
    made = written_of(Signed(radiograph, report_of(radiograph, (reading,), []), (reading,)))
    (evaluations,) = below(made.dataset(Kind.SR), "C0034375")
    assert below(evaluations, "121106")[0].TextValue == "No finding"


def test_the_signed_words_stand_in_sections_word_for_word(signed):
    report = written_of(signed).dataset(Kind.SR)
    (findings,) = below(report, "59776-5")
    lines = below(findings, "121071")
    assert [line.TextValue for line in lines] == signed.report.draft.sections[1].text.split("\n")
    assert tracking(lines[0]) == signed.readings[0].findings[0].tracking_uid
    assert "ContentSequence" not in lines[-1]
    assert below(below(report, "55111-9")[0], "121065")[0].TextValue == "Frontal chest radiograph."
    assert below(below(report, "19005-8")[0], "121073")[0].TextValue == "See findings."


def test_a_section_of_another_name_is_not_lost(radiograph):
    signed = signed_on(radiograph)
    sections = (Section("house-note", (Line("Film 2.", Origin.TYPED),)), Section("empty"))
    report = replace(signed.report, draft=replace(signed.report.draft, sections=sections))
    made = written_of(replace(signed, report=report)).dataset(Kind.SR)
    assert below(below(made, "55112-7")[0], "121111")[0].TextValue == "Film 2."


@pytest.mark.parametrize(("language", "code"), [("en", "en"), ("zh", "zh"), ("fr", "en")])
def test_the_language_is_told(radiograph, language, code):
    report = written_of(signed_on(radiograph, language)).dataset(Kind.SR)
    assert report.ContentSequence[0].ConceptCodeSequence[0].CodeValue == code


def test_predecessors_are_the_readers_reports(signed, radiograph):
    (reading,) = signed.readings
    report = written_of(signed).dataset(Kind.SR)
    (study,) = report.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    theirs = Written(write(reading, (radiograph,), CARD, WRITTEN_AT)).dataset(Kind.SR)
    assert series.SeriesInstanceUID == theirs.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == theirs.SOPInstanceUID


def test_an_addendums_predecessor_is_the_report_that_it_amends(signed):
    later = addendum_to(signed)
    first, second = written_of(signed).dataset(Kind.SR), written_of(later).dataset(Kind.SR)
    (study,) = second.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == first.SeriesInstanceUID != second.SeriesInstanceUID
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID


def test_a_report_without_readers_has_no_predecessor(radiograph):
    report = written_of(Signed(radiograph, report_of(radiograph, (), [own(radiograph)]), ())).dataset(Kind.SR)
    assert "PredecessorDocumentsSequence" not in report


def test_every_reference_is_in_evidence(signed):
    report = written_of(signed).dataset(Kind.SR)
    listed = {
        (item.ReferencedSOPInstanceUID, item.ReferencedSOPClassUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    named = {
        (item.ReferencedSOPInstanceUID, item.ReferencedSOPClassUID)
        for content in report.ContentSequence
        for item in _references(content)
    }
    assert named <= listed
    assert (signed.image.header.ref.sop_instance_uid, signed.image.header.ref.sop_class_uid) in named


def _references(item):
    yield from item.get("ReferencedSOPSequence") or ()
    for child in item.get("ContentSequence") or ():
        yield from _references(child)


def test_an_image_that_is_not_given_is_referred_to_all_the_same(radiograph):
    """It may have been removed since; a signed report does not fail for it."""
    prior = InstanceRef("1.2.9", "1.2.9.1", "1.2.9.1.1", "1.2.840.10008.5.1.4.1.1.1.1")
    decision = own(radiograph)
    statement = replace(decision.statement, image=prior, boxes=(Box(2, 2, 5, 5),))
    report = report_of(radiograph, (), [replace(decision, statement=statement)])
    made = written_of(Signed(radiograph, report, ())).dataset(Kind.SR)
    (study,) = made.PertinentOtherEvidenceSequence
    assert study.StudyInstanceUID == "1.2.9"
    whole, *regions = groups(made)
    assert below(whole, "121112")[0].ReferencedSOPSequence[0].ReferencedSOPClassUID == prior.sop_class_uid
    assert len(regions) == 2


def test_a_reader_that_is_gone_keeps_nobody_waiting(signed):
    report = written_of(signed).dataset(Kind.SR)
    objects = write_signed(signed.report, signed.readings, (signed.image,), {}, person=SIGNER)
    without = Written(objects).dataset(Kind.SR)
    assert report.ContributingEquipmentSequence[0].ContributionDescription == CARD.title
    assert without.ContributingEquipmentSequence[0].ContributionDescription == CARD.identity.name
    parameters = {item.TextValue for item in below(groups(without)[0], "111002")}
    assert not any(text.startswith("threshold") for text in parameters)


def test_hostile_words_do_no_harm(signed):
    words = "a\x1b$B\x00<script>\r\n=^\\ 王"
    line = Line(words, Origin.TYPED)
    decision = rejected(signed.readings[0].findings[0], signed.readings[0], comment="\x1b(J\ud800")
    draft = replace(signed.report.draft, sections=(Section("findings", (line,)),))
    report = replace(signed.report, draft=draft, decisions=(decision,), person_name="\\X^Y=\x07" + "Ж" * 99)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = written_of(replace(signed, report=report)).dataset(Kind.SR)
    assert below(below(made, "59776-5")[0], "121071")[0].TextValue == "a$B<script>\n=^\\ 王"
    assert len(str(made.VerifyingObserverSequence[0].VerifyingObserverName)) <= 64


def test_the_doctors_name_stands_in_no_warning(radiograph):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        written_of(signed_on(radiograph, "zh"))
    assert not [w for w in caught if "LI Wei" in str(w.message)]


def test_highdicom_reads_it_back(signed):
    report = hd.sr.Comprehensive3DSR.from_dataset(written_of(signed).dataset(Kind.SR))
    uid = signed.readings[0].findings[0].tracking_uid
    (found,) = report.content.get_image_measurement_groups(tracking_uid=uid)
    assert found.finding_type.value == "112001"


def test_what_cannot_be_written_is_said(signed):
    with pytest.raises(ResultFault, match="no image"):
        write_signed(signed.report, signed.readings, (), CARDS, person=SIGNER)
    with pytest.raises(ResultFault, match="no given reading"):
        write_signed(signed.report, (), (signed.image,), CARDS, person=SIGNER)
    naive = replace(signed.report, signed_at=SIGNED_AT.replace(tzinfo=None))
    with pytest.raises(ResultFault, match="without zone"):
        write_signed(naive, signed.readings, (signed.image,), CARDS, person=SIGNER)


@pytest.mark.parametrize("make", [chest_radiograph, ct_slice])
def test_twice_is_the_same_bytes(make):
    image = open_object(make())
    signed = signed_on(image)
    assert written_of(signed).objects == written_of(signed).objects
    uids = [made.id for made in written_of(signed).objects]
    assert len(set(uids)) == len(uids)


def test_pixels_are_not_looked_at(monkeypatch, signed):
    """What a person signed needs no decoder: a broken image delays no report."""
    monkeypatch.setattr(type(signed.image), "stored", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(type(signed.image), "rendered", lambda *_: pytest.fail("decoded"))
    written_of(signed)


def test_times_are_told_in_the_zone_of_the_images(radiograph):
    image = open_object(chest_radiograph(size_px=64, facts={"TimezoneOffsetFromUTC": "+0800"}))
    report = written_of(signed_on(image)).dataset(Kind.SR)
    assert report.VerifyingObserverSequence[0].VerificationDateTime == "20260304173015.250000+0800"
    assert report.ContentTime == "173015.250000"
