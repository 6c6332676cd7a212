"""Questions against a real index of a server's log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from logsense.enrich import SentenceEmbedder, describe
from logsense.index import EmbeddedIndex
from logsense.record import LogRecord, Template
from logsense.search import Catalog, SearchAnswer, Searcher, understand
from logsense.search.times import to_ns

NOW = datetime(2026, 11, 24, 14, 30, tzinfo=UTC)
MINUTE = 60 * 10**9

# (service, level, message): messages of common programs, with what varies in angle brackets
SERVER = [
    ("sshd", "", "Failed password for invalid user <oracle> from <203.0.113.9> port <4711> ssh2"),
    ("sshd", "", "Invalid user <oracle> from <203.0.113.9> port <4711>"),
    ("sshd", "", "Accepted publickey for <ann> from <198.51.100.7> port <2222> ssh2: <ED25519>"),
    ("kernel", "error", "Out of memory: Killed process <812> (<java>) total-vm:<8123kB>"),
    ("kernel", "info", "EXT4-fs (<sda1>): mounted filesystem with ordered data mode"),
    ("kernel", "warning", "TCP: request_sock_TCP: Possible SYN flooding on port <80>"),
    ("cron", "info", "(<root>) CMD (</usr/lib/sysstat/sa1 1 1>)"),
    ("systemd", "info", "Started Session <44> of user <ann>."),
    ("systemd", "info", "Reached target Multi-User System."),
    ("nginx", "error", "connect() failed (111: Connection refused) while connecting to upstream, client: <10.0.0.5>"),
    ("nginx", "error", "upstream timed out (110: Connection timed out) while reading response header"),
    ("postgres", "error", 'could not extend file "<base/1/2>": No space left on device'),
    ("postgres", "info", "checkpoint complete: wrote <312> buffers"),
    ("postgres", "error", "deadlock detected"),
    ("dhclient", "info", "DHCPACK from <10.0.0.1> (xid=<0x1f>)"),
    ("journald", "info", "Rotating logs in /var/log/journal"),
    ("postgres", "error", "replication terminated by primary server"),
    ("chronyd", "warning", "System clock wrong by <3.2> seconds"),
    ("redis", "warning", "MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk"),
]
TEXTS = [re.sub(r"<[^>]*>", "<*>", message) for _, _, message in SERVER]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedIndex]:
    opened = EmbeddedIndex(tmp_path_factory.mktemp("search"), writer=True)
    opened.put_templates([Template(f"t{at}", text) for at, text in enumerate(TEXTS)])
    opened.write_logs(
        [
            LogRecord(
                f"{at}-{repeat}",
                to_ns(NOW) - repeat * 60 * MINUTE - at * MINUTE,
                re.sub("[<>]", "", message),
                "syslog",
                0,
                host=f"db{repeat % 2}",
                service=service,
                level=level,
                template_id=f"t{at}",
            )
            for at, (service, level, message) in enumerate(SERVER)
            for repeat in range(20)
        ]
    )
    opened.commit()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def embedder(index: EmbeddedIndex) -> SentenceEmbedder:
    model = SentenceEmbedder()
    vectors = model.encode([describe(text) for text in TEXTS])
    index.put_template_vectors([f"t{at}" for at in range(len(SERVER))], vectors, model.name)
    return model


def ask(searcher: Searcher, question: str, **more: int) -> SearchAnswer:
    catalog = Catalog(["db0", "db1"], sorted({service for service, _, _ in SERVER}), ["info", "warning", "error"])
    return searcher.search(understand(question, now_ns=to_ns(NOW), catalog=catalog), **more)


def found(answer: SearchAnswer) -> set[str]:
    return {hit.record.template_id for hit in answer.hits}


# --- by keyword: no model ---------------------------------------------------------------------------


def test_words_that_occur_are_a_keyword_search_without_a_model(index: EmbeddedIndex) -> None:
    answer = ask(Searcher(index, None), "connection refused")
    assert answer.total == 20 and found(answer) == {"t9"} and not answer.semantic
    assert [(template.id, count) for template, count, _ in answer.templates] == [("t9", 20)]


def test_without_a_model_the_answer_says_so(index: EmbeddedIndex) -> None:
    answer = ask(Searcher(index, None), "who is trying to guess passwords")
    assert not answer.semantic and any("not loaded" in note for note in answer.notes)
    still_loading = SentenceEmbedder()
    assert not ask(Searcher(index, still_loading), "who is trying to guess passwords").semantic
    assert not still_loading.loaded


def test_filters_alone_list_the_lines_newest_first(index: EmbeddedIndex) -> None:
    answer = ask(Searcher(index, None), "errors on db1 in the last 3 hours")
    assert answer.total == len(answer.hits) > 0
    assert {(hit.record.level, hit.record.host) for hit in answer.hits} == {("error", "db1")}
    times = [hit.record.timestamp_ns for hit in answer.hits]
    assert times == sorted(times, reverse=True) and min(times) >= to_ns(NOW) - 180 * MINUTE


def test_an_identifier_must_occur(index: EmbeddedIndex) -> None:
    searcher = Searcher(index, None)
    assert found(ask(searcher, "203.0.113.9")) == {"t0", "t1"}
    answer = ask(searcher, "what did 203.0.113.99 do")
    assert answer.total == 0 and any("203.0.113.99" in note for note in answer.notes)


def test_pages_of_an_answer_do_not_overlap(index: EmbeddedIndex) -> None:
    searcher = Searcher(index, None)
    first, second = (ask(searcher, "postgres OR deadlock", limit=7, offset=offset) for offset in (0, 7))
    assert not {hit.record.id for hit in first.hits} & {hit.record.id for hit in second.hits}


def test_nonsense_finds_nothing(index: EmbeddedIndex) -> None:
    answer = ask(Searcher(index, None), "xyzzy plugh frobnicate")
    assert answer.total == 0 and answer.hits == [] and answer.templates == [] and answer.notes


# --- by meaning -------------------------------------------------------------------------------------


@pytest.mark.models
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("who is trying to guess passwords", {"t0", "t1"}),
        ("machine out of memory", {"t3"}),
        ("is there any room left on the disk", {"t11"}),
        ("transactions blocking each other forever", {"t13"}),
        ("the backend behind the web server takes too long", {"t10"}),
        ("谁在猜密码", {"t0", "t1"}),
        ("昨晚哪台机器内存不足", {"t3"}),
    ],
)
def test_meaning_finds_lines_without_their_words(
    index: EmbeddedIndex, embedder: SentenceEmbedder, question: str, expected: set[str]
) -> None:
    answer = ask(Searcher(index, embedder), question)
    assert answer.hits[0].record.template_id in expected
    assert answer.templates[0][0].id in expected
    assert answer.semantic


@pytest.mark.models
def test_meaning_stays_within_the_filters(index: EmbeddedIndex, embedder: SentenceEmbedder) -> None:
    answer = ask(Searcher(index, embedder), "who tries to guess passwords on db1 in the last 4 hours", limit=100)
    assert "t0" in found(answer)
    assert {hit.record.host for hit in answer.hits} == {"db1"}
    assert min(hit.record.timestamp_ns for hit in answer.hits) >= to_ns(NOW) - 240 * MINUTE


@pytest.mark.models
def test_exact_words_stay_a_keyword_search_with_a_model(index: EmbeddedIndex, embedder: SentenceEmbedder) -> None:
    answer = ask(Searcher(index, embedder), "deadlock detected")
    assert found(answer) == {"t13"} and answer.total == 20 and not answer.semantic


@pytest.mark.models
@pytest.mark.parametrize(
    "question", ["recipe for apple pie with cinnamon", "who won the football match", "printer is out of paper"]
)
def test_what_the_log_does_not_speak_of_is_not_found(
    index: EmbeddedIndex, embedder: SentenceEmbedder, question: str
) -> None:
    answer = ask(Searcher(index, embedder), question)
    assert answer.notes
    assert answer.total == 0 or answer.notes == ["no message says this plainly; these are the closest ones"]
