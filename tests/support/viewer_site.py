"""A page with the viewer over a real DICOMweb server, under the policy that the clinic's pages have."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coread.archive import Archive, Database, DiskStore, Quarantine
from coread.gateways.dicomweb import dicomweb_app
from coread.gateways.serving import WebServer
from coread.intake import Intake, Limits

STATIC = Path(__file__).resolve().parents[2] / "src" / "coread" / "gateways" / "pages" / "static" / "viewer"

#: As the clinic's pages send it: nothing inline, nothing from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>viewer</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css"></head>
<body>{picture}<div id="viewer" data-config="{config}"></div>
<script type="module" src="/page.js"></script></body></html>
"""

_STYLE = "html, body { margin: 0; height: 100%; background: #000 } #viewer { position: absolute; inset: 0 }"

_SCRIPT = """
import { mount } from "/static/viewer/coread-viewer.js";
window.events = [];
window.faults = [];
addEventListener("securitypolicyviolation", (e) =>
  window.faults.push(`policy ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
addEventListener("error", (e) => window.faults.push(`error ${e.message}`));
addEventListener("unhandledrejection", (e) => window.faults.push(`rejection ${e.reason}`));
addEventListener("keydown", (e) => { if (!e.defaultPrevented) (window.passedKeys ??= []).push(e.key); });
const place = document.getElementById("viewer");
const config = JSON.parse(place.dataset.config);
config.onEvent = (event) => window.events.push({ ...event, at: performance.now() });
window.viewer = await mount(place, config);
window.mounted = true;
"""


class Site:
    """The running server, and what it keeps."""

    def __init__(self, archive: Archive, intake: Intake) -> None:
        self.archive = archive
        self.intake = intake
        self.url = ""

    def keep(self, *objects: bytes) -> None:
        """File objects as if they had been received."""
        for written in objects:
            self.intake.accept_bytes(written, "test")

    def page(self, **config: Any) -> str:
        """Return the address of a page whose viewer is given `config`."""
        return f"{self.url}/?config={_quoted(config)}"


@contextmanager
def viewer_site(folder: Path, static: Path = STATIC) -> Iterator[Site]:
    """Serve the viewer's page over an archive that is empty at first."""
    database = Database(f"sqlite:///{folder / 'index.sqlite'}")
    database.migrate()
    store = DiskStore(folder / "objects")
    archive = Archive(database, store)
    intake = Intake(archive, Quarantine(database, store), Limits(), lambda: datetime.now(UTC))
    site = Site(archive, intake)
    with WebServer(site_app(archive, intake, static)) as server:
        site.url = server.url
        yield site
    database.close()


def site_app(archive: Archive, intake: Intake, static: Path = STATIC) -> Starlette:
    """Build the page, its script, the bundle and DICOMweb."""
    routes = [
        Route("/", _page),
        Route("/page.js", lambda _: Response(_SCRIPT, media_type="text/javascript")),
        Route("/page.css", lambda _: Response(_STYLE, media_type="text/css")),
        Mount("/static/viewer", StaticFiles(directory=static)),
        Mount("/dicomweb", dicomweb_app(archive, intake)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(_Policy)])


class _Policy:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, add)


def _page(request: Request) -> Response:
    given: Mapping[str, Any] = json.loads(request.query_params.get("config", "{}"))
    config = {"dicomwebRoot": "/dicomweb", "language": "en", **given}
    escaped = json.dumps(config).replace("&", "&amp;").replace('"', "&quot;")
    picture = f'<img id="picture" alt="" src="{config.pop("picture")}">' if "picture" in config else ""
    return HTMLResponse(_PAGE.replace("{config}", escaped).replace("{picture}", picture))


def _quoted(config: Mapping[str, Any]) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return quote(json.dumps(config))
