"""Writing many documents: batches of the right size, item by item errors, and a place for what is refused.

Every operation names its document by a deterministic id, so sending one again is harmless. An item that the server
cannot take *now* (429, 503, a full disk) is sent again; one that it will never take (a poison document) goes into the
dead-letter index with the reason, is counted, and does not hold up its neighbours.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import orjson

from logsense.errors import IndexUnavailable
from logsense.index.base import to_json
from logsense.index.elastic.client import Client, Refused
from logsense.index.elastic.documents import date
from logsense.index.elastic.options import ElasticOptions
from logsense.index.elastic.trouble import is_content, unable

log = logging.getLogger(__name__)

_SMALLEST = 50
_FAST_S, _SLOW_S = 0.5, 5.0


class Operation:
    """``index`` (or ``delete`` without ``source``) of one document; ``size`` in bytes."""

    __slots__ = ("action", "id", "index", "size", "source")

    def __init__(self, index: str, item: str, source: bytes | None) -> None:
        self.index, self.id, self.source = index, item, source
        verb = b"index" if source is not None else b"delete"
        self.action = b'{"%s":{"_index":%s,"_id":%s}}' % (verb, orjson.dumps(index), orjson.dumps(item))
        self.size = len(self.action) + len(source or b"") + 2


#: What shall be sent again, dead letters, and why something shall be sent again.
Outcome = tuple[list[Operation], list[Operation], IndexUnavailable | None]


class Bulk:
    """A buffer of operations in front of ``_bulk``. Used from one thread.

    While some requests are on their way (each in a thread of its own) the next one is filled, so that the server has
    work on more than one core. A request waits for those under way that name one of its ids: writes to one document
    arrive in their order, and those to different documents need none.
    """

    def __init__(self, client: Client, options: ElasticOptions, dead_letters: str) -> None:
        self._client, self._options, self._dead_letters = client, options, dead_letters
        self._waiting: list[Operation] = []
        self._bytes = 0
        self._senders = ThreadPoolExecutor(options.parallel_requests, "elasticsearch-bulk")
        self._under_way: deque[tuple[list[Operation], Future[Outcome]]] = deque()
        self._flying: set[str] = set()
        self.batch = min(options.batch_documents, options.max_batch_documents)
        #: Indices that were written to since ``touched`` was emptied; their searches need a refresh.
        self.touched: set[str] = set()
        self.rejected = 0
        self._why: IndexUnavailable | None = None

    def add(self, operation: Operation) -> None:
        self._waiting.append(operation)
        self._bytes += operation.size
        if len(self._waiting) >= self.batch or self._bytes >= self._options.max_batch_mb * 2**20:
            try:
                clean = self._launch()
            except IndexUnavailable:
                clean = False
            if not clean:
                self.flush()

    def flush(self) -> None:
        """Send everything. On IndexUnavailable what was not confirmed stays in the buffer, for the next call."""
        attempt = 0
        while self._under_way or self._waiting:
            try:
                clean = self._launch() if self._waiting else self._collect()
                why = self._why or IndexUnavailable("Elasticsearch takes no more writes now", where=self._client.where)
            except IndexUnavailable as error:
                clean, why = False, error
            if clean:
                attempt = 0
            else:
                attempt += 1
                self._client.pause(attempt, why)

    def close(self) -> None:
        """Give up what was not flushed."""
        self._senders.shutdown(wait=True, cancel_futures=True)

    def _launch(self) -> bool:
        """Send the next request as soon as it may go. False when some of an earlier one must be sent again first."""
        while len(self._under_way) >= self._options.parallel_requests:
            if not self._collect():
                return False
        count = self._next()
        while self._under_way and any(operation.id in self._flying for operation in self._waiting[:count]):
            if not self._collect():
                return False
        part, self._waiting = self._waiting[:count], self._waiting[count:]
        self._bytes -= sum(operation.size for operation in part)
        self.touched.update(operation.index for operation in part)
        self._flying.update(operation.id for operation in part)
        self._under_way.append((part, self._senders.submit(self._send, part)))
        return True

    def _next(self) -> int:
        """How many operations of the buffer make the next request."""
        count = size = 0
        for operation in self._waiting[: self.batch]:
            if count and size + operation.size > self._options.max_batch_mb * 2**20:
                break
            count, size = count + 1, size + operation.size
        return count

    def _collect(self) -> bool:
        """Wait for the oldest request. False when some of it must be sent again; that is back in the buffer."""
        part, request = self._under_way[0]
        try:
            again, letters, self._why = request.result()
        except BaseException:
            self._shrink()
            self._landed()
            self._back(part)
            raise
        self._landed()
        self.rejected += len(letters)
        self._back(again)
        for letter in letters:
            self._waiting.append(letter)
            self._bytes += letter.size
        if again:
            self._shrink()
        return not again

    def _landed(self) -> None:
        part, _ = self._under_way.popleft()
        self._flying.difference_update(operation.id for operation in part)

    def _back(self, part: list[Operation]) -> None:
        """In front of what was added since: the order of writes to one document is kept."""
        self._waiting[:0] = part
        self._bytes += sum(operation.size for operation in part)

    def _send(self, part: list[Operation]) -> Outcome:
        """Send one request. Runs in a sender's thread and changes nothing here but the batch size, a mere hint."""
        body: list[bytes] = []
        for operation in part:
            body.append(operation.action)
            if operation.source is not None:
                body.append(operation.source)
        begun = time.monotonic()
        try:
            answer = self._client.once("POST", "/_bulk", body, {"filter_path": "errors,items.*.status,items.*.error"})
        except Refused as refused:
            return self._divide(part, refused)
        self._learn(len(part), time.monotonic() - begun)
        again: list[Operation] = []
        letters: list[Operation] = []
        why: IndexUnavailable | None = None
        if answer.get("errors"):
            for operation, item in zip(part, answer["items"], strict=True):
                (outcome,) = item.values()
                status, error = outcome.get("status", 200), outcome.get("error") or {}
                if status < 300 or (status == 404 and operation.source is None):
                    continue
                kind, reason = str(error.get("type", "")), _text(error)
                if is_content(status, kind):
                    letters += self._letter(operation, kind or str(status), reason)
                else:
                    why = why or unable(status, "", reason, where=f"{self._client.where} {operation.index}")
                    again.append(operation)
        return again, letters, why

    def _divide(self, part: list[Operation], refused: Refused) -> Outcome:
        """The whole request was refused: halve it until the culprit stands alone."""
        if not is_content(refused.code, refused.kind):
            raise unable(refused.code, refused.kind, refused.text, where=self._client.where)
        if len(part) == 1:
            return [], self._letter(part[0], refused.kind or str(refused.code), refused.text), None
        self._shrink()
        half = len(part) // 2
        one, two = self._send(part[:half]), self._send(part[half:])
        return one[0] + two[0], one[1] + two[1], one[2] or two[2]

    def _letter(self, operation: Operation, kind: str, reason: str) -> list[Operation]:
        if operation.index == self._dead_letters:
            return self._shorter(operation, reason)
        log.warning("a document of %s was refused and is kept in %s: %s", operation.index, self._dead_letters, reason)
        letter = {
            "@timestamp": date(time.time_ns()),
            "error.type": kind,
            "error.message": reason[:2000],
            "logsense.index": operation.index,
            "event.id": operation.id[:500],
            "event.original": (operation.source or b"").decode("utf-8", "replace")[:1_000_000],
        }
        return [Operation(self._dead_letters, operation.id, to_json(letter))]

    def _shorter(self, letter: Operation, reason: str) -> list[Operation]:
        """A dead letter that was refused itself, most likely for its length: with half of what it holds."""
        content = orjson.loads(letter.source or b"{}")
        original = str(content.get("event.original", ""))
        if not original:
            log.error("the dead letter of %s was refused itself and is given up: %s", letter.id, reason)
            return []
        content["event.original"] = original[: len(original) // 2]
        return [Operation(self._dead_letters, letter.id, to_json(content))]

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
