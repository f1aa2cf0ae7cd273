"""A decoding plugin of pydicom's that has each frame decoded in a process of its own (`isolated`).

What pydicom makes of the decoded bytes (signs, colour spaces, subsampling) stays with pydicom: this stands
where its own plugins for Pillow and OpenJPEG would, and tells it of the bytes what they would.
"""

from __future__ import annotations

from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from coread.dicom import sop_classes
from coread.dicom.frames import isolated
from coread.errors import BrokenPixelData

#: What pydicom knows the plugin by.
NAME = "coread-apart"
#: Asked for by pydicom; nothing beyond what CoRead itself needs.
DECODER_DEPENDENCIES: dict[str, tuple[str, ...]] = {}

_JPEG_2000 = (
    sop_classes.JPEG_2000_LOSSLESS,
    sop_classes.JPEG_2000,
    sop_classes.HTJ2K_LOSSLESS,
    sop_classes.HTJ2K_LOSSLESS_RPCL,
    sop_classes.HTJ2K,
)
TRANSFER_SYNTAXES = frozenset({sop_classes.JPEG_BASELINE, *_JPEG_2000})


def is_available(uid: str) -> bool:
    """Tell pydicom whether frames of a transfer syntax are decoded here."""
    return uid in TRANSFER_SYNTAXES


def decode_frame(encoded: bytes, runner: DecodeRunner) -> bytearray:
    """Return one frame's samples, little endian, pixel after pixel.

    Raises
    ------
    BrokenPixelData
        As for `isolated.decode`.
    """
    uid = str(runner.transfer_syntax)
    bits = 8 if uid == sop_classes.JPEG_BASELINE else _precision(runner)
    width = 8 if bits <= 8 else 16 if bits <= 16 else 32
    task = isolated.Task(uid, runner.rows, runner.columns, runner.samples_per_pixel, width, bits)
    frame = isolated.decode(task, encoded)
    if uid in _JPEG_2000:
        runner.set_option("bits_allocated", width)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", "RGB")  # OpenJPEG has undone the transform
    return frame


def _precision(runner: DecodeRunner) -> int:
    """Return the bits of a sample as the codestream says."""
    bits = int(runner.get_option("j2k_precision", runner.bits_stored))
    if not 1 <= bits <= 32:
        raise BrokenPixelData(
            found=f"samples of {bits} bits",
            expected="1 to 32",
            remedy="send the object again; if it stays so, it is broken at the source",
            where="pixel data",
        )
    return bits


for _uid in sorted(TRANSFER_SYNTAXES):
    if NAME not in get_decoder(_uid).available_plugins:
        get_decoder(_uid).add_plugin(NAME, (__name__, "decode_frame"))
