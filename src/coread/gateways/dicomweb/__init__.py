"""DICOMweb: the service for others, the client for sending to others."""

from coread.gateways.dicomweb.app import dicomweb_app
from coread.gateways.dicomweb.client import send_stow
from coread.gateways.dicomweb.storing import StoreLimits

__all__ = ["StoreLimits", "dicomweb_app", "send_stow"]
