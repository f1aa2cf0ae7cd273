"""Two identity providers for tests: a certified one in a process of its own, one that lies on demand."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from coread.gateways.serving import WebServer

SECRET = "a secret of the tests & no other's"
_SOURCE = Path(__file__).parent / "oidc_provider"


class CertifiedProvider:
    """The npm package ``oidc-provider`` on loopback.

    Parameters
    ----------
    node, npm
        Programs.
    folder
        Where it is installed.
    """

    def __init__(self, node: str, npm: str, folder: Path) -> None:
        self._node = node
        for name in ("package.json", "package-lock.json", "provider.mjs"):
            shutil.copy(_SOURCE / name, folder)
        self._folder = folder
        words = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        outcome = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
        if outcome.returncode:
            missing(f"npm cannot install oidc-provider: {outcome.stderr.strip()[-200:]}")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, port: int, redirect_uri: str) -> None:
        words = [self._node, "provider.mjs", str(port), redirect_uri]
        self._process = subprocess.Popen(
            words, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                httpx.get(f"http://127.0.0.1:{port}/jwks", trust_env=False).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("oidc-provider did not start")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()


def missing(reason: str) -> None:
    """Skip, or fail where every peer must be present (continuous integration)."""
    if os.environ.get("COREAD_REQUIRE_PEERS") == "1":
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


@cache
def new_key(kid: str) -> RSAKey:
    """Make a key, once for each name."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


class LyingProvider:
    """A provider whose every word a test can change.

    Parameters
    ----------
    now
        Seconds since 1970 that its tokens are made at.
    """

    def __init__(self, now: int) -> None:
        self.key = new_key("first")
        self.published = [self.key]
        self.claims: dict[str, Any] = {"sub": "s1", "aud": "coread", "iat": now, "exp": now + 3600}
        self.info: dict[str, Any] = {"sub": "s1", "preferred_username": "li", "name": "LI Wei"}
        self.changes: dict[str, Any] = {}
        """Of the discovery document; None takes a word away."""
        self.token: Callable[[], Any] = lambda: {"id_token": self.id_token(), "access_token": "at"}
        self.asked: list[tuple[str, dict[str, str], str]] = []
        self.server = WebServer(
            Starlette(
                routes=[
                    Route("/.well-known/openid-configuration", self._describe),
                    Route("/jwks", self._keys),
                    Route("/token", self._tokens, methods=["POST"]),
                    Route("/me", self._info),
                ]
            )
        )
        self.issuer = self.server.url
        self.claims["iss"] = self.issuer

    def id_token(self, key: RSAKey | None = None, **header: str) -> str:
        key = key or self.key
        words = {"alg": "RS256", "kid": str(key.kid)} | header
        return jwt.encode(words, self.claims, key, algorithms=[words["alg"]])

    def _describe(self, _: Request) -> Response:
        words = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/me",
            "jwks_uri": f"{self.issuer}/jwks",
        } | self.changes
        return JSONResponse({name: value for name, value in words.items() if value is not None})

    def _keys(self, _: Request) -> Response:
        return JSONResponse(KeySet(self.published).as_dict(private=False))

    async def _tokens(self, request: Request) -> Response:
        self.asked.append(("token", dict(request.headers), (await request.body()).decode()))
        said = self.token()
        return said if isinstance(said, Response) else JSONResponse(said)

    def _info(self, request: Request) -> Response:
        self.asked.append(("me", dict(request.headers), ""))
        return JSONResponse(self.info)
