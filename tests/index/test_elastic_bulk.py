"""Poison documents, refusals and settings of the Elasticsearch index, on a real server."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.config import Settings, load_settings
from logsense.errors import BadConfig, IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.record import LogRecord, Query
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
def test_a_poison_document_is_kept_apart_and_its_neighbours_get_through(index: ElasticIndex) -> None:
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


@pytest.mark.heavy
def test_a_blocked_index_is_waited_for_not_buried(
    index: ElasticIndex, elasticsearch_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only index is what a full disk looks like."""
    index.write_logs([LogRecord("a", T0, "first", "s", T0)])
    index.commit()
    name, client = index._store.name("logs", "2023.11.14"), index._store.client
    client.ask("PUT", f"/{name}/_settings", {"index.blocks.read_only_allow_delete": True})
    asked: list[str] = []

    def waiting(reason: str) -> bool:
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
