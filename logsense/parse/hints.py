"""What whoever reads a file knows about its lines besides their text, and tells the parser with each event.

The fields below are for the parser alone and are not kept in the record:
``logsense.format`` (the format's name: no detection), ``logsense.time_zone`` (of time stamps that name none) and
``logsense.service`` (for lines that name no service themselves; ``service.name`` would override them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from logsense.errors import LogsenseError
from logsense.parse.loader import Formats
from logsense.parse.options import ParseOptions

FORMAT, TIME_ZONE, SERVICE = "logsense.format", "logsense.time_zone", "logsense.service"
HINTS = frozenset({FORMAT, TIME_ZONE, SERVICE})
_MOST = 64  # combinations that are compiled; the hints come from senders, so their number must be bounded


class HintedFormats:
    """The formats to use for a stream, compiled once per combination of hints."""

    def __init__(self, options: ParseOptions, formats: Formats) -> None:
        self._options, self._plain = options, formats
        self._made: dict[tuple[str, str], Formats] = {}

    def of(self, fields: Mapping[str, Any]) -> Formats:
        """The formats for a stream whose events carry ``fields``. A hint that means nothing is not followed."""
        key = (str(fields.get(FORMAT) or ""), str(fields.get(TIME_ZONE) or ""))
        if key == ("", ""):
            return self._plain
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _MOST:
                return self._plain
            made = self._made[key] = self._make(*key)
        return made

    def _make(self, format_: str, zone: str) -> Formats:
        options = self._options
        options = replace(options, formats=(format_,)) if format_ else options
        options = replace(options, timezone=zone) if zone else options
        try:
            return Formats(options)
        except LogsenseError:
            return self._plain
