"""The miner as accuracy evaluations call it: lines in, (id, template) pairs out."""

from __future__ import annotations

from logsense.mine.miner import mine_lines


class Grouping:
    """``group`` answers with the id as first given (online) and the template text as it is after the last line."""

    def group(self, lines: list[str]) -> list[tuple[str, str]]:
        return list(mine_lines(lines))


def factory() -> Grouping:
    """A fresh miner with the default options."""
    return Grouping()
