"""Which format a stream of lines is in: found by votes, kept while it fits, looked for again when it does not.

Deterministic by construction: the state depends on the lines of the stream and their order, never on how they were
cut into batches, so a replay finds the same formats.
"""

from __future__ import annotations

from typing import Any

from logsense.parse.format import Format
from logsense.parse.loader import Formats
from logsense.parse.options import ParseOptions

_KEPT = 4  # formats that one stream may mix (container stdout: the program, its runtime, a wrapper script)
_REVOTE = 5000  # a generic format that stuck early gives way to a better one after this many lines


class Detector:
    """The formats of one stream.

    While voting, each line is asked of all formats, best first. Then only the winners are asked (in the order of
    their priority: a specific format refuses quickly), and all others when none of them fits.
    """

    def __init__(self, formats: Formats, options: ParseOptions) -> None:
        self._formats, self._options = formats, options
        self._votes: dict[str, int] = {}
        self._settled: dict[str, int] = {}
        self._recent: tuple[Format, ...] = ()
        self._voting = options.detect_lines
        self._lines = self._misses = self._since_vote = 0

    def begin(self, line: str) -> tuple[Format, Any] | None:
        """The format of which a record begins with this line, and its token."""
        if not self._voting:
            for format_ in self._recent:
                token = format_.begin(line)
                if token is not None:
                    return format_, token
            self._misses += 1
            return self._ask(line, self._recent)
        found = self._ask(line, ())
        if found is not None:
            name = found[0].name
            self._votes[name] = self._votes.get(name, 0) + 1
        return found

    def counted(self, fitted: bool) -> None:
        """Called once a line; ``fitted`` if it began a record or continued one."""
        self._lines += 1
        if self._voting:
            self._voting -= 1
            if not self._voting:
                self._settle()
            return
        self._since_vote += 1
        if self._lines >= self._options.redetect_window:
            if self._misses >= self._options.redetect_unparsed or self._since_vote >= _REVOTE:
                self._voting, self._votes, self._since_vote = self._options.detect_lines, {}, 0
            self._lines = self._misses = 0

    def recent(self, line: str) -> tuple[Format, Any] | None:
        """Like ``begin``, among the formats of this stream only."""
        known = self._recent
        if self._voting:
            known = tuple(self._formats.by_name[name] for name in self._votes)
        for format_ in known:
            token = format_.begin(line)
            if token is not None:
                return format_, token
        return None

    @property
    def name(self) -> str:
        """The formats found so far, most votes first: ``nginx-access`` or ``json, python``."""
        votes = self._votes if self._voting == 0 or not self._settled else self._settled
        ranked = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(name for name, _ in ranked[:_KEPT])

    def _ask(self, line: str, but: tuple[Format, ...]) -> tuple[Format, Any] | None:
        for format_ in self._formats.candidates(line):
            if format_ not in but:
                token = format_.begin(line)
                if token is not None:
                    return format_, token
        return None

    def _settle(self) -> None:
        ranked = sorted(self._votes.items(), key=lambda item: (-item[1], item[0]))[:_KEPT]
        self._settled = dict(ranked)
        chosen = [self._formats.by_name[name] for name, _ in ranked]
        self._recent = tuple(sorted(chosen, key=lambda f: f.rank))
        self._lines = self._misses = 0
