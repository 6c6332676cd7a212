"""Find the cues of a pattern in the evidence: which words, which metrics, where, since when."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from logsense.rootcause.evidence import Evidence, SeriesExcerpt, TemplateCount
from logsense.rootcause.patterns import MetricCue, Pattern, TextCue

_KERNEL_TIME = re.compile(r"^\[ *\d+\.\d+\] ")
#: Characters of a line or template that cues are looked for in: some expressions take quadratic time.
_LOOKED_AT = 1000
_UNREACHABLE = re.compile(
    r"refused|timed? ?out|timeout|unreachable|no route|(could|can) ?not connect|failed to connect|is down|"
    r"connect\S* failed|no server available",
    re.IGNORECASE,
)
_PLACE = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}|[A-Za-z0-9][A-Za-z0-9-]*")
EXCESS = 3.0  # a message must be this many times more frequent than before to mean anything


@dataclass(frozen=True, slots=True)
class Finding:
    """One cue that was found. ``strength`` 0…1; ``what`` is for people; ``cue`` is its number in the pattern.

    ``target`` is another host that the words complain about ("server shop/app2 is down"), if they name one.
    """

    host: str
    service: str
    decisive: bool
    strength: float
    onset_ns: int
    what: str
    evidence: tuple[str, ...]
    metric: bool
    owner: re.Pattern[str] | None = None
    cue: int = 0
    target: str = ""


@dataclass(frozen=True, slots=True)
class SeriesChange:
    """How one series differs from before. ``z`` is robust; ``ratio`` of the extreme to the usual value."""

    usual: float
    extreme: float
    z: float
    onset_ns: int


def text_findings(pattern: Pattern, evidence: Evidence) -> Iterator[Finding]:
    """Templates that match a text cue and are much more frequent than before."""
    for number, cue in enumerate(pattern.texts):
        per_place: dict[tuple[str, str], list[TemplateCount]] = {}
        for template in evidence.templates:
            if (
                template.during
                and evidence.excess(template) >= EXCESS
                and (service := _match(cue, template)) is not None
            ):
                per_place.setdefault((template.host, service), []).append(template)
        for (host, service), found in sorted(per_place.items()):
            lines = sum(template.during for template in found)
            if lines < cue.least:
                continue
            first = min(found, key=lambda t: (t.first_ns or evidence.end_ns, t.id))
            shown = first.samples[0][1] if first.samples else first.text
            cited = [f"line:{line}" for template in found[:3] for line, _ in template.samples[:2]]
            cited += [f"template:{template.id}" for template in found[:3]]
            usual = sum(template.before for template in found)
            told = (
                f"`{_short(shown)}` {_times(lines)} ({_usual(usual)} in the {evidence.before_s() / 60:.0f} min before)"
            )
            yield Finding(
                host, service, cue.decisive, min(1.0, 0.7 + 0.1 * min(lines / cue.least, 3.0)), first.first_ns,
                told + _mostly(found),
                tuple(dict.fromkeys(cited)), metric=False, owner=cue.owner, cue=number,
                target=_target(host, found, evidence),
            )  # fmt: skip


def _match(cue: TextCue, template: TemplateCount) -> str | None:
    """The service that the match names or the template's own; None without a match."""
    # A cue stands near the beginning; a megabyte that somebody sends must not hold up the analysis.
    samples = [sample[:_LOOKED_AT] for _, sample in template.samples[:3]]
    for text in (template.text[:_LOOKED_AT], *samples):
        if found := cue.match.search(text):
            named = next((value for value in found.groupdict().values() if value and "<" not in value), "")
            if named or template.text[:_LOOKED_AT] != text:
                return named or template.service
            # the template itself matches: its samples may still name the service
            for sample in samples:
                if again := cue.match.search(sample):
                    named = next((value for value in again.groupdict().values() if value), "")
                    return named or template.service
            return template.service
    return None


def metric_findings(pattern: Pattern, evidence: Evidence) -> Iterator[Finding]:
    """Series that match a metric cue and moved in its direction far enough."""
    for number, cue in enumerate(pattern.metrics, len(pattern.texts)):
        for series in evidence.series:
            if not cue.name.search(series.name.partition("{")[0]):
                continue
            change = series_change(series, evidence)
            if change is None or not _far_enough(cue, change):
                continue
            word = "rose" if cue.direction == "high" else "fell"
            yield Finding(
                series.host, service_of_series(series.name), cue.decisive, min(1.0, 0.6 + abs(change.z) / 50),
                change.onset_ns, f"{series.name} {word} from {_number(change.usual)} to {_number(change.extreme)}",
                (f"metric:{series.host}/{series.name}@{change.onset_ns}",), metric=True, cue=number,
            )  # fmt: skip


def _far_enough(cue: MetricCue, change: SeriesChange) -> bool:
    if abs(change.extreme - change.usual) < cue.change:
        return False
    if cue.direction == "high":
        if change.z < 4 or change.extreme <= 0:
            return False
        if cue.level is not None and change.extreme < cue.level * (100 if change.extreme > 1.6 else 1):
            return False
        return change.extreme >= cue.factor * max(change.usual, 0.0)
    if change.z > -4:
        return False
    return change.usual > 0 and change.extreme * cue.factor <= change.usual


def series_change(series: SeriesExcerpt, evidence: Evidence) -> SeriesChange | None:
    """Compare the time of the incident with the time before; None when either has too few points.

    Usual is the median before; the extreme is the 90 % (or 10 %) point during, so that one sample decides
    nothing; the spread is that of a normal with the same 5-95 % range, floored at 2 % of the usual value.
    """
    before = sorted(value for at, value in series.points if at < evidence.start_ns)
    during = [(at, value) for at, value in series.points if evidence.start_ns <= at <= evidence.end_ns]
    if len(before) < 6 or len(during) < 2:
        return None
    usual = _quantile(before, 0.5)
    top = max(abs(before[0]), abs(before[-1]))
    spread = max((_quantile(before, 0.95) - _quantile(before, 0.05)) / 3.29, 0.02 * abs(usual), 0.005 * top, 1e-6)
    values = sorted(value for _, value in during)
    high, low = _quantile(values, 0.9), _quantile(values, 0.1)
    extreme = high if high - usual >= usual - low else low
    half = (usual + extreme) / 2
    onset = next((at for at, value in during if (value >= half) == (extreme > usual)), during[0][0])
    return SeriesChange(usual, extreme, (extreme - usual) / spread, onset)


def service_of_series(name: str) -> str:
    """``service`` label, or the product that a series is named after; empty for the host's own."""
    base, _, labels = name.partition("{")
    for label in labels.rstrip("}").split(","):
        if label.startswith("service="):
            return label[8:]
    first = base.partition(".")[0]
    generic = {
        "system",
        "tcp",
        "process",
        "host",
        "net",
        "network",
        "disk",
        "cpu",
        "memory",
        "http",
        "db",
        "dns",
        "ping",
    }
    return "" if first in generic else first


def _quantile(ordered: Sequence[float], q: float) -> float:
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _number(value: float) -> str:
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:,.1f} M"
    return f"{value:,.0f}" if size >= 100 else f"{value:.3g}"


def _target(host: str, templates: Sequence[TemplateCount], evidence: Evidence) -> str:
    """The one other host that lines about an unreachable peer name, by name or address; empty if none or several."""
    named: set[str] = set()
    for template in templates:
        for _, sample in template.samples:
            text = sample[:_LOOKED_AT]
            if _UNREACHABLE.search(text):
                words = set(_PLACE.findall(text))
                named |= {other for other in evidence.hosts if other in words}
                named |= {other for address, other in evidence.addresses.items() if address in words}
    named.discard(host)
    return next(iter(named)) if len(named) == 1 else ""


def _usual(count: int) -> str:
    return str(count) if count else "none"


def _mostly(templates: Sequence[TemplateCount]) -> str:
    """Which address most of the lines name, if there is one."""
    best = max((template for template in templates if template.peers), key=lambda t: (t.during, t.id), default=None)
    if best is None:
        return ""
    address, lines = best.peers[0]
    counted = sum(number for _, number in best.peers)
    return f", mostly {address}" if lines >= 5 and lines * 2 >= counted else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _short(text: str, limit: int = 100) -> str:
    flat = _KERNEL_TIME.sub("", " ".join(text.split()))
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
