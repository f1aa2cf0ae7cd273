"""De-identification at the way out to lab, export, teaching; never between scanner and doctor."""

from coread.governance.deidentify.deidentifier import Deidentified, Deidentifier, Refused
from coread.governance.deidentify.header import Change
from coread.governance.deidentify.pixels import FoundText, TextFinder
from coread.governance.deidentify.replacing import Pseudonyms
from coread.governance.deidentify.rules import Profile, annex_e, load_profile, profile_names

__all__ = [
    "Change",
    "Deidentified",
    "Deidentifier",
    "FoundText",
    "Profile",
    "Pseudonyms",
    "Refused",
    "TextFinder",
    "annex_e",
    "load_profile",
    "profile_names",
]
