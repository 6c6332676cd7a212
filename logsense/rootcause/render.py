"""A summary as text, Markdown or HTML. Citations stay with their sentences in every form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from logsense.record import Sentence

FORMS = ("text", "markdown", "html")
_FIRST = ("headline", "impact", "cause", "claim")
#: Parts that follow the first paragraph, in reading order.
_HEADS = {
    "timeline": {"en": "Timeline", "zh": "时间线"},
    "against": {"en": "Against it", "zh": "反面证据"},
    "next": {"en": "Next", "zh": "下一步"},
    "not_examined": {"en": "", "zh": ""},  # the sentence says so itself
}
_MARKDOWN = re.compile(r"([\\*_\[\]<>#|~])")


def render(sentences: Sequence[Sentence], form: str, *, language: str = "en", page_url: str = "") -> str:
    """``form``: one of ``FORMS``. ``page_url`` makes citations links to the evidence page, else they are ids."""
    write = {"text": _text, "markdown": _markdown, "html": _html}[form]
    first = [s for s in sentences if s.role in _FIRST]
    parts = [(words[language], [s for s in sentences if s.role == role]) for role, words in _HEADS.items()]
    return write(first, [(head, rows) for head, rows in parts if rows], page_url.rstrip("/"))


def _text(first: Sequence[Sentence], parts: Sequence[tuple[str, Sequence[Sentence]]], page_url: str) -> str:
    def cites(sentence: Sentence) -> str:
        return f" [{', '.join(sentence.evidence)}]" if sentence.evidence else ""

    lines = [" ".join(s.text + cites(s) for s in first)]
    for head, rows in parts:
        mark = "- " if head else ""
        lines += ["", *([f"{head}:"] if head else []), *(f"{mark}{s.text}{cites(s)}" for s in rows)]
    return "\n".join(lines) + "\n"


def _markdown(first: Sequence[Sentence], parts: Sequence[tuple[str, Sequence[Sentence]]], page_url: str) -> str:
    number = _Numbers()

    def said(sentence: Sentence) -> str:
        # What lines say stands in backticks and is shown as it is; everything else is escaped.
        pieces = re.split(r"(`[^`\n]*`)", sentence.text)
        text = "".join(p if n % 2 else _MARKDOWN.sub(r"\\\1", p) for n, p in enumerate(pieces))
        return text + "".join(f" [^{number(e)}]" for e in sentence.evidence)

    lines = []
    if first:
        lines += [f"**{said(first[0])}**", "", " ".join(map(said, first[1:]))]
    for head, rows in parts:
        mark = "- " if head else ""
        lines += ["", *([f"### {head}", ""] if head else []), *(f"{mark}{said(s)}" for s in rows)]
    notes = [f"[^{n}]: {f'<{_link(page_url, e)}>' if page_url else f'`{e}`'}" for e, n in number.known.items()]
    return "\n".join([*lines, "", *notes]).strip() + "\n"


def _html(first: Sequence[Sentence], parts: Sequence[tuple[str, Sequence[Sentence]]], page_url: str) -> str:
    number = _Numbers()

    def said(sentence: Sentence) -> str:
        marks = "".join(
            f'<sup><a href="{escape(_link(page_url, e))}">{number(e)}</a></sup>' if page_url
            else f'<sup title="{escape(e)}">{number(e)}</sup>'
            for e in sentence.evidence
        )  # fmt: skip
        return escape(sentence.text) + marks

    lines = []
    if first:
        lines += [f"<p><strong>{said(first[0])}</strong></p>", f"<p>{' '.join(map(said, first[1:]))}</p>"]
    for head, rows in parts:
        if head:
            lines += [f"<h3>{escape(head)}</h3>", "<ul>", *(f"<li>{said(s)}</li>" for s in rows), "</ul>"]
        else:
            lines += [f"<p>{said(s)}</p>" for s in rows]
    return "\n".join(["<article>", *lines, "</article>"]) + "\n"


class _Numbers:
    """Footnote numbers in the order of reading; the same evidence has the same."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, evidence: str) -> int:
        return self.known.setdefault(evidence, len(self.known) + 1)


def _link(page_url: str, evidence: str) -> str:
    return f"{page_url}/evidence/{quote(evidence, safe='')}"
