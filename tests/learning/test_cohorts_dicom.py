"""Cohorts of DICOM objects: of a folder, of the archive's consented studies, with SEG and SR as labels."""

from __future__ import annotations

from collections import Counter

import highdicom as hd
import numpy as np
import pydicom
import pytest

pytest.importorskip("pyarrow", reason="the lab is not installed (pip install coread[lab])")

from highdicom import sr
from keeping import house_on
from pydicom.sr.codedict import codes as dicom_codes

from coread.dicom import open_object
from coread.domain.codes import LUNG_NODULE, Code
from coread.errors import CohortRefused, ObjectLost
from coread.learning.cohorts import BuildPlan, CodeBook, Concept, build, open_cohort
from coread.learning.cohorts.pseudonyms import Pseudonyms, age_years
from coread.learning.cohorts.regions import mask_of
from coread.learning.cohorts.sources.dicom import ArchiveFiles, DicomSource, FolderFiles
from coread.testing.patients import chest_radiograph, ct_slice, ultrasound

KEY = b"0123456789abcdef"
BOOK = CodeBook(
    [
        Concept("nodule", LUNG_NODULE),
        Concept("long axis", Code("103339001", "SCT", "Long Axis"), 0, 300, "mm"),
    ]
)


def bytes_of(dataset):
    file = pydicom.filebase.DicomBytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def outlined(slice_bytes, creator):
    """A SEG by a person over rows 10-19 and columns 20-29 of a slice."""
    mask = np.zeros((64, 64), bool)
    mask[10:20, 20:30] = True
    segment = hd.seg.SegmentDescription(
        segment_number=1, segment_label="nodule",
        segmented_property_category=sr.CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure"),
        segmented_property_type=sr.CodedConcept("27925004", "SCT", "Nodule"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    return bytes_of(
        hd.seg.Segmentation(
            source_images=[open_object(slice_bytes).dataset], pixel_array=mask,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY, segment_descriptions=[segment],
            series_instance_uid=hd.UID(), series_number=3, sop_instance_uid=hd.UID(), instance_number=1,
            manufacturer="x", manufacturer_model_name="y", software_versions="1", device_serial_number="1",
            content_creator_name=creator,
        )
    )  # fmt: skip


def measured(slice_bytes, observer):
    """A TID 1500 report by a person with a long axis on a slice."""
    image = open_object(slice_bytes).dataset
    region = sr.ImageRegion(
        graphic_type="POLYLINE", graphic_data=np.array([[20.0, 10], [30, 10], [30, 20], [20, 20], [20, 10]]),
        source_image=sr.SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
    )  # fmt: skip
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(hd.UID(), "lesion 1"), referenced_region=region,
        finding_type=sr.CodedConcept("27925004", "SCT", "Nodule"),
        measurements=[sr.Measurement(
            name=sr.CodedConcept("103339001", "SCT", "Long Axis"), value=8.5,
            unit=sr.CodedConcept("mm", "UCUM", "mm"),
        )],
    )  # fmt: skip
    attributes = sr.PersonObserverIdentifyingAttributes(name=observer)
    context = sr.ObservationContext(
        observer_person_context=sr.ObserverContext(dicom_codes.DCM.Person, attributes)
    )
    content = sr.MeasurementReport(
        observation_context=context, imaging_measurements=[group],
        procedure_reported=sr.CodedConcept("363679005", "SCT", "Imaging procedure"),
    )  # fmt: skip
    return bytes_of(
        sr.Comprehensive3DSR(
            evidence=[image], content=content, series_number=9, series_instance_uid=hd.UID(),
            sop_instance_uid=hd.UID(), instance_number=1, manufacturer="someone else",
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Slices of eight patients; two readers outline and measure the first; some files are unfit."""
    place = tmp_path_factory.mktemp("dicom")
    first = ct_slice(0)
    for seed in range(8):
        for position in (0, 1):
            data = ct_slice(seed, position=position, facts={"PatientAge": "094Y", "PatientSex": "F"})
            (place / f"{seed}-{position}.dcm").write_bytes(data)
    (place / "0-0.dcm").write_bytes(first)
    (place / "copy.dcm").write_bytes(first)
    (place / "seg.dcm").write_bytes(outlined(first, "Tulip^Ada"))
    (place / "sr.dcm").write_bytes(measured(first, "Rose^Bo"))
    (place / "burned.dcm").write_bytes(ct_slice(20, facts={"BurnedInAnnotation": "YES"}))
    (place / "nobody.dcm").write_bytes(ct_slice(21, facts={"PatientID": ""}))
    (place / "cut.dcm").write_bytes(ct_slice(22)[:5000])
    (place / "notes.txt").write_text("Zzyzx")
    return place


def build_from(folder, out, key=KEY):
    return build(DicomSource("ct", BOOK, FolderFiles(folder), Pseudonyms(key)), out, BuildPlan())


def test_a_folder_becomes_a_cohort_in_hounsfield_units(folder, tmp_path):
    built = build_from(folder, tmp_path)
    assert len(built.images) == 16
    assert len({image.patient for image in built.images}) == 8
    assert {image.grey_unit for image in built.images} == {"HU"}
    values = built.values(built.images[0])
    assert values.min() == -1000
    assert 30 < np.median(values[28:36, 28:36]) < 50
    assert built.images[0].spacing_mm is not None
    assert sorted(left.code for left in built.left_out) == [
        "burned-in", "no-dicom", "no-patient", "same-object", "unreadable",
    ]  # fmt: skip


def test_two_readers_stay_apart(folder, tmp_path):
    built = build_from(folder, tmp_path)
    labels = [label for label in built.labels if label.name == "nodule" and label.region]
    assert {label.kind for label in labels} == {"mask", "points"}
    assert len({label.annotator for label in labels}) == 2
    assert len({label.image for label in labels}) == 1
    outline = next(label for label in labels if label.kind == "mask")
    there = mask_of(outline.region, 64, 64)
    assert there[10:20, 20:30].all()
    assert there.sum() == 100
    [axis] = [label for label in built.labels if label.name == "long axis"]
    assert (axis.value, axis.kind) == (8.5, "number")


def test_nothing_names_a_person_or_a_file(folder, tmp_path):
    build_from(folder, tmp_path)
    uid = open_object(ct_slice(0)).header.ref.sop_instance_uid
    words = (b"Zzyzx", b"SYN-0", b"Tulip", b"Rose", b"burned.dcm", uid.encode(), b"20240102", b"19700101")
    for path in tmp_path.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert [word for word in words if word in held] == [], path.name
    rows = str(open_cohort(tmp_path))
    assert [word for word in words if word.decode() in rows] == []


def test_ages_above_89_are_told_as_90(folder, tmp_path):
    ages = {image.age_years for image in build_from(folder, tmp_path).images}
    assert max(age for age in ages if age is not None) == 90


def test_the_same_key_gives_the_same_names_and_another_key_others(folder, tmp_path):
    names = [
        {image.image for image in build_from(folder, tmp_path / str(n), key).images}
        for n, key in enumerate((KEY, KEY, b"another key of 16"))
    ]
    assert names[0] == names[1]
    assert not names[0] & names[2]


def test_a_key_is_kept_for_its_owner_only(tmp_path):
    path = tmp_path / "key"
    first, second = (Pseudonyms.kept_in(path).of("patient", "", "1") for _ in "ab")
    assert first == second
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(ValueError, match="16 bytes"):
        Pseudonyms(b"short")


def test_radiographs_and_ultrasound_keep_what_is_shown(tmp_path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for seed in range(6):
        (source / f"{seed}.dcm").write_bytes(chest_radiograph(seed))
        photometric = chest_radiograph(seed + 50, photometric="MONOCHROME1")
        (source / f"{seed}i.dcm").write_bytes(photometric)
        (source / f"{seed}u.dcm").write_bytes(ultrasound(seed + 100))
    built = build(DicomSource("x", BOOK, FolderFiles(source), Pseudonyms(KEY)), out, BuildPlan(redraw=True))
    units = {image.modality: image.grey_unit for image in built.images}
    assert units == {"DX": "share", "US": "rgb"}
    for image in built.images:
        if image.modality == "DX":
            values = built.values(image)
            assert values[32, 32] > values[32, 14] + 0.2  # the mediastinum is bright under both photometrics


@pytest.mark.parametrize(
    ("age", "birth", "study", "years"),
    [
        ("045Y", "", "", 45), ("006M", "", "", 0.5), ("052W", "", "", 52 / 52.1775), ("45", "", "", None),
        ("", "19800615", "20200614", 39), ("", "19800615", "20200615", 40), ("", "", "20200615", None),
        ("", "20300101", "20200101", None),
    ],
)  # fmt: skip
def test_ages_of_dicom(age, birth, study, years):
    assert age_years(age, birth, study) == pytest.approx(years)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A real archive on SQLite and disk with eight studies, and their UIDs."""
    folder = tmp_path_factory.mktemp("archive")
    house = house_on(f"sqlite:///{folder / 'index.sqlite'}", folder)
    filed = [house.intake.accept_bytes(ct_slice(seed), "stow") for seed in range(8)]
    yield house.archive, [one.instance.ref.study_instance_uid for one in filed]
    house.database.close()


def clinic(kept, **consent):
    return DicomSource("clinic", BOOK, ArchiveFiles(*kept, **consent), Pseudonyms(KEY))


def test_only_consented_studies_are_learnt_from(kept, tmp_path):
    agreed = set(kept[1][:6])
    built = build(clinic(kept, consented=agreed.__contains__), tmp_path, BuildPlan())
    assert len(built.images) == 6
    assert [left.code for left in built.left_out] == ["no-consent"] * 2
    assert not [uid for uid in kept[1] if uid in str(built)]


def test_without_a_word_of_consent_nobody_has_agreed(kept, tmp_path):
    with pytest.raises(CohortRefused, match="no usable image"):
        build(clinic(kept), tmp_path, BuildPlan())


def test_consent_that_is_withdrawn_while_building_holds_at_once(kept, tmp_path):
    asked = Counter()

    def consented(uid):
        asked[uid] += 1
        return not (uid == kept[1][3] and asked[uid] > 1)

    built = build(clinic(kept, consented=consented), tmp_path, BuildPlan())
    assert len(built.images) == 7
    assert [left.reason for left in built.left_out] == ["consent was withdrawn"]


def test_pixels_leave_as_they_were_released(kept, tmp_path):
    spoilt = open_object(ct_slice(5)).header.ref.sop_instance_uid

    def release(data):
        image = open_object(data)
        if image.header.ref.sop_instance_uid == spoilt:
            raise ObjectLost("it cannot be cleaned")
        stored = image.dataset.pixel_array.copy()
        stored[:8] = -1000  # where a name might stand
        image.dataset.PixelData = stored.tobytes()
        return bytes_of(image.dataset)

    files = ArchiveFiles(*kept, consented=lambda uid: True)
    built = build(DicomSource("c", BOOK, files, Pseudonyms(KEY), release=release), tmp_path, BuildPlan())
    assert len(built.images) == 7
    assert all((built.values(image)[:8] == -1000).all() for image in built.images)
    assert [left.code for left in built.left_out] == ["unreadable"]
    assert built.facts["traps"] == []


def test_slices_can_be_put_in_order(folder, tmp_path):
    built = build_from(folder, tmp_path)
    places = {(image.patient, image.fact("along_normal_mm")) for image in built.images}
    assert len(places) == 16
    assert {place for _, place in places} == {0.0, 2.0}
