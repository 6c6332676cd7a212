"""Follows systemd's journal through ``journalctl``, which reads all journal formats and compressions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from logsense import errors
from logsense.record import LEVELS, RawEvent
from logsense.sources._deliver import accept_patiently
from logsense.sources.lines import Line, LineSplitter, decode, identity_of
from logsense.stages import Intake

log = logging.getLogger(__name__)

_CHUNK = 256 * 1024
_MAX_ENTRY_BYTES = 16 * 1024 * 1024
_RESTART_S = 5.0
#: Journal field → ECS name; the first that is present wins.
_FIELDS = {
    "host.name": ("_HOSTNAME",),
    "service.name": ("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM"),
    "process.pid": ("_PID", "SYSLOG_PID"),
    "systemd.unit": ("_SYSTEMD_UNIT", "UNIT"),
    "log.syslog.facility.code": ("SYSLOG_FACILITY",),
}


@dataclass(frozen=True, slots=True)
class JournaldOptions:
    """Which part of the journal is read."""

    #: Where the cursor of the last accepted entry is kept (in the data folder).
    cursor: Path = Path("journald-cursor")
    #: Where to begin without a cursor: ``beginning`` or ``end``.
    start_at: str = "end"
    #: Further arguments of journalctl, e.g. ``("--unit=nginx",)`` or ``("--directory=/mnt/journal",)``.
    arguments: tuple[str, ...] = ()
    #: The program.
    program: str = "journalctl"


class JournaldSource:
    """Entries with their structured fields. Ids come from the journal's cursors, so a replay keeps them.

    When journalctl ends it is started again behind the last accepted entry.
    """

    name = "journald"

    def __init__(self, options: JournaldOptions | None = None) -> None:
        self.options = options or JournaldOptions()
        if self.options.start_at not in ("beginning", "end"):
            raise errors.BadConfig(f"start_at = {self.options.start_at!r}", fix="write beginning or end")
        self._cursor = self._load_cursor()

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Raises ``BadConfig`` when there is no journalctl."""
        while True:
            async with contextlib.aclosing(self._output()) as output:  # ends journalctl also when we are cancelled
                async for lines in output:
                    await self._accept(lines, intake)
            await asyncio.sleep(_RESTART_S)

    async def _accept(self, lines: list[Line], intake: Intake) -> None:
        events: list[RawEvent] = []
        cursor = ""
        for line in lines:
            event, at = event_of(line.data, time.time_ns())
            cursor = at or cursor
            if event is not None:
                events.append(event)
        if events:
            await accept_patiently(intake, events)
        if cursor:
            await asyncio.to_thread(self._save_cursor, cursor)

    def _command(self) -> list[str]:
        start = f"--after-cursor={self._cursor}" if self._cursor else ""
        first = "--lines=all" if start or self.options.start_at == "beginning" else "--lines=0"
        command = [self.options.program, "--follow", "--output=json", "--all", "--no-pager", first, start]
        return [part for part in [*command, *self.options.arguments] if part]

    async def _output(self) -> AsyncGenerator[list[Line]]:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(), stdout=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
            )
        except OSError as error:
            raise errors.BadConfig(
                f"{self.options.program} cannot be started", why=error.strerror or str(error), fix="install systemd"
            ) from error
        assert process.stdout is not None
        splitter = LineSplitter(0, _MAX_ENTRY_BYTES)
        try:
            while chunk := await process.stdout.read(_CHUNK):
                if lines := splitter.feed(chunk):
                    yield lines
            log.warning("journald: journalctl ended (%s); started again in %g s", await process.wait(), _RESTART_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _load_cursor(self) -> str:
        try:
            return self.options.cursor.read_text().strip()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            log.warning("journald: the cursor in %s cannot be read: %s", self.options.cursor, error)
            return ""

    def _save_cursor(self, cursor: str) -> None:
        self._cursor = cursor
        path = self.options.cursor
        temporary = path.with_name(path.name + ".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("w") as file:
                file.write(cursor + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            log.error("journald: cannot save the cursor to %s: %s", path, error)


def event_of(line: bytes, received_ns: int) -> tuple[RawEvent | None, str]:
    """One line of ``journalctl --output=json`` as (event, cursor). An entry without a message gives no event."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        text = decode(line)
        return (RawEvent(text, "journald", received_ns) if text.strip() else None), ""
    cursor = str(entry.get("__CURSOR") or "")
    message = _text(entry.get("MESSAGE"))
    if not message.strip():
        return None, cursor
    fields: dict[str, Any] = {}
    for target, names in _FIELDS.items():
        value = next((text for name in names if (text := _text(entry.get(name)))), "")
        if value:
            fields[target] = value
    fields["service.name"] = fields.get("service.name", "").removesuffix(".service") or "kernel"
    priority = _text(entry.get("PRIORITY"))
    if priority in tuple("01234567"):
        fields["log.level"] = LEVELS[8 - int(priority)]  # LEVELS: trace, debug (7) … emergency (0)
    stamp = _text(entry.get("_SOURCE_REALTIME_TIMESTAMP")) or _text(entry.get("__REALTIME_TIMESTAMP"))
    if stamp.isdigit():
        with contextlib.suppress(ValueError, OverflowError, OSError):
            moment = datetime.fromtimestamp(int(stamp) // 10**6, UTC)
            fields["@timestamp"] = f"{moment:%Y-%m-%dT%H:%M:%S}.{int(stamp) % 10**6:06d}Z"
    return RawEvent(message, "journald", received_ns, fields, f"j-{identity_of(cursor)}" if cursor else None), cursor


def _text(value: Any) -> str:
    """A journal value: text, bytes as a list of numbers, or a list of such when the field occurs more than once."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if all(isinstance(one, int) and 0 <= one < 256 for one in value):
            return decode(bytes(value))
        return _text(value[0])
    return "" if value is None else str(value)
