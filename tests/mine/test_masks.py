"""Masks are data: their samples are their tests, and every one of them is blind to which digit it sees."""

import re
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense.mine.masks import Masker, check_digit_blind, encode, flatten, load_masks, opaque, places, samples
from logsense.mine.substitute import Substitution

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
    masked, matter = fresh_masker().mask_tokens(data, flatten(data))
    if not matter:
        zeros = flatten(data)
        assert fresh_masker().mask_tokens(zeros, zeros)[0] == masked


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


TOKENS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join)
SUBSTITUTION = Substitution(MASKS)


@settings(max_examples=400, deadline=None)
@given(st.lists(TOKENS, min_size=1, max_size=6))
def test_both_engines_find_the_same(texts):
    tokens = [t for text in texts for t in flatten(encode(text.encode("utf-8", "replace").decode())).split()]
    together, alone = SUBSTITUTION.all(tokens), list(map(SUBSTITUTION.one, tokens))
    assert [m.text for m in together] == [m.text for m in alone]
    for token, found, other in zip(tokens, together, alone, strict=True):
        if "0" in found.text:
            assert (found.of(token), other.of(token)) == (found.text, found.text)


def test_without_the_fast_engine_the_other_answers(monkeypatch):
    monkeypatch.setitem(sys.modules, "pcre2", None)
    assert [m.text for m in Substitution(MASKS).all([b"10.0.0.1:80", b"tty2"])] == ["<*>", "tty2"]


def test_what_one_engine_refuses_the_other_answers():
    pcre2 = pytest.importorskip("pcre2")

    class Refusing:
        def sub(self, *_):
            raise pcre2.LibraryError(-47)

    refused = Substitution(MASKS)
    assert refused._compiled is not None
    refused.__dict__["_compiled"] = Refusing()
    assert [m.text for m in refused.all([b"10.0.0.1:80", b"tty2"])] == ["<*>", "tty2"]


@pytest.mark.parametrize("token", ["a" * 600 + "=12", "1,2;" * 400, "x\x01y7\x02", "É7" * 300])
def test_long_and_odd_tokens_are_masked_like_any_other(token):
    (found,) = SUBSTITUTION.all([encode(token)])
    assert found == SUBSTITUTION.one(encode(token))
    assert found.of(encode(token)) == found.text


def unconditional(masked):
    """The second round without a look at ``needs``."""
    adjacent = re.compile(r"<\*>(?:\s?<\*>)+")
    text = adjacent.sub("<*>", masked)
    for mask in REWRITES:
        text = re.sub(mask.pattern, mask.replace, text, flags=re.ASCII)
    return adjacent.sub("<*>", text)


MASKED_PIECES = [
    *(
        "<*>",
        " ",
        "=",
        "= ",
        '"',
        "'",
        "(",
        ")",
        "()",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "<",
        ">",
        "~",
        "Jan",
        "Mon",
        "UTC",
    ),
    *("EST", "bytes", "sent", "wpad", "open", "values", "in", "null", "a.b.c", "x", 'HTTP/1.1" 200 ', "-", "CEST", "w"),
]
MASKED = st.lists(st.sampled_from(MASKED_PIECES), max_size=16).map("".join)


@settings(max_examples=600, deadline=None)
@given(MASKED)
def test_a_rewrite_matches_nothing_that_holds_none_of_its_needs(masked):
    assert MASKER.rewrite(masked) == unconditional(masked)


NAMES = st.from_regex(r"\A(?:[a-z][a-z0-9_-]*[0-9]|[A-Z][A-Za-z0-9]*[0-9][a-z]?|[0-9]+[A-Za-z]+[0-9_-]*)\Z")


@settings(max_examples=600, deadline=None)
@given(st.lists(MASKED, min_size=2, max_size=4), st.lists(NAMES, min_size=1, max_size=3))
def test_rewrites_treat_all_names_alike(parts, names):
    """What a line becomes with a name is what it becomes with the word that stands for the name."""
    words, shape = [parts[0]], [parts[0]]
    for name, part in zip(names, parts[1:], strict=False):
        words += [name, part]
        shape += [opaque(name), part]
    text, stands = " ".join(words), " ".join(shape)
    expected = MASKER.rewrite(text)
    for name in names:
        expected = " ".join(opaque(word) if word == name else word for word in expected.split(" "))
    assert " ".join(opaque(w) if w in names else w for w in MASKER.rewrite(stands).split(" ")) == expected


@pytest.mark.parametrize("line", ["a tty2 b ssh2", "  a  tty2\tb   ssh2 ", "tty2", "x tty2 tty2 ssh2"])
def test_places_of_tokens(line):
    data = encode(line)
    found = places(flatten(data), [i for i, token in enumerate(data.split()) if token[-1:] == b"2"])
    assert [data[place] for place in found] == [token for token in data.split() if token[-1:] == b"2"]
