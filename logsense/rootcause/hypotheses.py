"""Rank possible causes: known patterns first, then who explains whom, then plain deviation.

A gate, not a sum: a hypothesis needs at least one decisive cue (words or a metric that tell this failure
alone), or two different supporting ones, to be considered at all; more evidence only raises it within its
tier. What a deeper or more causal hypothesis explains is put behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from logsense.record import Hypothesis, Signal
from logsense.rootcause.cues import Finding, metric_findings, series_change, text_findings
from logsense.rootcause.deviations import deviations
from logsense.rootcause.evidence import SECOND, Evidence
from logsense.rootcause.options import RootcauseOptions
from logsense.rootcause.patterns import Pattern, fill, known_patterns

TIER = {"cause": 1.0, "mechanism": 0.9, "symptom": 0.6}
MATCHED = 0.5  # a known pattern of this score leaves no need for an unknown cause at its host
EXPLAINED = 0.5  # what is explained by another hypothesis keeps this share of its score
SLACK_S = 45  # onsets are known to about a window; an effect may even be seen before its cause


@dataclass(slots=True)
class Candidate:
    """One pattern at one place, with what speaks for and against it."""

    pattern: Pattern
    host: str
    service: str
    findings: list[Finding] = field(default_factory=list)
    score: float = 0.0
    against: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    explained_by: Candidate | None = None

    @property
    def named(self) -> bool:
        """True when lines elsewhere name this host as the one that does not answer."""
        return any(finding.target == self.host for finding in self.findings)

    @property
    def onset_ns(self) -> int:
        return min((finding.onset_ns for finding in self.findings if finding.onset_ns), default=0)


def rank(
    evidence: Evidence, options: RootcauseOptions | None = None, patterns: Sequence[Pattern] | None = None
) -> list[Hypothesis]:
    """Hypotheses, best first; empty when the evidence is too thin to name a cause."""
    options = options or RootcauseOptions()
    candidates: list[Candidate] = []
    for pattern in patterns if patterns is not None else known_patterns():
        candidates += _candidates(pattern, evidence)
    shown = [candidate for candidate in candidates if candidate.score >= options.least_score]
    _explain(shown, evidence)
    shown.sort(key=lambda c: (-round(c.score, 3), c.onset_ns, c.pattern.kind, c.host, c.service))
    found = [_hypothesis(candidate, evidence) for candidate in shown]
    # a pattern that fits well at the same host says better what deviates there
    matched = {hypothesis.host for hypothesis in found if hypothesis.score >= MATCHED}
    # figures of who is slow or fails say less than a failure that is known, however weakly it shows
    deviating = deviations(evidence, figures=not found)
    extra = [hypothesis for hypothesis in deviating if hypothesis.host not in matched]
    upstream = _reach(evidence)
    for hypothesis in extra:
        if upstream.get(hypothesis.host, set()) & matched:  # it calls a host whose failure is known
            hypothesis.score = round(hypothesis.score * EXPLAINED, 4)
    found = sorted([*found, *extra], key=lambda h: -round(h.score, 3))
    if not found or found[0].score < 0.5:
        # where requests or figures were compared, they name the place better than the loudest signal does
        bar = extra[0].score * EXPLAINED if extra else 1.0
        found += [replace(one, score=round(min(one.score, bar), 4)) for one in _unexplained(evidence, options)]
        found.sort(key=lambda h: (-round(h.score, 3), h.kind, h.host))
    return found[: options.limit]


# -- candidates -----------------------------------------------------------------------------------------


def _candidates(pattern: Pattern, evidence: Evidence) -> list[Candidate]:
    """One candidate a host: the findings of a host belong to one failure there."""
    findings = [*text_findings(pattern, evidence), *metric_findings(pattern, evidence)]
    by_host: dict[str, list[Finding]] = {}
    for finding in findings:
        by_host.setdefault(_owner_host(pattern, finding, findings, evidence), []).append(finding)
    out = []
    for host, mine in sorted(by_host.items()):
        candidate = Candidate(pattern, host, _service(pattern, host, mine, evidence), mine)
        candidate.score = _strength(pattern, mine)
        if candidate.score > 0:
            out.append(candidate)
    return out


def _owner_host(pattern: Pattern, finding: Finding, all_found: Sequence[Finding], evidence: Evidence) -> str:
    """Where the failure itself is: a client's words about a server are moved to the server if it is known."""
    if pattern.peer == "called" and finding.target:
        return finding.target
    owner = finding.owner or pattern.owner
    if owner is None or finding.metric or owner.search(finding.service):
        return finding.host
    if any(owner.search(service) for service in evidence.services.get(finding.host, ())):
        return finding.host
    own = {f.host for f in all_found if f.host != finding.host and owner.search(f.service)}
    called = {callee for caller, callee in evidence.calls if caller == finding.host}
    known = {
        host
        for host, services in evidence.services.items()
        if host != finding.host and any(owner.search(service) for service in services)
    }
    known |= {s.host for s in evidence.series if owner.search(s.name.partition(".")[0]) and s.host != finding.host}
    for choice in (own & called, own, known & called, known):
        if len(choice) == 1:
            return next(iter(choice))
    return finding.host


def _service(pattern: Pattern, host: str, findings: Iterable[Finding], evidence: Evidence) -> str:
    """The service to look at: one that owns such failures, else the one named most in the findings."""
    votes: dict[str, float] = {}
    for finding in findings:
        if finding.service and finding.host == host:
            weight = (2.0 if finding.decisive else 1.0) * (0.5 if finding.service in ("kernel", "systemd") else 1.0)
            votes[finding.service] = votes.get(finding.service, 0.0) + weight
    if pattern.owner is not None:
        owners = [s for s in votes if pattern.owner.search(s)]
        owners += [s for s in evidence.services.get(host, ()) if pattern.owner.search(s)]
        if owners:
            return max(owners, key=lambda s: (votes.get(s, 0.0), s))
    if votes:
        return max(votes, key=lambda s: (votes[s], s))
    loudest = max(
        (s for s in evidence.signals if s.host == host and s.service), key=lambda s: (s.score, s.id), default=None
    )
    return loudest.service if loudest else ""


def _strength(pattern: Pattern, findings: Sequence[Finding]) -> float:
    """0…1: the gate, then a noisy-or over distinct cues, then the tier."""
    decisive_text = max((f.strength for f in findings if f.decisive and not f.metric), default=0.0)
    decisive_metric = max((f.strength for f in findings if f.decisive and f.metric), default=0.0)
    support = {f.cue: f.metric for f in findings if not f.decisive}
    if not decisive_text and not decisive_metric and len(support) < 2:
        return 0.0
    miss = (1 - 0.75 * decisive_text) * (1 - 0.55 * decisive_metric)
    for metric in support.values():
        miss *= 0.8 if metric else 0.75
    return TIER[pattern.tier] * (1 - miss)


# -- who explains whom ----------------------------------------------------------------------------------


def _explain(candidates: list[Candidate], evidence: Evidence) -> None:
    """Put behind the hypotheses that follow from a stronger one at the same place or at a host it depends on."""
    upstream = _reach(evidence)
    hubs = _hubs(candidates, evidence)
    for effect in candidates:
        for cause in sorted(candidates, key=lambda c: (-c.score, c.pattern.kind, c.host)):
            if cause is effect or _chain(cause, effect):
                continue
            if not _follows(effect, cause, upstream, hubs):
                continue
            late = (cause.onset_ns - effect.onset_ns) / SECOND
            if cause.onset_ns and effect.onset_ns and late > SLACK_S:
                effect.notes.append(f"but it began {late:.0f} s before what could explain it: {_title(cause)}")
                effect.against += cause.findings[0].evidence[:1]
                continue
            effect.explained_by = cause
            break
    for candidate in candidates:
        if candidate.explained_by is not None:
            candidate.score *= EXPLAINED
            cause = candidate.explained_by
            candidate.notes.append(f"explained by {_title(cause)}")


def _hubs(candidates: Sequence[Candidate], evidence: Evidence) -> dict[str, tuple[int, int]]:
    """For each host: how many other troubled hosts it talks to, and its own signals. The higher, the more of a hub."""
    troubled = {c.host for c in candidates} | {signal.host for signal in evidence.signals}
    talks: dict[str, set[str]] = {}
    for one, two in evidence.calls:
        talks.setdefault(one, set()).add(two)
        talks.setdefault(two, set()).add(one)
    return {
        host: (len(talks.get(host, set()) & troubled - {host}), sum(s.host == host for s in evidence.signals))
        for host in troubled
    }


def _follows(
    effect: Candidate, cause: Candidate, upstream: dict[str, set[str]], hubs: dict[str, tuple[int, int]]
) -> bool:
    same_host = cause.host == effect.host
    reaches = cause.host in upstream.get(effect.host, set())
    if effect.pattern.kind == cause.pattern.kind:
        if effect.pattern.peer == "hub":
            return hubs[cause.host] > hubs[effect.host]
        if effect.pattern.peer == "caller":
            return effect.host in upstream.get(cause.host, set())
        if cause.named != effect.named:
            return cause.named
        return reaches and cause.score >= 0.8 * effect.score
    if effect.pattern.kind not in cause.pattern.explains:
        return False
    # without known calls, a symptom of one host may follow from a cause on another
    loose = effect.pattern.tier == "symptom" and not upstream.get(effect.host)
    return (same_host or reaches or loose) and cause.score >= 0.5 * effect.score


def _chain(cause: Candidate, effect: Candidate) -> bool:
    """True when ``cause`` is itself explained by ``effect`` (no circles)."""
    seen = 0
    node: Candidate | None = cause
    while node is not None and seen < 50:
        if node is effect:
            return True
        node, seen = node.explained_by, seen + 1
    return False


def _reach(evidence: Evidence) -> dict[str, set[str]]:
    """For each host all hosts that it depends on, directly or through others."""
    direct: dict[str, set[str]] = {}
    for caller, callee in evidence.calls:
        direct.setdefault(caller, set()).add(callee)
    reach: dict[str, set[str]] = {}
    for start in direct:
        seen: set[str] = set()
        todo = list(direct[start])
        while todo:
            host = todo.pop()
            if host not in seen and host != start:
                seen.add(host)
                todo += direct.get(host, ())
        reach[start] = seen
    return reach


# -- plain deviation ------------------------------------------------------------------------------------


def _unexplained(evidence: Evidence, options: RootcauseOptions) -> list[Hypothesis]:
    """No known failure: name the place that deviates first and most, if it deviates clearly."""
    places: dict[str, list[Signal]] = {}
    for signal in evidence.signals:
        if signal.host or signal.service:  # an alert may name neither
            places.setdefault(signal.host, []).append(signal)
    upstream = _reach(evidence)
    out = []
    for host, signals in sorted(places.items()):
        strongest = sorted(signals, key=lambda s: (-s.score, s.id))[:3]
        kinds = {s.kind.partition(".")[0] for s in strongest}
        score = min(0.45, 0.05 * strongest[0].score + (0.1 if len(kinds) > 1 else 0.0))
        deeper = [other for other in places if other in upstream.get(host, set())]
        if deeper:
            score *= EXPLAINED
        if score < options.least_score:
            continue
        service = next((s.service for s in strongest if s.service), "")
        lead = strongest[0]
        out.append(
            Hypothesis(
                entity=_entity(host, service),
                kind="unexplained",
                score=score,
                host=host,
                service=service,
                title=f"Unusual behaviour of {service or host}" + (f" on {host}" if service and host else ""),
                why=f"No known failure matches. What deviates most: {lead.text}.",
                evidence=[e for s in strongest for e in (f"signal:{s.id}", *s.evidence[:2])],
                next_steps=[
                    "what was deployed or changed just before",
                    f"the lines of {host or service} around the onset",
                ],
            )
        )
    return out


# -- answers --------------------------------------------------------------------------------------------


def _hypothesis(candidate: Candidate, evidence: Evidence) -> Hypothesis:
    pattern, findings = candidate.pattern, _ordered(candidate.findings)
    words = "; ".join(list(dict.fromkeys(finding.what for finding in findings))[:2])
    missing = _missing(candidate, evidence)
    notes = [*candidate.notes, *(["but no log line says so"] if _no_words(candidate, evidence) else [])]
    return Hypothesis(
        entity=_entity(candidate.host, candidate.service),
        kind=pattern.kind,
        score=round(candidate.score, 4),
        evidence=list(dict.fromkeys(e for finding in findings for e in finding.evidence))[:20],
        against=[*candidate.against, *missing],
        host=candidate.host,
        service=candidate.service,
        title=_title(candidate),
        why=f"{pattern.why} Seen: {words}{''.join(f'; {note}' for note in notes)}.",
        next_steps=[fill(step, candidate.host, candidate.service) for step in pattern.next],
    )


def _missing(candidate: Candidate, evidence: Evidence) -> list[str]:
    """Metrics that this failure usually moves and that did not move: evidence ids."""
    if any(finding.metric for finding in candidate.findings):
        return []
    out = []
    for series in evidence.series:
        if series.host != candidate.host or not any(m.name.search(series.name) for m in candidate.pattern.metrics):
            continue
        change = series_change(series, evidence)
        if change is not None and abs(change.z) < 4:
            out.append(f"metric:{series.host}/{series.name}@{series.points[-1][0]}")
    return out[:3]


def _no_words(candidate: Candidate, evidence: Evidence) -> bool:
    """True when only metrics speak for a failure that usually shows in the logs, and logs were looked at."""
    only_metrics = all(finding.metric for finding in candidate.findings)
    return bool(only_metrics and candidate.pattern.texts and any(t.host == candidate.host for t in evidence.templates))


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: (not f.decisive, f.metric, -f.strength, f.onset_ns, f.what))


def _title(candidate: Candidate) -> str:
    return fill(candidate.pattern.title, candidate.host, candidate.service)


def _entity(host: str, service: str) -> str:
    return " ".join(part for part in (f"host:{host}" if host else "", f"service:{service}" if service else "") if part)
