"""No secret reaches the data folder: planted through every kind of protocol, then looked for in every file."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from logsense.parse import Redactor
from logsense.record import LogRecord, MetricPoint, RawEvent
from logsense.spool import waiting_bytes
from logsense.worker import Worker
from logsense.workers import Workers
from tests.core.test_tenants import server, settings

# Each holds "qz9" so that one search finds every one of them; the card number and the address cannot.
PASSWORD = "qz9hunter2"
CARD = "4111 1111 1111 1111"
EMAIL = "qz9.person@example.com"
KEY_BODY = "MIIEqz9pAIBAAKCAQEA7Zk1\\nqz9second/line+of==\\n"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJxejkifQqz9.dozjgNryP4J3jVmNHl0w5Nqz9"
TEXTS = [
    f"connect postgres://app:{PASSWORD}@db1:5432/shop failed",
    f"connect amqp://app:p@ss{PASSWORD}@mq1:5672/ failed",
    f"mongodb://u:{PASSWORD}@h1:27017,h2:27017/db unreachable",
    f"clone https://{PASSWORD}abcdefghijklmnop0123@git.example/x.git failed",
    f"upstream said 401 to Authorization: Bearer {PASSWORD}abcdef",
    f"curl -H 'Authorization: Basic {PASSWORD}Zm9v' http://x",
    "key AKIAQZAAAABBBBCCCC22 used",
    f"aws_secret_access_key={PASSWORD}/{'x' * 30}",
    f"-----BEGIN RSA PRIVATE KEY-----\\n{KEY_BODY}-----END RSA PRIVATE KEY-----".replace("\\n", "\n"),
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"
    "qz9MIIEpAIB\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\\n{KEY_BODY}-----END PRIVATE KEY-----",
    f"token {JWT} expired",
    f"paid with {CARD} today",
    f"GET /login?user=bob&password={PASSWORD}&next=/ HTTP/1.1",
    f"GET /cb?access_token={PASSWORD}&x=1",
    f'body {{"user":"bob","password":"{PASSWORD}"}}',
    f'body "{{\\"user\\":\\"bob\\",\\"password\\":\\"{PASSWORD}\\"}}"',
    f"<login><user>bob</user><password>{PASSWORD}</password></login>",
    f"exec mysql --user=bob --password {PASSWORD} shop",
    f"create user app identified by '{PASSWORD}'",
    f"mail to {EMAIL} bounced",
    f"DB_PASSWORD: {PASSWORD}",
    f"Cookie: theme=dark; session_token={PASSWORD}",
]
FIELDS: dict[str, Any] = {
    "http.request.headers.authorization": f"Bearer {PASSWORD}",
    "user.password": PASSWORD,
    "client_secret": PASSWORD,
    "nested": {"deep": {"password": PASSWORD, "url": f"redis://:{PASSWORD}@cache/0"}},
    "list": [f"--password={PASSWORD}", {"password": PASSWORD}, [f"postgres://a:{PASSWORD}@b/c"]],
    "url.query": f"a=1&api_key={PASSWORD}",
    "url.full": f"https://bob:{PASSWORD}@example.com/x",
    "password": {"value": PASSWORD},
    "card": CARD,
    "mail": EMAIL,
}
SECRETS = [b"qz9", b"AKIAQZ", CARD.encode(), CARD.replace(" ", "").encode(), EMAIL.encode()]


def send(client: TestClient) -> None:
    """Every text through each family, in its message, its fields and its labels."""
    now = time.time_ns()

    def post(path: str, content: bytes, success: int, **headers: str) -> None:
        answer = client.post(path, content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status_code == success, (path, answer.text)

    rows = [{"message": t, "host.name": "h", "service.name": "s"} for t in TEXTS]
    rows.append({"message": "fields", **FIELDS})
    post("/api/v1/logs", b"\n".join(json.dumps(r).encode() for r in rows), 200)
    post("/api/v1/logs", b"\n".join(t.replace("\n", " ").encode() for t in TEXTS), 200, content_type="text/plain")
    bulk = b"".join(b'{"index":{"_index":"x"}}\n' + json.dumps(r).encode() + b"\n" for r in rows)
    post("/_bulk", bulk, 200)
    values = [[str(now + n), t, {"note": t}] for n, t in enumerate(TEXTS)]
    loki = {"streams": [{"stream": {"app": "s", "password": PASSWORD, "url": TEXTS[0]}, "values": values}]}
    post("/loki/api/v1/push", json.dumps(loki).encode(), 204, content_type="application/json")

    def attribute(key: str, value: str) -> dict[str, Any]:
        return {"key": key, "value": {"stringValue": value}}

    kv = {"key": "kv", "value": {"kvlistValue": {"values": [attribute("password", PASSWORD)]}}}
    array = {"key": "ar", "value": {"arrayValue": {"values": [{"stringValue": TEXTS[0]}]}}}
    records = [
        {"timeUnixNano": str(now), "body": {"stringValue": t},
         "attributes": [attribute("note", t), attribute("db.password", PASSWORD), kv, array]}
        for t in TEXTS
    ]  # fmt: skip
    resource = {"attributes": [attribute("service.name", "s"), attribute("deploy.token", PASSWORD)]}
    otlp = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    post("/v1/logs", json.dumps(otlp).encode(), 200, content_type="application/json")
    hec = b"".join(json.dumps({"event": t, "fields": {"note": t, "password": PASSWORD}}).encode() for t in TEXTS)
    post("/services/collector", hec, 200)
    post("/gelf", json.dumps({"short_message": TEXTS[0], "_password": PASSWORD, "_note": TEXTS[4]}).encode(), 202)
    journal = f"MESSAGE={TEXTS[13]}\n_CMDLINE=app --password={PASSWORD}\nNOTE={TEXTS[0]}\n\n".encode()
    post("/upload", journal, 202)
    points = [{"name": "up", "host": "h", "value": 1, "labels": {"url": TEXTS[0], "password": PASSWORD, "mail": EMAIL}}]
    post("/api/v1/metrics", json.dumps(points).encode(), 200)
    post("/api/v2/write", f"m,host=h,dsn=postgres://a:{PASSWORD}@b/c v=1\n".encode(), 204)


def all_indexed(worker: Worker | None, lines: int) -> bool:
    return worker is not None and worker.lines >= lines and not worker.spool.backlog_bytes() and not worker.unsaved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder after everything was indexed and server and worker ended."""
    data = tmp_path_factory.mktemp("secrets") / "data"
    made = server(data, redact={"emails": True})
    client = TestClient(made.app(lambda: None), base_url="http://localhost")
    send(client)
    accepted = sum(row["accepted"] for name, row in made.tenants.intake("default").stats().items() if name != "metrics")
    made.tenants.close()
    workers = Workers(data, settings(redact={"emails": True}), models=False)
    deadline = time.monotonic() + 60
    workers.run_until(lambda: time.monotonic() > deadline or all_indexed(workers.at_work.get("default"), accepted))
    assert not waiting_bytes(data / "spool")
    assert accepted > 100
    yield data


def test_no_file_of_the_data_folder_holds_a_planted_secret(folder: Path) -> None:
    held = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found = {content[max(0, at - 60) : at + 40] for s in SECRETS if (at := content.find(s)) >= 0}
            if found:
                held[str(path.relative_to(folder))] = found
    assert held == {}


def test_what_is_shown_holds_none_either_and_says_that_something_was_there(folder: Path) -> None:
    made = server(folder)
    try:
        client = TestClient(made.app(lambda: None), base_url="http://localhost")
        answer = client.get("/api/v1/search?q=&limit=1000").json()
        text = json.dumps(answer) + client.get("/api/v1/metrics/series").text
        assert answer["total"] > 100 and text.count("[redacted:") > 100
        assert [text[max(0, at - 80) : at + 30] for s in SECRETS if (at := text.find(s.decode())) >= 0] == []
        for kept in ("connect postgres://app:", "db1:5432/shop failed", "user=bob", "h1:27017,h2:27017"):
            assert kept in text  # the rest of the line is still there
    finally:
        made.tenants.close()


def test_a_record_that_waited_for_its_rest_leaves_no_trace(tmp_path: Path) -> None:
    worker = Worker(tmp_path, settings(), models=False)
    lines = ["Traceback (most recent call last):", f'  File "a.py", line 1, in f("redis://:{PASSWORD}@cache/0")'] * 40
    now = time.time_ns()
    worker.spool.append([RawEvent(line, "file:x", now, {"host.name": "h"}) for line in lines])
    assert worker.step()
    worker.commit()
    assert worker.pipeline.held
    worker.close()
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name != "spool":
            assert b"qz9" not in path.read_bytes(), path


def test_labels_and_nested_fields_are_cleaned_and_counts_are_kept() -> None:
    redactor = Redactor()
    points = [MetricPoint("m", "h", 1, 1.0, {"url": TEXTS[0], "token": "abcdef", "device": "sda"}) for _ in range(2)]
    redactor.points(points)
    for point in points:
        assert point.labels == {
            "url": "connect postgres://app:[redacted:url-credentials]@db1:5432/shop failed",
            "token": "[redacted:password]", "device": "sda",
        }  # fmt: skip
    fields = {"usage.token": 12, "db.password": 1234, "ok.password": True, "rows": [{"secret": "x", "n": 1}, None]}
    record = LogRecord("1", 1, "m", "s", 1, fields=dict(fields))
    redactor.process([record])
    assert record.fields == {
        "usage.token": 12, "db.password": "[redacted:password]", "ok.password": True,
        "rows": [{"secret": "[redacted:password]", "n": 1}, None],
    }  # fmt: skip
