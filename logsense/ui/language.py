"""The languages of the pages: which one a request gets, and where its words come from.

English stands in the templates; the others are gettext catalogues (``translations/<code>.po``), the format that
translators' tools know. They are read as they are, nothing has to be compiled; a word that is missing stays English.
"""

from __future__ import annotations

import functools
import io
import re
from contextvars import ContextVar
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

FOLDER = Path(__file__).parent / "translations"
COOKIE = "logsense_language"


@dataclass(frozen=True)
class Language:
    """``code`` for addresses and catalogues, ``tag`` for ``<html lang>``, ``locale`` for dates and numbers."""

    code: str
    tag: str
    locale: str
    name: str


LANGUAGES = {
    "en": Language("en", "en", "en_GB", "English"),
    "zh": Language("zh", "zh-CN", "zh_CN", "中文"),
}
DEFAULT = LANGUAGES["en"]
_current: ContextVar[Language] = ContextVar("language", default=DEFAULT)


def current() -> Language:
    """The language of the request that is being answered."""
    return _current.get()


@functools.cache
def catalogue(code: str) -> NullTranslations:
    """The words of one language; without a file, English."""
    file = FOLDER / f"{code}.po"
    if not file.exists():
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with file.open("rb") as opened:
        write_mo(compiled, read_po(opened, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def gettext(message: str) -> str:
    """The words for ``message`` in the current language."""
    return catalogue(current().code).gettext(message) if message else ""


def ngettext(singular: str, plural: str, n: int) -> str:
    """The same where they depend on a number."""
    return catalogue(current().code).ngettext(singular, plural, n)


def marked(message: str) -> str:
    """``message`` itself: marks words in Python for the catalogue where they are translated later."""
    return message


def choose(cookie: str, accepted: str) -> Language:
    """What a person chose before all, then what the browser asks for (RFC 9110, 12.5.4), then English."""
    try:
        chosen = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return LANGUAGES[chosen.value]
    weighed = []
    for at, part in enumerate(accepted[:1000].split(",")):
        name, _, weight = part.strip().partition(";")
        found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight)
        share = float(found[1]) if found else 1.0 if not weight else 0.0
        if share > 0:
            weighed.append((-share, at, name.strip().lower().split("-")[0]))
    return next((LANGUAGES[name] for _, _, name in sorted(weighed) if name in LANGUAGES), DEFAULT)


class Speak:
    """Middleware: everything that answers a request speaks its language, also in the thread pool and in streams."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        before = _current.set(choose(headers.get(b"cookie", ""), headers.get(b"accept-language", "")))
        try:
            await self.app(scope, receive, send)
        finally:
            _current.reset(before)
