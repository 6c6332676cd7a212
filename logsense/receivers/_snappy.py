"""The snappy block format, decompression only.

Source: https://github.com/google/snappy/blob/main/format_description.txt. Loki and Prometheus clients send one
block a request (some tens of kilobytes), for which a loop over its tags is fast enough.
"""

from __future__ import annotations


def decompress(data: bytes, limit: int) -> bytes:
    """The original bytes. Raises ValueError for damage, OverflowError when they are more than ``limit``."""
    try:
        expected, at = _varint(data)
        if expected > limit:
            raise OverflowError(f"{expected} bytes exceed {limit}")
        out = bytearray()
        end = len(data)
        while at < end:
            tag = data[at]
            at += 1
            kind = tag & 3
            if kind == 0:
                length = (tag >> 2) + 1
                if length > 60:  # the length is in the next 1 to 4 bytes
                    width = length - 60
                    length = _little(data, at, width) + 1
                    at += width
                if at + length > end:
                    raise ValueError("a literal reaches beyond the end")
                out += data[at : at + length]
                at += length
            else:
                if kind == 1:
                    length = ((tag >> 2) & 7) + 4
                    offset = (tag >> 5) << 8 | data[at]
                    at += 1
                else:
                    width = 2 if kind == 2 else 4
                    length = (tag >> 2) + 1
                    offset = _little(data, at, width)
                    at += width
                _copy(out, offset, length)
            if len(out) > expected:
                raise ValueError("more data than announced")
    except IndexError as error:
        raise ValueError("the block ends too early") from error
    if len(out) != expected:
        raise ValueError(f"{len(out)} bytes instead of {expected}")
    return bytes(out)


def _copy(out: bytearray, offset: int, length: int) -> None:
    if not 0 < offset <= len(out):
        raise ValueError("a copy reaches before the start")
    start = len(out) - offset
    if offset >= length:
        out += out[start : start + length]
    else:  # source and target overlap: the pattern repeats
        pattern = bytes(out[start:])
        out += (pattern * (length // offset + 1))[:length]


def _little(data: bytes, at: int, width: int) -> int:
    if at + width > len(data):
        raise ValueError("the block ends too early")
    return int.from_bytes(data[at : at + width], "little")


def _varint(data: bytes) -> tuple[int, int]:
    value = shift = 0
    for at in range(5):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
    raise ValueError("the length is not a 32-bit varint")
