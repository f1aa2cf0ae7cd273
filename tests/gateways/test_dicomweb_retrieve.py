"""WADO-RS: objects, metadata, large values, frames, pictures."""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from coread.dicom import open_object
from coread.gateways.dicomweb.media import split_parameters
from coread.gateways.dicomweb.multipart import MultipartParser, PartBegun, PartData
from coread.testing import patients

EXPLICIT, JPEG_2000, JPEG_LS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
DICOM = 'multipart/related; type="application/dicom"'
FRAMES = 'multipart/related; type="application/octet-stream"'


def parts_of(response):
    """Return (content type, content) of each part."""
    media_type, parameters = split_parameters(response.headers["content-type"])
    assert media_type == "multipart/related"
    parser, parts = MultipartParser(parameters["boundary"]), []
    for event in parser.feed(response.content):
        if isinstance(event, PartBegun):
            parts.append([event.content_type, b""])
        elif isinstance(event, PartData):
            parts[-1][1] += bytes(event.data)
    parser.close()
    return [(kind, content) for kind, content in parts]


def keep(rooms, data: bytes) -> str:
    """File an object, return its path."""
    ref = rooms.intake.accept_bytes(data, "stow").instance.ref
    return (
        f"/dicomweb/studies/{ref.study_instance_uid}/series/{ref.series_instance_uid}"
        f"/instances/{ref.sop_instance_uid}"
    )


CHEST = patients.chest_radiograph(study_uid="1.2", series_uid="1.2.1", sop_uid="1.2.1.1")
COMPRESSED = patients.chest_radiograph(
    3, study_uid="1.3", series_uid="1.3.1", sop_uid="1.3.1.1", transfer_syntax_uid=JPEG_2000
)


@pytest.fixture(scope="module")
def chest(library):
    return keep(library, CHEST)


@pytest.fixture(scope="module")
def compressed(library):
    return keep(library, COMPRESSED)


def multi_frame(frames: int = 3) -> tuple[bytes, np.ndarray]:
    pixels = np.arange(frames * 8 * 6, dtype=np.uint8).reshape(frames, 8, 6)
    data = patients.dicom_from_pixels(
        pixels,
        modality="OT",
        sop_class="1.2.840.10008.5.1.4.1.1.7.2",
        study_uid="1.4",
        series_uid="1.4.1",
        sop_uid="1.4.1.1",
    )
    return data, pixels


def test_a_study_comes_part_by_part_as_it_was_sent(site, rooms):
    sent = [patients.ct_slice(1, position=i, study_uid="1.1") for i in range(3)]
    for data in sent:
        keep(rooms, data)
    response = site.get("/dicomweb/studies/1.1", headers={"Accept": DICOM})
    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    assert split_parameters(response.headers["content-type"])[1]["type"] == "application/dicom"
    assert parts_of(response) == [(f"application/dicom; transfer-syntax={EXPLICIT}", data) for data in sent]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_level_can_be_had(library_site, chest, level):
    path = "/".join(chest.split("/")[: 2 + 2 * level])
    assert len(parts_of(library_site.get(path))) == 1
    assert len(library_site.get(path + "/metadata").json()) == 1
    assert library_site.get(path + "/thumbnail").headers["content-type"] == "image/jpeg"


def test_one_instance_comes_bare_where_asked(library_site, chest):
    response = library_site.get(chest, headers={"Accept": "application/dicom"})
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert dcmread(io.BytesIO(response.content)).Rows == 64
    assert (
        library_site.get(chest.split("/series")[0], headers={"Accept": "application/dicom"}).status_code
        == 406
    )


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        (f"{DICOM}; transfer-syntax=*", 200),
        (f"{DICOM}; transfer-syntax={JPEG_2000}", 200),
        (f"{DICOM}; transfer-syntax={EXPLICIT}", 406),
        (f"application/dicom; transfer-syntax={EXPLICIT}, {DICOM}", 200),
        ("application/dicom+xml", 406),
        ("image/jpeg", 406),
        ("rubbish", 406),
    ],
)
def test_only_the_stored_form_is_given(library_site, compressed, accept, status):
    response = library_site.get(compressed, headers={"Accept": accept})
    assert response.status_code == status
    if status == 406:
        assert "transfer-syntax=1.2.840.10008.1.2.4.90" in response.json()["expected"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/9.9", 404),
        ("/studies/1.2/series/9.9", 404),
        ("/studies/1.2/series/1.2.1/instances/9.9", 404),
        ("/studies/1.2/series/1.3.1/instances/1.2.1.1", 404),
        ("/studies/1.3/series/1.2.1/instances/1.2.1.1", 404),
        ("/studies/1.2/nonsense", 404),
        ("/studies/../../etc/passwd", 404),
        ("/studies/%2e%2e", 400),
        ("/studies/1.2/series/..%5c..", 400),
        ("/studies/1.2/series/1.2.1/instances/" + "1" * 65, 400),
        ("/studies/1.2/series/01.2/metadata", 400),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/frames/2", 400),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/frames/0", 400),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/frames/one", 400),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/frames/1,,2", 400),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/bulkdata/00100010", 404),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/bulkdata/nonsense", 404),
        ("/studies/1.2/series/1.2.1/instances/1.2.1.1/bulkdata/..%2f..%2fx", 404),
    ],
)
def test_what_is_not_there_is_told(library_site, chest, compressed, path, status):
    response = library_site.get("/dicomweb" + path)
    assert response.status_code == status
    assert {"number", "sentence", "found", "expected", "remedy"} == set(response.json())
    assert "Traceback" not in response.text


def test_methods_that_are_not_served_are_told(library_site, chest):
    response = library_site.delete(chest)
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    assert response.json()["number"] == 1112


def test_metadata_is_a_data_set_with_the_address_of_its_pixels(library_site, chest):
    (model,) = library_site.get(chest + "/metadata").json()
    address = model["7FE00010"]["BulkDataURI"]
    assert address == f"{str(library_site.base_url).rstrip('/')}{chest}/bulkdata/7FE00010"
    model.pop("7FE00010")
    kept = Dataset.from_json(json.dumps(model))
    assert (kept.Rows, kept.Modality) == (64, "DX")
    again = library_site.get(chest + "/metadata", headers={"Host": "localhost:77"}).json()[0]
    assert again["7FE00010"]["BulkDataURI"].startswith("http://localhost:77/dicomweb/")
    pixels = library_site.get(address, headers={"Accept": "application/octet-stream"})
    original = dcmread(io.BytesIO(library_site.get(chest, headers={"Accept": "application/dicom"}).content))
    assert pixels.content == original.PixelData
    assert parts_of(library_site.get(address)) == [("application/octet-stream", original.PixelData)]


def test_a_string_cannot_pass_for_an_address(site, rooms):
    evil = '"BulkDataURI":"coread:/x'
    path = keep(rooms, patients.ct_slice(facts={"StudyDescription": evil}))
    (model,) = site.get(path + "/metadata").json()
    assert model["00081030"]["Value"] == [evil]


def test_metadata_in_xml_is_not_given(library_site, chest):
    assert (
        library_site.get(chest + "/metadata", headers={"Accept": "application/dicom+xml"}).status_code == 406
    )


def test_an_object_that_cannot_be_parsed_does_not_spoil_its_study(site, rooms):
    keep(rooms, CHEST)
    fine = patients.ct_slice(5, study_uid="1.2")
    opened = b"\xe1\x7f\x01\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = keep(rooms, fine + opened * 60)
    rows = site.get("/dicomweb/studies/1.2/metadata").json()
    assert len(rows) == 2
    assert {row["00080060"]["Value"][0] for row in rows} == {"DX", "CT"}
    assert site.get(path + "/frames/1").status_code in (400, 406, 422)


def test_a_lost_file_is_told_before_anything_is_promised(site, rooms):
    chest = keep(rooms, CHEST)
    instance = rooms.archive.get("1.2.1.1")
    rooms.archive.store.delete(instance.object_key)
    for path in (chest, chest + "/metadata", chest + "/frames/1", chest + "/rendered"):
        response = site.get(path)
        assert response.status_code == 500
        assert response.json()["number"] == 1402


def test_a_file_of_another_length_is_told(site, rooms):
    chest = keep(rooms, CHEST)
    path = rooms.archive.store.path(rooms.archive.get("1.2.1.1").object_key)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-10])
    assert site.get(chest).json()["number"] == 1403
    assert site.get(chest + "/frames/1").json()["number"] == 1403


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (FRAMES, f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (f"{FRAMES}; transfer-syntax={EXPLICIT}", f"application/octet-stream; transfer-syntax={EXPLICIT}"),
        (f"{FRAMES}; transfer-syntax=*", f"application/octet-stream; transfer-syntax={JPEG_2000}"),
        ('multipart/related; type="image/jp2"', f"image/jp2; transfer-syntax={JPEG_2000}"),
        (
            f'multipart/related; type="image/jp2"; transfer-syntax={JPEG_2000}',
            f"image/jp2; transfer-syntax={JPEG_2000}",
        ),
        ("multipart/related; type=image/*", f"image/jp2; transfer-syntax={JPEG_2000}"),
    ],
)
def test_frames_come_as_asked(library_site, compressed, accept, content_type):
    response = library_site.get(compressed + "/frames/1", headers={"Accept": accept})
    ((kind, content),) = parts_of(response)
    assert kind == content_type
    if "octet" in content_type and EXPLICIT in content_type.split("=")[1:]:
        assert len(content) == 64 * 64 * 2
    if JPEG_2000 in content_type:
        assert content.startswith(b"\xff\x4f\xff\x51")


@pytest.mark.parametrize(
    "accept", ['multipart/related; type="image/jls"', "image/png", f"{FRAMES}; transfer-syntax={JPEG_LS}"]
)
def test_frames_are_not_transcoded(library_site, compressed, accept):
    assert library_site.get(compressed + "/frames/1", headers={"Accept": accept}).status_code == 406


def test_one_frame_may_come_bare(library_site, chest):
    response = library_site.get(chest + "/frames/1", headers={"Accept": "application/octet-stream"})
    assert response.headers["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert len(response.content) == 64 * 64 * 2


def test_frames_come_in_the_order_asked(site, rooms):
    data, pixels = multi_frame()
    path = keep(rooms, data)
    parts = parts_of(site.get(path + "/frames/3,1"))
    assert [content for _, content in parts] == [pixels[2].tobytes(), pixels[0].tobytes()]
    assert site.get(path + "/frames/1,2", headers={"Accept": "application/octet-stream"}).status_code == 406
    assert site.get(path + "/frames/1,4").status_code == 400


def picture(response) -> Image.Image:
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.content))


def test_rendered_is_what_the_grammar_shows(site, rooms):
    chest = keep(rooms, CHEST)
    shown = picture(site.get(chest + "/rendered", headers={"Accept": "image/png"}))
    image = open_object(rooms.archive.read("1.2.1.1"))
    assert np.array_equal(np.asarray(shown), image.rendered())
    windowed = picture(site.get(chest + "/rendered?window=1000,500", headers={"Accept": "image/png"}))
    assert np.array_equal(np.asarray(windowed), image.rendered(1, (1000.0, 500.0)))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("", "JPEG"), ("image/*", "JPEG"), ("image/png", "PNG"), ("text/html, image/png;q=0.2", "PNG")],
)
def test_rendered_kind_is_as_asked(library_site, chest, accept, kind):
    assert picture(library_site.get(chest + "/rendered", headers={"Accept": accept})).format == kind


@pytest.mark.parametrize(
    ("query", "size"),
    [
        ("viewport=32,100", (32, 32)),
        ("viewport=200,128", (128, 128)),
        ("viewport=100,100,16,0,32,64", (50, 100)),
        ("viewport=100,100,0,0,-32,-64", (50, 100)),
        ("viewport=10,10,,,,", (10, 10)),
        ("quality=1", (64, 64)),
        ("window=40,400,linear-exact", (64, 64)),
    ],
)
def test_viewport_quality_window(library_site, chest, query, size):
    assert picture(library_site.get(f"{chest}/rendered?{query}")).size == size


def test_a_negative_source_mirrors(library_site, chest):
    plain, mirrored = (
        np.asarray(
            picture(
                library_site.get(
                    f"{chest}/rendered?viewport=64,64,0,0,{w},64", headers={"Accept": "image/png"}
                )
            )
        )
        for w in (64, -64)
    )
    assert np.array_equal(plain[:, ::-1], mirrored)


@pytest.mark.parametrize(
    "query",
    [
        "viewport=0,5",
        "viewport=99999,5",
        "viewport=1",
        "viewport=1,2,3",
        "viewport=nan,5",
        "viewport=5,5,60,60,1000000000000,5",
        "viewport=5,5,100,0,5,5",
        "window=1",
        "window=1,0",
        "window=1,2,sigmoid",
        "window=x,2",
        "quality=0",
        "quality=good",
    ],
)
def test_a_look_that_cannot_be_had_is_refused(library_site, chest, query):
    assert library_site.get(f"{chest}/rendered?{query}").status_code == 400


def test_several_pictures_come_in_parts(site, rooms):
    data, _ = multi_frame()
    path = keep(rooms, data)
    parts = parts_of(site.get(path + "/frames/1,2/rendered"))
    assert [kind for kind, _ in parts] == ["image/jpeg"] * 2
    assert site.get(path + "/frames/1,2/rendered", headers={"Accept": "image/png"}).status_code == 406
    assert picture(site.get(path + "/frames/2/rendered")).size == (6, 8)


def test_a_study_is_rendered_image_by_image(site, rooms):
    keep(rooms, CHEST)
    keep(rooms, patients.text_report(study_uid="1.2"))
    parts = parts_of(
        site.get("/dicomweb/studies/1.2/rendered", headers={"Accept": "multipart/related; type=image/png"})
    )
    assert [kind for kind, _ in parts] == ["image/png"]
    assert len(parts_of(site.get("/dicomweb/studies/1.2/series/1.2.1/rendered"))) == 1


def test_thumbnails_are_small(site, rooms):
    chest = keep(rooms, CHEST)
    assert picture(site.get(chest + "/thumbnail")).size == (200, 200)
    assert picture(site.get(chest + "/frames/1/thumbnail?viewport=20,20")).size == (20, 20)
    keep(rooms, patients.text_report(study_uid="1.2"))
    assert picture(site.get("/dicomweb/studies/1.2/thumbnail")).size == (200, 200)


def test_an_object_without_pixels_cannot_be_shown(site, rooms):
    path = keep(rooms, patients.text_report(study_uid="1.6"))
    for address in ("/rendered", "/thumbnail", "/frames/1"):
        response = site.get(path + address)
        assert response.status_code == 406
        assert response.json()["number"] == 1109
    assert site.get("/dicomweb/studies/1.6/rendered").status_code == 406
    assert site.get(path + "/metadata").json()[0]["00080060"]["Value"] == ["SR"]


def test_broken_pixels_are_told(site, rooms):
    path = keep(rooms, patients.broken("broken_pixels"))
    assert site.get(path + "/frames/1").status_code == 422
    assert site.get(path + "/rendered").json()["number"] == 1108
    assert len(site.get(path).content) > 1000


def test_a_big_object_streams_unchanged(site, rooms):
    pixels = np.random.default_rng(0).integers(0, 4096, (1200, 1400), dtype=np.uint16)
    data = patients.dicom_from_pixels(pixels, study_uid="1.7")
    path = keep(rooms, data)
    digest = hashlib.sha256()
    with site.stream("GET", path, headers={"Accept": "application/dicom"}) as response:
        for chunk in response.iter_bytes():
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(data).digest()


def test_head_gives_the_length(library_site, chest):
    response = library_site.head(chest, headers={"Accept": "application/dicom"})
    assert int(response.headers["content-length"]) > 8000
    assert response.content == b""
