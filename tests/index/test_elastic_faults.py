"""The Elasticsearch index behind a node that errs: nothing lost, nothing doubled, neighbours not held up."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logsense.errors import IndexUnavailable
from logsense.index.elastic import ElasticIndex, ElasticOptions, bulk
from logsense.index.elastic.client import Refused
from logsense.index.elastic.trouble import is_content, unable
from logsense.record import LogRecord, Query
from tests.elasticsearch_server import LONGEST_MB, remove
from tests.faulty_node import FaultyNode

T0 = 1_700_000_000 * 10**9
DAY = 86_400 * 10**9


@pytest.fixture
def node(elasticsearch_url: str) -> Iterator[FaultyNode]:
    with FaultyNode(elasticsearch_url) as made:
        yield made


@pytest.fixture
def index(node: FaultyNode, tmp_path: Path) -> Iterator[ElasticIndex]:
    opened = make(node, tmp_path)
    yield opened
    node.fault = None
    remove(opened)
    opened.close()


def make(node: FaultyNode, folder: Path, **options: Any) -> ElasticIndex:
    options = {"prefix": f"t{uuid.uuid4().hex[:12]}", "max_backoff_s": 0.2, "batch_documents": 200, **options}
    return ElasticIndex(folder, writer=True, options=ElasticOptions(urls=[node.url], **options))


def lines(first: int, count: int) -> list[LogRecord]:
    return [LogRecord(f"l{n}", T0 + n, f"line {n}", "s", T0) for n in range(first, first + count)]


def all_there(index: ElasticIndex, count: int) -> None:
    assert index.search(Query(), limit=0)[0] == count
    assert sorted(int(r.message.split()[1]) for r in index.scan(Query())) == list(range(count))
    assert index.dead_letters() == index.rejected == 0


@pytest.mark.heavy
@pytest.mark.parametrize("fault", [429, 502, 503, "reset", "lost"])
def test_a_node_that_fails_every_second_request(node: FaultyNode, index: ElasticIndex, fault: int | str) -> None:
    with node.failing(fault, only="_bulk", every=2):
        for first in range(0, 800, 200):
            index.write_logs(lines(first, 200))
        index.commit()
    assert node.answered[fault] >= 2
    all_there(index, 800)


@pytest.mark.heavy
def test_one_refused_search_among_several_is_no_answer_of_none(index: ElasticIndex) -> None:
    index.write_logs(lines(0, 3))
    index.commit()
    good = {"query": {"match_all": {}}, "size": 0, "track_total_hits": True}
    found = index._store.searches([("logs", good), ("nothing-of-that-kind", good)])
    assert [answer["hits"]["total"]["value"] for answer in found] == [3, 0]
    with pytest.raises(Refused, match="no-such-query"):
        index._store.searches([("logs", good), ("logs", {"query": {"no-such-query": {}}})])


@pytest.mark.heavy
def test_a_page_of_too_many_values_for_one_request_is_whole(
    index: ElasticIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elasticsearch refuses to aggregate more than it has room for; what is asked beside it must not be lost."""
    index.write_logs(lines(0, 5))
    index.commit()
    ask, refused = index._store.searches, []

    def searches(asked: Any) -> Any:
        if len(asked) > 2:
            refused.append(asked)
            raise Refused(503, "too_many_buckets_exception", "more than 65536")
        return ask(asked)

    monkeypatch.setattr(index._store, "searches", searches)
    page = index.page(Query(), fields={"host": 3, "service": 3}, step_ns=DAY)
    assert refused and page.total == 5 and len(page.hits) == 5 and sum(n for _, n in page.histogram) == 5
    assert set(page.terms) == {"host", "service"}


@pytest.mark.heavy
@pytest.mark.parametrize(("fault", "said"), [(429, "busy"), (503, "not ready"), (502, "not ready")])
def test_a_node_that_fails_for_a_while_is_waited_for_and_the_reason_is_told(
    node: FaultyNode, index: ElasticIndex, fault: int, said: str
) -> None:
    told: list[IndexUnavailable] = []

    def waiting(reason: IndexUnavailable) -> bool:
        told.append(reason)
        if len(told) == 6:
            node.fault = None
        return False

    index._store.client._waiting = waiting
    with node.failing(fault):
        index.write_logs(lines(0, 300))
        index.commit()
    all_there(index, 300)
    assert said in told[0].what and str(fault) in told[0].why
    assert told[0].fix and told[0].where == node.url


@pytest.mark.heavy
def test_batches_shrink_under_refusals_and_grow_again(
    node: FaultyNode, index: ElasticIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "_FAST_S", 60.0)  # on a busy machine no answer is fast
    begun = index._store.bulk.batch
    with node.failing(429, only="_bulk", every=2):
        index.write_logs(lines(0, 1000))
        index.commit()
    small = index._store.bulk.batch
    assert small < begun
    index.write_logs(lines(1000, 2000))
    index.commit()
    assert index._store.bulk.batch > small
    all_there(index, 3000)


@pytest.mark.heavy
def test_retry_after_is_respected(node: FaultyNode, tmp_path: Path) -> None:
    index = make(node, tmp_path, max_backoff_s=5.0)
    try:
        begun = time.monotonic()
        index._store.client._waiting = lambda reason: setattr(node, "fault", None) or False
        with node.failing(429, only="_bulk", retry_after="1.5"):
            index.write_logs(lines(0, 10))
            index.commit()
        assert time.monotonic() - begun >= 1.5  # by itself it would have come back within 0.2 s
        all_there(index, 10)
    finally:
        remove(index)
        index.close()


@pytest.mark.heavy
def test_a_mapping_that_contradicts_a_line(index: ElasticIndex) -> None:
    """Somebody else made the day's index, and says that a process id is a date."""
    client, name = index._store.client, index._store.name("logs", "2023.11.14")
    client.ask("PUT", f"/{name}", {"mappings": {"properties": {"process.pid": {"type": "date", "format": "yyyy"}}}})
    with_pid = [LogRecord(f"p{n}", T0, f"pid {n}", "s", T0, fields={"process.pid": 70_000 + n}) for n in range(3)]
    index.write_logs([*lines(0, 50), *with_pid, *lines(50, 50)])
    index.commit()
    assert index.search(Query(), limit=0)[0] == 100
    assert index.dead_letters() == index.rejected == 3
    letters = list(index._store.pages("dead-letters", {"match_all": {}}, [{"event.id": "asc"}]))
    assert [letter["event.id"] for letter in letters] == ["p0", "p1", "p2"]
    assert all("process.pid" in letter["error.message"] for letter in letters)
    assert "pid 1" in letters[1]["event.original"]  # all of it is kept


@pytest.mark.heavy
def test_a_document_beyond_the_node_s_limit(elasticsearch_url: str, tmp_path: Path) -> None:
    """The node itself says 413 (``http.max_content_length``), to the whole request: the culprit is found by halving."""
    options = ElasticOptions(urls=[elasticsearch_url], prefix=f"t{uuid.uuid4().hex[:12]}", max_backoff_s=0.5,
                             stored_chars=100_000_000, max_batch_mb=64)  # fmt: skip
    index = ElasticIndex(tmp_path, writer=True, options=options)
    try:
        giant = LogRecord("giant", T0, "g" * (LONGEST_MB + 1) * 2**20, "s", T0)
        index.write_logs([*lines(0, 20), giant, *lines(20, 20)])
        index.commit()
        assert index.search(Query(), limit=0)[0] == 40
        assert index.dead_letters() == index.rejected == 1
        (letter,) = index._store.pages("dead-letters", {"match_all": {}}, [{"event.id": "asc"}])
        assert letter["event.id"] == "giant" and letter["error.type"] == "413"
        assert "ggggg" in letter["event.original"]
    finally:
        remove(index)
        index.close()


@pytest.mark.heavy
def test_a_late_line_for_a_closed_index_holds_up_nobody(index: ElasticIndex) -> None:
    index.write_logs([LogRecord("old", T0 - 30 * DAY, "old", "s", T0)])
    index.commit()
    index._store.client.ask("POST", f"/{index._store.indices('logs')[0]}/_close")
    index.write_logs([*lines(0, 5), LogRecord("late", T0 - 30 * DAY, "late", "s", T0)])
    index.commit()
    assert index.search(Query(), limit=0)[0] == 5
    assert index.dead_letters() == 1


@pytest.mark.parametrize(
    ("status", "kind", "reason", "said"),
    [
        (400, "validation_exception", "this action would add [1] shards, but this cluster currently has [1000]/[1000] "
         "maximum normal shards open;", "limit of shards"),
        (429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage "
         "watermark, index has read-only-allow-delete block];", "disk"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];", "blocks writes"),
        (429, "circuit_breaking_exception", "[parent] Data too large", "busy"),
        (503, "unavailable_shards_exception", "primary shard is not active", "not ready"),
    ],
)  # fmt: skip
def test_states_are_no_content(status: int, kind: str, reason: str, said: str) -> None:
    assert not is_content(status, kind)
    error = unable(status, kind, reason, where="http://x")
    assert said in error.what and reason[:20] in error.why and "nothing is lost" in error.fix


@pytest.mark.parametrize(
    "kind", ["document_parsing_exception", "mapper_parsing_exception", "illegal_argument_exception"]
)
def test_content_is_content(kind: str) -> None:
    assert is_content(400, kind)
