"""Parameters that leave their range, new codes, statements that become slow or frequent."""

import math
import random

import pytest

from logsense.detect import FOREVER, FactCollector, QueryAnomaly, ValueAnomaly, Windows
from logsense.detect.sketch import Sketch
from logsense.record import LogRecord

S = 1_000_000_000
T0 = 1_764_000_000 * S
TEXTS = {"took": "upload took <*> ms, <*> bytes", "exit": "worker <*> exited with code <*>", "auto": "delay=<*>"}


def record(at: float, template: str, parameters=(), **fields) -> LogRecord:
    return LogRecord(f"{template}@{at:.3f}", T0 + int(at * S), template, "t", 0, "db1", "app", "info", "p",
                     template_id=template, parameters=list(parameters), fields=fields)  # fmt: skip


def run(records, *detectors) -> list:
    windows, found = Windows(collector=FactCollector(text_of=TEXTS.get)), {}
    windows.add(sorted(records, key=lambda r: r.timestamp_ns))
    for window in windows.closed(FOREVER):
        for one in detectors:
            found |= {signal.id: signal for signal in one.score(window)}
            one.learn(window)
    return list(found.values())


def uploads(seconds: int, rng: random.Random):
    """Log-normal durations and Pareto sizes, as real ones are; a worker that ends with 0 or 2."""
    for at in range(seconds):
        took, size = rng.lognormvariate(math.log(40), 0.5), 1000 * rng.paretovariate(1.5)
        yield record(at, "took", [f"{took:.0f}", f"{size:.0f}"])
        if at % 7 == 0:
            yield record(at + 0.5, "exit", [str(rng.randint(1000, 9999)), rng.choice("0002")])


def values() -> ValueAnomaly:
    return ValueAnomaly(text_of=lambda template: TEXTS.get(template, ""))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_heavy_tails_are_no_anomalies(seed):
    assert [s.text for s in run(uploads(7200, random.Random(seed)), values())] == []


def test_a_duration_far_out_is_named_with_its_unit_and_range():
    odd = [record(3000.2, "took", ["60000", "2000"])]
    (found,) = run([*uploads(3600, random.Random(4)), *odd], values())
    assert found.kind == "log.value" and found.value == 60000 and found.expected < 100
    assert "60,000 ms, usually" in found.text and found.evidence == ["line:took@3000.200", "template:took"]


def test_a_new_code_is_found_and_known_ones_are_not():
    odd = [record(3000 + n, "exit", ["1234", "139"]) for n in range(3)]
    found = run([*uploads(3600, random.Random(5)), *odd], values())
    assert found and all("code 139 for the first time, so far 0, 2" in s.text for s in found)


def test_units_within_values_are_compared_as_what_they_are():
    rng = random.Random(6)
    usual = [record(at, "auto", [f"{rng.randint(800, 1200)}ms" if at % 2 else "1s"]) for at in range(2400)]
    assert run(usual, values()) == []
    assert len(run([*usual, record(2000.5, "auto", ["1h"])], values())) == 1


def test_a_range_that_moved_is_adopted():
    rng = random.Random(7)
    moved = [record(at, "auto", [str(rng.randint(90_000, 110_000))]) for at in range(1800, 7200)]
    usual = [record(at, "auto", [str(rng.randint(90, 110))]) for at in range(1800)]
    found = run([*usual, *moved], values())
    assert found and max(s.end_ns for s in found) < T0 + 3600 * S


def test_a_sketch_is_bounded_and_right():
    rng, sketch = random.Random(8), Sketch()
    numbers = [rng.lognormvariate(3, 4) for _ in range(20_000)]
    sketch.add(numbers, len(numbers))
    assert len(sketch.buckets) <= 401
    for share in (0.1, 0.5, 0.9):
        true = sorted(numbers)[int(share * len(numbers))]
        assert abs(math.log(sketch.quantile(share) / true)) < 0.15
    again = Sketch.of(sketch.state())
    assert abs(again.quantile(0.5) / sketch.quantile(0.5) - 1) < 0.1
    assert sketch.tail(1e30, 1) > sketch.tail(1e12, 1) >= 0


def statements(seconds: int, rng: random.Random, slow=(0, 0), often=(0, 0)):
    for at in range(0, seconds, 2):
        factor = 30 if slow[0] <= at < slow[1] else 1
        for number, (text, usual) in enumerate((("select ?", 0.004), ("update t set a = ?", 0.02))):
            for copy in range(60 if number and often[0] <= at < often[1] else 1):
                took = rng.lognormvariate(math.log(usual), 0.6) * (factor if number == 0 else 1)
                yield record(at + copy / 100, "sql", [], **{"db.query.fingerprint": f"f{number}",
                             "db.query.normalized": text, "event.duration": int(took * S)})  # fmt: skip


def test_statements_with_their_usual_scatter_raise_nothing():
    assert [s.text for s in run(statements(7200, random.Random(9)), QueryAnomaly())] == []


def test_a_slow_statement_is_named_with_its_usual_time():
    found = run(statements(3600, random.Random(10), slow=(3000, 3120)), QueryAnomaly())
    assert [s.kind for s in found] == ["db.slow"], [s.text for s in found]
    assert found[0].text.startswith("`select ?` takes") and found[0].value > 10 * found[0].expected
    assert found[0].start_ns >= T0 + 2990 * S and found[0].evidence[0].startswith("line:sql@")


def test_a_statement_that_becomes_frequent():
    found = run(statements(3600, random.Random(11), often=(3000, 3060)), QueryAnomaly())
    assert {s.kind for s in found} == {"db.rate"} and all("update t set a = ?" in s.text for s in found)


def test_a_statement_that_stays_slow_becomes_normal():
    found = run(statements(7200, random.Random(12), slow=(3000, 9999)), QueryAnomaly())
    assert found and max(s.end_ns for s in found) < T0 + 4800 * S
