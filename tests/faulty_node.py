"""A real HTTP proxy in front of a real Elasticsearch node, which answers in its stead while a fault is switched on.

A fault injector, not a substitute: what is not faulted is the node's own answer, byte for byte.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

#: What Elasticsearch itself says in these states, and what a proxy says when it has no node.
BODIES = {
    429: ("es_rejected_execution_exception", "rejected execution of coordinating operation [coordinating_and_primary]"),
    503: ("cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];"),
    502: ("", "<html><body>502 Bad Gateway</body></html>"),
}


class FaultyNode:
    """``with FaultyNode(url) as node: node.fault = 429``; ``node.url`` is what clients are given.

    ``fault`` is a status to answer with, ``"reset"`` (the connection is cut before an answer), ``"lost"`` (the node
    does what was asked, its answer is lost), or None. ``only`` restricts it to paths that hold this text,
    ``every`` to one of so many requests.
    """

    def __init__(self, target: str) -> None:
        node = self
        host = urlsplit(target).netloc
        self.fault: int | str | None = None
        self.only, self.every, self.retry_after = "", 1, ""
        self.asked = 0
        self.answered: Counter[int | str] = Counter()
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                fault = node.fault_for(self.path)
                if fault == "reset":
                    self.close_connection = True
                    return
                if isinstance(fault, int):
                    kind, reason = BODIES[fault]
                    error = {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}
                    text = json.dumps({"error": error, "status": fault}) if kind else reason
                    headers = {"content-type": "application/json" if kind else "text/html"}
                    if node.retry_after:
                        headers["retry-after"] = node.retry_after
                    self.answer(fault, headers, text.encode())
                    return
                there = http.client.HTTPConnection(host, timeout=60)
                try:
                    there.request(self.command, self.path, body, dict(self.headers.items()))
                    got = there.getresponse()
                    content = got.read()
                finally:
                    there.close()
                if fault == "lost":
                    self.close_connection = True
                    return
                kept = ("content-type", "x-elastic-product", "warning", "content-encoding")
                self.answer(got.status, {k: v for k, v in got.getheaders() if k.lower() in kept}, content)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

            def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fault_for(self, path: str) -> int | str | None:
        with self._lock:
            if self.fault is None or self.only not in path:
                return None
            self.asked += 1
            if self.asked % self.every:
                return None
            self.answered[self.fault] += 1
            return self.fault

    def __enter__(self) -> FaultyNode:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def failing(self, fault: int | str, *, only: str = "", every: int = 1, retry_after: str = "") -> Iterator[None]:
        """The fault for as long as the block runs."""
        self.only, self.every, self.retry_after, self.fault = only, every, retry_after, fault
        yield
        self.fault = None
