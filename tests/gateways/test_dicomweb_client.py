"""The whole service over real HTTP, with the independent dicomweb-client as the other side."""

from __future__ import annotations

import io

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from PIL import Image
from pydicom import dcmread
from requests import HTTPError

from coread.gateways.dicomweb import dicomweb_app
from coread.gateways.serving import WebServer
from coread.testing import patients

STUDY, OTHER = "1.2.3.1", "1.2.3.2"
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def slices(count: int = 3, study: str = STUDY) -> list[bytes]:
    return [patients.ct_slice(7, position=i, study_uid=study) for i in range(count)]


@pytest.fixture
def service(rooms):
    with WebServer(dicomweb_app(rooms.archive, rooms.intake)) as server:
        yield server


@pytest.fixture
def client(service):
    return DICOMwebClient(service.url)


def read(data: bytes):
    return dcmread(io.BytesIO(data))


def test_what_is_stored_can_be_found_and_comes_back_unchanged(client):
    sent = [read(data) for data in slices()]
    outcome = client.store_instances(sent)
    assert len(outcome.ReferencedSOPSequence) == 3
    assert "FailedSOPSequence" not in outcome
    assert outcome.RetrieveURL.endswith(f"/studies/{STUDY}")

    (study,) = client.search_for_studies()
    assert study["0020000D"]["Value"] == [STUDY]
    assert study["00201208"]["Value"] == [3]
    assert study["00080061"]["Value"] == ["CT"]
    (series,) = client.search_for_series(STUDY)
    assert series["00080060"]["Value"] == ["CT"]
    series_uid = series["0020000E"]["Value"][0]
    found = client.search_for_instances(STUDY, series_uid)
    assert [row["00200013"]["Value"] for row in found] == [[1], [2], [3]]

    for back in (client.retrieve_study(STUDY), client.retrieve_series(STUDY, series_uid)):
        assert [b.PixelData for b in back] == [s.PixelData for s in sent]
    one = client.retrieve_instance(STUDY, series_uid, sent[1].SOPInstanceUID)
    assert one == sent[1]


def test_streamed_retrieval_gives_the_same(client):
    client.store_instances([read(data) for data in slices(5)])
    assert len(list(client.iter_study(STUDY))) == 5


def test_a_large_store_comes_in_chunks(client):
    big = patients.dicom_from_pixels(np.zeros((900, 1000), np.uint16), study_uid=STUDY)
    client.set_chunk_size(100_000)
    client.store_instances([read(big)])
    assert client.retrieve_study(STUDY)[0].Rows == 900


def test_metadata_tells_the_data_set_and_where_its_pixels_are(client, service):
    sent = read(slices(1)[0])
    client.store_instances([sent])
    (found,) = client.retrieve_study_metadata(STUDY)
    assert found["00100010"]["Value"] == [{"Alphabetic": str(sent.PatientName)}]
    assert found["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
    assert "Value" not in found["7FE00010"]
    url = found["7FE00010"]["BulkDataURI"]
    assert url.startswith(f"{service.url}/studies/{STUDY}/series/")
    assert client.retrieve_bulkdata(url) == [sent.PixelData]
    assert client.retrieve_series_metadata(STUDY, sent.SeriesInstanceUID) == [found]
    assert client.retrieve_instance_metadata(STUDY, sent.SeriesInstanceUID, sent.SOPInstanceUID) == found


def test_frames_come_plain_or_as_stored(client):
    sent = read(patients.chest_radiograph(study_uid=STUDY, transfer_syntax_uid=JPEG_2000))
    client.store_instances([sent])
    uids = (STUDY, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    (plain,) = client.retrieve_instance_frames(*uids, [1])
    assert plain == sent.pixel_array.astype("<u2").tobytes()
    (stored,) = client.retrieve_instance_frames(*uids, [1], media_types=(("image/jp2", JPEG_2000),))
    assert stored.startswith(b"\xff\x4f\xff\x51")


def test_rendered_pictures_can_be_seen(client):
    sent = read(patients.chest_radiograph(study_uid=STUDY))
    client.store_instances([sent])
    uids = (STUDY, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    for kind in ("image/png", "image/jpeg"):
        data = client.retrieve_instance_rendered(*uids, media_types=(kind,))
        assert Image.open(io.BytesIO(data)).size == (64, 64)
    small = client.retrieve_instance_rendered(*uids, media_types=("image/png",), params={"viewport": "32,32"})
    assert Image.open(io.BytesIO(small)).size == (32, 32)
    frame = client.retrieve_instance_frames_rendered(*uids, [1], media_types=("image/png",))
    assert Image.open(io.BytesIO(frame)).mode == "L"


def test_search_filters_match(client):
    client.store_instances([read(data) for data in slices(1) + slices(1, OTHER)])
    chest = read(patients.chest_radiograph(study_uid="1.2.3.9", facts={"StudyDate": "20240501"}))
    client.store_instances([chest])
    found = client.search_for_studies(search_filters={"ModalitiesInStudy": "CT"})
    assert {row["0020000D"]["Value"][0] for row in found} == {STUDY, OTHER}
    found = client.search_for_studies(search_filters={"StudyDate": "20240401-20240601"})
    assert [row["0020000D"]["Value"][0] for row in found] == ["1.2.3.9"]
    assert len(client.search_for_studies(limit=1)) == 1
    assert len(client.search_for_studies(limit=5, offset=2)) == 1
    assert len(client.search_for_studies(get_remaining=True)) == 3
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []


def test_nothing_found_is_no_error_but_nothing_retrieved_is(client):
    assert client.search_for_studies() == []
    with pytest.raises(HTTPError, match="404"):
        client.retrieve_study(STUDY)
