"""The only module that knows the ``elasticsearch`` client: connecting, asking, and waiting when nobody answers.

Two manners. A writer (the worker) waits as long as it takes: it asks again with growing, jittered pauses until the
server answers or ``waiting`` says to give up, so the worker neither loses lines nor ends in a loop of restarts.
A reader gives up after ``read_attempts`` and says so.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from logsense.errors import BadConfig, IndexUnavailable, LogsenseError
from logsense.index.elastic.options import ElasticOptions
from logsense.index.elastic.trouble import TRANSIENT, foreign, silent, unable

if TYPE_CHECKING:
    import elasticsearch

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.2
_SLICE_S = 0.2  # how soon a waiting writer notices that it shall stop

#: Where several searches are asked with one request.
SEVERAL = "/_msearch"

#: Called some times a second while a writer waits, with the reason; True gives up.
Waiting = Callable[[IndexUnavailable], bool]


class Refused(LogsenseError):
    """The server answered that the request itself is wrong."""

    slug = "index-refused"

    def __init__(self, code: int, kind: str, text: str) -> None:
        super().__init__("Elasticsearch refused a request.", why=f"{code} {kind}: {text}"[:600])
        self.code, self.kind, self.text = code, kind, text


def _client(options: ElasticOptions, timeout_s: float) -> elasticsearch.Elasticsearch:
    from elasticsearch import Elasticsearch

    more: dict[str, Any] = {}
    api_key = options.api_key or os.environ.get("LOGSENSE_ELASTICSEARCH_API_KEY", "")
    password = options.password or os.environ.get("LOGSENSE_ELASTICSEARCH_PASSWORD", "")
    if options.user:
        more["basic_auth"] = (options.user, password)
    elif api_key:
        more["api_key"] = api_key
    if options.ca_file:
        more["ca_certs"] = options.ca_file
    if options.fingerprint:
        more["ssl_assert_fingerprint"] = options.fingerprint
    try:
        return Elasticsearch(
            hosts=list(options.urls),
            request_timeout=timeout_s,
            max_retries=0,  # retried here, where waiting and giving up are decided
            retry_on_timeout=False,
            sniff_on_start=False,
            sniff_before_requests=False,
            sniff_on_node_failure=False,
            http_compress=not all("127.0.0.1" in url or "localhost" in url for url in options.urls),
            **more,
        )
    except (ValueError, OSError) as error:
        raise BadConfig("The [elasticsearch] settings cannot be used.", why=str(error),
                        fix="check urls, ca_file and fingerprint") from error  # fmt: skip


class Client:
    """Requests to one cluster. Safe from any thread."""

    def __init__(self, options: ElasticOptions, *, patient: bool, waiting: Waiting | None = None) -> None:
        self.options, self._patient, self._waiting = options, patient, waiting
        self._es = _client(options, options.timeout_s if patient else options.read_timeout_s)
        self.where = ", ".join(options.urls)

    def close(self) -> None:
        self._es.close()

    def ask(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """The answer, None for 404. Raises Refused on a wrong request, IndexUnavailable when nobody answers."""
        attempt = 0
        while True:
            try:
                return self.once(method, path, body, params)
            except IndexUnavailable as error:
                attempt += 1
                self.pause(attempt, error)

    def pause(self, attempt: int, error: IndexUnavailable) -> None:
        """Wait before the next attempt, or raise ``error`` when there shall be none."""
        if not self._patient and attempt >= self.options.read_attempts:
            raise error
        wait = min(_FIRST_PAUSE_S * 2 ** min(attempt - 1, 20), self.options.max_backoff_s)
        wait *= random.uniform(0.5, 1.0)  # noqa: S311  # jitter: several writers shall not come back together
        wait = max(wait, min(error.retry_after_s, self.options.max_backoff_s))
        if self._patient and (attempt in (1, 5) or attempt % 20 == 0):  # a reader says it itself, in the end
            log.warning("%s (%s); asking again in %.1f s", error.what, error.why, wait)
        until = time.monotonic() + wait
        while True:
            if self._waiting is not None and self._waiting(error):
                raise error
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_S))

    def once(self, method: str, path: str, body: Any = None, params: Mapping[str, Any] | None = None) -> Any:
        """One attempt of ``ask``."""
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        bulk = isinstance(body, (bytes, list))
        kind = "application/vnd.elasticsearch+x-ndjson" if bulk else "application/vnd.elasticsearch+json"
        headers = {"accept": "application/vnd.elasticsearch+json; compatible-with=8"}
        if body is not None:
            headers["content-type"] = f"{kind}; compatible-with=8"
        try:
            answer = self._es.perform_request(method, path, params=params, headers=headers, body=body)
        except UnsupportedProductError as error:
            raise foreign("200", where=self.where) from error
        except ApiError as error:
            status, ours = error.meta.status, "x-elastic-product" in error.meta.headers
            if status == 404 and ours:
                return None
            # 413 has no mark either: what takes the request in says it, before anybody looks into it
            other = status == 404 or (status not in (*TRANSIENT, 413) and not isinstance(error.body, dict))
            if other and not ours:
                raise foreign(str(status), where=self.where) from error
            wanted = _seconds(error.meta.headers.get("retry-after"))
            raise self._failure(status, error.body, wanted) from error
        except TransportError as error:
            raise silent(str(error.message), where=self.where) from error
        if path == SEVERAL:  # answered with 200 whatever became of each
            for part in answer.body["responses"]:
                if "error" in part:
                    raise self._failure(int(part.get("status", 500)), part)
        return answer.body

    def _failure(self, status: int, body: Any, retry_after_s: float = 0.0) -> LogsenseError:
        """What an error answer means."""
        name, text = _reason(body)
        # a question that needs too many buckets or clauses comes as 503/500 from older servers
        if status in TRANSIENT and name not in ("too_many_buckets_exception", "too_many_nested_clauses"):
            return unable(status, name, text, where=self.where, retry_after_s=retry_after_s)
        return Refused(status, name, text)


def _seconds(text: str | None) -> float:
    """Of ``Retry-After``; 0 where it is missing, a date or nonsense."""
    try:
        return max(0.0, float(text or 0))
    except ValueError:
        return 0.0


def _reason(body: Any) -> tuple[str, str]:
    """(type, reason) of an error answer; the root cause where there is one."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "", str(error or body)[:500]
    cause = error
    for inner in (error.get("root_cause") or [])[:1]:
        cause = inner
    deeper = error.get("caused_by")
    if isinstance(deeper, dict) and deeper.get("type") == "too_many_buckets_exception":
        cause = deeper
    return str(cause.get("type", "")), str(cause.get("reason", ""))[:500]
