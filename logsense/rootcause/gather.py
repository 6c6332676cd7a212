"""Collect the evidence of a stretch of time from an index, through the ``Index`` protocol only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from logsense.record import Incident, Query, Signal
from logsense.rootcause.evidence import SECOND, Evidence, SeriesExcerpt, TemplateCount
from logsense.rootcause.options import RootcauseOptions
from logsense.rootcause.reading import RequestLines
from logsense.rootcause.requests import Line, Requests, line_of
from logsense.stages import Index

MAX_HOSTS = 50
MAX_TEMPLATES = 300  # most frequent message types looked at per host
MAX_SERIES = 400
PROBE = 40  # lines looked at to see whether lines state their request
PROBE_SHARE = 0.25
READ = 50  # lines read of each message type that became more frequent
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d)")


def gather_incident(
    index: Index,
    incident: Incident,
    calls: Sequence[tuple[str, str]] = (),
    options: RootcauseOptions | None = None,
    addresses: Mapping[str, str] | None = None,
    reader: RequestLines | None = None,
) -> Evidence:
    """Evidence of one incident: its hosts, those they call, and the time before it."""
    options = options or RootcauseOptions()
    signals = index.signals(ids=incident.signal_ids)
    hosts = set(incident.hosts)
    hosts |= {callee for caller, callee in calls if caller in hosts}
    hosts |= {caller for caller, callee in calls if callee in hosts}
    start_ns = incident.start_ns - options.lead_s * SECOND
    evidence = gather(index, start_ns, incident.last_ns, signals, sorted(hosts), calls, options, addresses)
    # The lead is for causes that show before the first signal; mixed into the incident it would hide how it differs.
    normal = [(evidence.before_ns, start_ns)]
    end_ns = max(incident.last_ns, incident.start_ns)
    requests = gather_requests(index, incident.start_ns, end_ns, normal, options, reader)
    return replace(evidence, requests=requests, incident=True)


def gather(
    index: Index,
    start_ns: int,
    end_ns: int,
    signals: Sequence[Signal],
    hosts: Sequence[str] = (),
    calls: Sequence[tuple[str, str]] = (),
    options: RootcauseOptions | None = None,
    addresses: Mapping[str, str] | None = None,
    normal: Sequence[tuple[int, int]] = (),
) -> Evidence:
    """Evidence of ``[start_ns, end_ns]`` on ``hosts`` (all known ones when empty).

    ``normal`` are half-open periods to compare lines with, instead of the ``before_s`` seconds before. Requests are
    not read: see ``gather_requests``.
    """
    options = options or RootcauseOptions()
    before_ns = start_ns - options.before_s * SECOND
    around = Query(from_ns=before_ns, to_ns=end_ns + 1)
    names = list(hosts) or [host for host, _ in index.terms(around, "host", MAX_HOSTS)]
    if not names:  # no line at all: whoever was measured
        names = sorted({host for host, _ in index.metric_names()})[:MAX_HOSTS]
    templates: list[TemplateCount] = []
    places = [(host, [host] if host else []) for host in names or [""]]
    seen = index.terms_each([Query(hosts=where, from_ns=before_ns, to_ns=end_ns) for _, where in places], "service", 50)
    services = {host: [name for name, _ in found] for (host, _), found in zip(places, seen, strict=True)}
    for host, where in places:
        templates += _templates(index, where, host, normal or [(before_ns, start_ns)], start_ns, end_ns, signals)
    series = list(_series(index, names, before_ns, end_ns))
    absent = [f"metrics of {host}" for host in names if host and not any(s.host == host for s in series)]
    absent += [f"logs of {host}" for host in names if host and not any(t.host == host for t in templates)]
    return Evidence(
        start_ns, end_ns, before_ns, list(signals), templates, series, names, services, list(calls), absent,
        dict(addresses or {}), list(normal),
    )  # fmt: skip


def gather_requests(
    index: Index,
    start_ns: int,
    end_ns: int,
    normal: Sequence[tuple[int, int]],
    options: RootcauseOptions | None = None,
    reader: RequestLines | None = None,
) -> Requests | None:
    """Lines that state their request, of ``[start_ns, end_ns]`` and of the ``normal`` periods, on all hosts.

    None where hardly any line states one. Of long times only the beginning is read.
    """
    options = options or RootcauseOptions()
    end_ns = min(end_ns, start_ns + options.request_s * SECOND)
    during = Query(from_ns=start_ns, to_ns=end_ns + 1)
    _, hits = index.search(during, limit=PROBE, by_time=True)
    if sum(line_of(hit.record) is not None for hit in hits) < PROBE_SHARE * max(len(hits), 1):
        return None
    reader = reader or RequestLines(kept=0)
    now = _read(index, [(start_ns, end_ns + 1)], options.request_lines, reader)
    before = _read(index, normal, options.request_lines, reader)
    ids = sorted({line.template for line in (*now, *before)})
    texts = {template.id: template.text for template in index.templates(ids)}
    return Requests(before, now, texts, max(len(now), len(before)) >= options.request_lines)


def _read(index: Index, periods: Sequence[tuple[int, int]], limit: int, reader: RequestLines) -> list[Line]:
    """At most ``limit`` lines, from each period as many: its latest are nearest to the incident, but whole requests
    need a stretch without holes, so each period gives its beginning."""
    lines: list[Line] = []
    for number, (from_ns, to_ns) in enumerate(periods):
        lines += reader.read(index, from_ns, to_ns, (limit - len(lines)) // (len(periods) - number))
    lines.sort()
    return lines


def _templates(
    index: Index, where: list[str], host: str, normal: Sequence[tuple[int, int]], start_ns: int, end_ns: int,
    signals: Sequence[Signal],
) -> Iterable[TemplateCount]:  # fmt: skip
    spans = [(start_ns, end_ns + 1), *normal]
    asked = [Query(hosts=where, from_ns=since, to_ns=to) for since, to in spans]
    now, *earlier = index.terms_each(asked, "template_id", MAX_TEMPLATES * 2)
    counts = dict(now[:MAX_TEMPLATES])
    for signal in signals:
        if signal.template_id and signal.host == host:
            counts.setdefault(signal.template_id, int(signal.value or 1))
    past: Counter[str] = Counter()
    for found in earlier:
        past.update(dict(found))
    normal_ns = sum(to - since for since, to in normal)
    known = {template.id: template for template in index.templates(sorted(counts))}
    usual = max(end_ns - start_ns, 1) / max(normal_ns, 1)
    risen = [name for name, count in sorted(counts.items()) if name in known and count > 3 * past[name] * usual]
    first = index.oldest_each([replace(asked[0], template_ids=[name]) for name in risen], READ)
    lines = dict(zip(risen, first, strict=True))
    for template_id, count in sorted(counts.items()):
        template = known.get(template_id)
        if template is None:
            continue
        samples: list[tuple[str, str]] = []
        peers: list[tuple[str, int]] = []
        first_ns, service = 0, template.service
        if read := lines.get(template_id):
            samples = [(record.id, record.message[:300]) for record in read[:3]]
            first_ns = read[0].timestamp_ns
            service = next((record.service for record in reversed(read) if record.service), service)
            peers = _peers(record.message for record in read)
        yield TemplateCount(
            template_id,
            template.text,
            host,
            service,
            template.level,
            past[template_id],
            count, first_ns,
            samples, peers,
        )  # fmt: skip


def _peers(messages: Iterable[str]) -> list[tuple[str, int]]:
    """The three most frequent addresses; one line counts once for each."""
    counts: Counter[str] = Counter()
    for message in messages:
        counts.update(set(_ADDRESS.findall(message[:1000])))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:3]


def _series(index: Index, hosts: Sequence[str], before_ns: int, end_ns: int) -> Iterable[SeriesExcerpt]:
    step_ns = 10 * SECOND
    for host in hosts:
        names = [name for _, name in index.metric_names(host)[:MAX_SERIES]]
        for name, points in zip(names, index.metric_means(host, names, before_ns, end_ns + 1, step_ns), strict=True):
            if points:
                yield SeriesExcerpt(host, name, points)
