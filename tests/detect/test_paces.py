"""Requests that take longer: where it is said, what is not mistaken for it, and when it is the new normal."""

import random

import pytest

from logsense.detect import FOREVER, RequestPace, RequestPaceOptions, Windows
from logsense.record import LogRecord, Signal

S = 1_000_000_000
T0 = 1_764_000_000 * S
TEXTS = {"ask": "asking stock", "got": "stock answered", "in": "request received", "out": "request done"}
#: The way of a request: (host, message); what follows a message after a usual gap of some milliseconds.
WAY = [("web1", "in"), ("web1", "ask"), ("stock1", "in"), ("stock1", "out"), ("web1", "got"), ("web1", "out")]


def scene(seconds: int = 600, delays=(), stalls=(), seed: int = 1, share: float = 1.0) -> list[LogRecord]:
    """Two requests a second through two services. ``delays`` are (from, to, s) before and behind ``stock1``, of a
    ``share`` of the requests; ``stalls`` the same in all gaps."""
    rng, lines = random.Random(seed), []
    for number in range(2 * seconds):
        at = number / 2
        slow = sum(s for start, end, s in delays if start <= number / 2 < end) * (rng.random() < share)
        stall = sum(s for start, end, s in stalls if start <= number / 2 < end)
        for step, (host, event) in enumerate(WAY):
            lines.append(LogRecord(f"r{number}-{step}", T0 + int(at * S), TEXTS[event], "t", 0, host, host[:-1], "info",
                                   "p", template_id=f"{host}-{event}", fields={"trace.id": f"r{number}"}))  # fmt: skip
            at += rng.lognormvariate(-5.5, 0.5) + stall  # about 4 ms
            at += slow if step in (1, 3) else 0.0
    return sorted(lines, key=lambda line: line.timestamp_ns)


def run(lines: list[LogRecord], **options) -> list[Signal]:
    """The newest version of each signal."""
    detector, windows, found = (
        RequestPace(RequestPaceOptions(**options), lambda t: TEXTS[t.partition("-")[2]]),
        Windows(),
        {},
    )
    windows.add(lines)
    for window in windows.closed(FOREVER):
        found |= {signal.id: signal for signal in detector.score(window)}
        detector.learn(window)
    return list(found.values())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ordinary_requests_and_a_machine_that_stalls_raise_nothing(seed):
    assert run(scene(1200, stalls=[(700, 760, 0.2)], seed=seed)) == []


def test_a_slow_network_before_a_service_is_one_signal_at_its_place_and_time():
    lines = scene(600, delays=[(500, 530, 0.08)])
    (found,) = run(lines)
    assert (found.kind, found.host, found.service) == ("log.slow", "stock1", "stock")
    assert T0 + 490 * S <= found.start_ns <= T0 + 510 * S and found.end_ns <= T0 + 540 * S
    assert 0.08 < found.value < 0.1 and found.expected < 0.01
    assert "usually" in found.text and "`request received`" in found.text
    known = {f"line:{line.id}" for line in lines} | {f"template:{line.template_id}" for line in lines}
    assert set(found.evidence) <= known and len(found.evidence) == 4


def test_a_blip_of_a_moment_and_of_few_requests_raise_nothing():
    assert run(scene(600, delays=[(500, 503, 0.08)])) == []
    assert run(scene(600, delays=[(500, 560, 0.08)], share=0.1)) == []


def test_what_stays_slow_is_the_new_normal():
    found = run(scene(1200, delays=[(400, 1200, 0.08)]), adopt_after_s=200)
    assert found and max(signal.end_ns for signal in found) <= T0 + 640 * S


def test_requests_of_too_short_a_past_are_not_judged():
    assert run(scene(220, delays=[(150, 200, 0.3)])) == []
