"""Words, alignment and entities: everything of enrichment that needs no model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logsense.enrich.entities import entities
from logsense.enrich.text import align, describe
from logsense.enrich.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "BLOCK* NameSystem.addStoredBlock: <*> is added to blk_12 size <*>",
            "block name system add stored block is added to blk size",
        ),
        ("parameter wal_level changed to <*>", "parameter wal level changed to"),
        ("open /etc/httpd/conf failed", "open etc httpd conf failed"),
        ("HTTPServer <*> OOMKilled", "http server oom killed"),
        ("<*>", ""),
        ("磁盘已满 <*>", "磁盘已满"),
    ],
)
def test_describe(text, words):
    assert describe(text) == words


@given(st.lists(st.text(alphabet="ab <", max_size=4), min_size=1, max_size=6), st.data())
def test_align_finds_values_that_give_the_line_back(literals, data):
    template = "<*>".join(literals)
    literals = template.split("<*>")  # a literal may have made a placeholder with its neighbour
    values = [data.draw(st.text(alphabet="ab x", max_size=4)) for _ in literals[1:]]
    line = "".join(x for pair in zip(literals, [*values, ""], strict=True) for x in pair)
    if line != " ".join(line.split()):
        return
    found = align(template, line)
    assert found is not None
    assert "".join(x for pair in zip(literals, [*found, ""], strict=True) for x in pair) == line


@pytest.mark.parametrize(("template", "line"), [("a <*> b", "a x"), ("a <*>", "b x"), ("a", "b"), ("ab<*>ba", "aba")])
def test_align_refuses_other_lines(template, line):
    assert align(template, line) is None


@pytest.mark.parametrize(
    ("template", "sample", "expected"),
    [
        (
            "Failed password for <*> from <*> port <*> ssh2",
            "Failed password for root from 10.0.0.1 port 22 ssh2",
            ["ip:<*>", "port:<*>"],
        ),
        ("session opened for user <*>", "", ["user:<*>"]),
        ("Deleting block <*> file <*>", "Deleting block blk_1 file /mnt/d/blk_1", ["block:<*>", "path:<*>"]),
        ("lookup <*> failed", "lookup db1.example.org failed", ["host:<*>"]),
        ("checkpoint took <*> seconds, wrote <*> kB", "", ["duration:<*>", "size:<*>"]),
        ("relation <*> does not exist", "", ["table:<*>"]),
        ("reading /etc/ntp.conf and http://a.b/c now", "", ["path:/etc/ntp.conf", "url:http://a.b/c"]),
        ("thing <*> of <*>", "thing 1 of 2", []),
        ("", "", []),
        ("<*>", "\0", []),
    ],
)
def test_entities(template, sample, expected):
    assert entities(template, sample, VOCABULARY) == expected


def test_entities_do_not_repeat_and_are_bounded():
    assert entities("user <*> user <*>", "", VOCABULARY) == ["user:<*>"]
    assert len(entities(" ".join(f"/a/b{i}" for i in range(99)), "", VOCABULARY)) == 12


def test_vocabulary_is_lower_case_and_each_noun_has_one_kind():
    assert all(noun == noun.lower() for noun in VOCABULARY.kinds)
    assert VOCABULARY.phrases.findall("the Connection Reset By Peer now") == ["Connection Reset By Peer"]
