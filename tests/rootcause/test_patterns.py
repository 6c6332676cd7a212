"""The pattern file is checked strictly, and its samples are its tests."""

import pytest

from logsense.errors import BadConfig
from logsense.rootcause import known_patterns, load_patterns
from logsense.rootcause.patterns import fill

GOOD = """
[[pattern]]
kind = "a"
title = "A on {host}"
tier = "cause"
why = "because"
next = ["look at {host}"]
[[pattern.text]]
match = 'broken'
samples = ["it is broken"]
"""


def test_titles_and_steps_can_be_filled():
    for pattern in known_patterns():
        assert pattern.title_zh, f"{pattern.kind} has no Chinese title"
        assert "{host}" in pattern.title
        for step in (pattern.title, pattern.title_zh, *pattern.next):
            assert "{host}" not in fill(step, "h", "s") and "{service}" not in fill(step, "h", "s")


def test_the_kinds_people_ask_for_are_there():
    kinds = {pattern.kind for pattern in known_patterns()}
    assert {"disk_full", "out_of_memory", "crash_loop", "connection_exhaustion", "lock_contention", "upstream_down",
            "dns_failure", "network_loss", "brute_force", "replication_lag"} <= kinds  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("'broken'", "'fine'", "sample"),
        ("'broken'", "'brok(en'", "expression"),
        ('tier = "cause"', 'tier = "deep"', "tier"),
        ('why = "because"', 'whi = "because"', "whi"),
        ('why = "because"\n', "", "why"),
        ('next = ["look', 'explains = ["zzz"]\nnext = ["look', "zzz"),
        ("match =", "decicive = true\nmatch =", "decicive"),
        (
            'samples = ["it is broken"]',
            'samples = ["it is broken"]\ncounter_samples = ["broken, but fine"]',
            "counter-sample",
        ),
        ("[[pattern.text]]\nmatch = 'broken'\nsamples = [\"it is broken\"]\n", "", "no cue"),
        (GOOD, GOOD + GOOD, "twice"),
        (GOOD, "[[pattern", "read"),
    ],
)
def test_mistakes_stop_the_start_and_are_named(tmp_path, old, new, word):
    path = tmp_path / "patterns.toml"
    path.write_text(GOOD)
    assert [pattern.kind for pattern in load_patterns(path)] == ["a"]
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(BadConfig) as caught:
        load_patterns(path)
    assert word in str(caught.value) and str(path) in str(caught.value)


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(BadConfig):
        load_patterns(tmp_path / "none.toml")
