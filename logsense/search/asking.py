"""Questions whose answer is not a list of lines: how many, which hosts, the top ten, per hour, the first time.

What is recognised is taken out of the text, so that "which hosts" and "more than 100 times" are never searched for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: What people call a field -> the field that the answer is grouped by.
GROUPS = {
    "host": "host", "server": "host", "machine": "host", "node": "host", "computer": "host", "box": "host",
    "service": "service", "program": "service", "application": "service", "app": "service", "daemon": "service",
    "level": "level", "severity": "level", "message type": "template_id", "template": "template_id",
    "kind of message": "template_id", "pipeline": "pipeline",
    "user": "user.name", "account": "user.name", "username": "user.name",
    "ip": "source.ip", "ip address": "source.ip", "address": "source.ip", "source ip": "source.ip",
    "database": "db.name",
}  # fmt: skip
#: Steps of time that a series may be asked in, in seconds.
STEPS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}

_NUMBER_WORDS = {"once": 1, "twice": 2, "two": 2, "three": 3, "five": 5, "ten": 10, "twenty": 20, "fifty": 50}
_NUMBER_WORDS |= {"hundred": 100, "a hundred": 100, "thousand": 1000, "a thousand": 1000}
_G = "(?P<group>" + "|".join(re.escape(name) for name in sorted(GROUPS, key=len, reverse=True)) + r")(?:e?s|ies)?\b"
_G = _G.replace("severity", "severit(?:y|ies)").replace("kind\\ of\\ message", r"kinds?\ of\ message")
_N = r"(?P<n>\d{1,9}|" + "|".join(sorted(_NUMBER_WORDS, key=len, reverse=True)) + ")"
_S = "(?P<step>" + "|".join(STEPS) + ")"

_MORE = re.compile(
    rf"(?P<op>\bmore than|\bover|\bat least|\bless than|\bfewer than|\bat most|\bexactly|>=?|<=?)\s*{_N}\s*"
    r"(?:times|x|occurrences|lines|messages|events|errors|failures)\b",
    re.I,
)
_TOP = re.compile(
    rf"\b(?:the\s+)?(?:top|worst|busiest|noisiest)\s*(?P<n>\d{{1,4}}|ten|five|three|twenty)?\s*{_G}", re.I
)
_MOST = re.compile(rf"\b(?:which|what)\s+{_G}\s+(?:\w+\s+){{0,3}}?(?:the\s+)?most\b(?:\s+of\s+the|\s+often)?", re.I)
_DISTINCT = re.compile(rf"\bhow\s+many\s+(?:different\s+|distinct\s+|of\s+the\s+)?{_G}", re.I)
_WHICH = re.compile(rf"\b(?:on\s+|from\s+|in\s+)?(?:which|what|list(?:\s+all)?(?:\s+the)?)\s+{_G}", re.I)
_PER_GROUP = re.compile(rf"\b(?:per|by|for\s+each|grouped\s+by|broken\s+down\s+by)\s+{_G}(?!\s*[:\d])", re.I)
_PER_STEP = re.compile(rf"\b(?:per|each|every|by\s+the)\s+{_S}\b|\b(?P<often>hourly|daily|weekly)\b", re.I)
_OVER_TIME = re.compile(r"\b(?:over\s+time|as\s+a\s+(?:chart|graph|series)|trends?(?:\s+of)?|timeline\s+of)\b", re.I)
# "how many bytes" asks for what a line says, not for how many lines there are.
_COUNT = re.compile(
    r"\b(?:how\s+(?:many(?:\s+times)?|often)(?!\s+(?:bytes|[kmg]b|milliseconds|ms|seconds|minutes|hours|days)\b)"
    r"|count\s+(?:of|the)|number\s+of(?:\s+times)?)\b",
    re.I,
)
_FIRST = re.compile(
    r"\b(?:(?:for\s+)?the\s+)?(?P<end>first|earliest|last|latest|most\s+recent)\s+(?:time|occurrence)\b"
    r"|\bwhen\b(?=.*\b(?P<end2>first|last)\b)|\bsince\s+when\b",
    re.I,
)
_COMPARE = re.compile(
    r"\b(?:as\s+)?(?:compared?\s+(?:with|to)|versus|vs\.?|in\s+comparison\s+(?:with|to)|than)\s+(?:the\s+)?"
    r"(?P<span>last\s+week|(?:the\s+)?week\s+before|yesterday|(?:the\s+)?day\s+before|last\s+month|(?:the\s+)?hour\s+before"
    r"|(?:the\s+)?last\s+hour)(?:'s)?\b",
    re.I,
)
_BACK = {"week": 604800, "yesterday": 86400, "day": 86400, "month": 30 * 86400, "hour": 3600}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is asked for instead of lines.

    ``kind``: count (a number), distinct (how many values of ``by``), table (``by`` with counts, at most ``top`` rows,
    those whose count fits ``least`` and ``most``), series (counts per ``step_s``; 0: a fitting step), first or last
    (one line), compare (the same query ``back_s`` seconds earlier beside it).
    """

    kind: str
    by: str = ""
    top: int = 0
    least: int = 0
    most: int = 0
    step_s: int = 0
    back_s: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """An aggregate, the words that said it, and the text without them."""

    aggregate: Aggregate
    said: str
    rest: str


def find_aggregate(text: str) -> Asked | None:
    """What ``text`` asks for, or None when it asks for lines."""
    said: list[str] = []

    def take(pattern: re.Pattern[str]) -> re.Match[str] | None:
        nonlocal text
        match = pattern.search(text)
        if match:
            said.append(match[0].strip())
            text = f"{text[: match.start()]} {text[match.end() :]}"
        return match

    compare = take(_COMPARE)
    limits = take(_MORE)
    least, most = _limits(limits) if limits else (0, 0)
    made: Aggregate | None = None
    if found := take(_DISTINCT):
        made = Aggregate("distinct", by=_group(found))
    elif found := take(_TOP):
        made = Aggregate("table", by=_group(found), top=_number(found["n"]) if found["n"] else 10)
    elif found := take(_MOST) or take(_WHICH) or take(_PER_GROUP):
        made = Aggregate("table", by=_group(found), least=least, most=most)
        take(_COUNT)
    elif found := take(_PER_STEP):
        named = found["step"] or {"hourly": "hour", "daily": "day", "weekly": "week"}[found["often"].lower()]
        made = Aggregate("series", step_s=STEPS[named.lower()])
        take(_COUNT)
    elif take(_OVER_TIME):
        made = Aggregate("series")
    elif take(_COUNT):
        made = Aggregate("count")
    elif found := take(_FIRST):
        end = (found["end"] or found["end2"] or "first").lower()
        made = Aggregate("first" if end in ("first", "earliest") else "last")
        text = re.sub(rf"\b{end}\b", " ", text, count=1, flags=re.I)
    elif limits:
        made = Aggregate("table", by="template_id", least=least, most=most)
    if compare:
        back = next(seconds for name, seconds in _BACK.items() if name in compare["span"].lower())
        made = Aggregate("compare", back_s=back)
    return Asked(made, ", ".join(said), text) if made else None


def _group(match: re.Match[str]) -> str:
    said = match["group"].lower()
    return GROUPS[{"severities": "severity", "kinds of message": "kind of message"}.get(said, said)]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBER_WORDS[text.lower()]


def _limits(match: re.Match[str]) -> tuple[int, int]:
    """(least, most); most 0 is no limit."""
    count, op = _number(match["n"]), match["op"].lower()
    if op in ("more than", "over", ">"):
        return count + 1, 0
    if op in ("at least", ">="):
        return count, 0
    if op == "exactly":
        return count, count
    return 1, count - 1 if op in ("less than", "fewer than", "<") else count
