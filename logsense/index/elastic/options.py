"""Settings of the Elasticsearch index."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

URL_VARIABLE = "LOGSENSE_ELASTICSEARCH_URL"


@dataclass(frozen=True)
class ElasticOptions:
    #: Addresses of the nodes; unless stated, LOGSENSE_ELASTICSEARCH_URL or port 9200 of this machine.
    #: Requests go to them in turn; one that fails is left out for a while. Nodes are never discovered by
    #: themselves (no sniffing), so load balancers and port mappings work.
    urls: list[str] = field(default_factory=lambda: [os.environ.get(URL_VARIABLE) or "http://127.0.0.1:9200"])
    #: Beginning of every index name. It must not be ``logs-…``: Elasticsearch has built-in templates for those.
    prefix: str = "logsense"
    #: API key (the base64 form that Kibana shows). Better given by the environment: LOGSENSE_ELASTICSEARCH_API_KEY.
    api_key: str = ""
    #: User for basic authentication.
    user: str = ""
    #: Its password. Better given by the environment: LOGSENSE_ELASTICSEARCH_PASSWORD.
    password: str = ""
    #: File with the certificate authority's certificate (PEM) for https addresses.
    ca_file: str = ""
    #: SHA-256 fingerprint of the server's certificate instead, as Elasticsearch prints it at its first start.
    fingerprint: str = ""
    #: Seconds until a request counts as failed. A bulk request that timed out is sent again; ids make that harmless.
    timeout_s: float = 30.0
    #: The same for a question (search, pages, API), where somebody waits for the answer.
    read_timeout_s: float = 10.0
    #: Documents of one bulk request at first; it grows while answers come fast and halves when they do not.
    batch_documents: int = 2000
    #: Documents of one bulk request at most.
    max_batch_documents: int = 10_000
    #: Bytes of one bulk request at most, in MiB.
    max_batch_mb: int = 8
    #: Bulk requests under way at once. Each keeps one core of the server busy; a cluster of many nodes can take more.
    parallel_requests: int = 3
    #: Longest pause between two attempts in seconds; they begin at 0.2 s, double, and are jittered.
    max_backoff_s: float = 30.0
    #: Attempts of a question (search, pages, API) before it is answered with "index unavailable".
    read_attempts: int = 3
    #: Replicas of each index: "0-1" is none on one node and one on several, or a fixed number such as "1".
    replicas: str = "0-1"
    #: Days of log lines and metrics to keep; older daily indices are deleted as a whole, those of signals and forecasts
    #: when their whole month is older. Templates, incidents and what people did are kept. 0 keeps everything.
    retention_days: int = 0
    #: Characters of one message that become searchable words.
    indexed_chars: int = 32_768
    #: Characters of one message that are kept; a longer one is cut and marked ``logsense.truncated``.
    stored_chars: int = 1_000_000

    def __post_init__(self) -> None:
        if not self.urls or not all(re.fullmatch(r"https?://[^/@\s]+(/[^@\s]*)?", url) for url in self.urls):
            raise ValueError('urls must be addresses such as "https://search1:9200", without user and password')
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,60}", self.prefix) or self.prefix.startswith(("logs-", "metrics-")):
            raise ValueError("prefix must be lower-case letters, digits, '-', '_' or '.', and not begin with logs-")
        if not re.fullmatch(r"\d+|\d+-(\d+|all)", self.replicas):
            raise ValueError('replicas must be a number such as "1" or a range such as "0-1"')
        if self.api_key and self.user:
            raise ValueError("api_key and user exclude each other")
        if self.ca_file and self.fingerprint:
            raise ValueError("ca_file and fingerprint exclude each other")
        sizes = (self.batch_documents, self.max_batch_documents, self.max_batch_mb, self.indexed_chars)
        times = (self.timeout_s, self.read_timeout_s, self.max_backoff_s)
        numbers = (*sizes, *times, self.stored_chars, self.read_attempts, self.parallel_requests)
        if min(numbers) <= 0 or self.retention_days < 0:
            raise ValueError("times, sizes and attempts must be above zero, retention_days zero or above")
