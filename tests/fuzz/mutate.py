"""Strategies that break what is valid: JSON documents, protobuf messages, MessagePack, lines and byte streams.

Structure-aware: a document stays a document whose parts have the wrong type, are missing, doubled, far too deep, far
too large or not text; only then are its bytes cut, flipped and wrapped in encodings.
"""

from __future__ import annotations

import copy
import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import msgpack
from hypothesis import strategies as st

DEEP = 300
WORDS = (
    "",
    "\x00",
    "\ud800",
    "\ufeff",
    "\u202e",
    "a" * 5000,
    "<script>",
    "%00",
    "{}",
    "[",
    "'",
    '"',
    "\\",
    "\r\n",
    "NaN",
)
NUMBERS = (0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**40, 1e308, -1e308, 5e-324, float("inf"), float("nan"), -0.0)
NAMES = ("@timestamp", "message", "host", "host.name", "log.level", "", ".", "a.b.c", "..", "__proto__", "timestamp")


def deep(kind: str, levels: int = DEEP) -> Any:
    made: Any = 1
    for _ in range(levels):
        made = [made] if kind == "list" else {"a": made}
    return made


evil = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(WORDS),
    st.text(max_size=20),
    st.integers(),
    st.floats(),
    st.sampled_from(("list", "dict")).map(deep),
    st.just([]),
    st.just({}),
    st.lists(st.none() | st.integers() | st.text(max_size=5), max_size=4),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5),
                    max_size=4),
)  # fmt: skip


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything inside ``node``."""
    items: list[tuple[Any, Any]] = []
    if isinstance(node, dict):
        items = list(node.items())
    elif isinstance(node, list):
        items = list(enumerate(node))
    for key, value in items:
        yield node, key
        yield from _places(value)


@st.composite
def documents(draw: st.DrawFn, seed: Any) -> Any:
    """``seed`` (dicts and lists) with up to four parts replaced, removed, doubled or added."""
    made = copy.deepcopy(seed)
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(made))
        if not places:
            return draw(evil)
        container, key = draw(st.sampled_from(places))
        action = draw(st.sampled_from(("replace", "replace", "remove", "double", "add")))
        if action == "replace":
            container[key] = draw(evil)
        elif action == "remove":
            del container[key]
        elif action == "double" and isinstance(container, list):
            container += [copy.deepcopy(container[key])] * draw(st.integers(1, 50))
        elif isinstance(container, dict):
            container[draw(st.sampled_from(NAMES) | st.text(max_size=8))] = draw(evil)
    return made


def as_json(document: Any) -> bytes:
    """Also what is no JSON by the book: NaN, huge numbers, lone surrogates."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def as_msgpack(document: Any) -> bytes:
    def fits(value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**64:
            return float(value)
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            return {fits(k): fits(v) for k, v in value.items()}
        return [fits(one) for one in value] if isinstance(value, list) else value

    try:
        return bytes(msgpack.packb(fits(document)))
    except (ValueError, RecursionError):
        return b"\x91" * DEEP


# Protobuf's wire format: fields of any number and type, nested, some with lengths that lie.


def varint(value: int) -> bytes:
    value &= 2**70 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, kind: int, payload: bytes) -> bytes:
    return varint(number << 3 | kind) + payload


def _message(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    numbers = st.integers(1, 12) | st.sampled_from((0, 15, 536870911))
    fields = st.one_of(
        st.builds(lambda n, v: _field(n, 0, varint(v)), numbers, st.integers(0, 2**64)),
        st.builds(lambda n, v: _field(n, 1, struct.pack("<d", v)), numbers, st.floats()),
        st.builds(lambda n, v: _field(n, 5, struct.pack("<I", v)), numbers, st.integers(0, 2**32 - 1)),
        st.builds(lambda n, v: _field(n, 2, varint(len(v)) + v), numbers, inner),
        st.builds(lambda n, v: _field(n, 2, varint(len(v) + 1000) + v), numbers, inner),
        st.builds(lambda n, k: _field(n, k, b""), numbers, st.sampled_from((3, 4, 6, 7))),
    )
    return st.lists(fields, max_size=6).map(b"".join)


protobufs = st.recursive(st.binary(max_size=12) | st.text(max_size=8).map(str.encode), _message, max_leaves=12)


@st.composite
def broken(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of ``whole`` as they are (half of the time), or cut, flipped, doubled or with something put in between."""
    data = draw(whole)
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        at = draw(st.integers(0, len(data)))
        action = draw(st.sampled_from(("cut", "flip", "double", "insert", "drop")))
        if action == "cut":
            data = data[:at]
        elif action == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
        elif action == "double":
            data = data[:at] + data[: min(at, 5000)] * draw(st.integers(1, 8)) + data[at:]
        elif action == "insert":
            data = data[:at] + draw(st.binary(max_size=12)) + data[at:]
        elif action == "drop":
            data = data[:at] + data[at + draw(st.integers(1, 20)) :]
    return data


def lines(seeds: list[str]) -> st.SearchStrategy[bytes]:
    """Lines of ``seeds`` cut, spliced, repeated, with huge numbers and odd characters in them."""

    @st.composite
    def one(draw: st.DrawFn) -> bytes:
        text = draw(st.sampled_from(seeds))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(text)))
            action = draw(st.sampled_from(("cut", "splice", "word", "repeat", "number", "text")))
            if action == "cut":
                text = text[:at]
            elif action == "splice":
                other = draw(st.sampled_from(seeds))
                text = text[:at] + other[draw(st.integers(0, len(other))) :]
            elif action == "word":
                text = text[:at] + draw(st.sampled_from(WORDS)) + text[at:]
            elif action == "repeat":
                text = text[:at] + text[max(0, at - 10) : at] * draw(st.integers(1, 60)) + text[at:]
            elif action == "number":
                text = text[:at] + str(draw(st.sampled_from(NUMBERS))) + text[at:]
            else:
                text = text[:at] + draw(st.text(max_size=10)) + text[at:]
        return text.encode("utf-8", "surrogatepass")

    return broken(one())


def packed(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(data, 1)
    return zlib.compress(data, 1) if encoding == "deflate" else data


def bomb(megabytes: int) -> bytes:
    """gzip of ``megabytes`` zero bytes, about a thousandth of it on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    piece = b"\0" * 2**20
    return b"".join([*(packer.compress(piece) for _ in range(megabytes)), packer.flush()])
