"""Tenants in one real Elasticsearch: no search, count, deletion or retention of one reaches another's data."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from logsense import tenancy
from logsense.config import Settings
from logsense.index.elastic import ElasticIndex
from logsense.record import Action, Forecast, Incident, LogRecord, MetricPoint, Query, Signal, Template
from logsense.registry import open_index
from tests.elasticsearch_server import remove

pytestmark = pytest.mark.heavy

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9
#: Names that come close to each other and to the names of indices.
NAMES = ("default", "logs", "a", "a-logs")
VECTOR = np.eye(1, 8, dtype=np.float32)


def fill(index: ElasticIndex, mine: str) -> None:
    """The same ids for every tenant, so that any reaching over would replace or find something."""
    index.write_logs([LogRecord(f"l{n}", T0 + n * DAY, f"word of {mine}", mine, T0 + n, host=mine, template_id="t1")
                      for n in range(3)])  # fmt: skip
    index.write_metrics([MetricPoint(f"cpu.{mine}", "h", T0, 1.0)])
    index.put_templates([Template("t1", f"word of {mine}", keywords=[mine])])
    index.put_template_vectors(["t1"], VECTOR, "m")
    index.put_signals([Signal("s1", "log.rate", T0, T0 + 1, 4.0, text=mine)])
    index.put_incidents([Incident("i1", f"trouble of {mine}", "open", "high", T0, T0 + 5, hosts=[mine])])
    index.put_incident_vectors(["i1"], VECTOR, "m")
    index.add_action(Action("i1", "note", T0 + 1, by=mine))
    index.put_forecasts([Forecast("f1", mine, T0, 60, 0.5, mine, True)])
    index.put_source_stats({mine: {"accepted": 3}})
    index.commit()


@pytest.fixture
def estate(elasticsearch_url: str, tmp_path: Path) -> Iterator[dict[str, ElasticIndex]]:
    options = {"urls": [elasticsearch_url], "prefix": f"n{uuid.uuid4().hex[:12]}"}
    installation = Settings({"index": {"type": "elasticsearch"}, "elasticsearch": options})
    opened: dict[str, ElasticIndex] = {}
    for name in NAMES:
        index = open_index(tmp_path / name, tenancy.settings_of(installation, name), writer=True)
        assert isinstance(index, ElasticIndex)
        opened[name] = index
        fill(index, name)
    yield opened
    for index in opened.values():
        remove(index)
        index.close()


#: Every question of ``Index``, and what it may answer.
ASKED: dict[str, tuple[Callable[[ElasticIndex], Any], Callable[[str], Any]]] = {
    "get": (lambda i: i.get_log("l1").message, lambda me: f"word of {me}"),  # type: ignore[union-attr]
    "search": (lambda i: {h.record.host for h in i.search(Query(text="word"))[1]}, lambda me: {me}),
    "count": (lambda i: i.search(Query(), limit=0)[0], lambda me: 3),
    "scan": (lambda i: [r.source for r in i.scan(Query())], lambda me: [me] * 3),
    "histogram": (lambda i: sum(n for _, n in i.histogram(Query(), DAY)), lambda me: 3),
    "terms": (lambda i: i.terms(Query(), "host"), lambda me: [(me, 3)]),
    "rare terms": (lambda i: i.rare_terms(Query(), "host", most=3), lambda me: [(me, 3)]),
    "many rare terms": (lambda i: i.rare_terms(Query(), "host", most=500), lambda me: [(me, 3)]),
    "time range": (lambda i: i.time_range(), lambda me: (T0, T0 + 2 * DAY)),
    "follower": (lambda i: [r.source for r in i.arrivals("1").read(Query(), 10)[1]], lambda me: [me] * 3),
    "templates": (lambda i: [t.text for t in i.templates()], lambda me: [f"word of {me}"]),
    "nearest": (lambda i: i.nearest_templates(VECTOR[0], 5, "m", Query()), lambda me: [("t1", 1.0)]),
    "matching": (lambda i: len(i.matching_templates("word", 5, Query())), lambda me: 1),
    "vectors": (lambda i: [ids for _, ids, _ in i.template_vectors()], lambda me: [["t1"]]),
    "incident vectors": (lambda i: [ids for _, ids, _ in i.incident_vectors()], lambda me: [["i1"]]),
    "incidents": (lambda i: [(x.title, [a.by for a in x.actions]) for x in i.incidents()],
                  lambda me: [(f"trouble of {me}", [me])]),
    "nearest incidents": (lambda i: i.nearest_incidents(VECTOR[0], 5, "m"), lambda me: [("i1", 1.0)]),
    "matching incidents": (lambda i: len(i.matching_incidents("trouble", 5, Query())), lambda me: 1),
    "signals": (lambda i: [s.text for s in i.signals()], lambda me: [me]),
    "forecasts": (lambda i: [f.model for f in i.forecasts()], lambda me: [me]),
    "metrics": (lambda i: i.metric_names(), lambda me: [("h", f"cpu.{me}")]),
    "source stats": (lambda i: list(i.source_stats()), lambda me: [me]),
    "dead letters": (lambda i: i.dead_letters(), lambda me: 0),
}  # fmt: skip


def answers(index: ElasticIndex) -> dict[str, Any]:
    return {name: ask(index) for name, (ask, _) in ASKED.items()}


def expected(me: str) -> dict[str, Any]:
    return {name: may(me) for name, (_, may) in ASKED.items()}


def test_no_question_is_answered_with_anothers_data(estate: dict[str, ElasticIndex]) -> None:
    for name, index in estate.items():
        assert answers(index) == expected(name), name


def test_deleting_reaches_nobody_else(estate: dict[str, ElasticIndex]) -> None:
    moved = LogRecord("l0", T0 + 5 * DAY, "moved", "default", T0, host="default")
    estate["default"].write_logs([moved], replay=True)  # deletes the line of this id in all days of its own
    estate["default"].commit()
    estate["a"].options = dataclasses.replace(estate["a"].options, retention_days=10)
    dropped = estate["a"].retain(T0 + 11 * DAY)  # the first day, of lines and of metrics
    assert len(dropped) == 2 and all(name.startswith(estate["a"].options.prefix + "-") for name in dropped)
    assert estate["a"].search(Query(), limit=0)[0] == 2
    estate["logs"].clear()
    assert estate["logs"].search(Query(), limit=0)[0] == 0 and estate["logs"].incidents() == []
    assert estate["default"].get_log("l0") == moved
    assert answers(estate["a-logs"]) == expected("a-logs")
    estate["default"].clear()  # whose prefix is how the others' begin
    assert answers(estate["a-logs"]) == expected("a-logs")
    assert estate["a"].search(Query(), limit=0)[0] == 2
