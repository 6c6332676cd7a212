"""Endless log traffic made of the recordings in ``samples``: real formats, moving clocks, other values in every line.

Each recorded file is one stream that is read in order, again and again. Of every line the time stamps are replaced by
the stream's clock in the same layout, and what varies in real traffic is drawn anew: numbers of two digits and more
(HTTP status codes stay), the last octet of addresses, hexadecimal ids and the user names of failed logins. So the
message types are those of the recordings and nearly no line occurs twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "samples"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
STEP_NS = 500_000  # between two lines of all streams together
USERS = [f"{name}{number}" for number in range(40) for name in ("anna", "ben", "carla", "deploy", "oracle", "test")]

_STAMPS = "|".join(
    (
        r"(?P<iso>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<iso_f>\d+))?)",
        r"(?P<blank>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:(?P<blank_s>[.,])\d{3})?)",
        r"(?P<slash>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)",
        r"(?P<clf>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?P<clf_f>\.\d{3})?)",
        r"(?P<words>\d\d(?P<words_s>[- ])[A-Z][a-z]{2}[- ]\d{4} \d\d:\d\d:\d\d\.\d{3})",
        r"(?P<syslog>^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d)",
        r"(?P<epoch>^\d{10}\.\d{3})",
        r"(?P<short>(?<=# Time: )\d{6} [ \d]\d:\d\d:\d\d)",
    )
)
_VARIES = re.compile(
    rf"{_STAMPS}|(?P<user>(?<=invalid user )[a-z]\w*|(?<=password for )[a-z]\w*(?= from))"
    r"|(?P<ip>(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]))"
    r"|(?P<status>(?<=\" )\d{3}(?= )|(?<=-> )\d{3}|(?<= )\d{3}(?= \d+ - -))"
    r"|(?P<hex>(?<![0-9a-zA-Z_.])(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}(?![0-9a-zA-Z_.]))"
    r"|(?P<number>(?<![\w.+])(?<!Gecko/)\d{2,9}(?![\w.]))"
)

Part = str | Callable[[random.Random, datetime, int], str]


def _parts(line: str) -> list[Part]:
    """The line as constant text and functions that draw what stands between."""
    parts: list[Part] = []
    at = 0
    for match in _VARIES.finditer(line):
        made = _drawn(match)
        if made is not None:
            parts += [line[at : match.start()], made]
            at = match.end()
    return [*parts, line[at:]]


def _drawn(match: re.Match[str]) -> Part | None:
    kind, text = match.lastgroup or "", match.group()
    if kind == "number":
        low, high = 10 ** (len(text) - 1), 10 ** len(text)
        return lambda rng, now, ns: str(int(low + rng.random() * (high - low)))
    if kind == "ip":
        head = text[: text.rindex(".") + 1]
        return lambda rng, now, ns: f"{head}{int(1 + rng.random() * 254)}"
    if kind == "hex":
        return lambda rng, now, ns: f"{rng.getrandbits(4 * len(text)):0{len(text)}x}"
    if kind == "user":
        return lambda rng, now, ns: USERS[int(rng.random() * len(USERS))]
    if kind == "status":
        return None
    return _stamp(match)


def _stamp(match: re.Match[str]) -> Part:
    group = match.groupdict()
    if group["iso"]:
        digits = len(group["iso_f"] or "")
        return lambda rng, now, ns: f"{now:%Y-%m-%dT%H:%M:%S}" + (f".{ns:09d}"[: digits + 1] if digits else "")
    if group["blank"]:
        mark = group["blank_s"] or ""
        return lambda rng, now, ns: f"{now:%Y-%m-%d %H:%M:%S}" + (f"{mark}{ns // 10**6:03d}" if mark else "")
    if group["slash"]:
        return lambda rng, now, ns: f"{now:%Y/%m/%d %H:%M:%S}"
    if group["clf"]:
        part = bool(group["clf_f"])
        return lambda rng, now, ns: (
            f"{now.day:02}/{MONTHS[now.month - 1]}/{now:%Y:%H:%M:%S}" + (f".{ns // 10**6:03d}" if part else "")
        )
    if group["words"]:
        mark = group["words_s"]
        return lambda rng, now, ns: (
            f"{now.day:02}{mark}{MONTHS[now.month - 1]}{mark}{now:%Y %H:%M:%S}.{ns // 10**6:03d}"
        )
    if group["syslog"]:
        return lambda rng, now, ns: f"{MONTHS[now.month - 1]} {now.day:2} {now:%H:%M:%S}"
    if group["epoch"]:
        return lambda rng, now, ns: f"{int(now.timestamp())}.{ns // 10**6:03d}"
    return lambda rng, now, ns: f"{now:%y%m%d %H:%M:%S}"


class Stream:
    """One recorded file, repeated."""

    def __init__(self, file: Path) -> None:
        self.host, self.service = file.parent.name, file.stem
        self.path = f"/var/log/{file.name}"
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        self.lines = [_parts(line) for line in lines if line.strip()]
        self._at = 0

    def next(self, rng: random.Random, now: datetime, ns: int) -> str:
        parts = self.lines[self._at]
        self._at = (self._at + 1) % len(self.lines)
        return "".join([part if part.__class__ is str else part(rng, now, ns) for part in parts])


def batches(count: int, *, end_ns: int, size: int = 1000, seed: int = 1) -> Iterator[tuple[Stream, int, list[str]]]:
    """(stream, time of its first line in ns, lines): as a shipper reads, some lines of one file at a time, all files
    in the proportion of their length. The last line of all is of ``end_ns``."""
    rng = random.Random(seed)
    streams = [Stream(file) for file in sorted(SAMPLES.glob("*/logs/*/*.log"))]
    streams = [stream for stream in streams if stream.lines]
    weights = [len(stream.lines) for stream in streams]
    made, at_ns = 0, end_ns - count * STEP_NS
    while made < count:
        stream = rng.choices(streams, weights)[0]
        run = min(rng.randrange(20, size // 5), count - made)
        first, lines = at_ns, []
        for _ in range(run):
            second, ns = divmod(at_ns, 10**9)
            lines.append(stream.next(rng, _moment(second), ns))
            at_ns += STEP_NS
        made += run
        yield stream, first, lines


_seconds: dict[int, datetime] = {}


def _moment(second: int) -> datetime:
    if second not in _seconds:
        _seconds.clear()
        _seconds[second] = datetime.fromtimestamp(second, UTC)
    return _seconds[second]
