"""Hosts, services and levels in a question, checked against what the index holds."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from logsense.search.vocabulary import terms

#: Letters of a component's name that people may write as words, and of a prefix that they leave out (FSNamesystem).
MIN_JOINED, MAX_PREFIX = 8, 3

#: (text before, text after, the mention, the name) -> whether the mention means the name.
Counts = Callable[[str, str, str, str], bool]

_WORD = re.compile(r"[^\s,;()\[\]{}\"'?!<>]+")
_BEFORE_HOST = re.compile(
    r"(?:\b(?:on|from|at|to|for|of|by|host|hosts|server|machine|node|box|or|and|not)|,)\s*$", re.I
)
_BEFORE_SERVICE = re.compile(r"(?:\b(?:in|from|of|by|for|on|service|services|unit|app|program|or|and)|,)\s*$", re.I)
_AFTER_SERVICE = re.compile(
    r"^'?s?\s*(?:services?|logs?|lines?|messages?|unit|errors?|warnings?|daemon|process)\b", re.I
)


def shorter(name: str) -> set[str]:
    """The names under which people know ``name``: without its domain, suffix or package (lower case)."""
    full = name.lower()
    found = {full}
    for suffix in (".exe", ".service", ".socket", ".timer"):
        if full.endswith(suffix):
            found.add(full.removesuffix(suffix))
    if "." in full and not re.fullmatch(r"[\d.:]+", full):
        parts = full.removesuffix(".exe").removesuffix(".service").split(".")
        found.add(
            parts[0] if len(parts[0]) > 3 or re.search(r"\d", parts[0]) else full
        )  # db1.example.org; dfs.FSNamesystem by its last part
        found.add(parts[-1] if len(parts[-1]) > 5 else full)
    if re.search(r"[_$]", full):
        found.add(re.split(r"[_$]", full)[-1] if len(re.split(r"[_$]", full)[-1]) > 5 else full)
    return found


def distinctive(name: str) -> bool:
    """Whether the name cannot be an ordinary word: it has digits, punctuation or inner capitals."""
    return bool(re.search(r"[\d._@$-]|[a-z][A-Z]|[A-Z]{2}", name))


def wildcard(pattern: str, names: Sequence[str]) -> list[str]:
    """Known names that fit a shell pattern, or equal the word in any spelling (case, short form)."""
    low = pattern.lower()
    if any(sign in low for sign in "*?"):
        return [name for name in names if fnmatch.fnmatchcase(name.lower(), low)]
    exact = [name for name in names if name == pattern]
    return exact or [name for name in names if name.lower() == low] or [name for name in names if low in shorter(name)]


def find_hosts(text: str, hosts: Sequence[str]) -> list[tuple[int, int, str, list[str]]]:
    """(start, end, said, hosts) for each mention.

    A distinctive name counts wherever it stands, a plain word (``combo``, ``web``) only behind "on", "host" ….
    """
    return _find(text, hosts, lambda before, after, said, name: distinctive(name) or bool(_BEFORE_HOST.search(before)))


def find_services(text: str, services: Sequence[str]) -> list[tuple[int, int, str, list[str]]]:
    """As ``find_hosts``; a plain word (``kernel``, ``cron``) counts behind "in", "of", "service" … or before "logs"."""

    def counts(before: str, after: str, said: str, name: str) -> bool:
        return distinctive(name) or bool(_BEFORE_SERVICE.search(before)) or bool(_AFTER_SERVICE.search(after))

    return _find(text, services, counts)


def _find(text: str, names: Sequence[str], counts: Counts) -> list[tuple[int, int, str, list[str]]]:
    by_word: dict[str, list[str]] = {}
    for name in names:
        for short in shorter(name):
            by_word.setdefault(short, []).append(name)
    found = []
    for match in _WORD.finditer(text):
        said = match[0].rstrip(".:")
        candidates = by_word.get(said.lower())
        if not candidates and said.lower().endswith("'s"):
            said = said[:-2]
            candidates = by_word.get(said.lower())
        if not candidates or (said.lower() in terms().stop and said not in candidates):
            continue
        exact = [name for name in candidates if name.lower() == said.lower()]
        meant = exact or candidates
        end = match.start() + len(said)
        before, after = text[: match.start()], text[end:]
        if any(counts(before, after, said, name) for name in meant):
            found.append((match.start(), end, said, meant))
    return found


def find_components(text: str, loggers: Sequence[str]) -> list[tuple[int, int, str, list[str]]]:
    """As ``find_services``, for the components that lines name as their logger (``dfs.FSNamesystem``).

    Only distinctive names count, since loggers are also called ``main`` or ``system``; people may write the last part
    of one as two or three words ("the name system").
    """
    found = _find(text, loggers, lambda before, after, said, name: distinctive(said))
    parts = {name: re.split(r"[.$/_]", name)[-1].lower() for name in loggers}
    words = list(_WORD.finditer(text))
    for width in (3, 2):
        for group in zip(*(words[at:] for at in range(width)), strict=False):
            joined = "".join(word[0].lower().strip(".,:") for word in group)
            meant = [name for name, part in parts.items() if len(joined) >= MIN_JOINED and _ends(part, joined)]
            start, end = group[0].start(), group[-1].end()
            if meant and not any(start < other[1] and other[0] < end for other in found):
                found.append((start, end, text[start:end], meant))
    return sorted(found, key=lambda item: item[0])


def _ends(part: str, joined: str) -> bool:
    return part.endswith(joined) and len(part) - len(joined) <= MAX_PREFIX


_LEAD = (
    r"(?:(?:^|\b(?:show|list|find|any|all|the|only|get|many|and|or|there|what|which|no|recent|latest|new)\b)"
    r"(?:\s+(?:me|us|all|the|of))*\s*)"
)
_NOUN = r"(?:\s+(?:lines?|logs?|messages?|events?|entries|records?|level|severity))"
_TAIL = (
    r"(?=\s*(?:$|[,.?!;]|\b(?:on|in|from|since|during|at|between|yesterday|today|tonight|last|this|for|of|by|before|after|"
    r"until|around|and|or|with|within|only|over|per)\b))"
)


def find_levels(text: str) -> list[tuple[int, int, str, list[str]]]:
    """(start, end, said, levels) where a severity is asked for rather than spoken about.

    "errors on db1", "warnings only", "show critical messages" are; "hit an error while reading" is not.
    """
    words = "|".join(sorted(terms().levels, key=len, reverse=True))
    plural = "|".join(word for word in terms().levels if word.endswith("s"))
    patterns = (
        rf"\bonly\s+({words})\b{_NOUN}?",
        rf"\b({words}){_NOUN}?\s+only\b",
        rf"\b({words}){_NOUN}\b(?!\s+(?:the|a|to)\b)",
        rf"\b(?:level|severity)\s+(?:of\s+|is\s+)?({words})\b",
        rf"{_LEAD}\b({plural})\b{_TAIL}",
        rf"^\s*({plural})\b{_TAIL}",
        rf"\b({plural})\b\s*$",
    )
    found: dict[int, tuple[int, int, str, list[str]]] = {}
    for pattern in patterns:
        for match in re.finditer(pattern, text, re.I):
            start = match.start(1)
            end = match.end() if match.end() > match.end(1) else match.end(1)
            if not any(start < other[1] and other[0] < end for other in found.values()):
                found[start] = (start, end, text[start:end].strip(), terms().levels[match[1].lower()])
    return sorted(found.values())
