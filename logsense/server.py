"""``logsense serve``: one process that accepts and answers, and a worker process that it watches over.

The server process writes only to the spool and reads only the index; everything that costs time (parsing,
mining, models, detection) is the worker's. So the server accepts lines a moment after its start, and a
worker that crashes or is killed costs nothing but delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logsense import access, registry
from logsense.access import LOOPBACK
from logsense.collector import collect_seldom, few_arenas
from logsense.config import PortOptions, ServerOptions, Settings
from logsense.doors import open_ports
from logsense.errors import BadConfig, LogsenseError
from logsense.feed import make_tail
from logsense.keys import KeyStore
from logsense.refresh import keep_fresh
from logsense.telling import make_notifier
from logsense.tenancy import DEFAULT
from logsense.tenants import CallersIntake, Tenants, callers_space

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

WORKER_STOP_S = 30  # a commit takes about a second; a full one with models loading some more


def serve(
    data: Path, settings: Settings, *, config: Path | None = None, say: Callable[[str], None] = print,
    tail: Iterable[str] = (), banner: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Run until SIGINT or SIGTERM. ``tail`` are path patterns to follow. Raises BadConfig before listening."""
    import uvicorn

    options: ServerOptions = settings.section("server")
    ports: PortOptions = settings.section("ports")
    keys = KeyStore(data).enabled()
    hosts = [options.host]  # an empty one means every address of this machine
    if ports.host and any(getattr(ports, name) for name in registry.HTTP_PORTS):
        hosts.append(ports.host)
    far = [host or "every address" for host in hosts if host not in LOOPBACK]
    if far and not options.allow_open and not keys:
        raise BadConfig(
            f"logsense will not listen on {far[0]} without authentication.",
            why="anyone who reaches the port could read and write all logs",
            fix="make a key first: `logsense keys add NAME --scope admin`; or keep host on loopback with a proxy in "
            "front, or set allow_open = true in [server]",
        )
    if keys or not options.allow_open:
        access.check(settings, keys=keys)
    _check_certificate(options)
    listener = _listen(options.host, options.port)
    doors = [_listen(ports.host or options.host, p) for name in registry.HTTP_PORTS if (p := getattr(ports, name))]
    data.mkdir(parents=True, exist_ok=True)
    server = Server(data, settings, options, config, say, tail)
    url = f"{'https' if options.certificate else 'http'}://{options.host}:{listener.getsockname()[1]}"
    app = server.app(lambda: (banner or say)(url))
    runner = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=10, lifespan="on",
                       server_header=False, timeout_keep_alive=75,
                       ssl_certfile=options.certificate, ssl_keyfile=options.key)
    )  # fmt: skip
    server.stopping = lambda: runner.should_exit
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again when it has shut down in order; asking for the end is no failure.
        signal.signal(number, lambda *_: None)
    few_arenas()
    collect_seldom()
    runner.run(sockets=[listener, *doors])
    for door in (listener, *doors):
        door.close()


class Server:
    """What lives as long as ``serve`` runs: tenants, sources, and the worker process."""

    def __init__(
        self, data: Path, settings: Settings, options: ServerOptions, config: Path | None,
        say: Callable[[str], None], tail: Iterable[str],
    ) -> None:  # fmt: skip
        self.data, self.settings, self.options, self.config, self.say = data, settings, options, config, say
        self.tail = list(tail)
        self.keys = KeyStore(data)
        self.tenants = Tenants(data, settings)
        self.intake = self.tenants.intake(DEFAULT)
        self.workspace = callers_space(self.tenants)
        main = self.tenants.workspace(DEFAULT)
        main.ports = lambda: access.describe(settings, keys=self.keys.enabled())
        # People are told of the default tenant's incidents only: nobody said whose channels the others' would be.
        self.notifier = make_notifier(data, settings, main.index)
        main.channels = self.notifier.state
        self.worker: asyncio.subprocess.Process | None = None
        self.stopping: Callable[[], bool] = lambda: False

    def app(self, ready: Callable[[], None]) -> Any:
        from prometheus_client import CollectorRegistry

        from logsense.api.app import ApiOptions, create_app
        from logsense.api.credentials import authenticator

        metrics = CollectorRegistry()
        metrics.register(ServerMetrics(self))

        @asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            tasks = [asyncio.create_task(s.run(self.intake), name=s.name) for s in self.sources()]
            tasks.append(asyncio.create_task(self.watch_worker(), name="worker"))
            for task in tasks:
                task.add_done_callback(self._ended)
            tasks.append(asyncio.create_task(self.keep_models_fresh(), name="models"))
            self.notifier.start()
            ready()
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self.stop_worker()
                await asyncio.to_thread(self.notifier.stop)
                self.tenants.close()

        own = LOOPBACK if self.options.host in LOOPBACK else ()
        return create_app(
            self.workspace, CallersIntake(self.tenants), registry.receivers(),
            metrics_registry=metrics, lifespan=lifespan,
            options=ApiOptions(allowed_hosts=own, authenticate=authenticator(self.keys), keys=self.keys,
                               stopping=lambda: self.stopping()),
        )  # fmt: skip

    def sources(self) -> list[Any]:
        from logsense.sources.hostmetrics import HostMetricsOptions

        made = open_ports(self.settings, self.tenants, self.keys)
        if self.options.host_metrics_every_s > 0:
            made.append(
                registry.load(registry.SOURCES["hostmetrics"])(
                    HostMetricsOptions(every_s=self.options.host_metrics_every_s)
                )
            )
        scraped = self.settings.section("prometheus")
        if scraped.scrape:
            made.append(registry.load(registry.SOURCES["prometheus"])(scraped))
        if self.tail:
            made.append(make_tail(self.data, self.tail, {}))
        return made

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self.say(f"{task.get_name()} ended: {task.exception()}")

    async def watch_worker(self) -> None:
        """Keep the worker running; after a crash wait 1, 2, 4 … 30 s before the next start."""
        wait = 1.0
        command = [sys.executable, "-m", "logsense", "worker", "--data", str(self.data), "--parent", str(os.getpid())]
        if self.config:
            command += ["--config", str(self.config)]
        while True:
            started = asyncio.get_running_loop().time()
            # A session of its own: Ctrl-C reaches only the server, which then stops the worker in order.
            self.worker = await asyncio.create_subprocess_exec(*command, start_new_session=True)
            code = await self.worker.wait()
            if asyncio.get_running_loop().time() - started > 60:
                wait = 1.0
            self.say(f"worker ended with {code}; starting it again in {wait:.0f} s (nothing accepted is lost)")
            await asyncio.sleep(wait)
            wait = min(wait * 2, 30.0)

    async def keep_models_fresh(self) -> None:
        """Train anew where people have reported or judged enough that is new, tenant by tenant."""
        every_s = self.settings.section("models").check_every_s
        await keep_fresh(lambda: [space.desk.refresh_if_due() for space in self.tenants.all()], every_s)

    async def stop_worker(self) -> None:
        if self.worker is None or self.worker.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.worker.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.worker.wait(), WORKER_STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.worker.kill()
            await self.worker.wait()


class ServerMetrics:
    """Prometheus collector: read when scraped, nothing is counted twice. It shows what the caller's tenant sent."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def collect(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        accepted = CounterMetricFamily("logsense_accepted_lines", "Lines that were acknowledged.", labels=["source"])
        dropped = CounterMetricFamily("logsense_dropped_lines", "UDP lines that were lost.", labels=["source"])
        for source, row in self.server.workspace.intake_stats().items():
            accepted.add_metric([source], row.get("accepted", 0))
            dropped.add_metric([source], row.get("dropped", 0))
        yield accepted
        yield dropped
        yield GaugeMetricFamily("logsense_spool_bytes", "Accepted but not indexed yet.",
                                value=self.server.workspace.backlog_bytes())  # fmt: skip
        try:
            yield from self._of_the_index()
        except LogsenseError as error:
            # An index that is away must not hide the figures of the spool, which are needed most then.
            log.info("no figures of the index: %s", error.what)
        ready = self.server.workspace.ready()
        yield GaugeMetricFamily("logsense_ready", "1 when index and worker are well.", value=int(ready["ready"]))

    def _of_the_index(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        indexed = CounterMetricFamily("logsense_indexed_lines", "Lines in the index.", labels=["source", "outcome"])
        for source, row in self.server.workspace.index.source_stats().items():
            for outcome in ("parsed", "unparsed"):
                indexed.add_metric([source, outcome], row.get(outcome, 0))
        yield indexed
        open_incidents = sum(i["status"] != "resolved" for i in self.server.workspace.incidents(limit=1000))
        yield GaugeMetricFamily("logsense_open_incidents", "Incidents that are not resolved.", value=open_incidents)


def _check_certificate(options: ServerOptions) -> None:
    """Raise BadConfig for a certificate that cannot serve, before anything listens."""
    if options.certificate is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(options.certificate, options.key)
    except (OSError, ssl.SSLError) as error:
        raise BadConfig(
            "The TLS certificate cannot be loaded.",
            why=str(error),
            where=f"[server] certificate {options.certificate}",
            fix="give a PEM file with the certificate chain, and its key in the same file or in [server] key",
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadConfig(f"Cannot listen on {host}:{port}.", why=os.strerror(error.errno or 0),
                        fix="end what uses the port, or choose another with --port") from error  # fmt: skip
    listener.listen(2048)
    return listener
