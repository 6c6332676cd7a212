"""What is said: one message for one incident, or a digest of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from logsense.record import Incident, Sentence

SECOND = 1_000_000_000
#: What happened → how it is headed. Chinese beside English, chosen by ``NotifyOptions.language``.
WORDS = {
    "opened": {"en": "New", "zh": "新事件"},
    "worsened": {"en": "Worse", "zh": "已恶化"},
    "resolved": {"en": "Resolved", "zh": "已解决"},
    "reopened": {"en": "Again", "zh": "再次发生"},
    "over": {"en": "Happened and is over", "zh": "已发生并结束"},
}
SEVERITY = {"low": "低", "medium": "中", "high": "高", "critical": "严重"}
LABELS = {
    "next": {"en": "Next:", "zh": "下一步："},
    "since": {"en": "Since {0} UTC", "zh": "自 {0} UTC"},
    "lasted": {"en": "{0} to {1} UTC", "zh": "{0} 至 {1} UTC"},
    "digest": {"en": "{0} incidents", "zh": "{0} 个事件"},
    "on": {"en": "on {0}", "zh": "位于 {0}"},
}
DIGEST_ROWS = 20
HOSTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Message:
    """``kind``: a key of ``WORDS`` or ``digest``. ``key`` is the same for every attempt to deliver it."""

    kind: str
    title: str
    body: str
    key: str
    severity: str
    incidents: Sequence[Incident] = field(default_factory=tuple)
    link: str = ""


def single(kind: str, incident: Incident, *, key: str, page_url: str = "", language: str = "en") -> Message:
    """One incident: headline, what it does, the likeliest cause, what to look at next, and where to read more."""
    word = WORDS[kind][language]
    severity = SEVERITY[incident.severity] if language == "zh" else incident.severity
    title = f"[{severity}] {word}: {incident.title}" if language == "en" else f"[{severity}] {word}：{incident.title}"
    link = incident_link(page_url, incident.id)
    said = [s.text for s in _of(incident.summary, "impact", "cause")]
    steps = [s.text for s in _of(incident.summary, "next")][:3]
    over = kind in ("resolved", "over")
    times = (_clock(incident.start_ns), _clock(incident.end_ns or incident.last_ns))
    lines = [LABELS["lasted" if over else "since"][language].format(*times) + _places(incident, language)]
    if kind != "resolved":  # who was told of the cause already wants to know that it is over
        lines += said
        if steps:
            lines += ["", LABELS["next"][language], *(f"- {step}" for step in steps)]
    if link:
        lines += ["", link]
    return Message(kind, title, "\n".join(lines), key, incident.severity, (incident,), link)


def digest(rows: Sequence[tuple[str, Incident]], *, key: str, page_url: str = "", language: str = "en") -> Message:
    """Several at once: ``rows`` are (kind, incident), shown one a line, the most severe first."""
    order = list(SEVERITY)
    ranked = sorted(rows, key=lambda row: (-order.index(row[1].severity), row[1].start_ns))
    lines = [
        f"- {WORDS[kind][language]}: [{one.severity}] {one.title} {incident_link(page_url, one.id)}".rstrip()
        for kind, one in ranked[:DIGEST_ROWS]
    ]
    if len(ranked) > DIGEST_ROWS:
        lines.append(f"… +{len(ranked) - DIGEST_ROWS}")
    link = f"{page_url.rstrip('/')}/incidents" if page_url else ""
    title = LABELS["digest"][language].format(len(rows))
    return Message("digest", title, "\n".join(lines), key, ranked[0][1].severity, tuple(i for _, i in ranked), link)


def incident_link(page_url: str, incident_id: str) -> str:
    return f"{page_url.rstrip('/')}/incidents/{incident_id}" if page_url else ""


def _of(sentences: Sequence[Sentence], *roles: str) -> list[Sentence]:
    return [s for role in roles for s in sentences if s.role == role]


def _places(incident: Incident, language: str) -> str:
    shown = incident.hosts[:HOSTS_SHOWN]
    rest = len(incident.hosts) - len(shown)
    names = ", ".join(shown) + (f" +{rest}" if rest > 0 else "")
    return ", " + LABELS["on"][language].format(names) if names else ""


def _clock(at_ns: int) -> str:
    try:
        return datetime.fromtimestamp(at_ns / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return f"{at_ns} ns"
