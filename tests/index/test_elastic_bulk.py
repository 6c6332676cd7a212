"""Poison documents, refusals and settings of the Elasticsearch index, on a real server."""

from __future__ import annotations

import dataclasses
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from logsense.advice import doctor_rows
from logsense.config import Settings, load_settings
from logsense.errors import BadConfig, IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import Forecast, Incident, LogRecord, MetricPoint, Query, Signal, Template
from logsense.registry import open_index
from tests.elasticsearch_server import free_port, remove

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9


@pytest.fixture
def index(elasticsearch_url: str, tmp_path: Path) -> Iterator[ElasticIndex]:
    options = ElasticOptions(urls=[elasticsearch_url], prefix=f"t{uuid.uuid4().hex[:12]}", max_backoff_s=0.5)
    opened = ElasticIndex(tmp_path, writer=True, options=options)
    yield opened
    remove(opened)
    opened.close()


@pytest.mark.heavy
def test_a_poison_document_is_kept_apart_and_its_neighbours_get_through(index: ElasticIndex, tmp_path: Path) -> None:
    lines = [LogRecord(f"l{n}", T0, f"line {n}", "s", T0) for n in range(20)]
    index.write_logs(lines[:10])
    # what no line can do: a document that contradicts the mapping
    index._store.put("logs", "poison", {"@timestamp": "no time", "message": {"an": "object"}}, "2023.11.14")
    index._store.put("logs", "huge", b'{"broken json', "2023.11.14")
    index.write_logs(lines[10:])
    index.commit()
    assert index.search(Query(), limit=0)[0] == 20
    assert index.dead_letters() == index.rejected == 2
    letters = list(index._store.pages("dead-letters", {"match_all": {}}, [{"event.id": "asc"}]))
    assert [letter["event.id"] for letter in letters] == ["huge", "poison"]
    assert all(letter["error.message"] and letter["event.original"] for letter in letters)
    (row,) = doctor_rows(index, tmp_path, {}, [])
    assert "refused 2 documents" in row["advice"] and index._store.name("dead-letters") in row["advice"]


@pytest.mark.heavy
def test_a_blocked_index_is_waited_for_not_buried(
    index: ElasticIndex, elasticsearch_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only index is what a full disk looks like."""
    index.write_logs([LogRecord("a", T0, "first", "s", T0)])
    index.commit()
    name, client = index._store.name("logs", "2023.11.14"), index._store.client
    client.ask("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": True})
    asked: list[IndexUnavailable] = []

    def waiting(reason: IndexUnavailable) -> bool:
        asked.append(reason)
        return len(asked) > 8

    client._waiting = waiting
    index.write_logs([LogRecord("b", T0, "second", "s", T0), LogRecord("c", T0 + DAY, "another day", "s", T0)])
    with caplog.at_level(logging.WARNING), pytest.raises(IndexUnavailable):
        index.commit()
    assert index.rejected == 0
    client.ask("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": None})
    client._waiting = None
    index.commit()  # what was not confirmed is still in the buffer
    assert [r.id for r in index.scan(Query())] == ["a", "b", "c"]


@pytest.mark.heavy
def test_retention_deletes_whole_days(index: ElasticIndex) -> None:
    index.write_logs([LogRecord(f"d{n}", T0 - n * DAY, "x", "s", T0) for n in range(5)])
    index.commit()
    index.options = index._store.options = ElasticOptions(
        urls=index.options.urls, prefix=index.options.prefix, retention_days=2
    )
    assert len(index.retain(T0)) == 2
    assert [r.id for r in index.scan(Query())] == ["d2", "d1", "d0"]


@pytest.mark.heavy
def test_retention_deletes_what_hangs_on_the_time_and_keeps_what_was_learnt(index: ElasticIndex) -> None:
    """T0 is the 14th of November 2023: with 20 days, all of September is older, the end of October is not."""
    months = {"september": T0 - 50 * DAY, "october": T0 - 15 * DAY, "november": T0}
    for name, at in months.items():
        index.write_logs([LogRecord(name, at, "x", "s", T0)])
        index.write_metrics([MetricPoint("cpu", "h", at, 1.0)])
        index.put_signals([Signal(name, "log.rate", at, at, 3.0)])
        index.put_forecasts([Forecast(name, "h", at, 60, 0.5, "m", True)])
        index.put_incidents([Incident(name, name, "open", "low", at, at)])
    index.put_templates([Template("t", "x", last_seen_ns=T0 - 50 * DAY)])
    index.commit()
    index.options = index._store.options = dataclasses.replace(index.options, retention_days=20)
    dropped = index.retain(T0)
    assert sorted(name.split("-", 1)[1] for name in dropped) == [
        "forecasts-2023.09", "logs-2023.09.25", "metrics-2023.09.25", "signals-2023.09",
    ]  # fmt: skip
    assert {r.id for r in index.scan(Query())} == {"october", "november"}
    assert [s.id for s in index.signals()] == ["october", "november"]
    assert [f.id for f in index.forecasts()] == ["november", "october"]
    assert len(index.metric_series("h", "cpu", None, None)) == 2
    assert len(index.incidents()) == 3 and index.get_template("t") is not None
    assert index.retain(T0) == []


@pytest.mark.heavy
def test_a_snapshot_brings_everything_back_and_what_comes_again_is_not_doubled(index: ElasticIndex) -> None:
    """As deploy/elasticsearch.md tells it: after a restore the spool may send the last lines once more."""
    client, store = index._store.client, index._store
    lines = [LogRecord(f"l{n}", T0 + n * DAY // 4, f"line {n}", "s", T0) for n in range(10)]
    index.write_logs(lines)
    index.put_templates([Template("t", "line <*>")])
    index.put_incidents([Incident("i", "trouble", "open", "low", T0, T0)])
    index.put_template_vectors(["t"], np.eye(1, 8, dtype=np.float32), "m")
    index.commit()
    repository, name = f"/_snapshot/{store.options.prefix}", f"/_snapshot/{store.options.prefix}/first"
    client.ask("PUT", repository, {"type": "fs", "settings": {"location": store.options.prefix}})
    wanted, whole = (
        {"indices": f"{store.options.prefix}-*", "include_global_state": False},
        {"wait_for_completion": "true"},
    )
    assert client.ask("PUT", name, wanted, whole)["snapshot"]["state"] == "SUCCESS"
    index.clear()
    assert index.search(Query(), limit=0)[0] == 0 and index.incidents() == []
    assert client.ask("POST", f"{name}/_restore", wanted, whole)["snapshot"]["shards"]["failed"] == 0
    assert list(index.scan(Query())) == lines
    index.write_logs(lines[7:], replay=True)
    index.write_logs([LogRecord("after", T0 + 3 * DAY, "line after", "s", T0)])
    index.commit()
    assert [record.id for record in index.scan(Query())] == [*(line.id for line in lines), "after"]
    assert [item.id for item in index.incidents()] == ["i"]
    assert index.nearest_templates(np.eye(1, 8, dtype=np.float32)[0], 1, "m") == [("t", 1.0)]
    client.ask("DELETE", name)
    client.ask("DELETE", repository)


@pytest.mark.heavy
def test_pages_beyond_the_window_of_10_000(index: ElasticIndex) -> None:
    index.write_logs([LogRecord(f"{n:05}", T0 + n, "tick", "s", T0) for n in range(10_100)])
    index.commit()
    total, hits = index.search(Query(), limit=60, offset=9_990)
    assert total == 10_100
    assert [hit.record.id for hit in hits] == [f"{n:05}" for n in range(109, 49, -1)]
    assert [hit.record.id for hit in index.search(Query(), limit=5, offset=10_098)[1]] == ["00001", "00000"]


def test_a_reader_says_soon_that_nobody_answers(tmp_path: Path) -> None:
    settings = Settings(
        {"index": {"type": "elasticsearch"}, "elasticsearch": {"urls": [f"http://127.0.0.1:{free_port()}"]}}
    )
    index = open_index(tmp_path, settings, writer=False)
    begun = time.monotonic()
    with pytest.raises(IndexUnavailable) as raised:
        index.time_range()
    assert time.monotonic() - begun < 20  # a second on an idle machine; a writer would wait for ever
    assert raised.value.status == 503 and raised.value.fix
    index.close()


@pytest.mark.parametrize(
    "text",
    [
        'urls = ["search1:9200"]', 'urls = ["http://me:secret@search1:9200"]', "urls = []", 'prefix = "logs-x"',
        'prefix = "Upper"', 'api_key = "k"\nuser = "u"', 'replicas = "many"', "timeout_s = 0.0",
        'ca_file = "a"\nfingerprint = "b"', "retention_days = -1", "url = 'x'",
    ],
)  # fmt: skip
def test_wrong_settings_stop_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "logsense.toml"
    file.write_text(f"[elasticsearch]\n{text}\n", encoding="utf-8")
    with pytest.raises(BadConfig):
        load_settings(file)
    file.write_text('[index]\ntype = "solr"\n', encoding="utf-8")
    with pytest.raises(BadConfig):
        load_settings(file)
