"""Small charts as inline SVG: they need no script, weigh little and are there at once.

Colours come from CSS classes, so they follow dark and light. Interactive charts (``charts``) replace the larger ones
once their script has loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup

from logsense.timefmt import iso
from logsense.ui.format import level_class, moment, nanoseconds, number, plain
from logsense.ui.language import gettext

Point = tuple[int, float]  # nanoseconds, value

_LARGEST = 1e150  # differences and products of such values still are numbers
#: A histogram is at least this many steps wide.
FEWEST_BARS = 30
_WEIGHT = {"lv-debug": 0, "lv-none": 1, "lv-info": 2, "lv-warning": 3, "lv-error": 4, "lv-critical": 5}


def clean(points: Sequence[Sequence[object]]) -> list[Point]:
    """RFC 3339 and value pairs as numbers; what is no number, has no time or cannot be drawn is left out."""
    kept = []
    for at, value in points:
        ns = nanoseconds(str(at))
        if ns is not None and isinstance(value, int | float) and math.isfinite(value) and abs(value) < _LARGEST:
            kept.append((ns, float(value)))
    return kept


def thin(points: Sequence[Sequence[object]], most: int) -> list[list[object]]:
    """At most about ``most`` points, keeping the least and greatest of each stretch, so that no peak is lost."""
    if len(points) <= most:
        return [list(p) for p in points]
    size = 2 * len(points) // most + 1
    kept: list[list[object]] = []
    for at in range(0, len(points), size):
        stretch = [(i, p) for i, p in enumerate(points[at : at + size]) if isinstance(p[1], int | float)]
        if stretch:
            ends = {min(stretch, key=lambda s: s[1][1])[0], max(stretch, key=lambda s: s[1][1])[0]}  # type: ignore[arg-type,return-value]
            kept += [list(points[at + i]) for i in sorted(ends)]
    return kept


def sparkline(points: Sequence[Sequence[object]], label: str, *, width: int = 160, height: int = 36) -> Markup:
    """A line without axes; ``label`` is read aloud, with the least, greatest and last value."""
    kept = clean(points)
    if len(kept) < 2:
        return Markup('<span class="muted small">{}</span>').format(gettext("no points"))
    values = [v for _, v in kept]
    low, high = min(values), max(values)
    first, last = kept[0][0], kept[-1][0]
    span, rise = max(1, last - first), (high - low) or 1.0
    flat = high == low
    places = [
        (2 + (at - first) / span * (width - 4), height / 2 if flat else height - 3 - (v - low) / rise * (height - 6))
        for at, v in kept
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    area = f"{places[0][0]:.1f},{height} {line} {places[-1][0]:.1f},{height}"
    said = gettext("%(what)s: %(low)s to %(high)s, last %(last)s") % {
        "what": plain(label), "low": number(low), "high": number(high), "last": number(values[-1]),
    }  # fmt: skip
    return Markup(
        '<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" aria-label="{said}">'
        '<title>{said}</title><polygon points="{area}"/>'
        '<polyline points="{line}" vector-effect="non-scaling-stroke"/></svg>'
    ).format(width=width, height=height, said=said, area=area, line=line)


def histogram(
    buckets: Sequence[Sequence[object]],
    step_s: float,
    label: str,
    *,
    height: int = 64,
    link: Callable[[int, int], str] | None = None,
) -> Markup:
    """Counts over time as bars, with the times of both ends below. A few bars are not blown up to the whole width.

    ``link`` gives the address that a bar leads to, from its two ends in nanoseconds.
    """
    step = max(1, int(step_s * 1e9))
    times = [at // step * step for at, _ in clean(buckets)]
    if not times:
        return Markup("")
    missing = max(0, FEWEST_BARS - (times[-1] - times[0]) // step - 1)
    first = times[0] - missing // 2 * step
    last = times[-1] + (missing - missing // 2 + 1) * step
    picture = stacked({"": buckets}, step_s, label, height=height, window=(first, last), link=link)
    return picture + Markup('<div class="axis small muted"><span>{}</span><span>{}</span></div>').format(
        moment(iso(first), "day"), moment(iso(last), "day")
    )


def stacked(
    series: dict[str, Sequence[Sequence[object]]],
    step_s: float,
    label: str,
    *,
    height: int = 120,
    spans: Sequence[tuple[int, int, str]] = (),
    window: tuple[int, int] | None = None,
    link: Callable[[int, int], str] | None = None,
) -> Markup:
    """Counts over time, stacked by level with the gravest on top; ``spans`` (from, to, title) are shaded.

    ``window`` is what is shown at least; without it, what holds lines. With ``link`` each column leads somewhere, and
    the ends of the picture are told in milliseconds, for the script that lets people drag over it.

    Each column has a title with its time and counts, for the pointer and for screen readers.
    """
    step = max(1, int(step_s * 1e9))
    columns: dict[int, list[tuple[str, float]]] = {}
    for level in sorted(series, key=lambda name: _WEIGHT[level_class(name)]):
        for at, count in clean(series[level]):
            if count <= 0:
                continue
            columns.setdefault(at // step * step, []).append((level, count))
    if not columns:
        return Markup("")
    ends = [*columns, *(at + step for at in columns), *(window or ()), *(t for a, b, _ in spans for t in (a, b))]
    first, last = min(ends), max(ends)
    width, top = 600.0, max(sum(n for _, n in column) for column in columns.values()) or 1.0
    scale = width / max(step, last - first)
    parts = [
        Markup('<rect class="span" x="{:.1f}" y="0" width="{:.1f}" height="{}"><title>{}</title></rect>').format(
            (a - first) * scale, max(2.0, (b - a) * scale), height, plain(title)
        )
        for a, b, title in spans
    ]
    wide = max(1.0, step * scale - 0.8)
    for at, column in sorted(columns.items()):
        y = float(height)
        said = ", ".join(f"{number(n)} {plain(level, 20)}".strip() for level, n in reversed(column))
        # Not a stop for the tab key each: the span can be typed beside the picture, and arrows choose in it.
        opened = Markup('<a href="{}" tabindex="-1">').format(link(at, at + step)) if link else Markup("")
        parts.append(opened + Markup("<g><title>{} UTC: {}</title>").format(_clock(at), said))
        for level, count in column:
            tall = max(1.0, count / top * (height - 4))
            y -= tall
            parts.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                    level_class(level), (at - first) * scale, y, wide, tall
                )
            )
        parts.append(Markup("</g></a>") if link else Markup("</g>"))
    total = number(sum(n for column in columns.values() for _, n in column))
    said = gettext("%(what)s: %(total)s lines from %(first)s to %(last)s UTC, at most %(top)s at a time") % {
        "what": plain(label), "total": total, "first": _clock(first), "last": _clock(last), "top": number(top),
    }  # fmt: skip
    # A picture of links is a group, and no picture for those who hear it.
    role = Markup('role="group" data-brush data-first="{}" data-last="{}" data-step="{}"').format(
        first // 1_000_000, last // 1_000_000, max(1, step // 1_000_000)
    )
    return Markup(
        '<svg class="bars" viewBox="0 0 {:.0f} {}" preserveAspectRatio="none" {} aria-label="{}">{}</svg>'
    ).format(width, height, role if link else Markup('role="img"'), said, Markup("").join(parts))


def _clock(ns: int) -> str:
    shown = moment(iso(ns), "day")
    return str(shown.striptags())
