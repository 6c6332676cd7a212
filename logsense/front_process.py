"""The front half in a process of its own, so that parsing and indexing use a core each.

The worker starts ``python -m logsense parser`` and reads what it writes: frames of a kind, a length and a MessagePack
payload. The pipe holds less than a batch and the worker keeps two more, so the front is never far ahead. Commands go
the other way, a line each. Whichever of the two dies, the other one notices at once by the end of its pipe: the front
leaves, the worker stops without a commit and is started again by its server. Nothing is lost with the front: what it
read and did not hand over is still in the spool.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from logsense.config import Settings
from logsense.errors import LogsenseError
from logsense.front import LocalFront, Parsed
from logsense.record import LogRecord, MetricPoint, RawEvent
from logsense.spool import DiskSpool

_HEAD = struct.Struct("<cI")
_BATCH, _BUSY, _IDLE, _FINISHED = b"P", b"B", b"I", b"F"
_ENDED = (b"", b"")  # the other side closed its pipe
_AHEAD = 2  # batches that wait in the worker
WAIT_S = 0.05


# -- batches as bytes -------------------------------------------------------------------------------------------------


def encode(parsed: Parsed) -> bytes:
    """A batch as bytes, whatever its values hold."""
    body = [
        [
            (r.id, r.timestamp_ns, r.message, r.source, r.ingested_ns, r.host, r.service, r.level, r.pipeline,
             r.original, r.outcome, r.fields)
            for r in parsed.records
        ],
        [(p.name, p.host, p.timestamp_ns, p.value, p.labels) for p in parsed.points],
        [(e.message, e.source, e.received_ns, e.fields, e.id) for e in parsed.pending],
        parsed.position, parsed.replay, parsed.stats, parsed.formats, parsed.received_ns, parsed.lines,
        parsed.catching_up,
    ]  # fmt: skip
    try:
        return _pack(body)
    except (TypeError, ValueError, OverflowError):
        return _pack(_plain(body))


def decode(payload: bytes) -> Parsed:
    """The batch of ``encode``."""
    records, points, pending, position, replay, stats, formats, received_ns, lines, catching_up = msgpack.unpackb(
        payload, unicode_errors="surrogatepass", strict_map_key=False, max_str_len=len(payload),
    )  # fmt: skip
    return Parsed(
        [_record(*row) for row in records],
        [MetricPoint(*row) for row in points],
        position, replay, [RawEvent(*row) for row in pending], stats, formats, received_ns, lines, catching_up,
    )  # fmt: skip


def _record(*values: Any) -> LogRecord:
    """A record without a template: it gets one later."""
    *known, fields = values
    record = LogRecord(*known)
    record.fields = fields
    return record


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, unicode_errors="surrogatepass"))


def _plain(value: Any) -> Any:
    """``value`` with text in place of what MessagePack has no form for (integers of more than 64 bits, other types)."""
    if value is None or isinstance(value, str | bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value)


# -- the worker's side ------------------------------------------------------------------------------------------------


class FrontProcess:
    """``Front`` that runs beside the caller."""

    def __init__(self, data: Path, config: Path | None, position: str | None, held: Sequence[RawEvent]) -> None:
        command = [sys.executable, "-m", "logsense", "parser", "--data", str(data)]
        if config is not None:
            command += ["--config", str(config)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 our own
        assert self._child.stdin is not None and self._child.stdout is not None
        self._commands, self._pipe = self._child.stdin, self._child.stdout
        self._frames: queue.Queue[tuple[bytes, bytes]] = queue.Queue(_AHEAD)
        self._stopped = self._ended = False
        self.idle = False
        _write_frame(self._commands, _BATCH, encode(Parsed(position=position, pending=list(held))))
        threading.Thread(target=self._receive, name="front", daemon=True).start()

    def read(self, *, wait: bool = True) -> Parsed | None:
        deadline = time.monotonic() + (WAIT_S if wait else 0.0)
        while True:
            try:
                kind, payload = self._frames.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return None
            if kind == _BATCH:
                return decode(payload)
            if kind not in (_BUSY, _IDLE):
                self._ended = True
                raise LogsenseError(
                    "the process that parses has ended",
                    why=f"its exit code is {self._child.wait(5)}",
                    fix="the server starts both again; what it logged before says more",
                )
            self.idle = kind == _IDLE

    def flush(self, now_ns: int | None = None) -> Parsed | None:
        """Nothing: the front flushes by itself, and hands it over as a batch."""
        return None

    def finish(self) -> Iterator[Parsed]:
        self._command(b"finish")
        while not self._ended:
            kind, payload = self._frames.get()
            if kind == _BATCH:
                yield decode(payload)
            self._ended = kind in (_FINISHED, b"")

    def checkpoint(self, position: str) -> None:
        self._command(position.encode())

    def close(self) -> None:
        """End the process, whatever it does."""
        self._stopped = True
        with contextlib.suppress(OSError):
            self._commands.close()
        self._child.kill()
        self._child.wait()
        with contextlib.suppress(queue.Empty):  # the receiving thread may wait for room
            while True:
                self._frames.get_nowait()

    def _command(self, line: bytes) -> None:
        with contextlib.suppress(OSError):  # it ended: read() says so
            self._commands.write(line + b"\n")
            self._commands.flush()

    def _receive(self) -> None:
        with self._pipe:
            while not self._stopped:
                frame = _read_frame(self._pipe)
                self._frames.put(frame)
                if frame[0] in (b"", _FINISHED):
                    return


# -- the front's own process ------------------------------------------------------------------------------------------


class _Commands:
    """Reads the worker's commands in a thread. The end of the pipe ends this process: nobody reads what it writes."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self.finish = False
        self.position: str | None = None
        threading.Thread(target=self._listen, name="commands", daemon=True).start()

    def _listen(self) -> None:
        for line in self._pipe:
            if line == b"finish\n":
                self.finish = True
            else:
                self.position = line.decode().rstrip("\n")
        os._exit(0)


def serve_front(data: Path, settings: Settings) -> None:
    """Parse what is in the spool of ``data`` for the worker at the other end of standard input and output."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # A service manager signals all processes at once; the worker wants the rest of what was read, then closes.
        signal.signal(number, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not stand among the frames
    start = decode(_read_frame(sys.stdin.buffer)[1])
    commands = _Commands(sys.stdin.buffer)
    spool = DiskSpool(data / "spool", settings.section("spool"))
    front = LocalFront(spool, settings, start.position, start.pending)
    every = settings.section("worker").commit_every_s
    flushed, idle, checkpointed = time.monotonic(), False, start.position
    try:
        while not commands.finish:
            parsed = front.read(lambda: _write_frame(out, _BUSY, b""))
            if parsed is not None:
                _write_frame(out, _BATCH, encode(parsed))
                idle = False
            elif not idle:
                _write_frame(out, _IDLE, b"")
                idle = True
            if time.monotonic() - flushed >= every:
                flushed = time.monotonic()
                late = front.flush(time.time_ns())
                if late is not None:
                    _write_frame(out, _BATCH, encode(late))
            if (position := commands.position) is not None and position != checkpointed:
                checkpointed = position
                front.checkpoint(position)
            if parsed is None:
                time.sleep(WAIT_S)
        for parsed in front.finish():
            _write_frame(out, _BATCH, encode(parsed))
        _write_frame(out, _FINISHED, b"")
    except BrokenPipeError:
        return
    while True:  # a last checkpoint may come; the end of the pipe ends the process
        if (position := commands.position) is not None and position != checkpointed:
            checkpointed = position
            front.checkpoint(position)
        time.sleep(WAIT_S)


def _write_frame(pipe: Any, kind: bytes, payload: bytes) -> None:
    pipe.write(_HEAD.pack(kind, len(payload)) + payload)
    pipe.flush()


def _read_frame(pipe: Any) -> tuple[bytes, bytes]:
    """(kind, payload); ``_ENDED`` when the pipe was closed, in whatever place."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return _ENDED
    kind, length = _HEAD.unpack(head)
    payload = pipe.read(length)
    return (kind, payload) if len(payload) == length else _ENDED
