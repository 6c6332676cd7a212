"""Numbers, times and log text as people read them. Everything that returns ``Markup`` has escaped its input."""

from __future__ import annotations

import functools
import math
import re
import time
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from logsense.errors import BadInput
from logsense.timefmt import parse_time
from logsense.ui.language import current
from logsense.ui.language import gettext as _

SECOND = 1_000_000_000
_FIRST_NS, _LAST_NS = -62_135_596_800 * SECOND, 253_402_300_799 * SECOND  # the years 1 and 9999

#: Characters of one text shown in a list; the page of a line shows more.
SHORT = 1_200

# Control characters except tab and newline, lone surrogates, and format characters that reorder or hide text.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_ANSI_NAME = {0x1B: "ESC", 0x00: "NUL", 0x07: "BEL", 0x08: "BS", 0x0D: "CR", 0x7F: "DEL"}


def path(value: object) -> str:
    """One segment of an address; a slash in an id is quoted, too."""
    return quote(_encodable(str(value)), safe="")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _show_character(match: re.Match[str]) -> str:
    code = ord(match[0])
    name = unicodedata.name(match[0], _ANSI_NAME.get(code, "control character"))
    shown = _ANSI_NAME.get(code) or (chr(0x2400 + code) if code < 0x20 else f"U+{code:04X}")
    return f'<span class="ctl" title="U+{code:04X} {escape(name)}">{shown}</span>'


def visible(text: object, limit: int = SHORT) -> Markup:
    """Escaped text in which characters that hide, reorder or control are shown by name."""
    said = str(text)
    cut = said[:limit]
    safe = _INVISIBLE.sub(_show_character, str(escape(cut)))
    if len(said) > limit:
        safe += str(_cut(len(said) - limit))
    return Markup(safe)  # noqa: S704 - escaped above; the substitution writes only our own tags


def _cut(characters: int) -> Markup:
    said = _("%(count)s more characters") % {"count": number(characters)}
    return Markup('<span class="cut"> … {}</span>').format(said)


def plain(text: object, limit: int = 200) -> str:
    """The same for attributes and titles, as plain text."""
    # What a translation was filled with is escaped already; the attribute escapes it again.
    bare = text.unescape() if isinstance(text, Markup) else str(text)
    said = _INVISIBLE.sub(lambda m: f"\\u{ord(m[0]):04x}", bare[: limit + 1])
    return said if len(said) <= limit else said[:limit] + "…"


def highlight(text: object, words: Iterable[str], limit: int = SHORT) -> Markup:
    """Like ``visible``, with ``<mark>`` around the words, without regard to case."""
    said = str(text)[:limit]
    wanted = sorted({w for w in words if len(w) > 1}, key=len, reverse=True)
    if not wanted:
        return visible(text, limit)
    parts = re.split("(" + "|".join(re.escape(w) for w in wanted) + ")", said, flags=re.IGNORECASE)
    marked = Markup("").join(
        Markup("<mark>{}</mark>").format(visible(part)) if at % 2 else visible(part, len(part))
        for at, part in enumerate(parts)
        if part
    )
    if len(str(text)) > limit:
        marked += _cut(len(str(text)) - limit)
    return marked


def template_text(text: object) -> Markup:
    """A template with its variable parts dimmed."""
    shown = visible(text)
    return Markup(re.sub(r"&lt;(:?(?:\*|[A-Z][A-Z0-9_]{0,30}):?)&gt;", r'<span class="var">‹\1›</span>', str(shown)))  # noqa: S704


def prose(text: object, limit: int = SHORT) -> Markup:
    """A sentence in which `quoted` log text is set as code."""
    shown = visible(text, limit)  # has no backticks of its own, so each pair lies in the text
    return Markup(re.sub(r"`([^`]{1,400})`", r"<code>\1</code>", str(shown)))  # noqa: S704


def number(value: float | None) -> str:
    """1234567 -> 1.23 M (123万 in Chinese); small whole numbers stay as they are."""
    if value is None or not math.isfinite(value):
        return "–"
    if abs(value) >= 10_000 and current().code == "zh":
        from babel.numbers import format_compact_decimal

        size = next((s for s in (1e12, 1e8, 1e4) if abs(value) >= s), 1e4)
        digits = max(0, 2 - int(math.log10(abs(value) / size)))  # three that say something, as above
        return str(format_compact_decimal(value, locale="zh_CN", fraction_digits=digits))
    if abs(value) < 10_000:
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3g}"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * 0.9995:  # what rounds to a whole unit is shown in it
            return f"{value / size:.3g} {unit}" if abs(value) < size * 1000 else f"{value / size:,.0f} {unit}"
    return str(value)


def percent(value: float | None) -> str:
    """A probability as people say it; never a false 0 % or 100 %."""
    if value is None or not math.isfinite(value):
        return "–"
    if 0 < value < 0.01:
        return "<1 %"
    if 0.99 < value < 1:
        return ">99 %"
    return f"{value * 100:.0f} %"


def duration(seconds: float) -> str:
    """90 -> 1 min 30 s: the largest unit and the next smaller one."""
    left = max(0, round(seconds))
    units = ((86400, _("d")), (3600, _("h")), (60, _("min")), (1, _("s")))
    first = next((at for at, (size, _) in enumerate(units) if left >= size), 3)
    parts = []
    for size, unit in units[first : first + 2]:
        count, left = divmod(left, size)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts) or f"0 {_('s')}"


def nanoseconds(rfc3339: str | None) -> int | None:
    """The other way round; None for what is no time that a calendar can show."""
    if not rfc3339:
        return None
    try:
        ns = parse_time(rfc3339)
    except (BadInput, ValueError, OverflowError):
        return None
    return ns if _FIRST_NS <= ns <= _LAST_NS else None


def between(start: str | None, end: str | None) -> str:
    """How long from one time to another."""
    first, last = nanoseconds(start), nanoseconds(end)
    return duration((last - first) / SECOND) if first is not None and last is not None else ""


def ago(ns: int, now_ns: int | None = None) -> str:
    """3 min ago, in 2 h, just now. One unit is enough to place a time."""
    seconds = ((time.time_ns() if now_ns is None else now_ns) - ns) / SECOND
    size = abs(seconds)
    if size < 10:
        return _("just now")
    units = ((_("y"), 31_557_600), (_("d"), 86400), (_("h"), 3600), (_("min"), 60), (_("s"), 1))
    said = next(f"{size / length:.0f} {unit}" for unit, length in units if size >= length)
    return _("%(span)s ago") % {"span": said} if seconds > 0 else _("in %(span)s") % {"span": said}


def moment(rfc3339: str | None, style: str = "both") -> Markup:
    """A ``<time>`` in UTC. ``style``: both (time and age), clock (to the millisecond), ago, day."""
    ns = nanoseconds(rfc3339)
    if ns is None:
        return Markup('<span class="muted">–</span>')
    at = datetime.fromtimestamp(ns // SECOND, UTC)
    today = datetime.now(UTC).date()
    clock = f"{at:%H:%M:%S}"
    date = day(at.toordinal(), at.year != today.year)
    before = "" if today == at.date() else date + " "
    since = ago(ns)
    if style == "clock":
        inner = f"{before}{clock}.{ns % SECOND // 1_000_000:03d}"
    elif style == "ago":
        inner = since
    elif style == "day":
        inner = f"{date} {at:%H:%M}"
    else:
        inner = f'{before}{at:%H:%M} UTC <span class="rel">{since}</span>'
    # A page shows a hundred of these: they are put together as text, because all but the given time is our own.
    title = f"{day(at.toordinal(), True)} {clock} UTC · {since}"
    return Markup(f'<time datetime="{escape(rfc3339)}" title="{title}">{inner}</time>')  # noqa: S704


def day(ordinal: int, with_year: bool) -> str:
    """24 Nov, 24 Nov 2026; 11月24日, 2026年11月24日: as the language writes it."""
    return _day(ordinal, with_year, current().locale)


@functools.lru_cache(maxsize=4096)
def _day(ordinal: int, with_year: bool, locale: str) -> str:
    """Kept, because a page shows a hundred times of few days and Babel takes its time."""
    from babel.dates import format_skeleton

    return str(format_skeleton("yMMMd" if with_year else "MMMd", datetime.fromordinal(ordinal), locale=locale))


def level_class(level: object) -> str:
    """The CSS class of a level: one of five weights, so that colours stay few and mean something."""
    name = str(level).lower()
    if name in ("emergency", "alert", "critical"):
        return "lv-critical"
    if name == "error":
        return "lv-error"
    if name == "warning":
        return "lv-warning"
    if name in ("debug", "trace"):
        return "lv-debug"
    return "lv-info" if name in ("info", "notice") else "lv-none"


def risk_class(forecast: dict[str, Any] | None) -> str:
    """low, medium, high, or unknown when there is no probability to speak of."""
    value = (forecast or {}).get("probability")
    if forecast is None or forecast.get("state", "ok") != "ok" or value is None or not math.isfinite(value):
        return "unknown"
    return "high" if value >= 0.5 else "medium" if value >= 0.2 else "low"


def without_words(question: str, words: str) -> str:
    """The question with one occurrence of ``words`` taken out: what removing a chip means."""
    pattern = r"\s+".join(re.escape(w) for w in words.split())
    if not pattern:
        return question
    for whole in (rf"(?<!\S){pattern}(?!\S)", rf"(?<!\w){pattern}(?!\w)"):  # host:db1 before the one in host:db10
        rest, found = re.subn(whole, " ", question, count=1, flags=re.IGNORECASE)
        if found:
            return " ".join(rest.split())
    return question


def field_term(field: str, value: str) -> str:
    """``host:db1``, quoted where the value needs it."""
    return f'{field}:"{value}"' if re.search(r"[\s:\"()]", value) else f"{field}:{value}"


_CHINESE = re.compile("[\u4e00-\u9fff]")


def tongue(text: str) -> str:
    """The ``lang`` of what logsense says: a sentence that has no Chinese wording is shown in English, and says so."""
    return "zh-CN" if current().code == "zh" and _CHINESE.search(text) else "en"


FILTERS = {
    "duration": duration,
    "level_class": level_class,
    "moment": moment,
    "number": number,
    "path": path,
    "percent": percent,
    "plain": plain,
    "prose": prose,
    "risk_class": risk_class,
    "template_text": template_text,
    "tongue": tongue,
    "visible": visible,
}
