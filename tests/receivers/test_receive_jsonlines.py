"""The native endpoints, over a real connection, also with curl."""

from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import time
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from logsense.receivers._body import BodyLimits
from logsense.receivers.jsonlines import JsonLinesOptions, JsonLinesReceiver, parse_events

LOGS, METRICS = "/api/v1/logs", "/api/v1/metrics"


RECEIVERS = (JsonLinesReceiver(),)


def test_ndjson_flat_nested_and_aliases_mean_the_same(server: Any, client: httpx.Client) -> None:
    documents = [
        {"@timestamp": "2026-01-02T03:04:05.123456789Z", "message": "m", "host.name": "h", "log.level": "error"},
        {
            "@timestamp": "2026-01-02T03:04:05.123456789Z",
            "message": "m",
            "host": {"name": "h"},
            "log": {"level": "error"},
        },
        {"time": "2026-01-02T03:04:05.123456789Z", "msg": "m", "hostname": "h", "severity": "error"},
        {"ts": 1767323045123456789, "log": "m", "host": "h", "level": "error"},
        {"timestamp": "1767323045.123456789", "text": "m", "Host": "h", "LEVEL": "error"},
    ]
    body = b"\n".join(map(orjson.dumps, documents))
    answer = client.post(server.url + LOGS, content=body, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200 and answer.content == b'{"accepted":5}'
    expected = {"@timestamp": "2026-01-02T03:04:05.123456789Z", "host.name": "h", "log.level": "error"}
    for event in server.events():
        assert event.message == "m" and event.fields == expected and event.source == "jsonlines"


@pytest.mark.parametrize(
    ("body", "kind", "messages"),
    [
        ('[{"message":"a"},"b",3]', "application/json", ["a", "b", "3"]),
        ('{"message":"a"}', "application/json", ["a"]),
        ('{\n "message": "pretty"\n}', "application/json", ["pretty"]),
        ('{"message":"a"}\r\n\r\n{"message":"b"}\n', "", ["a", "b"]),
        ('{"message":"a"}\n{"broken": \nplain [x]\n', "application/x-ndjson", ["a", '{"broken": ', "plain [x]"]),
        ("[2026] not json\n{also} not\n", "", ["[2026] not json", "{also} not"]),
        ('{"message":"kept as text"}\n', "text/plain", ['{"message":"kept as text"}']),
        ('{"a":1,"b":{"c":"d"}}\n', "application/x-ndjson", ['{"a":1,"b":{"c":"d"}}']),
        ('{"message":{"deep":1}}', "application/json", ['{"message":{"deep":1}}']),
        ('{"message":"n","v":NaN,"s":"\\ud800"}', "application/json", ["n"]),
        ("", "text/plain", []),
        ("\n\n", "application/x-ndjson", []),
    ],
)
def test_every_shape(server: Any, client: httpx.Client, body: str, kind: str, messages: list[str]) -> None:
    answer = client.post(server.url + LOGS, content=body.encode(), headers={"content-type": kind} if kind else {})
    assert answer.json() == {"accepted": len(messages)}
    assert server.messages() == messages


def test_bytes_that_are_not_utf8_are_kept_as_escapes(server: Any, client: httpx.Client) -> None:
    client.post(server.url + LOGS, content=b'{"message":"caf\xe9","k":"\xff"}\nraw \xff\x00 line')
    assert server.messages() == ["caf\\xe9", "raw \\xff\x00 line"]
    assert server.events()[0].fields["k"] == "\\xff"


def test_service_and_host_of_the_query_fill_gaps(server: Any, client: httpx.Client) -> None:
    client.post(server.url + LOGS + "?service=nginx&host=web1", content='line\n{"message":"b","host":"own"}')
    first, second = server.events()
    assert first.fields == {"service.name": "nginx", "host.name": "web1"}
    assert second.fields == {"service.name": "nginx", "host.name": "own"}


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda b: gzip.compress(b[:9]) + gzip.compress(b[9:])),
        ("deflate", zlib.compress),
        ("deflate", lambda b: zlib.compress(b)[2:-4]),
        ("identity", bytes),
    ],
)
def test_compressed_bodies(server: Any, client: httpx.Client, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = b"\n".join(b"line %d" % i for i in range(50))
    answer = client.post(server.url + LOGS, content=pack(body), headers={"content-encoding": encoding})
    assert answer.json() == {"accepted": 50}
    assert server.messages()[-1] == "line 49"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(b"not gzip", "gzip"), (gzip.compress(b"x" * 999, mtime=0)[:-9], "gzip"), (b"x", "br"), (b"\xff\xff", "deflate")],
)
def test_bad_compression_is_a_problem(server: Any, client: httpx.Client, content: bytes, encoding: str) -> None:
    answer = client.post(server.url + LOGS, content=content, headers={"content-encoding": encoding})
    assert answer.status_code == 400 and answer.json()["title"] and server.messages() == []


def test_a_zip_bomb_is_stopped_early(serve: Callable[..., Any], client: httpx.Client) -> None:
    server = serve(JsonLinesReceiver(JsonLinesOptions(BodyLimits(max_unpacked_bytes=1_000_000))))
    bomb = gzip.compress(b"a" * 200_000_000, 9)
    answer = client.post(server.url + LOGS, content=bomb, headers={"content-encoding": "gzip"})
    assert answer.status_code == 413 and "1000000" in answer.json()["title"]
    assert server.messages() == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused(serve: Callable[..., Any], client: httpx.Client, chunked: bool) -> None:
    server = serve(JsonLinesReceiver(JsonLinesOptions(BodyLimits(max_body_bytes=1000))))
    content: Any = iter([b"x" * 600] * 3) if chunked else b"x" * 1800
    assert client.post(server.url + LOGS, content=content).status_code == 413
    assert client.post(server.url + LOGS, content=b"fine").json() == {"accepted": 1}


def test_an_announced_large_body_is_refused_before_it_is_sent(serve: Callable[..., Any], tmp_path: Any) -> None:
    server = serve(JsonLinesReceiver(JsonLinesOptions(BodyLimits(max_body_bytes=1000))))
    (tmp_path / "big").write_bytes(b"x" * 5_000_000)
    command = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code} %{size_upload}", "-H", "Expect: 100-continue"]
    done = subprocess.run([*command, "--data-binary", f"@{tmp_path / 'big'}", server.url + LOGS], capture_output=True)
    status, sent = done.stdout.split()
    assert status == b"413" and int(sent) == 0


def test_a_full_spool_answers_429_with_retry_after(serve: Callable[..., Any], client: httpx.Client) -> None:
    server = serve(JsonLinesReceiver(), max_bytes=20_000, retry_after_s=7)
    accepted = 0
    for _ in range(100):
        answer = client.post(server.url + LOGS, content=b"\n".join([b"x" * 100] * 10))
        if answer.status_code == 429:
            break
        accepted += answer.json()["accepted"]
    assert answer.status_code == 429 and answer.headers["retry-after"] == "7"
    assert 0 < accepted == len(server.messages())


def test_broken_json_array_is_a_problem(server: Any, client: httpx.Client) -> None:
    answer = client.post(server.url + LOGS, content=b'[{"message":"a"},', headers={"content-type": "application/json"})
    assert answer.status_code == 400 and answer.json()["fix"]


def test_metrics_good_and_bad_points(server: Any, client: httpx.Client) -> None:
    rows = [
        {"name": "cpu", "host": "h", "timestamp": "2026-01-02T03:04:05.5Z", "value": 0.5, "labels": {"core": 1}},
        {"name": "cpu", "host": "h", "timestamp": 1767323046, "value": "7"},
        {"name": "cpu", "value": None},
        {"value": 1},
        {"name": "x", "value": 1, "timestamp": "yesterday"},
        {"name": "x", "value": 1, "timestamp": "9999-12-31T00:00:00Z"},
        {"name": "x", "value": 1, "timestamp": 99999999999},
    ]
    answer = client.post(server.url + METRICS, content="\n".join(map(json.dumps, rows)) + "\n{broken").json()
    assert answer["accepted"] == 2 and answer["rejected"] == 6 and answer["errors"][0].startswith("point 3")
    first, second = server.points()
    assert (first.timestamp_ns, first.value, first.labels) == (1767323045_500_000_000, 0.5, {"core": "1"})
    assert (second.timestamp_ns, second.value) == (1767323046_000_000_000, 7.0)
    assert client.post(server.url + METRICS, json=rows[2:]).status_code == 400
    assert client.post(server.url + METRICS, json=[]).json() == {"accepted": 0}
    assert client.post(server.url + METRICS, json={**rows[0], "timestamp": None}).json() == {"accepted": 1}


def test_curl_as_people_type_it(server: Any, tmp_path: Any) -> None:
    file = tmp_path / "big.log"
    file.write_text(
        "".join(f"line {i} of a file that curl announces with Expect: 100-continue\n" for i in range(30_000))
    )
    for options in (["-d", '{"message":"typed"}'], ["-H", "Expect: 100-continue", "--data-binary", f"@{file}"]):
        done = subprocess.run(["curl", "-sSf", *options, server.url + LOGS], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout == '{"accepted":30000}'
    messages = server.messages()
    assert messages[0] == "typed" and len(messages) == 30_001


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (3, "error"),
        (7, "debug"),
        (0, "emergency"),
        (30, "info"),
        (60, "critical"),
        (99, "99"),
        (True, "true"),
        ("W", "W"),
    ],
)
def test_numeric_levels(level: Any, name: str) -> None:
    (event,) = parse_events(json.dumps({"msg": "m", "level": level, "hostname": 7}).encode(), "", "t")
    assert event.fields == {"log.level": name, "host.name": "7"}


def test_a_client_that_hangs_up_leaves_nothing(server: Any, client: httpx.Client, caplog: Any) -> None:
    head = f"POST {LOGS} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + b"half a line")
        time.sleep(0.2)
    assert client.post(server.url + LOGS, content=b"whole line").json() == {"accepted": 1}
    time.sleep(0.1)
    assert server.messages() == ["whole line"]
    assert "Exception in ASGI" not in caplog.text


def test_parsing_never_raises_on_odd_nesting() -> None:
    for depth in (100, 255, 900, 985, 1010, 100_000):
        deep = '{"a":' * depth + "1" + "}" * depth
        (event,) = parse_events(deep.encode(), "application/x-ndjson", "t")
        assert event.message == deep
