"""Sessions: what is new, missing, too often or out of order; what is unfinished; what becomes normal."""

import random
import sqlite3

import pytest

from logsense.detect import FOREVER, FactCollector, SessionAnomaly, SessionAnomalyOptions, Windows
from logsense.detect.session_courses import Courses, Session
from logsense.record import LogRecord

S = 1_000_000_000
T0 = 1_764_000_000 * S
USUAL = ("accepted", "checked", "stored", "answered")


def steps(at: float, session: str, events, rng: random.Random, host: str = "web1"):
    for event in events:
        yield LogRecord(f"{session}-{event}-{at:.3f}", T0 + int(at * S), event, "t", 0, host, "shop", "info", "p",
                        template_id=event, fields={"trace.id": session})  # fmt: skip
        at += rng.uniform(0.05, 1.5)


def scene(seconds: int = 1800, odd=(), share: float = 0.3, seed: int = 1):
    """A request a second, some with a retry; ``odd`` are (from, to, events) of further ones."""
    rng, lines = random.Random(seed), []
    for at in range(seconds):
        events = (*USUAL[:2], "retried", *USUAL[2:]) if rng.random() < share else USUAL
        lines += steps(at + rng.random(), f"r{at}", events, rng)
        for number, (start, end, other) in enumerate(odd):
            if start <= at < end:
                lines += steps(at + rng.random(), f"odd{number}-{at}", other, rng)
    return sorted(lines, key=lambda line: line.timestamp_ns)


def run(lines, detector: SessionAnomaly, collector: FactCollector | None = None) -> list:
    windows, found = Windows(collector=collector), {}
    windows.add(lines)
    for window in windows.closed(FOREVER):
        found |= {signal.id: signal for signal in detector.score(window)}
        detector.learn(window)
    return list(found.values())


def detector(**options) -> SessionAnomaly:
    return SessionAnomaly(SessionAnomalyOptions(idle_s=60, **options))


def test_ordinary_requests_raise_nothing():
    assert run(scene(3600), detector()) == []


@pytest.mark.parametrize(("events", "said"), [
    ((*USUAL[:3], "rolled back"), "`rolled back` never belonged to one before"),
    (USUAL[:2], "`stored` did not come after `checked`"),
    ((*USUAL[:2], *["retried"] * 12, *USUAL[2:]), "`retried` 12 times, usually 1"),
])  # fmt: skip
def test_what_goes_wrong_is_found_and_named(events, said):
    found = run(scene(1800, odd=[(1500, 1560, events)]), detector())
    assert found and all(said in signal.text for signal in found), [signal.text for signal in found]
    worst = max(found, key=lambda signal: signal.score)
    assert worst.kind == "log.session" and worst.host == "web1" and "odd0-" in worst.text
    assert worst.start_ns >= T0 + 1490 * S and worst.score >= 3
    assert any(evidence.startswith("line:odd0-") for evidence in worst.evidence)


def test_the_wrong_order_is_found_once_it_always_held():
    swapped = ("checked", "accepted", "stored", "answered")
    found = run(scene(2400, odd=[(2000, 2040, swapped)]), detector())
    assert any("which is always first" in signal.text for signal in found)


def test_what_may_still_come_is_not_missing():
    """The last event comes many minutes later, after pauses that were seen before."""
    rng, lines = random.Random(4), []
    for at in range(4000):
        lines += steps(at, f"b{at}", USUAL[:3], rng)
        if rng.random() < 0.5:
            lines += steps(at + rng.uniform(200, 500), f"b{at}", ("answered",), rng)
    lines.sort(key=lambda line: line.timestamp_ns)
    found = run(lines, SessionAnomaly(SessionAnomalyOptions(idle_s=1200, max_open=5000)))
    assert [signal.text for signal in found] == []


def test_a_new_course_that_stays_becomes_normal():
    options = {"learn_sessions": 500, "adopt_after_s": 300, "adopt_last": 200}
    detector_, late = detector(**options), []
    windows = Windows()
    windows.add(scene(3600, odd=[(1200, 3600, (*USUAL, "audited"))]))
    verdicts = []
    detector_.observe = lambda session, _, deviation: verdicts.append((session, deviation))
    for window in windows.closed(FOREVER):
        late += [s for s in detector_.score(window) if window.start_ns > T0 + 2400 * S]
        detector_.learn(window)
    assert late == []
    assert all(deviation is None for _, deviation in verdicts[-300:]), "it is judged normal, not only hushed"
    assert any(deviation is not None for _, deviation in verdicts)


def test_sessions_that_never_repeat_raise_no_storm():
    rng, lines = random.Random(5), []
    for at in range(3600):
        events = rng.sample([f"e{n}" for n in range(25)], rng.randint(3, 8))
        lines += steps(at, f"c{at}", events, rng)
    lines.sort(key=lambda line: line.timestamp_ns)
    assert len(run(lines, detector())) <= 3


def test_memory_is_bounded_and_state_survives_a_restart():
    lines = scene(1800, odd=[(1500, 1560, USUAL[:2])])
    windows = Windows()
    windows.add(lines)
    closed = list(windows.closed(FOREVER))
    whole, first = detector(), detector()
    expected = [s for w in closed for s in (whole.score(w), whole.learn(w))[0]]
    found = [s for w in closed[:150] for s in (first.score(w), first.learn(w))[0]]
    db = sqlite3.connect(":memory:")
    first.save(db)
    again = detector()
    again.load(db)
    db.close()
    found += [s for w in closed[150:] for s in (again.score(w), again.learn(w))[0]]
    assert found == expected and expected
    small = detector(max_open=20)
    for window in closed:
        small.learn(window)
    assert len(small._open) <= 20


def test_a_rare_course_of_training_is_known_and_an_unseen_one_is_not():
    courses = Courses(min_share=0.001, adopt_share=0.05, adopt_last=100, adopt_after_s=60, half_life_s=86_400)
    for number in range(400):
        session = Session()
        for at, event in enumerate(USUAL if number % 50 else USUAL[:3]):
            one = courses.number(event)
            session.counts[one], session.first[one] = 1, at
        courses.end(session, T0 + number * S, learn=True)
    odd = Session(first={0: 0, 2: 1}, counts={0: 1, 2: 1})
    deviation = courses.judge(odd, 100 * S)
    assert deviation is not None and (deviation.kind, deviation.event) == ("missing", "checked")
    assert courses.judge(session, 100 * S) is None
