"""Images of every kind look as the server's own, independent decoders show them."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from real_files import REAL_FILES, real_file, with_identifiers
from viewer_page import Page
from viewer_site import Site

from coread.testing import patients

pytestmark = pytest.mark.peer

_FILES = [
    "CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm",
    "MR_small_expb.dcm", "image_dfl.dcm", "693_J2KI.dcm", "693_J2KR.dcm", "693_UNCI.dcm", "JPEG2000.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm", "J2K_pixelrep_mismatch.dcm",
    "emri_small_jpeg_ls_lossless.dcm", "emri_small_jpeg_2k_lossless.dcm", "emri_small_RLE.dcm",
    "emri_small.dcm", "JPGLosslessP14SV1_1s_1f_8b.dcm", "JPEG-lossy.dcm", "JPEG-LL.dcm",
    "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
    "SC_rgb_dcmtk_+eb+cy+s2.dcm", "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_rle.dcm", "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_16bit.dcm", "SC_rgb_small_odd.dcm", "SC_ybr_full_uncompressed.dcm",
    "SC_ybr_full_422_uncompressed.dcm", "examples_ybr_color.dcm", "examples_rgb_color.dcm",
    "examples_palette.dcm", "examples_jpeg2k.dcm", "OBXXXX1A.dcm", "OBXXXX1A_rle.dcm", "US1_J2KR.dcm",
    "US1_UNCR.dcm", "US1_J2KI.dcm", "GDCMJ2K_TextGBR.dcm", "rtdose_1frame.dcm",
    "MR-SIEMENS-DICOM-WithOverlays.dcm", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm",
    "mlut_18.dcm", "vlut_04.dcm", "gdcm-US-ALOKA-16.dcm", "bad_sequence.dcm", "eCT_Supplemental.dcm",
]  # fmt: skip

_SYNTAXES = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big endian": "1.2.840.10008.1.2.2",
    "RLE": "1.2.840.10008.1.2.5",
    "JPEG-LS": "1.2.840.10008.1.2.4.80",
    "JPEG 2000": "1.2.840.10008.1.2.4.90",
}


def _look_alike(page: Page, site: Site, written: bytes, *, within: float = 1.5, frame: int = 1) -> None:
    """Show an object and compare it with the server's rendering, grey levels apart on average."""
    header = pydicom.dcmread(io.BytesIO(written), stop_before_pixels=True)
    study, series, sop = (
        str(header[keyword].value) for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    )
    site.keep(written)
    url = f"{site.url}/dicomweb/studies/{study}/series/{series}/instances/{sop}/frames/{frame}/rendered"
    answer = httpx.get(url, headers={"Accept": "image/png"}, trust_env=False)
    first = {"seriesInstanceUid": series, "sopInstanceUid": sop, "frame": frame}
    page.open(study, firstImage=first)
    if answer.status_code != 200:
        page.wait("return document.querySelector('.crv-fault:not([hidden])')")
        return
    page.wait("return viewer.active.picture !== undefined")
    expected = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"), dtype=np.int16)
    shown = _shown(page)
    assert shown.shape == expected.shape
    difference = np.abs(shown - expected)
    assert difference.mean() <= within, (difference.mean(), difference.max())


def _shown(page: Page) -> np.ndarray:
    found = page.browser.execute_async_script(
        "const done = arguments[0]; viewer.active.picture.toBlob(async (blob) => {"
        "const reader = new FileReader(); reader.onload = () => done(reader.result.split(',')[1]);"
        "reader.readAsDataURL(blob); });"
    )
    import base64  # noqa: PLC0415

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found))).convert("RGB"), dtype=np.int16)


@pytest.mark.parametrize("name", _FILES)
def test_a_real_file_looks_as_the_server_shows_it(page: Page, site: Site, name: str) -> None:
    if name not in {path.name for path in REAL_FILES}:
        pytest.skip(f"{name} is not here")
    _look_alike(page, site, _of_its_own(real_file(name), _FILES.index(name)), within=3.0)


def _of_its_own(path: Path, number: int) -> bytes:
    """Give a file a study of its own: several of them are the same image in other clothes."""
    dataset = pydicom.dcmread(io.BytesIO(with_identifiers(path)))
    dataset.StudyInstanceUID = f"2.25.66.{number}"
    dataset.SeriesInstanceUID = f"2.25.66.{number}.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.66.{number}.1.1"
    file = io.BytesIO()
    pydicom.dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def _gradient(dtype: str, low: int, high: int, channels: int = 0) -> np.ndarray:
    y, x = np.mgrid[0:1:96j, 0:1:128j]
    grey = low + (high - low) * (0.7 * x + 0.3 * y)
    grey += (high - low) * 0.05 * np.random.default_rng(1).random(grey.shape)
    grey = np.clip(grey, low, high)
    if channels:
        return np.dstack([grey, grey[::-1], grey[:, ::-1]]).astype(dtype)
    return grey.astype(dtype)


def _keep(number: int, pixels: np.ndarray, modality: str, syntax: str = "explicit", **facts: Any) -> bytes:
    study = f"2.25.55.{number}"
    return patients.dicom_from_pixels(
        pixels, modality=modality, facts=facts, transfer_syntax_uid=_SYNTAXES[syntax],
        study_uid=study, series_uid=f"{study}.1", sop_uid=f"{study}.1.1",
    )  # fmt: skip


@pytest.mark.parametrize("syntax", _SYNTAXES)
def test_signed_ct_in_each_transfer_syntax(page: Page, site: Site, syntax: str) -> None:
    pixels = _gradient("int16", -1000, 1500)
    written = _keep(
        100 + list(_SYNTAXES).index(syntax), pixels, "CT", syntax, WindowCenter=100, WindowWidth=1200
    )
    _look_alike(page, site, written)
    value = page.script("return [...viewer.active.image.grey.values.slice(0, 400)]")
    assert value == pixels.ravel()[:400].tolist()


_KINDS: dict[str, tuple[np.ndarray, str, dict[str, Any]]] = {
    "8 bit": (_gradient("uint8", 0, 255), "OT", {}),
    "12 bit": (
        _gradient("uint16", 0, 4095), "DX",
        {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096},
    ),
    "16 bit": (_gradient("uint16", 0, 65535), "DX", {"WindowCenter": 30000, "WindowWidth": 60000}),
    "no window": (_gradient("int16", -300, 900), "CT", {"WindowCenter": None, "WindowWidth": None}),
    "rescaled": (
        _gradient("uint16", 0, 4095), "CT",
        {"RescaleSlope": 1, "RescaleIntercept": -1024, "BitsStored": 12, "PixelRepresentation": 0},
    ),
    "fractional slope": (
        _gradient("uint16", 0, 4095), "CT",
        {"RescaleSlope": 0.4883, "RescaleIntercept": -1024.5, "PixelRepresentation": 0},
    ),
    "MONOCHROME1": (
        _gradient("uint16", 0, 4095), "DX",
        {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 12, "WindowCenter": 2048,
         "WindowWidth": 3000},
    ),
    "sigmoid": (
        _gradient("uint16", 0, 4095), "DX",
        {"VOILUTFunction": "SIGMOID", "WindowCenter": 2048, "WindowWidth": 1500, "BitsStored": 12},
    ),
    "exact": (
        _gradient("int16", -50, 60), "CT",
        {"VOILUTFunction": "LINEAR_EXACT", "WindowCenter": 10, "WindowWidth": 4},
    ),
    "narrow window": (_gradient("int16", -50, 60), "CT", {"WindowCenter": 10, "WindowWidth": 3}),
    "colour": (_gradient("uint8", 0, 255, 3), "US", {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", _KINDS)
def test_each_kind_of_pixel(page: Page, site: Site, kind: str) -> None:
    pixels, modality, facts = _KINDS[kind]
    _look_alike(page, site, _keep(200 + list(_KINDS).index(kind), pixels, modality, **facts))


def test_padding_is_black_in_both_polarities(page: Page, site: Site) -> None:
    for number, photometric in enumerate(("MONOCHROME2", "MONOCHROME1"), 300):
        pixels = _gradient("uint16", 100, 4000)
        pixels[:20] = 4095
        facts = {"PixelPaddingValue": 4095, "PhotometricInterpretation": photometric, "BitsStored": 12}
        _look_alike(page, site, _keep(number, pixels, "DX", **facts))
        assert _shown(page)[:20].max() == 0


def test_a_voi_lut_is_obeyed_where_there_is_no_window(page: Page, site: Site) -> None:
    entries = [min(4095, int(4095 * (i / 4095) ** 2)) for i in range(4096)]
    facts = {"WindowCenter": None, "WindowWidth": None, "BitsStored": 12}
    dataset = pydicom.dcmread(io.BytesIO(_keep(310, _gradient("uint16", 0, 4095), "DX", **facts)))
    lut = pydicom.Dataset()
    lut.add_new("LUTDescriptor", "US", [4096, 0, 12])
    lut.LUTExplanation = "SQUARE"
    lut.add_new("LUTData", "OW", struct.pack("<4096H", *entries))
    dataset.VOILUTSequence = [lut]
    file = io.BytesIO()
    dataset.save_as(file)
    _look_alike(page, site, file.getvalue())
    assert "SQUARE" in page.text(".crv-bottom-right")


def test_high_throughput_jpeg_2000(page: Page, site: Site) -> None:
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    pixels = (-1000 + x * 20 + y * 10 + (x * 7 + y * 13) % 17).astype(np.int16)
    dataset = pydicom.dcmread(io.BytesIO(_keep(320, pixels, "CT", WindowCenter=200, WindowWidth=3000)))
    # Encoded once by OpenJPH, which pydicom does not carry.
    codestream = (Path(__file__).parent / "data" / "gradient_htj2k.j2c").read_bytes()
    dataset.PixelData = encapsulate([codestream])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
    file = io.BytesIO()
    dataset.save_as(file)
    _look_alike(page, site, file.getvalue())
    assert page.script("return [...viewer.active.image.grey.values]") == pixels.ravel().tolist()
