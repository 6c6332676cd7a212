"""Jinja2 with everything escaped, and the problem page."""

from __future__ import annotations

import functools
import gzip
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

import logsense
from logsense.ui import answers, assets, language, sentences, sparks, vocabulary
from logsense.ui.format import FILTERS, between, field_term, highlight
from logsense.wording import in_language


@functools.cache
def environment() -> jinja2.Environment:
    """Strict: a name that a template misspells is an error, not an empty string."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    env.filters.update(
        FILTERS,
        cell=answers.cell,
        chip_kind=vocabulary.chip_kind,
        means=sentences.means,
        say=sentences.say,
        word=vocabulary.word,
    )
    env.globals.update(
        asset=assets.address,
        histogram=sparks.histogram,
        between=between,
        field_term=field_term,
        highlight=highlight,
        sparkline=sparks.sparkline,
        stacked=sparks.stacked,
        url=url,
        version=logsense.__version__,
    )
    return env


def url(place: str, **parameters: object) -> str:
    """``place`` (which may have some already) with the parameters that are not empty.

    A trailing ``_`` is dropped: ``from_`` means ``from``.
    """
    kept = {k.rstrip("_"): str(v) for k, v in parameters.items() if v not in (None, "")}
    joint = "&" if "?" in place else "?"
    return f"{place}{joint}{urlencode(kept, errors='backslashreplace')}" if kept else place


def worded(answer: Any) -> Any:
    """Incidents, signals and their summaries in the language of the page; what lines say stays as it is."""
    return in_language(answer, language.current().code)


def page(request: Request, name: str, /, *, status_code: int = 200, **context: Any) -> Response:
    """Render the template ``name``. ``section`` in the context names the entry of the navigation.

    ``signed_in`` is the name of the key that somebody signed in with, if so: then there is a button to sign out.
    """
    state = request.state
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    text = (
        environment()
        .get_template(name)
        .render(
            nonce=state.nonce,
            signed_in=getattr(state, "actor", "") if getattr(state, "session", False) else "",
            language=language.current(),
            languages=language.LANGUAGES.values(),
            here=place if request.method == "GET" else "/",
            **context,
        )
    )
    # Lone surrogates cannot be sent; ``visible`` shows them by name, elsewhere a replacement has to do.
    body = text.encode("utf-8", "replace")
    headers = {"vary": "accept-encoding, accept, accept-language, cookie", "cache-control": "no-store"}
    if len(body) > 1000 and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, 5, mtime=0), "gzip"
    return HTMLResponse(body, status_code=status_code, headers=headers)


def part(name: str, macro: str, /, *arguments: Any) -> str:
    """One macro of a template, for what a page gets later."""
    module = environment().get_template(name).make_module()
    return str(getattr(module, macro)(*arguments))


def problem_page(request: Request, problem: dict[str, Any]) -> Response:
    """A problem for a person."""
    return page(request, "problem.html", status_code=problem["status"], section="", problem=problem)
