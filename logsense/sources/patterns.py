"""Paths with wildcards and placeholders: ``/var/log/*.log``, ``logs/{host}/{service}.log``."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path

from logsense import errors

#: What a placeholder is called in the events; any other name is used as it is, e.g. ``{event.dataset}``.
#: A file's name says less about the service than its lines do (syslog holds many), so it only fills a gap.
FIELD_NAMES = {"host": "host.name", "service": "logsense.service"}
_TOKEN = re.compile(r"\{([^{}/]*)\}|(\*\*/)|(\*\*)|(\*)|(\?)|(\[!?\]?[^\]/]*\])")


class PathPattern:
    """One pattern. ``*`` and ``{name}`` match within a path component, ``**`` any number of components.

    Raises ``BadConfig`` for a placeholder without a usable name.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.fields: list[str] = []
        regex, shell, at = "", "", 0
        for match in _TOKEN.finditer(pattern):
            literal = pattern[at : match.start()]
            regex, shell = regex + re.escape(literal), shell + glob.escape(literal)
            at = match.end()
            part, wild = self._translate(match)
            regex, shell = regex + part, shell + wild
        literal = pattern[at:]
        self._regex = re.compile(regex + re.escape(literal), re.DOTALL)
        self._glob = shell + glob.escape(literal)
        self.is_plain = self._glob == glob.escape(pattern)

    def _translate(self, match: re.Match[str]) -> tuple[str, str]:
        name, *_ = match.groups()
        if name is not None:
            if not re.fullmatch(r"[A-Za-z@][\w.@-]*", name):
                raise errors.BadConfig(
                    f"The placeholder {{{name}}} has no usable name",
                    where=self.pattern,
                    fix="write {host} or {service}",
                )
            field = FIELD_NAMES.get(name, name)
            if field in self.fields:  # the same name again must match the same text
                return f"(?P=g{self.fields.index(field)})", "*"
            self.fields.append(field)
            return f"(?P<g{len(self.fields) - 1}>[^/]+?)", "*"
        text = match.group()
        if text == "**/":
            return "(?:.*/)?", "**/"
        if text == "**":
            return ".*", "**"
        if text == "*":
            return "[^/]*", "*"
        if text == "?":
            return "[^/]", "?"
        inner = text[1:-1]
        inner = "^" + inner[1:] if inner.startswith("!") else inner
        return "[" + inner.replace("\\", r"\\").replace("[", r"\[") + "]", text

    def match(self, path: str) -> dict[str, str] | None:
        """The placeholders' values for ``path``, or None when it does not match."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        return {field: match[f"g{index}"] for index, field in enumerate(self.fields)}

    def paths(self) -> Iterator[tuple[Path, dict[str, str]]]:
        """Existing paths and their fields, sorted. A plain path is given even when it is missing."""
        if self.is_plain:
            yield Path(self.pattern), {}
            return
        for path in sorted(glob.glob(self._glob, recursive=True)):  # noqa: PTH207 - Path.glob takes no absolute pattern
            fields = self.match(path)
            if fields is not None:
                yield Path(path), fields
