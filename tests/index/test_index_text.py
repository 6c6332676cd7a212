"""Words, units and inflections: what lines and questions are made of."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.index.base import combinations, fact, facts, id_key, plan
from logsense.index.engine import open_index
from logsense.index.rows import RowFileError, RowReader, RowWriter
from logsense.index.text import camel_parts, indexable, inflections, units, words
from logsense.record import Query


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("OOM-killer: 10.0.0.5", ["oom", "killer", "10", "0", "0", "5"]),
        ("/var/lib/mysql", ["var", "lib", "mysql"]),
        ("blk_-123", ["blk", "123"]),
        ("连接失败 retry", ["连", "接", "失", "败", "retry"]),
        ("naïve ＡＢＣ", ["naïve", "abc"]),
        ("x" * 300, []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_chunk_is_one_unit_and_unspaced_scripts_give_pairs() -> None:
    assert units("refused 10.0.0.5 refused") == [("refused",), ("10", "0", "0", "5")]
    assert units("连接失败") == [("连", "接"), ("接", "失"), ("失", "败")]
    assert units("连") == [("连",)]
    assert units("mysql连接") == [("mysql",), ("连", "接")]
    assert units("!!! -") == []


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("fail", {"failed", "failing", "fails", "failure"}),
        ("failed", {"fail", "failing", "failure"}),
        ("refused", {"refuse", "refusing", "refusal"}),
        ("connections", {"connection", "connect", "connected"}),
        ("dropped", {"drop", "drops", "dropping"}),
        ("retries", {"retry", "retried"}),
        ("terminate", {"terminated", "termination"}),
    ],
)
def test_inflections(word: str, forms: set[str]) -> None:
    found = inflections(word)
    assert found[0] == word and forms <= set(found)


@pytest.mark.parametrize("word", ["string", "process", "blk", "404", "连接", "x9f3"])
def test_inflections_do_not_invent_short_words(word: str) -> None:
    assert {"str", "pro", "proces"} & set(inflections(word)) == set()


def test_camel_parts() -> None:
    assert camel_parts("NullPointerException in HTTPServer") == ["null", "pointer", "exception", "http", "server"]
    assert camel_parts("plain words, ALL CAPS, 10.0.0.5") == []


@given(st.text(max_size=200))
def test_the_engine_splits_what_is_handed_to_it_into_the_same_words(text: str) -> None:
    import tantivy

    analyzer = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase()).build()
    text = text.encode("utf-8", "replace").decode()
    assert analyzer.analyze(indexable(text)) == words(text)


def test_keys_are_bounded_and_tell_ids_apart() -> None:
    assert id_key("a" * 1000) != id_key("a" * 999) and len(id_key("a" * 10**6)) < 300
    assert fact("x", True) == "x=true"
    assert facts({"a": [1, "b"], "n": None, "m": {"x": 1}, "long": "v" * 1000}) == ["a=1", "a=b"]
    assert len(facts({f"f{at}": at for at in range(1000)})) == 64


def test_every_score_of_a_plan_is_explained_by_its_combinations() -> None:
    asked = plan(
        Query(text="alpha beta gamma delta", template_ids=["t1", "t2"]), total=100, frequency=lambda form: len(form[0])
    )
    full = sum(unit.weight for unit in asked.units)
    assert (0, frozenset(range(4))) in combinations(asked, full + asked.rank_score(0))
    assert combinations(asked, asked.rank_score(1)) == [(1, frozenset())]
    assert combinations(asked, 1) == []


def test_rows_survive_an_unfinished_block_and_report_damage(tmp_path) -> None:  # type: ignore[no-untyped-def]
    row = ("id", 5, "message", "s", 6, "", "", "", "", None, "parsed", "", [], {"a": 1})
    writer = RowWriter(tmp_path / "rows.bin")
    first = [writer.add((f"id{at}", *row[1:]), 10) for at in range(2000)]
    writer.flush()
    writer.add(row, 10)  # never flushed
    writer.close()
    with (tmp_path / "rows.bin").open("ab") as file:
        file.write(b"half a blo")
    writer = RowWriter(tmp_path / "rows.bin")
    late = writer.add(("late", *row[1:]), 10)
    writer.flush()
    writer.close()
    reader = RowReader(tmp_path / "rows.bin")
    assert [found[0] for found in reader.read([first[0], first[1999], late]) if found] == ["id0", "id1999", "late"]
    assert reader.read([10**12, 7 * 1024]) == [None, None]
    with pytest.raises(RowFileError):
        reader._load(7)
    reader.close()


def test_rows_that_an_older_version_wrote_are_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """zlib, and columns of lists and mappings as they are."""
    first = ["id0", 5, "message", "s", 6, "", "", "", "", None, "parsed", "", ["x"], {"a": 1}]
    second = ["id1", 2, "other", "s", 3, "", "", "", "", ["a", "b"], "parsed", "", [], {"b": {"c": "\n"}}]
    payload = zlib.compress(json.dumps([list(pair) for pair in zip(first, second, strict=True)]).encode())
    head = struct.pack("<II", zlib.crc32(payload), len(payload))
    (tmp_path / "rows.bin").write_bytes(head + payload)
    writer = RowWriter(tmp_path / "rows.bin")
    fresh = writer.add(("id2", 9, "m", "s", 9, "", "", "", "", None, "parsed", "", ["\n", 1], {"d": "x\ny"}), 10)
    writer.flush()
    writer.close()
    reader = RowReader(tmp_path / "rows.bin")
    old, older, new = reader.read([0, 1, fresh])
    assert old == tuple(first)
    assert older is not None and older[1] == 7 and older[4] == 9 and older[13] == {"b": {"c": "\n"}}
    assert new is not None and new[12:] == (["\n", 1], {"d": "x\ny"})
    reader.close()


def test_opening_what_is_no_shard_fails(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        open_index(tmp_path, create=False)
