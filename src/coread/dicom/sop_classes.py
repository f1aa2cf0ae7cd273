"""Tables of SOP classes and transfer syntaxes, drawn from PS3.6 annex A.

The names come from the dictionary that pydicom generates from the standard; the
rule here says which of them a storage service may take. ``tests/standards``
holds the rule against PS3.4 annex B.5 as a second library states it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pydicom._uid_dict import UID_dictionary

from coread.errors import UnknownTransferSyntax

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
RLE_LOSSLESS = "1.2.840.10008.1.2.5"

#: Transfer syntaxes whose pixel data is not encapsulated (PS3.5 annex A.1 to A.3, A.5).
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED_LITTLE, EXPLICIT_BIG})

DIGITAL_XRAY = "1.2.840.10008.5.1.4.1.1.1.1"
COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ULTRASOUND_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"

# Named "Storage" in PS3.6, yet not taken by C-STORE or STOW as a composite instance of a patient.
_NOT_STORED = ("Storage Commitment", "Media Storage Directory")

# Registered after the edition that the dictionary was generated from (PS3.4 table B.5-1, 2024e).
_NEWER_STORAGE = {
    "1.2.840.10008.5.1.4.1.1.9.100.1": "Waveform Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.9.100.2": "Waveform Acquisition Presentation State Storage",
    "1.2.840.10008.5.1.4.1.1.66.7": "Label Map Segmentation Storage",
    "1.2.840.10008.5.1.4.1.1.66.8": "Height Map Segmentation Storage",
}

# Not data sets of PS3.10 files: streams of PS3.22 and retired encodings of whole messages.
_NOT_READABLE_PREFIXES = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.", "1.2.840.10008.1.20")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a transfer syntax writes the elements of a data set (PS3.5 section 7)."""

    explicit: bool
    """Whether each element names its value representation."""
    little: bool
    """Whether numbers are little endian."""
    deflated: bool = False
    """Whether the data set is one deflated stream (RFC 1951)."""

    @property
    def byte_order(self) -> str:
        """The `struct` character of the byte order."""
        return "<" if self.little else ">"


_ENCODINGS = {
    IMPLICIT_LITTLE: Encoding(explicit=False, little=True),
    EXPLICIT_BIG: Encoding(explicit=True, little=False),
    DEFLATED_LITTLE: Encoding(explicit=True, little=True, deflated=True),
    "1.2.840.10008.1.2.4.95": Encoding(explicit=True, little=True, deflated=True),
    "1.2.840.10008.1.2.4.205": Encoding(explicit=True, little=True, deflated=True),
}
_EXPLICIT = Encoding(explicit=True, little=True)


@cache
def storage_sop_class_uids() -> tuple[str, ...]:
    """Return the UID of every storage SOP class, retired ones included, sorted."""
    listed = {uid for uid, (name, kind, *_) in UID_dictionary.items() if _is_storage(name, kind)}
    return tuple(sorted(listed | set(_NEWER_STORAGE)))


def _is_storage(name: str, kind: str) -> bool:
    return kind == "SOP Class" and "Storage" in name and not name.startswith(_NOT_STORED)


@cache
def transfer_syntax_uids() -> tuple[str, ...]:
    """Return the UID of every transfer syntax in which an object may be kept, native ones first."""
    listed = [uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"]
    kept = [uid for uid in listed if not uid.startswith(_NOT_READABLE_PREFIXES)]
    return tuple(sorted(kept, key=lambda uid: (uid not in NATIVE, kept.index(uid))))


def sop_class_name(uid: str) -> str:
    """Return the name of a SOP class by PS3.6, or the UID itself where it has none.

    Examples
    --------
    >>> sop_class_name("1.2.840.10008.5.1.4.1.1.2"), sop_class_name("1.2.3")
    ('CT Image Storage', '1.2.3')
    """
    return _NEWER_STORAGE.get(uid) or (UID_dictionary[uid][0] if uid in UID_dictionary else uid)


@cache
def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return how `transfer_syntax_uid` encodes a data set.

    Raises
    ------
    UnknownTransferSyntax
        If the UID is no transfer syntax of PS3.6 in which files are written.
    """
    if transfer_syntax_uid not in transfer_syntax_uids():
        raise UnknownTransferSyntax(
            found=f"a transfer syntax UID of {len(transfer_syntax_uid)} characters that is not listed",
            expected="a transfer syntax of PS3.6 annex A",
            remedy="have the sender use a standard transfer syntax",
            where="TransferSyntaxUID (0002,0010)",
        )
    return _ENCODINGS.get(transfer_syntax_uid, _EXPLICIT)
