"""The shapes of the answers, for OpenAPI. ``logsense.workspace`` makes them; tests hold the two together."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_T = "2026-03-01T02:14:07.123Z"


class Shape(BaseModel):
    """Members may be added in later versions; clients ignore those that they do not know."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


class Problem(Shape):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:logsense:problem:not-found"])
    title: str = Field(examples=["Not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no incident 'INC-7'"])
    instance: str = Field(examples=["/api/v1/incidents/INC-7"])
    why: str = Field(examples=["it was never opened in this data folder"])
    where: str = Field(examples=["incident id"])
    fix: str = Field(examples=["GET /api/v1/incidents lists them"])


class LogHit(Shape):
    """One line of the log."""

    id: str
    timestamp: str = Field(alias="@timestamp", examples=[_T])
    message: str = Field(examples=["FATAL: remaining connection slots are reserved"])
    host: str = Field(examples=["db1"])
    service: str = Field(examples=["postgresql"])
    level: str = Field(examples=["critical"])
    template_id: str = ""
    score: float = Field(0.0, description="relevance, comparable within one answer only")
    source: str = Field("", description="where the line came from", examples=["tail:/var/log/syslog"])
    pipeline: str = ""
    original: str = Field("", description="the received text where it differs from the message")
    fields: dict[str, Any] = Field(default_factory=dict, description="further Elastic Common Schema fields")


class Understood(Shape):
    """What a part of the question was taken to mean."""

    what: str = Field(examples=["time"])
    said: str = Field(examples=["last night"])
    means: str = Field(examples=["2026-02-28T22:00Z to 2026-03-01T06:00Z"])
    syntax: str = Field("", description="the same in the query syntax", examples=["host:db1"])


class CompiledQuery(Shape):
    """The question as it was understood."""

    text: str = ""
    phrases: list[str] = []
    exclude: list[str] = []
    hosts: list[str] = []
    services: list[str] = []
    levels: list[str] = []
    from_: str | None = Field(None, alias="from")
    to: str | None = None
    template_ids: list[str] = []
    fields: dict[str, str] = {}
    pipelines: list[str] = []
    understood: list[Understood] = []
    syntax: str = Field("", description="the query as it can be typed into `q`", examples=["host:db1 level:error disk"])
    semantic: bool = False


class Answer(Shape):
    """The answer to a question that does not ask for lines."""

    kind: Literal["count", "table", "series", "first", "last", "compare"]
    text: str = Field(examples=["52 lines were found."])
    value: int | None = Field(None, description="count, compare: the number")
    before: int | None = Field(None, description="compare: the number of the earlier time")
    by: str = Field("", description="table: the field", examples=["host"])
    step_s: float | None = Field(None, description="series: seconds of a step")
    columns: list[str] = []
    rows: list[list[Any]] = []
    at: str | None = Field(None, description="first, last: when")
    hit: LogHit | None = Field(None, description="first, last: the line")


class TemplateCount(Shape):
    """A message template and how many of the found lines are of it."""

    id: str
    template: str = Field(examples=["could not connect to server <*>"])
    count: int
    score: float = 0.0


class IncidentBrief(Shape):
    """An incident in a list."""

    id: str
    title: str = Field(examples=["postgresql on db1 refuses connections"])
    status: Literal["open", "acknowledged", "resolved"]
    severity: Literal["low", "medium", "high", "critical"]
    start: str = Field(examples=[_T])
    last: str = Field(examples=[_T])
    end: str | None = ""
    hosts: list[str]
    services: list[str]
    pipeline: str = ""
    score: float = 0.0
    signals: int = 0
    cause: str = ""
    merged_into: str = Field("", description="The incident that it is part of since people merged it")
    follows: str = Field("", description="The incident of another cause that had calmed down near it when it began")


class Histogram(Shape):
    """Lines per step of time; empty steps may be missing."""

    step_s: float
    buckets: list[tuple[str, int]]


class SearchAnswer(Shape):
    """What a search found."""

    query: CompiledQuery
    answer: Answer | None = None
    total: int
    hits: list[LogHit]
    templates: list[TemplateCount] = []
    incidents: list[IncidentBrief] = []
    histogram: Histogram | None = None
    took_ms: float = 0.0
    notes: list[str] = []


class FieldValue(Shape):
    """One value of a field."""

    value: str
    lines: int
    text: str = Field("", description="`template_id`: what the template says")


class FieldValues(Shape):
    """Values of a field, most frequent or rarest first."""

    field: str = Field(examples=["host"])
    total: int = Field(description="Lines that were counted")
    values: list[FieldValue]
    notes: list[str] = []


class LogContext(Shape):
    """A line and its neighbours of the same host and service."""

    hit: LogHit
    before: list[LogHit]
    after: list[LogHit]


class CitedSentence(Shape):
    """A sentence and the evidence that it rests on."""

    text: str
    role: str = Field("claim", examples=["cause"])
    evidence: list[str] = []


class RankedHypothesis(Shape):
    """A possible cause."""

    entity: str = Field(examples=["host:db1 service:postgresql"])
    kind: str
    score: float
    title: str = ""
    why: str = ""
    host: str = ""
    service: str = ""
    evidence: list[str] = []
    against: list[str] = []
    next_steps: list[str] = []


class TimelineEntry(Shape):
    """Something that happened during an incident."""

    timestamp: str = Field(alias="@timestamp", examples=[_T])
    kind: str = Field(examples=["log.new"])
    text: str
    host: str = ""
    service: str = ""
    score: float = 0.0
    evidence: list[str] = []


class SimilarIncident(IncidentBrief):
    """An earlier incident with what people noted about it."""

    notes: list[str] = []


class ActionTaken(Shape):
    """What a person did with an incident."""

    kind: str
    at: str
    by: str = ""
    text: str = ""
    verdict: str = ""


class ChartSpan(Shape):
    """A metric worth looking at."""

    host: str
    metric: str
    from_: str = Field(alias="from")
    to: str


class IncidentDetail(IncidentBrief):
    """Everything known about an incident."""

    summary: list[CitedSentence] = []
    hypotheses: list[RankedHypothesis] = []
    not_examined: list[str] = []
    timeline: list[TimelineEntry] = []
    similar: list[SimilarIncident] = []
    actions: list[ActionTaken] = []
    charts: list[ChartSpan] = []
    templates: list[dict[str, Any]] = []


class Diagnosis(Shape):
    """Ranked causes for a span of time."""

    from_: str | None = Field(alias="from")
    to: str | None
    hypotheses: list[RankedHypothesis]
    not_examined: list[str] = []
    summary: str = ""
    sentences: list[CitedSentence] = []
    incidents: list[str] = []


class Evidence(Shape):
    """What an evidence id stands for, with the thing itself in further members."""

    id: str = Field(examples=["line:9f2c"])
    type: Literal["line", "template", "metric", "signal", "incident"]
    title: str


class TemplateBrief(Shape):
    """A mined message template, with the templates that were merged into it."""

    id: str
    template: str
    label: str = Field("", description="the name that people gave it")
    noise: bool = Field(False, description="people say that it means nothing: it raises no signal")
    version: int = 1
    count: int = 0
    share: float = Field(0.0, description="of all lines of the time asked for")
    level: str = ""
    service: str = ""
    first_seen: str | None = ""
    last_seen: str | None = ""
    new: bool = Field(False, description="first seen lately, or since `from`")
    rare: bool = False
    merged: int = Field(0, description="templates that were merged into it")
    keywords: list[str] = []
    course: Histogram | None = Field(None, description="every step, also those without lines")


class TemplateAlias(Shape):
    """A template that another one took over."""

    id: str
    template: str
    count: int
    by: str = Field("miner", examples=["miner", "user"])


class TemplateVersion(Shape):
    """What a template read like, and when it first did."""

    version: int
    template: str
    seen: str


class TemplateParameter(Shape):
    """A variable of a template over the latest lines."""

    position: int = Field(description="counted from 1")
    name: str = Field("", description="its key or the word before it")
    field: str = Field("", description="the field of the lines that holds it", examples=["source.ip"])
    type: str = Field(examples=["ip", "integer", "duration", "word"])
    distinct: int
    top: list[tuple[str, int]]
    quantiles: list[float] = Field([], description="0, ¼, ½, ¾, 1; durations in seconds, sizes in bytes")


class TemplateEdit(Shape):
    """One change that somebody made."""

    edit: int
    kind: Literal["rename", "merge", "split", "noise", "undo"]
    id: str
    at: str
    by: str = ""
    note: str = ""
    label: str = ""
    into: str = ""
    parameter: int = 0
    on: bool = True
    undoes: int = 0
    holds: bool = Field(True, description="false when it was undone")


class HostCourse(Shape):
    """A template's lines on one host."""

    host: str
    count: int
    course: Histogram


class TemplateDetail(TemplateBrief):
    """A template in full: lineage, parameters, course over time and latest lines."""

    entities: list[str] = []
    sample: str = ""
    alias_of: str = ""
    alias_by: str = Field("", description="`user`, or empty for the miner")
    split_of: str = ""
    versions: list[TemplateVersion] = []
    aliases: list[TemplateAlias] = []
    split_into: list[dict[str, Any]] = []
    edits: list[TemplateEdit] = []
    parameters: list[TemplateParameter] = []
    sampled: int = Field(0, description="lines that the parameters were read from")
    hosts: list[HostCourse] = []
    histogram: Histogram | None = None
    hits: list[LogHit] = []


class DriftedTemplate(TemplateBrief):
    """A template that comes more or less often than before."""

    before: int
    after: int
    rate_before: float = Field(description="lines a second")
    rate_after: float
    score: float = Field(description="-log10 of the chance that the difference comes by itself")


class TemplateDrift(Shape):
    """What changed between two times."""

    baseline: tuple[str, str]
    compared: tuple[str, str]
    new: list[DriftedTemplate]
    vanished: list[DriftedTemplate]
    changed: list[DriftedTemplate]


class Reason(Shape):
    """A reason of a forecast."""

    text: str
    weight: float


class ForecastItem(Shape):
    """P(failure of the host within the horizon)."""

    id: str
    host: str
    made: str
    horizon_s: int
    probability: float | None
    calibrated: bool = False
    state: str = Field("ok", examples=["ok", "not_enough_history"])
    model: str = ""
    alarm: bool = Field(False, description="An alarm is on: the forecast is confirmed and likely enough")
    metric: str = Field("", description="What reaches its limit, where a time is foreseen")
    eta_s: float | None = Field(None, description="Seconds from `made` until it does; null: not known")
    eta_low_s: float | None = None
    eta_high_s: float | None = None
    reasons: list[Reason] = []


class HostItem(Shape):
    """A host that sent something."""

    host: str
    services: list[str] = []
    lines: int = 0
    metrics: int = 0
    risk: ForecastItem | None = None
    open_incidents: int = 0


class SeriesItem(Shape):
    """A metric series; ``points`` only when host and name were given."""

    host: str
    name: str
    points: list[tuple[str, float | None]] | None = None


class LevelHistogram(Shape):
    """Lines per step of time and level."""

    step_s: float
    series: dict[str, list[tuple[str, int]]]


class Anomaly(Shape):
    """A signal in short."""

    timestamp: str = Field(alias="@timestamp", examples=[_T])
    text: str
    score: float = 0.0
    host: str = ""


class Silenced(Shape):
    """Planned maintenance or suppression that is on: its signals are kept and counted, and call nobody."""

    kind: Literal["maintenance", "suppression"]
    reason: str
    hosts: list[str] = []
    services: list[str] = []
    until: str | None = None
    signals: int = 0


class Overview(Shape):
    """The state of everything at a glance."""

    from_: str | None = Field(alias="from")
    to: str | None
    lines: int = 0
    histogram: LevelHistogram | None = None
    incidents: list[IncidentBrief] = []
    open: int = 0
    risk: list[ForecastItem] = []
    signals: int = 0
    hosts: int = 0
    templates: int = 0
    anomalies: list[Anomaly] = []
    silenced: list[Silenced] = []


class SourceHealth(Shape):
    """How a source of logs is doing."""

    source: str
    accepted: int = 0
    parsed: int = 0
    unparsed: int = 0
    late: int = 0
    future: int = 0
    dropped: int = 0
    last: str | None = ""
    format: str = ""
    advice: str = ""


class ReadinessProblem(Shape):
    """What holds it up, since when, and what to do about it."""

    check: str
    state: str
    what: str
    why: str
    where: str
    fix: str
    since: str | None


class Readiness(Shape):
    """Whether the service can do its work, and what holds it up."""

    ready: bool
    checks: dict[str, Any]
    problems: list[ReadinessProblem] = []
