"""Reads a file, or standard input, once from start to end: ``logsense ingest FILE``."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from logsense import errors
from logsense.record import RawEvent
from logsense.sources.lines import MAX_LINE_BYTES, LineSplitter, events_from_lines, identity_of
from logsense.sources.positions import HEAD_BYTES, first_line

_CHUNK = 256 * 1024
GZIP_MAGIC = b"\x1f\x8b"
#: What reading damaged or unfinished gzip raises.
GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)


def read_file(
    path: str | Path,
    *,
    fields: dict[str, Any] | None = None,
    source: str | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    batch_lines: int = 1000,
    progress: Callable[[int], None] | None = None,
) -> Iterator[list[RawEvent]]:
    """Batches of about ``batch_lines`` events; gzip is recognised by its content, ``-`` is standard input.

    ``fields`` are stated for every line. ``progress`` gets the number of bytes of the file (packed, for gzip) read
    since the last call. Reading the same file again gives the same ids, so it can be repeated after a failure.
    Raises ``BadInput`` for what cannot be opened, and for damaged gzip after giving everything before the damage.
    """
    stdin = str(path) == "-"
    raw: Any = sys.stdin.buffer if stdin else open_log(Path(path))
    try:
        name = source or ("stdin" if stdin else f"file:{path}")
        stated = ({} if stdin else {"log.file.path": str(path)}) | (fields or {})
        head = raw.peek(HEAD_BYTES)[:HEAD_BYTES] if isinstance(raw, io.BufferedReader) else b""
        regular = _regular_file(raw)
        identity = None if regular is None else identity_of(regular.st_dev, regular.st_ino, first_line(head))
        splitter = LineSplitter(0, max_line_bytes)
        events: list[RawEvent] = []
        told = 0
        for chunk in _chunks(raw, packed=head.startswith(GZIP_MAGIC), name=str(path)):
            if isinstance(chunk, errors.BadInput):
                if events:
                    yield events
                raise chunk
            last = None if chunk else splitter.flush()
            lines = splitter.feed(chunk) if chunk else [last] if last else []
            events += events_from_lines(lines, name, time.time_ns(), stated, identity)
            if progress is not None:
                done = raw.tell() if regular is not None else told + len(chunk)
                progress(done - told)
                told = done
            while len(events) >= batch_lines:
                yield events[:batch_lines]
                events = events[batch_lines:]
        if events:
            yield events
    finally:
        if not stdin:
            raw.close()


def open_log(path: Path) -> io.BufferedReader:
    """``path`` opened for reading. Raises ``BadInput`` that says what is wrong with it."""
    try:
        file = path.open("rb", buffering=0)
    except IsADirectoryError as error:
        raise errors.BadInput(f"{path} is a directory", fix=f"name the files, e.g. '{path}/*.log'") from error
    except FileNotFoundError as error:
        raise errors.BadInput(f"{path} does not exist", fix="check the spelling and the current folder") from error
    except PermissionError as error:
        raise errors.BadInput(
            f"{path} may not be read", why=str(error.strerror), fix="run as a user that may, e.g. of the group adm"
        ) from error
    except OSError as error:
        raise errors.BadInput(f"{path} cannot be opened", why=str(error.strerror)) from error
    return io.BufferedReader(file, _CHUNK)


def _regular_file(raw: Any) -> os.stat_result | None:
    """The file's status, or None for a pipe, a terminal, or something in memory."""
    try:
        info = os.fstat(raw.fileno())
    except (OSError, AttributeError):  # io.UnsupportedOperation is an OSError
        return None
    return info if stat.S_ISREG(info.st_mode) else None


def _chunks(raw: Any, *, packed: bool, name: str) -> Iterator[bytes | errors.BadInput]:
    """Chunks and then b"" at the end; damage is given as the last item, so that what came before is kept."""
    unpacked = gzip.GzipFile(fileobj=raw) if packed else raw
    while True:
        try:
            chunk = unpacked.read1(_CHUNK)  # gives what a pipe has now rather than wait for a full chunk
        except GZIP_ERRORS as error:
            yield b""
            yield errors.BadInput(
                f"{name} is damaged gzip",
                why=str(error),
                fix="the lines before the damage were taken; fetch the file again for the rest",
            )
            return
        except OSError as error:
            yield b""
            yield errors.BadInput(f"{name} cannot be read further", why=str(error.strerror))
            return
        yield chunk
        if not chunk:
            return
