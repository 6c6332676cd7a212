"""Scrapes Prometheus exposition: node_exporter and everything else that has ``/metrics``."""

from __future__ import annotations

import asyncio
import gzip
import logging
import math
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from logsense import errors
from logsense.deliver import accept_patiently
from logsense.record import MetricPoint
from logsense.stages import Intake

log = logging.getLogger(__name__)

_ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"


@dataclass(frozen=True, slots=True)
class PrometheusOptions:
    """``[prometheus]``: what is scraped, and how often."""

    #: Addresses, e.g. ``["http://db1:9100/metrics"]``. The host of the address becomes the host of the points.
    scrape: tuple[str, ...] = ()
    #: Seconds between two scrapes of one address.
    every_s: float = 15.0
    #: Seconds after which a scrape is given up.
    timeout_s: float = 10.0
    #: Bytes of one answer; a longer one is not read.
    max_bytes: int = 32 * 1024 * 1024


class PrometheusSource:
    """One task for each address; ``up`` is 1 or 0 like Prometheus' own. A scrape that fails changes nothing else."""

    name = "prometheus"

    def __init__(self, options: PrometheusOptions | None = None) -> None:
        self.options = options or PrometheusOptions()
        for url in self.options.scrape:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise errors.BadConfig(f"{url!r} cannot be scraped", fix="write http://host:port/metrics")

    async def run(self, intake: Intake) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for url in self.options.scrape:
                tasks.create_task(self._scrape(url, intake))

    async def _scrape(self, url: str, intake: Intake) -> None:
        while True:
            started = time.monotonic()
            points = await asyncio.to_thread(self.read, url)
            await accept_patiently(intake, [], points)
            await asyncio.sleep(max(0.0, self.options.every_s - (time.monotonic() - started)))

    def read(self, url: str) -> list[MetricPoint]:
        """One scrape, and ``up``."""
        address = urlsplit(url)
        host, stamp = address.hostname or "", time.time_ns()
        where = {"instance": address.netloc}
        try:
            text = self._get(url)
            points = parse_exposition(text, host, stamp)
        except (OSError, ValueError) as error:
            log.warning("prometheus: %s: %s", url, error)
            return [MetricPoint("up", host, stamp, 0.0, where)]
        return [MetricPoint("up", host, stamp, 1.0, where), *points]

    def _get(self, url: str) -> str:
        request = urllib.request.Request(url, headers={"Accept": _ACCEPT, "Accept-Encoding": "gzip"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=self.options.timeout_s) as answer:  # noqa: S310 - checked above
            body: bytes = answer.read(self.options.max_bytes + 1)
            packed = answer.headers.get("Content-Encoding", "") == "gzip"
        if packed:
            import io

            with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
                body = file.read(self.options.max_bytes + 1)
        if len(body) > self.options.max_bytes:
            raise ValueError(f"the answer exceeds {self.options.max_bytes} bytes")
        return body.decode("utf-8", "backslashreplace")


def parse_exposition(text: str, host: str, stamp_ns: int) -> list[MetricPoint]:
    """The samples of the text format. Buckets and quantiles are left out: ``_sum`` and ``_count`` say enough.

    Raises ValueError.
    """
    from prometheus_client.parser import text_string_to_metric_families

    points: list[MetricPoint] = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not math.isfinite(sample.value) or "le" in sample.labels or "quantile" in sample.labels:
                continue
            ns = stamp_ns if sample.timestamp is None else int(float(sample.timestamp) * 10**9)
            points.append(MetricPoint(sample.name, host, ns, float(sample.value), dict(sample.labels)))
    return points
