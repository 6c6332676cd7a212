"""What every ``Index`` must do. A second implementation joins by one more row in ``IMPLEMENTATIONS``."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from logsense.index.elastic import ElasticIndex, ElasticOptions
from logsense.index.embedded import EmbeddedIndex
from logsense.record import (
    Action,
    Forecast,
    Hypothesis,
    Incident,
    LogRecord,
    MetricPoint,
    Query,
    Sentence,
    Signal,
    Template,
)
from logsense.search import fuse
from logsense.stages import Index
from tests.elasticsearch_server import remove

DAY = 86_400 * 10**9
T0 = 1_700_000_000 * 10**9  # 2023-11-14 22:13:20 UTC, so that + 2 h is another day


@contextmanager
def embedded(path: Path, request: pytest.FixtureRequest) -> Iterator[Index]:
    index = EmbeddedIndex(path, writer=True)
    yield index
    index.close()


@contextmanager
def elastic(path: Path, request: pytest.FixtureRequest) -> Iterator[Index]:
    """A real server, shared by the session; every test has indices of its own."""
    url = request.getfixturevalue("elasticsearch_url")
    index = ElasticIndex(path, writer=True, options=ElasticOptions(urls=[url], prefix=f"t{uuid.uuid4().hex[:12]}"))
    yield index
    assert index.dead_letters() == 0  # nothing that a line may hold is poison
    remove(index)
    index.close()


Make = Callable[[Path, pytest.FixtureRequest], AbstractContextManager[Index]]
#: Both give the same answers in the same order with the same scores; a difference is a bug.
IMPLEMENTATIONS: tuple[Make, ...] = (embedded, elastic)


@pytest.fixture(
    params=[pytest.param(m, id=m.__name__, marks=pytest.mark.heavy if m is elastic else ()) for m in IMPLEMENTATIONS]
)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    with request.param(tmp_path / "index", request) as opened:
        yield opened


def line(log_id: str, message: str, at: int = T0, **more: object) -> LogRecord:
    return LogRecord(log_id, at, message, "tail:/x", at + 5, **more)  # type: ignore[arg-type]


def put(index: Index, *records: LogRecord, replay: bool = False) -> None:
    index.write_logs(records, replay=replay)
    index.commit()


def ids(answer: tuple[int, list]) -> list[str]:
    return [hit.record.id for hit in answer[1]]


def found(index: Index, **query: object) -> list[str]:
    return sorted(ids(index.search(Query(**query))))  # type: ignore[arg-type]


# --- records ---------------------------------------------------------------------------------------


def test_a_record_comes_back_as_it_was(index: Index) -> None:
    record = LogRecord(
        id="a/1 \N{GREEK SMALL LETTER ALPHA}",
        timestamp_ns=T0 + 123_456_789,
        message="Failed password for root from 10.0.0.5 port 22",
        source="syslog:514",
        ingested_ns=T0 + 10**9,
        host="db1",
        service="sshd",
        level="warning",
        pipeline="server",
        original="<38>Nov 14 22:13:20 db1 sshd: Failed password for root from 10.0.0.5 port 22",
        outcome="parsed",
        template_id="t1",
        parameters=["root", "10.0.0.5"],
        fields={"source.ip": "10.0.0.5", "source.port": 22, "tags": ["a", "b"], "event.ok": True, "nothing": None},
    )
    put(index, record)
    assert index.get_log(record.id) == record
    total, hits = index.search(Query(text="password"))
    assert total == 1 and hits[0].record == record


def test_nothing_is_found_in_an_empty_index(index: Index) -> None:
    assert index.search(Query(text="x")) == (0, [])
    assert index.search(Query()) == (0, [])
    assert list(index.scan(Query())) == []
    assert index.histogram(Query(), DAY) == [] and index.terms(Query(), "host") == []
    assert index.rare_terms(Query(), "host") == []
    assert index.time_range() is None and index.get_log("x") is None
    assert index.get_template("x") is None and index.templates() == [] and index.templates(["x"]) == []
    assert index.nearest_templates(np.ones(3, np.float32), 3, "m", Query()) == []
    assert index.matching_templates("x", 3) == [] == index.matching_templates("x", 3, Query())
    assert index.nearest_incidents(np.ones(3, np.float32), 3, "m", Query()) == []
    assert index.matching_incidents("x", 3, Query()) == [] and list(index.incident_vectors()) == []
    assert index.metric_names() == [] and index.metric_series("h", "m", None, None) == []
    assert index.signals() == [] and index.signals(ids=["x"]) == []
    assert index.incidents() == [] and index.get_incident("x") is None
    assert index.forecasts() == [] and index.source_stats() == {}


def test_writes_are_visible_after_commit(index: Index) -> None:
    index.write_logs([line("1", "hello world")])
    index.commit()
    assert found(index, text="hello") == ["1"]


def test_a_replayed_id_replaces_the_line(index: Index) -> None:
    put(index, line("1", "first text"), line("2", "other text"))
    put(index, line("1", "second text"), line("3", "third text"), replay=True)
    assert found(index) == ["1", "2", "3"]
    assert index.get_log("1").message == "second text"  # type: ignore[union-attr]
    assert found(index, text="first") == []


def test_a_replayed_id_replaces_lines_of_another_day_and_of_the_same_batch(index: Index) -> None:
    put(index, line("1", "alpha", T0))
    put(index, line("1", "beta", T0 + 3 * DAY), line("1", "gamma", T0 + 5 * DAY), replay=True)
    assert [r.message for r in index.scan(Query())] == ["gamma"]
    index.write_logs([line("1", "delta", T0)], replay=True)
    index.write_logs([line("1", "epsilon", T0 + DAY)], replay=True)  # before the commit of the one before
    index.commit()
    assert [r.message for r in index.scan(Query())] == ["epsilon"]


def test_long_and_odd_ids_are_told_apart(index: Index) -> None:
    names = ["x" * 70_000 + "1", "x" * 70_000 + "2", "a b\tc\n", "", "\x00", "日志/1", '{"q":"}', "-1", "*"]
    put(index, *[line(name, f"message number {at}") for at, name in enumerate(names)])
    for at, name in enumerate(names):
        got = index.get_log(name)
        assert got is not None and got.message == f"message number {at}"
    put(index, line(names[0], "again"), replay=True)
    assert index.search(Query())[0] == len(names)
    assert index.get_log(names[1]).message == "message number 1"  # type: ignore[union-attr]


# --- words -----------------------------------------------------------------------------------------

LINES = {
    "ip": "connect to 10.0.0.5 refused",
    "ip2": "connect to 10.0.0.50 refused",
    "path": "open /var/lib/mysql/ibdata1: permission denied",
    "block": "received blk_-1608999687919862906 of size 67108864",
    "oom": "OOM-killer invoked: Out of memory",
    "conn": "Connections failing over and over",
    "zh": "数据库连接失败，请重试",
    "camel": "caught NullPointerException",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.5", ["ip"]),
        ("10.0.0.50", ["ip2"]),
        ("refused", ["ip", "ip2"]),
        ("REFUSED", ["ip", "ip2"]),
        ("refuse", ["ip", "ip2"]),
        ("/var/lib/mysql", ["path"]),
        ("mysql", ["path"]),
        ("ibdata1", ["path"]),
        ("blk_-1608999687919862906", ["block"]),
        ("1608999687919862906", ["block"]),
        ("OOM-killer", ["oom"]),
        ("killer", ["oom"]),
        ("connection failed", ["conn"]),
        ("连接", ["zh"]),
        ("连接失败", ["zh"]),
        ("失连", []),
        ("NullPointerException", ["camel"]),
        ("nullpointerexception", ["camel"]),
        ("exception", ["camel"]),
        ("pointer", ["camel"]),
        ("absent", []),
        ("!!!", []),
    ],
)
def test_text_finds_words_parts_and_wholes(index: Index, text: str, expected: list[str]) -> None:
    put(index, *[line(name, message) for name, message in LINES.items()])
    assert found(index, text=text) == sorted(expected)


def test_two_words_must_both_occur_and_three_of_four_suffice(index: Index) -> None:
    put(index, line("ab", "alpha beta"), line("a", "alpha"), line("abc", "alpha beta gamma"))
    assert found(index, text="alpha beta") == ["ab", "abc"]
    assert found(index, text="alpha beta gamma delta") == ["abc"]


def test_phrases_are_verbatim_and_excludes_are_absent(index: Index) -> None:
    put(
        index,
        line("1", "connection refused by peer"),
        line("2", "refused connection"),
        line("3", "connections refused"),
        line("4", "connection refused by proxy"),
    )
    assert found(index, phrases=["connection refused"]) == ["1", "4"]
    assert found(index, phrases=["Connection  Refused", "by peer"]) == ["1"]
    assert found(index, phrases=["..."]) == []
    assert found(index, text="refused", exclude=["peer"]) == ["2", "3", "4"]
    assert found(index, exclude=["refused by", "peers"]) == ["2", "3"]


def test_keywords_and_identifier_parts_of_templates_find_their_lines(index: Index) -> None:
    index.put_templates(
        [Template("t1", "addStoredBlock: <*>", keywords=["replication"]), Template("t2", "other <*>", alias_of="t1")]
    )
    put(index, line("1", "addStoredBlock: x", template_id="t1"), line("2", "other y", template_id="t2"), line("3", "z"))
    assert found(index, text="replication") == ["1", "2"]
    assert found(index, text="stored") == ["1", "2"]
    assert found(index, text="replications other") == ["2"]
    assert found(index, exclude=["replication"]) == ["3"]


# --- filters ---------------------------------------------------------------------------------------


def test_filters_are_any_of_within_and_all_of_between(index: Index) -> None:
    put(
        index,
        line("1", "x", host="db1", service="pg", level="error", pipeline="p", fields={"source.port": 22, "a.b": "c d"}),
        line("2", "x", host="db2", service="pg", level="warning", fields={"source.port": 23, "tags": ["u", "v"]}),
        line("3", "x", host="web", service="nginx", level="ERROR", fields={"event.ok": True}),
        line("4", "x"),
    )
    assert found(index, hosts=["db1", "db2"]) == ["1", "2"]
    assert found(index, hosts=["db1", "db2"], levels=["warn"]) == ["2"]
    assert found(index, levels=["error"]) == ["1", "3"]
    assert found(index, services=["nginx", "none"]) == ["3"]
    assert found(index, pipelines=["p"]) == ["1"]
    assert found(index, fields={"source.port": "22"}) == ["1"]
    assert found(index, fields={"a.b": "c d"}) == ["1"]
    assert found(index, fields={"tags": "v"}) == ["2"]
    assert found(index, fields={"event.ok": "true"}) == ["3"]
    assert found(index, text="x", hosts=["none"]) == []


def test_time_ranges_are_half_open_across_days(index: Index) -> None:
    put(index, *[line(str(at), "tick", T0 + at * DAY // 2) for at in range(6)])
    assert found(index, from_ns=T0 + DAY // 2, to_ns=T0 + DAY * 3 // 2) == ["1", "2"]
    assert found(index, from_ns=T0 + DAY // 2 + 1) == ["2", "3", "4", "5"]
    assert found(index, to_ns=T0) == [] and found(index, to_ns=T0 + 1) == ["0"]
    assert found(index, from_ns=T0 + DAY, to_ns=T0) == []


@pytest.mark.parametrize("at", [0, -1, -5 * DAY, 4_070_908_800 * 10**9, 10**30, -(10**30)])
def test_any_timestamp_is_kept(index: Index, at: int) -> None:
    put(index, line("now", "now"), LogRecord("odd", at, "clock is off", "s", T0))
    assert found(index) == ["now", "odd"]
    got = index.get_log("odd")
    assert got is not None and got.message == "clock is off"
    assert sorted(r.id for r in index.scan(Query())) == ["now", "odd"]
    assert sum(n for _, n in index.histogram(Query(), 3600 * 10**9)) == 2


# --- order -----------------------------------------------------------------------------------------


def test_by_time_is_newest_first_and_scan_oldest_first(index: Index) -> None:
    put(index, *[line(f"{at:02}", "tick", T0 + at * DAY // 4) for at in (3, 1, 2, 0)])
    put(index, line("04", "tick", T0 + DAY), line("same-a", "tick", T0), line("same-b", "tick", T0))
    newest = ids(index.search(Query(text="tick"), by_time=True))
    assert newest == ["04", "03", "02", "01", "same-b", "same-a", "00"]
    assert [r.id for r in index.scan(Query(text="tick"))] == newest[::-1]


@pytest.mark.parametrize("by_time", [True, False])
def test_pages_cover_everything_once_even_when_times_and_scores_are_equal(index: Index, by_time: bool) -> None:
    for part in range(4):  # several segments
        put(
            index,
            *[
                line(f"{part}-{at:02}", "alpha beta" if at % 3 else "alpha beta gamma delta", T0 + at // 20 * DAY)
                for at in range(40)
            ],
        )
    whole = ids(index.search(Query(text="alpha beta gamma"), limit=1000, by_time=by_time))
    assert len(whole) == 56 == len(set(whole))
    pages: list[str] = []
    for offset in range(0, 60, 7):
        total, hits = index.search(Query(text="alpha beta gamma"), limit=7, offset=offset, by_time=by_time)
        assert total == 56
        pages += [hit.record.id for hit in hits]
    assert pages == whole
    assert index.search(Query(text="alpha"), limit=0)[0] == 160
    assert index.search(Query(text="alpha"), limit=0)[1] == []
    assert index.search(Query(text="alpha"), limit=5, offset=1000)[1] == []


def test_rarer_words_and_more_words_rank_higher_and_newer_breaks_ties(index: Index) -> None:
    common = [line(f"c{at}", "request served quickly", T0 + at) for at in range(30)]
    put(
        index,
        *common,
        line("all", "request served quickly timeout", T0),
        line("rare", "request served timeout", T0 + 1),
    )
    answer = ids(index.search(Query(text="request served quickly timeout"), limit=5))
    assert answer[0] == "all"
    assert answer[1] == "rare"
    assert answer[2:] == ["c29", "c28", "c27"]


def test_template_ids_match_without_words_and_both_together_rank_first(index: Index) -> None:
    put(
        index,
        line("text", "login failed", T0 + 9, template_id="t9"),
        line("both", "login failed", T0, template_id="t2"),
        line("best", "nothing alike", T0 + 1, template_id="t1"),
        line("second", "nothing alike", T0 + 2, template_id="t2"),
        line("none", "nothing alike", T0 + 3, template_id="t3"),
    )
    total, hits = index.search(Query(text="login failed", template_ids=["t1", "t2"]))
    assert total == 4
    assert hits[0].record.id == "both" and hits[0].score > hits[1].score
    assert {hit.record.id for hit in hits[1:]} == {"text", "best", "second"}
    only = ids(index.search(Query(template_ids=["t1", "t2"])))
    assert only == ["best", "second", "both"]
    assert ids(index.search(Query(template_ids=["t1", "t2"]), by_time=True)) == ["second", "best", "both"]
    assert found(index, template_ids=["t1", "t2"], exclude=["login"]) == ["best", "second"]
    assert found(index, template_ids=["missing"]) == []


def test_a_merged_template_finds_the_lines_of_its_aliases(index: Index) -> None:
    index.put_templates(
        [Template("new", "a <*>"), Template("old", "a b", alias_of="mid"), Template("mid", "a c", alias_of="new")]
    )
    put(
        index,
        line("1", "a b", template_id="old"),
        line("2", "a c", template_id="mid"),
        line("3", "a", template_id="new"),
    )
    assert found(index, template_ids=["new"]) == ["1", "2", "3"]
    assert found(index, template_ids=["old"]) == ["1", "2", "3"]
    assert index.terms(Query(), "template_id") == [("new", 3)]


# --- while others write -----------------------------------------------------------------------------


def test_a_scan_sees_one_point_in_time_of_a_day(index: Index) -> None:
    """What is deleted, moved or added while somebody reads neither repeats a line nor hides one that stays."""
    put(index, *[line(f"{at:05}", f"tick {at}", T0 + at) for at in range(25_000)])  # several pages
    reading = index.scan(Query(text="tick"))
    first = [next(reading).id for _ in range(10)]
    put(index, line("00005", "moved away", T0 + 3 * DAY), line("24000", "tick moved", T0 + 4 * DAY), replay=True)
    put(index, line("before", "tick before", T0 - 10), line("amid", "tick amid", T0 + 12_000))
    rest = [record.id for record in reading]
    seen = [*first, *rest]
    assert len(seen) == len(set(seen))
    stayed = {f"{at:05}" for at in range(25_000)} - {"24000"}
    assert stayed <= set(seen) and set(seen) - stayed <= {"24000", "amid"}
    assert [n for n in seen if n in stayed] == sorted(stayed)
    again = [record.id for record in index.scan(Query(text="tick"))]
    assert len(again) == 25_000 - 1 + 2 and "00005" not in again and again[-1] == "24000"


def test_a_deleted_line_is_gone_from_every_answer(index: Index) -> None:
    """A line that is written again elsewhere leaves nothing behind where it was."""
    put(index, *[line(f"{at}", "same words", T0 + at, host=f"h{at}", level="error") for at in range(6)])
    put(index, line("2", "other", T0 + 9 * DAY, host="new"), replay=True)
    gone = Query(from_ns=T0, to_ns=T0 + DAY)
    assert index.search(gone)[0] == 5 and "2" not in ids(index.search(gone))
    assert found(index, text="same words") == ["0", "1", "3", "4", "5"]
    assert sum(n for _, n in index.histogram(gone, DAY)) == 5
    assert index.terms(Query(), "level") == [("error", 5)]
    assert ("h2", 1) not in index.rare_terms(Query(), "host", size=20)
    assert index.time_range() == (T0, T0 + 9 * DAY)
    assert index.get_log("2").host == "new"  # type: ignore[union-attr]
    assert "2" not in [record.id for record in index.scan(gone)]


def test_a_page_far_behind_and_beyond_the_end(index: Index) -> None:
    put(index, *[line(f"{at:05}", "alpha" if at % 2 else "alpha beta", T0 + at // 3) for at in range(11_000)])
    total, hits = index.search(Query(text="alpha"), limit=5, offset=10_600, by_time=True)
    assert total == 11_000 and [hit.record.id for hit in hits] == [f"{at:05}" for at in range(399, 394, -1)]
    total, hits = index.search(Query(text="alpha"), limit=5, offset=10_998, by_time=True)
    assert [hit.record.id for hit in hits] == ["00001", "00000"]


# --- unicode ---------------------------------------------------------------------------------------


def test_unicode_is_found_as_people_type_it(index: Index) -> None:
    put(
        index,
        line("composed", "caf\u00e9 g\u00e9n\u00e9ral", host="b\u00fcro"),
        line("full", "\uff25\uff32\uff32\uff2f\uff32 \uff14\uff12", host="\u4e3b\u673a-1"),
        line("kana", "\u63a5\u7d9a\u304c\u5207\u308c\u307e\u3057\u305f", T0 + 1),
        line("emoji", "deploy \N{ROCKET} done \u200b\ufeffok", T0 + 2),
        line("rtl", "\u062e\u0637\u0623 \u0641\u064a \u0627\u0644\u0642\u0631\u0635 \u202edisk", T0 + 3),
    )
    assert found(index, text="cafe\u0301") == ["composed"] and found(index, text="CAF\u00c9") == ["composed"]
    assert found(index, text="error 42") == ["full"]
    assert found(index, text="\u63a5\u7d9a") == ["kana"] and found(index, text="\u7d9a\u5207") == []
    assert found(index, text="\u0627\u0644\u0642\u0631\u0635") == ["rtl"] and found(index, text="disk") == ["rtl"]
    assert found(index, text="ok") == ["emoji"] and found(index, phrases=["done ok"]) == ["emoji"]
    assert found(index, hosts=["b\u00fcro"]) == ["composed"] and found(index, hosts=["\u4e3b\u673a-1"]) == ["full"]
    assert index.terms(Query(hosts=["\u4e3b\u673a-1"]), "host") == [("\u4e3b\u673a-1", 1)]


# --- counting --------------------------------------------------------------------------------------


def test_histogram_buckets_start_at_multiples_of_the_step(index: Index) -> None:
    step = 7 * 60 * 10**9
    times = [T0 + at * 61 * 10**9 for at in range(300)]
    edge = (T0 // step + 3) * step
    put(index, *[line(str(at), "x", time) for at, time in enumerate([*times, edge, edge - 1])])
    expected: dict[int, int] = {}
    for time in [*times, edge, edge - 1]:
        expected[time // step * step] = expected.get(time // step * step, 0) + 1
    assert index.histogram(Query(), step) == sorted(expected.items())
    assert index.histogram(Query(), 30 * DAY) == [(T0 // (30 * DAY) * 30 * DAY, 302)]
    assert sum(n for _, n in index.histogram(Query(), 1000)) == 302
    limited = index.histogram(Query(from_ns=edge, to_ns=edge + step), step)
    assert limited == [(edge, expected[edge])]


def test_terms_counts_values_most_frequent_first(index: Index) -> None:
    put(
        index,
        *[line(f"a{at}", "x", T0 + at * DAY, host="a", level="info") for at in range(3)],
        *[line(f"b{at}", "x y", T0 + at, host="b", service="s") for at in range(4)],
        line("c", "y", host="c"),
    )
    assert index.terms(Query(), "host") == [("b", 4), ("a", 3), ("c", 1)]
    assert index.terms(Query(), "host", size=1) == [("b", 4)]
    assert index.terms(Query(text="x", from_ns=T0 + DAY), "host") == [("a", 2)]
    assert index.terms(Query(), "level") == [("info", 3)]
    assert index.terms(Query(), "message") == []


def test_rare_terms_are_values_of_few_lines_rarest_first(index: Index) -> None:
    index.put_templates([Template("t1", "a"), Template("t2", "b", alias_of="t1"), Template("t3", "c")])
    put(
        index,
        *[line(f"a{at}", "x", T0 + at * DAY, host="a", template_id="t1") for at in range(3)],
        *[line(f"b{at}", "x", T0 + at * DAY, host="b") for at in range(2)],
        line("z", "y", host="z", service="Ünï", template_id="t2"),
        line("c", "y", T0 + DAY, host="c", template_id="t3"),
    )
    assert index.rare_terms(Query(), "host") == [("c", 1), ("z", 1)]
    assert index.rare_terms(Query(), "host", size=1) == [("c", 1)] and index.rare_terms(Query(), "host", size=0) == []
    assert index.rare_terms(Query(), "host", most=2) == [("c", 1), ("z", 1), ("b", 2)]
    assert index.rare_terms(Query(), "host", most=500) == [("c", 1), ("z", 1), ("b", 2), ("a", 3)]
    assert index.rare_terms(Query(text="x", to_ns=T0 + DAY), "host") == [("a", 1), ("b", 1)]
    assert index.rare_terms(Query(), "service") == [("Ünï", 1)]
    assert index.rare_terms(Query(), "template_id") == [("t3", 1)]  # t2's one line is one of t1's four
    assert index.rare_terms(Query(), "message") == [] == index.rare_terms(Query(), "host", most=0)


def test_rare_terms_are_exact_among_many_values(index: Index) -> None:
    many = [line(f"{at}", "x", T0 + at, host=f"h{at % 7000}") for at in range(9000)]
    put(index, *many)
    assert index.rare_terms(Query(), "host", size=3) == [("h2000", 1), ("h2001", 1), ("h2002", 1)]
    assert len(index.rare_terms(Query(), "host", size=10_000)) == 5000
    assert len(index.rare_terms(Query(), "host", most=200, size=10_000)) == 7000


def test_a_page_is_what_its_parts_say_one_by_one(index: Index) -> None:
    index.put_templates([Template("t1", "a"), Template("t2", "b", alias_of="t1")])
    put(
        index,
        *[
            line(f"{at}", ["disk full", "disk slow read", "login failed"][at % 3], T0 + at * DAY // 9,
                 host=f"h{at % 4}", level=["info", "error"][at % 2], template_id=f"t{at % 3}")
            for at in range(40)
        ],
    )  # fmt: skip
    fields = {"host": 3, "level": 10, "template_id": 10, "message": 5}
    step = 3600 * 10**9
    for query in (
        Query(), Query(text="disk"), Query(text="disk slow full read", template_ids=["t2"]), Query(hosts=["h1", "h2"]),
        Query(text="absent"), Query(from_ns=T0 + DAY, to_ns=T0 + 3 * DAY),
    ):  # fmt: skip
        for limit, offset, by_time in ((50, 0, False), (5, 3, False), (5, 3, True), (0, 0, False)):
            page = index.page(query, limit=limit, offset=offset, by_time=by_time, fields=fields, step_ns=step)
            assert (page.total, page.hits) == index.search(query, limit=limit, offset=offset, by_time=by_time)
            assert page.terms == {field: index.terms(query, field, size) for field, size in fields.items()}
            assert page.histogram == index.histogram(query, step)
    assert index.page(Query(), step_ns=1000).histogram == index.histogram(Query(), 1000)  # finer than milliseconds
    bare = index.page(Query(text="login"), limit=2)
    assert (bare.total, len(bare.hits), bare.terms, bare.histogram) == (13, 2, {}, [])


def test_several_queries_are_counted_in_their_order(index: Index) -> None:
    put(index, *[line(f"{at}", "alpha beta" if at % 2 else "beta", T0 + at * DAY) for at in range(5)])
    asked = [Query(text="alpha"), Query(), Query(text="nothing"), Query(phrases=["alpha beta"]), Query(to_ns=T0 + DAY)]
    assert index.counts(asked) == [2, 5, 0, 2, 1]
    assert index.counts(asked[:1]) == [2] and index.counts([]) == []


def test_time_range_is_first_and_last_line(index: Index) -> None:
    put(index, line("1", "x", T0 + 5), line("2", "x", T0 + 3 * DAY), line("3", "x", T0))
    assert index.time_range() == (T0, T0 + 3 * DAY)


# --- hostile content -------------------------------------------------------------------------------


def test_any_content_is_kept_and_neighbours_survive(index: Index) -> None:
    deep: object = "x"
    for _ in range(200):
        deep = [deep]
    odd = [
        line("nul", "a\x00b needle"),
        line(
            "surrogate",
            "bad \ud800 needle",
            host="h\udfff",
            fields={"k\ud800": "\ud800", "n": 2**70, "f": float("nan")},
        ),
        line("huge", "needle " + "x" * 10_000_000 + " tail"),
        line("words", "needle " + "w1 w2 " * 500_000),
        line("empty", ""),
        line("deep", "needle", fields={"deep": deep, "map": {"a": {"b": 1}}, "set": {1, 2}, 5: 6}),  # type: ignore[dict-item]
        line("longkey", "needle", host="h" * 100_000, fields={"f": "v" * 100_000}),
        line("ok", "needle \N{PILE OF POO}"),
    ]
    put(index, *odd)
    assert index.search(Query())[0] == len(odd)
    assert found(index, text="needle") == sorted(record.id for record in odd if record.id != "empty")
    assert index.get_log("huge").message.startswith("needle xxx")  # type: ignore[union-attr]
    assert found(index, hosts=["h" * 100_000]) == ["longkey"]


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", '"', "a:b AND (", "*", "\ud800", "x" * 100_000, "a " * 5000, "-", "连" * 3000]
)
def test_any_query_is_answered(index: Index, text: str) -> None:
    put(index, line("1", "hello"))
    total, hits = index.search(Query(text=text, exclude=[text, "z"], hosts=[], fields={}))
    assert total == len(hits)
    index.search(Query(phrases=[text], hosts=[text], levels=[text], template_ids=[text], fields={text: text}))
    index.histogram(Query(text=text), DAY)


# --- templates -------------------------------------------------------------------------------------


def test_templates_are_replaced_by_id(index: Index) -> None:
    first = Template("t1", "a <*>", service="s", keywords=["k"], entities=["e"], count=3, sample="a b")
    index.put_templates([first, Template("t2", "b")])
    assert index.get_template("t1") == first
    index.put_templates([Template("t1", "a b <*>", version=2)])
    assert index.get_template("t1").version == 2  # type: ignore[union-attr]
    assert [t.id for t in index.templates(["t2", "missing", "t1"])] == ["t2", "t1"]
    assert {t.id for t in index.templates()} == {"t1", "t2"}


def test_changes_of_templates_are_told_but_not_their_counts(index: Index) -> None:
    def after(*templates: Template) -> int:
        index.put_templates(templates)
        index.commit()
        return index.template_changes()

    seen = [index.template_changes(), after(Template("t1", "a <*>", count=1)), after(Template("t2", "b"))]
    assert len(set(seen)) == 3
    assert after(Template("t1", "a <*>", count=9, last_seen_ns=T0)) == seen[-1]
    for changed in (
        Template("t1", "a <*> <*>"), Template("t1", "a <*> <*>", level="error"), Template("t2", "b", keywords=["x"]),
        Template("t2", "b", keywords=["x"], label="named"), Template("t2", "b", alias_of="t1"),
    ):  # fmt: skip
        seen.append(after(changed))
    assert len(set(seen)) == len(seen)


def test_nearest_templates_are_exact_and_follow_aliases(index: Index) -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(60, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"t{at}" for at in range(60)]
    index.put_template_vectors(names, vectors, "m")
    index.put_template_vectors(["other"], vectors[:1], "another model")
    answer = index.nearest_templates(vectors[7], 5, "m")
    order = np.argsort(-(vectors @ vectors[7]))[:5]
    assert [name for name, _ in answer] == [names[at] for at in order]
    assert answer[0][1] == pytest.approx(1.0, abs=1e-5)
    index.put_templates([Template("t7", "x", alias_of="t3"), Template("t3", "y")])
    answer = index.nearest_templates(vectors[7], 60, "m")
    assert answer[0][0] == "t3" and len(answer) == 59
    index.put_template_vectors(["t9"], vectors[7:8], "m")
    assert {name for name, score in index.nearest_templates(vectors[7], 2, "m") if score > 0.999} == {"t3", "t9"}
    long = "x" * 300  # longer than a key may be
    index.put_template_vectors([long], vectors[8:9], "m")
    assert [name for name, score in index.nearest_templates(vectors[8], 2, "m") if score > 0.999] == ["t8", long]
    assert index.nearest_templates(np.ones(5, np.float32), 3, "m") == []
    assert index.nearest_templates(np.full(16, np.nan, np.float32), 3, "m") == []


def unit_vectors(count: int, seed: int = 7) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_nearest_templates_keep_to_the_filters_of_a_query(index: Index) -> None:
    """The filter is part of the search: however many nearer ones it leaves out, ``k`` of the others are found."""
    vectors = unit_vectors(60)
    index.put_template_vectors([f"t{at}" for at in range(60)], vectors, "m")
    put(
        index,
        *[
            line(f"l{at}", "x", T0 + at * DAY // 10, template_id=f"t{at}", host=f"h{at % 3}", service=f"s{at % 2}")
            for at in range(50)  # ten templates hold no line
        ],
    )
    order = [int(at) for at in np.argsort(-(vectors @ vectors[7]))]

    def expected(k: int, holds: Callable[[int], bool]) -> list[str]:
        return [f"t{at}" for at in order if at < 50 and holds(at)][:k]

    def nearest(k: int, **within: object) -> list[str]:
        return [name for name, _ in index.nearest_templates(vectors[7], k, "m", Query(**within))]  # type: ignore[arg-type]

    assert nearest(60) == expected(60, lambda at: True)
    assert nearest(4, hosts=["h2"]) == expected(4, lambda at: at % 3 == 2)
    assert nearest(4, hosts=["h0", "h2"], services=["s1"]) == expected(4, lambda at: at % 3 != 1 and at % 2 == 1)
    assert nearest(3, from_ns=T0 + DAY, to_ns=T0 + 2 * DAY) == expected(3, lambda at: 10 <= at < 20)
    assert nearest(3, template_ids=["t59", "t3"]) == ["t3"]
    assert nearest(3, hosts=["none"]) == [] and nearest(0) == []
    index.put_templates([Template("t7", "a", alias_of="t3"), Template("t3", "b")])
    assert nearest(1, hosts=["h1"]) == ["t3"]  # whose line is of h0, but those of its alias are of h1


def test_templates_are_matched_by_their_words(index: Index) -> None:
    index.put_templates(
        [
            Template("conn", "connection to <*> refused", keywords=["database"]),
            Template("conns", "connections <*> refused by peer", keywords=["网络"]),
            Template("camel", "caught NullPointerException in <*>"),
            Template("disk", "no space left on device <*>", label="disk is full"),
            Template("old", "no space left on <*>", alias_of="disk"),
            Template("addr", "peer 10.0.0.5 is gone"),
            *[Template(f"n{at:02}", f"request served number {at}") for at in range(30)],
        ]
    )
    put(index, line("1", "x", host="a", template_id="conn"), line("2", "x", host="b", template_id="old"))

    def match(text: str, k: int = 10, within: Query | None = None) -> list[str]:
        return [name for name, _ in index.matching_templates(text, k, within)]

    assert match("connection refused") == ["conn", "conns"]  # equal scores: by id
    assert match("refused database connection") == ["conn", "conns"]  # more words first, none is required
    assert match("网络") == ["conns"] and match("pointer") == ["camel"] and match("full disks") == ["disk"]
    assert match("space device") == ["disk"] and match("10.0.0.5") == ["addr"] and match("10.0.0.50") == []
    assert match("requests", 3) == ["n00", "n01", "n02"] and match("requests", 0) == []
    assert match("rare connection served")[:2] == ["conn", "conns"]  # a rarer word says more
    assert match("refused space", within=Query(hosts=["a"])) == ["conn"]
    assert match("refused space", within=Query(hosts=["b"])) == ["disk"]
    assert match("refused space", within=Query(hosts=["c"])) == []
    assert match("zebra") == [] == match("") == match("!!!")
    (best, whole), (_, part) = index.matching_templates("connection refused zebra", 2)
    assert best == "conn" and 0 < part == whole < 0.9  # the unknown word is missed
    index.put_templates([Template("conn", "all is well")])
    assert match("refused") == ["conns"] and match("well") == ["conn"]


def found_incidents() -> list[Incident]:
    def one(number: int, title: str, host: str, cause: str, **more: object) -> Incident:
        start = T0 + number * DAY
        return Incident(
            f"i{number}", title, "open", "high", start, start + DAY // 4, hosts=[host], services=["pg"],
            hypotheses=[Hypothesis(f"host:{host}", "disk", 0.9, title=cause)], **more,  # type: ignore[arg-type]
        )  # fmt: skip

    return [
        one(1, "Errors on db1", "db1", "The disk of db1 filled up", pipeline="database"),
        one(2, "Errors on db2", "db2", "Connections were refused", template_ids=["t1"]),
        one(3, "Silence on web1", "web1", "The disk of web1 filled up", pipeline="server"),
    ]


def test_incidents_are_found_by_words_and_by_meaning_within_filters(index: Index) -> None:
    index.put_incidents(found_incidents())
    vectors = unit_vectors(3)
    index.put_incident_vectors(["i1", "i2", "i3"], vectors, "m")

    def match(text: str, **within: object) -> list[str]:
        return [name for name, _ in index.matching_incidents(text, 5, Query(**within))]  # type: ignore[arg-type]

    def nearest(number: int, **within: object) -> list[str]:
        return [n for n, _ in index.nearest_incidents(vectors[number], 5, "m", Query(**within))]  # type: ignore[arg-type]

    assert match("disk filled up") == ["i1", "i3"] and match("refused connection") == ["i2"]
    assert match("disk", hosts=["web1"]) == ["i3"] and match("disk", pipelines=["database"]) == ["i1"]
    assert match("errors", from_ns=T0 + 2 * DAY) == ["i2"] and match("errors", to_ns=T0 + 2 * DAY) == ["i1"]
    assert match("errors", template_ids=["t1", "t2"]) == ["i2"] and match("errors", services=["nginx"]) == []
    assert index.nearest_incidents(vectors[2], 1, "m") == [("i3", pytest.approx(1.0, abs=1e-5))]
    assert set(nearest(0)) == {"i1", "i2", "i3"} and nearest(0)[0] == "i1"
    assert nearest(0, hosts=["db2", "web1"], to_ns=T0 + 3 * DAY) == ["i2"]
    assert index.nearest_incidents(vectors[2], 1, "other model") == []
    assert [(model, ids) for model, ids, _ in index.incident_vectors()] == [("m", ["i1", "i2", "i3"])]
    changed = found_incidents()[0]
    changed.title, changed.hypotheses = "All is well", []
    index.put_incidents([changed])
    assert match("disk") == ["i3"] and match("well") == ["i1"]


def test_words_and_meaning_are_fused_alike(index: Index) -> None:
    """The hybrid ranking of both indices is the same, ties included: both halves are exact."""
    index.put_incidents(found_incidents())
    index.put_incident_vectors(["i1", "i2", "i3"], np.eye(3, 16, dtype=np.float32), "m")
    asked = np.array([[0.2, 0.4, 0.9] + [0.0] * 13], np.float32)[0]
    meaning = [name for name, _ in index.nearest_incidents(asked / np.linalg.norm(asked), 3, "m")]
    said = [name for name, _ in index.matching_incidents("disk", 3)]
    assert (meaning, said) == (["i3", "i2", "i1"], ["i1", "i3"])
    fused = fuse([meaning, said])
    assert [name for name, _ in fused] == ["i3", "i1", "i2"]
    assert fused[0][1] == pytest.approx(1 / 61 + 1 / 62)


# --- metrics ---------------------------------------------------------------------------------------


def test_metric_series_come_back_in_order_and_averaged(index: Index) -> None:
    index.write_metrics([MetricPoint("cpu", "a", T0 + at * 10**9, float(at)) for at in (3, 1, 2, 0)])
    index.write_metrics(
        [
            MetricPoint("disk.util", "a", T0, 5.0, {"device": "sda", "a": "b"}),
            MetricPoint("cpu", "b", T0, float("nan")),
            MetricPoint("cpu", "a", T0 + 10**9, 10.0),  # replaces
            MetricPoint("cpu", "a", 2**80, 1.0),
            MetricPoint("cpu", "a\ud800", T0, 1.0),
        ]
    )
    index.commit()
    assert index.metric_names("a") == [("a", "cpu"), ("a", "disk.util{a=b,device=sda}")]
    assert [value for _, value in index.metric_series("a", "cpu", None, None)] == [0.0, 10.0, 2.0, 3.0]
    assert index.metric_series("a", "cpu", T0 + 10**9, T0 + 3 * 10**9) == [(T0 + 10**9, 10.0), (T0 + 2 * 10**9, 2.0)]
    step = 2 * 10**9
    assert index.metric_series("a", "cpu", None, None, step) == [(T0, 5.0), (T0 + step, 2.5)]
    assert index.metric_series("b", "cpu", None, None) == []


# --- what the analysis found -----------------------------------------------------------------------


def test_signals_by_time_and_by_id(index: Index) -> None:
    one = Signal("s1", "log.rate", T0, T0 + 60, 4.5, host="h", value=1.0, evidence=["line:1"])
    two = Signal("s2", "metric.high", T0 + DAY, T0 + DAY + 60, 3.0)
    index.put_signals([two, one])
    assert index.signals() == [one, two]
    assert index.signals(from_ns=T0 + DAY) == [two] and index.signals(to_ns=T0 + DAY) == [one]
    assert index.signals(ids=["s2", "missing"]) == [two]


def test_incidents_keep_their_actions_when_written_again(index: Index) -> None:
    incident = Incident(
        "i1",
        "disk full",
        "open",
        "high",
        T0,
        T0 + 5,
        hosts=["db1"],
        hypotheses=[Hypothesis("host:db1", "disk", 0.9, evidence=["line:1"], next_steps=["df -h"])],
        summary=[Sentence("The disk is full.", ["line:1"], "headline")],
    )
    index.put_incidents([incident, Incident("i2", "later", "open", "low", T0 + DAY, T0 + DAY)])
    index.add_action(Action("i1", "resolve", T0 + 30, by="ann"))
    index.add_action(Action("i1", "ack", T0 + 20, by="bob", text="looking"))
    incident.last_ns = T0 + 50
    index.put_incidents([incident])
    got = index.get_incident("i1")
    assert got is not None
    assert [action.kind for action in got.actions] == ["ack", "resolve"]
    assert got.status == "open" and got.last_ns == T0 + 50
    got.actions = []
    assert got == incident
    assert [item.id for item in index.incidents()] == ["i2", "i1"]
    assert [item.id for item in index.incidents(limit=1)] == ["i2"]
    assert [item.id for item in index.incidents(from_ns=T0 + 40, to_ns=T0 + DAY)] == ["i1"]
    assert [len(item.actions) for item in index.incidents()] == [0, 2]


def test_forecasts_are_newest_first(index: Index) -> None:
    made = [Forecast(f"f{at}", "ab"[at % 2], T0 + at, 3600, 0.5, "m", True, reasons=[("disk", 0.7)]) for at in range(4)]
    index.put_forecasts(made)
    assert index.forecasts() == made[::-1]
    assert [f.id for f in index.forecasts(host="a", from_ns=T0 + 1)] == ["f2"]
    assert [f.id for f in index.forecasts(limit=2)] == ["f3", "f2"]


def test_source_stats_are_replaced_per_source(index: Index) -> None:
    index.put_source_stats({"tail:a": {"accepted": 3}, "udp": {"dropped": 1}})
    index.put_source_stats({"tail:a": {"accepted": 5, "parsed": 4}})
    assert index.source_stats() == {"tail:a": {"accepted": 5, "parsed": 4}, "udp": {"dropped": 1}}


# --- following ---------------------------------------------------------------------------------


def arrived(log_id: str, message: str, at: int, ingested: int) -> LogRecord:
    return LogRecord(log_id, at, message, "tail:/x", ingested, host="web1" if "web" in message else "db1")


def test_arrivals_come_in_the_order_of_arrival_whatever_their_times(index: Index) -> None:
    put(index, arrived("old", "here before", T0, T0))
    follower = index.arrivals()
    assert follower.read(Query(), 10) == (0, [])
    put(index, arrived("a", "now", T0 + 2 * DAY, T0 + 10), arrived("b", "a wrong clock", T0 - 40 * DAY, T0 + 20))
    put(index, arrived("c", "now again", T0, T0 + 30))
    skipped, records = follower.read(Query(), 10)
    assert (skipped, [r.id for r in records]) == (0, ["a", "b", "c"])
    assert follower.read(Query(), 10) == (0, [])


def test_arrivals_keep_to_the_query_and_count_what_they_skip(index: Index) -> None:
    follower = index.arrivals()
    put(index, *(arrived(f"n{n}", f"web number {n}", T0 + n, T0 + n) for n in range(1, 21)),
        arrived("other", "database", T0, T0 + 30))  # fmt: skip
    skipped, records = follower.read(Query(hosts=["web1"]), 5)
    assert [r.id for r in records] == ["n16", "n17", "n18", "n19", "n20"]
    assert skipped == 15
    put(index, arrived("more", "web timeout", T0, T0 + 40), arrived("quiet", "web fine", T0, T0 + 41))
    assert [r.id for r in follower.read(Query(text="timeout"), 5)[1]] == ["more"]


def test_arrivals_go_on_behind_a_cursor(index: Index) -> None:
    put(index, arrived("before", "x", T0, T0 + 1))
    cursor = index.arrivals().cursor
    put(index, arrived("away 1", "x", T0, T0 + 2), arrived("away 2", "x", T0 + DAY, T0 + 3))
    follower = index.arrivals(cursor)
    assert [r.id for r in follower.read(Query(), 10)[1]] == ["away 1", "away 2"]
    for nonsense in ("", "~", "1.2.3", "zz zz", "9" * 5000, "²", "../..", "-1.-1"):
        assert index.arrivals(nonsense).read(Query(), 10) == (0, []), nonsense
