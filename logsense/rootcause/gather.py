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
AFTERMATH_S = 10  # queues are worked off after the last signal
LEAST_NORMAL_S = 60
READ = 50  # lines read of each message type that became more frequent
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\.\d)")


def gather_incident(
    index: Index,
    incident: Incident,
    calls: Sequence[tuple[str, str]] = (),
    options: RootcauseOptions | None = None,
    addresses: Mapping[str, str] | None = None,
    reader: RequestLines | None = None,
    trouble: Sequence[tuple[int, int]] = (),
) -> Evidence:
    """Evidence of one incident: its hosts, those they call, and the time before it.

    ``trouble`` are times of other incidents: what was before them or between them is normal, they are not.
    """
    options = options or RootcauseOptions()
    signals = [
        # An episode may have been part of an earlier incident, too: what is told here begins with this one.
        replace(signal, start_ns=max(signal.start_ns, incident.start_ns))
        if signal.end_ns > incident.start_ns
        else signal
        for signal in index.signals(ids=incident.signal_ids)
    ]
    hosts = set(incident.hosts)
    hosts |= {callee for caller, callee in calls if caller in hosts}
    hosts |= {caller for caller, callee in calls if callee in hosts}
    # The lead is for causes that show before the first signal; what an incident before left behind is no cause of this.
    over = [to + AFTERMATH_S * SECOND for _, to in trouble if to < incident.start_ns]
    start_ns = min(incident.start_ns, max([incident.start_ns - options.lead_s * SECOND, *over]))
    normal = free_of(trouble, start_ns - options.before_s * SECOND, start_ns)
    evidence = gather(index, start_ns, incident.last_ns, signals, sorted(hosts), calls, options, addresses, normal)
    # Of requests the lead is left out: mixed into the incident it would hide how it differs.
    end_ns = max(incident.last_ns, incident.start_ns)
    requests = gather_requests(index, incident.start_ns, end_ns, normal, options, reader)
    return replace(evidence, requests=requests)


def free_of(trouble: Sequence[tuple[int, int]], from_ns: int, to_ns: int) -> list[tuple[int, int]]:
    """The half-open parts of ``from_ns`` … ``to_ns`` that no trouble touches, nor what it leaves behind.

    All of it where next to nothing would be left: a poor measure is better than none.
    """
    at, parts = from_ns, list[tuple[int, int]]()
    for begin, end in sorted(trouble):
        end += AFTERMATH_S * SECOND
        if end > at and begin < to_ns:
            if begin > at:
                parts.append((at, begin))
            at = max(at, end)
    if at < to_ns:
        parts.append((at, to_ns))
    return parts if sum(to - since for since, to in parts) >= LEAST_NORMAL_S * SECOND else [(from_ns, to_ns)]


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
    services: dict[str, list[str]] = {}
    for host in names or [""]:
        where = [host] if host else []
        services[host] = [
            name for name, _ in index.terms(Query(hosts=where, from_ns=before_ns, to_ns=end_ns), "service", 50)
        ]
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
    during = Query(hosts=where, from_ns=start_ns, to_ns=end_ns + 1)
    counts = dict(index.terms(during, "template_id", MAX_TEMPLATES))
    for signal in signals:
        if signal.template_id and signal.host == host:
            counts.setdefault(signal.template_id, int(signal.value or 1))
    past: Counter[str] = Counter()
    for since, to in normal:
        past.update(dict(index.terms(Query(hosts=where, from_ns=since, to_ns=to), "template_id", MAX_TEMPLATES * 2)))
    normal_ns = sum(to - since for since, to in normal)
    known = {template.id: template for template in index.templates(sorted(counts))}
    for template_id, count in sorted(counts.items()):
        template = known.get(template_id)
        if template is None:
            continue
        samples: list[tuple[str, str]] = []
        peers: list[tuple[str, int]] = []
        first_ns, service = 0, template.service
        if count > 3 * past[template_id] * max(end_ns - start_ns, 1) / max(normal_ns, 1):
            only = Query(hosts=where, template_ids=[template_id], from_ns=start_ns, to_ns=end_ns + 1)
            _, hits = index.search(only, limit=READ, offset=max(0, count - READ), by_time=True)
            for hit in reversed(hits):
                if len(samples) < 3:
                    samples.append((hit.record.id, hit.record.message[:300]))
                first_ns = first_ns or hit.record.timestamp_ns
                service = hit.record.service or service
            peers = _peers(hit.record.message for hit in hits)
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
        for _, name in index.metric_names(host)[:MAX_SERIES]:
            points = index.metric_series(host, name, before_ns, end_ns + 1, step_ns)
            if points:
                yield SeriesExcerpt(host, name, points)
