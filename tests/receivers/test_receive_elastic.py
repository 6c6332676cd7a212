"""The Elasticsearch write API: the exact wire form, and real clients (rsyslog, elasticsearch-py)."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from logsense.receivers.elastic_bulk import ElasticBulkReceiver, parse_bulk, scoped_id

NDJSON = {"content-type": "application/x-ndjson"}


RECEIVERS = (ElasticBulkReceiver(),)


def bulk_body(count: int, action: str = '{"create":{"_index":"logs-app-default"}}') -> bytes:
    rows = (f'{action}\n{{"@timestamp":"2026-01-02T03:04:05Z","message":"m{i}"}}\n' for i in range(count))
    return "".join(rows).encode()


@pytest.mark.parametrize("prefix", ["", "/elasticsearch"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("path", ["/_bulk", "/my-index/_bulk", "/my-index/_doc/_bulk", "/_bulk?filter_path=errors&x=1"])
def test_bulk_answers_exactly(server: Any, client: httpx.Client, prefix: str, method: str, path: str) -> None:
    answer = client.request(method, server.url + prefix + path, content=bulk_body(2), headers=NDJSON)
    items = b'{"create":{"status":201}},{"create":{"status":201}}'
    assert re.fullmatch(rb'\{"took":\d+,"errors":false,"items":\[' + re.escape(items) + rb"\]\}", answer.content)
    assert answer.status_code == 200 and answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.headers["content-type"] == "application/json"
    assert server.messages() == ["m0", "m1"]
    assert server.events()[0].fields == {"@timestamp": "2026-01-02T03:04:05Z"}


def test_items_echo_their_action_and_refused_ones_say_why(server: Any, client: httpx.Client) -> None:
    body = (
        b'{"index":{"_index":"a"}}\n{"message":"one"}\n'
        b'{"delete":{"_index":"a","_id":"1"}}\n'
        b'{"update":{"_index":"a","_id":"1"}}\n{"doc":{"message":"no"}}\n'
        b'{"create":{"_index":"a"}}\nnot json\n'
        b'\n{"create":{"_index":"a"}}\r\n[1,2]\r\n'
    )
    answer = client.post(server.url + "/_bulk", content=body).json()
    assert list(answer) == ["took", "errors", "items"] and answer["errors"] is True
    assert [(next(iter(i)), next(iter(i.values()))["status"]) for i in answer["items"]] == [
        ("index", 201),
        ("delete", 400),
        ("update", 400),
        ("create", 201),
        ("create", 201),
    ]
    assert set(answer["items"][1]["delete"]["error"]) == {"type", "reason"}
    assert server.messages() == ["one", "not json", "[1,2]\r"]


@pytest.mark.parametrize("version", [8, 9])
def test_the_media_type_is_answered_in_kind(server: Any, client: httpx.Client, version: int) -> None:
    kind = f"application/vnd.elasticsearch+x-ndjson; compatible-with={version}"
    answer = client.post(server.url + "/_bulk", content=bulk_body(1), headers={"content-type": kind})
    assert answer.headers["content-type"] == f"application/vnd.elasticsearch+json;compatible-with={version}"


def test_a_retry_with_client_ids_gives_the_same_ids_per_index(server: Any, client: httpx.Client) -> None:
    for index in ("a", "a", "b"):
        body = bulk_body(1, f'{{"create":{{"_index":"{index}","_id":"x/ü 1"}}}}')
        assert client.post(server.url + "/_bulk", content=body).json()["errors"] is False
    ids = [e.id for e in server.events()]
    assert ids[0] == ids[1] != ids[2] and re.fullmatch(r"[\w-]{10,40}", ids[0])


@pytest.mark.parametrize(
    "body",
    [
        b'{"create":{}}\n',
        b'{"create":{}}\n{"a":1}\n{"index":{}}',
        b"no\njson\n",
        b'{"a":{}}\n{}\n',
        b'{"create":1}\n{}\n',
    ],
)
def test_broken_framing_refuses_the_whole_request(server: Any, client: httpx.Client, body: bytes) -> None:
    answer = client.post(server.url + "/_bulk", content=body)
    assert answer.status_code == 400 and answer.json()["status"] == 400
    assert answer.json()["error"]["type"] == "illegal_argument_exception"
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert server.messages() == []


def test_back_pressure_is_a_whole_request_429(serve: Callable[..., Any], client: httpx.Client) -> None:
    server = serve(ElasticBulkReceiver(), max_bytes=30_000, retry_after_s=3)
    statuses = [client.post(server.url + "/_bulk", content=bulk_body(50)) for _ in range(20)]
    refused = [a for a in statuses if a.status_code == 429]
    assert refused and refused[0].headers["retry-after"] == "3"
    assert refused[0].json()["error"]["type"] == "es_rejected_execution_exception"
    assert len(server.messages()) == 50 * (20 - len(refused))


def test_single_documents(server: Any, client: httpx.Client) -> None:
    for method, path, status in (
        ("POST", "/idx/_doc", 201),
        ("PUT", "/idx/_doc/7", 201),
        ("POST", "/idx/_doc/7", 201),
        ("PUT", "/idx/_create/8", 201),
    ):
        answer = client.request(method, server.url + path, json={"message": path})
        assert answer.status_code == status and answer.json()["_index"] == "idx" and answer.json()["_id"]
        assert answer.json()["result"] == "created"
    ids = [e.id for e in server.events()]
    assert ids[1] == ids[2] == scoped_id("idx", "7") and len(set(ids)) == 3


def test_gzip_and_date_suffix(server: Any, client: httpx.Client) -> None:
    body = gzip.compress(bulk_body(3, '{"index":{"_index":"filebeat-2026.01.02"}}'))
    client.post(server.url + "/_bulk", content=body, headers={**NDJSON, "content-encoding": "gzip"})
    assert {e.source for e in server.events()} == {"bulk:filebeat"} and len(server.messages()) == 3


@pytest.mark.parametrize("prefix", ["", "/elasticsearch"])
def test_the_index_of_the_path_is_the_default(server: Any, client: httpx.Client, prefix: str) -> None:
    body = b'{"index":{}}\n{"message":"a"}\n{"index":{"_index":"own"}}\n{"message":"b"}\n'
    for path in ("/_bulk", "/app/_bulk", "/app/_doc/_bulk"):
        assert client.post(server.url + prefix + path, content=body).json()["errors"] is False
    assert [e.source for e in server.events()] == ["bulk", "bulk:own", "bulk:app", "bulk:own", "bulk:app", "bulk:own"]


def test_handshakes_of_the_shippers(server: Any, client: httpx.Client) -> None:
    def get(path: str, **headers: str) -> Any:
        answer = client.get(server.url + path, headers=headers)
        assert answer.status_code == 200 and answer.headers["x-elastic-product"] == "Elasticsearch"
        return answer.json()

    info = get("/", **{"user-agent": "Elastic-Filebeat/8.17.3 (linux; amd64; abc; 2025-02-25 17:05:58 +0000 UTC)"})
    assert info["version"]["number"] == "8.17.3" and info["cluster_uuid"]
    assert info["tagline"] == "You Know, for Search"
    assert get("/", accept="application/vnd.elasticsearch+json; compatible-with=9")["version"]["number"] == "9.0.0"
    assert get("/")["version"]["number"].startswith("8.")
    licence = get("/_license")["license"]
    assert licence["status"] == "active" and licence["uid"] and licence["type"]
    assert get("/_xpack")["features"]["ilm"]["enabled"] is True
    assert get("/_cluster/health")["status"] == "green"
    nodes = get("/_nodes/http")["nodes"]
    assert next(iter(nodes.values()))["http"]["publish_address"] == f"127.0.0.1:{server.port}"
    assert client.get(server.url + "/_cat/health").text.split()[3] == "green"
    for thing in ("_ilm/policy/p", "_index_template/t", "_template/t", "_data_stream/d", "_ingest/pipeline/p"):
        get(f"/{thing}")
        assert client.head(f"{server.url}/{thing}").status_code == 200
        assert client.put(f"{server.url}/{thing}", json={"any": 1}).json() == {"acknowledged": True}
    for path in ("/", "/some-alias", "/elasticsearch/"):
        assert client.head(server.url + path).status_code == 200
    assert client.put(server.url + "/%3Clogstash-%7Bnow%2Fd%7D-000001%3E", json={}).json()["acknowledged"] is True


def test_browsers_are_left_to_the_user_interface(server: Any, client: httpx.Client) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert client.get(server.url + "/", headers={"accept": accept}).status_code == 404


def test_any_bytes_are_kept_or_refused_but_never_raise() -> None:
    action = b'{"create":{"_index":"a"}}\n'
    documents = [
        b'{"message":"\xff\x00"}',
        b"\x00\x01",
        b"{" * 5000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b'{"@timestamp":[]}',
    ]
    events, items, failed = parse_bulk(b"".join(action + d + b"\n" for d in documents))
    assert len(events) == len(items) == len(documents) and not failed
    assert events[0].message == '{"message":"\\xff\x00"}'


# Real clients


def test_elasticsearch_py(server: Any) -> None:
    elasticsearch = pytest.importorskip("elasticsearch")
    from elasticsearch import helpers

    for kwargs in ({}, {"http_compress": True}, {"sniff_on_start": True}):
        with elasticsearch.Elasticsearch([server.url], request_timeout=20, **kwargs) as es:
            actions = ({"_op_type": "create", "_index": "logs-app-default", "message": f"m{i}"} for i in range(1200))
            assert helpers.bulk(es, actions) == (1200, [])
            assert es.info()["version"]["number"] and es.ping()
            assert es.index(index="logs-app-default", document={"message": "single"})["result"] == "created"
            assert es.cluster.health()["status"] == "green"
    messages = server.messages()
    assert len(messages) == 3 * 1201 and messages[:2] == ["m0", "m1"]


def test_elasticsearch_py_retries_on_429(serve: Callable[..., Any]) -> None:
    elasticsearch = pytest.importorskip("elasticsearch")
    from elasticsearch import helpers

    server = serve(ElasticBulkReceiver(), max_bytes=100)
    with elasticsearch.Elasticsearch([server.url], request_timeout=20, max_retries=0) as es:
        with pytest.raises(elasticsearch.ApiError) as caught:
            helpers.bulk(es, [{"_index": "a", "message": "x" * 200}])
        assert caught.value.status_code == 429
    assert server.messages() == []


RSYSLOG = """
global(workDirectory="{dir}" localHostname="web01.example")
module(load="omelasticsearch") module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{dir}/log.sock" CreatePath="on" useSpecialParser="on")
template(name="es" type="list") {{ constant(value="{{\\"@timestamp\\":\\"")
 property(name="timereported" dateFormat="rfc3339")
 constant(value="\\",\\"host\\":\\"") property(name="hostname" format="json")
 constant(value="\\",\\"severity\\":\\"") property(name="syslogseverity-text") constant(value="\\",\\"app\\":\\"")
 property(name="programname" format="json") constant(value="\\",\\"message\\":\\"") property(name="msg" format="json")
 constant(value="\\"}}") }}
action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" usehttps="off" template="es" searchIndex="syslog"
 searchType="{type}" bulkmode="{bulk}"
 errorfile="{dir}/errors.json" action.resumeretrycount="-1" action.resumeinterval="1")
"""


@pytest.mark.parametrize(("bulk", "kind"), [("on", ""), ("off", "_doc")])
def test_rsyslog_omelasticsearch(server: Any, tmp_path: Path, bulk: str, kind: str) -> None:
    plugin = any(Path("/usr/lib").glob("*/rsyslog/omelasticsearch.so"))
    if not (shutil.which("rsyslogd") and shutil.which("logger") and plugin):
        pytest.skip("needs rsyslogd with omelasticsearch, and logger")
    config = tmp_path / "r.conf"
    config.write_text(RSYSLOG.format(dir=tmp_path, port=server.port, bulk=bulk, type=kind))
    rsyslog = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(tmp_path / "r.pid")])
    try:
        socket_path = tmp_path / "log.sock"
        deadline = time.monotonic() + 10
        while not socket_path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        for i in range(5):
            text = f'Failed "password" ünï {i}'
            subprocess.run(["logger", "-u", str(socket_path), "-t", "sshd", "-p", "auth.err", text], check=True)
        events = server.wait_for(5)
    finally:
        rsyslog.terminate()
        rsyslog.wait(10)
    assert [e.message.strip() for e in events if "password" in e.message] == [
        f'Failed "password" ünï {i}' for i in range(5)
    ]
    fields = events[0].fields
    assert fields["service.name"] == "sshd" and fields["log.level"] == "err" and fields["host.name"]
    error_file = tmp_path / "errors.json"
    assert not error_file.exists() or error_file.read_text() == ""
