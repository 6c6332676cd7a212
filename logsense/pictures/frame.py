"""The frame that all pictures share: scales, axes with readable numbers, grid, legend, title and description.

Colours come from classes. On a page the style sheet gives them, so that they follow dark and light; a file carries its
own (``standalone``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from zlib import crc32

from logsense.timefmt import SECOND

#: Translates a word of a picture; the command line speaks English.
Say = Callable[[str], str]

WIDTH, HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 22, 16, 34
#: Steps of a time axis, in seconds.
_STEPS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)

STYLE = """
.pic{background:#fff;font:11px "DejaVu Sans","Liberation Sans",Arial,sans-serif}
.pic text{fill:#4a5060}.pic .pic-head{font-size:13px;font-weight:600;fill:#1b1f2a}
.pic .pic-grid{stroke:#e4e6ec;stroke-width:1}
.pic .pic-ideal{stroke:#8a90a0;stroke-width:1;stroke-dasharray:4 4;fill:none}
.pic .pic-line{fill:none;stroke:#4453c6;stroke-width:1.8;stroke-linejoin:round}.pic .pic-fill{fill:#4453c6}
.pic .pic-band{fill:#8a90a0;fill-opacity:.25}.pic .pic-span{fill:#d33f49;fill-opacity:.13}
.pic .pic-mark{fill:#b3261e}.pic .pic-limit{stroke:#b3261e;stroke-width:1.2;stroke-dasharray:6 4}
.pic .pic-bar{stroke:#4453c6;stroke-width:1.4}
.pic .pic-2{stroke:#a35a00;fill:none;stroke-width:1.6;stroke-dasharray:7 3}
.pic .pic-3{stroke:#1f7a4d;fill:none;stroke-width:1.6;stroke-dasharray:2 3}
.pic .pic-4{stroke:#7a4aa8;fill:none;stroke-width:1.6;stroke-dasharray:9 3 2 3}
.pic .pic-5{stroke:#5b616e;fill:none;stroke-width:1.6;stroke-dasharray:1 4}
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low``..``high`` onto pixels ``first``..``last``."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        span = (self.high - self.low) or 1.0
        return self.first + (min(max(value, self.low), self.high) - self.low) / span * (self.last - self.first)


@dataclass(slots=True)
class Picture:
    """A picture in the making: parts in the order in which they are drawn."""

    title: str
    description: str
    x: Scale
    y: Scale
    width: int = WIDTH
    height: int = HEIGHT
    parts: list[str] = field(default_factory=list)
    legend: list[tuple[str, str]] = field(default_factory=list)  # (class, words)

    def line(self, points: Sequence[tuple[float, float]], name: str = "pic-line") -> None:
        if len(points) == 1:
            self.dot(*points[0], name="pic-fill", radius=2.5)
        elif points:
            places = " ".join(f"{self.x(a):.1f},{self.y(b):.1f}" for a, b in points)
            self.parts.append(f'<polyline class="{name}" points="{places}"/>')

    def band(self, edges: Sequence[tuple[float, float, float]]) -> None:
        """(x, low, high) as an area."""
        if len(edges) > 1:
            over = [f"{self.x(a):.1f},{self.y(high):.1f}" for a, _, high in edges]
            under = [f"{self.x(a):.1f},{self.y(low):.1f}" for a, low, _ in reversed(edges)]
            self.parts.append(f'<polygon class="pic-band" points="{" ".join([*over, *under])}"/>')

    def dot(self, x: float, y: float, *, name: str = "pic-mark", radius: float = 3.6, said: str = "") -> None:
        title = f"<title>{text(said)}</title>" if said else ""
        self.parts.append(
            f'<circle class="{name}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="{radius}">{title}</circle>'
        )

    def span(self, start: float, end: float, said: str) -> None:
        """A shaded interval of the x axis."""
        left, right = self.x(start), self.x(end)
        self.parts.append(
            f'<rect class="pic-span" x="{left:.1f}" y="{_TOP}" width="{max(2.0, right - left):.1f}" '
            f'height="{self.height - _TOP - _BOTTOM}"><title>{text(said)}</title></rect>'
        )

    def level(self, value: float, name: str = "pic-limit") -> None:
        """A line across at ``value``."""
        y = f"{self.y(value):.1f}"
        self.parts.append(f'<line class="{name}" x1="{self.x.first}" x2="{self.x.last}" y1="{y}" y2="{y}"/>')

    def upright(self, x: float, low: float, high: float) -> None:
        """An interval of the y axis at ``x``."""
        at = f"{self.x(x):.1f}"
        self.parts.append(f'<line class="pic-bar" x1="{at}" x2="{at}" y1="{self.y(low):.1f}" y2="{self.y(high):.1f}"/>')

    def y_axis(self, ticks: Sequence[tuple[float, str]]) -> None:
        for value, words in ticks:
            y = f"{self.y(value):.1f}"
            self.parts.append(f'<line class="pic-grid" x1="{self.x.first}" x2="{self.x.last}" y1="{y}" y2="{y}"/>')
            self.parts.append(f'<text x="{self.x.first - 8}" y="{y}" dy=".35em" text-anchor="end">{text(words)}</text>')

    def x_axis(self, ticks: Sequence[tuple[float, str]], name: str = "") -> None:
        base = self.height - _BOTTOM
        for number, (value, words) in enumerate(ticks):
            # On a narrow screen letters grow, and every second of these makes room.
            spare = ' class="pic-spare"' if number % 2 else ""
            self.parts.append(
                f'<text{spare} x="{self.x(value):.1f}" y="{base + 15}" text-anchor="middle">{text(words)}</text>'
            )
        if name:
            self.parts.append(
                f'<text x="{self.x.last}" y="{base + 29}" text-anchor="end" class="pic-name">{text(name)}</text>'
            )

    def svg(self, *, standalone: bool = False) -> str:
        """The document. Who cannot see it hears title and description."""
        key = f"p{crc32(f'{self.title}{self.description}'.encode(errors='replace')):x}"
        parts = list(self.parts)
        top, height = 0, self.height
        if standalone:
            # A file has no page around it that says what it shows.
            top = 24 + (18 if self.legend else 0)
            height += top
            parts = [f'<g transform="translate(0 {top})">', *parts, "</g>"]
            parts.insert(0, f'<text class="pic-head" x="{_LEFT}" y="18">{text(self.title[:110])}</text>')
            parts.insert(1, self._legend(34))
        style = f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>' if standalone else ""
        look = "pic pic-wide" if self.width >= WIDTH else "pic"
        size = f' width="{self.width}" height="{height}"' if standalone else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{look}" viewBox="0 0 {self.width} {height}"{size} '
            f'role="img" aria-labelledby="{key}t {key}d"><title id="{key}t">{text(self.title)}</title>'
            f'<desc id="{key}d">{text(self.description)}</desc>{style}{"".join(parts)}</svg>'
        )

    def _legend(self, y: int) -> str:
        x, made = float(_LEFT), []
        for name, words in self.legend:
            if name in ("pic-band", "pic-span"):
                made.append(f'<rect class="{name}" x="{x:.0f}" y="{y - 8}" width="16" height="10"/>')
            elif name == "pic-mark":
                made.append(f'<circle class="{name}" cx="{x + 8:.0f}" cy="{y - 3}" r="4"/>')
            else:
                made.append(f'<line class="{name}" x1="{x:.0f}" x2="{x + 16:.0f}" y1="{y - 3}" y2="{y - 3}"/>')
            made.append(f'<text x="{x + 21:.0f}" y="{y + 1}">{text(words)}</text>')
            x += 36 + 6.4 * len(words)
        return "".join(made)


def frame(
    title: str, description: str, x: tuple[float, float], y: tuple[float, float], *, width: int = WIDTH,
    height: int = HEIGHT,
) -> Picture:  # fmt: skip
    """An empty picture of these ranges; a range without length is widened."""
    low, high = y
    if not high > low:
        low, high = (low - abs(low) * 0.1, high + abs(high) * 0.1) if high else (0.0, 1.0)
    first, last = x if x[1] > x[0] else (x[0] - 1, x[0] + 1)
    return Picture(
        title, description, Scale(first, last, _LEFT, width - _RIGHT),
        Scale(low, high, height - _BOTTOM, _TOP), width, height,
    )  # fmt: skip


def round_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """About ``wanted`` multiples of 1, 2 or 5 times a power of ten between ``low`` and ``high``."""
    rough = (high - low) / wanted
    if not (math.isfinite(rough) and rough > 0):
        return [low]
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m >= rough * 0.999)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def time_ticks(first_ns: float, last_ns: float, wanted: int = 6) -> list[tuple[float, str]]:
    """Round moments (UTC) and their words: clock times within a day or so, days beyond."""
    span = (last_ns - first_ns) / SECOND
    step = next((s for s in _STEPS if span / s <= wanted), _STEPS[-1] * max(1, round(span / _STEPS[-1] / wanted)))
    if step < 86_400 and span < 2 * 86_400:
        form = "%H:%M:%S" if step < 60 else "%H:%M"
    else:
        form = "%m-%d %H:%M" if step < 86_400 else "%m-%d"
    at = math.ceil(first_ns / SECOND / step) * step
    found = []
    while at * SECOND <= last_ns:
        found.append((float(at * SECOND), datetime.fromtimestamp(at, UTC).strftime(form)))
        at += step
    return found


def text(words: str) -> str:
    """For the text of an element: escaped, and without what XML cannot hold (names come from anybody)."""
    return escape("".join(c if c.isprintable() else "�" for c in words))


def short(value: float) -> str:
    """``1.2k``, ``40M``, ``0.003``: a number that an axis has room for."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def percent(value: float) -> str:
    return f"{value * 100:.3g}%"
