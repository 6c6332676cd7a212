"""Writing many documents: batches of the right size, item by item errors, and a place for what is refused.

Every operation names its document by a deterministic id, so sending one again is harmless. An item that the server
cannot take *now* (429, 503, a full disk) is sent again; one that it will never take (a poison document) goes into the
dead-letter index with the reason, is counted, and does not hold up its neighbours.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import orjson

from logsense.errors import IndexUnavailable
from logsense.index.base import to_json
from logsense.index.elastic.client import Client, Refused
from logsense.index.elastic.documents import date
from logsense.index.elastic.options import ElasticOptions

log = logging.getLogger(__name__)

_SMALLEST = 50
_FAST_S, _SLOW_S = 0.5, 5.0
_POISON = (400, 413, 422)


class Operation:
    """``index`` (or ``delete`` without ``source``) of one document; ``size`` in bytes."""

    __slots__ = ("action", "id", "index", "size", "source")

    def __init__(self, index: str, item: str, source: bytes | None) -> None:
        self.index, self.id, self.source = index, item, source
        verb = b"index" if source is not None else b"delete"
        self.action = b'{"%s":{"_index":%s,"_id":%s}}' % (verb, orjson.dumps(index), orjson.dumps(item))
        self.size = len(self.action) + len(source or b"") + 2


class Bulk:
    """A buffer of operations in front of ``_bulk``. Used from one thread."""

    def __init__(self, client: Client, options: ElasticOptions, dead_letters: str) -> None:
        self._client, self._options, self._dead_letters = client, options, dead_letters
        self._waiting: list[Operation] = []
        self._bytes = 0
        self.batch = min(options.batch_documents, options.max_batch_documents)
        #: Indices that were written to since ``touched`` was emptied; their searches need a refresh.
        self.touched: set[str] = set()
        self.rejected = 0

    def add(self, operation: Operation) -> None:
        self._waiting.append(operation)
        self._bytes += operation.size
        if len(self._waiting) >= self.batch or self._bytes >= self._options.max_batch_mb * 2**20:
            self.flush()

    def flush(self) -> None:
        """Send everything. On IndexUnavailable what was not confirmed stays in the buffer, for the next call."""
        attempt = 0
        while self._waiting:
            part: list[Operation] = []
            size = 0
            for operation in self._waiting[: self.batch]:
                if part and size + operation.size > self._options.max_batch_mb * 2**20:
                    break
                part.append(operation)
                size += operation.size
            try:
                again = self._send(part)
            except IndexUnavailable as error:
                self._shrink()
                attempt += 1
                self._client.pause(attempt, error)
                continue
            self._waiting[: len(part)] = [operation for operation, _ in again]
            if again:
                self._shrink()
                attempt += 1
                why = again[0][1]
                self._client.pause(attempt, IndexUnavailable("Elasticsearch takes no more writes now", why=why[:300]))
            else:
                attempt = 0
        self._bytes = 0

    def _send(self, part: list[Operation]) -> list[tuple[Operation, str]]:
        """Send one request; what shall be sent again, with the reasons."""
        body: list[bytes] = []
        for operation in part:
            body.append(operation.action)
            if operation.source is not None:
                body.append(operation.source)
            self.touched.add(operation.index)
        begun = time.monotonic()
        try:
            answer = self._client.once("POST", "/_bulk", body, {"filter_path": "errors,items.*.status,items.*.error"})
        except Refused as refused:
            return self._divide(part, refused)
        self._learn(len(part), time.monotonic() - begun)
        if not answer.get("errors"):
            return []
        again: list[tuple[Operation, str]] = []
        for operation, item in zip(part, answer["items"], strict=True):
            (outcome,) = item.values()
            status, error = outcome.get("status", 200), outcome.get("error") or {}
            if status < 300 or (status == 404 and operation.source is None):
                continue
            reason = _text(error)
            if status in _POISON:
                self._bury(operation, str(error.get("type", status)), reason)
            else:
                again.append((operation, reason))
        return again

    def _divide(self, part: list[Operation], refused: Refused) -> list[tuple[Operation, str]]:
        """The whole request was refused: halve it until the culprit stands alone."""
        if refused.code not in _POISON:
            raise IndexUnavailable("Elasticsearch is not able to answer", why=refused.why)
        if len(part) == 1:
            self._bury(part[0], refused.kind or str(refused.code), refused.text)
            return []
        self._shrink()
        half = len(part) // 2
        return self._send(part[:half]) + self._send(part[half:])

    def _bury(self, operation: Operation, kind: str, reason: str) -> None:
        self.rejected += 1
        if operation.index == self._dead_letters:
            log.error("a dead letter was refused itself and is given up: %s", reason)
            return
        log.warning("a document of %s was refused and is kept in %s: %s", operation.index, self._dead_letters, reason)
        letter = {
            "@timestamp": date(time.time_ns()),
            "error.type": kind,
            "error.message": reason[:2000],
            "logsense.index": operation.index,
            "event.id": operation.id[:500],
            "event.original": (operation.source or b"").decode("utf-8", "replace")[:1_000_000],
        }
        self._waiting.append(Operation(self._dead_letters, operation.id, to_json(letter)))

    def _learn(self, count: int, seconds: float) -> None:
        if seconds < _FAST_S and count >= self.batch:
            self.batch = min(self._options.max_batch_documents, self.batch + self.batch // 4)
        elif seconds > _SLOW_S:
            self._shrink()

    def _shrink(self) -> None:
        self.batch = max(min(_SMALLEST, self._options.batch_documents), self.batch // 2)


def _text(error: Any) -> str:
    parts: list[str] = []
    while isinstance(error, dict) and len(parts) < 5:
        parts.append(f"{error.get('type', '')}: {error.get('reason', '')}")
        error = error.get("caused_by")
    return "; ".join(parts)[:2000]
