"""Objects that stay: embedded documents, what cannot be identified, faces where the profile refuses them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from coread.dicom import FileMeta

_DIRECTORY = "1.2.840.10008.1.3.10"


@cache
def _refused_classes() -> dict[str, str]:
    text = files(__package__).joinpath("refusing.toml").read_text(encoding="utf-8")
    return dict(tomllib.loads(text)["sop_classes"])


def refusal_of(facts: Mapping[str, str], meta: FileMeta, *, face: bool, policy: str) -> str:
    """Return why an object may not go out, empty where nothing speaks against it.

    Parameters
    ----------
    facts
        Keyword to text.
    meta
        The file meta information.
    face
        Whether a face may be drawn from it.
    policy
        ``refuse`` or ``flag``: what the profile says about faces.
    """
    sop_class = facts.get("SOPClassUID") or meta.sop_class_uid
    if sop_class == _DIRECTORY:
        return "a directory of media: written anew for what goes out"
    if sop_class in _refused_classes():
        return _refused_classes()[sop_class]
    if not sop_class or not facts.get("SOPInstanceUID"):
        return "no SOP class or instance UID"
    if face and policy == "refuse":
        return "a face may be drawn from it"
    return ""
