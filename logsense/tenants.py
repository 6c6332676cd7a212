"""The tenants that a server serves: each one's spool for what comes in, each one's workspace for what is asked.

A request reaches them only through ``CallersSpace`` and ``CallersIntake``, which look up who is calling. Searching in
a tenant that does not exist finds nothing and makes nothing; sending to one makes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from logsense import registry, tenancy
from logsense.caller import CALLER, Caller
from logsense.config import Settings
from logsense.errors import Busy, LogsenseError
from logsense.limits import Limiter, size_of
from logsense.record import MetricPoint, RawEvent
from logsense.spool import DiskSpool, SpoolIntake
from logsense.stages import Intake
from logsense.workspace import Workspace

#: The folder of the workspace that shows nothing, for tenants that do not exist.
NOBODY = "nobody"


class Tenants:
    """Opens tenants when they are first asked for. Safe to use from several threads."""

    def __init__(self, data: Path, settings: Settings, *, load_models: bool = True) -> None:
        self.data, self.settings = data, settings
        self.options: tenancy.TenantOptions = settings.section("tenants")
        self.limiter = Limiter(settings.section("limits"))
        self._lock = threading.RLock()
        self._spools: dict[str, DiskSpool] = {}
        self._intakes: dict[str, SpoolIntake] = {}
        self._spaces: dict[str, Workspace] = {}
        self.intake(tenancy.DEFAULT)
        self._spaces[tenancy.DEFAULT] = Workspace(data, settings, load_models=load_models)
        self._connect(tenancy.DEFAULT)

    def intake(self, name: str) -> SpoolIntake:
        """The tenant's spool, made if need be. Raises BadInput for its name, Overloaded when there are too many."""
        found = self._intakes.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._intakes:
                place = tenancy.folder(self.data, name)
                if not place.is_dir() and name != tenancy.DEFAULT:
                    tenancy.check_room(self.data, self.options.max_tenants, name)
                place.mkdir(parents=True, exist_ok=True)
                # The index first: the worker takes up a tenant that has a spool.
                _make_index(place, tenancy.settings_of(self.settings, name))
                self._spools[name] = DiskSpool(place / "spool", self.settings.section("spool"))
                self._intakes[name] = SpoolIntake(self._spools[name])
                self._connect(name)
            return self._intakes[name]

    def workspace(self, name: str) -> Workspace:
        """What the tenant may see: nothing, if nobody has sent anything for it."""
        found = self._spaces.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._spaces:
                place = tenancy.folder(self.data, name)
                if not place.is_dir():
                    return self._nobody()
                settings = tenancy.settings_of(self.settings, name)
                self._spaces[name] = Workspace(place, settings, beside=self._spaces[tenancy.DEFAULT])
                self._connect(name)
            return self._spaces[name]

    def all(self) -> list[Workspace]:
        """Those that have been asked for since the start, the default tenant first."""
        with self._lock:
            return [space for name, space in self._spaces.items() if name]

    def _nobody(self) -> Workspace:
        if "" not in self._spaces:
            place = self.data / NOBODY
            settings = Settings()  # embedded, and empty: an index on a server would have to be asked
            _make_index(place, settings)
            self._spaces[""] = Workspace(place, settings, beside=self._spaces[tenancy.DEFAULT])
            self._spaces[""].desk.writable = False
        return self._spaces[""]

    def _connect(self, name: str) -> None:
        """Tell the tenant's workspace what only the process that accepts lines knows, once there are both."""
        if name in self._spaces and name in self._intakes:
            space = self._spaces[name]
            space.backlog_bytes, space.intake_stats = self._spools[name].backlog_bytes, self._intakes[name].stats

    def door(self, caller: Caller) -> Intake:
        """Where ``caller`` hands over: its tenant's spool, no faster than its limits allow."""
        return _Door(self, caller)

    def spool(self, name: str) -> DiskSpool:
        self.intake(name)
        return self._spools[name]

    def close(self) -> None:
        with self._lock:
            for space in self._spaces.values():
                space.close()
            for spool in self._spools.values():
                spool.close()


class _Door:
    """An ``Intake`` for one caller."""

    def __init__(self, tenants: Tenants, caller: Caller) -> None:
        self._tenants, self._caller = tenants, caller

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        intake = self._tenants._intakes.get(self._caller.tenant)
        if intake is None:  # making a tenant takes some fsyncs: other requests must not wait for them
            intake = await asyncio.to_thread(self._tenants.intake, self._caller.tenant)
        limiter = self._tenants.limiter
        if not limiter.active or not self._caller.source:
            await intake.accept(events, metrics)
            return
        cost = len(events) + len(metrics), size_of(events, metrics)
        limiter.check(self._caller.source, *cost)
        try:
            await intake.accept(events, metrics)
        except LogsenseError:
            limiter.give_back(self._caller.source, *cost)
            raise

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self._tenants.limiter.check(self._caller.source, len(events) + len(metrics), size_of(events, metrics))
        self._tenants.intake(self._caller.tenant).accept_sync(events, metrics)

    def dropped(self, source: str, count: int) -> None:
        self._tenants.intake(self._caller.tenant).dropped(source, count)


class CallersIntake:
    """The ``Intake`` of the HTTP receivers: each request hands over to its own caller's tenant."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def accept(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        await self._tenants.door(CALLER.get()).accept(events, metrics)

    def accept_sync(self, events: Sequence[RawEvent], metrics: Sequence[MetricPoint] = ()) -> None:
        self._tenants.door(CALLER.get()).accept_sync(events, metrics)

    def dropped(self, source: str, count: int) -> None:
        self._tenants.door(CALLER.get()).dropped(source, count)


class CallersSpace:
    """Stands for the workspace of whoever is asking. Without a caller every question but ``ready`` is an error."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tenants.workspace(CALLER.get().tenant), name)

    def ready(self) -> dict[str, Any]:
        """Probes show no key: they hear of the service, with the spool of the default tenant."""
        caller = CALLER.get(None)
        return self._tenants.workspace(caller.tenant if caller else tenancy.DEFAULT).ready()


def callers_space(tenants: Tenants) -> Workspace:
    """``CallersSpace`` as what it stands for."""
    return cast(Workspace, CallersSpace(tenants))


def _make_index(place: Path, settings: Settings) -> None:
    """A reader needs the embedded index to exist; the worker that would make it starts later."""
    if settings.section("index").type == "embedded" and not (place / "index").is_dir():
        with contextlib.suppress(Busy):  # somebody is making it at this moment
            registry.open_index(place, settings, writer=True).close()
