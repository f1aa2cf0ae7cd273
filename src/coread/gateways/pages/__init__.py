"""Pages for people: reading list, study, and what engineers, quality officers and auditors look at."""

from coread.gateways.pages.keeping.system_page import Target
from coread.gateways.pages.pages import PageRooms, Pages
from coread.gateways.pages.rendering import CONTENT_SECURITY_POLICY, local_path, page_of, render

__all__ = ["CONTENT_SECURITY_POLICY", "PageRooms", "Pages", "Target", "local_path", "page_of", "render"]
