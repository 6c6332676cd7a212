"""Prometheus remote write, versions 1 and 2: Prometheus, Alloy, Vector, Telegraf …"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response

from logsense import errors
from logsense.receivers import _protobuf as pb
from logsense.receivers._body import BodyLimits, off_loop, read_body, unpack_snappy
from logsense.receivers._guard import guarded_route, retry_headers
from logsense.record import MetricPoint
from logsense.stages import Intake

_LABEL: pb.Table = {1: pb.Field("name", "string"), 2: pb.Field("value", "string")}
_SAMPLE: pb.Table = {1: pb.Field("value", "double"), 2: pb.Field("timestamp", "int")}
_SERIES_1: pb.Table = {
    1: pb.Field("labels", lambda: _LABEL, repeated=True),
    2: pb.Field("samples", lambda: _SAMPLE, repeated=True),
}
_WRITE_1: pb.Table = {1: pb.Field("timeseries", lambda: _SERIES_1, repeated=True)}
_SERIES_2: pb.Table = {
    1: pb.Field("labelsRefs", "uints", repeated=True),
    2: pb.Field("samples", lambda: _SAMPLE, repeated=True),
}
_WRITE_2: pb.Table = {
    4: pb.Field("symbols", "string", repeated=True),
    5: pb.Field("timeseries", lambda: _SERIES_2, repeated=True),
}


@dataclass(frozen=True, slots=True)
class RemoteWriteOptions:
    """The Prometheus remote-write receiver."""

    #: Sizes of requests.
    limits: BodyLimits = field(default_factory=BodyLimits)
    #: The label that names the host; a port at its end is cut off.
    host_label: str = "instance"


class RemoteWriteReceiver:
    """Samples become metric points; stale markers (NaN) and times outside 1677–2262 are left out, as
    are histograms in native form."""

    name = "remote_write"
    prefix = "/prometheus"

    def __init__(self, options: RemoteWriteOptions | None = None) -> None:
        self.options = options or RemoteWriteOptions()

    def router(self, intake: Intake) -> APIRouter:
        """204 on success; senders retry 429 and 5xx and drop on 400."""
        router = APIRouter(route_class=guarded_route(_refusal), include_in_schema=False)

        async def write(request: Request) -> Response:
            body = unpack_snappy(await read_body(request, self.options.limits, raw=True), self.options.limits)
            second = "io.prometheus.write.v2" in request.headers.get("content-type", "")
            points = await off_loop(body, parse_write, self.options.host_label, second)
            await intake.accept([], points)
            headers = {
                "X-Prometheus-Remote-Write-Samples-Written": str(len(points)),
                "X-Prometheus-Remote-Write-Histograms-Written": "0",
                "X-Prometheus-Remote-Write-Exemplars-Written": "0",
            }
            return Response(status_code=204, headers=headers)

        router.add_api_route("/api/v1/write", write, methods=["POST"])
        return router


def parse_write(body: bytes, host_label: str, second: bool) -> list[MetricPoint]:
    """Points of a ``WriteRequest`` (``second``: of version 2). Raises BadInput."""
    points: list[MetricPoint] = []
    try:
        document = pb.decode(body, _WRITE_2 if second else _WRITE_1)
        symbols = document.get("symbols", [])
        for series in document.get("timeseries", []):
            labels = _symbol_labels(series, symbols) if second else _labels(series)
            name = labels.pop("__name__", "")
            host = labels.pop(host_label, "")
            bare, _, port = host.rpartition(":")
            if port.isdigit():
                host = bare
            for sample in series.get("samples", []):
                value, ns = sample.get("value", 0.0), sample.get("timestamp", 0) * 1_000_000
                if math.isfinite(value) and -(2**63) <= ns < 2**63:
                    points.append(MetricPoint(name, host, ns, value, labels))
    except (ValueError, IndexError) as error:
        raise errors.BadInput("The body is no remote-write request", why=str(error)) from error
    return points


def _labels(series: dict[str, Any]) -> dict[str, str]:
    return {one.get("name", ""): one.get("value", "") for one in series.get("labels", [])}


def _symbol_labels(series: dict[str, Any], symbols: list[str]) -> dict[str, str]:
    refs = [ref for packed in series.get("labelsRefs", []) for ref in packed]
    return {symbols[name]: symbols[value] for name, value in zip(refs[::2], refs[1::2], strict=True)}


def _refusal(error: errors.LogsenseError, request: Request) -> Response:
    return Response(f"{error}\n", error.status, retry_headers(error), "text/plain")
