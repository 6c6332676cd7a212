"""No expression that sees lines can be made to run away: formats, masks, redaction, failure patterns, one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from logsense.errors import BadFormat
from logsense.mine.masks import Masker, load_masks
from logsense.parse import ParseOptions
from logsense.parse.loader import Formats
from logsense.parse.redact import BUILT_IN, read_rules
from logsense.parse.safety import too_slow
from logsense.rootcause.patterns import known_patterns


def built_in() -> Iterator[tuple[str, str, list[str]]]:
    """(where, pattern, samples) of everything but formats, which are checked when they are read."""
    masks, rewrites = load_masks()
    for mask in masks + rewrites:
        yield f"mask {mask.name}", mask.pattern, [sample[0] for sample in mask.samples]
    for rule in read_rules(BUILT_IN):
        yield f"redaction {rule.name}", rule.pattern.pattern, [before for before, _ in rule.samples]
    for failure in known_patterns():
        for cue in failure.texts:
            yield f"failure {failure.kind}", cue.match.pattern, []


@pytest.mark.parametrize("kind", ["mask", "redaction", "failure"])
def test_every_built_in_expression_is_bounded(kind: str) -> None:
    """On as much text as each is given: a piece of a line, a line, the beginning of a line.

    The bound is generous: exponential expressions miss it by orders of magnitude, on a busy machine too.
    """
    length = {"mask": 512, "redaction": 2048, "failure": 1000}[kind]
    checked = 0
    for where, pattern, samples in built_in():
        if where.startswith(kind):
            assert too_slow(pattern, samples[:2], limit_s=1.0, length=length) == "", where
            checked += 1
    assert checked >= 10


def test_a_hostile_line_is_masked_in_moments() -> None:
    masker = Masker()
    for seed in ("0", "a", "0/-", "0.", "a-0.", "/", "x_", "0:", "=", '"', "é0"):
        started = time.process_time()
        masker.mask(seed * (20_000 // len(seed)))
        assert time.process_time() - started < 2.0, seed


@pytest.mark.parametrize("pattern", ["(a+)+$", r"(\w+\s?)*$", r"(.*)*x", r"(a|aa)+$", r"\w*\w*\w*\w*\w*!"])
def test_a_pattern_of_ones_own_that_would_run_away_is_refused_when_it_is_loaded(tmp_path: Path, pattern: str) -> None:
    (tmp_path / "mine.toml").write_text(
        'title = "Mine"\ntimestamp = ["iso"]\n[[patterns]]\nname = "line"\n'
        f"pattern = '''(?P<ts>\\S+) (?P<message>{pattern})'''\n"
        "[[samples]]\nline = '''2026-01-02T03:04:05Z aaaa'''\nexpect = { message = \"aaaa\" }\n"
    )
    with pytest.raises(BadFormat, match="time"):
        Formats(ParseOptions(formats_dir=str(tmp_path)))
