"""The DICOM network service: takes what scanners send, sends what readers found."""

from coread.gateways.dimse.incoming import Draft, Inbox
from coread.gateways.dimse.receiver import Address, Limits, Receiver
from coread.gateways.dimse.scu import Peer, Receipt, echo, send_store
from coread.gateways.dimse.tls import TlsFiles

__all__ = [
    "Address",
    "Draft",
    "Inbox",
    "Limits",
    "Peer",
    "Receipt",
    "Receiver",
    "TlsFiles",
    "echo",
    "send_store",
]
