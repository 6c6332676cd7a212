"""Causes that no known pattern describes: who deviates first and deepest, by specific evidence.

A gate, not a sum. Trials on requests of 46 services: adding delay to changed steps made both worse, while asking in
turn "is a resource taken up?", "does one place delay its requests?", "do its requests take other steps?", "who adds
latency or failures along the calls?" names the place. The first kind that is clear decides; the others follow behind
it, and what opened no gate breaks ties.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from logsense.record import Hypothesis
from logsense.rootcause.delays import Delay, Hop, delays
from logsense.rootcause.evidence import Evidence
from logsense.rootcause.golden import excesses
from logsense.rootcause.onsets import onset
from logsense.rootcause.patterns import fill
from logsense.rootcause.requests import Place, Requests, callers
from logsense.rootcause.resources import Use, taken_up
from logsense.rootcause.silence import silent_places
from logsense.rootcause.steps import END, Change, changes

#: Explained delay from which a place is taken for the slow one: quiet minutes and other faults stay at 0.
DELAY_GATE = 0.25
CLOSE = 0.8  # share of the strongest's strength from which an earlier onset decides
PARTIAL = 1.0  # what a partly taken up resource adds to a delay's score
BOTH = 0.4  # share of the slowest place's score that a slow place with a resource taken up needs to come first
#: Gain of changed steps that is worth a hypothesis; ordinary minutes, whose mix of requests varies, reach as much.
STEPS_GATE = 8.0
#: Times the gates of delays and steps where no detector saw anything. No quiet stretch in recordings of a shop on a
#: busy machine reached it, and none of Nezha's quiet minutes in which no request fails.
QUIET = 4.0
PASSED_ON = 0.3  # share of its caller's gain that a called service's own change needs to be the deeper one
EQUAL = 0.97  # share of its caller's gain from which an unreached service's is the same evidence
RARE = 0.05  # share of times up to which a step was hardly ever taken
SURELY = 3  # places that opened a gate which come before all that did not
FLOOR, TOP = 0.3, 0.92  # scores of evidence that just counts, and of the clearest
AHEAD = 2.0  # times the runner-up from which evidence stands for itself
BEHIND = 0.85  # share of the score before it that evidence of a later gate can have at most
SHOWN = 90  # characters of a message that are quoted


@dataclass(frozen=True, slots=True)
class Deviation:
    """One place with one kind of evidence. ``strength`` 0…1 within its kind; ``lead`` over the next place of it."""

    place: Place
    kind: str
    strength: float
    lead: float
    title: str
    why: str
    evidence: tuple[str, ...]
    steps: tuple[str, ...]
    onset_ns: int = 0


def deviations(evidence: Evidence, *, figures: bool = True) -> list[Hypothesis]:
    """Hypotheses, best first, at most one a place. ``figures``: also by latency and failures along calls.

    Without any signal the question is not only who but whether at all: then only what is far beyond its gate counts.
    """
    alarmed = bool(evidence.signals)
    found, weak = _by_gate(evidence, 1.0 if alarmed else QUIET)
    if figures and alarmed:
        found += _golden(evidence)
    found = _with_others(found, weak if alarmed or found else [])
    out: list[Hypothesis] = []
    seen: set[Place] = set()
    bar, kind = TOP, ""
    for one in found:
        if one.place in seen:
            continue
        score = (FLOOR + (TOP - FLOOR) * one.strength) * _margin(one.lead)
        if kind:
            bar = min(bar, out[-1].score) * (BEHIND if one.kind != kind else 0.99)
        score, kind = min(score, bar), one.kind
        seen.add(one.place)
        out.append(_hypothesis(one, round(score, 4)))
    return out


def _by_gate(evidence: Evidence, bar: float) -> tuple[list[Deviation], list[tuple[float, Deviation]]]:
    """What opened its gate, in the order of the kinds, and what did not, with how much of the gate it reached.

    ``bar`` is how many times the usual gate it takes.
    """
    requests = evidence.requests or Requests()
    uses = taken_up(evidence)
    found = _resources([use for use in uses if not use.partial])
    weak: list[tuple[float, Deviation]] = []
    if not requests:
        return found, weak
    slow = delays(requests)
    clear = [delay for delay in slow if delay.score >= bar * DELAY_GATE]
    found += _starved([use for use in uses if use.partial], slow if bar <= 1 else clear, requests)
    found += _delays(clear, slow, requests)
    rest = [delay for delay in slow if delay not in clear]
    weak += zip((delay.score / DELAY_GATE for delay in rest), _delays(rest, slow, requests), strict=True)
    for gain, one in _steps(changes(requests), requests):
        if gain >= bar * STEPS_GATE:
            found.append(one)
        else:
            weak.append((gain / STEPS_GATE, one))
    return found, weak


def _with_others(found: Sequence[Deviation], weak: Sequence[tuple[float, Deviation]]) -> list[Deviation]:
    """What opened no gate behind what did, the nearest to its gate first; but the best of those about other places
    comes before the fourth place of a kind that did, which is hardly ever the cause."""
    named = {one.place for one in found}
    others = [one for _, one in sorted(weak, key=lambda rated: (-rated[0], rated[1].place)) if one.place not in named]
    return [*found[:SURELY], *others[:1], *found[SURELY:], *others[1:]]


def _margin(lead: float) -> float:
    """Less than the whole score while the runner-up is close: half of it in a dead heat."""
    return 0.65 + 0.35 * min(1.0, max(0.0, (lead - 1.0) / (AHEAD - 1.0)))


def _hypothesis(one: Deviation, score: float) -> Hypothesis:
    host, service = one.place
    named = (f"host:{host}" if host else "", f"service:{service}" if service else "")
    return Hypothesis(
        entity=" ".join(part for part in named if part),
        kind=one.kind, score=score, evidence=list(dict.fromkeys(one.evidence))[:20], host=host, service=service,
        title=fill(one.title, host, service), why=one.why, next_steps=[fill(step, host, service) for step in one.steps],
    )  # fmt: skip


# -- resources ------------------------------------------------------------------------------------------


def _resources(uses: Sequence[Use]) -> list[Deviation]:
    out = []
    ordered, earlier = _earliest_first(uses)
    for use in ordered:
        rivals = [other.strength for other in uses if other.place != use.place]
        change = use.change
        why = f"{use.series.name} rose from {_number(change.usual)} to {_number(change.extreme)}."
        if use is ordered[0] and earlier:
            why += f" It changed surely before {earlier.series.name} on {earlier.place[0]}."
        out.append(
            Deviation(use.place, use.resource.kind, use.strength, _lead(use.strength, rivals), use.resource.title, why,
                      (use.evidence,), use.resource.steps, change.onset_ns)
        )  # fmt: skip
    return out


def _earliest_first(uses: Sequence[Use]) -> tuple[list[Use], Use | None]:
    """Of two places about as strong the one that surely changed before comes first; then the other one is told too."""
    rivals = [use for use in uses if use.place != uses[0].place and use.strength >= CLOSE * uses[0].strength]
    if not rivals or (begun := onset(uses[0].series.points)) is None:
        return list(uses), None
    for use in rivals:
        found = onset(use.series.points)
        if found and found.before(begun):
            return [use, *(other for other in uses if other is not use)], uses[0]
    return list(uses), None


# -- delays ---------------------------------------------------------------------------------------------


def _starved(partial: Sequence[Use], slow: Sequence[Delay], requests: Requests) -> list[Deviation]:
    """A place that delays requests and takes up more of a resource than it ever does: both together are clear."""
    best = max((delay.score for delay in slow), default=0.0)
    out = []
    for delay in slow:
        use = next((use for use in partial if use.place[0] == delay.place[0]), None)
        if use is not None and delay.score >= BOTH * best:
            change = use.change
            why = f"{use.series.name} rose from {_number(change.usual)} to {_number(change.extreme)}; "
            rivals = [other.score for other in slow if other is not delay]
            out.append(
                Deviation(delay.place, use.resource.kind, _strength_of(delay.score + PARTIAL),
                          _lead(2 * delay.score, rivals), use.resource.title, why + _why_slow(delay, requests),
                          (use.evidence, *_lines_of(delay)), use.resource.steps, change.onset_ns)
            )  # fmt: skip
    return out


def _delays(shown: Sequence[Delay], found: Sequence[Delay], requests: Requests) -> list[Deviation]:
    return [
        Deviation(
            delay.place, "slow_service", _strength_of(delay.score),
            _lead(delay.score, [other.score for other in found if other is not delay]),
            "{service} on {host} delays the requests that pass through it", _why_slow(delay, requests),
            _lines_of(delay),
            ("the network of {host}: ping, ss -ti, tc qdisc", "what {service} waits for: its threads, its pool of "
             "connections, the storage behind it", "CPU throttling and garbage collection of {service}"),
        )
        for delay in shown
    ]  # fmt: skip


def _strength_of(score: float) -> float:
    return 1 - math.exp(-score / 1.5)


def _lines_of(delay: Delay) -> tuple[str, ...]:
    return tuple(f"line:{line}" for hop in delay.hops[:4] for line in hop.lines)


def _why_slow(delay: Delay, requests: Requests) -> str:
    told = "; ".join(dict.fromkeys(_hop(hop, delay.place, requests) for hop in delay.hops[:2]))
    rest = len(delay.hops) - 2
    more = f"; {rest} more of its hops are slow" if rest > 0 else ""
    calm = f"; {len(delay.quiet)} are as usual" if delay.quiet else ""
    return f"{told}{more}{calm}. That is {delay.share:.0%} of all delay between the lines of requests."


def _hop(hop: Hop, place: Place, requests: Requests) -> str:
    first, second = (_quote(requests.texts.get(name, name)) for name in hop.templates)
    longer = f"{_seconds(hop.delay_ns)} longer than the usual {_seconds(hop.usual_ns)}"
    if hop.origin == hop.target:
        return f"between {first} and {second} {_name(place)} takes {longer}"
    if hop.origin == place:
        return f"from {first} in {_name(place)} to {second} in {_name(hop.target)} it takes {longer}"
    return f"from {first} in {_name(hop.origin)} to {second} in {_name(place)} it takes {longer}"


# -- steps ----------------------------------------------------------------------------------------------


def _steps(found: dict[Place, Change], requests: Requests) -> list[tuple[float, Deviation]]:
    """Each with its gain."""
    calls = callers([*requests.normal, *requests.during])
    ordered = sorted(found.values(), key=lambda change: (-change.gain, change.place))
    ordered = _deepest_first(ordered, calls, silent_places(requests))
    out = []
    for change in ordered:
        # who calls it, directly or not, only passes on what went wrong there
        waiting = _upstream(change.place, calls)
        rivals = [other.gain for other in ordered if other is not change and other.place not in waiting]
        strength = max(0.0, 1 - math.exp(-(change.gain - STEPS_GATE) / 15)) if change.gain >= STEPS_GATE else 0.0
        weak = 0.0 if strength else 0.5 * (change.gain / STEPS_GATE - 1)
        one = Deviation(
            change.place, "changed_requests", strength or weak, _lead(change.gain, rivals),
            "Requests go wrong in {service} on {host}", _why_changed(change, requests),
            (*(f"line:{line}" for line in change.lines), *_templates(change)),
            ("the lines of one such request, in all services", "what was deployed or configured in {service} just "
             "before", "errors of {service} around the onset"),
        )  # fmt: skip
        out.append((change.gain, one))
    return out


def _deepest_first(
    ordered: list[Change], calls: Mapping[tuple[Place, Place], int], silent: Set[Place] = frozenset()
) -> list[Change]:
    """A service that fails makes its callers fail: a called one that does what it hardly ever did comes before.

    So does one that was asked as before and wrote nothing at all: whether a call fails at the one or at the other end
    cannot be told from a single answer, but a service that runs would have written something.
    """

    def deeper(change: Change, first: Change) -> bool:
        if change.kind == "unreached":
            return change.place in silent and change.gain >= EQUAL * first.gain
        return change.gain >= max(STEPS_GATE, PASSED_ON * first.gain) and change.was[0] <= RARE * change.was[1]

    out = list(ordered)
    for _ in range(len(out)):
        first = out[0]
        below = [
            change for change in out[1:]
            if calls.get((first.place, change.place), 0) > calls.get((change.place, first.place), 0)
            and deeper(change, first)
        ]  # fmt: skip
        if not below:
            break
        out.remove(below[0])
        out.insert(0, below[0])
    return out


def _upstream(place: Place, calls: Mapping[tuple[Place, Place], int]) -> set[Place]:
    """Everyone who calls it, directly or through others."""
    found: set[Place] = set()
    todo = [place]
    while todo:
        here = todo.pop()
        for caller, called in calls:
            if called == here and caller not in found and caller != place:
                found.add(caller)
                todo.append(caller)
    return found


def _why_changed(change: Change, requests: Requests) -> str:
    after = _quote(requests.texts.get(change.template, change.template))
    was, now = _share(change.was), _share(change.now)
    if change.kind == "unreached":
        assert change.caller is not None
        return f"After {after} in {_name(change.caller)} requests reach it {now} times, usually {was}."
    if change.kind == "start":
        first = _quote(requests.texts.get(change.next, change.next))
        return f"Its share of a request begins with {first}, which was never first before."
    if change.next == END:
        return f"After {after} requests end there {now} times, usually {was}."
    then = _quote(requests.texts.get(change.next, change.next))
    return f"After {after} comes {then} {now} times, usually {was}."


def _templates(change: Change) -> list[str]:
    return [f"template:{name}" for name in (change.template, change.next) if name and name != END]


# -- latency and failures along calls -------------------------------------------------------------------


def _golden(evidence: Evidence) -> list[Deviation]:
    found = excesses(evidence)
    total = sum(one.score for one in found) or 1.0
    titles = {"latency": ("slow_service", "{service} on {host} adds the latency"),
              "failures": ("failing_service", "{service} on {host} adds the failures")}  # fmt: skip
    out = []
    for one in found:
        kind, title = titles[one.kind]
        services = evidence.services.get(one.host, ())
        service = services[0] if len(services) == 1 else ""
        own = f", {one.own / one.whole:.0%} of it its own" if one.deeper else "; nothing that it calls rose"
        why = f"{one.name} went from {_number(one.usual)} to {_number(one.now)}, {one.z:.0f} times its usual jump{own}."
        rivals = [other.score for other in found if other is not one]
        out.append(
            Deviation((one.host, service), kind, 0.8 * one.score / total, _lead(one.score, rivals),
                      title if service else title.replace("{service} on ", ""), why, (one.cited,),
                      ("the lines and the resources of {host} at that time",
                       "what {host} waits for that is not measured"))
        )  # fmt: skip
    return out


def _lead(mine: float, others: Sequence[float]) -> float:
    best = max(others, default=0.0)
    return mine / best if best > 0 else 10.0


def _share(part: tuple[int, int]) -> str:
    return f"{part[0]} of {part[1]}"


def _name(place: Place) -> str:
    return place[1] or place[0] or "the service"


def _quote(text: str) -> str:
    flat = " ".join(text.split())
    return f"`{flat if len(flat) <= SHOWN else flat[: SHOWN - 1] + '…'}`"


def _seconds(ns: float) -> str:
    return f"{ns / 1e6:,.0f} ms" if ns < 2e9 else f"{ns / 1e9:,.1f} s"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
