"""``_search`` as Elasticsearch clients ask it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.api.elastic_search import words
from logsense.api.problems import BadParameter


@pytest.mark.parametrize(("query", "text"), [
    ({"match_all": {}}, ""),
    ({"match": {"message": "disk full"}}, "disk full"),
    ({"match": {"message": {"query": "x"}}}, "x"),
    ({"match_phrase": {"message": 'a "b"'}}, '"a  b "'),
    ({"term": {"host.name": {"value": "db1"}}}, 'host.name:"db1"'),
    ({"query_string": {"query": "level:error"}}, "level:error"),
    ({"bool": {"must": [{"match": {"message": "x"}}], "filter": {"term": {"a.keyword": 1}}}}, 'x a:"1"'),
])  # fmt: skip
def test_queries_that_are_understood(query: Any, text: str) -> None:
    assert words(query) == text


@pytest.mark.parametrize("query", [{}, [], {"range": {}}, {"bool": {"must_not": []}}, {"match": {}}, {"a": 1, "b": 2}])
def test_other_queries_are_refused(query: Any) -> None:
    with pytest.raises(BadParameter):
        words(query)


def test_answers_have_the_clients_form(client: TestClient) -> None:
    found = client.post("/logs-app/_search", json={"query": {"match_all": {}}, "size": 1})
    assert found.status_code == 200 and found.headers["x-elastic-product"] == "Elasticsearch"
    hits = found.json()["hits"]
    assert hits["total"]["relation"] == "eq" and hits["hits"][0]["_index"] == "logs-app"
    assert client.get("/elasticsearch/_search?q=x&size=0").json()["hits"]["hits"] == []
    for bad in ({"aggs": {}}, {"query": {"range": {}}}, {"size": -1}, {"size": "x"}):
        answer = client.post("/_search", json=bad)
        assert answer.status_code == 400 and answer.json()["error"]["type"] == "parsing_exception"
    assert client.post("/_search", content=b"{").status_code == 400
