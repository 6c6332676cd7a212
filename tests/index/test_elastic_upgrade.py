"""An Elasticsearch that an older logsense wrote into: everything in it is found, written to and deleted as before."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from logsense.index.elastic import ElasticIndex, ElasticOptions, mappings
from logsense.record import Action, Forecast, Incident, LogRecord, MetricPoint, Query, Signal, Template
from tests.elasticsearch_server import remove

#: One file for each version of the mappings, as it installed its index templates.
INSTALLED = Path(__file__).with_name("elastic_templates")
OLDER = list(range(1, mappings.VERSION))
T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9
PREFIX = "PREFIX"


def installed(version: int, prefix: str = PREFIX) -> dict[str, Any]:
    """Kind → index template."""
    text = (INSTALLED / f"{version}.json").read_text(encoding="utf-8")
    return dict(json.loads(text.replace(PREFIX, prefix)))


def test_every_change_of_the_mappings_raises_their_version() -> None:
    now = {kind: mappings.index_template(PREFIX, kind, "0-1") for kind in mappings.KINDS}
    file = INSTALLED / f"{mappings.VERSION}.json"
    if os.environ.get("GOLDEN") and not file.exists():  # never over one that was installed somewhere
        file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    assert file.exists(), "run with GOLDEN=1 once to keep what this version installs"
    assert now == installed(mappings.VERSION), "raise VERSION in mappings.py, and run this test with GOLDEN=1"


def line(item: str, at: int, message: str, **more: Any) -> LogRecord:
    return LogRecord(item, at, message, "s", at, host="web1", service="shop", level="error", **more)


@dataclass
class Left:
    """What an older version left: its templates, and one day written under them."""

    version: int
    options: ElasticOptions
    folder: Path

    def opened(self) -> ElasticIndex:
        return ElasticIndex(self.folder, writer=True, options=self.options)


@pytest.fixture(params=OLDER)
def left(request: pytest.FixtureRequest, elasticsearch_url: str, tmp_path: Path) -> Iterator[Left]:
    options = ElasticOptions(urls=[elasticsearch_url], prefix=f"t{uuid.uuid4().hex[:12]}")
    made = Left(request.param, options, tmp_path)
    index = made.opened()
    for kind, template in installed(request.param, options.prefix).items():  # before any index is made
        index._store.client.ask("PUT", f"/_index_template/{options.prefix}-{kind}", template)
    index.write_logs(
        [line("old1", T0, "disk seen before", fields={"source.ip": "10.0.0.1"}), line("old2", T0 + 1, "x")]
    )
    index.write_metrics([MetricPoint("cpu", "web1", T0, 1.0)])
    index.put_templates([Template("t1", "disk <*> is full", keywords=["disk"])])
    index.put_signals([Signal("s1", "log.rate", T0, T0 + 1, 4.0)])
    index.put_incidents([Incident("i1", "disk trouble", "open", "high", T0, T0 + 5, hosts=["web1"])])
    index.add_action(Action("i1", "ack", T0 + 1, by="ann"))
    index.put_forecasts([Forecast("f1", "web1", T0, 60, 0.5, "m", True)])
    index.commit()
    fields = index._store.client.ask("GET", f"/{options.prefix}-templates/_mapping")
    ours = fields[f"{options.prefix}-templates"]["mappings"]["properties"]["logsense"]["properties"]
    assert ("words" in ours) == (request.param > 1)  # it is the old mapping that is in force
    index.close()
    yield made
    index = made.opened()
    remove(index)
    index.close()


@pytest.mark.heavy
def test_what_was_written_is_found_and_written_to_after_the_upgrade(left: Left) -> None:
    index = left.opened()
    changed = line("old2", T0 + 1, "disk said otherwise")
    index.write_logs([changed], replay=True)  # replaces a document under the old mapping
    index.write_logs([line("late", T0 + 2, "disk late", fields={"source.ip": "10.0.0.2"})])  # into the old day
    index.write_logs([line("new", T0 + DAY, "disk after", fields={"source.ip": "10.0.0.3"})])
    index.write_metrics([MetricPoint("cpu", "web1", T0 + 1, 2.0)])
    index.put_incidents([Incident("i2", "disk again", "open", "low", T0, T0 + 5)])
    index.put_signals([Signal("s2", "log.rate", T0, T0 + 1, 4.0)])
    index.put_forecasts([Forecast("f2", "web1", T0, 60, 0.5, "m", True)])
    index.commit()
    assert index.dead_letters() == 0
    assert [r.id for r in index.scan(Query(text="disk", hosts=["web1"]))] == ["old1", "old2", "late", "new"]
    assert index.get_log("old2") == changed
    assert [r.id for r in index.scan(Query(fields={"source.ip": "10.0.0.1"}))] == ["old1"]
    assert sum(count for _, count in index.histogram(Query(), DAY)) == 4
    assert index.terms(Query(), "level") == [("error", 4)]
    assert index.metric_series("web1", "cpu", None, None) == [(T0, 1.0), (T0 + 1, 2.0)]
    assert {s.id for s in index.signals()} == {"s1", "s2"}
    assert {f.id for f in index.forecasts()} == {"f1", "f2"}
    assert {i.id: [a.by for a in i.actions] for i in index.incidents()} == {"i1": ["ann"], "i2": []}
    # found by words, which the first version's indices of templates and incidents did not have
    assert [item for item, _ in index.matching_templates("disk", 5)] == ["t1"]
    assert {item for item, _ in index.matching_incidents("disk", 5)} == {"i1", "i2"}
    index.close()


@pytest.mark.heavy
def test_days_of_both_versions_are_deleted_by_retention(left: Left) -> None:
    index = left.opened()
    index.write_logs([line(f"d{n}", T0 + n * DAY, "x") for n in range(1, 4)])
    index.commit()
    index._store.options = ElasticOptions(urls=left.options.urls, prefix=left.options.prefix, retention_days=1)
    index.options = index._store.options
    dropped = index.retain(T0 + 3 * DAY)
    assert [name.split("-", 1)[1] for name in dropped if "-logs-" in name] == ["logs-2023.11.14", "logs-2023.11.15"]
    assert [r.id for r in index.scan(Query())] == ["d2", "d3"]
    index.close()


@pytest.mark.heavy
def test_older_index_templates_are_replaced_and_newer_ones_are_not(left: Left) -> None:
    index = left.opened()
    client, names = index._store.client, [index._store.name(kind) for kind in mappings.KINDS]

    def versions() -> set[int]:
        answers = [client.ask("GET", f"/_index_template/{name}")["index_templates"] for name in names]
        return {template["index_template"]["version"] for (template,) in answers}

    assert versions() == {mappings.VERSION}
    for name in names:
        template = client.ask("GET", f"/_index_template/{name}")["index_templates"][0]["index_template"]
        client.ask("PUT", f"/_index_template/{name}", {**template, "version": mappings.VERSION + 1})
    index.close()
    index = left.opened()
    client = index._store.client
    assert versions() == {mappings.VERSION + 1}
    index.close()
