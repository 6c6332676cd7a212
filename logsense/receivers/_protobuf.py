"""Reading protobuf messages by a small table of their fields, into the shape of their JSON form.

Wire format: https://protobuf.dev/programming-guides/encoding/. Field names follow the proto3 JSON mapping
(lowerCamelCase), so a receiver has one code path for both encodings. Unknown fields are skipped.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_DOUBLE = struct.Struct("<d")
_FIXED64 = struct.Struct("<Q")
_SIGNED64 = struct.Struct("<q")
_MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its JSON name, how its value is read, and whether it repeats.

    ``kind``: ``string``, ``bytes`` (base64), ``hex``, ``bool``, ``int``, ``double``, ``fixed64``, ``sfixed64``,
    ``uints`` (packed varints), or a function that gives the table of an embedded message.
    """

    name: str
    kind: str | Callable[[], Table]
    repeated: bool = False


Table = dict[int, Field]


def decode(data: bytes, table: Table, depth: int = 0) -> dict[str, Any]:
    """The message ``data`` as a dictionary. Raises ValueError when it is no such message."""
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    out: dict[str, Any] = {}
    for number, value in _fields(data):
        known = table.get(number)
        if known is None:
            continue
        converted = _convert(known.kind, value, depth)
        if known.repeated:
            out.setdefault(known.name, []).append(converted)
        else:
            out[known.name] = converted
    return out


def encode_text(number: int, text: str) -> bytes:
    """A string field, for the few answers that need one."""
    return encode_bytes(number, text.encode("utf-8", "backslashreplace"))


def encode_bytes(number: int, data: bytes) -> bytes:
    """A bytes field or an embedded message."""
    return encode_varint(number << 3 | 2) + encode_varint(len(data)) + data


def _convert(kind: str | Callable[[], Table], value: int | bytes, depth: int) -> Any:
    if callable(kind):
        return decode(_bytes(value), kind(), depth + 1)
    match kind:
        case "string":
            return _bytes(value).decode("utf-8", "backslashreplace")
        case "bytes":
            return base64.b64encode(_bytes(value)).decode()
        case "hex":
            return _bytes(value).hex()
        case "double":
            return _unpack(_DOUBLE, value)
        case "fixed64":
            return _unpack(_FIXED64, value)
        case "sfixed64":
            return _unpack(_SIGNED64, value)
        case "uints":
            return list(_varints(value)) if isinstance(value, bytes) else [value]
    if not isinstance(value, int):
        raise ValueError("a number was expected")
    if kind == "bool":
        return bool(value)
    return value - (1 << 64) if value >= 1 << 63 else value  # int64 in two's complement


def _unpack(fixed: struct.Struct, value: int | bytes) -> Any:
    data = _bytes(value)
    if len(data) != fixed.size:
        raise ValueError(f"{fixed.size} bytes were expected")
    return fixed.unpack(data)[0]


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("bytes were expected")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, varint or bytes) of every field; fixed widths come as their 4 or 8 bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield key >> 3, number
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} is not in use")
        if at + size > end:
            raise ValueError("the message ends too early")
        yield key >> 3, data[at : at + size]
        at += size


def _varints(data: bytes) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise ValueError("the message ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a varint is too long")


def encode_varint(value: int) -> bytes:
    """``value`` in base 128, least significant group first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
