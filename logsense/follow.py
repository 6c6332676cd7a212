"""Following lines as they become visible: what the live tail and ``logsense search --follow`` read.

Nothing is queued for a reader. It holds a position, and each look gives at most ``limit`` lines: a reader that is
slow gets the newest ones and the number of those it missed. Memory is bounded and the count is exact.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from logsense.record import Query
from logsense.shapes import record_dict

if TYPE_CHECKING:
    from logsense.workspace import Workspace

#: Most lines of one look: what a page can show and a person can glance over.
BATCH = 200
#: Seconds after which a question is compiled again, so that templates and hosts that are new belong to it.
COMPILE_EVERY_S = 30.0


class Follower:
    """One reader of the lines that match ``question``, from now on or behind the ``cursor`` of an earlier one.

    Words match as they are, and lines of templates that mean the same match too; times in the question are not
    applied, for all lines to come lie after them. For one thread at a time.
    """

    def __init__(self, space: Workspace, question: str, after: str = "") -> None:
        self._space, self._question = space, question
        self._query, self._compiled = Query(), float("-inf")
        self._arrivals = space.index.arrivals(after)

    @property
    def cursor(self) -> str:
        """Where this reader has got to."""
        return self._arrivals.cursor

    def read(self, limit: int = BATCH) -> dict[str, Any]:
        """{"lines": [as in search, oldest arrival first], "missed": n, "cursor": "…"}; at once, also with none."""
        if time.monotonic() - self._compiled > COMPILE_EVERY_S:
            self._query, self._compiled = self._compile(), time.monotonic()
        missed, records = self._arrivals.read(self._query, limit)
        return {"lines": [record_dict(record) for record in records], "missed": missed, "cursor": self.cursor}

    def _compile(self) -> Query:
        from logsense.search import understand

        understood = understand(self._question, now_ns=time.time_ns(), catalog=self._space.catalog())
        query = replace(understood.query, from_ns=None, to_ns=None)
        if query.text:
            found = self._space.searcher().search(understood, limit=0)
            if found.semantic:
                query.template_ids = found.query.template_ids
        return query
