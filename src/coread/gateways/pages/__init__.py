"""Pages for people: reading list, study, and what engineers, quality officers and auditors look at."""

from coread.gateways.pages.rendering import CONTENT_SECURITY_POLICY, local_path, page_of, render

__all__ = ["CONTENT_SECURITY_POLICY", "local_path", "page_of", "render"]
