"""Unpacking request bodies: bounded in memory, not only in the end."""

from __future__ import annotations

import gzip
import importlib
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logsense import errors
from logsense.receivers import _body


def test_a_bomb_never_takes_the_memory_that_it_asks_for() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(errors.TooLarge) as caught:
            _body._unpacker("gzip").feed(bomb, 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000 and "1000000" in caught.value.what


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 70), st.sampled_from(["gzip", "deflate"]))
def test_any_chunking_gives_the_same(data: bytes, size: int, encoding: str) -> None:
    packed = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
    unpacker = _body._unpacker(encoding)
    out = b"".join(unpacker.feed(packed[at : at + size], 10_000) for at in range(0, len(packed), size))
    unpacker.finish()
    assert out == data


def zstd_module() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def test_zstd_where_python_has_it() -> None:
    zstd = zstd_module()
    if zstd is None:
        with pytest.raises(errors.BadInput, match="zstd is not supported"):
            _body._unpacker("zstd")
        return
    data = b"line of text\n" * 10_000
    packed = zstd.compress(data) + zstd.compress(b"second frame")
    for size in (7, len(packed)):
        unpacker = _body._unpacker("zstd")
        out = b"".join(unpacker.feed(packed[at : at + size], 10**6) for at in range(0, len(packed), size))
        unpacker.finish()
        assert out == data + b"second frame"
    with pytest.raises(errors.TooLarge):
        _body._unpacker("zstd").feed(zstd.compress(bytes(50_000_000)), 1_000_000)
    with pytest.raises(errors.BadInput):
        _body._unpacker("zstd").feed(b"no zstd at all, but some text", 1000)
    cut = _body._unpacker("zstd")
    cut.feed(packed[:20], 10**6)
    with pytest.raises(errors.BadInput):
        cut.finish()
