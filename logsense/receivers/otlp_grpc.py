"""OpenTelemetry over gRPC (port 4317): what the ``otlp`` exporter of SDKs and collectors uses by default.

grpcio does the transport; the messages are read by the same tables as those of OTLP over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from logsense import errors
from logsense.receivers import _otlp_schema as schema
from logsense.receivers import _protobuf as pb
from logsense.receivers._sockets import SocketOptions
from logsense.receivers.otlp_http import events_of, points_of
from logsense.stages import Intake

#: Decides by the headers of a call, the peer's address and the names in its certificate where the call is handed
#: over; raises ``errors.LogsenseError`` with status 401 or 403.
Authorize = Callable[[dict[str, str], str, list[str]], Intake]

_LOGS = "opentelemetry.proto.collector.logs.v1.LogsService"
_METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"
_REJECTED = "records that could not be read were left out"


class OtlpGrpcReceiver:
    """Logs and metrics; traces are not taken (UNIMPLEMENTED).

    Exporters retry UNAVAILABLE and RESOURCE_EXHAUSTED with a RetryInfo, and give up on INVALID_ARGUMENT.
    """

    name = "otlp_grpc"

    def __init__(self, options: SocketOptions | None = None, authorize: Authorize | None = None) -> None:
        self.options = options or SocketOptions()
        self.authorize = authorize
        self.ports: dict[str, int] = {}
        self.listening = asyncio.Event()

    async def run(self, intake: Intake) -> None:
        """Until cancelled. Raises ``BadConfig`` when the port cannot be opened."""
        import grpc

        options = self.options
        server = grpc.aio.server(
            options=[("grpc.max_receive_message_length", 64 * 1024**2), ("grpc.so_reuseport", 0)],
            maximum_concurrent_rpcs=1000,
        )
        server.add_generic_rpc_handlers((
            self._service(grpc, _LOGS, schema.LOGS, lambda d: _both(events_of(d), logs=True), intake),
            self._service(grpc, _METRICS, schema.METRICS, lambda d: _both(points_of(d), logs=False), intake),
        ))  # fmt: skip
        address = f"{options.host or '[::]'}:{options.port}"
        try:
            if options.certificate is None:
                port = server.add_insecure_port(address)
            else:
                chain = options.certificate.read_bytes()
                key = (options.key or options.certificate).read_bytes()
                ca = options.client_ca.read_bytes() if options.client_ca else None
                credentials = grpc.ssl_server_credentials([(key, chain)], ca, require_client_auth=ca is not None)
                port = server.add_secure_port(address, credentials)
        except (RuntimeError, OSError) as error:
            raise errors.BadConfig(
                f"Cannot listen for OTLP over gRPC on {address}",
                why=str(error),
                fix="choose another port in [ports], or stop the program that uses it",
            ) from error
        await server.start()
        self.ports["tcp"] = port
        self.listening.set()
        try:
            await asyncio.Event().wait()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await server.stop(grace=2)

    def _service(
        self, grpc: Any, name: str, table: pb.Table, convert: Callable[[dict[str, Any]], Any], intake: Intake
    ) -> Any:
        async def export(body: bytes, context: Any) -> bytes:
            try:
                door = intake
                if self.authorize is not None:
                    headers = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
                    door = self.authorize(headers, _address(context.peer()), _names(context.auth_context()))
                (events, points), rejected = _parse(body, table, convert)
                await door.accept(events, points)
            except errors.LogsenseError as error:
                await context.abort(_code(grpc, error), str(error), _retry_info(error))
            partial = b"\x08" + pb.encode_varint(rejected) + pb.encode_text(2, _REJECTED) if rejected else b""
            return pb.encode_bytes(1, partial) if partial else b""

        handler = grpc.unary_unary_rpc_method_handler(export)
        return grpc.method_handlers_generic_handler(name, {"Export": handler})


def _address(peer: str) -> str:
    """``ipv4:10.0.0.1:5000`` or ``ipv6:[::1]:5000`` (escaped by some versions) as an address."""
    kind, _, rest = unquote(peer).partition(":")
    host = rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
    return host.removeprefix("::ffff:")


def _names(context: Mapping[str, Sequence[bytes]]) -> list[str]:
    """Common name and alternative names of the client's certificate."""
    found = [*context.get("x509_common_name", ()), *context.get("x509_subject_alternative_name", ())]
    return list(dict.fromkeys(name.decode("utf-8", "replace") for name in found))


def _parse(body: bytes, table: pb.Table, convert: Callable[[dict[str, Any]], Any]) -> Any:
    try:
        return convert(pb.decode(body, table))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        why = f"{type(error).__name__}: {error}"
        raise errors.BadInput("The message is no OTLP export request", why=why) from error


def _both(parsed: tuple[list[Any], int], *, logs: bool) -> Any:
    kept, rejected = parsed
    return ((kept, []) if logs else ([], kept)), rejected


def _code(grpc: Any, error: errors.LogsenseError) -> Any:
    codes = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 413: "RESOURCE_EXHAUSTED"}
    # A full spool: UNAVAILABLE is what every exporter retries, with or without RetryInfo.
    return getattr(grpc.StatusCode, codes.get(error.status, "UNAVAILABLE"))


def _retry_info(error: errors.LogsenseError) -> tuple[tuple[str, bytes], ...]:
    """``google.rpc.Status`` with a ``RetryInfo``, in the trailer where gRPC clients look for it."""
    if not isinstance(error, errors.Overloaded):
        return ()
    duration = pb.encode_bytes(1, b"\x08" + pb.encode_varint(error.retry_after_s))
    detail = pb.encode_text(1, "type.googleapis.com/google.rpc.RetryInfo") + pb.encode_bytes(2, duration)
    status = b"\x08\x0e" + pb.encode_text(2, error.what) + pb.encode_bytes(3, detail)
    return (("grpc-status-details-bin", status),)
