"""DICOMweb: the service for others, the client for sending to others."""

from coread.gateways.dicomweb.client import send_stow

__all__ = ["send_stow"]
