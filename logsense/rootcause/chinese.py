"""Summaries in Chinese: the sentences that ``summary`` makes, phrase by phrase, with the same evidence and order.

What lines, hosts and metrics say is quoted as it is. A phrase that the catalogue does not know stays English, so that
nothing is lost; ``unknown`` tells tests which.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from logsense.record import Sentence
from logsense.rootcause.patterns import known_patterns

_PLACE = re.compile(r"\{(\w+)(?::([tlcn]))?\}")
_QUOTED = re.compile(r"`(?:[^`]|`(?![\s;,.)\]]|$))*`")
_MARK = re.compile("\ue000(\\d+)\ue001")
#: What may stand between the words of a phrase without being a phrase itself.
_PLAIN = re.compile(r"[\W\d_]*|\S+")
_DEPTH = 8
_LISTS = {"semicolons": ("; ", "；"), "commas": (", ", "、")}
_NOBODY = {"the host": "该主机", "the service": "该服务"}


@dataclass(frozen=True, slots=True)
class Phrase:
    """``pattern`` matches a whole English text; ``modes`` says which of its parts are translated in turn."""

    pattern: re.Pattern[str]
    chinese: str
    modes: dict[str, str]

    def say(self, parts: dict[str, str]) -> str:
        return _PLACE.sub(lambda found: parts.get(found[1], found[0]), self.chinese)


def in_chinese(sentences: Sequence[Sentence]) -> list[Sentence]:
    return [replace(sentence, text=translate(sentence.text)) for sentence in sentences]


def translate(text: str, unknown: Callable[[str], None] | None = None) -> str:
    """``text`` in Chinese. ``unknown`` is called with each part that no phrase covers."""
    text = text.replace("\ue000", "�").replace("\ue001", "�")  # our own marks below
    clock, rest = re.fullmatch(r"((?:\d\d:\d\d:\d\d [^\s:]+: )?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"\ue000{len(kept) - 1}\ue001"

    done = _translate(_QUOTED.sub(keep, rest), unknown or (lambda part: None), 0)
    return clock + _MARK.sub(lambda m: kept[int(m[1])], done)


def _translate(text: str, unknown: Callable[[str], None], depth: int) -> str:
    if depth < _DEPTH:
        for phrase in _phrases():
            found = phrase.pattern.fullmatch(text)
            if found:
                return phrase.say({
                    name: _part(value, phrase.modes[name], unknown, depth) for name, value in found.groupdict().items()
                })  # fmt: skip
    if not _PLAIN.fullmatch(_MARK.sub("", text)):
        unknown(text)
    return text


def _part(value: str, mode: str, unknown: Callable[[str], None], depth: int) -> str:
    if mode == "translated":
        return _translate(value, unknown, depth + 1)
    if mode in _LISTS:
        between, chinese = _LISTS[mode]
        return chinese.join(_translate(part, unknown, depth + 1) for part in value.split(between))
    return _NOBODY.get(value, value)


@cache
def _phrases() -> list[Phrase]:
    """The catalogue: titles, reasons and steps of the known failures, then the phrases around them."""
    table = tomllib.loads(Path(__file__).with_name("zh.toml").read_text(encoding="utf-8"))
    made = []
    for pattern in known_patterns():
        words = table["failure"][pattern.kind]
        pairs = [(pattern.title, pattern.title_zh), (pattern.why, words["why"])]
        pairs += zip(pattern.next, words["next"], strict=True)
        made += [_phrase(english, chinese) for english, chinese in pairs]
    return made + [_phrase(one["en"], one["zh"]) for one in table["phrase"]]


def _phrase(english: str, chinese: str) -> Phrase:
    pattern, modes, at = "", {}, 0
    for found in _PLACE.finditer(english):
        name = found[1]
        pattern += re.escape(english[at : found.start()])
        # Names hold no spaces; what is translated or quoted may.
        inside = r"(?:the host|the service|\S+?)" if name in ("host", "service", "metric") else r".+?"
        inside = r"[\d,.]+" if found[2] == "n" else inside
        pattern += f"(?P={name})" if name in modes else f"(?P<{name}>{inside})"
        modes[name] = {"t": "translated", "l": "semicolons", "c": "commas", "n": "kept", None: "kept"}[found[2]]
        at = found.end()
    return Phrase(re.compile(pattern + re.escape(english[at:]), re.DOTALL), chinese, modes)
