"""Pages about consent: the officer's, and the notice that patients are given."""

from coread.gateways.pages.consent.consent_page import ConsentPage
from coread.gateways.pages.consent.notice_page import NoticePage

__all__ = ["ConsentPage", "NoticePage"]
