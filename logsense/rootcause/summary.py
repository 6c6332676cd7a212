"""Write the summary of an incident: ordinary sentences, each with the evidence it rests on. No language model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from logsense.record import Hypothesis, Incident, Sentence, Signal
from logsense.rootcause.evidence import SECOND, Evidence

SURE, LIKELY = 0.7, 0.45
CLOSE, TIE = 0.6, 0.05  # a share of the best score that is worth mentioning, a difference that decides nothing
AHEAD = 0.86  # the first stands clearly ahead when every other host has at most this share of its score
TELLING = ("log.severity", "log.unit", "log.new")


def is_clear(hypotheses: Sequence[Hypothesis]) -> bool:
    """Whether the first stands clearly ahead: sure of itself, and no other host comes near."""
    if not hypotheses or hypotheses[0].score < SURE or hypotheses[0].kind == "unexplained":
        return False
    others = [other.score for other in hypotheses[1:] if other.host != hypotheses[0].host]
    return max(others, default=0.0) <= AHEAD * hypotheses[0].score


def title(incident: Incident, hypotheses: Sequence[Hypothesis]) -> str:
    """The best hypothesis' title when it is likely, else the incident's own."""
    if hypotheses and hypotheses[0].score >= LIKELY and hypotheses[0].kind != "unexplained":
        return hypotheses[0].title
    return incident.title


def summarise(
    incident: Incident | None, hypotheses: Sequence[Hypothesis], evidence: Evidence
) -> tuple[list[Sentence], list[str]]:
    """Sentences in reading order (headline first) and what was not examined.

    ``incident`` is None when a stretch of time is diagnosed that may hold none. Every claim cites evidence;
    a quiet time says that nothing was found, and an unclear one that the cause is not known.
    """
    absent = list(evidence.absent)
    signals = sorted(evidence.signals, key=lambda s: (s.start_ns, -s.score, s.id))
    if not signals and not hypotheses:
        words = f"Nothing unusual between {_clock(evidence.start_ns)} and {_clock(evidence.end_ns)} UTC."
        return [Sentence(words, [], "headline"), *_absent(absent)], absent
    sentences = [_headline(incident, hypotheses, signals, evidence)]
    sentences += _impact(incident, signals)
    sentences += _cause(hypotheses)
    sentences += _timeline(signals)
    sentences += _against(hypotheses)
    sentences += _next(hypotheses)
    return [*sentences, *_absent(absent)], absent


def just_before(other: Incident) -> Sentence:
    """What had calmed down near the incident when it began: somebody may still be at work on that one."""
    until = _clock(other.end_ns or other.last_ns)
    text = f"Just before, until {until} UTC, there was {other.id}: {other.title.rstrip('.')}."
    return Sentence(text, [f"incident:{other.id}"], "claim")


def as_text(sentences: Sequence[Sentence], *, evidence: bool = False) -> str:
    """Plain text: one paragraph first (headline, impact, cause), then the rest as a list."""
    first = [s.text for s in sentences if s.role in ("headline", "impact", "cause")]
    lines = [" ".join(first)]
    names = {"timeline": "Timeline", "against": "Against it", "next": "Next", "not_examined": "Not examined"}
    for role, name in names.items():
        rows = [s for s in sentences if s.role == role]
        if rows:
            lines += ["", f"{name}:"]
            lines += [f"- {s.text}" + (f" [{', '.join(s.evidence)}]" if evidence and s.evidence else "") for s in rows]
    return "\n".join(lines)


def _headline(
    incident: Incident | None, hypotheses: Sequence[Hypothesis], signals: Sequence[Signal], evidence: Evidence
) -> Sentence:
    start = incident.start_ns if incident else signals[0].start_ns if signals else evidence.start_ns
    if hypotheses and hypotheses[0].score >= LIKELY and hypotheses[0].kind != "unexplained":
        what, cited = hypotheses[0].title, hypotheses[0].evidence[:5]
    elif incident is not None:
        what, cited = incident.title, [f"signal:{s.id}" for s in signals[:3]]
    else:
        lead = max(signals, key=lambda s: (s.score, s.id)) if signals else None
        what = lead.text if lead else hypotheses[0].title
        cited = [f"signal:{lead.id}"] if lead else hypotheses[0].evidence[:3]
    over = ""
    if incident is not None and incident.status == "resolved":
        over = f", calm since {_clock(incident.end_ns or incident.last_ns)}"
    return Sentence(f"{what.rstrip('.')}; since {_clock(start)} UTC{over}.", list(cited), "headline")


def _impact(incident: Incident | None, signals: Sequence[Signal]) -> list[Sentence]:
    if not signals:
        return []
    start_ns, end_ns = signals[0].start_ns, max(s.end_ns for s in signals)
    if incident is not None:  # a late sign may be listed without having kept it alive
        start_ns, end_ns = incident.start_ns, incident.last_ns
    named = {(s.host, s.service) for s in signals}
    places = sorted(
        f"{service} on {host}" if service and host else service or host
        for host, service in named
        if service or (host and not any(other == host and other_service for other, other_service in named))
    )
    shown = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    worst = max(signals, key=lambda s: (s.kind in TELLING, s.kind.startswith("log."), s.score, s.id))
    lasted = max(1, round((end_ns - start_ns) / SECOND))
    duration = f"{lasted} s" if lasted < 120 else f"{lasted // 60} min"
    text = f"Affected for {duration}: {shown or 'one source'}; most striking: {worst.text.rstrip('.')}."
    return [Sentence(text, [f"signal:{worst.id}", *worst.evidence[:3]], "impact")]


def _cause(hypotheses: Sequence[Hypothesis]) -> list[Sentence]:
    if not hypotheses:
        return [Sentence("The evidence does not point to a cause.", [], "cause")]
    best = hypotheses[0]
    if best.kind == "unexplained":
        return [Sentence(f"The cause is not known. {best.why}", best.evidence[:6], "cause")]
    word = "Most likely cause" if best.score >= SURE else "Probable cause" if best.score >= LIKELY else "Possible cause"
    named = "" if best.score >= LIKELY else f"{best.title}. "  # the headline has said it already
    return [Sentence(f"{word}: {named}{best.why}", best.evidence[:6], "cause")]


def _timeline(signals: Sequence[Signal], limit: int = 6) -> list[Sentence]:
    """The first signal of each place and kind, in time order; the strongest if there are too many."""
    first: dict[tuple[str, str, str], Signal] = {}
    for signal in signals:
        first.setdefault((signal.host, signal.service, signal.kind), signal)
    chosen = sorted(first.values(), key=lambda s: (-s.score, s.id))[:limit]
    return [
        Sentence(
            f"{_clock(s.start_ns)} {s.host or s.service}: {s.text}", [f"signal:{s.id}", *s.evidence[:2]], "timeline"
        )
        for s in sorted(chosen, key=lambda s: (s.start_ns, s.id))
    ]


def _against(hypotheses: Sequence[Hypothesis]) -> list[Sentence]:
    """Metrics that should have moved and did not, and other hypotheses that are nearly as good."""
    if not hypotheses:
        return []
    best, out = hypotheses[0], list[Sentence]()
    for cited in best.against[:3]:
        if cited.startswith("metric:"):
            name = cited.partition("/")[2].rpartition("@")[0]
            out.append(Sentence(f"{name} on {best.host} shows no matching change.", [cited], "against"))
    for other in hypotheses[1:3]:
        if "explained by" in other.why or other.score < CLOSE * best.score:
            continue
        word = "About as likely" if other.score > best.score - TIE else "Also possible"
        out.append(Sentence(f"{word}: {other.title}.", other.evidence[:4], "against"))
    return out


def _next(hypotheses: Sequence[Hypothesis]) -> list[Sentence]:
    steps = hypotheses[0].next_steps if hypotheses else []
    return [Sentence(step, [], "next") for step in steps[:3] if step]


def _absent(absent: Sequence[str]) -> list[Sentence]:
    return [Sentence(f"Not examined: {', '.join(absent)}.", [], "not_examined")] if absent else []


def _clock(at_ns: int) -> str:
    """Time of day with seconds, UTC; impossible times are shown as they are."""
    try:
        return datetime.fromtimestamp(at_ns / SECOND, UTC).strftime("%H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{at_ns} ns"
