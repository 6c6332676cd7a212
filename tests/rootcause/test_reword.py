"""A language model may change the words and nothing else; a real HTTP server answers in many ways."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from logsense.errors import BadInput
from logsense.record import Sentence
from logsense.rewording import RewordOptions, reworded
from logsense.rootcause.reword import difference

SENTENCES = [
    Sentence("Disk full on app1; since 21:20:40 UTC.", ["line:a"], "headline"),
    Sentence("Affected for 110 s: orders on app1; most striking: `No space left on device` 7 times.", ["line:b"],
             "impact"),
    Sentence("web1 shows no matching change.", ["metric:web1/x@1"], "against"),
]  # fmt: skip
HONEST = {
    1: "The disk of app1 is full; since 21:20:40 UTC.",
    2: "For 110 s orders on app1 was hit, most strikingly `No space left on device`, 7 times.",
    3: "On web1 there is no change that fits.",
}
Answer = Callable[[list[dict[str, Any]]], tuple[int, str]]


def said(texts: dict[int, str]) -> str:
    return json.dumps([{"n": n, "text": text} for n, text in texts.items()])


@pytest.fixture
def model() -> Iterator[Callable[[Answer], RewordOptions]]:
    """``model(answer)``: options of an endpoint; ``answer`` gets the numbered sentences, gives status and content."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> RewordOptions:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/chat/completions" and asked["model"] == "m"
                status, content = answer(json.loads(asked["messages"][1]["content"]))
                body = json.dumps({"choices": [{"message": {"content": content}}]}).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked did not wait

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return RewordOptions(f"http://127.0.0.1:{server.server_port}/v1", "m", timeout_s=0.5)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


NAMES = ["app1", "web1", "orders"]


def test_other_words_for_the_same_are_taken_and_evidence_stays(model: Any) -> None:
    found = reworded(SENTENCES, model(lambda rows: (200, f"```json\n{said(HONEST)}\n```")), NAMES)
    assert found.kept == 0
    assert [s.text for s in found.sentences] == list(HONEST.values())
    assert [(s.evidence, s.role) for s in found.sentences] == [(s.evidence, s.role) for s in SENTENCES]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "The disk of app1 is full since 21:20:40 UTC, probably because of a backup at 21:00:00."),
        (1, "The disk of app1 and web1 is full; since 21:20:40 UTC."),
        (1, "The disk is full; since 21:20:40 UTC."),
        (2, "For 110 s orders on app1 was hit, most strikingly `Disk quota exceeded`, 7 times."),
        (2, "For 110 s orders on app1 was hit, most strikingly `No space left on device`, 70 times."),
        (3, "web1 shows a matching change."),
        (3, "web1 shows no matching change. " + "It may be wise to look at everything again. " * 5),
        (3, ""),
    ],
)
def test_what_was_added_dropped_or_turned_round_is_not_taken(model: Any, number: int, text: str) -> None:
    found = reworded(SENTENCES, model(lambda rows: (200, said({**HONEST, number: text}))), NAMES)
    assert found.kept == 1 and found.why[0].startswith(f"{number}: ")
    assert found.sentences[number - 1] == SENTENCES[number - 1]


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: (200, "I am sorry, I cannot do that."),
        lambda rows: (200, said({7: "x"})),
        lambda rows: (200, "[" * 5000),
        lambda rows: (200, json.dumps([{"n": 1, "text": HONEST[1]}] * 2)),
        lambda rows: (500, "no"),
        lambda rows: (time.sleep(1.2), (200, said(HONEST)))[1],
    ],
    ids=["refuses", "other numbers", "garbage", "twice", "error", "too slow"],
)
def test_no_usable_answer_leaves_the_summary_as_it_is(model: Any, answer: Answer) -> None:
    found = reworded(SENTENCES, model(answer), NAMES)
    assert found.sentences == SENTENCES and found.kept == 3


def test_it_is_off_unless_configured() -> None:
    with pytest.raises(BadInput, match="No language model"):
        reworded(SENTENCES, RewordOptions())
    with pytest.raises(ValueError, match="needs a model"):
        RewordOptions("http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("original", "text", "same"),
    [
        ("db1 上的 postgresql 崩溃后恢复；自 21:33:50 UTC 起。",
         "自 21:33:50 UTC 起，db1 上的 postgresql 崩溃并已恢复。", True),
        ("db1 上的 disk.io 没有相应变化。", "db1 上的 disk.io 有相应变化。", False),
        ("`a` once", "once `a`", True),
        ("`a` once", "once `b`", False),
    ],
)  # fmt: skip
def test_the_check_itself(original: str, text: str, same: bool) -> None:
    assert (difference(original, text, ["db1", "postgresql"]) == "") is same
