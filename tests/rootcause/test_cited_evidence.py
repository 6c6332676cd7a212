"""From a real index to the summary and back: whatever a sentence cites is there, and a quiet time says so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.diagnosis import Diagnosis, diagnose_range
from logsense.index.embedded import EmbeddedIndex
from logsense.mine import Miner
from logsense.record import LogRecord, MetricPoint
from logsense.rootcause.requests import Line

from .requests_of_a_shop import CALLS, MS, T0, S, Shop
from .test_delays import leaving

FAULT = T0 + 600 * S


def records(lines: list[Line]) -> Iterator[LogRecord]:
    for number, line in enumerate(lines):
        text = f"request_id={line.request} {line.template}"
        yield LogRecord(f"{line.at_ns:x}-{number}", line.at_ns, text, "t", line.at_ns, *line.place, level="info")


def points(busy: str) -> Iterator[MetricPoint]:
    rng = random.Random(1)
    for name in CALLS:
        for second in range(0, 660, 10):
            value = 0.9 if name == busy and second >= 600 else rng.uniform(0.02, 0.04)
            yield MetricPoint("process.cpu.utilization", f"{name}-1", T0 + second * S, value)


def diagnosed(folder: Path, shop: Shop, busy: str = "") -> tuple[EmbeddedIndex, Diagnosis]:
    index, miner = EmbeddedIndex(folder / "index", writer=True), Miner()
    usual = Shop(1).lines(200, FAULT - 101 * S)  # one every half second
    index.write_logs(miner.process([*records(usual), *records(shop.lines(50, FAULT + 1 * MS))]))
    index.put_templates(list(miner.templates()))
    index.write_metrics(list(points(busy)))
    index.commit()
    return index, diagnose_range(index, FAULT, FAULT + 30 * S)


def exists(index: EmbeddedIndex, cited: str) -> bool:
    kind, _, name = cited.partition(":")
    if kind == "metric":
        series, _, at = name.rpartition("@")
        host, _, metric = series.partition("/")
        return bool(index.metric_series(host, metric, int(at) - 10 * S, int(at) + 10 * S))
    found = {"line": lambda: index.get_log(name), "template": lambda: index.get_template(name),
             "signal": lambda: index.signals(ids=[name])}  # fmt: skip
    return bool(found[kind]())


@pytest.mark.parametrize(
    ("shop", "busy", "host"),
    [
        (Shop(2, wait=leaving("payment", 200)), "", "payment-1"),
        (Shop(2, broken="stock"), "", "stock-1"),
        (Shop(2, silent="ledger"), "", "ledger-1"),
        (Shop(2), "price", "price-1"),
    ],
)
def test_whatever_is_cited_exists(tmp_path, shop, busy, host):
    index, found = diagnosed(tmp_path, shop, busy)
    assert found.hypotheses[0].host == host
    cited = {one for sentence in found.sentences for one in sentence.evidence}
    cited |= {one for hypothesis in found.hypotheses for one in (*hypothesis.evidence, *hypothesis.against)}
    assert cited and all(exists(index, one) for one in cited)
    assert all(s.evidence for s in found.sentences if s.role in ("headline", "impact", "cause", "timeline"))
    index.close()


def test_a_quiet_time_says_that_nothing_was_found(tmp_path):
    index, found = diagnosed(tmp_path, Shop(2))
    assert found.hypotheses == [] and found.text.startswith("Nothing unusual between")
    index.close()
