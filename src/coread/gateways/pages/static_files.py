"""Style sheet, scripts and the built viewer: served compressed, cached for ever under a versioned address."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from coread.errors import NotFound
from coread.gateways.pages.languages import LANGUAGES, words

FOLDER: Final = Path(__file__).resolve().parent / "static"
MOUNT: Final = "/static"

_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_PACKED = frozenset({".png", ".ico", ".woff2"})
_PATH = re.compile(
    r"(?:v-[0-9a-f]{16}/)?((?:[A-Za-z0-9_@-][A-Za-z0-9._@-]*/)*[A-Za-z0-9_@-][A-Za-z0-9._@-]*)"
)
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_EACH_TIME = "no-cache"


@dataclass(frozen=True, slots=True)
class _Held:
    stamp: tuple[int, int]
    media_type: str
    plain: bytes
    packed: bytes
    etag: str


class StaticFiles:
    """What browsers are given beside the pages; none of it knows a patient.

    Parameters
    ----------
    folder
        Where the files lie.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._held: dict[str, _Held] = {}
        for language in LANGUAGES:
            data = words(language).for_scripts()
            self._held[f"words-{language}.json"] = _packed(data, ".json", (0, 0))

    def answer(self, request: Request) -> Response:
        """Give one file.

        Raises
        ------
        NotFound
            If there is none, or its name is none of ours.
        """
        path = str(request.path_params["path"])
        held = self._find(path)
        headers = {
            "Cache-Control": _FOR_EVER if path.startswith("v-") else _ASK_EACH_TIME,
            "ETag": held.etag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if held.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if held.packed and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(
                held.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=held.media_type
            )
        return Response(held.plain, headers=headers, media_type=held.media_type)

    def _find(self, path: str) -> _Held:
        matched = _PATH.fullmatch(path)
        if matched is None:
            raise _unknown()
        name = matched[1]
        if name.startswith("words-") and name in self._held:
            return self._held[name]
        file = self._folder / name
        if file.suffix not in _TYPES or not file.is_file():
            raise _unknown()
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        held = self._held.get(name)
        if held is None or held.stamp != stamp:
            held = self._held[name] = _packed(file.read_bytes(), file.suffix, stamp)
        return held


@cache
def version(folder: Path = FOLDER) -> str:
    """Give a digest over all files and words: the part of an address that changes when any of them does."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for language in LANGUAGES:
        digest.update(words(language).for_scripts())
    return digest.hexdigest()[:16]


def address(name: str) -> str:
    """Give the versioned address of a static file; browsers may keep it for ever."""
    return f"{MOUNT}/v-{version()}/{name}"


def _packed(data: bytes, suffix: str, stamp: tuple[int, int]) -> _Held:
    packed = b"" if suffix in _PACKED or len(data) < 1024 else gzip.compress(data, 6, mtime=0)
    return _Held(stamp, _TYPES[suffix], data, packed, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


def _unknown() -> NotFound:
    return NotFound("no static file of this name", remedy="load the page anew")
