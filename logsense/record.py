"""The data that flows through logsense. Plain data, no behaviour.

Times are integers: nanoseconds since 1970-01-01 UTC (``*_ns``), so nothing is lost to float rounding.
Field names in ``LogRecord.fields`` are flat, dotted Elastic Common Schema names (``source.ip``).

Evidence ids, the strings that summaries and hypotheses cite, are one of
``line:<log id>``, ``template:<template id>``, ``metric:<host>/<name>@<ns>``, ``signal:<signal id>``,
``incident:<incident id>`` (an earlier one that people judged).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Severity order of RFC 5424, extended by "trace"; an empty level means that the line states none.
LEVELS = ("trace", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LEVEL_RANK = {name: rank for rank, name in enumerate(LEVELS)}


@dataclass(slots=True)
class RawEvent:
    """One accepted line, before parsing: what the spool keeps.

    ``message`` is the text as received; bytes that are not UTF-8 are kept as ``\\xNN`` escapes.
    ``fields`` holds what the shipper stated already (flat ECS names); stated values win over parsed ones.
    ``source`` names the origin for counters and format detection, e.g. ``tail:/var/log/syslog`` or ``bulk``.
    ``id`` is set when the sender or the source knows one that is stable over retries.
    """

    message: str
    source: str
    received_ns: int
    fields: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(slots=True)
class MetricPoint:
    """One sample of one time series. ``labels`` are the dimensions besides the host (service, device …)."""

    name: str
    host: str
    timestamp_ns: int
    value: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class LogRecord:
    """One parsed event. ``original`` is the received text where it differs from ``message``."""

    id: str
    timestamp_ns: int
    message: str
    source: str
    ingested_ns: int
    host: str = ""
    service: str = ""
    level: str = ""
    pipeline: str = ""
    original: str | None = None
    outcome: str = "parsed"  # or "unparsed": no format understood the line
    template_id: str = ""
    parameters: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Template:
    """A mined message type. ``id`` never changes; ``version`` rises when ``text`` does.

    ``alias_of`` names the surviving template after a merge. ``vector`` and ``keywords`` belong to
    ``enriched_version``; they are stale while that is lower than ``version``.
    """

    id: str
    text: str
    service: str = ""
    version: int = 1
    count: int = 0
    first_seen_ns: int = 0
    last_seen_ns: int = 0
    level: str = ""
    sample: str = ""
    sample_id: str = ""
    alias_of: str = ""
    keywords: list[str] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)
    enriched_version: int = 0
    # What people changed (``mine.edits``): a name beside the text, a mark, who made it an alias ("" the miner,
    # "user"), and of which template by which edit it was split off.
    label: str = ""
    noise: bool = False
    alias_by: str = ""
    split_of: str = ""
    split_edit: int = 0


@dataclass(slots=True)
class Signal:
    """One anomaly. ``score`` is -log10 of the tail probability: 3 means one in a thousand windows.

    ``kind``: ``log.new`` (template never seen before), ``log.rate`` (more than usual), ``log.silence``
    (a regular message is missing), ``log.severity`` (error-level lines), ``log.unit`` (a service
    failed or restarted), ``log.session`` (a request, block or connection went another way),
    ``log.slow`` (requests take longer from one of their lines to the next), ``log.value`` (a parameter outside its
    range, a new error code), ``db.slow`` and ``db.rate`` (a statement slower or more frequent than usual),
    ``net.scan``, ``net.flood``, ``net.dns`` (failing answers), ``net.beacon``, ``net.talker`` (contacts that never
    were before), ``alert`` (raised by another system), ``metric.high``, ``metric.low``, ``metric.change``.
    """

    id: str
    kind: str
    start_ns: int
    end_ns: int
    score: float
    host: str = ""
    service: str = ""
    pipeline: str = ""
    template_id: str = ""
    metric: str = ""
    value: float | None = None
    expected: float | None = None
    text: str = ""
    evidence: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sentence:
    """One sentence of a summary and the evidence ids that it rests on (never empty for a claim)."""

    text: str
    evidence: list[str] = field(default_factory=list)
    role: str = "claim"  # headline | impact | timeline | cause | against | next | not_examined | claim


@dataclass(slots=True)
class Hypothesis:
    """A possible cause. ``entity`` is what to look at, e.g. ``host:db1 service:postgresql``."""

    entity: str
    kind: str
    score: float
    evidence: list[str] = field(default_factory=list)
    against: list[str] = field(default_factory=list)
    host: str = ""
    service: str = ""
    title: str = ""
    why: str = ""
    next_steps: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Action:
    """What a person did with an incident: ack, resolve, reopen, feedback, note, merge or split."""

    incident_id: str
    kind: str
    at_ns: int
    by: str = ""
    text: str = ""
    verdict: str = ""  # feedback only: right_cause | wrong_cause | noise


@dataclass(slots=True)
class Incident:
    """Signals that belong together. ``status``: open, acknowledged, resolved."""

    id: str
    title: str
    status: str
    severity: str  # low | medium | high | critical
    start_ns: int
    last_ns: int
    end_ns: int = 0
    pipeline: str = ""
    hosts: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    signal_ids: list[str] = field(default_factory=list)
    template_ids: list[str] = field(default_factory=list)
    score: float = 0.0
    hypotheses: list[Hypothesis] = field(default_factory=list)
    summary: list[Sentence] = field(default_factory=list)
    not_examined: list[str] = field(default_factory=list)
    similar: list[str] = field(default_factory=list)
    merged_into: str = ""  # the incident that has its signals now
    follows: str = ""  # the incident that had calmed down near it when it began, of another cause
    actions: list[Action] = field(default_factory=list)


@dataclass(slots=True)
class Forecast:
    """P(failure of ``host`` within ``horizon_s`` after ``made_ns``); ``reasons`` are (text, weight).

    Where a time to a limit is foreseen, ``metric`` is what reaches it, ``eta_s`` when after ``made_ns``, and
    ``eta_low_s`` to ``eta_high_s`` the range that is believed (None: open). ``alarm`` says that an alarm is on.
    """

    id: str
    host: str
    made_ns: int
    horizon_s: int
    probability: float
    model: str
    calibrated: bool
    pipeline: str = ""
    state: str = "ok"  # or "not_enough_history"
    reasons: list[tuple[str, float]] = field(default_factory=list)
    metric: str = ""
    eta_s: float | None = None
    eta_low_s: float | None = None
    eta_high_s: float | None = None
    alarm: bool = False


@dataclass(slots=True)
class Query:
    """A compiled search. Lists are any-of; an empty list or None does not restrict.

    ``text`` is the keyword part (matched in message, template and keywords); ``phrases`` must occur verbatim.
    ``template_ids`` is the semantic part: lines of these templates match even if no word does.
    ``fields`` are exact matches on further ECS fields.
    """

    text: str = ""
    phrases: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    levels: list[str] = field(default_factory=list)
    pipelines: list[str] = field(default_factory=list)
    template_ids: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    from_ns: int | None = None
    to_ns: int | None = None


@dataclass(slots=True)
class Hit:
    """One found line with its relevance (higher is better; comparable within one answer only)."""

    record: LogRecord
    score: float


@dataclass(slots=True)
class Page:
    """One page of an answer with what is shown beside it: see ``Index.page``."""

    total: int
    hits: list[Hit]
    terms: dict[str, list[tuple[str, int]]]
    histogram: list[tuple[int, int]]
