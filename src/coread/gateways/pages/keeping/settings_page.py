"""The administrator's page of settings: what holds, what it means. Settings are changed in their file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from starlette.responses import RedirectResponse, Response

from coread.gateways.pages.asking import Asked
from coread.gateways.pages.languages import LANGUAGE_COOKIE, LANGUAGES, Words
from coread.gateways.pages.rendering import local_path, render
from coread.governance import People
from coread.settings import Setting

_YEAR_S = 31_536_000


class SettingsPage:
    """Answers at ``/settings`` and ``/language``.

    Parameters
    ----------
    settings
        Gives every setting, secrets hidden.
    people
        Where the language of an account is kept.
    """

    def __init__(self, settings: Callable[[], Sequence[Setting]], people: People) -> None:
        self._settings = settings
        self._people = people

    def show(self, asked: Asked) -> Response:
        """Show every setting."""
        rows = sorted(self._settings(), key=lambda row: _section(row) == "destinations")
        sections = [(name, list(held)) for name, held in groupby(rows, _section)]
        context = {"groups": sections, "sentence": lambda row: _sentence(row, asked.words)}
        return render(asked.request, "settings.html", context)

    def language(self, asked: Asked) -> Response:
        """Switch the language, in this browser and in the account."""
        form = asked.form()
        response = RedirectResponse(local_path(form.get("next", "/")), 303)
        chosen = form.get("language", "")
        if chosen in LANGUAGES:
            is_secure = asked.request.url.scheme == "https"
            response.set_cookie(
                LANGUAGE_COOKIE, chosen, max_age=_YEAR_S, secure=is_secure, httponly=True, samesite="lax"
            )
            if asked.caller.kind == "session":
                self._people.set_language(asked.person.id, chosen)
        return response


def _sentence(row: Setting, said: Words) -> tuple[str, str]:
    """Return the meaning of a setting and its language: the catalogue's, else the setting's own English."""
    key = re.sub(r"\[\d+\]", "[]", row.key)
    told = said.w("setting", key)
    return (row.sentence, "en") if told == key else (told, said.language)


def _section(row: Setting) -> str:
    return row.key.partition(".")[0].partition("[")[0]
