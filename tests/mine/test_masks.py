"""Masks are data: their samples are their tests, and every one of them is blind to which digit it sees."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.mine.masks import Masker, check_digit_blind, encode, flatten, load_masks, samples

MASKS, REWRITES = load_masks()
MASKER = Masker()


@pytest.mark.parametrize(("name", "text", "expected"), list(samples(MASKS + REWRITES)))
def test_sample(name, text, expected):
    assert MASKER.mask(text) == expected


def test_every_mask_has_a_sample_that_it_changes_or_keeps():
    for mask in MASKS + REWRITES:
        assert mask.samples, mask.name
    for mask in MASKS:
        assert any(re.search(mask.pattern, text, re.ASCII) for text, _ in mask.samples), mask.name


@pytest.mark.parametrize(
    "pattern", ["0x[0-9a-f]+", "[1-5]\\d\\d", "(?<=a)[a-f2-9]", "(?:x|(?P<n>7))", "[^0]", "a{2}(?!3)"]
)
def test_a_mask_that_names_a_digit_is_refused(pattern):
    with pytest.raises(ValueError, match="digit"):
        check_digit_blind(pattern)


def test_masks_of_the_project_are_digit_blind():
    for mask in MASKS + REWRITES:
        check_digit_blind(mask.pattern)


PIECES = [
    *(
        "10.0.0.1",
        ":80",
        "blk_-12",
        "a1b2c3",
        "0x1f",
        "7f3",
        "/var/log/x.1",
        "=",
        "user",
        "12ms",
        "true",
        "[",
        "]",
        "GET",
    ),
    *(
        "200",
        "status",
        "2026-11-24",
        "12:30:01",
        "node-3",
        ".",
        ",",
        "(",
        ")",
        "http://h/1",
        "v1.2",
        "-5",
        "%",
        "É",
        "٣",
    ),
]


def fresh_masker():
    """Without compiling the expressions again."""
    MASKER.forget()
    return MASKER


LINES = st.lists(st.sampled_from([*PIECES, " ", " "]) | st.text(max_size=4), max_size=14).map("".join)


@settings(max_examples=400, deadline=None)
@given(LINES, st.randoms(use_true_random=False))
def test_the_token_cache_never_changes_a_result(line, random):
    """A masker that saw the same line with other digits answers as a fresh one does."""
    line = line.encode("utf-8", "replace").decode()
    other = re.sub("[0-9]", lambda _: str(random.randrange(10)), line)
    fresh = fresh_masker().mask(line)
    fresh_masker().mask(other)
    assert MASKER.mask(line) == fresh


@settings(max_examples=200, deadline=None)
@given(LINES)
def test_blind_lines_have_one_masked_form_for_all_digits(line):
    data = encode(line)
    masked, blind = fresh_masker().mask_tokens(data, flatten(data))
    if blind:
        zeros = flatten(data)
        assert fresh_masker().mask_tokens(zeros, zeros) == (masked, True)


@pytest.mark.parametrize(
    ("ok", "failed"),
    [
        ("GET /items/123 200", "GET /items/9 500"),
        (
            '10.0.0.1 - - [24/Nov/2026:19:14:48 +0000] "GET /?i=1 HTTP/1.1" 200 3',
            '10.0.0.2 - - [24/Nov/2026:19:14:49 +0000] "GET /b HTTP/1.1" 502 17',
        ),
        ('{"uri":"/a","status":200,"bytes":3}', '{"uri":"/b","status":503,"bytes":9}'),
        (
            "10.0.0.1:5000 [24/Nov/2026:19:14:48.123] web app/s1 0/0/1/2/3 200 512 - - ---- 1/1/0/0/0 0/0",
            "10.0.0.1:5000 [24/Nov/2026:19:14:48.123] web app/s1 0/0/-1/-1/3 503 512 - - ---- 1/1/0/0/0 0/0",
        ),
        ("ERROR sqlstate 40P01", "ERROR sqlstate 53300"),
        ("TCP_MISS/200 619 GET http://a/b", "TCP_MISS/503 3470 GET http://a/c"),
    ],
)
def test_status_codes_stay_apart(ok, failed):
    assert MASKER.mask(ok) != MASKER.mask(failed)


@pytest.mark.parametrize(
    "text", ["took 200 ms", "read 404 bytes", "port 502 open", "worker 100 of 200", "exit code 7", "12345 EIO99"]
)
def test_plain_numbers_are_not_codes(text):
    assert not re.search(r"\d", MASKER.mask(text).replace("EIO99", ""))


@pytest.mark.parametrize(
    "piece", ["", " ", "\0", "a", "1", "/", "a.", "0:", "(", "é", "%0", "P0P~~#", "a-1_", "x='", "0/0,", "a@b."]
)
def test_hostile_lines_cost_milliseconds(piece):
    """4,000 characters, where the miner cuts. Before long tokens were masked in pieces, "%0" took half a second."""
    start = time.process_time()
    fresh_masker().mask((piece * 4000)[:4000])
    assert time.process_time() - start < 0.3
