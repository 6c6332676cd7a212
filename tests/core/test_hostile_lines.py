"""Lines that attack whoever reads them: no control character reaches a terminal, no markup a page, no script a link."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from logsense.cli import app as command_line
from logsense.workers import Workers
from tests.core.test_tenants import START, everything, server, settings

HTML = {"accept": "text/html"}
ATTACKS = [
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x9b31m",
    "fake\r\n2026-03-01T02:00:00Z ERROR second line\rover\bwritten",
    "bidi \u202eevil\u202c \u2066iso\u2069 \u200f zero\u200bwidth \ufeff",
    "<script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>",
    '"><script>alert(4)</script> \' onmouseover=\'alert(5) " autofocus onfocus=alert(6) x="',
    "javascript:alert(7) data:text/html,<script>alert(8)</script> vbscript:x",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7} <%= 7*7 %>",
    "]]> --> <!-- </style></title></textarea><script>alert(9)</script>",
    "[bold red]markup[/bold red] [link=javascript:alert(1)]x[/link] :smile:",
    "nul \x00 del \x7f tab\t nel \x85 ls \u2028 ps \u2029",
]
NAMES = ["<xss>h</xss>", "h\x1b[31m", "javascript:alert(1)", "../../etc", "h\u202ex", "a\"b'c"]
#: Control and format characters that change what a terminal or a page shows; newlines and tabs lay text out.
ALLOWED = "\n\t"


def rows() -> list[dict[str, Any]]:
    made = []
    for second in range(0, 1200, 2):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + second))
        made.append({"@timestamp": at, "host.name": "app1", "service.name": "orders", "log.level": "INFO",
                     "message": f"order {second} stored in {second % 9} ms"})  # fmt: skip
        if 900 <= second < 960:
            for number, attack in enumerate(ATTACKS):
                name = NAMES[number % len(NAMES)]
                made.append({"@timestamp": at, "host.name": name, "service.name": name, "log.level": "ERROR",
                             "message": f"{attack} FATAL: sorry, too many clients already",
                             f"labels.{name}": attack, "url.full": "javascript:alert(1)"})  # fmt: skip
                made.append({**made[-1], "host.name": "app1", "service.name": "orders"})
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("hostile") / "data"
    made = server(folder)
    client = TestClient(made.app(lambda: None), base_url="http://localhost")
    body = b"\n".join(json.dumps(row).encode() for row in rows())
    assert client.post("/api/v1/logs", content=body).status_code == 200
    plain = "\n".join(ATTACKS).encode()
    assert client.post("/api/v1/logs", content=plain, headers={"content-type": "text/plain"}).status_code == 200
    bulk = b"".join(
        json.dumps({"index": {"_index": attack[:90]}}).encode()
        + b"\n"
        + json.dumps({"message": attack}).encode()
        + b"\n"
        for attack in ATTACKS
    )
    assert client.post("/_bulk", content=bulk).status_code == 200
    points = [{"name": f"m{name}", "host": name, "value": 1, "labels": {"l": name}} for name in NAMES]
    assert client.post("/api/v1/metrics", json=points).status_code == 200
    workers = Workers(folder, settings(), models=False)
    space = made.tenants.workspace("default")
    deadline = time.monotonic() + 120
    workers.run_until(lambda: bool(space.incidents()) or time.monotonic() > deadline)
    incident = space.incidents()[0]["id"]
    assert (
        client.post(f"/api/v1/incidents/{incident}/note", json={"text": ATTACKS[3], "by": ATTACKS[4]}).status_code
        == 200
    )
    made.tenants.close()
    yield folder


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[TestClient]:
    made = server(data)
    yield TestClient(made.app(lambda: None), base_url="http://localhost", follow_redirects=False)
    made.tenants.close()


class Page(HTMLParser):
    """What a browser would make of a page: elements, handlers, links."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == "script" and not (values.get("src") or "").startswith("/static/"):
            self.problems.append(f"script {values}")
        foreign = tag in ("img", "iframe", "object", "embed", "base", "xss")
        if foreign and not (values.get("src") or "").startswith("/static/"):
            self.problems.append(f"<{tag}> {values}")
        for name, value in attributes:
            if name.startswith("on") or (name == "autofocus" and tag != "input"):
                self.problems.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action", "formaction", "data-chart"):
                plain = re.sub(r"[\x00-\x20]", "", value or "").lower()
                if re.match(r"(javascript|data|vbscript):", plain) or plain.startswith(("//", "\\")):
                    self.problems.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def unsafe(text: str) -> list[str]:
    """Control, format and line-separating characters in ``text``."""
    return sorted(
        {f"U+{ord(c):04X}" for c in text if c not in ALLOWED and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}
    )


def test_no_page_holds_anything_that_a_line_put_there(client: TestClient) -> None:
    seen = 0
    for place in everything(client, {}, who=""):
        answer = client.get(place, headers=HTML)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            assert "javascript:" not in answer.headers.get("location", ""), place
            continue
        page = Page(answer.text)
        assert page.problems == [], place
        assert unsafe(answer.text) == [], place
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        seen += "alert(" in page.text
    assert seen >= 8  # the attacks are shown, as text


COMMANDS = (
    ["search", "clients"], ["search", ""], ["search", "level:error", "--newest", "-n", "50"], ["incidents"],
    ["templates", "-n", "100"], ["doctor"], ["forecast"], ["diagnose"],
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_what_could_drive_a_terminal(data: Path, command: list[str], tmp_path: Path) -> None:
    config = tmp_path / "logsense.toml"
    config.write_text('[embeddings]\nmodel = "none"\nsha256 = "00"\n')
    shown = CliRunner().invoke(
        command_line, [*command, "--data", str(data), "--config", str(config)], env={"COLUMNS": "300", "TERM": "dumb"}
    )
    assert shown.exit_code == 0, shown.output
    assert unsafe(shown.output) == [], command
    if command[0] in ("search", "templates"):
        assert "\\x1b" in shown.output or "alert(" in shown.output  # shown, made visible


def test_an_incident_is_printed_and_its_json_is_escaped(data: Path, client: TestClient) -> None:
    incident = client.get("/api/v1/incidents").json()[0]["id"]
    shown = CliRunner().invoke(command_line, ["incidents", incident, "--data", str(data)], env={"COLUMNS": "300"})
    assert shown.exit_code == 0 and unsafe(shown.output) == []
    raw = client.get(f"/api/v1/incidents/{incident}")
    assert raw.headers["content-type"] == "application/json" and raw.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", raw.text)
