"""Group signals into incidents: by time, place and dependency; open on enough evidence; calm, resolve, reopen."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict

from logsense.incidents.aftermath import Apart, mark, news
from logsense.incidents.decisions import Decision
from logsense.incidents.evidence import PRIOR, aspect, strength
from logsense.incidents.group import MAX_PHRASES, MAX_TEMPLATES, Group, phrases, read_group
from logsense.incidents.naming import severity_of, title_of
from logsense.incidents.options import IncidentOptions
from logsense.record import Incident, Signal

SECOND = 1_000_000_000
SAME_WORDS = 3  # word triples of an error that another group must have used: a phrase of five words
SAME_MEANING = 0.85  # cosine of template embeddings
Related = Callable[[str, str], bool]


class Incidents:
    """Feed with the signals of each closed window, in time order; get back the incidents that changed.

    ``related(a, b)`` says whether trouble can spread between two hosts (see ``dependencies``). Hosts of one
    pipeline that complain in the same words at the same time are related, too: a client repeats its server's
    error. ``similarity`` compares template ids by meaning (cosine of their embeddings) and is optional.

    What begins after a pause near an incident that has calmed down is an incident of its own unless the same deviates
    again; even then it is one if ``apart`` says that the causes differ. See ``aftermath``.
    """

    def __init__(
        self,
        options: IncidentOptions | None = None,
        related: Related | None = None,
        similarity: Callable[[list[str], list[str]], float] | None = None,
        apart: Apart | None = None,
    ) -> None:
        self.options = options or IncidentOptions()
        self.related: Related = related or (lambda a, b: False)
        self.similarity = similarity
        self.apart = apart
        self.next_number = 1
        self.decided = 0  # number of the last decision of people that was applied
        self._known_ns = 0  # event time up to which all is known
        self._active: list[Group] = []
        self._closed: list[Group] = []

    def update(self, signals: Iterable[Signal], now_ns: int) -> list[Incident]:
        """Take the signals of one or more windows; ``now_ns`` is the event time up to which all is known.

        Returns the incidents that opened, grew, calmed or reopened, oldest first. A signal whose id is known
        extends its group without counting twice.
        """
        changed: dict[int, Group] = {}
        by_host: dict[tuple[str, str], list[Group]] = {}
        for group in self._active:
            for host in group.hosts or {"": 0.0}:
                _enter(by_host, host, group)
        now = -(2**63)
        for signal in sorted(signals, key=lambda s: (s.end_ns, s.start_ns, s.id)):
            if signal.end_ns > now:  # a window is complete: open what it proves, let go what has calmed down
                self._open_due(now, changed, by_host)
                now = signal.end_ns
                self._expire(now, changed, by_host)
            late = self._known_ns - signal.end_ns > self.options.join_s * SECOND
            group = (late and self._late(signal)) or self._find(signal, by_host)
            self._absorb(group, signal, late=late and bool(group.id))
            if late:
                group.heard_ns = now_ns
            _enter(by_host, signal.host, group)
            changed[id(group)] = group
        self._open_due(now_ns, changed, by_host)
        self._expire(now_ns, changed, by_host)
        self._known_ns = max(self._known_ns, now_ns)
        return [self.incident(g) for g in sorted(changed.values(), key=lambda g: (g.start_ns, g.id)) if g.id]

    def decide(self, decision: Decision, signals: Sequence[Signal] = ()) -> list[Incident]:
        """Apply a merge or a split; ``signals`` are those of the incident that is split. Returns what changed.

        What makes no sense any more (an incident that is not remembered, a split that would leave nothing) changes
        nothing. Applying a decision again changes nothing either.
        """
        if decision.number <= self.decided:
            return []
        self.decided = decision.number
        group = self._by_id(decision.incident)
        if group is None:
            return []
        if decision.kind == "merge":
            into = self._by_id(decision.into)
            return self._decide_merge(group, into) if into is not None and into is not group else []
        return self._decide_split(group, decision, signals)

    def _by_id(self, incident_id: str) -> Group | None:
        return next((g for g in [*self._active, *self._closed] if g.id == incident_id), None)

    def _decide_merge(self, group: Group, into: Group) -> list[Incident]:
        gone = self.incident(group)
        gone.status, gone.end_ns, gone.merged_into = "resolved", group.end_ns or group.last_ns, into.id
        if group.status == "open" and into.status != "open":
            into.status, into.end_ns = "open", 0
            self._closed = [g for g in self._closed if g is not into]
            self._active.append(into)
        elif into.end_ns:
            into.end_ns = max(into.end_ns, group.end_ns)
        self._merge(into, group, {})
        self._closed = [g for g in self._closed if g is not group]
        return [gone, self.incident(into)]

    def _decide_split(self, group: Group, decision: Decision, signals: Sequence[Signal]) -> list[Incident]:
        def leaves(signal: Signal) -> bool:
            return signal.host in decision.hosts or signal.service in decision.services

        parts = ([s for s in signals if not leaves(s)], [s for s in signals if leaves(s)])
        if not all(parts):
            return []
        made = []
        for part, identity in zip(parts, (group.id, f"inc-{self.next_number}"), strict=True):
            first = min(part, key=lambda s: (s.start_ns, s.id))
            one = Group(group.pipeline, first.start_ns, first.end_ns)
            for signal in sorted(part, key=lambda s: (s.end_ns, s.start_ns, s.id)):
                self._absorb(one, signal)
            one.id, one.opened_ns, one.status = identity, group.opened_ns, group.status
            one.end_ns = one.last_ns if group.end_ns else 0
            made.append(one)
        self.next_number += 1
        for groups in (self._active, self._closed):
            if any(g is group for g in groups):
                groups[:] = [g for g in groups if g is not group] + made
        return [self.incident(one) for one in made]

    def bar(self) -> float:
        """Joint score that opens an incident: once in so many windows on healthy data."""
        per_day = 86_400 / self.options.window_s
        return math.log10(per_day / max(self.options.false_incidents_per_day, 1e-3))

    # -- membership ------------------------------------------------------------------------------------

    def _late(self, signal: Signal) -> Group | None:
        """The group of a signal that was noticed long after it ended: the nearest one of that time, over or not."""
        found: list[tuple[int, bool, int, Group]] = []
        for number, group in enumerate([*self._closed, *self._active]):
            away_ns = max(group.start_ns - signal.end_ns, signal.start_ns - group.last_ns, 0)
            if away_ns > self.options.join_s * SECOND:
                continue
            if signal.host in group.hosts or any(self._linked(host, signal.host) for host in group.hosts):
                found.append((away_ns, signal.host not in group.hosts, -number, group))
        return min(found, key=lambda one: one[:3])[3] if found else None

    def _linked(self, one: str, two: str) -> bool:
        return self.related(one, two) or self.related(two, one)

    def _find(self, signal: Signal, by_host: dict[tuple[str, str], list[Group]]) -> Group:
        """The group that the signal belongs to: same place first, then a related one, else a new one."""
        calmed: list[Group] = []
        since_ns = 0  # when the trouble at its own place had calmed down: what ran beside that is no home for it
        near: list[Group] = []
        for look in (self._here, self._nearby, self._same_words):
            found = list(look(signal, by_host))
            over = [g for g in found if self._calmed(g, signal)]
            near = [g for g in found if not any(g is old for old in over) and (not g.id or g.start_ns >= since_ns)]
            calmed += over
            if near:
                break
            since_ns = max([since_ns, *(g.last_ns for g in over if g.id)])
        if not near:
            begun_ns = max([self._onset(g, signal) for g in calmed], default=signal.start_ns)
            group = Group(signal.pipeline, begun_ns, signal.end_ns)
            old = max(calmed, key=lambda g: (bool(g.id), g.last_ns, g.id), default=None)
            group.follows = (old.id or old.follows) if old is not None else ""
            self._active.append(group)
            return group
        near.sort(key=lambda g: (not g.id, -g.last_ns, g.start_ns))
        target = near[0]
        for other in near[1:]:  # groups that are not incidents yet join the one that the signal ties them to
            if other is not target and not other.id:
                self._merge(target, other, by_host)
        return target

    def _here(self, signal: Signal, by_host: dict[tuple[str, str], list[Group]]) -> Iterator[Group]:
        """Groups of the signal's host; without one, of its service."""
        for group in by_host.get((signal.host, "" if signal.host else signal.pipeline), []):
            if self._fits(group, signal) and (signal.host or signal.service in group.services):
                yield group

    def _nearby(self, signal: Signal, by_host: dict[tuple[str, str], list[Group]]) -> Iterator[Group]:
        """Groups of hosts that trouble spreads to and from."""
        for (host, _), groups in by_host.items() if signal.host else ():
            if host and host != signal.host and self._linked(host, signal.host):
                yield from (g for g in groups if self._fits(g, signal) and self._same_pipeline(g, signal))

    def _same_words(self, signal: Signal, _: dict[tuple[str, str], list[Group]]) -> list[Group]:
        """Groups of the pipeline whose errors are worded (or, with embeddings, meant) like this one."""
        said = phrases(signal)
        if not said:
            return []
        near = []
        for group in self._active:
            if not self._fits(group, signal) or not self._same_pipeline(group, signal) or not group.phrases:
                continue
            if signal.service in group.services:
                continue  # the same service with the same error elsewhere is a second trouble, not an echo
            if len(said & set(group.phrases)) >= SAME_WORDS or (
                self.similarity is not None
                and signal.template_id
                and group.templates
                and self.similarity([signal.template_id], list(group.templates)) >= SAME_MEANING
            ):
                near.append(group)
        return near

    def _fits(self, group: Group, signal: Signal) -> bool:
        # by its last window: a silence or an episode may have begun long before it was noticed
        newest = signal.end_ns - self.options.window_s * SECOND
        return group.status == "open" and newest - group.last_ns <= self.options.join_s * SECOND

    def _calmed(self, group: Group, signal: Signal) -> bool:
        """Whether what the group holds had come to rest when this began; in a storm nothing is taken apart."""
        if self._onset(group, signal) - group.last_ns < self.options.pause_s * SECOND:
            return False
        if not (group.id or group.follows):
            return False
        return 2 * sum(bool(g.id) and g.pipeline == group.pipeline for g in self._active) < self.options.storm

    def _onset(self, group: Group, signal: Signal) -> int:
        """When it began, or began again: detectors take what comes back within a minute for the same episode."""
        newest_ns = signal.end_ns - self.options.window_s * SECOND
        return max(signal.start_ns, newest_ns) if signal.id in group.signals else signal.start_ns

    def _same_pipeline(self, group: Group, signal: Signal) -> bool:
        return not group.pipeline or not signal.pipeline or group.pipeline == signal.pipeline

    def _absorb(self, group: Group, signal: Signal, *, late: bool = False) -> None:
        """Take the signal in; one that comes late to an incident does not move its times."""
        known = signal.id in group.signals
        if not late:
            if not group.id and self._onset(group, signal) - group.last_ns >= self.options.pause_s * SECOND:
                group.burst_ns, group.burst = self._onset(group, signal), {}
            if group.id == "" or self._extends(group, signal):
                group.last_ns = max(group.last_ns, signal.end_ns)
            if not known:
                before = self._by_id(group.follows) if group.follows else None
                begun_ns = self._onset(before, signal) if before is not None else signal.start_ns
                group.start_ns = min(group.start_ns, max(begun_ns, group.start_ns - self.options.join_s * SECOND))
        group.pipeline = group.pipeline or signal.pipeline
        if known or len(group.signals) < self.options.max_signals:
            group.signals[signal.id] = max(signal.score, group.signals.get(signal.id, 0.0))
        for name, weights in ((signal.host, group.hosts), (signal.service, group.services)):
            if name:
                weights[name] = max(weights.get(name, 0.0), signal.score)
        if signal.template_id and (signal.template_id in group.templates or len(group.templates) < MAX_TEMPLATES):
            group.templates[signal.template_id] = max(signal.score, group.templates.get(signal.template_id, 0.0))
        what = aspect(signal)
        for best in (group.best,) if group.id else (group.best, group.burst):
            if signal.score > best.get(what, ("", -1.0))[1]:
                best[what] = (signal.kind, signal.score)
        if not known and len(group.phrases) < MAX_PHRASES:
            group.phrases.extend(sorted(phrases(signal) - set(group.phrases)))
        name, found = mark(signal)
        if found[2] > group.marks.get(name, ("", "", -1.0))[2] and (
            name in group.marks or len(group.marks) < MAX_TEMPLATES
        ):
            group.marks[name] = found
        self._lead(group, signal)

    def _extends(self, group: Group, signal: Signal) -> bool:
        """Does this keep an incident alive? What would open one by itself does, or more of what was as strong.

        A stray error a minute after the end is listed, but must not bridge the time to the next trouble.
        """
        known = max(group.signals.get(signal.id, 0.0), group.templates.get(signal.template_id, 0.0))
        return max(signal.score, known) + PRIOR.get(signal.kind, 0.0) >= self.bar()

    def _lead(self, group: Group, signal: Signal) -> None:
        lead = {
            "id": signal.id, "kind": signal.kind, "score": signal.score, "host": signal.host,
            "service": signal.service, "text": signal.text, "metric": signal.metric,
        }  # fmt: skip
        best = group.leads.get(signal.kind)
        if best is None or (signal.score, signal.id) >= (best["score"], best["id"]):
            group.leads[signal.kind] = lead

    def _merge(self, target: Group, other: Group, by_host: dict[tuple[str, str], list[Group]]) -> None:
        target.take(other, self.options.max_signals)
        other.status = "merged"
        self._remove(other, by_host)
        for host in other.hosts:
            _enter(by_host, host, target)

    def _remove(self, group: Group, by_host: dict[tuple[str, str], list[Group]]) -> None:
        self._active = [g for g in self._active if g is not group]
        for key in [(host, "") for host in group.hosts] + [("", group.pipeline)]:
            if key in by_host:
                by_host[key] = [g for g in by_host[key] if g is not group]

    # -- life cycle ------------------------------------------------------------------------------------

    def _open_due(self, now_ns: int, changed: dict[int, Group], by_host: dict[tuple[str, str], list[Group]]) -> None:
        for group in list(changed.values()):
            if not group.id and group.status == "open" and group.strength() >= self.bar():
                self._open(group, now_ns, changed, by_host)

    def _open(
        self, group: Group, now_ns: int, changed: dict[int, Group], by_host: dict[tuple[str, str], list[Group]]
    ) -> None:
        again = self._by_id(group.follows) if group.follows else self._same_again(group)
        if again is not None and not self._parted(again, group):
            if again.status != "open":
                self._closed = [g for g in self._closed if g is not again]
                again.status, again.end_ns = "open", 0
                self._active.append(again)
            for host in again.hosts:
                _enter(by_host, host, again)
            self._merge(again, group, by_host)
            changed.pop(id(group), None)
            changed[id(again)] = again
            return
        if wide := self._storm(group):
            self._merge(wide, group, by_host)
            changed.pop(id(group), None)
            changed[id(wide)] = wide
            return
        if group.burst_ns and group.burst.keys() == group.best.keys() and strength(group.burst) >= self.bar():
            group.start_ns = max(group.start_ns, group.burst_ns)  # a weak sign of the same kind did not begin it
        group.burst = {}
        group.id, group.opened_ns = f"inc-{self.next_number}", now_ns
        self.next_number += 1

    def _parted(self, old: Group, group: Group) -> bool:
        """Whether the group is another trouble than the incident that had calmed down before."""
        if strength(news(old.marks, group.marks)) >= self.bar():
            return True
        return self.apart is not None and self.apart(self.incident(old), self.incident(group))

    def _storm(self, group: Group) -> Group | None:
        """The widest incident of the pipeline when too many run at once: people cannot work on a hundred."""
        running = [g for g in self._active if g.id and g.pipeline == group.pipeline]
        return max(running, key=lambda g: (len(g.hosts), -g.start_ns)) if len(running) >= self.options.storm else None

    def _same_again(self, group: Group) -> Group | None:
        """The incident that calmed down a moment ago at the same place with the same kinds of messages."""
        for other in reversed(self._closed):
            if group.start_ns - other.last_ns > self.options.reopen_s * SECOND:
                continue
            if not set(group.hosts) & set(other.hosts) or not (set(group.templates) | set(other.templates)):
                continue
            if jaccard(group.templates, other.templates) >= 0.5 and set(group.best) & set(other.best):
                return other
        return None

    def _expire(self, now_ns: int, changed: dict[int, Group], by_host: dict[tuple[str, str], list[Group]]) -> None:
        for group in [g for g in self._active if now_ns - max(g.last_ns, g.heard_ns) > self._patience(g)]:
            if group.id:
                group.status, group.end_ns = "resolved", group.last_ns
                self._closed = [*self._closed[-self.options.remembered :], group]
                changed[id(group)] = group
            else:
                group.status = "dropped"
                old = self._by_id(group.follows) if group.follows else None
                if old is not None and old.status in ("open", "resolved"):  # it is listed, but keeps nothing alive
                    last_ns, heard_ns = old.last_ns, old.heard_ns
                    self._merge(old, group, by_host)
                    old.last_ns, old.heard_ns = last_ns, heard_ns
                    changed[id(old)] = old
                    continue
            self._remove(group, by_host)

    def _patience(self, group: Group) -> int:
        return (self.options.calm_s if group.id else self.options.join_s) * SECOND

    # -- answers ---------------------------------------------------------------------------------------

    def incident(self, group: Group) -> Incident:
        """The record of a group, with what the grouping knows; hypotheses and summary are other people's."""
        ranked = sorted(group.hosts, key=lambda host: (-group.hosts[host], host))
        services = sorted(group.services, key=lambda service: (-group.services[service], service))
        return Incident(
            id=group.id, title=title_of(list(group.leads.values())), status=group.status, start_ns=group.start_ns,
            severity=severity_of(group.best, len(group.hosts), group.strength()), last_ns=group.last_ns,
            end_ns=group.end_ns, pipeline=group.pipeline, hosts=ranked, services=services,
            signal_ids=list(group.signals), template_ids=list(group.templates), score=group.strength(),
            follows=group.follows,
        )  # fmt: skip

    def spans(self, but: Incident) -> list[tuple[int, int]]:
        """(first, last) in ns of the other incidents of its pipeline that are remembered: times that are not normal."""
        every = [*self._closed, *self._active]
        return [(g.start_ns, g.last_ns) for g in every if g.id and g.id != but.id and g.pipeline == but.pipeline]

    def opened_ns(self, incident_id: str) -> int:
        """Event time at which the incident was opened; 0 if unknown."""
        return next((g.opened_ns for g in [*self._active, *self._closed] if g.id == incident_id), 0)

    # -- state -----------------------------------------------------------------------------------------

    def load(self, db: sqlite3.Connection) -> None:
        """Read groups and the next number; the table is made if it is missing."""
        db.execute("CREATE TABLE IF NOT EXISTS incidents_state (id INTEGER PRIMARY KEY, body TEXT)")
        row = db.execute("SELECT body FROM incidents_state WHERE id = 0").fetchone()
        if not row:
            return
        body = json.loads(row[0])
        self.next_number, self.decided = body["next"], body.get("decided", 0)
        self._known_ns = body.get("known", 0)
        self._active = [read_group(one) for one in body["active"]]
        self._closed = [read_group(one) for one in body["closed"]]

    def save(self, db: sqlite3.Connection) -> None:
        """Write groups as JSON. Does not commit."""
        db.execute("CREATE TABLE IF NOT EXISTS incidents_state (id INTEGER PRIMARY KEY, body TEXT)")
        body = {
            "next": self.next_number,
            "decided": self.decided,
            "known": self._known_ns,
            "active": [asdict(group) for group in self._active],
            "closed": [asdict(group) for group in self._closed],
        }
        db.execute("INSERT OR REPLACE INTO incidents_state VALUES (0, ?)", (json.dumps(body),))


def _enter(by_host: dict[tuple[str, str], list[Group]], host: str, group: Group) -> None:
    """Let signals of ``host`` find ``group``; signals without a host look by pipeline."""
    groups = by_host.setdefault((host, "" if host else group.pipeline), [])
    if not any(known is group for known in groups):
        groups.append(group)


def jaccard(one: Iterable[str], two: Iterable[str]) -> float:
    """Shared over all; 1 for two empty sets."""
    a, b = set(one), set(two)
    return len(a & b) / len(a | b) if a | b else 1.0
