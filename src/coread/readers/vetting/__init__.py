"""What is checked before a reader's files are used: who signed them, and what its networks may do."""

from coread.readers.vetting.network import check_network
from coread.readers.vetting.package import Vetted, Vetting
from coread.readers.vetting.signature import (
    SIGNATURE,
    Publisher,
    Signed,
    publisher_of,
    sign_folder,
    verify_folder,
)

__all__ = [
    "SIGNATURE",
    "Publisher",
    "Signed",
    "Vetted",
    "Vetting",
    "check_network",
    "publisher_of",
    "sign_folder",
    "verify_folder",
]
