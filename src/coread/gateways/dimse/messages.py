"""Command sets of C-ECHO and C-STORE, requests as well as responses (PS3.7 sections 9.3 and E)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from coread.gateways.dimse.upper_layer import INVALID_VALUE, ProtocolFault

C_STORE_RQ, C_ECHO_RQ, C_CANCEL_RQ = 0x0001, 0x0030, 0x0FFF
RESPONSE = 0x8000
NO_DATA_SET = 0x0101

SUCCESS = 0x0000
#: PS3.7 annex C.5.
SOP_CLASS_NOT_SUPPORTED, UNRECOGNISED_OPERATION = 0x0122, 0x0211

_AFFECTED_SOP_CLASS_UID, _COMMAND_FIELD, _MESSAGE_ID = 0x0002, 0x0100, 0x0110
_MESSAGE_ID_RESPONDED_TO, _PRIORITY, _DATA_SET_TYPE = 0x0120, 0x0700, 0x0800
_STATUS, _ERROR_COMMENT, _AFFECTED_SOP_INSTANCE_UID = 0x0900, 0x0902, 0x1000
_ELEMENT = struct.Struct("<HHI")
_NUMBER = struct.Struct("<H")
_MAX_COMMENT = 64  # of LO, PS3.5 table 6.2-1
_MAX_UID = 64


@dataclass(frozen=True, slots=True)
class Command:
    """What a request asks for."""

    field: int
    """Command Field (0000,0100)."""
    message_id: int
    has_data_set: bool
    sop_class_uid: str
    """Affected SOP Class UID (0000,0002), empty where absent."""
    sop_instance_uid: str
    """Affected SOP Instance UID (0000,1000), empty where absent."""


def parse_command(data: bytes) -> Command:
    """Read a command set.

    Raises
    ------
    ProtocolFault
        If the elements do not fill `data` exactly, or a required one is absent or of a wrong length.
    """
    elements = _elements(data)
    return Command(
        field=_number(elements, _COMMAND_FIELD),
        message_id=_number(elements, _MESSAGE_ID) if _MESSAGE_ID in elements else 0,
        has_data_set=_number(elements, _DATA_SET_TYPE) != NO_DATA_SET,
        sop_class_uid=_uid(elements.get(_AFFECTED_SOP_CLASS_UID, b"")),
        sop_instance_uid=_uid(elements.get(_AFFECTED_SOP_INSTANCE_UID, b"")),
    )


def response(command: Command, status: int, comment: str = "") -> bytes:
    """Write the response to `command`.

    Parameters
    ----------
    command
        The request.
    status
        Status (0000,0900).
    comment
        Error Comment (0000,0902); cut to 64 characters; must hold nothing of a data set.
    """
    return _encoded(
        {
            _AFFECTED_SOP_CLASS_UID: _padded(command.sop_class_uid, "\0"),
            _COMMAND_FIELD: _NUMBER.pack(command.field | RESPONSE),
            _MESSAGE_ID_RESPONDED_TO: _NUMBER.pack(command.message_id),
            _DATA_SET_TYPE: _NUMBER.pack(NO_DATA_SET),
            _STATUS: _NUMBER.pack(status),
            _ERROR_COMMENT: _padded(comment[:_MAX_COMMENT], " "),
            _AFFECTED_SOP_INSTANCE_UID: _padded(command.sop_instance_uid, "\0"),
        }
    )


def request(command: Command) -> bytes:
    """Write `command` as a request, of medium priority where it has one."""
    return _encoded(
        {
            _AFFECTED_SOP_CLASS_UID: _padded(command.sop_class_uid, "\0"),
            _COMMAND_FIELD: _NUMBER.pack(command.field),
            _MESSAGE_ID: _NUMBER.pack(command.message_id),
            _PRIORITY: _NUMBER.pack(0) if command.has_data_set else b"",
            _DATA_SET_TYPE: _NUMBER.pack(1 if command.has_data_set else NO_DATA_SET),
            _AFFECTED_SOP_INSTANCE_UID: _padded(command.sop_instance_uid, "\0"),
        }
    )


def status_in(data: bytes, command: Command) -> int:
    """Return the status of the response to `command`.

    Raises
    ------
    ProtocolFault
        If `data` is no such response.
    """
    elements = _elements(data)
    answered = _number(elements, _COMMAND_FIELD), _number(elements, _MESSAGE_ID_RESPONDED_TO)
    if answered != (command.field | RESPONSE, command.message_id):
        raise ProtocolFault("a response to something else", INVALID_VALUE)
    return _number(elements, _STATUS)


def _encoded(elements: dict[int, bytes]) -> bytes:
    """Write the elements that have a value, with the group length before them."""
    body = b"".join(
        _ELEMENT.pack(0, number, len(value)) + value for number, value in elements.items() if value
    )
    return _ELEMENT.pack(0, 0, 4) + struct.pack("<I", len(body)) + body


def _elements(data: bytes) -> dict[int, bytes]:
    """Read implicit VR little endian, as PS3.7 section 6.3.1 prescribes for every command set."""
    elements: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if at + 8 > len(data):
            raise ProtocolFault("a command set that ends inside an element", INVALID_VALUE)
        group, number, length = _ELEMENT.unpack_from(data, at)
        at += 8 + length
        if group != 0 or at > len(data):
            raise ProtocolFault("a command set with an element that does not belong or fit", INVALID_VALUE)
        elements[number] = data[at - length : at]
    return elements


def _number(elements: dict[int, bytes], element: int) -> int:
    value = elements.get(element, b"")
    if len(value) != 2:
        raise ProtocolFault(f"a command set without (0000,{element:04X})", INVALID_VALUE)
    return int(_NUMBER.unpack(value)[0])


def _uid(value: bytes) -> str:
    """Return the text, with what is no ASCII replaced; whether it is a UID is judged by who uses it."""
    return value[: _MAX_UID + 1].decode("ascii", "replace").strip(" \0").replace("�", "?")


def _padded(text: str, padding: str) -> bytes:
    return (text + padding if len(text) % 2 else text).encode("ascii", "replace")
