"""Reading ``key=value`` text (logfmt, auditd, netfilter) and JSON objects as flat mappings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

_PAIR = re.compile(r"""([A-Za-z_][\w.\-]*)=(?:"((?:[^"\\]++|\\.)*+)"|'((?:[^'\\]++|\\.)*+)'|([^\s"']*+))""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MAX_DEPTH = 6
_MAX_KEYS = 200


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), text) if "\\" in text else text


def read_pairs(text: str) -> Iterator[tuple[str, str, bool]]:
    """All pairs in order: key, value, quoted. Single quotes hold further pairs (auditd's ``msg='op=… res=…'``)."""
    for match in _PAIR.finditer(text):
        key, double, single, bare = match.groups()
        if double is not None:
            yield key, _unescape(double), True
        elif single is not None:
            if "=" in single:
                yield from read_pairs(single)
            else:
                yield key, single, True
        elif bare:
            yield key, bare.rstrip(",;") if bare[-1] in ",;" else bare, False


def memo(decode: Callable[[str], dict[str, Any] | None]) -> Callable[[str], dict[str, Any] | None]:
    """Remember the last line: every format of a kind asks about the same one."""
    last: tuple[str | None, dict[str, Any] | None] = (None, None)

    def remembered(line: str) -> dict[str, Any] | None:
        nonlocal last
        if last[0] is not line:
            last = (line, decode(line))
        return last[1]

    return remembered


def decode_json(line: str) -> dict[str, Any] | None:
    """A JSON object as a flat mapping with dotted keys, None for anything else."""
    text = line.strip()
    if text[:1] != "{":
        return None
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:  # NaN, Infinity, lone surrogates: not JSON, but written by many
            data = json.loads(text)
        except (ValueError, RecursionError):
            return None
    if not isinstance(data, dict):
        return None
    flat: dict[str, Any] = {}
    _flatten(data, "", flat, 0)
    return flat


def _flatten(data: dict[str, Any], prefix: str, flat: dict[str, Any], depth: int) -> None:
    for key, value in data.items():
        if len(flat) >= _MAX_KEYS:
            return
        kind = value.__class__
        if kind is str or kind is int:  # nearly all values
            flat[prefix + key if prefix else key] = value
        elif isinstance(value, dict) and value:
            if depth < _MAX_DEPTH:
                _flatten(value, f"{prefix}{key}.", flat, depth + 1)
            else:
                flat[prefix + key] = json.dumps(value)
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            flat[prefix + key] = json.dumps(value)
        elif isinstance(value, float) and value - value != 0:
            flat[prefix + key] = str(value)
        else:
            flat[prefix + key] = value


_LOGFMT_PAIR = re.compile(r'[A-Za-z_@][\w.\-/@]*=(?:"(?:[^"\\]++|\\.)*+"|[^\s"]*+)(?:\s+|$)')
_LOGFMT_WORD = re.compile(r'([A-Za-z_@][\w.\-/@]*)=(?:"((?:[^"\\]++|\\.)*+)"|([^\s"]*+))')


def decode_logfmt(line: str) -> dict[str, Any] | None:
    """A line that is logfmt throughout: at least two pairs and nothing else."""
    text = line.strip()
    if "=" not in text[:64] or len(text) > 65_536:
        return None
    position, count = 0, 0
    while position < len(text):
        match = _LOGFMT_PAIR.match(text, position)
        if match is None:
            return None
        position, count = match.end(), count + 1
    if count < 2:
        return None
    return {key: _unescape(quoted) if quoted else bare or "" for key, quoted, bare in _LOGFMT_WORD.findall(text)}
